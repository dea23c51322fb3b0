"""Is an open incident of the intake told, once, until it is closed, and is nothing green meanwhile?"""

from collections.abc import Iterator

import pytest

from consumers.incidents import ARTIFACT_REJECTED, EXPIRED, FLOOD, TRUNCATED, Found
from consumers.intake import Intake
from consumers.store import EventStore
from monitor.check import Verdict
from monitor.detection.state import MonitorState, UnknownAlert
from monitor.report.html import render_html
from monitor.report.text import render_text
from monitor.result import Report
from monitor.status import status_of, status_text
from tests.monitor.events import DAY, START, in_memory, loop_events, settings
from tests.monitor.live import query, tick_at

CHOSEN = settings()
AS_OF = START + 13 * DAY
LOST = Found(EXPIRED, "deleted by retention before it was read", 100, 250)
RECEIVERS = ("r", "s")


@pytest.fixture
def store() -> Iterator[EventStore]:
    """A quiet loop that was looked at once."""
    with in_memory(loop_events(12, 6)) as store:
        assert tick_at(store, CHOSEN, AS_OF, RECEIVERS).alerts == []
        yield store


def happen(store: EventStore, found: Found, source: str = "kafka:feedback/3") -> int:
    """Store an incident as a source does, with the position after it; return its number."""
    store.append(Intake(source, {"offset": 250}, [], [], incidents=[found]))
    return store.incidents(source=source)[-1].id


def gap_findings(report: Report) -> list[Verdict]:
    return [finding.verdict for finding in report.findings if finding.check == "intake_gap"]


def test_an_incident_alone_raises_an_alert_on_the_next_tick_and_only_once(store: EventStore) -> None:
    happen(store, LOST)
    for later in range(3):
        report = tick_at(store, CHOSEN, AS_OF + later * DAY, RECEIVERS)
        (alert,) = report.alerts
        assert (alert.check, alert.attribution, alert.severity) == ("intake_gap", "data_fault", "ticket")
        assert alert.message == (
            "loop: kafka:feedback/3: expired: offsets 100 to 249 are lost; deleted by retention before it was read."
            " When it is settled: `reward-drift incidents close 1 --note ...`"
        )
        assert gap_findings(report) == [Verdict.FAIL]
    assert query(store, "SELECT receiver FROM outbox ORDER BY id") == [("r",), ("s",)]
    assert query(store, "SELECT reason, severity FROM alert_transition") == [("fired", "ticket")]


def test_every_incident_has_an_alert_of_its_own(store: EventStore) -> None:
    happen(store, LOST)
    tick_at(store, CHOSEN, AS_OF, RECEIVERS)
    happen(store, LOST, "kafka:feedback/4")
    happen(store, Found(TRUNCATED, "cut", 7), "/var/log/events.jsonl")
    report = tick_at(store, CHOSEN, AS_OF, RECEIVERS)
    assert [alert.slice["source"] for alert in report.alerts] == [
        "kafka:feedback/3",
        "kafka:feedback/4",
        "/var/log/events.jsonl",
    ]
    assert "bytes from 7 on may be lost" in report.alerts[-1].message
    assert query(store, "SELECT COUNT(*) FROM alert_episode") == [(3,)]
    assert len({key for (key,) in query(store, "SELECT dedup_key FROM outbox")}) == 2, "two at once are one message"
    assert query(store, "SELECT COUNT(*) FROM outbox") == [(4,)]


def test_a_refused_checkpoint_is_a_warning_that_says_so(store: EventStore) -> None:
    refused = Found(ARTIFACT_REJECTED, "pickle: pytorch_model.bin: not safetensors")
    happen(store, refused, "checkpoint:ckpt-7")
    (alert,) = tick_at(store, CHOSEN, AS_OF, RECEIVERS).alerts
    assert (alert.severity, alert.slice["source"]) == ("warning", "checkpoint:ckpt-7")
    assert alert.message == (
        "loop: checkpoint:ckpt-7: artifact_rejected: it was refused and is not scored; pickle: pytorch_model.bin: not"
        " safetensors. When it is settled: `reward-drift incidents close 1 --note ...`"
    )


def test_an_alert_ends_when_its_incident_is_closed_and_a_new_incident_is_told_again(store: EventStore) -> None:
    number = happen(store, LOST)
    tick_at(store, CHOSEN, AS_OF, RECEIVERS)
    store.close_incident(number, "restored from the archive")
    report = tick_at(store, CHOSEN, AS_OF + DAY, RECEIVERS)
    assert report.alerts == []
    assert gap_findings(report) == [Verdict.PASS]
    (stored,) = MonitorState(store.engine).episodes("loop")
    assert (stored.episode.state, stored.decision, stored.note) == (
        "resolved",
        "incident closed",
        "restored from the archive",
    )
    happen(store, LOST)
    assert len(tick_at(store, CHOSEN, AS_OF + DAY, RECEIVERS).alerts) == 1
    assert query(store, "SELECT kind FROM outbox WHERE receiver = 'r'") == [("fired",), ("resolved",), ("fired",)]


def test_only_closing_the_incident_ends_its_alert(store: EventStore) -> None:
    happen(store, LOST)
    tick_at(store, CHOSEN, AS_OF, RECEIVERS)
    state = MonitorState(store.engine)
    (stored,) = state.episodes("loop")
    with pytest.raises(UnknownAlert, match=r"`reward-drift incidents close 1 --note"):
        state.resolve("loop", stored.id, "false-alert", "", AS_OF)
    assert len(tick_at(store, CHOSEN, AS_OF, RECEIVERS).alerts) == 1


def test_reading_that_stopped_is_a_warning(store: EventStore) -> None:
    happen(store, Found(FLOOD, "1,000 events in a row were rejected"))
    (alert,) = tick_at(store, CHOSEN, AS_OF).alerts
    assert alert.severity == "warning"
    assert "reading has stopped" in alert.message


def test_an_incident_is_told_although_nothing_can_be_compared_yet() -> None:
    with in_memory() as store:
        happen(store, LOST)
        report = tick_at(store, CHOSEN, AS_OF, RECEIVERS)
        assert report.reference is None
        assert [alert.check for alert in report.alerts] == ["intake_gap"]
        assert query(store, "SELECT COUNT(*) FROM outbox") == [(2,)]
        tick_at(store, CHOSEN, AS_OF + DAY, RECEIVERS)
        assert query(store, "SELECT COUNT(*) FROM outbox") == [(2,)]


def test_nothing_passes_on_data_with_a_gap(store: EventStore) -> None:
    happen(store, LOST)
    report = tick_at(store, CHOSEN, AS_OF)
    assert Verdict.PASS not in {finding.verdict for finding in report.findings}
    assert report.notes[0].startswith("the data have a gap: kafka:feedback/3: expired: offsets 100 to 249 are lost")


def test_status_is_never_quiet_while_an_incident_is_open(store: EventStore) -> None:
    now = AS_OF
    before = status_of(store, CHOSEN, now)["state"]
    assert before == "blind"  # the newest answers are days old by then: that is no quiet either
    number = happen(store, LOST)
    state = status_of(store, CHOSEN, now)  # before any tick
    assert state["state"] == "alert"
    assert [(one["id"], one["kind"], one["lost_from"]) for one in state["incidents"]] == [(number, EXPIRED, 100)]
    assert "1 open incident; `reward-drift incidents list` tells more" in status_text(state)
    assert "the data have a gap: kafka:feedback/3: expired: offsets 100 to 249 are lost" in status_text(state)
    store.close_incident(number, "")
    assert status_of(store, CHOSEN, now)["state"] == before


def test_reports_show_the_alert_and_never_a_quiet_page(store: EventStore) -> None:
    happen(store, LOST, "kafka:<b>feedback</b>/3")
    happen(store, LOST, "kafka:feedback/4")
    report = tick_at(store, CHOSEN, AS_OF)
    for page in (render_text(report), render_html(report)):
        assert "NOT healthy: 2 tickets" in page
        assert "The data are at fault" in page
        assert "reward-drift incidents close 2 --note" in page.replace("\n", " ")
        assert "<b>feedback" not in page or page.startswith("NOT healthy")


def test_changed_settings_neither_forget_an_incident_nor_tell_it_again(store: EventStore) -> None:
    """Settings that changed look at everything anew: the incident is neither forgotten nor told again."""
    happen(store, LOST)
    tick_at(store, CHOSEN, AS_OF, RECEIVERS)
    again = tick_at(store, settings(cohorts=["tier"]), AS_OF + DAY, RECEIVERS)
    assert [alert.check for alert in again.alerts] == ["intake_gap"]
    assert query(store, "SELECT COUNT(*) FROM outbox") == [(2,)]
