"""Each input stops in turn while all others go on: is that told within the stated freshness, and does any view still
look healthy? Time is simulated; limits are the defaults of the settings.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import text

from consumers.database import writing
from monitor.detection.memory import FORMAT
from monitor.oncall.freshness import HOLD, read_stages
from monitor.production.items import day_of
from monitor.status import status_of, status_text
from monitor.web.views.overview import overview
from tests.monitor.alert_life import DAY, MINUTE, Life
from tests.monitor.events import Event, in_memory, outcome, put, response, score, settings, thumbs
from tests.monitor.judged_events import Pair, judge, said
from tests.monitor.live import query

BY_THUMBS = settings(judges={"watched": ["j"]})
BY_SCORES = settings(judges={"watched": ["j"]}, reward={"scorer": "rm"})
WARNINGS = {"event", "outcome", "evaluation"}
DECIDED = "UPDATE monitor_memory SET closed = :closed"


# Each kind of data, as events of a moment; the look at the loop is no event.
INPUTS: dict[str, Callable[[str, Life], list[Event]]] = {
    "event": lambda name, life: [response(name, life.now)],
    "feedback": lambda name, life: [thumbs(name, life.now, 1.0)],
    "score": lambda name, life: [score(name, life.now, 0.5)],
    "outcome": lambda name, life: [outcome(life.now, True, response_id=name)],
    "anchors": lambda name, life: [response(f"{name}-held-out", life.now, environment="evaluation")],
    "judgments": lambda name, life: [said(Pair(name, 1, 1, 0), 1, life.now, judge())],
}


def goes_on(life: Life, but: str | None = None) -> None:
    """A day's data, of all inputs or of all but one."""
    name = f"{life.now:%Y-%m-%d}"
    told = [one for kind, made in INPUTS.items() if kind != but for one in made(name, life)]
    assert put(life.store, told).rejected == 0
    if but != "evaluation":
        life.looked_at()
        with writing(life.store.engine) as connection:
            connection.execute(text(DECIDED), {"closed": day_of(life.now)})


def no_data(life: Life) -> list[tuple[Any, ...]]:
    return query(life.store, "SELECT slice_name, state FROM alert_episode WHERE check_name = 'no_data' ORDER BY id")


def views(life: Life) -> Iterator[str]:
    """What people and machines are shown of the loop as a whole."""
    told = status_of(life.store, life.settings, life.now)
    yield told["state"]
    yield overview(life.store.engine, life.settings, life.now).standing.state
    yield "quiet" if "no open alert" in status_text(told) else "not quiet"


@pytest.mark.parametrize(
    ("stage", "chosen"),
    [
        *((stage, BY_THUMBS) for stage in ("event", "feedback", "outcome", "anchors", "judgments", "evaluation")),
        ("score", BY_SCORES),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_input_that_stops_is_told_within_its_freshness_and_nothing_looks_healthy(stage: str, chosen: Any) -> None:
    with in_memory() as store:
        life = Life(store, chosen)
        goes_on(life)
        life.keep()
        assert {*views(life)} == {"quiet"}
        limit = dict(chosen.freshness)[stage]
        last = life.now
        while life.now + DAY <= last + limit:
            life.later(DAY)
            goes_on(life, but=stage)
            life.keep()
            assert no_data(life) == [], f"nothing is too old after {life.now - last}"
        life.now = last + limit + MINUTE
        with store.engine.connect() as connection:
            stale = {one.name for one in read_stages(connection, chosen, life.now) if one.is_stale}
        assert stale == {stage}
        assert "quiet" not in views(life), "before anybody kept the alerts, too"
        life.later(HOLD)
        life.keep()
        assert no_data(life) == [(f"stage={stage}", "firing")]
        assert life.sent() == [("fired", "warning" if stage in WARNINGS else "ticket")]
        assert "quiet" not in views(life)


def test_a_clock_that_is_behind_what_was_decided_looks_healthy_to_nobody() -> None:
    with in_memory() as store:
        life = Life(store, BY_THUMBS)
        goes_on(life)
        life.keep()
        assert {*views(life)} == {"quiet"}
        life.now -= 30 * DAY
        assert {*views(life)} == {"blind", "not quiet"}
        (reason,) = status_of(store, BY_THUMBS, life.now)["blind_because"]
        assert "set the clock" in reason


def test_what_never_came_and_what_was_never_compared_is_no_health() -> None:
    with in_memory() as store:
        life = Life(store, BY_THUMBS)
        put(store, INPUTS["anchors"]("held-out", life))
        life.looked_at()
        told = overview(store.engine, life.settings, life.now).standing
        assert told.state == "blind"
        assert "No answer in production ever came, so what depends on it cannot be seen." in told.reasons
        goes_on(life)
        assert overview(store.engine, life.settings, life.now).standing.state == "quiet"
        with writing(store.engine) as connection:  # a look that found nothing of production to compare
            connection.execute(text("UPDATE monitor_memory SET format = :n, series = '[]'"), {"n": FORMAT})
        told = overview(store.engine, life.settings, life.now).standing
        assert (told.state, len(told.reasons)) == ("blind", 1)
        assert told.reasons[0].startswith("Nothing of production was compared yet")
