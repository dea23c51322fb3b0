"""Does every message reach its receiver at least once, under one key, in order, through real HTTP servers?"""

import datetime as dt
import json
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.store import EventStore
from monitor.detection.state import MonitorState
from monitor.oncall.deliver import FIRST_RETRY, JITTER, LAST_RETRY, Courier, Delivered, deliver, in_order
from monitor.oncall.outbox import Row, read_waiting
from monitor.oncall.receivers.endpoint import LONGEST_WAIT
from monitor.oncall.receivers.port import Message
from monitor.oncall.receivers.stdout import StdoutReceiver
from tests.monitor.events import in_memory
from tests.monitor.fake_sinks import Step, sink
from tests.monitor.live import query
from tests.monitor.messages import ALERT, NOW, courier, enqueued, hook, kept, keys_and_kinds, message, of

MINUTE = dt.timedelta(minutes=1)
SECOND = dt.timedelta(seconds=1)


@pytest.fixture
def store() -> Iterator[EventStore]:
    with in_memory() as store:
        MonitorState(store.engine)
        yield store


def test_a_failure_is_retried_after_a_wait_with_the_same_event(store: EventStore) -> None:
    enqueued(store, message(), "hook")
    with sink(script=[500]) as place:
        post, told = courier(store, {"hook": hook(place.url)})
        assert post.round(NOW) == Delivered(0, 1)
        assert told == ["alert not delivered to hook: HTTP 500; tried 1 times, will retry"]
        assert post.round(NOW + FIRST_RETRY / 2) == Delivered(0, 0)
        assert post.round(NOW + FIRST_RETRY) == Delivered(1, 0)
        assert post.round(NOW + dt.timedelta(days=9)) == Delivered(0, 0)
        first, second = place.json()
    assert first == second
    assert query(store, "SELECT attempts, last_error FROM outbox") == [(2, None)]


def test_waits_double_up_to_ten_minutes_less_some_jitter(store: EventStore) -> None:
    enqueued(store, message(), "hook")
    now, waits = NOW, []
    with sink(503) as place:
        post, _ = courier(store, {"hook": hook(place.url)})
        for _ in range(8):
            post.round(now)
            ((due,),) = query(store, "SELECT next_attempt_us FROM outbox")
            due_at = dt.datetime.fromtimestamp(due / 1e6, dt.UTC)
            waits.append(due_at - now)
            now = due_at
    bounds = [min(FIRST_RETRY * 2**n, LAST_RETRY) for n in range(8)]
    assert all(bound * (1 - JITTER) <= wait <= bound for wait, bound in zip(waits, bounds, strict=True))
    assert len({wait / bound for wait, bound in zip(waits, bounds, strict=True)}) > 1


@pytest.mark.parametrize(
    ("asked", "least"),
    [
        ("120", dt.timedelta(minutes=2)),
        ("999999", LONGEST_WAIT),
        ("Fri, 01 Jan 2100 00:00:00 GMT", LONGEST_WAIT),
        ("1", FIRST_RETRY * (1 - JITTER)),
        ("soon", FIRST_RETRY * (1 - JITTER)),
        ("-5", FIRST_RETRY * (1 - JITTER)),
        ("٣", FIRST_RETRY * (1 - JITTER)),
        ("Wed, 21 Oct 2015 07:28:00 GMT", FIRST_RETRY * (1 - JITTER)),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured_within_reason(store: EventStore, status: int, asked: str, least: dt.timedelta) -> None:
    enqueued(store, message(), "hook")
    with sink(script=[(status, {"Retry-After": asked.encode().decode("latin-1")})]) as place:
        post, _ = courier(store, {"hook": hook(place.url)})
        post.round(NOW)
        assert post.round(NOW + least - SECOND) == Delivered(0, 0)
        assert post.round(NOW + max(least, FIRST_RETRY)) == Delivered(1, 0)


def test_a_receiver_that_asks_for_peace_gets_it_for_everything(store: EventStore) -> None:
    for number in range(4):
        enqueued(store, message(f"k{number}:1"), "hook")
    with sink(script=[(429, {"Retry-After": "300"})]) as place:
        post, _ = courier(store, {"hook": hook(place.url)})
        assert post.round(NOW) == Delivered(0, 1)
        enqueued(store, message("later:1"), "hook", now=NOW + MINUTE)
        post.round(NOW + MINUTE)  # what came since is news to us, and one question
        assert len(place.requests) == 2
        assert post.round(NOW + 5 * MINUTE) == Delivered(4, 0)


def test_messages_of_one_key_stay_in_order_and_other_keys_pass(store: EventStore) -> None:
    for kind in ("fired", "acked", "resolved"):
        enqueued(store, message("a:1", kind), "hook")
    enqueued(store, message("b:2"), "hook")
    with sink(script=[500]) as place:
        post, _ = courier(store, {"hook": hook(place.url)})
        assert post.round(NOW) == Delivered(1, 1)
        post.round(NOW + FIRST_RETRY)
        told = [(one["data"]["dedup_key"], one["data"]["kind"]) for one in place.json()]
    assert told == [("a:1", "fired"), ("b:2", "fired"), ("a:1", "fired"), ("a:1", "acked"), ("a:1", "resolved")]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.booleans()), max_size=12))
def test_no_message_overtakes_an_older_one_of_its_key(rows: list[tuple[str, int, bool]]) -> None:
    waiting = [
        Row(number, "r", message(f"{key}:1"), attempts, 0 if is_due else 10, 0, None)
        for number, (key, attempts, is_due) in enumerate(rows)
    ]
    chosen = [row.id for row in in_order(waiting, 5)]
    for key in "abc":
        mine = [row.id for row in waiting if row.message.dedup_key == f"{key}:1"]
        sent = [number for number in chosen if number in mine]
        assert sent == mine[: len(sent)]


def test_a_two_hour_outage_loses_nothing_and_keeps_the_order_of_every_key(store: EventStore) -> None:
    kinds = ("fired", "raised", "acked", "resolved")
    with sink(503) as place:
        post, _ = courier(store, {"hook": hook(place.url)})
        now = NOW
        for minute in range(120):
            if minute % 10 == 0:
                for key in range(3):
                    number = minute // 10
                    enqueued(store, message(f"k{key}:{number // 4}", kinds[number % 4], now), "hook", now=now)
            post.round(now)
            now += MINUTE
        assert query(store, "SELECT COUNT(*) FROM outbox WHERE sent_us IS NOT NULL") == [(0,)]
        place.answer = 200
        place.requests.clear()
        for _ in range(int(LAST_RETRY / MINUTE)):
            post.round(now)
            now += MINUTE
        told = [one["data"] for one in place.json()]
    assert query(store, "SELECT COUNT(*) FROM outbox WHERE sent_us IS NULL") == [(0,)]
    assert len(told) == 36
    for key in {one["dedup_key"] for one in told}:
        assert [one["kind"] for one in told if one["dedup_key"] == key] == list(kinds)


@pytest.mark.parametrize("misbehaviour", ["hang", "drip", "endless", "reset", 500, 301, 302])
def test_a_bad_receiver_holds_up_no_other(store: EventStore, misbehaviour: Step) -> None:
    enqueued(store, message(), "bad", "good")
    with sink(script=[misbehaviour]) as bad, sink() as good:
        post, told = courier(store, {"bad": hook(bad.url, 0.3), "good": hook(good.url)})
        post.round(NOW)
        assert len(good.requests) == len(bad.requests) == 1
    is_taken = misbehaviour == "endless"  # its status came, and its body is not read
    assert len(told) == (0 if is_taken else 1)
    waiting = [] if is_taken else ["bad"]
    assert [row.receiver for row in read_waiting(store.engine)] == waiting


def test_a_fast_receiver_is_served_while_a_slow_one_holds_its_message(store: EventStore) -> None:
    enqueued(store, message("a:1"), "slow", "fast")
    with sink(script=["held"]) as slow, sink() as fast:
        post, _ = courier(store, {"slow": hook(slow.url, 30), "fast": hook(fast.url)})
        assert post.round(NOW, patience_seconds=0.5).sent == 1
        assert slow.came.is_set()
        enqueued(store, message("b:2"), "slow", "fast")
        assert post.round(NOW, patience_seconds=0.5).sent == 1
        assert len(fast.requests) == 2
        assert len(slow.requests) == 1  # not asked again while it holds the first
        assert not slow.release.is_set()
        slow.release.set()
        assert post.round(NOW) == Delivered(2, 0)
        assert [one["data"]["dedup_key"] for one in slow.json()] == ["a:1", "b:2"]


def test_a_message_that_a_receiver_chokes_on_does_not_hold_up_the_rest(store: EventStore) -> None:
    for number in range(6):
        enqueued(store, message(f"bad{number}:1"), "hook")
    with sink(500) as place:
        post, _ = courier(store, {"hook": hook(place.url)})
        assert post.round(NOW) == Delivered(0, 3)  # then it is left alone
        enqueued(store, message("good:1", severity="ticket"), "hook")
        place.script = [500, 500, 500, 200]
        assert post.round(NOW) == Delivered(0, 3)
        assert post.round(NOW) == Delivered(1, 0)


def test_the_fallback_gets_what_failed_too_often_and_both_get_it_in_the_end(store: EventStore) -> None:
    chat, route = kept()
    enqueued(store, message("a:1"), "pager")
    with sink(503) as place:
        post, _ = courier(store, {"pager": hook(place.url, fallback="chat"), "chat": route}, failures=3)
        now = NOW
        for _ in range(2):
            post.round(now)
            now += LAST_RETRY / 4
        assert chat.got == []
        post.round(now)
        assert keys_and_kinds(chat.got[:1]) == [("a:1", "fired")]
        assert chat.got[0].note == "pager could not deliver this: HTTP 503"
        assert chat.got[1].lines[0].startswith("[PAGE] support: alerts do not reach pager, since 01 Jan 00:00")
        for _ in range(6):
            now += LAST_RETRY
            post.round(now)
        assert len(chat.got) == 2  # told once an outage
        place.answer = 200
        post.round(now + LAST_RETRY)
        assert keys_and_kinds(chat.got[2:]) == [(chat.got[1].dedup_key, "resolved")]
        assert place.json()[-1]["data"]["dedup_key"] == "a:1"


def test_in_a_long_outage_the_fallback_gets_new_pages_at_once(store: EventStore) -> None:
    chat, route = kept()
    with sink(503) as place:
        post, _ = courier(store, {"pager": hook(place.url, fallback="chat"), "chat": route})
        enqueued(store, message("a:1"), "pager")
        post.round(NOW)
        assert chat.got == []
        post.round(NOW + 11 * MINUTE)
        enqueued(store, message("b:2"), "pager", now=NOW + 12 * MINUTE)
        post.round(NOW + 12 * MINUTE)
    assert [one.dedup_key for one in chat.got if one.via] == ["a:1", "b:2"]


def test_what_a_receiver_refuses_for_good_goes_to_its_fallback_and_is_not_tried_again(store: EventStore) -> None:
    chat, route = kept()
    enqueued(store, message("a:1"), "pager")
    with sink(400) as place:
        post, told = courier(store, {"pager": hook(place.url, fallback="chat"), "chat": route})
        assert post.round(NOW) == Delivered(1, 1)
        post.round(NOW + dt.timedelta(days=1))
        assert len(place.requests) == 1
    assert told == ["alert not delivered to pager: HTTP 400; refused for good"]
    assert keys_and_kinds(chat.got) == [("a:1", "fired")]
    assert query(store, "SELECT dropped FROM outbox ORDER BY id") == [("refused: HTTP 400",), (None,)]


def test_two_receivers_that_fall_back_on_each_other_do_not_pass_a_message_round(store: EventStore) -> None:
    enqueued(store, message("a:1"), "one")
    with sink(400) as one, sink(400) as two:
        routes = {"one": hook(one.url, fallback="two"), "two": hook(two.url, fallback="one")}
        deliver(store.engine, routes, NOW, lambda line: None)
        copies = [made["data"]["dedup_key"] for made in (*one.json(), *two.json())].count("a:1")
    assert copies == 2


def test_without_a_fallback_everybody_else_is_told_that_a_receiver_takes_nothing(store: EventStore) -> None:
    (chat, one), (mail, two) = kept(severities=("ticket",)), kept()
    enqueued(store, message("a:1"), "pager")
    with sink(503) as place:
        deliver(store.engine, {"pager": hook(place.url), "chat": one, "mail": two}, NOW, lambda line: None)
    assert [m.alert["check"] for m in chat.got] == [m.alert["check"] for m in mail.got] == ["delivery"]
    assert chat.got[0].severity == "page"


def test_a_receiver_is_told_of_its_severities_alone(store: EventStore) -> None:
    pager, route = kept(severities=("page",))
    for severity in ("ticket", "warning", "page"):
        enqueued(store, message(f"{severity}:1", severity=severity), "pager")
    deliver(store.engine, {"pager": route}, NOW, lambda line: None)
    assert [one.severity for one in pager.got] == ["page"]
    assert query(store, "SELECT dropped FROM outbox ORDER BY id") == [("unwanted",), ("unwanted",), (None,)]


def test_an_end_follows_what_was_told_whatever_its_severity_and_nothing_else(store: EventStore) -> None:
    """A combined page may end by the end of a ticket in it."""
    pager, route = kept(severities=("page",))
    enqueued(store, message("group:1", severity="page"), "pager")
    enqueued(store, message("small:2", severity="ticket"), "pager")
    for key in ("group:1", "small:2"):
        for kind in ("acked", "resolved"):
            enqueued(store, message(key, kind, severity="ticket"), "pager")
    deliver(store.engine, {"pager": route}, NOW, lambda line: None)
    assert keys_and_kinds(pager.got) == [("group:1", "fired"), ("group:1", "acked"), ("group:1", "resolved")]


def test_an_alert_whose_end_was_refused_is_not_told_again_as_open(store: EventStore) -> None:
    with sink(script=[200, 400]) as place:
        post, _ = courier(store, {"manager": hook(place.url, refresh=MINUTE)})
        enqueued(store, message("a:1"), "manager")
        post.round(NOW)
        enqueued(store, message("a:1", "resolved"), "manager")
        post.round(NOW)
        post.round(NOW + dt.timedelta(hours=1))
        assert [one["data"]["kind"] for one in place.json()] == ["fired", "resolved"]


def test_an_open_alert_is_told_again_to_a_receiver_that_forgets_and_its_end_for_five_minutes(store: EventStore) -> None:
    manager, route = kept(refresh=5 * MINUTE)
    post, _ = courier(store, {"manager": route})
    enqueued(store, message("a:1"), "manager")
    now = NOW
    for _ in range(20):
        post.round(now)
        now += MINUTE
    assert keys_and_kinds(manager.got) == [("a:1", "fired")] * 4
    enqueued(store, message("a:1", "acked", now), "manager", now=now)
    for _ in range(6):
        post.round(now)
        now += MINUTE
    assert [one.kind for one in manager.got[4:]] == ["acked", "acked"]
    enqueued(store, message("a:1", "resolved", now), "manager", now=now)
    for _ in range(60):
        post.round(now)
        now += MINUTE
    assert {one.kind for one in manager.got[6:]} == {"resolved"}
    assert len(manager.got[6:]) <= 2
    assert query(store, "SELECT attempts FROM outbox") == [(1,)] * 3


def test_a_member_that_ended_is_not_told_again_with_its_group(store: EventStore) -> None:
    manager, route = kept(refresh=5 * MINUTE)
    post, _ = courier(store, {"manager": route})
    first, second = message("a:1"), message("b:2")
    for one in (first, second, message("g:1", members=(first.alert, second.alert))):
        enqueued(store, one, "manager")
    post.round(NOW)
    enqueued(store, message("a:1", "resolved"), "manager")
    post.round(NOW + MINUTE)
    post.round(NOW + 7 * MINUTE)
    (group,) = [one for one in manager.got[4:] if one.members]
    assert [one["fingerprint"] for one in group.members] == ["b"]
    enqueued(store, message("b:2", "resolved"), "manager")
    post.round(NOW + 8 * MINUTE)
    told = len(manager.got)
    post.round(NOW + dt.timedelta(hours=1))
    assert len(manager.got) == told


def test_the_environment_does_not_redirect_alerts(store: EventStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    enqueued(store, message(), "hook")
    with sink() as place:
        assert deliver(store.engine, {"hook": hook(place.url)}, NOW, lambda line: None) == Delivered(1, 0)


class Broken:
    def send(self, message: Message) -> None:
        raise RuntimeError("routing key r4nd0m")


class Crashing:
    """The process ends right after the receiver took the message."""

    def __init__(self) -> None:
        self.taken: list[Message] = []

    def send(self, message: Message) -> None:
        self.taken.append(message)
        if len(self.taken) == 1:
            raise KeyboardInterrupt


def test_a_receiver_that_breaks_fails_and_its_words_are_kept_out(
    store: EventStore, capsys: pytest.CaptureFixture[str]
) -> None:
    enqueued(store, message(), "broken", "stdout")
    post, told = courier(store, {"broken": of(Broken()), "stdout": of(StdoutReceiver())})
    assert post.round(NOW) == Delivered(1, 1)
    assert json.loads(capsys.readouterr().out)["dedup_key"] == "abc:1"
    assert told == ["alert not delivered to broken: RuntimeError; tried 1 times, will retry"]
    assert "r4nd0m" not in str(query(store, "SELECT * FROM outbox"))


def test_a_crash_after_the_receiver_took_it_sends_again_under_the_same_key(store: EventStore) -> None:
    enqueued(store, message(), "r")
    receiver = Crashing()
    with pytest.raises(KeyboardInterrupt):
        deliver(store.engine, {"r": of(receiver)}, NOW, lambda line: None)
    assert deliver(store.engine, {"r": of(receiver)}, NOW, lambda line: None) == Delivered(1, 0)
    assert receiver.taken[0] == receiver.taken[1]


KILLED = """
    import os, signal, sys
    from consumers.database import open_engine
    from monitor.oncall import outbox
    from monitor.oncall.deliver import deliver
    from tests.monitor.messages import NOW, hook, of

    def die(*_, **__):
        os.kill(os.getpid(), signal.SIGKILL)

    class Dying:
        def __init__(self, url, point):
            self.inner, self.point = hook(url).receiver, point

        def send(self, message):
            if self.point == "before the request":
                die()
            self.inner.send(message)
            if self.point == "after the answer":
                die()

    def run(path, url, point):
        if point == "before it is marked":
            outbox.mark_sent = die
        deliver(open_engine(path), {"hook": of(Dying(url, point))}, NOW, print)

    for path, url, point in zip(*3 * [iter(sys.argv[1:])]):
        child = os.fork()
        if child == 0:
            run(path, url, point)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL, point
"""
REQUESTS_BEFORE = {"before the request": 0, "after the answer": 1, "before it is marked": 1}


def test_a_killed_process_leaves_nothing_unsent_and_repeats_under_one_key_alone(tmp_path: Path) -> None:
    with ExitStack() as open_:
        made = {
            point: (open_.enter_context(EventStore.open(tmp_path / f"{number}.db")), open_.enter_context(sink()))
            for number, point in enumerate(REQUESTS_BEFORE)
        }
        for store, _ in made.values():
            MonitorState(store.engine)
            enqueued(store, message(), "hook")
        places = [(str(tmp_path / f"{n}.db"), made[point][1].url, point) for n, point in enumerate(made)]
        command = [sys.executable, "-c", textwrap.dedent(KILLED), *(word for place in places for word in place)]
        subprocess.run(command, cwd=Path(__file__).parents[2], check=True)
        for point, (store, place) in made.items():
            assert len(place.requests) == REQUESTS_BEFORE[point]
            assert Courier(store.engine, {"hook": hook(place.url)}, print).round(NOW) == Delivered(1, 0)
            assert len({(one["id"], one["data"]["dedup_key"]) for one in place.json()}) == 1
            assert len(place.requests) == REQUESTS_BEFORE[point] + 1


def test_what_is_for_an_absent_receiver_waits(store: EventStore) -> None:
    enqueued(store, message(), "later")
    assert deliver(store.engine, {}, NOW, lambda line: None) == Delivered(0, 0)
    assert query(store, "SELECT attempts, sent_us FROM outbox") == [(0, None)]


def test_a_row_of_an_earlier_release_is_still_sent(store: EventStore) -> None:
    enqueued(store, message(), "r")
    receiver, route = kept()
    body = json.dumps({"dedup_key": "abc:1", "alert": message().to_plain()["alert"]})
    with store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE outbox SET body = ?", (body,))
    deliver(store.engine, {"r": route}, NOW, lambda line: None)
    assert receiver.got[0].lines == (f"[PAGE] {ALERT.message}",)
