"""Record batches as they come over the wire, made piece by piece so that a bomb costs its maker no memory.

Run as a program it is the victim: under a memory limit it reads a bomb between two good batches.
"""

import gzip
import io
import json
import resource
import struct
import sys
from collections.abc import Callable
from typing import Any, cast

import lz4.frame
import zstandard
from kafka import TopicPartition
from kafka.consumer.fetcher import Fetcher
from kafka.record import MemoryRecords
from kafka.record.default_records import DefaultRecordBatch
from kafka.record.util import calc_crc32c, encode_varint

from consumers.kafka_limits import bound_record_batches
from consumers.kafka_records import read_records

CODECS = {
    "none": 0,
    "gzip": DefaultRecordBatch.CODEC_GZIP,
    "snappy": DefaultRecordBatch.CODEC_SNAPPY,
    "lz4": DefaultRecordBatch.CODEC_LZ4,
    "zstd": DefaultRecordBatch.CODEC_ZSTD,
}
BOMB_BYTES = 300_000_000
LIMIT = 64 << 20
ROOM = 260_000_000  # for 64 MiB twice (the pieces and the whole) and the values cut out of them, not for the bomb


def varint(number: int) -> bytes:
    coded = bytearray()
    encode_varint(number, coded.append)
    return bytes(coded)


def record(delta: int, size: int, headers: bytes = b"\0") -> tuple[bytes, bytes]:
    """What comes before and after a value of `size` bytes, `delta` records behind the first."""
    before = b"\0\0" + varint(delta) + varint(-1) + varint(size)
    return varint(len(before) + size + len(headers)) + before, headers


def whole(delta: int, value: bytes, headers: bytes = b"\0") -> bytes:
    before, after = record(delta, len(value), headers)
    return before + value + after


def batch(base: int, count: int, content: bytes, codec: str = "none") -> bytes:
    """A record batch with a right checksum; content: its records, already compressed."""
    rest = struct.pack(">hiqqqhii", CODECS[codec], count - 1, 0, 0, -1, -1, -1, count) + content
    return struct.pack(">qiibI", base, len(rest) + 9, 0, 2, calc_crc32c(rest)) + rest


def bomb(base: int, codec: str) -> bytes:
    """Ten records' worth of offsets in which one record of zeros takes everything."""
    out = io.BytesIO()
    opened: dict[str, Callable[[], Any]] = {
        "gzip": lambda: gzip.GzipFile(fileobj=out, mode="wb", compresslevel=1),
        "lz4": lambda: lz4.frame.LZ4FrameFile(out, "wb"),
        "zstd": lambda: zstandard.ZstdCompressor().stream_writer(out, closefd=False),
    }
    before, after = record(0, BOMB_BYTES)
    with opened[codec]() as writer:
        writer.write(before)
        for _ in range(BOMB_BYTES // 1_000_000):
            writer.write(bytes(1_000_000))
        writer.write(after)
    return batch(base, 10, out.getvalue(), codec)


def polled(data: bytes) -> list[Any]:
    """What a consumer's poll makes of fetched bytes."""
    fetched = Fetcher.PartitionRecords(0, TopicPartition("events", 0), MemoryRecords(data))
    records = cast(list[Any], fetched.take())
    fetched._maybe_raise_next_inline_exception()  # as the next poll would
    return records


def main() -> None:
    codec, bounded = sys.argv[1:]
    data = batch(0, 1, whole(0, b"before")) + bomb(1, codec) + batch(11, 1, whole(0, b"after"))
    if bounded == "bounded":
        bound_record_batches(LIMIT)
    with open("/proc/self/statm") as file:
        in_use = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (in_use + ROOM, in_use + ROOM))
    try:
        records, refusals = read_records(polled(data), 1 << 20)
    except MemoryError:
        print('"out of memory"')
        return
    print(json.dumps([[one.position for one in records], [[one.record.position, one.reason] for one in refusals]]))


if __name__ == "__main__":
    main()
