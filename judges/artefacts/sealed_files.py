"""Which bytes does a file of a folder hold, read so that nothing but a plain file of that folder is ever opened?"""

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from judges.artefacts.rejection import ArtifactRejected, refused

BLOCK = 1 << 20
MAX_FILES = 2_000
_PICKLES = {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".npy", ".npz", ".h5", ".keras", ".msgpack"}
_PICKLES |= {".gguf", ".ggml", ".onnx", ".tflite", ".pb", ".dill", ".zip", ".tar", ".gz", ".mar", ".nemo", ".llamafile"}
_CODE = {".py", ".pyc", ".pyd", ".pyi", ".so", ".dll", ".dylib", ".sh", ".ipynb", ".exe", ".js", ".cu", ".cpp"}
_PLAIN = {".safetensors", ".json", ".jinja", ".txt", ".md", ".model", ".vocab", ".jsonl", ".csv", ".png"}
_NAMES = {"LICENSE", "LICENCE", "NOTICE", "README", ".gitattributes", ".gitignore", "USE_POLICY"}


@dataclass(frozen=True)
class Entry:
    """One file as it was sealed. sha256: hexadecimal."""

    name: str
    bytes: int
    sha256: str


def list_files(folder: Path) -> list[Path]:
    """The files of a folder, sorted by name. Raises ArtifactRejected for links, subfolders and what is not plain data.

    Only suffixes known to be data are let through, so that a new kind of pickle need not be known here.
    """
    if not folder.is_dir():
        raise ArtifactRejected(folder, "no_folder", "there is no such folder")
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    if len(entries) > MAX_FILES:
        raise ArtifactRejected(folder, "too_large", f"{len(entries)} files, at most {MAX_FILES} are read")
    for entry in entries:
        _admit(folder / entry.name, entry)
    return [folder / entry.name for entry in entries]


def _admit(path: Path, entry: os.DirEntry[str]) -> None:
    suffix = path.suffix.lower()
    if entry.is_symlink():
        raise refused(path, "link", "a link may point out of the folder")
    if not entry.is_file(follow_symlinks=False):
        raise refused(path, "not_a_file", "a folder, pipe or device; a checkpoint is a flat folder of files")
    if suffix in _CODE:
        raise refused(path, "code", "a program; checkpoints hold data only")
    if suffix in _PICKLES:
        raise refused(path, "pickle", f"{suffix} is not safetensors; such formats can run code when read")
    is_named_plainly = path.name.isascii() and path.name.isprintable()
    if not is_named_plainly or (suffix not in _PLAIN and path.name not in _NAMES):
        raise refused(path, "unknown_file", "not a file that a checkpoint needs")


@contextmanager
def opened(path: Path) -> Iterator[tuple[BufferedReader, int]]:
    """The file, open, and its size in bytes; never through a link, never a pipe or device. Raises ArtifactRejected."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise refused(path, "missing_file", "it is not there") from None
    except OSError as fault:
        raise refused(path, "link" if path.is_symlink() else "unreadable", fault.strerror or "unreadable") from None
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode):
            raise refused(path, "not_a_file", "not a plain file")
        yield file, about.st_size


def seal(path: Path) -> Entry:
    """Size and sha256 of a file."""
    digest, count = hashlib.sha256(), 0
    with opened(path) as (file, _):
        while block := file.read(BLOCK):
            digest.update(block)
            count += len(block)
    return Entry(path.name, count, digest.hexdigest())


def read_small(path: Path, limit: int) -> bytes:
    """All bytes of a file. Raises ArtifactRejected when there are more than `limit`."""
    with opened(path) as (file, _):
        data = file.read(limit + 1)
    if len(data) > limit:
        raise refused(path, "too_large", f"more than {limit:,} bytes")
    return data


def read_sealed(path: Path, entry: Entry) -> bytearray:
    """All bytes of a file, compared with the seal after they are in memory: what is used is what was checked."""
    with opened(path) as (file, size):
        if size != entry.bytes:
            raise refused(path, "altered", f"{size:,} bytes, sealed with {entry.bytes:,}")
        held = bytearray(size)
        if file.readinto(held) != size:
            raise refused(path, "altered", "it became shorter while it was read")
    if hashlib.sha256(held).hexdigest() != entry.sha256:
        raise refused(path, "altered", "its sha256 is not the sealed one")
    return held
