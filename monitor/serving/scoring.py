"""Which checkpoints wait to be scored, and what became of each that was tried?

A checkpoint event names a local folder; if that lies where the settings say checkpoints lie, it is opened, checked
against its seal and scored as `reward-drift score` does. A folder that is refused is an incident, and is not tried
again until an event names another one.
"""

import datetime as dt
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import text

from consumers.database import writing
from consumers.store import EventStore
from monitor.production.items import microseconds
from monitor.serving.settings import ScoringSettings
from monitor.serving.turns import Work

if TYPE_CHECKING:
    from judges.evaluation import Ask

AGAIN = dt.timedelta(hours=1)  # after a fault that may pass
SCORER = "/reward-drift/score"  # the source of what a scoring run tells, a checkpoint event among it
NAMED = """
    SELECT c.checkpoint, c.artifact, c.sha256 FROM checkpoint AS c JOIN event AS e ON e.seq = c.seq
    WHERE c.artifact IS NOT NULL AND e.source <> :scorer ORDER BY c.seq
"""
TRIED = "SELECT checkpoint, artifact, state, at_us FROM scored_checkpoint WHERE loop = :loop"
SAVE = """
    INSERT INTO scored_checkpoint (loop, checkpoint, artifact, state, note, at_us)
    VALUES (:loop, :checkpoint, :artifact, :state, :note, :now)
    ON CONFLICT (loop, checkpoint) DO UPDATE SET artifact = :artifact, state = :state, note = :note, at_us = :now
"""


@dataclass(frozen=True)
class Waiting:
    """A checkpoint that has no scores. folder: where its weights are; artifact: as the event said it."""

    checkpoint: str
    artifact: str
    folder: Path
    sha256: str | None


def waiting(store: EventStore, loop: str, root: Path, now: dt.datetime) -> list[Waiting]:
    """Checkpoints whose artefact lies below `root` and that were not scored yet, in the order of their events."""
    with store.engine.connect() as connection:
        named = {row.checkpoint: row for row in connection.execute(text(NAMED), {"scorer": SCORER})}
        tried = {row.checkpoint: row for row in connection.execute(text(TRIED), {"loop": loop})}
    again = microseconds(now - AGAIN)
    found = []
    for name, row in named.items():
        last, folder = tried.get(name), _below(root, row.artifact)
        is_new = last is None or last.artifact != row.artifact or (last.state == "failed" and last.at_us <= again)
        if is_new and folder is not None:
            found.append(Waiting(name, row.artifact, folder, row.sha256))
    return found


def score_waiting(work: Work, loop: str, chosen: ScoringSettings) -> str:
    """Score every checkpoint that waits; a fault of one does not keep the others from it.

    Raises LeaseLost in the middle, after which another process goes on where this one was, and the first fault that may
    pass, once all were tried.
    """
    found = waiting(work.store, loop, chosen.checkpoints, work.now)
    if not found:
        return ""
    from judges.artefacts.rejection import ArtifactRejected, record_rejection

    faults: list[Exception] = []
    for one in found:
        try:
            _score(work, one, chosen)
        except ArtifactRejected as rejected:
            record_rejection(work.store, one.checkpoint, rejected, work.now)
            _keep(work, loop, one, "refused", str(rejected))
        except (OSError, ValueError, MemoryError, RuntimeError) as fault:
            faults.append(fault)
            _keep(work, loop, one, "failed", type(fault).__name__)
        else:
            _keep(work, loop, one, "done", "")
    if faults:
        raise faults[0]
    return f"scored {', '.join(one.checkpoint for one in found)}"


def _score(work: Work, one: Waiting, chosen: ScoringSettings) -> None:
    from judges.evaluation import Watch, evaluate
    from judges.held_out.anchor_wall import register_anchors

    ask = _ask(one, chosen)
    now_us = microseconds(work.now)
    for anchors in ask.sets:
        register_anchors(work.store.engine, anchors, now_us)
    watch = Watch(answers=lambda *_: work.going_on(), scores=lambda *_: work.going_on())
    evaluate(ask, work.store, lambda: microseconds(dt.datetime.now(dt.UTC)), watch)


def _ask(one: Waiting, chosen: ScoringSettings) -> "Ask":
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch is imported, which is now
    from judges.anchors import open_anchors
    from judges.checkpoints import open_checkpoint
    from judges.engine.device import choose_place
    from judges.engine.scorer import How
    from judges.evaluation import Ask

    return Ask(
        checkpoint=open_checkpoint(one.folder, name=one.checkpoint, expected=one.sha256),
        name=one.checkpoint,
        reward=open_checkpoint(chosen.reward, name=chosen.reward_name),
        reward_name=chosen.reward_name or chosen.reward.resolve().name,
        sets=[open_anchors(folder) for folder in chosen.anchors],
        place=choose_place(chosen.device, chosen.dtype, chosen.threads),
        how=How(size=chosen.token_budget),
        max_new_tokens=chosen.max_new_tokens,
    )


def _keep(work: Work, loop: str, one: Waiting, state: str, note: str) -> None:
    row = {"loop": loop, "checkpoint": one.checkpoint, "artifact": one.artifact, "state": state, "note": note}
    with writing(work.store.engine) as connection:
        connection.execute(text(SAVE), {**row, "now": microseconds(work.now)})


def _below(root: Path, artifact: str) -> Path | None:
    """The folder an event names, if it is there and nowhere but below the root; links are followed first."""
    try:
        place = (root / artifact).resolve()
        return place if place.is_relative_to(root.resolve()) and place.is_dir() else None
    except (OSError, ValueError):
        return None
