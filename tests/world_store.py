"""A world's frame as rows of a store, put there in bulk: what ingest would have left of its events."""

import numpy as np
import pandas as pd
from sqlalchemy import Connection

from consumers.database import writing
from consumers.store import EventStore
from monitor.settings import Settings

MINUTE_US = 60_000_000


def fill_store(store: EventStore, frame: pd.DataFrame, settings: Settings) -> None:
    """Write a response, a reward and an outcome for each item of a world whose outcomes are 0 or 1.

    The reward is a thumb or, if the settings name a scorer, its score. An outcome that is sent only when it happens
    (`missing: false`) has rows of those alone.
    """
    served, about = frame["time_us"], frame["response_id"]
    with writing(store.engine) as connection:
        response = {"checkpoint": frame["checkpoint"], "user_id": frame["user"], "cohort": frame["cohort"]}
        _write(connection, "response", 0, served, about, {**response, "environment": "production"})
        _write_rewards(connection, frame, settings)
        happened = frame["outcome"] == float(settings.outcome.higher_is_better)
        sent = happened if settings.outcome.missing is False else frame["outcome"].notna()
        outcome = {"metric": settings.outcome.metric, "value": happened[sent].astype(float), "method": "system"}
        _write(connection, "outcome", 2, served[sent] + 2 * MINUTE_US, about[sent], outcome)


def _write_rewards(connection: Connection, frame: pd.DataFrame, settings: Settings) -> None:
    at, about = frame["time_us"] + MINUTE_US, frame["response_id"]
    if settings.reward.scorer:
        score = {"scorer": settings.reward.scorer, "value": frame["reward"], "status": "ok"}
        _write(connection, "score", 1, at, about, score)
        return
    surface = {"surface_name": "chat", "surface_environment": "production", "surface_purpose": "product"}
    thumb = {"signal": "thumbs", "value": frame["reward"], "actor_id": frame["user"], "actor_role": "end_user"}
    _write(connection, "feedback", 1, at, about, {**thumb, **surface, "purpose": "reward", "purpose_rule": "signal"})


def _write(
    connection: Connection,
    kind: str,
    place: int,
    at: "pd.Series[int]",
    about: "pd.Series[str]",
    fields: dict[str, object],
) -> None:
    """Rows of one type and their identities. place: of the type among those of an item, 0 to 2."""
    seq = at.index.to_numpy() * 3 + place + 1
    identity = {"source": "/world", "event_id": np.char.add("e", seq.astype(str)), "type": kind, "digest": b""}
    for table, columns in (("event", identity), (kind, {"response_id": about, **fields})):
        rows = pd.DataFrame({"seq": seq, "time_us": at.to_numpy()}, index=at.index).assign(**columns)
        rows.to_sql(table, connection, if_exists="append", index=False)
