"""Which days must be summed again? Those touched by events that came since the last look, and those that matured."""

import datetime as dt

from sqlalchemy import Engine, text

from monitor.production.items import DAY_US
from monitor.settings import Settings

LATEST = "SELECT MAX(seq) FROM event"
EARLIEST_TOUCHED = """
    SELECT MIN(time_us) FROM (
        SELECT MIN(time_us) AS time_us FROM response WHERE seq > :seq AND environment <> 'evaluation'
        UNION ALL
        SELECT MIN(r.time_us) FROM response AS r WHERE r.conversation_id IN (
            SELECT conversation_id FROM response WHERE seq > :seq
            UNION SELECT conversation_id FROM outcome WHERE seq > :seq AND metric = :metric)
        UNION ALL
        SELECT MIN(r.time_us) FROM response AS r WHERE r.environment <> 'evaluation' AND r.response_id IN (
            SELECT response_id FROM feedback WHERE seq > :seq
            UNION SELECT response_id FROM score WHERE seq > :seq
            UNION SELECT response_id FROM outcome WHERE seq > :seq AND metric = :metric)
        UNION ALL
        SELECT MIN(time_us) - :horizon FROM outcome WHERE seq > :seq AND metric = :metric AND user_id IS NOT NULL
    ) AS touched
"""
MATURED = """
    SELECT COUNT(*) FROM (SELECT 1 FROM response WHERE time_us >= :low AND time_us < :high LIMIT 1) AS one
"""


def latest_seq(engine: Engine) -> int:
    """Number of the newest event in the store; 0 when it is empty."""
    with engine.connect() as connection:
        return int(connection.execute(text(LATEST)).scalar() or 0)


def changed_since(engine: Engine, settings: Settings, seq: int, closed: int, close: int) -> int | None:
    """The first day whose sums may differ from the book, None if no day does.

    seq: the newest event already in the book. closed: the first day not decided yet; close: the first not to decide.
    A day may be named too early, never too late.
    """
    horizon, wait = (length // dt.timedelta(microseconds=1) for length in (settings.outcome.horizon, settings.wait))
    given = {"seq": seq, "metric": settings.outcome.metric, "horizon": horizon}
    matured = {"low": closed * DAY_US - wait, "high": close * DAY_US}
    with engine.connect() as connection:
        came = (connection.execute(text(LATEST)).scalar() or 0) > seq
        touched = connection.execute(text(EARLIEST_TOUCHED), given).scalar() if came else None
        fresh = close > closed and connection.execute(text(MATURED), matured).scalar()
    first = [(int(touched) // DAY_US)] if touched is not None else []
    first += [closed] if fresh else []
    return min(first) if first else None
