"""The synthetic worlds as real events: what a gateway, a widget and a ticket system would send."""

import datetime as dt
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from monitor.production.items import DAY_US, EPOCH
from tests.worlds import FIRST_DAY

Event = dict[str, Any]

PRODUCT = {"name": "chat", "environment": "production", "purpose": "product"}
TEXTS = {"prompt": "Where is my parcel?", "response": "It left the depot this morning."}
SETTINGS = """\
loop: world
reward: {signal: thumbs}
outcome: {metric: task_success, horizon: HORIZON}
reference: {checkpoint: ckpt-00}
cohorts: [tier]
unit: response
freshness: {event: 5000w, feedback: 5000w, outcome: 5000w}  # the world is over
"""


def write_settings(folder: Path, horizon: str = "1d") -> Path:
    """The settings of every world."""
    path = folder / "reward-drift.yaml"
    path.write_text(SETTINGS.replace("HORIZON", horizon))
    return path


def first_days(frame: pd.DataFrame, days: int) -> pd.DataFrame:
    """The items served in the first so many days of a world."""
    return frame[frame["time_us"] < (FIRST_DAY + days) * DAY_US]


def world_events(frame: pd.DataFrame, outcome_days: float | np.ndarray = 0.1) -> Iterator[Event]:
    """A response, a thumb and an outcome for each item, in no order. outcome_days: from the response to its outcome."""
    known_after = np.broadcast_to(outcome_days, len(frame)) * DAY_US
    spread = DAY_US // (frame.groupby("day")["day"].transform("size") + 1)
    served = frame["time_us"] // DAY_US * DAY_US + frame.groupby("day").cumcount() * spread
    rows = zip(frame.itertuples(), served.tolist(), known_after.tolist(), strict=True)
    for row, at, wait in rows:
        about = {"response_id": row.response_id}
        facts = {"checkpoint": row.checkpoint, "user": row.user, "cohort": json.loads(str(row.cohort))}
        yield event("response", f"r-{row.response_id}", at, {**about, **facts, **TEXTS})
        yield thumb(f"f-{row.response_id}", at + 30_000_000, str(row.response_id), int(row.reward), str(row.user))
        if not np.isnan(row.outcome):
            outcome = {"metric": "task_success", "value": bool(row.outcome), "method": "human"}
            yield event("outcome", f"o-{row.response_id}", at + int(wait), {**about, **outcome})


def thumb(name: str, at: int, response_id: str, value: int, user: str, **changes: Any) -> Event:
    """A customer's thumb; `changes` replace parts of its data, None removes one."""
    data = {"response_id": response_id, "signal": "thumbs", "value": value, "surface": PRODUCT}
    data |= {"actor": {"id": user, "role": "end_user"}, **changes}
    return event("feedback", name, at, {key: part for key, part in data.items() if part is not None})


def event(kind: str, name: str, at: int, data: Event) -> Event:
    """An envelope. at: microseconds since 1970-01-01 UTC."""
    time = (EPOCH + dt.timedelta(microseconds=int(at))).isoformat().replace("+00:00", "Z")
    return {
        "specversion": "1.0",
        "id": name,
        "source": "/world",
        "type": f"rewarddrift.{kind}.v1",
        "time": time,
        "data": data,
    }


def write_events(path: Path, events: Iterable[Event]) -> Path:
    """One event a line, in order of event time."""
    ordered = sorted(events, key=lambda e: (e["time"], e["id"]))
    path.write_text("".join(json.dumps(e) + "\n" for e in ordered))
    return path
