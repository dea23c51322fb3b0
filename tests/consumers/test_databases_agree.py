"""The same events, the same values: whatever one database keeps of them, the other keeps too."""

import json
import math
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumers.intake import parse_batch
from consumers.sources import Batch, Record
from consumers.store import EventStore
from tests.consumers.contents import contents
from tests.consumers.examples import BAD, DATA, envelope, line

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40)
NAMES = TEXTS.filter(bool)
NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0.0, -0.0, 5e-324, -5e-324, sys.float_info.min, sys.float_info.max, 2**53 + 1, 1e22, 0.1]),
    st.integers(-(2**63), 2**64 - 1),
)
COUNTS = st.one_of(st.integers(0, 2**31 - 1), st.sampled_from([0, 2**31 - 1]))
POSITIVE = st.one_of(st.floats(0, allow_infinity=False), st.sampled_from([-0.0, 0, 5e-324, sys.float_info.max]))
SHARES = st.one_of(st.floats(0, 1), st.sampled_from([-0.0, 0, 1, 5e-324]))
JSONS = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=12,
)
COHORTS = st.dictionaries(NAMES, TEXTS, max_size=3)


def deep(levels: int) -> Any:
    return [deep(levels - 1)] if levels else -0.0


def changed(kind: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[bytes]:
    """Events of a type with some fields changed, and sometimes fields that the type does not know."""
    known = st.fixed_dictionaries({}, optional=fields)
    unknown = st.dictionaries(TEXTS.map(lambda name: f"x{name}"), JSONS, max_size=2)
    changes = st.tuples(unknown, known).map(lambda both: {**both[0], **both[1]})
    return st.builds(
        lambda changes, name, source, ascii_only: json.dumps(
            envelope(kind, changes=changes, id=name, source=source), ensure_ascii=ascii_only
        ).encode(),
        changes,
        NAMES,
        NAMES,
        st.booleans(),
    )


EVENTS = st.one_of(
    changed("checkpoint", order=NUMBERS, kl_nats=NUMBERS, steps=POSITIVE, traffic_share=SHARES, artifact=TEXTS)
    | changed("checkpoint", lineage=st.dictionaries(TEXTS, JSONS | st.just(deep(90)), max_size=3)),
    changed("response", prompt=TEXTS, response=TEXTS, cohort=COHORTS, length=COUNTS, latency_ms=POSITIVE)
    | changed("response", input_tokens=COUNTS, output_tokens=COUNTS, user=NAMES, response_id=NAMES),
    changed("feedback", value=st.sampled_from([0, -0.0, 1.0]), comment=TEXTS, correction=TEXTS)
    | changed("feedback", signal=st.just("flag"), value=NUMBERS, scale=st.tuples(NUMBERS, NUMBERS)),
    changed("outcome", value=NUMBERS | st.booleans(), metric=NAMES, propensity=SHARES),
    changed("score", value=NUMBERS),
    changed("preference", probability_a=SHARES, cohort=COHORTS, a=st.fixed_dictionaries({"text": TEXTS})),
    changed("evaluation", value=NUMBERS, stderr=POSITIVE, n=COUNTS, samples=st.lists(NUMBERS | st.none(), max_size=3)),
    changed("erasure", user=NAMES),
)


@pytest.fixture
def stores(postgres_store_url: str) -> Iterator[tuple[EventStore, EventStore]]:
    with EventStore.open(":memory:") as one, EventStore.open(postgres_store_url) as other:
        yield one, other


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=st.lists(EVENTS, min_size=8, max_size=20))
def test_generated_events(stores: tuple[EventStore, EventStore], events: list[bytes]) -> None:
    assert _differences(stores, "/generated", events) == []


def test_every_bad_and_every_good_example(stores: tuple[EventStore, EventStore]) -> None:
    events = [raw for raw, _ in BAD.values()] + [line(kind) for kind in DATA]
    assert _differences(stores, "/examples", events) == []
    assert len(stores[1].rejected()) == len(BAD)


def test_the_sign_of_a_zero_is_kept_by_neither(stores: tuple[EventStore, EventStore]) -> None:
    _differences(stores, "/zero", [line("score", changes={"value": -0.0})])
    assert [math.copysign(1, store_value(store)) for store in stores] == [1, 1]


def store_value(store: EventStore) -> float:
    with store.engine.connect() as connection:
        value: float = connection.exec_driver_sql("SELECT value FROM score").scalar_one()
        return value


def _differences(stores: tuple[EventStore, EventStore], source: str, events: list[bytes]) -> list[Any]:
    """Append to both; what differs, by table and value. repr, as 1 == True and 0.0 == -0.0 would hide some."""
    records = [Record(raw, f"line {number}", len(raw)) for number, raw in enumerate(events)]
    batch = parse_batch(Batch(source, records, {"line": len(records)}))
    appended = [store.append(batch) for store in stores]
    found = [contents(store) for store in stores]
    different = [
        (table, mine, theirs)
        for table, rows in found[0].items()
        for mine, theirs in zip(rows, found[1][table], strict=True)
        if [repr(_plain(value)) for value in mine] != [repr(_plain(value)) for value in theirs]
    ]
    return different + ([appended] if appended[0] != appended[1] else [])


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, bool) else value  # SQLite has no other truth
