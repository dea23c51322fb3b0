"""How much feedback of each purpose came on each day, and which rule decided? Sums, so that no page counts events."""

import datetime as dt
from typing import NamedTuple

from sqlalchemy import Engine, text

from consumers.database import migrate, reading, writing
from monitor.production.items import DAY_US, date_of
from monitor.telling.page_migrations import CHAIN, MIGRATIONS

HEAD = "SELECT seq FROM purpose_day_head"
NEWEST = "SELECT MAX(seq) FROM feedback"
ADD = """
    INSERT INTO purpose_day (day, purpose, rule, events)
    SELECT day, purpose, rule, COUNT(*) FROM (
        SELECT time_us / :day_us AS day, purpose, purpose_rule AS rule FROM feedback WHERE seq > :seq AND seq <= :newest
    ) AS came WHERE TRUE GROUP BY day, purpose, rule
    ON CONFLICT (day, purpose, rule) DO UPDATE SET events = purpose_day.events + excluded.events
"""
MOVE_HEAD = "UPDATE purpose_day_head SET seq = :newest"
READ = "SELECT day, purpose, rule, events FROM purpose_day WHERE day >= :first AND day < :close"


class PurposeDay(NamedTuple):
    """Feedback events that happened on a day. rule: what decided, with the version of the rules."""

    day: dt.date
    purpose: str
    rule: str
    events: int


def keep_purpose_days(engine: Engine) -> None:
    """Add the feedback that came since the last time to its days; reads only what is new.

    An event counts once, however often this is called: the sums and the number of the last event commit together.
    """
    migrate(engine, CHAIN, MIGRATIONS)
    with writing(engine) as connection:
        seq = connection.execute(text(HEAD)).scalar_one()
        newest = connection.execute(text(NEWEST)).scalar()
        if newest is not None and newest > seq:
            given = {"seq": seq, "newest": newest}
            connection.execute(text(ADD), {**given, "day_us": DAY_US})
            connection.execute(text(MOVE_HEAD), {"newest": newest})


def read_purpose_days(engine: Engine, first: int, close: int) -> list[PurposeDay]:
    """The sums of days [first, close) since 1970-01-01, by day, purpose and rule; none before sums were kept."""
    with reading(engine) as connection:
        if not engine.dialect.has_table(connection, "purpose_day"):
            return []
        rows = connection.execute(text(READ), {"first": first, "close": close}).all()
    return sorted(PurposeDay(date_of(row.day), row.purpose, row.rule, row.events) for row in rows)
