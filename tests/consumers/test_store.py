import multiprocessing
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import OperationalError
from sqlmodel import SQLModel

from consumers import tables
from consumers.database import DatabaseTooNew, migrate, open_engine, writing
from consumers.intake import Appended, Intake, parse_batch
from consumers.rejected import ReplayRefused
from consumers.sources import Batch, Record
from consumers.store import EventStore
from tests.consumers.examples import BAD, DATA, line

TABLES = [name for name, value in vars(tables).items() if name.endswith("Row")]


@pytest.fixture
def store(store_url: str) -> Iterator[EventStore]:
    with EventStore.open(store_url) as store:
        yield store


def intake(*raws: bytes, source: str = "/file", position: dict[str, Any] | None = None, start: int = 1) -> Intake:
    records = [Record(raw, f"line {number}", len(raw)) for number, raw in enumerate(raws, start)]
    return parse_batch(Batch(source, records, position))


def rows(store: EventStore, query: str) -> list[tuple[Any, ...]]:
    with store.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def test_every_type_reaches_its_table_once(store: EventStore) -> None:
    batch = intake(*(line(kind) for kind in DATA))
    appended = store.append(batch)
    assert (appended.accepted, appended.purposes) == (8, {"reward": 1})
    assert store.append(batch) == Appended(duplicate=8)
    for kind in DATA:
        assert rows(store, f"SELECT e.type FROM {kind} t JOIN event e USING (seq)") == [(f"rewarddrift.{kind}.v1",)]
    assert store.counts().by_type == {f"rewarddrift.{kind}.v1": 1 for kind in sorted(DATA)}
    assert store.counts().events == 8


def test_fields_reach_their_columns(store: EventStore) -> None:
    store.append(intake(*(line(kind) for kind in DATA)))
    assert rows(store, "SELECT response_id, checkpoint, cohort, environment, length FROM response") == [
        ("r-1", "c-1", '{"tier":"pro"}', "production", 3)
    ]
    assert rows(store, "SELECT value, actor_id, actor_role, surface_name, purpose, purpose_rule FROM feedback") == [
        (1.0, "u-1", "end_user", "chat", "reward", "1:reward")
    ]
    assert rows(store, "SELECT metric, value, method FROM outcome") == [("task_success", 1.0, "human")]
    assert rows(store, "SELECT scorer, kind, revision, value, status FROM score") == [
        ("rm", "reward_model", "1", 0.25, "ok")
    ]
    assert rows(store, "SELECT judge, choice, a_checkpoint, a_length, b_checkpoint, b_length FROM preference") == [
        ("j", "a", "c-1", 3, "c-0", 3)
    ]
    assert rows(store, "SELECT position, stage, traffic_share, lineage FROM checkpoint") == [
        (1.0, "serving", 0.5, '{"data":["a"]}')
    ]
    assert rows(store, "SELECT value, n, higher_is_better, samples FROM evaluation") == [
        (0.5, 2, 1, '[{"id":"q1","value":1},{"id":"q2","value":0}]')
    ]
    assert rows(store, "SELECT user_id, requested_at_us, deadline_us FROM erasure") == [
        ("u-1", 1_772_323_200_000_000, None)
    ]


def test_text_rows_exist_only_for_words_and_unknown_fields(store: EventStore) -> None:
    store.append(
        intake(
            *(line(kind) for kind in DATA),
            line("feedback", id="f-2", changes={"correction": "No.", "comment": "Hm."}),
            line("outcome", id="o-2", changes={"shop": 7}),
        )
    )
    query = "SELECT e.id, prompt, response, correction, comment, a, b, extra FROM text t JOIN event e USING (seq)"
    assert rows(store, query.replace("e.id", "e.event_id") + " ORDER BY seq") == [
        ("response-1", "Why?", "So.", None, None, None, None, None),
        ("preference-1", None, None, None, None, "yes", None, None),
        ("f-2", None, None, "No.", "Hm.", None, None, None),
        ("o-2", None, None, None, None, None, None, '{"shop":7}'),
    ]


def test_first_content_of_an_identity_wins_and_the_other_is_kept(store: EventStore) -> None:
    first, other = line("score"), line("score", changes={"value": 0.75})
    assert store.append(intake(first, other, first)) == Appended(
        accepted=1, duplicate=1, conflict=1, by_type={"rewarddrift.score.v1": 1}
    )
    assert store.append(intake(other, start=7)) == Appended(conflict=1)
    assert rows(store, "SELECT value FROM score") == [(0.25,)]
    assert rows(store, "SELECT source, event_id, raw FROM conflict") == [("/test", "score-1", other)]
    assert store.counts().conflicts == 1


def test_the_same_id_from_another_source_is_another_event(store: EventStore) -> None:
    assert store.append(intake(line("score"), line("score", source="/other"))).accepted == 2


def test_position_is_saved_with_the_batch(store: EventStore) -> None:
    assert store.position("/file") is None
    store.append(intake(line("score"), position={"byte": 10}))
    store.append(intake(position={"byte": 20}))
    store.append(intake(source="/stdin"))
    assert store.position("/file") == {"byte": 20}
    assert store.position("/stdin") is None


def test_bad_record_leaves_its_neighbours_alone_and_is_replayed_once(store: EventStore) -> None:
    for name, (raw, reason) in BAD.items():
        for at in (0, 2, 4):
            lines = [line("score", id=f"{name}-{at}-{number}") for number in range(4)]
            lines.insert(at, raw)
            batch = intake(*lines, source=f"/{name}-at-{at}")
            [(before,)] = rows(store, "SELECT count(*) FROM event")
            appended = store.append(batch)
            assert (appended.accepted, appended.rejected, appended.rejected_by_reason) == (4, 1, {reason: 1})
            store.append(batch)
            [rejected] = store.rejected()
            assert (rejected.reason, rejected.position, rejected.status) == (reason, f"line {at + 1}", "open")
            assert (rejected.raw, rejected.raw_size) == (raw[: 1 << 16], len(raw))
            fixed = line("response", id=f"fixed-{name}-{at}")
            assert store.replay_rejected(rejected.id, fixed).accepted == 1
            assert store.replay_rejected(rejected.id, fixed) == Appended()
            assert rows(store, "SELECT count(*) FROM event") == [(before + 5,)]
            assert store.rejected() == []
            assert store.rejected_one(rejected.id).status == "replayed"


def test_replay_that_fails_again_stays_open_under_the_new_reason(store: EventStore) -> None:
    store.append(intake(b"nonsense"))
    assert store.replay_rejected(1).rejected_by_reason == {"not_json": 1}
    assert store.replay_rejected(1, line("score", id=...)).rejected_by_reason == {"missing_field": 1}
    rejected = store.rejected_one(1)
    assert (rejected.status, rejected.reason, rejected.raw) == ("open", "missing_field", b"nonsense")


def test_replay_works_on_the_kept_bytes_once_the_release_knows_them(store: EventStore) -> None:
    record = Record(line("score"), "line 1", 40)
    store.append(parse_batch(Batch("/file", [record], None), limit=10))
    assert store.counts().rejected_by_reason == {"too_large": 1}
    with writing(store.engine) as connection:
        connection.execute(text("UPDATE rejected SET raw_size = length(raw)"))
    assert store.replay_rejected(1).accepted == 1


def test_replay_of_a_known_event_adds_nothing(store: EventStore) -> None:
    store.append(intake(line("score"), b"nonsense"))
    assert store.replay_rejected(1, line("score")) == Appended(duplicate=1)
    assert store.counts().events == 1


def test_bounded_bytes_are_not_replayed_without_corrected_ones(store: EventStore) -> None:
    raw = b"x" * 70_000
    store.append(intake(raw))
    assert store.rejected_one(1).raw == raw[: 1 << 16]
    with pytest.raises(ReplayRefused, match="70000 bytes and only 65536 were kept"):
        store.replay_rejected(1)
    assert store.rejected_one(1).status == "open"


def test_unknown_rejected_event_is_a_key_error(store: EventStore) -> None:
    for ask in (store.rejected_one, store.replay_rejected):
        with pytest.raises(KeyError, match="no rejected event 7"):
            ask(7)


def test_other_bytes_at_a_known_place_are_kept_too(store: EventStore) -> None:
    for _ in range(2):
        store.append(intake(b"first", source="-"))
        store.append(intake(b"second", source="-"))
    assert [(r.raw, r.position.split(",")[0]) for r in store.rejected()] == [
        (b"first", "line 1"),
        (b"second", "line 1"),
    ]


def test_rejected_events_are_found_by_reason_and_status(store: EventStore) -> None:
    store.append(intake(b"nonsense", b"[]", b"more nonsense"))
    store.replay_rejected(1, line("score"))
    assert [r.id for r in store.rejected(reason="not_json")] == [3]
    assert [r.id for r in store.rejected(status="replayed")] == [1]
    assert [r.id for r in store.rejected(status=None, limit=2)] == [1, 2]


def test_database_fault_propagates_and_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with EventStore.open(path) as store:
        with sqlite3.connect(path) as full:
            pages = full.execute("PRAGMA page_count").fetchone()[0]
        full.close()
        with store.engine.connect() as connection:
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 4}")
        batch = intake(*(line("score", id=f"s-{n}") for n in range(2000)), b"nonsense", position={"byte": 1})
        with pytest.raises(OperationalError, match="full"):
            store.append(batch)
        assert (store.counts().events, store.rejected(), store.position("/file")) == (0, [], None)
        with store.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 100000")
        assert store.append(batch).accepted == 2000


def test_locked_database_propagates(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with EventStore.open(path) as store, EventStore.open(path) as other, writing(other.engine):
        with store.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA busy_timeout = 1")
        with pytest.raises(OperationalError, match="locked"):
            store.append(intake(line("score")))


def test_reading_does_not_wait_for_the_writer(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with EventStore.open(path) as store:
        store.append(intake(line("score")))
        with writing(store.engine) as connection:
            connection.execute(text("DELETE FROM score"))
            with EventStore.open(path) as other:
                assert rows(other, "SELECT count(*) FROM score") == [(1,)]


def test_committed_means_on_disk(tmp_path: Path) -> None:
    with EventStore.open(tmp_path / "store.sqlite") as store:
        assert rows(store, "PRAGMA journal_mode") == [("wal",)]
        assert rows(store, "PRAGMA synchronous") == [(2,)]


def test_migrations_give_the_tables_the_models_describe(store: EventStore) -> None:
    names = [getattr(tables, name).__tablename__ for name in TABLES]
    models = [SQLModel.metadata.tables[name] for name in names]
    migrated = _shape(store.engine, names)
    SQLModel.metadata.drop_all(store.engine, tables=models)
    SQLModel.metadata.create_all(store.engine, tables=models)
    assert migrated == _shape(store.engine, names)


def test_step_runs_once_and_a_failed_one_runs_again(empty_url: str) -> None:
    engine = open_engine(empty_url)
    ran = []

    def first(connection: Connection) -> None:
        connection.execute(text("CREATE TABLE a (x INTEGER)"))
        ran.append("first")

    def broken(connection: Connection) -> None:
        connection.execute(text("CREATE TABLE b (x INTEGER)"))
        raise RuntimeError("failed")

    def second(connection: Connection) -> None:
        connection.execute(text("CREATE TABLE b (x INTEGER)"))
        ran.append("second")

    with pytest.raises(RuntimeError):
        migrate(engine, "chain", [first, broken])
    migrate(engine, "chain", [first, second])
    migrate(engine, "chain", [first, second])
    migrate(engine, "other", [])
    assert ran == ["first", "second"]
    engine.dispose()


def test_newer_database_is_refused(store_url: str) -> None:
    with EventStore.open(store_url) as store, writing(store.engine) as connection:
        connection.execute(text("UPDATE migration SET number = 99"))
    with pytest.raises(DatabaseTooNew, match=r"step 99 of .consumers., this release knows \d+: install"):
        EventStore.open(store_url)


def test_an_older_release_that_waited_for_a_newer_one_to_migrate_refuses_what_it_finds(empty_url: str) -> None:
    older, newer = open_engine(empty_url), open_engine(empty_url)

    def overtaken(connection: Connection) -> None:
        raise AssertionError("the newer release has done this step")

    with ThreadPoolExecutor() as pool:
        with writing(newer) as connection:
            waiting = pool.submit(migrate, older, "chain", [overtaken])
            while not waiting.running():
                time.sleep(0.01)
            time.sleep(0.2)  # by now it has found no table and waits for its turn
            connection.execute(text("CREATE TABLE migration (chain VARCHAR PRIMARY KEY, number INTEGER NOT NULL)"))
            connection.execute(text("INSERT INTO migration VALUES ('chain', 2)"))
        with pytest.raises(DatabaseTooNew, match="step 2 of 'chain', this release knows 1"):
            waiting.result()
    older.dispose()
    newer.dispose()


@pytest.mark.parametrize("attempt", range(3))
def test_processes_that_open_a_fresh_database_at_once_share_one_migration(empty_url: str, attempt: int) -> None:
    fork = multiprocessing.get_context("fork")
    start = fork.Barrier(3)
    openers = [fork.Process(target=_open_and_append, args=(empty_url, start, number)) for number in range(3)]
    for opener in openers:
        opener.start()
    for opener in openers:
        opener.join()
    assert [opener.exitcode for opener in openers] == [0, 0, 0]
    with EventStore.open(empty_url) as store:
        assert store.counts().events == 4


def _open_and_append(url: str, start: Any, number: int) -> None:
    start.wait()
    with EventStore.open(url) as store:
        store.append(intake(line("score"), line("score", id=f"own-{number}")))


def _shape(engine: Engine, names: list[str]) -> dict[str, Any]:
    """Columns, keys, unique constraints and indices of the tables."""
    found = inspect(engine)
    return {
        name: (
            [(c["name"], str(c["type"]), c["nullable"]) for c in found.get_columns(name)],
            found.get_pk_constraint(name)["constrained_columns"],
            sorted(u["column_names"] for u in found.get_unique_constraints(name)),
            sorted((i["name"], i["column_names"]) for i in found.get_indexes(name)),
        )
        for name in names
    }
