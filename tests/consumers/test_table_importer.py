import csv
import gzip
import json
import os
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from consumers.events import parse_event
from consumers.importers import table
from consumers.importers.rows import TableError
from consumers.importers.table import import_table

EXPORT = """\
answer_id,answered_at,user,plan,question,answer,thumb,solved
a-1,02.03.2026 09:00,u-1,team,"Can I
return it?","Yes, within 30 days.",up,yes
a-2,29.03.2026 09:30,u-2,solo,Où est ma commande ?,Elle est partie.,down,no
a-3,02.03.2026 10:00,u-1,team,Hello,Hi,,
"""
EXAMPLE = table.__doc__.partition("    source:")[2].partition("\nA field is")[0]


@pytest.fixture
def mapping(tmp_path):
    """The worked example of the documentation."""
    path = tmp_path / "mapping.yaml"
    path.write_text("    source:" + EXAMPLE)
    return path


@pytest.fixture
def export(tmp_path):
    path = tmp_path / "export.csv"
    path.write_text(EXPORT)
    return path


def convert(path, mapping):
    problems = []
    events = [parse_event(raw) for raw in import_table(path, mapping, problems.append)]
    return events, [str(problem) for problem in problems]


def kinds(events):
    return [event.type.split(".")[1] for event in events]


def test_the_documented_example_turns_a_row_into_several_events(export, mapping):
    events, problems = convert(export, mapping)
    assert problems == []
    assert kinds(events) == ["response", "feedback", "outcome"] * 2 + ["response"]
    response, feedback, outcome = events[:3]
    assert response.data.prompt == "Can I\nreturn it?"
    assert response.data.cohort == {"tier": "team"}
    assert (feedback.data.value, feedback.data.actor.role, feedback.data.surface.purpose) == (1, "end_user", "product")
    assert outcome.data.value is True


def test_times_are_read_in_their_zone_on_both_sides_of_daylight_saving(export, mapping):
    times = [event.time_us for event in convert(export, mapping)[0] if event.type.endswith("response.v1")]
    assert times[0] == 1_772_438_400_000_000  # 08:00 UTC
    assert times[1] == 1_774_769_400_000_000  # 07:30 UTC


def test_importing_twice_gives_the_same_events(export, mapping):
    assert list(import_table(export, mapping)) == list(import_table(export, mapping))


def test_without_id_columns_the_row_names_its_events_wherever_it_stands(export, mapping):
    mapping.write_text(mapping.read_text().replace("        id: answer_id\n", ""))
    first = {event.id for event in convert(export, mapping)[0]}
    header, *rest = EXPORT.split("\n", 1)
    export.write_text(header + "\na-0,02.03.2026 09:00,u,team,q,a,up,yes\n" + rest[0])
    assert first < {event.id for event in convert(export, mapping)[0]}
    assert len(first) == 7


@pytest.mark.parametrize("name", ["export.csv.gz", "export.tsv", "export.jsonl", "export.jsonl.gz", "export.parquet"])
def test_every_format_gives_the_same_events(export, mapping, tmp_path, name):
    expected = list(import_table(export, mapping))
    with export.open(newline="") as file:
        rows = list(csv.DictReader(file))
    path = tmp_path / name
    if name == "export.csv.gz":
        path.write_bytes(gzip.compress(export.read_bytes()))
    elif name == "export.tsv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0], delimiter="\t")
            writer.writeheader()
            writer.writerows(rows)
    elif name == "export.parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    else:
        lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
        path.write_bytes(gzip.compress(lines) if name.endswith("gz") else lines)
    assert list(import_table(path, mapping)) == expected


def test_a_row_that_does_not_convert_is_told_with_file_line_column_and_remedy(export, mapping):
    with export.open("ab") as file:
        file.write(b"a-4,gestern,u-4,team,q,a,up,yes\n")
        file.write(b"a-5,02.03.2026 10:00,u-4,team,q,a,sideways,yes\n")
        file.write(b"a-6,02.03.2026 10:00\n")
        file.write(b"a-7,02.03.2026 10:00,u-4,team,caf\xe9,a,,\n")
        file.write(b",02.03.2026 10:00,u-4,team,q,a,,\n")
    events, problems = convert(export, mapping)
    assert kinds(events) == ["response", "feedback", "outcome"] * 2 + ["response"] * 2 + ["outcome"]
    assert problems[0].startswith(f"{export}:6: response: column answered_at: 'gestern' is no time")
    assert "change the format in the mapping" in problems[0]
    assert problems[3] == (
        f"{export}:7: feedback: column thumb: 'sideways' is not in its map (up, down); add it, or map it to null"
    )
    assert problems[4] == f"{export}:8: 2 cells under 8 columns"
    assert problems[5] == f"{export}:9: response: bytes that are no UTF-8; save the table as UTF-8"
    assert problems[6].startswith(f"{export}:10: response: column answer_id: empty")
    assert len(problems) == 7


def test_a_bad_row_is_logged_when_nobody_asks(export, mapping, caplog):
    export.write_text(EXPORT + "a-4\n")
    list(import_table(export, mapping))
    assert f"{export}:6: 1 cells under 8 columns" in caplog.text


def test_every_problem_of_a_mapping_is_told_at_once_with_its_line_and_the_nearest_key(tmp_path, export):
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text(
        """\
source: /export
tiem: answered_at
time: {column: answered_at, zone: Europe/Berlinn}
events:
  - type: respons
    fields: {}
  - type: feedback
    time: answered_at
    fields:
      respons_id: answer_id
      signal: {const: thumb}
      value: {column: thumb, map: {up: one}}
      actor: {roll: user}
"""
    )
    with pytest.raises(TableError) as fault:
        list(import_table(export, mapping))
    problems = str(fault.value).splitlines()
    assert problems[0] == f"{mapping}:2: tiem: unknown key; did you mean time?"
    assert problems[1] == f"{mapping}:5: events.0.type: unknown type 'respons'; did you mean response?"
    assert problems[2] == f"{mapping}:10: events.1.fields.respons_id: unknown key; did you mean response_id?"
    assert problems[3] == f"{mapping}:9: events.1.fields: response_id is missing"
    assert problems[4].startswith(f"{mapping}:11: events.1.fields.signal: Invalid enum value 'thumb'")
    assert problems[4].endswith("did you mean thumbs?")
    assert problems[5].startswith(f"{mapping}:12: events.1.fields.value.map.up: Expected `float")
    assert problems[6] == f"{mapping}:13: events.1.fields.actor.roll: unknown key; did you mean role?"
    assert len(problems) == 7


def test_columns_the_table_lacks_are_told_at_once_with_the_nearest_column(export, mapping):
    mapping.write_text(mapping.read_text().replace("question", "qestion").replace("when: solved", "when: sloved"))
    with pytest.raises(TableError) as fault:
        list(import_table(export, mapping))
    first, second = str(fault.value).splitlines()
    assert first.endswith(f"{export} has no column 'qestion'; did you mean question?")
    assert second.endswith("has no column 'sloved'; did you mean solved?")
    assert first.startswith(f"{mapping}:10: events.0.fields.prompt")


def test_a_time_without_an_offset_needs_a_zone(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("id,at\nx,2026-03-02T09:00:00\ny,2026-03-02T09:00:00+01:00\n")
    mapping = {
        "source": "s",
        "time": "at",
        "events": [{"type": "erasure", "id": "id", "fields": {"user": "id"}}],
    }
    events, problems = convert(path, mapping)
    assert [event.data.user for event in events] == ["y"]
    assert problems == [
        f"{path}:2: erasure: column at: '2026-03-02T09:00:00' has no offset; give the mapping a zone, e.g. zone: UTC"
    ]


def test_scales_become_shares_and_numbers_of_any_column_type_fit(tmp_path):
    path = tmp_path / "a.parquet"
    rows = [{"id": 7.0, "at": 1_772_438_400_000, "percent": 25}, {"id": None, "at": 1_772_438_400_000, "percent": 101}]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    mapping = {
        "source": "s",
        "time": {"column": "at", "format": "unix_ms"},
        "events": [
            {
                "type": "outcome",
                "fields": {
                    "response_id": "id",
                    "metric": {"const": "correct"},
                    "value": {"column": "percent", "scale": [0, 100]},
                },
            }
        ],
    }
    (event,), problems = convert(path, mapping)
    assert (event.data.response_id, event.data.value) == ("7", 0.25)
    assert problems == [f"{path}:2: outcome: column percent: 101 is outside its scale [0, 100]; widen the scale"]


@pytest.mark.parametrize("name", ["a.xlsx", "absent.csv"])
def test_a_table_that_cannot_be_read_is_one_error_that_names_it(tmp_path, mapping, name):
    with pytest.raises(TableError, match=name):
        list(import_table(tmp_path / name, mapping))


def test_a_file_that_is_no_parquet_is_one_error_that_names_it(tmp_path, mapping):
    path = tmp_path / "a.parquet"
    path.write_bytes(b"no parquet at all")
    with pytest.raises(TableError, match=r"a\.parquet: cannot be read any further"):
        list(import_table(path, mapping))


def test_a_cut_archive_gives_its_good_rows_and_then_an_error(tmp_path, mapping):
    path = tmp_path / "export.csv.gz"
    rows = "".join(f"a-{n},02.03.2026 09:00,u,team,q{n},a,up,yes\n" for n in range(5000))
    path.write_bytes(gzip.compress((EXPORT + rows).encode())[:-2000])
    events = []
    with pytest.raises(TableError, match=r"export\.csv\.gz: cannot be read any further"):
        events.extend(import_table(path, mapping))
    assert len(events) > 1000


def data_folder():
    folder = os.environ.get("REWARD_DRIFT_DATA")
    if not folder:
        pytest.skip("REWARD_DRIFT_DATA does not name a folder of public data")
    return Path(folder)


def test_a_published_rating_history_imports_whole():
    path = data_folder() / "arena_elo_history" / "elo_history.csv.gz"
    mapping = {
        "source": "/arena",
        "time": {"column": "date", "format": "%Y%m%d", "zone": "UTC"},
        "events": [
            {
                "type": "evaluation",
                "id": ["date", "model"],
                "fields": {
                    "checkpoint": "model",
                    "suite": {"const": "arena"},
                    "category": {"const": "overall"},
                    "metric": {"const": "elo"},
                    "value": "elo",
                },
            }
        ],
    }
    events, problems = convert(path, mapping)
    with gzip.open(path, "rt") as file:
        assert len(events) == sum(1 for _ in file) - 1
    assert problems == []
    assert len({event.id for event in events}) == len(events)
