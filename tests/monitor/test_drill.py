"""Does a test go the whole way to a receiver, end itself, and ring elsewhere when it does not arrive?"""

from collections.abc import Iterator

import pytest

from consumers.store import EventStore
from monitor.detection.state import MonitorState
from monitor.oncall import drill
from monitor.oncall.receivers.pagerduty import PagerDutyReceiver
from tests.monitor.events import in_memory
from tests.monitor.fake_sinks import sink
from tests.monitor.live import query
from tests.monitor.messages import NOW, Failing, enqueued, here, kept, message, of


@pytest.fixture
def store() -> Iterator[EventStore]:
    with in_memory() as store:
        MonitorState(store.engine)
        yield store


def test_a_test_is_marked_and_ends_itself_under_its_key(store: EventStore) -> None:
    chat, route = kept(severities=("page",))
    with sink(202) as place:
        routes = {"pager": of(PagerDutyReceiver(here(place.url), "R" * 32)), "chat": route}
        fired = drill.test_fire(store.engine, routes, ["pager", "chat"], "support", NOW, print)
        first, last = place.json()
    assert [(one.receiver, one.fault) for one in fired] == [("pager", None), ("chat", None)]
    assert all(one.seconds is not None and one.seconds >= 0 for one in fired)
    assert first["payload"]["summary"].startswith("[TEST] support")
    assert [one["event_action"] for one in (first, last)] == ["trigger", "resolve"]
    assert first["dedup_key"] == last["dedup_key"]
    assert [one.kind for one in chat.got] == ["test", "resolved"]


def test_a_test_that_does_not_arrive_is_a_ticket_elsewhere_and_is_not_tried_again(store: EventStore) -> None:
    chat, route = kept(severities=("page",))
    told: list[str] = []
    fired = drill.test_fire(
        store.engine, {"pager": of(Failing()), "chat": route}, ["pager"], "support", NOW, told.append
    )
    assert [(one.seconds, one.fault) for one in fired] == [(None, "nobody home")]
    assert [(one.severity, one.alert["check"]) for one in chat.got] == [("ticket", "delivery")]
    assert query(store, "SELECT COUNT(*) FROM outbox WHERE sent_us IS NULL AND dropped IS NULL") == [(0,)]


def test_a_second_test_is_another_incident(store: EventStore) -> None:
    chat, route = kept()
    for _ in range(2):
        drill.test_fire(store.engine, {"chat": route}, ["chat"], "support", NOW, print)
    assert [one.kind for one in chat.got] == ["test", "resolved"] * 2


def test_a_test_leaves_what_waits_to_those_who_deliver(store: EventStore) -> None:
    chat, route = kept()
    enqueued(store, message("real:1"), "chat")
    drill.test_fire(store.engine, {"chat": route}, ["chat"], "support", NOW, print)
    assert "real:1" not in [one.dedup_key for one in chat.got]


def test_an_unknown_receiver_is_no_test(store: EventStore) -> None:
    with pytest.raises(KeyError, match="nobody"):
        drill.test_fire(store.engine, {}, ["nobody"], "support", NOW, print)
