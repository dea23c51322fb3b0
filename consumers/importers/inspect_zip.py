"""What stands in an `.eval` file of Inspect: a zip of JSON, read member by member within bounds.

Nothing is unpacked to disk, so that a member's name is only a name. Releases from 2026 on compress with Zstandard
(method 93 of the format), which Python 3.11 does not read by itself.
Source: PKWARE, .ZIP File Format Specification (APPNOTE), 4.3.7 and 4.4.5.
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import zstandard

from consumers.importers.rows import TableError

MEMBERS = 1_000_000
MEMBER_BYTES = 1 << 28
TOTAL_BYTES = 1 << 35
LOCAL_HEADER = struct.Struct("<4s22xHH")
ZSTANDARD = 93
ENCRYPTED = 1


@dataclass
class EvalZip:
    """An open file. members: the newest of each name. spent: bytes unpacked so far."""

    path: Path
    archive: zipfile.ZipFile
    members: dict[str, zipfile.ZipInfo]
    spent: int = field(default=0)

    def read(self, name: str) -> bytes:
        """The bytes of a member, at most `MEMBER_BYTES`. Raises TableError for what is broken, locked or too large."""
        member = self.members[name]
        try:
            raw = self._unpacked(member)
        except (zipfile.BadZipFile, zstandard.ZstdError, zlib.error, EOFError, OSError, struct.error) as fault:
            raise TableError(f"{self.path}: {name}: cannot be unpacked: {fault}; was the file cut?") from None
        except NotImplementedError:
            raise TableError(
                f"{self.path}: {name}: packed by method {member.compress_type}, which is not known"
            ) from None
        self.spent += len(raw)
        if len(raw) > MEMBER_BYTES or self.spent > TOTAL_BYTES:
            raise TableError(
                f"{self.path}: {name}: unpacks to more than {MEMBER_BYTES:,} bytes, or the file to more than"
                f" {TOTAL_BYTES:,}; export it by `inspect log convert --to json`"
            )
        return raw

    def _unpacked(self, member: zipfile.ZipInfo) -> bytes:
        if member.flag_bits & ENCRYPTED:
            raise zipfile.BadZipFile("it is encrypted")
        if member.compress_type != ZSTANDARD:
            with self.archive.open(member) as stream:
                return stream.read(MEMBER_BYTES + 1)
        packed = io.BytesIO(self._packed(member))
        with zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True) as stream:
            raw = stream.read(MEMBER_BYTES + 1)
        if len(raw) <= MEMBER_BYTES and zlib.crc32(raw) != member.CRC:
            raise zipfile.BadZipFile("its checksum is another")
        return raw

    def _packed(self, member: zipfile.ZipInfo) -> bytes:
        """The bytes as they are stored, behind the local header."""
        with self.path.open("rb") as file:
            file.seek(member.header_offset)
            mark, name, extra = LOCAL_HEADER.unpack(file.read(LOCAL_HEADER.size))
            if mark != b"PK\x03\x04":
                raise zipfile.BadZipFile("there is no header where the directory says")
            file.seek(name + extra, io.SEEK_CUR)
            return file.read(min(member.compress_size, MEMBER_BYTES))


@contextmanager
def open_eval(path: Path) -> Iterator[EvalZip]:
    """Open an `.eval` file. Raises TableError for what is no zip, or has more than `MEMBERS` members."""
    try:
        with zipfile.ZipFile(path) as archive:
            listed = archive.infolist()
            if len(listed) > MEMBERS:
                raise TableError(f"{path}: more than {MEMBERS:,} members; no log of Inspect has so many")
            yield EvalZip(path, archive, {member.filename: member for member in listed})
    except (zipfile.BadZipFile, OSError, ValueError) as fault:
        raise TableError(f"{path}: no .eval file: {fault}; was it cut?") from None
