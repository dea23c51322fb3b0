"""Do the commands of whoever is on call work: show, take, mute, dismiss, test, review?"""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from consumers.store import EventStore
from tests.end_to_end.command import Ran, reward_drift
from tests.monitor.alert_life import ALERT, HOUR, Life
from tests.monitor.events import put, response
from tests.monitor.fake_sinks import Sink, sink


class Place:
    """A store and settings in a folder, a receiver, and a loop whose alerts are lived by hand."""

    def __init__(self, folder: Path, pager: Sink) -> None:
        self.store, self.settings, self.pager = folder / "store.sqlite", folder / "reward-drift.yaml", pager
        self.settings.write_text(
            "{unit: response, outcome: {metric: task_success, horizon: 2d}, receivers: [{name: r, kind: webhook,"
            f" url: '{pager.url}', allow_private: true}}]}}"
        )
        self.now = dt.datetime.now(dt.UTC) - 2 * HOUR

    def lived(self, *do: str) -> None:
        with EventStore.open(str(self.store)) as store:
            life = Life(store, now=self.now)
            for name in do:
                life.cross(name)

    def run(self, *words: object) -> Ran:
        return reward_drift(*words, "--settings", self.settings, "--store", self.store)

    def json(self, *words: object) -> Any:
        ran = self.run(*words, "--json")
        assert ran.code == 0, ran.err
        return ran.json


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with sink() as pager:
        place = Place(tmp_path, pager)
        place.lived("page")
        yield place


def kinds(place: Place) -> list[str]:
    return [body["data"]["kind"] for body in place.pager.json()]


def test_an_alert_is_taken_and_given_back_and_the_pager_hears_of_it(place: Place) -> None:
    assert place.json("alerts", "ack", 1, "--by", "ann", "--note", "reading")["owner"] == "ann"
    (row,) = place.json("alerts", "list")["alerts"]
    assert (row["state"], row["ack"]["owner"], row["ack"]["note"]) == ("acked", "ann", "reading")
    assert "ann has it until" in place.run("alerts", "list", "--open").out
    assert place.json("alerts", "unack", 1, "--by", "ann")["state"] == "firing"
    assert kinds(place) == ["fired", "acked", "unacked"]
    assert len({body["data"]["dedup_key"] for body in place.pager.json()}) == 1


def test_show_prints_the_page_and_what_stands_behind_it(place: Place) -> None:
    with EventStore.open(str(place.store)) as store:
        put(store, [response(ALERT.examples[0].response_id, place.now, prompt="Where is it?", response="On its way.")])
    told = place.json("alerts", "show", 1)
    assert len(told["page"]) == 5
    assert told["alert"]["evidence"]["null"]
    assert told["examples"][0]["response"] == "On its way."
    assert told["examples"][1]["response"] is None, "its words are gone"
    assert [row["reason"] for row in told["history"]] == ["fired"]
    assert [row["id"] for row in told["episodes"]] == [1]
    text = place.run("alerts", "show", 1).out
    for part in (
        "evidence: ",
        "smallest visible",
        "outcomes missing: ",
        "null: ",
        "allowance: ",
        "baseline: ",
        "promise: ",
        "would be falsified if: ",
        "read these:",
    ):
        assert part in text
    assert place.run("alerts", "show", 9).code == 2


def test_a_silence_shows_what_it_matches_before_it_is_made(place: Place) -> None:
    words = ("alerts", "silence", "severity=page", "--by", "ann", "--for", "2h", "--reason", "known")
    assert place.json(*words, "--dry-run")["matches_now"] == [1]
    assert place.json("alerts", "silences")["silences"] == []
    made = place.json(*words)
    assert (made["matches_now"], made["holds"]) == ([1], True)
    assert place.json("alerts", "list")["alerts"][0]["overlays"] == ["silenced"]
    assert "ann: known" in place.run("alerts", "silences").out
    assert place.run("alerts", "unsilence", made["id"]).code == 0
    assert place.json("alerts", "silences")["silences"] == []
    assert [row["holds"] for row in place.json("alerts", "silences", "--all")["silences"]] == [False]
    assert place.run("alerts", "unsilence", made["id"]).code == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("silence", "x", "--for", "2h", "--reason", "r"), "KEY=VALUE"),
        (("silence", "check=a", "--for", "8d", "--reason", "r"), "within 7 days"),
        (("silence", "check=a", "--for", "soon", "--reason", "r"), "30m, 4h or 2d"),
        (("silence", "check=a", "--for", "1h", "--reason", " "), "a reason"),
        (("ack", "1", "--for", "9d"), "within 7 days"),
        (("ack", "7"), "`reward-drift alerts list`"),
        (("test", "--receiver", "nobody"), "there are: r"),
    ],
)
def test_what_cannot_be_done_is_refused_with_what_to_write(place: Place, words: tuple[str, ...], told: str) -> None:
    ran = place.run("alerts", *words)
    assert ran.code == 2
    assert told in ran.err


def test_dismissed_alerts_count_against_precision_and_what_was_missed_is_entered(place: Place) -> None:
    month = f"{place.now:%Y-%m}"
    with EventStore.open(str(place.store)) as store:
        Life(store, now=place.now).looked_at()
    place.run("alerts", "ack", 1, "--by", "ann")
    assert place.json("alerts", "dismiss", 1, "--reason", "a test of ours")["decision"] == "dismissed"
    assert place.run("review", "--missed", "refunds stopped", "--at", place.now.isoformat()).code == 0
    assert place.run("review", "--missed", "no time").code == 2
    found = place.json("review", "--month", month)
    assert (found["pages"], found["page_alerts"], found["dismissed"], found["precision"]) == (1, 1, 1, 0.0)
    assert 1.5 < found["hours_to_ack"] < 2.5
    assert found["false_alerts"]["page"]["found"] == 1
    assert [row["what"] for row in found["missed"]] == ["refunds stopped"]
    assert found["recall"] == 0.0
    assert "no_data" in found["never_fired"]
    assert "reward_outcome_decoupling" not in found["never_fired"]
    text = place.run("review").out
    assert "1 dismissed" in text
    assert "refunds stopped" in text
    assert place.run("review", "--month", "May").code == 2


def test_a_test_goes_all_the_way_and_one_that_does_not_arrive_is_an_exit_of_1(place: Place) -> None:
    fired = place.json("alerts", "test", "--receiver", "all")["tests"]
    assert [(row["receiver"], row["fault"]) for row in fired] == [("r", None)]
    assert "test" in kinds(place)
    place.pager.answer = 500
    assert place.run("alerts", "test", "--receiver", "r").code == 1


def test_a_machine_without_the_receivers_secret_leaves_the_telling_to_the_next_tick(place: Place) -> None:
    plain = place.settings.read_text()
    place.settings.write_text(plain.replace(f"url: '{place.pager.url}'", "url_env: REWARD_DRIFT_NOT_SET"))
    ran = place.run("alerts", "ack", 1, "--by", "ann")
    assert ran.code == 0
    assert "told by the next tick" in ran.err
    place.settings.write_text(plain)
    assert place.run("alerts", "ack", 1, "--by", "bob").code == 0
    assert kinds(place)[0] == "fired"
    assert set(kinds(place)[1:]) == {"acked"}
