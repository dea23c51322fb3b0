"""What may leave as training labels? Only curation feedback, with a manifest of all that was withheld."""

import datetime as dt
import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet  # type: ignore[import-untyped]

from consumers.curation import Answer, Curation, Reaction, Shape, latest, read_curation, refusal
from consumers.database import writing
from consumers.ledger import add_export, count_entries
from consumers.mendable import Mendable
from consumers.store import EventStore

SCHEMAS = {
    "unpaired": pa.schema([("prompt", pa.string()), ("completion", pa.string()), ("label", pa.bool_())]),
    "sft": pa.schema([("prompt", pa.string()), ("completion", pa.string())]),
    "preference": pa.schema([("prompt", pa.string()), ("chosen", pa.string()), ("rejected", pa.string())]),
}

Row = Mapping[str, str | bool | None]


class ExportError(Mendable):
    """The export did not start; the message says what to change."""


@dataclass(frozen=True)
class Manifest:
    """What left, and what did not. Counts are feedback events; times are RFC 3339, None without rows.

    sha256: of the file. purpose_rules: versions of the rules that split the feedback. withheld_by_purpose,
    withheld_by_rule: feedback that is no curation. unused: curation feedback that gave no row, by reason. checkpoints:
    rows by the checkpoint whose response they are about. first, last: event time of the labels.
    """

    file: str
    created_at: str
    shape: str
    rating_threshold: float | None
    rows: int
    sha256: str
    purpose_rules: Sequence[str]
    withheld_by_purpose: Mapping[str, int]
    withheld_by_rule: Mapping[str, int]
    unused: Mapping[str, int]
    checkpoints: Mapping[str, int]
    first: str | None
    last: str | None


def export_labels(
    store: EventStore,
    out: Path,
    shape: Shape,
    *,
    rating_threshold: float | None = None,
    force: bool = False,
    now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
) -> Manifest:
    """Write curation labels in a trainer's shape to `out` (.parquet or .jsonl) and the manifest beside it.

    shape: "unpaired" prompt, completion, label (thumbs; ratings if there is a threshold); "sft" prompt, completion
    (the correction); "preference" prompt, chosen (the correction), rejected (the response).
    rating_threshold: share of the scale, 0 to 1, from which a rating is a good one.
    Rows are in order of event time. The store notes the file and whose words are in it, so that an erasure finds it.
    Raises ExportError for an unknown shape or suffix, a threshold outside 0..1, an absent folder, a
    file that exists when not `force`, or somebody erased while the labels were written.
    """
    _refuse(out, shape, rating_threshold, force)
    curation = read_curation(store.engine)
    labels, unused = _decide(curation, shape, rating_threshold)
    partial = out.with_name(f".{out.name}.partial")
    WRITERS[out.suffix](partial, [_row(shape, *label, rating_threshold) for label in labels], SCHEMAS[shape])
    created_at = now()
    manifest = Manifest(
        file=out.name,
        created_at=_rfc3339(created_at),
        shape=shape,
        rating_threshold=rating_threshold,
        rows=len(labels),
        sha256=hashlib.sha256(partial.read_bytes()).hexdigest(),
        purpose_rules=sorted({rule.partition(":")[0] for _, rule in curation.rules}),
        withheld_by_purpose=_withheld(curation, 0),
        withheld_by_rule=_withheld(curation, 1),
        unused=dict(sorted(unused.items())),
        checkpoints=dict(sorted(Counter(answer.checkpoint for _, answer in labels).items())),
        first=_happened(labels[0][0]) if labels else None,
        last=_happened(labels[-1][0]) if labels else None,
    )
    try:
        _note(store, out, manifest.sha256, created_at, curation.erasures, labels)
    except BaseException:
        partial.unlink()
        raise
    _publish(partial, out, manifest)
    return manifest


def manifest_path(out: Path) -> Path:
    """Name the manifest of an exported file."""
    return out.with_name(f"{out.name}.manifest.json")


def _refuse(out: Path, shape: str, rating_threshold: float | None, force: bool) -> None:
    if shape not in SCHEMAS:
        raise ExportError(f"unknown shape {shape!r}; choose one of {', '.join(SCHEMAS)}")
    if out.suffix not in WRITERS:
        raise ExportError(f"{out}: unknown suffix; end the name with {' or '.join(WRITERS)}")
    if rating_threshold is not None and not 0 <= rating_threshold <= 1:
        raise ExportError(f"rating threshold {rating_threshold} is no share of the scale; give a number from 0 to 1")
    if not out.parent.is_dir():
        raise ExportError(f"{out.parent}: no such folder; make it: mkdir -p {out.parent}")
    for path in (out, manifest_path(out)):
        if path.exists() and not force:
            raise ExportError(f"{path}: exists; choose another name or force the export to replace it")


def _decide(
    curation: Curation, shape: Shape, rating_threshold: float | None
) -> tuple[list[tuple[Reaction, Answer]], Counter[str]]:
    """Part the reactions into labels, each with its response, and reasons not to use them, counted."""
    current = latest(curation.reactions)
    unused = Counter({"replaced by a later reaction": len(curation.reactions) - len(current)})
    labels = []
    for reaction in current:
        answer = curation.answers.get(reaction.response_id)
        reason = refusal(reaction, answer, curation.forbidden, shape, rating_threshold)
        if reason is None and answer is not None:
            labels.append((reaction, answer))
        else:
            unused[str(reason)] += 1
    return labels, +unused


def _note(
    store: EventStore,
    out: Path,
    sha256: str,
    created_at: dt.datetime,
    erasures: int,
    labels: Sequence[tuple[Reaction, Answer]],
) -> None:
    """Put the file on the list of what has left, unless somebody was erased since its words were read."""
    events = {one.seq for label in labels for one in label}
    with writing(store.engine) as connection:
        if count_entries(connection) != erasures:
            raise ExportError(f"{out}: not written: somebody was erased in the meantime; export again")
        moment = round(created_at.timestamp() * 1e6)
        add_export(connection, str(out.resolve()), sha256, moment, len(labels), sorted(events))


def _row(shape: Shape, reaction: Reaction, answer: Answer, rating_threshold: float | None) -> Row:
    if shape == "sft":
        return {"prompt": answer.prompt, "completion": reaction.correction}
    if shape == "preference":
        return {"prompt": answer.prompt, "chosen": reaction.correction, "rejected": answer.response}
    return {"prompt": answer.prompt, "completion": answer.response, "label": _is_good(reaction, rating_threshold)}


def _is_good(reaction: Reaction, rating_threshold: float | None) -> bool:
    threshold = rating_threshold if reaction.signal == "rating" else 1.0
    return reaction.score is not None and threshold is not None and reaction.score >= threshold


def _withheld(curation: Curation, part: int) -> dict[str, int]:
    """Count what is no curation, by purpose (part 0) or by rule (part 1)."""
    totals: Counter[str] = Counter()
    for names, count in curation.rules.items():
        if names[0] != "curation":
            totals[names[part]] += count
    return dict(sorted(totals.items()))


def _write_jsonl(path: Path, rows: Sequence[Row], _schema: pa.Schema) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _write_parquet(path: Path, rows: Sequence[Row], schema: pa.Schema) -> None:
    pyarrow.parquet.write_table(pa.Table.from_pylist(list(rows), schema=schema), path)


WRITERS = {".parquet": _write_parquet, ".jsonl": _write_jsonl}


def _publish(partial: Path, out: Path, manifest: Manifest) -> None:
    """Put manifest and file in place, the manifest first: no labels ever stand there without one."""
    draft = partial.with_name(f"{partial.name}.json")
    draft.write_text(json.dumps(asdict(manifest), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    for path in (draft, partial):
        with path.open("rb") as file:
            os.fsync(file.fileno())
    draft.replace(manifest_path(out))
    partial.replace(out)


def _happened(reaction: Reaction) -> str:
    return _rfc3339(dt.datetime.fromtimestamp(0, dt.UTC) + dt.timedelta(microseconds=reaction.time_us))


def _rfc3339(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
