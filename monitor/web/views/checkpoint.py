"""Which checkpoints are there, and what is known of one: scores, outcomes, cohorts, what was changed, its gates?

Read are checkpoint events and evaluations (few beside answers), the sums and comparisons of the last look, and gate
records; never an answer.
"""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Engine, RowMapping, bindparam, text

from consumers.database import reading
from monitor.anchored.comparisons import Comparison
from monitor.check import Interval
from monitor.detection.memory import Memory
from monitor.production.items import EPOCH, date_of
from monitor.settings import Settings
from monitor.web.views.gate import Head, records_of
from monitor.web.views.served import Change, Service, UnknownCheckpoint, cohorts_of, last_memory, services

EVENTS = """
    SELECT time_us, seq, checkpoint, position, stage, traffic_share, parent, base_model, teacher, reward_model, kl_nats,
           steps, artifact, sha256, lineage FROM checkpoint
"""
EVALUATED = """
    SELECT checkpoint, time_us, seq, suite, category, metric, value, n, stderr, higher_is_better FROM evaluation
    WHERE checkpoint IN :checkpoints
"""
TITLES = {
    "stage": "stage",
    "traffic_share": "share of traffic",
    "parent": "parent",
    "base_model": "base model",
    "teacher": "teacher",
    "reward_model": "reward model",
    "kl_nats": "KL from the start, nats",
    "steps": "training steps",
    "artifact": "artifact",
    "sha256": "sha256",
}
STATE = ("stage", "traffic_share", "parent")  # what differs between any two checkpoints, and explains nothing


@dataclass(frozen=True)
class Told:
    """What checkpoint events said, the newest of each field; None where none did. first, last: of those events."""

    checkpoint: str
    first: dt.datetime | None = None
    last: dt.datetime | None = None
    position: float | None = None
    stage: str | None = None
    traffic_share: float | None = None
    parent: str | None = None
    base_model: str | None = None
    teacher: str | None = None
    reward_model: str | None = None
    kl_nats: float | None = None
    steps: float | None = None
    artifact: str | None = None
    sha256: str | None = None
    lineage: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """A field of which two checkpoints say something else; None: nothing was told."""

    what: str
    before: str | None
    now: str | None


@dataclass(frozen=True)
class Score:
    """The newest result on one suite, and that of the checkpoint before it, as a harness told them."""

    suite: str
    category: str
    metric: str
    value: float
    n: int | None
    stderr: float | None
    higher_is_better: bool
    at: dt.datetime
    before: float | None


@dataclass(frozen=True)
class Anchored:
    """A checkpoint beside the reference on one set of held-out items; changes new minus reference, plus is better."""

    anchor_set: str
    reference: str
    day: dt.date
    items: int
    failed: int
    reward: Interval
    outcome: Interval


@dataclass(frozen=True)
class Row:
    """One checkpoint in the list. role: reference, monitored, or "" while no unit of it has matured."""

    told: Told
    role: str
    service: Service | None
    gate: Head | None


@dataclass(frozen=True)
class CheckpointPage:
    """Everything known of one checkpoint. before: the one it is compared with: its parent, else the one before it.

    cohorts: over the days it had to itself, the largest loss of outcome first.
    """

    told: Told
    role: str
    before: str | None
    differences: Sequence[Difference]
    service: Service | None
    cohorts: Sequence[Change]
    scores: Sequence[Score]
    anchored: Sequence[Anchored]
    gates: Sequence[Head]


def checkpoint_list(engine: Engine, settings: Settings) -> list[Row]:
    """Every checkpoint that was told of or served, the newest first."""
    memory = last_memory(engine, settings.loop)
    served = _served(memory)
    known = _known(engine, memory, served)
    gates = {head.candidate: head for head in reversed(records_of(engine, settings.loop))}
    rows = [Row(told, _role(name, memory, served), served.get(name), gates.get(name)) for name, told in known.items()]
    return rows[::-1]


def checkpoint_page(engine: Engine, settings: Settings, name: str) -> CheckpointPage:
    """One checkpoint. Raises UnknownCheckpoint."""
    memory = last_memory(engine, settings.loop)
    served = _served(memory)
    known = _known(engine, memory, served)
    if name not in known:
        raise UnknownCheckpoint(f"no event ever spoke of a checkpoint {name!r}; the list of checkpoints has them all")
    before = _before(known, name)
    return CheckpointPage(
        told=known[name],
        role=_role(name, memory, served),
        before=before,
        differences=_differences(known[before], known[name]) if before else (),
        service=served.get(name),
        cohorts=cohorts_of(memory, name) if memory else (),
        scores=_scores(engine, name, before),
        anchored=_anchored(memory.comparisons if memory else (), name),
        gates=records_of(engine, settings.loop, name),
    )


def _known(engine: Engine, memory: Memory | None, served: Mapping[str, Service]) -> dict[str, Told]:
    """By name, in order: as they were numbered, else as they were first told of or first served."""
    known: dict[str, Told] = {}
    with reading(engine) as connection:
        rows = connection.execute(text(EVENTS)).mappings().all()
    for row in sorted(rows, key=lambda row: (row["time_us"], row["seq"])):
        name = row["checkpoint"]
        known[name] = _heard(known.get(name, Told(name)), row)
    began = {name: _midnight(one.first) for name, one in served.items()}
    if memory and memory.baseline.window.checkpoint:
        began[memory.baseline.window.checkpoint] = EPOCH + dt.timedelta(microseconds=memory.baseline.window.start_us)
    known |= {name: Told(name) for name in began if name not in known}
    numbered = all(told.position is not None for told in known.values())
    return dict(sorted(known.items(), key=lambda pair: _place(pair[1], began, numbered)))


def _heard(told: Told, row: RowMapping) -> Told:
    at = EPOCH + dt.timedelta(microseconds=row["time_us"])
    news = {name: row[name] for name in (*TITLES, "position") if row[name] is not None}
    if row["lineage"] is not None:
        news["lineage"] = json.loads(row["lineage"])
    return replace(told, **news, first=told.first or at, last=at)


def _place(told: Told, began: Mapping[str, dt.datetime], numbered: bool) -> tuple[float, dt.datetime, str]:
    first = told.first or began.get(told.checkpoint) or EPOCH
    return told.position or 0.0 if numbered else 0.0, first, told.checkpoint


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)


def _served(memory: Memory | None) -> dict[str, Service]:
    return {one.checkpoint: one for one in services(memory)} if memory else {}


def _role(name: str, memory: Memory | None, served: Mapping[str, Service]) -> str:
    if memory and memory.baseline.window.checkpoint == name:
        return "reference"
    return "monitored" if name in served else ""


def _before(known: Mapping[str, Told], name: str) -> str | None:
    names = list(known)
    at = names.index(name)
    return known[name].parent if known[name].parent in known else names[at - 1] if at else None


def _differences(before: Told, now: Told) -> list[Difference]:
    fields = [(TITLES[name], getattr(before, name), getattr(now, name)) for name in TITLES if name not in STATE]
    keys = sorted({*before.lineage, *now.lineage})
    fields += [(f"lineage: {key}", before.lineage.get(key), now.lineage.get(key)) for key in keys]
    return [Difference(what, _written(was), _written(is_)) for what, was, is_ in fields if was != is_]


def _written(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return f"{value:g}" if isinstance(value, float) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _scores(engine: Engine, name: str, before: str | None) -> list[Score]:
    wanted = text(EVALUATED).bindparams(bindparam("checkpoints", expanding=True))
    with reading(engine) as connection:
        rows = connection.execute(wanted, {"checkpoints": [name, *([before] if before else [])]}).mappings().all()
    newest: dict[tuple[str, ...], dict[str, RowMapping]] = {}
    for row in sorted(rows, key=lambda row: (row["time_us"], row["seq"])):
        newest.setdefault((row["suite"], row["category"], row["metric"]), {})[row["checkpoint"]] = row
    return [_score(told[name], told.get(before or "")) for _, told in sorted(newest.items()) if name in told]


def _score(row: RowMapping, before: RowMapping | None) -> Score:
    return Score(
        suite=row["suite"],
        category=row["category"],
        metric=row["metric"],
        value=row["value"],
        n=row["n"],
        stderr=row["stderr"],
        higher_is_better=bool(row["higher_is_better"]),
        at=EPOCH + dt.timedelta(microseconds=row["time_us"]),
        before=None if before is None else before["value"],
    )


def _anchored(comparisons: Sequence[Comparison], name: str) -> list[Anchored]:
    """The newest comparison on each set."""
    newest = {one.anchor_set: one for one in comparisons if one.checkpoint == name}
    return [
        Anchored(one.anchor_set, one.reference, date_of(one.day), one.items, one.failed, one.reward, one.outcome)
        for _, one in sorted(newest.items())
    ]
