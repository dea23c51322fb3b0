"""A subject is planted in every path into the store, and erased: no word is left in any table or file."""

import dataclasses
import gzip
import hashlib
import json
import os
import signal
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, inspect, make_url, text

from consumers.erasure import erase_user, requested_erasures
from consumers.export import ExportError, export_labels
from consumers.ingest import ingest
from consumers.intake import Appended
from consumers.rejected import ReplayRefused
from consumers.sources import JsonlSource
from consumers.store import EventStore
from consumers.wipe import wipe
from monitor.detection.state import MonitorState
from monitor.detection.tick import look
from monitor.replay import after_last_event
from monitor.telling.quotes import drop_quotes
from tests.consumers.test_store import intake
from tests.end_to_end.command import reward_drift
from tests.monitor.events import (
    END_USER,
    EVER,
    HOUR,
    PRODUCT,
    START,
    Event,
    event,
    in_memory,
    loop_events,
    put,
    response,
    score,
    settings,
)
from tests.monitor.events import outcome as outcome_event
from tests.monitor.live import tick_at

HARM = {"days": 16, "reference_days": 8, "per_day": 40, "reward": 9.0, "outcome_change": -30.0}
CHOSEN = settings(cohorts=["tier"], unit="user-day")
SUBJECT, NEIGHBOUR = "person-7", "person-71"
MARK = b"zqx"  # in every word of the subject's and of nobody else's
TIME = START + 10 * HOUR
ENGINEER = {"id": "eng-1", "role": "engineer"}
ANNOTATOR = {"id": "ann-1", "role": "annotator"}
DESK = {"name": "desk", "environment": "production", "purpose": "curation"}
PROMPT = "zqxprompt: my kettle leaks on the stove, and it whistles all night long; what is to be done?"
ANSWER = "zqxanswer: put a new ring of rubber under its lid, and take it off the fire when it sings."


def test_no_word_is_left_and_no_number_moves(store_url: str, tmp_path: Path) -> None:
    files = planted_files(tmp_path)
    with EventStore.open(store_url) as store:
        read(store, files)
        tick_at(store, CHOSEN, after_last_event(store, EVER), ["pager"])
        export_labels(store, tmp_path / "labels.jsonl", "preference")
        put(store, [trained_on((tmp_path / "labels.jsonl").read_bytes()), asks_for_it()])
        assert places_of(store, MARK) >= EVERYWHERE
        before, counted, neighbours = report(store), store.counts(), words_of(store, NEIGHBOUR)

    told = reward_drift("erase", "--user", SUBJECT, "--store", store_url, "--json")

    assert told.code == 0, told.err
    entry = told.json["erased"][0]
    assert told.json["wiped"]
    assert entry["subject"] == hashlib.sha256(SUBJECT.encode()).hexdigest()
    assert [export["path"] for export in entry["exports"]] == [str(tmp_path / "labels.jsonl")]
    assert entry["checkpoints"] == ["trained", "trained-more"]
    assert (entry["rejected"], entry["conflicts"]) == (len(DEAD), 2)
    with EventStore.open(store_url) as store:
        assert places_of(store, MARK) == places_of(store, SUBJECT.encode()) == set()
        assert (report(store), store.counts()) == (before, counted)
        assert words_of(store, NEIGHBOUR) == neighbours
        assert bytes_on_disk(store_url).find(MARK) < 0
        again = read(store, [copied(file) for file in files])  # another file of the same bytes is read from its start
        assert again.accepted == 0
        assert (report(store), store.counts()) == (before, counted)
        put(store, [planted_response(latency_ms=7.0)])  # a late copy of an old event that differs
        assert places_of(store, MARK) == places_of(store, SUBJECT.encode()) == set()
    assert bytes_on_disk(store_url).find(MARK) < 0


def test_look_that_began_before_the_erasure_keeps_no_words(tmp_path: Path) -> None:
    with EventStore.open(":memory:") as store:
        state, moment = MonitorState(store.engine), after_last_event(store, EVER)
        read(store, planted_files(tmp_path))
        seen = look(store, CHOSEN, after_last_event(store, EVER))
        assert MARK.decode() in str(seen.memory and seen.memory.told)
        erase_user(store, SUBJECT, also=[drop_quotes])
        assert seen.memory is not None
        state.save(CHOSEN, seen.memory, seen.since, moment, ["pager"])
        assert query(store, "SELECT count(*) > 0 FROM outbox") == [(True,)]
        assert places_of(store, MARK) == set()


@pytest.mark.parametrize("keyed_by", ["response_id", "conversation_id", "user"])
def test_statistics_are_the_same_to_the_last_digit(keyed_by: str) -> None:
    store = in_memory(named(loop_events(**HARM, keyed_by=keyed_by)))
    before = report(store)
    assert before["alerts"]
    for place in (3, 11, 25):
        erase_user(store, f"person-{place}")
    assert report(store) == before


@pytest.mark.parametrize("moment", ["in the transaction", "before the files are cleaned"])
def test_killed_erasure_leaves_all_or_nothing_and_is_finished_by_the_next(
    store_url: str, tmp_path: Path, moment: str
) -> None:
    with EventStore.open(store_url) as store:
        MonitorState(store.engine)
        read(store, planted_files(tmp_path))
        before = dumped(store)

    def act() -> None:
        with EventStore.open(store_url) as store:
            erase_user(store, SUBJECT, also=[die] if moment == "in the transaction" else [])
            die()

    in_a_process_that_dies(act)
    with EventStore.open(store_url) as store:
        assert (dumped(store) == before) is (moment == "in the transaction")
    assert reward_drift("erase", "--user", SUBJECT, "--store", store_url).code == 0
    assert bytes_on_disk(store_url).find(MARK) < 0
    with EventStore.open(store_url) as store:
        assert places_of(store, MARK) == set()


def test_one_stand_in_takes_all_places_of_the_name(store_url: str, tmp_path: Path) -> None:
    with EventStore.open(store_url) as store:
        read(store, planted_files(tmp_path))
        put(store, [asks_for_it()])
        erase_user(store, SUBJECT)
        names = "SELECT user_id FROM response UNION SELECT user_id FROM outcome UNION SELECT actor_id FROM feedback"
        names += " UNION SELECT user_id FROM erasure UNION SELECT annotator FROM preference"
        found = [name for (name,) in query(store, names) if name and name.startswith("erased-")]
        assert len(found) == 1
        assert query(
            store, f"SELECT DISTINCT cohort FROM response WHERE user_id = '{found[0]}' AND cohort LIKE '%acc%'"
        ) == [(f'{{"account":"{found[0]}"}}',)]


def test_erased_dead_letter_keeps_its_place_and_is_not_tried_again(tmp_path: Path) -> None:
    with EventStore.open(":memory:") as store:
        read(store, planted_files(tmp_path))
        rejected = store.rejected(limit=1000)
        erase_user(store, SUBJECT)
        erased = store.rejected(status="erased")
        assert len(erased) == len(DEAD)
        kept = {one.id: (one.source, one.position, one.reason, one.raw_size, one.received_at_us) for one in rejected}
        for one in erased:
            assert (one.source, one.position, one.reason, one.raw_size, one.received_at_us) == kept[one.id]
            assert one.raw == b""
            for raw in (None, b"{}"):
                with pytest.raises(ReplayRefused, match="was erased with the person"):
                    store.replay_rejected(one.id, raw)


def test_words_without_a_name_or_a_known_text_stay_until_they_are_old() -> None:
    """Nobody can say whose they are; `retention` bounds how long they are kept."""
    with EventStore.open(":memory:") as store:
        put(store, [planted_response()])
        put_raw(store, b'{"data": {"comment": "zqx said by somebody"')
        erase_user(store, SUBJECT)
        assert places_of(store, MARK) == {"rejected"}


def test_what_comes_after_the_erasure_is_new_data() -> None:
    with EventStore.open(":memory:") as store:
        put(store, [planted_response()])
        first = erase_user(store, SUBJECT)
        put(store, [response("p-9", TIME, user=SUBJECT, prompt="zqx again")])
        assert places_of(store, MARK) == {"text"}
        second = erase_user(store, SUBJECT)
        assert (first.texts, second.texts) == (1, 1)
        assert erase_user(store, SUBJECT) == second
        assert query(store, "SELECT count(*) FROM erased") == [(2,)]


def test_requested_erasures_are_those_not_done_yet() -> None:
    with EventStore.open(":memory:") as store:
        asked = [event("erasure", TIME - place * HOUR, {"user": f"u-{place}"}) for place in range(3)]
        put(store, [*asked, response("a", TIME, user="u-1", prompt="zqx")])
        assert requested_erasures(store) == ["u-2", "u-1", "u-0"]
        erase_user(store, "u-1")
        assert requested_erasures(store) == ["u-2", "u-0"]


def test_command_erases_everybody_who_asked(tmp_path: Path) -> None:
    place = tmp_path / "store.sqlite"
    with EventStore.open(place) as store:
        put(store, [event("erasure", TIME, {"user": "u-1"}), response("a", TIME, user="u-1", prompt="zqx")])
    told = reward_drift("erase", "--requested", "--store", place)
    assert told.code == 0
    assert "words of 1 events" in told.out
    assert "Weights cannot be un-trained" in told.out
    assert reward_drift("erase", "--requested", "--store", place).out == "nobody is waiting to be erased\n"
    assert reward_drift("erase", "--store", place).code == 2
    assert reward_drift("erase", "--requested", "--user", "u", "--store", place).code == 2


def test_a_reader_that_stays_is_told(tmp_path: Path) -> None:
    """As long as somebody reads the old pages, the log cannot be cut; the next call does it."""
    with EventStore.open(tmp_path / "store.sqlite") as store, EventStore.open(tmp_path / "store.sqlite") as other:
        put(store, [planted_response()])
        with other.engine.connect() as reader:
            reader.execute(text("SELECT * FROM text")).all()
            erase_user(store, SUBJECT)
            with store.engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA busy_timeout = 50")
            assert not wipe(store.engine)
        assert wipe(store.engine)
    assert bytes_on_disk(f"sqlite:///{tmp_path}/store.sqlite").find(MARK) < 0


def test_export_beside_an_erasure_writes_nothing(tmp_path: Path) -> None:
    with EventStore.open(":memory:") as store:
        put(store, [planted_response(), correction("p-1", ANNOTATOR, "zqx")])

        def erase_now() -> Any:
            erase_user(store, SUBJECT)
            return TIME

        with pytest.raises(ExportError, match="erased in the meantime"):
            export_labels(store, tmp_path / "labels.jsonl", "preference", now=erase_now)
        assert list(tmp_path.iterdir()) == []


def test_others_with_the_same_prompt_keep_it() -> None:
    with EventStore.open(":memory:") as store:
        asked = [response(f"r-{n}", TIME, user=f"u-{n}", prompt_id="p", prompt="Same?") for n in range(2)]
        put(store, [*asked, response("e", TIME, prompt_id="p", prompt="Same?", environment="evaluation")])
        erase_user(store, "u-1")
        assert query(store, "SELECT prompt FROM text ORDER BY seq") == [("Same?",), (None,), ("Same?",)]


# The subject in every path.


def planted_response(**more: Any) -> Event:
    given = {"user": SUBJECT, "conversation_id": "cv-1", "prompt_id": "pr-1", "cohort": {"account": SUBJECT}}
    return response("p-1", TIME, prompt=PROMPT, response=ANSWER, unknown={"deep": ["zqx unknown"]}, **given, **more)


def correction(about: str, actor: dict[str, str], words: str) -> Event:
    given = {"response_id": about, "signal": "correction", "correction": words, "rubric": "r-1", "surface": DESK}
    return event("feedback", TIME, {**given, "actor": actor, "comment": f"{words} comment"})


def trained_on(labels: bytes) -> Event:
    digest = hashlib.sha256(labels).hexdigest()
    return event("checkpoint", TIME, {"checkpoint": "trained", "lineage": {"data": [{"sha256": digest}]}})


def asks_for_it() -> Event:
    return event("erasure", TIME, {"user": SUBJECT, "wish": "zqx forget me"})


def planted_events() -> Iterator[Event]:
    yield planted_response()
    yield event(
        "response", TIME + HOUR, {"response_id": "p-1", "checkpoint": "ckpt-0", "prompt": "zqx report of another"}
    )
    yield response("p-2", TIME, conversation_id="cv-1", prompt="zqx nobody named", response="zqx")
    yield response("p-3", TIME, prompt_id="pr-1", prompt=PROMPT, response="zqx repeated", environment="evaluation")
    yield response("o-1", TIME, user=NEIGHBOUR, prompt="Is tea good?", response="It is.", conversation_id="cv-2")
    yield correction("p-1", ANNOTATOR, "zqxcorrected")
    yield correction("p-1", ENGINEER, "zqxengineer")
    yield event(
        "feedback",
        TIME,
        {
            "response_id": "o-1",
            "signal": "comment",
            "comment": "zqxcomment of the subject's",
            "actor": {"id": SUBJECT, **END_USER, "nick": "zqxnick"},
            "surface": PRODUCT,
        },
    )
    yield outcome_event(TIME, True, response_id="p-1", reason="zqx by response")
    yield outcome_event(TIME, True, "churned", user=SUBJECT, reason="zqx by user")
    yield outcome_event(TIME, True, "solved", conversation_id="cv-1", reason="zqx by conversation")
    yield score("p-1", TIME, 0.5, rationale="zqx scored")
    judged = {"choice": "a", "judge": {"name": "human", "kind": "human", "annotator": SUBJECT, "why": "zqx because"}}
    others = {"a": {"response_id": "o-1", "text": "It is."}, "b": {"response_id": "o-2", "text": "No."}}
    yield event("preference", TIME, {"pair_id": "x-1", **judged, **others})
    judged = {"choice": "b", "judge": {"name": "judge", "kind": "model"}}
    theirs = {"a": {"response_id": "p-1", "text": ANSWER}, "b": {"text": "zqx the other side"}}
    yield event("preference", TIME, {"pair_id": "x-2", **judged, **theirs})
    yield event("preference", TIME, {"pair_id": "x-3", **judged, "a": {"text": ANSWER}, "b": {"text": "Tea."}})
    yield event("preference", TIME, {"pair_id": "x-4", **judged, "prompt_id": "pr-1", "a": {"text": "zqx by prompt"}})
    lineage = {"notes": [f"as {SUBJECT} said: {PROMPT}"], "user": SUBJECT}
    yield event("checkpoint", TIME, {"checkpoint": "carrier", "lineage": lineage, "example": f"> {ANSWER}"})
    yield event("checkpoint", TIME, {"checkpoint": "trained-more", "parent": "trained"})
    measured = {"checkpoint": "carrier", "suite": "s", "category": "c", "metric": "m", "value": 1, "example": PROMPT}
    yield event("evaluation", TIME, {**measured, "samples": [{"value": 1, "asked": PROMPT, "of": SUBJECT}]})


def wrong(**data: Any) -> dict[str, Any]:
    return {**event("response", TIME, data), "type": "rewarddrift.response.v2"}


DEAD = [
    json.dumps(wrong(user=SUBJECT, prompt="zqx dead")).encode(),
    json.dumps(wrong(user=SUBJECT, prompt="zqx escaped")).replace("person", r"\u0070erson").encode(),
    json.dumps(wrong(user=SUBJECT, prompt="zqx truncated")).encode()[:-3],
    json.dumps({"log": json.dumps(wrong(user=SUBJECT, prompt="zqx in a string"))}).encode(),
    json.dumps(wrong(user=SUBJECT, prompt="zqx é")).encode().replace(rb"\u00e9", b"\xe9"),
    json.dumps(wrong(response_id="p-1", prompt="zqx of a response")).encode(),
    json.dumps(wrong(conversation_id="cv-1", prompt="zqx of a conversation")).encode(),
    json.dumps(
        {**event("response", TIME, {"response_id": "p-1", "checkpoint": "c", "environment": "zqxprod"})}
    ).encode(),
    b"not JSON at all, it quotes " + PROMPT[:60].encode(),
    json.dumps({"quote": ANSWER[10:70]}).encode(),
]
OTHER_DEAD = [
    json.dumps(wrong(user=NEIGHBOUR, prompt="Is coffee good?", response_id="p-11")).encode(),
    b"not JSON and of nobody",
]
EVERYWHERE = {"text", "rejected", "conflict", "checkpoint", "evaluation", "outbox", "monitor_memory"}


def planted_files(folder: Path) -> list[Path]:
    """A loop that ends in an alert whose examples quote the subject, the planted events, copies and dead letters."""
    planted = list(planted_events())
    conflict = {**planted[0], "data": {**planted[0]["data"], "response": "zqx other answer"}}
    foreign = {**planted[4], "data": {**planted[4]["data"], "user": SUBJECT, "prompt": "zqx under another's id"}}
    lines = [*encoded(named(loop_events(**HARM))), *encoded(planted), *encoded([*planted, conflict, foreign])]
    events, dead = folder / "events.jsonl", folder / "dead.jsonl.gz"
    events.write_bytes(b"\n".join(lines))
    dead.write_bytes(gzip.compress(b"\n".join([*DEAD, *OTHER_DEAD])))
    return [events, dead]


def named(events: Iterable[Event]) -> Iterator[Event]:
    """Users of the loop as persons, each answer with words of its own; the subject's are all liked and all failed."""
    for one in events:
        data = one["data"]
        place = str(data.get("response_id") or data.get("conversation_id") or "").partition("-")[2].split("-")[0]
        whose = f"person-{place}"
        mark = "zqx" if whose == SUBJECT else "tea"
        if "user" in data:
            whose = f"person-{data['user'].removeprefix('u')}"
            data["user"] = whose
        if "actor" in data:
            data["actor"]["id"] = whose
        if "checkpoint" in data:
            mark = "zqx" if data["user"] == SUBJECT else "tea"
            words = {"prompt": f"{mark} asked {one['id']}", "response": f"{mark} answered {one['id']}"}
            data.update(words)
        if whose == SUBJECT and "value" in data:
            data["value"] = 1 if "signal" in data else False
        yield one


def encoded(events: Iterable[Event]) -> list[bytes]:
    return [json.dumps(one).encode() for one in events]


def copied(file: Path) -> Path:
    copy = file.with_name(f"copy-{file.name}")
    copy.write_bytes(file.read_bytes())
    os.replace(copy, file)
    return file


# What a store holds.


def read(store: EventStore, files: Sequence[Path]) -> Appended:
    return ingest(JsonlSource([str(file) for file in files]), store).appended


def put_raw(store: EventStore, raw: bytes) -> None:
    store.append(intake(raw))


def query(store: EventStore, statement: str) -> list[tuple[Any, ...]]:
    with store.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(statement))]


def dumped(store: EventStore) -> dict[str, bytes]:
    """Every table of the database, as bytes."""
    found = {}
    for table in inspect(store.engine).get_table_names():
        rows = query(store, f'SELECT * FROM "{table}"')
        cells = [cell if isinstance(cell, bytes) else str(cell).encode() for row in rows for cell in row]
        found[table] = b"\n".join(cells)
    return found


def places_of(store: EventStore, word: bytes) -> set[str]:
    """The tables that hold these bytes; a name only where no digit follows."""
    ends = [] if word == MARK else [b"%d" % digit for digit in range(10)]
    return {
        table
        for table, held in dumped(store).items()
        if any(not part.startswith(tuple(ends)) or not ends for part in held.split(word)[1:])
    }


def words_of(store: EventStore, user: str) -> list[tuple[Any, ...]]:
    statement = f"SELECT t.* FROM text t JOIN response r ON r.seq = t.seq WHERE r.user_id = '{user}' ORDER BY t.seq"
    return query(store, statement)


def report(store: EventStore) -> dict[str, Any]:
    """Everything a replay would say of the store, apart from the words of its examples and from what counts words."""
    seen = look(store, CHOSEN, after_last_event(store, EVER), replayed=True).report
    alerts = [
        dataclasses.replace(
            alert, examples=[dataclasses.replace(one, prompt=None, response=None) for one in alert.examples]
        )
        for alert in seen.alerts
    ]
    findings = [finding for finding in seen.findings if finding.check != "approval_seeking"]
    return dataclasses.replace(seen, alerts=alerts, findings=findings).to_dict()


def bytes_on_disk(store_url: str) -> bytes:
    """All files of a SQLite database; of a server, what it would hand out."""
    url = make_url(store_url)
    if url.get_backend_name() != "sqlite":
        with EventStore.open(store_url) as store:
            return b"\n".join(dumped(store).values())
    place = Path(str(url.database))
    return b"".join(file.read_bytes() for file in place.parent.glob(f"{place.name}*"))


def die(_connection: Connection | None = None) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def in_a_process_that_dies(act: Any) -> None:
    child = os.fork()
    if child == 0:
        act()
        os._exit(1)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
