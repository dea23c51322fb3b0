"""How far is an evaluation? A bar on a terminal, measured in operations; a line of JSON now and then elsewhere."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from judges.evaluation import Watch
from judges.scoring import Progress as Scoring

EVERY_SECONDS = 10.0


@contextmanager
def telling(quiet: bool) -> Iterator[Watch]:
    """Whom an evaluation tells how far it is."""
    console = Console(stderr=True)
    if quiet:
        yield Watch()
    elif console.is_terminal:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True) as bars:
            yield _bars(bars)
    else:
        yield _lines()


def _bars(bars: Progress) -> Watch:
    tasks = {}

    def move(what: str, done: float, of: float) -> None:
        if what not in tasks:
            tasks[what] = bars.add_task(what, total=of)
        bars.update(tasks[what], completed=done, total=of)

    return Watch(
        answers=move,
        scores=lambda what, progress: move(what, progress.done.flops, progress.planned.flops),
    )


def _lines() -> Watch:
    """Items come longest first, so operations tell what is left and items would lie."""
    told = [time.monotonic()]

    def tell(what: str, **facts: float) -> None:
        if time.monotonic() - told[0] >= EVERY_SECONDS:
            told[0] = time.monotonic()
            print(json.dumps({"stage": what, **facts}), file=sys.stderr, flush=True)  # noqa: T201

    def score(what: str, progress: Scoring) -> None:
        share = progress.done.flops / progress.planned.flops if progress.planned.flops else 1.0
        left = progress.seconds * (1 - share) / share if share else 0.0
        tell(what, share=round(share, 4), tokens=progress.done.tokens, hits=progress.hits, seconds_left=round(left, 1))

    return Watch(answers=lambda what, done, of: tell(what, answers=done, of=of), scores=score)
