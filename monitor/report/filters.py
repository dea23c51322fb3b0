"""Under which names do templates know how numbers, names and strangers' texts are written?"""

from collections.abc import Callable, Mapping
from typing import Any

from markupsafe import Markup, escape

from monitor.report import wording


def _typeset(write: Callable[[Any], str]) -> Callable[[Any], str]:
    """The same words with a true minus sign and a spoken range."""
    return lambda value: write(value).replace("-", "−").replace("..", " to ")


def quoted(text: str) -> Markup:
    """A sentence of the house, its `quoted` words as code.

    >>> print(quoted("run `a <b>` now"), quoted("a ` alone"))
    run <code>a &lt;b&gt;</code> now a ` alone
    """
    pieces = text.split("`")
    if len(pieces) % 2 == 0:
        pieces[-2:] = ["`".join(pieces[-2:])]
    return Markup("").join(
        Markup("<code>{}</code>").format(piece) if at % 2 else escape(piece) for at, piece in enumerate(pieces)
    )


FILTERS: Mapping[str, Callable[..., Any]] = {
    "name": wording.name,
    "passage": wording.passage,
    "slice_name": wording.slice_name,
    "count": wording.count,
    "percent": wording.percent,
    "points": _typeset(wording.points),
    "preview": wording.preview,
    "score_name": wording.score_name,
    "points_range": _typeset(wording.points_range),
    "points_interval": _typeset(wording.points_interval),
    "percent_interval": _typeset(wording.percent_interval),
    "statistic": wording.statistic,
    "day": wording.day,
    "moment": wording.moment,
    "plural": wording.plural,
    "title_of": wording.title_of,
    "quoted": quoted,
}
