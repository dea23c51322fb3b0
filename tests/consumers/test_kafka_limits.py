"""What producers compress cannot take the reader's memory, and what is malformed does not take its neighbours along."""

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import kafka.consumer.fetcher
import lz4.frame
import pyarrow as pa
import pytest
import zstandard
from kafka.record import memory_records

from consumers.kafka_limits import BoundedRecordBatch, bound_record_batches
from consumers.kafka_records import read_records
from consumers.store import EventStore
from tests.broker import Broker
from tests.consumers.examples import line
from tests.consumers.kafka_reading import event_ids, query, read_all, settings
from tests.consumers.record_batches import batch, polled, whole


@pytest.fixture(autouse=True)
def _bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_records, "DefaultRecordBatch", memory_records.DefaultRecordBatch)
    monkeypatch.setattr(BoundedRecordBatch, "limit", 1 << 20)
    bound_record_batches(1 << 20)


def snappy(content: bytes) -> bytes:
    """As Java's library frames it."""
    blocks = [pa.Codec("snappy").compress(content[at : at + 1000], asbytes=True) for at in range(0, len(content), 1000)]
    framed = b"".join(len(block).to_bytes(4, "big") + block for block in blocks)
    return b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01" + framed


COMPRESS = {
    "none": bytes,
    "gzip": gzip.compress,
    "snappy": snappy,
    "lz4": lz4.frame.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}


def read(data: bytes) -> tuple[list[tuple[bytes, str]], list[tuple[str, str]]]:
    """((bytes, place) of what was read, (place, reason) of what was not)."""
    records, refusals = read_records(polled(data), 1 << 20)
    return [(one.raw, one.position) for one in records], [(one.record.position, one.reason) for one in refusals]


def test_kafka_python_reads_batches_with_our_class() -> None:
    """If a new release looks its classes up elsewhere, this fails, and there is no limit until it is mended."""
    assert kafka.consumer.fetcher.MemoryRecords is memory_records.MemoryRecords
    (made,) = memory_records.MemoryRecords(batch(0, 1, whole(0, b"x")))
    assert type(made) is BoundedRecordBatch


@pytest.mark.parametrize(
    ("codec", "bounded"),
    [("gzip", "bounded"), ("lz4", "bounded"), ("zstd", "bounded"), ("gzip", "as kafka-python is")],
)
def test_300_megabytes_of_zeros_do_not_end_a_process_of_little_memory(codec: str, bounded: str) -> None:
    command = [sys.executable, "-W", "ignore", "-m", "tests.consumers.record_batches", codec, bounded]
    said = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    kept_all_but_one = [["offset 0", "offset 11"], [["offset 1 to 10", "too_large"]]]
    assert said == (kept_all_but_one if bounded == "bounded" else "out of memory")


@pytest.mark.parametrize("codec", COMPRESS)
def test_whatever_the_codec_a_batch_under_the_limit_is_read(codec: str) -> None:
    values = [bytes([65 + number]) * 5000 for number in range(20)]
    content = b"".join(whole(number, value) for number, value in enumerate(values))
    expected = [(value, f"offset {number}") for number, value in enumerate(values)]
    assert read(batch(0, 20, COMPRESS[codec](content), codec)) == (expected, [])


@pytest.mark.parametrize("codec", [codec for codec in COMPRESS if codec != "none"])
def test_a_batch_over_the_limit_or_cut_off_is_one_refusal(codec: str) -> None:
    packed = COMPRESS[codec](b"".join(whole(number, bytes(300_000)) for number in range(4)))
    good = batch(4, 1, whole(0, b"next"))
    assert read(batch(0, 4, packed, codec) + good) == ([(b"next", "offset 4")], [("offset 0 to 3", "too_large")])
    packed = COMPRESS[codec](b"".join(whole(number, b"value") for number in range(4)))
    kept, (refusal, *_) = read(batch(0, 4, packed[:-12], codec) + good)
    assert kept[-1] == (b"next", "offset 4")
    assert refusal[1] == "corrupt"


@pytest.mark.parametrize(
    "broken",
    [
        whole(1, b"value", headers=varied)
        for varied in (
            b"\x02\x04\xff\xfe\x02x",  # one header, whose name is no UTF-8
            b"\x01",  # minus one headers
            b"\x02\x01",  # a name of minus one bytes
            b"\0more",  # bytes behind the record
        )
    ],
)
def test_a_malformed_record_is_one_refusal(broken: bytes) -> None:
    data = batch(0, 3, whole(0, b"before") + broken + whole(2, b"after"))
    assert read(data) == ([(b"before", "offset 0"), (b"after", "offset 2")], [("offset 1", "malformed_record")])


def test_a_length_that_leads_nowhere_gives_up_the_rest_of_its_batch() -> None:
    data = batch(0, 4, whole(0, b"before") + b"\xff\xff\xff\xff\x0f\0\0\2") + batch(4, 1, whole(0, b"next"))
    assert read(data) == ([(b"before", "offset 0"), (b"next", "offset 4")], [("offset 1 to 3", "corrupt")])


def test_a_checksum_that_does_not_fit_gives_up_the_batch() -> None:
    spoilt = bytearray(batch(0, 2, whole(0, b"one") + whole(1, b"two")))
    spoilt[-3] ^= 1
    assert read(bytes(spoilt) + batch(2, 1, whole(0, b"next"))) == (
        [(b"next", "offset 2")],
        [("offset 0 to 1", "corrupt")],
    )


def test_a_bomb_on_a_real_broker_is_set_aside_and_its_neighbours_are_stored(broker: Broker, tmp_path: Path) -> None:
    topic = broker.topic()
    options: dict[str, Any] = {"compression_type": "gzip", "max_request_size": 1 << 24}
    for values in ([line("response", id="before")], [bytes(1 << 22)], [line("response", id="after")]):
        broker.produce(topic, values, **options)
    path = tmp_path / "events.sqlite"
    read_all(path, settings(broker, topic, batch_bytes=1 << 20), 3)
    with EventStore.open(path) as store:
        assert event_ids(store) == {"before", "after"}
        assert query(store, "SELECT position, reason FROM rejected") == [("offset 1", "too_large")]
