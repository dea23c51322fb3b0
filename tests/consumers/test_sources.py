import gzip
import io
import json
import logging
import os
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import pytest
import zstandard

from consumers.incidents import TRUNCATED
from consumers.ingest import ingest
from consumers.sources import JsonlSource, SourceError
from consumers.store import EventStore


def no_position(_source):
    return None


def line(number, padding=0):
    return json.dumps({"id": number, "padding": "x" * padding}).encode()


def lines(*numbers):
    return b"".join(line(number) + b"\n" for number in numbers)


def ids(records):
    """What a parser would accept: a cut line is no JSON."""
    found = []
    for record in records:
        try:
            found.append(json.loads(record.raw)["id"])
        except (ValueError, KeyError, TypeError):
            continue
    return found


def read(*paths, saved=no_position, **options):
    return [record for batch in JsonlSource(paths, **options).batches(saved) for record in batch.records]


class Positions:
    """A store's positions: saved with each batch."""

    def __init__(self):
        self.saved = {}
        self.incidents = []

    def save(self, batch):
        self.saved[batch.source] = batch.position
        self.incidents += batch.incidents

    def gaps(self):
        """Kind and first lost byte of the incidents so far."""
        return [(found.kind, found.lost_from, found.lost_until) for found in self.incidents]

    def read(self, *paths, take=None, **options):
        """Read like an ingest that dies after `take` batches."""
        records = []
        for number, batch in enumerate(JsonlSource(paths, **options).batches(self.saved.get), start=1):
            records += batch.records
            self.save(batch)
            if number == take:
                break
        return ids(records)

    def follow(self, *paths, until, then=lambda seen: None):
        """Follow until `until` ids were seen; `then` changes the world in quiet moments."""
        seen = []

        def stop():
            then(seen)
            return len(set(seen)) >= until

        source = JsonlSource(paths, follow=True, stop=stop, poll_seconds=0.005)
        for batch in source.batches(self.saved.get):
            seen += ids(batch.records)
            self.save(batch)
        return seen


def compress(name, data):
    return {".gz": gzip.compress, ".zst": zstandard.compress}.get(Path(name).suffix, bytes)(data)


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst"])
@pytest.mark.parametrize("batch_size", [1, 3, 2000])
def test_every_line_of_plain_and_packed_files_arrives_in_order(tmp_path, name, batch_size):
    path = tmp_path / name
    path.write_bytes(compress(name, lines(1, 2, 3, 4)) + compress(name, lines(5, 6, 7)))
    assert ids(read(path, batch_size=batch_size)) == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst"])
def test_a_file_goes_on_where_the_last_saved_batch_ended(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(compress(name, lines(*range(10))))
    positions = Positions()
    assert positions.read(path, batch_size=3, take=2) == [0, 1, 2, 3, 4, 5]
    assert positions.read(path, batch_size=3) == [6, 7, 8, 9]
    assert positions.read(path) == []


def test_a_grown_file_delivers_only_what_was_appended(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(lines(1, 2))
    positions = Positions()
    positions.read(path)
    path.write_bytes(lines(1, 2, 3))
    assert positions.read(path) == [3]


def test_positions_name_line_and_byte_and_sizes_are_those_of_the_file(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"id": 1}\r\n\r\n  \n{"id": 2}')
    first, second = read(path)
    assert (first.raw, second.raw) == (b'{"id": 1}', b'{"id": 2}')
    assert first.position.startswith("line 1, byte 0")
    assert second.position.startswith("line 4, byte 19")


def test_a_byte_order_mark_later_in_the_file_is_left_to_the_parser(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"id": 1}\n\xef\xbb\xbf{"id": 2}\n')
    assert read(path)[1].raw.startswith(b"\xef\xbb\xbf")


def test_a_utf_16_file_is_delivered_line_by_line_for_the_parser_to_reject(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes('{"id": 1}\n{"id": 2}\n'.encode("utf-16"))
    assert len(read(path)) == 3


def test_standard_input_is_read_without_a_position(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines(1, 2) + line(3))))
    batches = list(JsonlSource(["-"]).batches(no_position))
    assert [batch.position for batch in batches] == [None] * len(batches)
    assert ids(record for batch in batches for record in batch.records) == [1, 2, 3]


def test_standard_input_hands_over_what_has_arrived_before_the_writer_is_done(monkeypatch):
    reading, writing = os.pipe()
    with os.fdopen(reading) as pipe, os.fdopen(writing, "wb", buffering=0) as writer:
        monkeypatch.setattr(sys, "stdin", pipe)
        writer.write(lines(1, 2))
        batches = JsonlSource(["-"], poll_seconds=0.001).batches(no_position)
        assert ids(next(batches).records) == [1, 2]
        writer.write(lines(3))
        assert ids(next(batches).records) == [3]


def test_a_named_pipe_is_read_like_standard_input(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with subprocess.Popen([sys.executable, "-c", f"open({str(path)!r}, 'wb').write({lines(1, 2)!r})"]):
        assert ids(read(path)) == [1, 2]


@pytest.mark.parametrize("size", [99, 100, 101, 102, 1000, 3_000_000])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_a_line_over_the_limit_is_cut_and_its_size_kept(tmp_path, size, end):
    path = tmp_path / "a.jsonl"
    path.write_bytes(lines(1) + b"x" * size + end)
    record = read(path, limit=100)[1]
    assert record.raw.rstrip() == b"x" * min(size, 101)
    assert record.size - size in (0, 1)
    path.write_bytes(path.read_bytes() + b"\n" + lines(2))
    assert ids(read(path, limit=100)) == [1, 2]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst"])
def test_memory_stays_bounded_whatever_the_length_of_a_line(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(compress(name, b"x" * 100_000_000 + b"\n" + lines(1)))
    tracemalloc.start()
    records = read(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert ids(records) == [1]
    assert records[0].size == 100_000_000
    assert peak < 50_000_000


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst"])
@pytest.mark.parametrize("harm", ["cut", "garbled", "cut in the second member"])
def test_a_broken_archive_delivers_its_good_lines_and_then_says_so(tmp_path, name, harm):
    whole = tmp_path / "b.jsonl"
    whole.write_bytes(lines(-1))
    path = tmp_path / name
    data = b"".join(line(number, number % 50) + b"\n" for number in range(30_000))
    packed = compress(name, data)
    packed = {
        "cut": packed[: len(packed) * 3 // 4],
        "garbled": packed[: len(packed) * 3 // 4] + b"\x00" * 100 + packed[len(packed) * 3 // 4 + 100 :],
        "cut in the second member": packed + packed[:-5],
    }[harm]
    path.write_bytes(packed)
    records = []
    batches = JsonlSource([path, whole]).batches(no_position)
    with pytest.raises(SourceError, match=r"a\.jsonl\.(gz|zst): damaged after line \d+"):
        records.extend(record for batch in batches for record in batch.records)
    assert records[0].raw == line(0)
    assert len(records) > 10_000
    assert ids(records)[-1] == -1, "the other files are read all the same"


def test_a_plain_file_that_is_called_an_archive_is_an_error(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(lines(1))
    with pytest.raises(SourceError, match="Not a gzipped file"):
        read(path)


def test_all_unreadable_paths_are_told_at_once_with_the_next_command(tmp_path):
    with pytest.raises(SourceError) as fault:
        read(tmp_path / "absent.jsonl", tmp_path, f"{tmp_path}/*.none")
    absent, folder, pattern = str(fault.value).splitlines()
    assert absent == f"{tmp_path}/absent.jsonl: no such file; see what is there: ls {tmp_path}"
    assert f"'{tmp_path}/*.jsonl'" in folder
    assert "no file matches this pattern" in pattern


def test_patterns_are_read_in_order_and_no_file_twice(tmp_path):
    (tmp_path / "2.jsonl").write_bytes(lines(2))
    (tmp_path / "1.jsonl").write_bytes(lines(1))
    assert ids(read(f"{tmp_path}/*.jsonl", tmp_path / "1.jsonl")) == [1, 2]


def test_progress_adds_up_to_the_size_on_disk(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(lines(*range(20_000)))
    counted = []
    read(path, progress=counted.append)
    assert sum(counted) == path.stat().st_size


def test_a_file_cut_at_every_byte_of_its_last_records_loses_nothing_that_is_whole(tmp_path):
    path = tmp_path / "a.jsonl"
    data = lines(1, 2, 3, 4)
    for cut in range(len(lines(1)), len(data) + 1):
        path.write_bytes(data[:cut])
        whole = [n for n in (1, 2, 3, 4) if len(lines(*range(1, n + 1))) - 1 <= cut]
        ended = [n for n in (1, 2, 3, 4) if len(lines(*range(1, n + 1))) <= cut]
        once, following = Positions(), Positions()
        assert once.read(path) == whole
        assert following.follow(path, until=len(ended)) == ended
        path.write_bytes(data)
        assert ended + once.read(path) == [1, 2, 3, 4]
        assert ended + following.follow(path, until=4 - len(ended)) == [1, 2, 3, 4]


def test_a_truncated_file_is_read_from_its_start_and_said_so(tmp_path, caplog):
    path = tmp_path / "a.jsonl"
    path.write_bytes(lines(1, 2, 3))
    positions = Positions()
    positions.read(path)
    path.write_bytes(lines(9))
    assert positions.read(path) == [9]
    assert f"{path} was truncated or replaced" in caplog.text
    assert positions.gaps() == [(TRUNCATED, len(lines(1, 2, 3)), None)]
    assert positions.read(path) == []
    assert len(positions.gaps()) == 1


def test_a_file_cut_at_any_byte_of_its_last_records_is_a_gap_and_loses_nothing_that_is_there(tmp_path):
    """Read whole, cut, then written on: every whole line there ever was is delivered, and the gap is told once."""
    path, data = tmp_path / "a.jsonl", lines(1, 2, 3, 4)
    for cut in range(len(lines(1)), len(data)):
        path.write_bytes(data)
        once, following = Positions(), Positions()
        assert once.read(path) == following.read(path) == [1, 2, 3, 4]
        path.write_bytes(data[:cut])
        ended = [n for n in (1, 2, 3, 4) if len(lines(*range(1, n + 1))) <= cut]
        assert once.read(path)[: len(ended)] == ended
        assert following.follow(path, until=len(ended)) == ended
        path.write_bytes(data + lines(5))
        assert ended + once.read(path) == [1, 2, 3, 4, 5]
        assert ended + following.follow(path, until=5 - len(ended)) == [1, 2, 3, 4, 5]
        assert once.gaps() == following.gaps() == [(TRUNCATED, len(data), None)]


def test_a_file_cut_to_nothing_is_a_gap_before_anything_is_written_to_it(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(lines(1, 2))
    positions = Positions()
    positions.read(path)
    path.write_bytes(b"")
    assert positions.read(path) == []
    assert positions.gaps() == [(TRUNCATED, len(lines(1, 2)), None)]
    path.write_bytes(lines(3))
    assert positions.read(path) == [3]
    assert len(positions.gaps()) == 1


def test_a_file_cut_and_grown_beyond_what_was_read_is_a_gap(tmp_path):
    """Its first line and its inode are those of before: only the bytes before the offset differ."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(lines(1, 2, 3))
    positions = Positions()
    positions.read(path)
    path.write_bytes(lines(1, 7, 8, 9))
    assert positions.read(path) == [1, 7, 8, 9]
    assert positions.gaps() == [(TRUNCATED, len(lines(1, 2, 3)), None)]


def test_a_position_of_an_earlier_release_goes_on_without_a_gap(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(lines(1, 2))
    positions = Positions()
    positions.read(path)
    del positions.saved[str(path)]["tail"]
    path.write_bytes(lines(1, 2, 3))
    assert positions.read(path) == [3]
    assert positions.gaps() == []


def test_a_file_rewritten_in_place_and_longer_is_read_from_its_start(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(lines(1, 2))
    positions = Positions()
    positions.read(path)
    path.write_bytes(lines(7, 8, 9))
    assert positions.read(path) == [7, 8, 9]
    assert positions.gaps() == [(TRUNCATED, len(lines(1, 2)), None)]


def replace(path, *numbers):
    """Put another file under the name, as editors and deployments do; the old one is gone."""
    path.with_suffix(".new").write_bytes(lines(*numbers))
    path.with_suffix(".new").rename(path)


def test_a_file_replaced_by_another_is_a_gap_and_one_replaced_by_a_longer_copy_is_none(tmp_path):
    other, copy = tmp_path / "other.jsonl", tmp_path / "copy.jsonl"
    positions = Positions()
    for path in (other, copy):
        path.write_bytes(lines(1, 2))
        positions.read(path)
    replace(copy, 1, 2, 3)
    assert positions.read(copy) == [1, 2, 3]
    assert positions.gaps() == []
    replace(other, 8, 9)
    assert positions.read(other) == [8, 9]
    assert positions.gaps() == [(TRUNCATED, len(lines(1, 2)), None)]


def test_a_followed_file_that_is_truncated_is_a_gap_and_one_that_is_replaced_was_read_to_its_end(tmp_path):
    cut, replaced = tmp_path / "cut.jsonl", tmp_path / "replaced.jsonl"
    for path, change in ((cut, lambda: cut.write_bytes(lines(9))), (replaced, lambda: replace(replaced, 9))):
        path.write_bytes(lines(1, 2))
        steps = iter([change])
        positions = Positions()
        seen = positions.follow(path, until=3, then=lambda seen, steps=steps: seen and next(steps, lambda: None)())
        assert seen == [1, 2, 9]
        assert positions.gaps() == ([(TRUNCATED, len(lines(1, 2)), None)] if path == cut else [])


def test_a_file_cut_before_it_was_rotated_is_a_gap_and_what_is_left_of_it_is_read(tmp_path):
    path = tmp_path / "app.jsonl"
    path.write_bytes(lines(1, 2, 3))
    positions = Positions()
    positions.read(path)
    path.write_bytes(lines(1, 5))
    rotate(path, "app.jsonl.1", 6)
    assert positions.read(path, take=1) == []  # killed when the gap was stored
    assert positions.read(path) == [1, 5, 6]
    assert positions.gaps() == [(TRUNCATED, len(lines(1, 2, 3)), None)]


def test_a_gap_and_the_position_after_it_are_stored_together(tmp_path):
    """Killed before the commit the gap is found again; after it, it is not told twice."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(lines(1, 2))
    with EventStore.open(tmp_path / "store") as store:
        ingest(JsonlSource([path]), store)
        path.write_bytes(lines(3))
        next(JsonlSource([path]).batches(store.position))  # killed before it was stored
        assert store.incidents() == []
        for _ in range(2):
            ingest(JsonlSource([path]), store)
        (told,) = store.incidents()
        assert (told.source, told.kind, told.lost_from) == (str(path), TRUNCATED, len(lines(1, 2)))


def test_places_in_files_of_one_name_differ(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(lines(1))
    (first,) = read(path)
    path.write_bytes(lines(2))
    (second,) = read(path)
    assert first.position != second.position


def rotate(path, name, *numbers):
    path.rename(path.with_name(name))
    path.write_bytes(lines(*numbers))


def test_what_was_rotated_away_while_we_were_down_is_read_first(tmp_path, caplog):
    path = tmp_path / "app.jsonl"
    path.write_bytes(lines(1, 2))
    positions = Positions()
    positions.read(path)
    path.write_bytes(lines(1, 2, 3))
    rotate(path, "app.jsonl.1", 4)
    (tmp_path / "app.jsonl.1").rename(tmp_path / "app.jsonl.2")
    rotate(path, "app.jsonl.1", 5)
    with caplog.at_level(logging.INFO):
        assert positions.read(path) == [3, 4, 5]
    assert "was rotated" in caplog.text
    assert positions.read(path) == []
    assert positions.gaps() == []


def test_a_rotated_file_is_found_although_it_was_compressed(tmp_path):
    path = tmp_path / "app.jsonl"
    path.write_bytes(lines(1, 2))
    positions = Positions()
    positions.read(path)
    (tmp_path / "app.jsonl-20260302.gz").write_bytes(gzip.compress(lines(1, 2, 3)))
    path.unlink()
    path.write_bytes(lines(4))
    assert positions.read(path) == [3, 4]
    assert positions.gaps() == []


def test_following_goes_through_rotation_and_late_writes_to_the_old_file(tmp_path):
    path = tmp_path / "app.jsonl"
    path.write_bytes(lines(1))
    old = path.open("ab", buffering=0)
    steps = iter([lambda: rotate(path, "app.jsonl.1", 4), lambda: old.write(lines(2) + line(3))])

    def then(seen):
        if seen:
            next(steps, lambda: None)()

    with old:
        positions = Positions()
        seen = positions.follow(path, until=4, then=then)
    assert list(dict.fromkeys(seen)) == [1, 2, 3, 4]
    assert positions.gaps() == []


def test_following_survives_a_copy_and_truncate(tmp_path):
    path = tmp_path / "app.jsonl"
    path.write_bytes(lines(1, 2))

    def copy_and_truncate():
        (tmp_path / "app.jsonl.1").write_bytes(lines(1, 2, 3))
        path.write_bytes(lines(4))

    steps = iter([copy_and_truncate])
    positions = Positions()
    assert positions.follow(path, until=4, then=lambda seen: seen and next(steps, lambda: None)()) == [1, 2, 3, 4]
    assert positions.gaps() == []


def test_following_takes_in_new_files_of_a_pattern(tmp_path):
    (tmp_path / "1.jsonl").write_bytes(lines(1))
    new = tmp_path / "2.jsonl"

    def then(seen):
        if seen and not new.exists():
            new.write_bytes(lines(2))

    assert Positions().follow(f"{tmp_path}/*.jsonl", until=2, then=then) == [1, 2]


WRITER = """
import os, sys
path = sys.argv[1]
file = open(path, "ab", buffering=0)
for number in range(3000):
    text = b'{"id": %d}\\n' % number
    file.write(text[:7]); file.write(text[7:])
    if number % 1000 == 999:
        os.rename(path, f"{path}.{number}")
        file = open(path, "ab", buffering=0)
"""


def test_following_a_process_that_writes_and_rotates_loses_nothing(tmp_path):
    path = tmp_path / "app.jsonl"
    path.touch()
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)]):
        deadline = time.monotonic() + 60
        seen = set()
        source = JsonlSource(
            [path],
            follow=True,
            poll_seconds=0.002,
            batch_size=100,
            stop=lambda: len(seen) == 3000 or time.monotonic() > deadline,
        )
        gaps = []
        for batch in source.batches(no_position):
            seen.update(ids(batch.records))
            gaps += batch.incidents
    assert seen == set(range(3000))
    assert gaps == []
