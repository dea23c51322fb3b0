"""How much may one batch of a producer hold, and what if it cannot be read? kafka-python knows no limit of its own.

Its reader of record batches is replaced, in the one module that looks it up, by a reader that decompresses in pieces
and stops at a limit. What cannot be read comes out as a record with a `Fault` instead of an exception, which would end
the whole fetch with everything behind it.
"""

import io
import zlib
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import zstandard
from kafka.errors import CorruptRecordError  # type: ignore[import-untyped]
from kafka.record import memory_records  # type: ignore[import-untyped]
from kafka.record.default_records import DefaultRecord, DefaultRecordBatch  # type: ignore[import-untyped]
from kafka.record.util import decode_varint  # type: ignore[import-untyped]

from consumers.kafka_records import Fault

_PIECE = 1 << 20
_GZIP = 31  # zlib's name for 32 KiB of window with gzip's header
_MALFORMED = (ValueError, IndexError, CorruptRecordError)
_UNPACKABLE = (OSError, EOFError, ValueError, RuntimeError, zlib.error, zstandard.ZstdError)


class _TooLarge(Exception):  # noqa: N818
    """More bytes than the limit would come out."""


class BoundedRecordBatch(DefaultRecordBatch):  # type: ignore[misc]
    """A record batch that never holds more than `limit` bytes uncompressed, and whose iteration does not fail.

    A malformed record, or a batch that cannot be read at all, is one record whose only header holds a Fault.
    """

    limit: ClassVar[int] = 64 << 20
    _buffer: bytearray
    _pos: int

    def __init__(self, buffer: memoryview) -> None:
        super().__init__(buffer)
        self._fault: Fault | None = None

    def validate_crc(self) -> bool:
        if not super().validate_crc():
            self._fault = Fault("corrupt", self.base_offset, "the checksum of the batch does not fit")
        return True

    def __iter__(self) -> Iterator[Any]:
        self._fault = self._fault or self._unpack()
        if self._fault is not None:
            yield self._faulty(self._fault, self.last_offset)
            return
        read = self._read_msg
        for number in range(self._num_records):
            start = self._pos
            try:
                record = read()
            except _MALFORMED as fault:
                record = self._skip(start, number, str(fault))
            yield record
            if self._fault is not None:
                return
        if self._pos != len(self._buffer):
            rest = len(self._buffer) - self._pos
            yield self._faulty(
                Fault("corrupt", self.last_offset, f"{rest} bytes behind the last record"), self.last_offset
            )

    def _unpack(self) -> Fault | None:
        if not self.compression_type:
            return None
        if self.compression_type != self.CODEC_SNAPPY:  # for which we need no library of kafka-python's
            self._assert_has_codec(self.compression_type)
        try:
            content = _DECODERS[self.compression_type](memoryview(self._buffer)[self._pos :], self.limit)
        except _TooLarge:
            return Fault("too_large", self.base_offset, f"the batch has more than {self.limit} bytes uncompressed")
        except _UNPACKABLE as fault:
            return Fault("corrupt", self.base_offset, f"the batch cannot be decompressed: {fault}")
        self._buffer, self._pos = content, 0
        return None

    def _skip(self, start: int, number: int, why: str) -> DefaultRecord:
        """The record at `start` as a fault, and on to the next by its length; without that, the rest is given up."""
        try:
            length, begin = decode_varint(self._buffer, start)
            timestamp = decode_varint(self._buffer, begin + 1)[1]
            offset = self.base_offset + decode_varint(self._buffer, timestamp)[0]
        except _MALFORMED:
            length = begin = offset = -1
        if start < begin + length <= len(self._buffer) and self.base_offset <= offset <= self.last_offset:
            self._pos = begin + length
            return self._faulty(Fault("malformed_record", offset, why), offset, bytes(self._buffer[begin : self._pos]))
        self._fault = Fault("corrupt", self.base_offset + number, f"the rest of the batch is malformed: {why}")
        return self._faulty(self._fault, self.last_offset)

    def _faulty(self, fault: Fault, offset: int, raw: bytes = b"") -> DefaultRecord:
        return DefaultRecord(len(raw), offset, self.first_timestamp, 0, None, raw, [("", fault)])


def bound_record_batches(limit: int) -> None:
    """From now on no consumer of this process decompresses a record batch to more than `limit` bytes."""
    BoundedRecordBatch.limit = limit
    memory_records.DefaultRecordBatch = BoundedRecordBatch


def _gunzip(data: memoryview, limit: int) -> bytearray:
    content, rest = bytearray(), bytes(data)
    while rest:
        member = zlib.decompressobj(_GZIP)
        while not member.eof:
            piece = member.decompress(rest, _PIECE)
            _extend(content, piece, limit)
            rest = member.unconsumed_tail
            if not piece and not rest and not member.eof:
                raise EOFError("the compressed data ends too early")
        rest = member.unused_data
    return content


def _unzstd(data: memoryview, limit: int) -> bytearray:
    window = max(limit, 8 << 20)  # what the format asks of every reader
    reader = zstandard.ZstdDecompressor(max_window_size=window).stream_reader(io.BytesIO(data), read_across_frames=True)
    return _gather(iter(lambda: reader.read(_PIECE), b""), limit)


def _unlz4(data: memoryview, limit: int) -> bytearray:
    return _gather(_lz4_pieces(bytes(data)), limit)


def _lz4_pieces(data: bytes) -> Iterator[bytes]:
    from lz4.frame import LZ4FrameDecompressor  # type: ignore[import-untyped]

    while data:
        frame = LZ4FrameDecompressor()
        yield frame.decompress(data, _PIECE)
        while not frame.eof:
            if frame.needs_input:
                raise EOFError("the compressed data ends too early")
            yield frame.decompress(b"", _PIECE)
        data = frame.unused_data or b""


def _unsnappy(data: memoryview, limit: int) -> bytearray:
    """Each block says first how long it will be, and cannot become longer than that."""
    from pyarrow import Codec  # type: ignore[import-untyped]

    snappy, content = Codec("snappy"), bytearray()
    for block in _snappy_blocks(bytes(data)):
        size = _unsigned_varint(block)
        if len(content) + size > limit:
            raise _TooLarge
        content += memoryview(snappy.decompress(block, size))
    return content


def _snappy_blocks(packed: bytes) -> Iterator[bytes]:
    """Java's framing if it is there: a header of 16 bytes, then blocks behind their lengths."""
    if not packed.startswith(b"\x82SNAPPY\0"):
        yield packed
        return
    start = 16
    while start < len(packed):
        end = start + 4 + int.from_bytes(packed[start : start + 4], "big")
        yield packed[start + 4 : end]
        start = end


def _unsigned_varint(block: bytes) -> int:
    value = 0
    for place, byte in enumerate(block[:5]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value
    raise ValueError("a block without its length")


def _gather(pieces: Iterator[bytes], limit: int) -> bytearray:
    content = bytearray()
    for piece in pieces:
        _extend(content, piece, limit)
    return content


def _extend(content: bytearray, piece: bytes, limit: int) -> None:
    if len(content) + len(piece) > limit:
        raise _TooLarge
    content += piece


_DECODERS: dict[int, Callable[[memoryview, int], bytearray]] = {
    DefaultRecordBatch.CODEC_GZIP: _gunzip,
    DefaultRecordBatch.CODEC_SNAPPY: _unsnappy,
    DefaultRecordBatch.CODEC_LZ4: _unlz4,
    DefaultRecordBatch.CODEC_ZSTD: _unzstd,
}
