"""Is the licence of everything that the candidate was made from on record, and one that the loop allows?"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from monitor.check import Measurement, check
from monitor.gate.artefacts import NO_LINEAGE, hidden_lineage, lineage_of, read_told
from monitor.gate.trial import Trial

MODELS = ("base_model", "reward_model", "teacher", "code")
NO_POLICY = "the licences that you allow: `checks: {licence_status: {allowed: [apache-2.0, mit]}}` in the settings"


@check(family="governance", on={"gate"}, severity="warning")
def licence_status(snapshot: Trial, *, allowed: Sequence[str] = (), tolerance: float = 0.0) -> Iterator[Measurement]:
    """Yield a census of the candidate and of what its lineage names.

    allowed: identifiers of licences (SPDX), whatever their case. Effects: shape (things,), 1 where a thing has no
    licence on record or one that is not allowed: the candidate itself, its base model, reward model, teacher, code and
    each data source that is named. Exact: no interval. No list of allowed ones, no lineage, or licences that nobody
    told and that may be sealed in a folder out of reach: no effects. What the lineage does not name is not seen here
    but by `lineage_completeness`. Tolerance: share of things. Raises nothing.
    Source: Longpre et al. 2023, arXiv:2310.16787 (licences are left out or wrong for most data sets).
    """
    told = read_told(snapshot.engine, snapshot.as_of)
    lineage = lineage_of(snapshot, told, snapshot.candidate)
    known = {name.casefold() for name in allowed}
    licences = _licences(lineage) if lineage and known else {}
    refused = {what: found for what, found in licences.items() if found.casefold() not in known}
    shown = any(refused.values()) or (licences and not refused)
    hidden = "" if shown else hidden_lineage(snapshot, told, snapshot.candidate)
    yield Measurement(
        {},
        np.array([float(what in refused) for what in licences if not hidden]),
        tolerance,
        exact=True,
        needs=NO_POLICY if not known else hidden or ("" if licences else NO_LINEAGE),
        note="; ".join(f"{what}: {found or 'no licence on record'}" for what, found in refused.items()),
    )


def _licences(lineage: Mapping[str, Any]) -> dict[str, str]:
    """Thing -> its licence, "" where none is told."""
    data = lineage.get("data")
    sources = [
        (f"data[{_name(one, at)}]", one) for at, one in enumerate(data if isinstance(data, list | tuple) else [])
    ]
    named = [(part, lineage[part]) for part in MODELS if lineage.get(part)]
    return {"itself": _licence(lineage), **{what: _licence(one) for what, one in (*named, *sources)}}


def _licence(thing: object) -> str:
    told = thing.get("licence") if isinstance(thing, Mapping) else None
    return told.strip() if isinstance(told, str) else ""


def _name(source: object, at: int) -> str:
    named = source.get("name") if isinstance(source, Mapping) else None
    return named if isinstance(named, str) else str(at)
