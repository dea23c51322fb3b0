"""Is it on record what the candidate was made from, each part with a hash or a revision?"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from monitor.check import Measurement, check
from monitor.gate.artefacts import NO_LINEAGE, hidden_lineage, lineage_of, read_told
from monitor.gate.trial import Trial

PARTS = ("base_model", "data", "code", "reward_model")
PINNED = {"base_model", "reward_model", "teacher"}  # by a hash or a revision; data by a hash, code by its commit


@check(family="governance", on={"gate"}, severity="warning")
def lineage_completeness(
    snapshot: Trial, *, parts: Sequence[str] = PARTS, tolerance: float = 0.0
) -> Iterator[Measurement]:
    """Yield a census of what the candidate's lineage must tell.

    parts: what must be told: base_model, data, code, reward_model, teacher, licence, or a name that only the event's
    lineage has, such as rubric. Effects: shape (things to tell,), 1 where one is missing: each part, the hash or
    revision of a model, the hash of each data source, the revision of the code. What is sealed in the folder counts
    before what an event tells. Exact: no interval. No lineage at all, or something is missing that may be sealed in a
    folder out of reach: no effects. Tolerance: share of things missing. Raises nothing.
    Source: Longpre et al. 2023, arXiv:2310.16787 (what data sets say of where they come from, and how often not).
    """
    told = read_told(snapshot.engine, snapshot.as_of)
    lineage = lineage_of(snapshot, told, snapshot.candidate)
    asked = _asked(lineage, parts) if lineage else {}
    missing = [name for name, is_told in asked.items() if not is_told]
    hidden = hidden_lineage(snapshot, told, snapshot.candidate) if missing or not asked else ""
    yield Measurement(
        {},
        np.array([float(not is_told) for is_told in asked.values() if not hidden]),
        tolerance,
        exact=True,
        needs=hidden or ("" if asked else NO_LINEAGE),
        note=f"missing: {', '.join(missing)}" if missing else "",
    )


def _asked(lineage: Mapping[str, Any], parts: Sequence[str]) -> dict[str, bool]:
    """Everything that must be told, and whether it is."""
    asked: dict[str, bool] = {}
    for part in parts:
        value = lineage.get(part)
        if part == "data":
            asked |= _data(value)
        elif part == "code":
            asked["code.revision"] = _has(value, "revision")
        else:
            asked[part] = _has(value, "name") or (isinstance(value, str) and bool(value.strip()))
        if part in PINNED:
            asked[f"{part}.sha256 or revision"] = _has(value, "sha256") or _has(value, "revision")
    return asked


def _data(value: object) -> dict[str, bool]:
    sources = list(value) if isinstance(value, list | tuple) else [value] if value else []
    return {"data": bool(sources)} | {
        f"data[{_name(source, at)}].sha256": _has(source, "sha256") for at, source in enumerate(sources)
    }


def _name(source: object, at: int) -> str:
    named = isinstance(source, Mapping) and source.get("name")
    return named if isinstance(named, str) else str(at)


def _has(value: object, field: str) -> bool:
    told = value.get(field) if isinstance(value, Mapping) else None
    return isinstance(told, str) and bool(told.strip())
