"""What is too old goes, by age alone; rows and counts stay, and an ingest beside it is not held up."""

import datetime as dt
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from consumers.ingest import ingest
from consumers.intake import parse_batch
from consumers.rejected import ReplayRefused
from consumers.retention import Expired, expire
from consumers.sources import Batch, JsonlSource, Record
from consumers.store import EventStore
from tests.consumers.contents import contents
from tests.consumers.examples import line
from tests.consumers.test_store import rows
from tests.end_to_end.command import reward_drift

NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)


def microseconds(moment: dt.datetime) -> int:
    return round(moment.timestamp() * 1e6)


def told(moment: dt.datetime, *raws: bytes, source: str = "/file") -> tuple[dt.datetime, Batch]:
    return moment, Batch(source, [Record(raw, f"line {n}, {moment}", len(raw)) for n, raw in enumerate(raws)], None)


def aged(place: str | Path, *batches: tuple[dt.datetime, Batch]) -> EventStore:
    """A store that received each batch at its moment."""
    for moment, batch in batches:
        with EventStore.open(place, clock=lambda moment=moment: moment) as store:
            store.append(parse_batch(batch))
    return EventStore.open(place)


def said(number: int, moment: dt.datetime, **more: object) -> bytes:
    return line("response", id=f"r-{number}", time=moment.isoformat(), changes={"prompt": f"word {number}", **more})


@pytest.fixture
def store(store_url: str) -> Iterator[EventStore]:
    """Old and young texts, dead letters and conflicts; one old event came late."""
    old, young = NOW - 100 * DAY, NOW - 5 * DAY
    with aged(
        store_url,
        told(old, said(1, old), b"old dead", said(1, old, latency_ms=1)),
        told(young, said(2, young), said(3, old), b"young dead", said(2, young, latency_ms=1)),
    ) as store:
        yield store


def test_old_words_go_and_rows_and_counts_stay(store: EventStore) -> None:
    limits = microseconds(NOW - 90 * DAY), microseconds(NOW - 30 * DAY)
    before, counts = contents(store), store.counts()
    assert expire(store, *limits, dry_run=True) == Expired(texts=2, rejected=1, conflicts=1)
    assert contents(store) == before
    assert expire(store, *limits) == Expired(texts=2, rejected=1, conflicts=1)
    assert rows(store, "SELECT prompt FROM text") == [("word 2",)]
    assert [one.raw for one in store.rejected()] == [b"", b"young dead"]
    assert rows(store, "SELECT length(raw) > 0 FROM conflict ORDER BY id") == [(False,), (True,)]
    assert store.counts() == counts
    after = contents(store)
    assert all(after[table] == before[table] for table in before if table not in ("text", "rejected", "conflict"))
    assert expire(store, *limits) == Expired(0, 0, 0)
    assert contents(store) == after


def test_emptied_dead_letter_comes_not_back_and_can_be_mended(store_url: str) -> None:
    old = told(NOW - 40 * DAY, line("response", changes={"checkpoint": ...}))
    with aged(store_url, old) as store:
        expire(store, 0, microseconds(NOW))
        store.append(parse_batch(old[1]))
        (dead,) = store.rejected()
        assert (dead.raw, dead.reason) == (b"", "missing_field")
        with pytest.raises(ReplayRefused, match="only 0 were kept"):
            store.replay_rejected(dead.id)
        assert store.replay_rejected(dead.id, line("response")).accepted == 1


def test_more_than_one_transaction_is_taken_where_there_is_much(store_url: str) -> None:
    old = NOW - 100 * DAY
    much = [*(said(number, old) for number in range(2100)), *(b"dead %d" % number for number in range(120))]
    rests: list[float] = []
    with aged(store_url, told(old, *much)) as store:
        gone = expire(store, microseconds(NOW), microseconds(NOW), pause=rests.append)
        assert gone == Expired(texts=2100, rejected=120, conflicts=0)
        assert len(rests) == 3 + 3


def test_ingest_beside_it_loses_nothing(store_url: str, tmp_path: Path) -> None:
    old = NOW - 100 * DAY
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n".join(said(number, old) for number in range(3000)) + b"\n")
    with aged(store_url, told(old, *(said(-number, old) for number in range(1, 3000)))) as store:
        failed: list[BaseException] = []

        def read() -> None:
            try:
                with EventStore.open(store_url) as mine:
                    ingest(JsonlSource([str(file)]), mine)
            except BaseException as fault:
                failed.append(fault)

        reader = threading.Thread(target=read)
        reader.start()
        while reader.is_alive():
            expire(store, microseconds(NOW), microseconds(NOW))
        reader.join()
        expire(store, microseconds(NOW), microseconds(NOW))
        assert not failed
        assert store.counts().events == 5999
        assert rows(store, "SELECT count(*) FROM text") == [(0,)]


def test_command_follows_the_settings(tmp_path: Path) -> None:
    place, settings = tmp_path / "store.sqlite", tmp_path / "reward-drift.yaml"
    settings.write_text("outcome: {metric: solved}\nretention: {texts: 10d, rejected: 1d}\n")
    with aged(place, told(NOW - 2 * DAY, said(1, NOW - 20 * DAY), said(2, NOW), b"dead")):
        pass
    again = ["retention", "--settings", settings, "--store", place, "--json"]
    removed = {"texts": 1, "rejected": 1, "conflicts": 0, "quotes": 0}
    assert reward_drift(*again, "--dry-run").json == {"removed": removed, "dry_run": True}
    assert reward_drift(*again).json == {"removed": removed, "dry_run": False}
    assert reward_drift(*again).json["removed"] == dict.fromkeys(removed, 0)
    assert "texts of 0 events" in reward_drift(*again[:-1]).out
    assert b"word 1" not in b"".join(file.read_bytes() for file in tmp_path.glob("store.sqlite*"))
