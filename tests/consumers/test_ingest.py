from collections.abc import Generator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError

from consumers.files import Position
from consumers.ingest import IngestResult, ingest
from consumers.sources import Batch, JsonlSource, Record, SavedPosition
from consumers.store import EventStore
from tests.consumers.contents import contents
from tests.consumers.examples import BAD, DATA, line

EVENTS = [
    *(line(kind) for kind in DATA),
    line("feedback", id="f-2", changes={"actor": {"role": "engineer"}, "new": [1]}),
    line("response", id="r-2", changes={"response": ..., "length": 9}),
    line("outcome", id="o-2", changes={"response_id": ..., "user": "u-1"}),
    BAD["nan"][0],
    BAD["no_checkpoint"][0],
]


class ListSource:
    """Batches from memory; a record's place is its content, so that it is the same wherever it stands."""

    def __init__(self, batches: Sequence[Sequence[bytes]]) -> None:
        self._batches = batches

    def batches(self, saved: SavedPosition) -> Generator[Batch, None, None]:
        del saved
        for raws in self._batches:
            yield Batch("list", [Record(raw, f"place of {hash(raw)}", len(raw)) for raw in raws], None)


def test_a_file_is_ingested_once(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n".join(EVENTS) + b"\n")
    told: list[IngestResult] = []
    with EventStore.open(tmp_path / "store.sqlite") as store:
        result = ingest(JsonlSource([file], batch_size=5), store, progress=told.append)
        assert (result.appended.accepted, result.appended.rejected, result.batches) == (11, 2, 3)
        assert result.appended.purposes == {"debugging": 1, "reward": 1}
        assert result.appended.by_rule == {"1:actor_role_engineer": 1, "1:reward": 1}
        assert [step.batches for step in told] == [1, 2, 3]
        assert told[-1] == result
        assert ingest(JsonlSource([file]), store) == IngestResult()
        counts = store.counts()
        assert (counts.by_type, counts.by_rule) == (result.appended.by_type, result.appended.by_rule)
        assert counts.rejected_by_reason == result.appended.rejected_by_reason
        with file.open("ab") as more:
            more.write(line("score", id="s-9") + b"\n")
        assert ingest(JsonlSource([file]), store).appended.accepted == 1


def test_limit_of_an_event_is_a_setting(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(line("response", changes={"response": "x" * 1000}))
    with EventStore.open(":memory:") as store:
        assert ingest(JsonlSource([file], limit=500), store, event_bytes=500).appended.rejected_by_reason == {
            "too_large": 1
        }
        assert store.rejected()[0].raw_size == file.stat().st_size


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_order_duplication_and_batching_do_not_matter(data: st.DataObject) -> None:
    once = _contents_of([EVENTS])
    again = data.draw(st.lists(st.sampled_from(EVENTS), max_size=8))
    order = data.draw(st.permutations(EVENTS + again))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(order) - 1), max_size=6)))
    batches = [order[start:end] for start, end in zip([0, *cuts], [*cuts, len(order)], strict=True)]
    assert _contents_of(batches) == once


def _contents_of(batches: Sequence[Sequence[bytes]]) -> dict[str, list[tuple[object, ...]]]:
    with EventStore.open(":memory:") as store:
        ingest(ListSource(batches), store)
        return contents(store)


def test_position_goes_with_its_batch_and_never_ahead(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n".join(line("score", id=f"s-{number}") for number in range(10)) + b"\n")
    seen: list[tuple[int, Position | None]] = []
    with EventStore.open(":memory:") as store:
        ingest(
            JsonlSource([file], batch_size=4),
            store,
            progress=lambda _: seen.append((store.counts().events, store.position(str(file)))),
        )
    assert [events for events, _ in seen] == [4, 8, 10]
    assert [position["line"] for _, position in seen if position] == [4, 8, 10]


def test_a_fault_of_the_store_ends_the_source_at_once_while_the_fault_is_still_held() -> None:
    ended = []

    class Endless:
        def batches(self, saved: SavedPosition) -> Generator[Batch, None, None]:
            try:
                yield Batch("endless", [Record(EVENTS[0], "place", 1)], None)
            finally:
                ended.append(True)

    with EventStore.open(":memory:") as store:
        store.engine.dispose()  # with it go the tables of a store in memory
        with pytest.raises(OperationalError, match="no such table"):
            ingest(Endless(), store)
        assert ended == [True]
