"""Where are scores kept? In the store, by the content they are of: computed once, never overwritten, never half a run.

No word of an item is kept here, only digests, numbers and reasons.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, RowMapping, bindparam, text

from consumers.chunks import in_chunks
from consumers.database import migrate, reading, writing
from consumers.incidents import Found, add_incident
from judges.engine.spec import ScoreSpec
from judges.migrations import CHAIN, MIGRATIONS

VIOLATION = "determinism_violation"  # the kind of incident: one ruler, one content, two scores

_ADD_SPEC = "INSERT INTO score_spec (spec_id, spec) VALUES (:spec_id, :spec) ON CONFLICT DO NOTHING"
_SPEC = "SELECT spec FROM score_spec WHERE spec_id = :spec_id"
_ADD_RUN = """
    INSERT INTO score_run (run_id, spec_id, subject, items, started_us)
    VALUES (:run_id, :spec_id, :subject, :items, :now)
    ON CONFLICT DO NOTHING
"""
_ADD_ITEM = "INSERT INTO score_item (run_id, item_id, key) VALUES (:run_id, :item_id, :key) ON CONFLICT DO NOTHING"
_ADD_VALUE = """
    INSERT INTO score_value (key, spec_id, status, value, outputs, detail, tokens, prefix, run_id, pack, scored_us)
    VALUES (:key, :spec_id, :status, :value, :outputs, :detail, :tokens, :prefix, :run_id, :pack, :now)
    ON CONFLICT DO NOTHING
"""
_ADD_TEXT = "INSERT INTO score_text (text_key, key) VALUES (:text_key, :key) ON CONFLICT DO NOTHING"
_COMPLETE = """
    UPDATE score_run SET completed_us = :now WHERE run_id = :run_id AND completed_us IS NULL AND NOT EXISTS (
        SELECT 1 FROM score_item LEFT JOIN score_value ON score_value.key = score_item.key
        WHERE score_item.run_id = :run_id AND score_value.key IS NULL)
"""
_RUN = "SELECT * FROM score_run WHERE run_id = :run_id"
_RESULTS = """
    SELECT score_item.item_id, score_value.* FROM score_item JOIN score_value ON score_value.key = score_item.key
    WHERE score_item.run_id = :run_id
"""


@dataclass(frozen=True)
class Value:
    """What an item got. status: ok, too_long, refused or error; value and outputs are there only when it is ok.

    tokens: of the item; prefix: of those, how many lie before its canonical split. scored_us: when it was recorded,
    None before that.
    """

    key: bytes
    status: str
    value: float | None
    outputs: tuple[float, ...]
    detail: str
    tokens: int
    prefix: int
    pack: int | None = None
    scored_us: int | None = None


@dataclass(frozen=True)
class Run:
    """One request to score items. started_us: of its first attempt. completed_us: None while an item has no record."""

    run_id: str
    spec_id: str
    subject: str
    items: int
    started_us: int
    completed_us: int | None


def value_of(key: bytes, outputs: Sequence[float], tokens: int, prefix: int, pack: int) -> Value:
    """A score; one that is not a number is an error and never passes as one."""
    if all(math.isfinite(number) for number in outputs):
        return Value(key, "ok", outputs[0], tuple(outputs), "", tokens, prefix, pack)
    return Value(key, "error", None, (), f"the model's output is not finite: {list(outputs)}", tokens, prefix, pack)


class ScoreBoard:
    """The tables of scores in one store."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        migrate(engine, CHAIN, MIGRATIONS)

    def begin(
        self,
        run_id: str,
        spec: ScoreSpec,
        subject: str,
        keys: Mapping[str, bytes],
        texts: Mapping[bytes, bytes],
        now_us: int,
    ) -> Run:
        """Put a run on record, or find it again. keys: the key of every item asked for, by item id. texts: the key that
        each text's own key leads to, where that is not on record."""
        run = {"run_id": run_id, "spec_id": spec.spec_id, "subject": subject, "items": len(keys), "now": now_us}
        with writing(self.engine) as connection:
            connection.execute(text(_ADD_SPEC), {"spec_id": spec.spec_id, "spec": spec.as_json()})
            connection.execute(text(_ADD_RUN), run)
            if keys:
                rows = [{"run_id": run_id, "item_id": item_id, "key": key} for item_id, key in keys.items()]
                connection.execute(text(_ADD_ITEM), rows)
            if texts:
                connection.execute(text(_ADD_TEXT), [{"text_key": t, "key": key} for t, key in texts.items()])
        return self.run(run_id)

    def run(self, run_id: str) -> Run:
        """A run on record. Raises KeyError."""
        with reading(self.engine) as connection:
            row = connection.execute(text(_RUN), {"run_id": run_id}).mappings().first()
        if row is None:
            raise KeyError(run_id)
        return Run(**row)

    def keys_of(self, texts: Iterable[bytes]) -> dict[bytes, bytes]:
        """The keys that these texts' own keys lead to, where they are on record."""
        query = text("SELECT text_key, key FROM score_text WHERE text_key IN :texts")
        query = query.bindparams(bindparam("texts", expanding=True))
        found: dict[bytes, bytes] = {}
        with reading(self.engine) as connection:
            for some in in_chunks(texts):
                rows = connection.execute(query, {"texts": some})
                found.update((bytes(row.text_key), bytes(row.key)) for row in rows)
        return found

    def values(self, keys: Iterable[bytes]) -> dict[bytes, Value]:
        """What is on record under these keys."""
        with reading(self.engine) as connection:
            return _values(connection, keys)

    def write(self, run: Run, values: Sequence[Value], now_us: int) -> None:
        """Keep a pack's scores, in one transaction. A key that is there already keeps what it has; when that is another
        score, though packed scores hang on nothing but their item, both go on record as an incident."""
        if not values:
            return
        rows = [
            {
                "key": value.key,
                "spec_id": run.spec_id,
                "status": value.status,
                "value": value.value,
                "outputs": json.dumps(value.outputs),
                "detail": value.detail,
                "tokens": value.tokens,
                "prefix": value.prefix,
                "run_id": run.run_id,
                "pack": value.pack,
                "now": now_us,
            }
            for value in values
        ]
        with writing(self.engine) as connection:
            before = _values(connection, (value.key for value in values))
            connection.execute(text(_ADD_VALUE), rows)
            moved = [value for value in values if before.get(value.key, value).outputs != value.outputs]
            if moved and self._repeats_every_bit(connection, run.spec_id):
                detail = f"{moved[0].key.hex()} was {before[moved[0].key].outputs}, now {moved[0].outputs}"
                _violated(
                    connection, run.spec_id, f"{len(moved)} scores came out otherwise, the first {detail}", now_us
                )

    def _repeats_every_bit(self, connection: Connection, spec_id: str) -> bool:
        return bool(json.loads(connection.execute(text(_SPEC), {"spec_id": spec_id}).scalar_one())["runs"] == "packed")

    def complete(self, run: Run, now_us: int) -> bool:
        """Close a run whose every item has a record; False when one has none. A half-scored run is never judged."""
        with writing(self.engine) as connection:
            connection.execute(text(_COMPLETE), {"run_id": run.run_id, "now": now_us})
        return self.run(run.run_id).completed_us is not None

    def results(self, run: Run) -> dict[str, Value]:
        """What every item of a run got, by item id; those without a record yet are absent."""
        with reading(self.engine) as connection:
            rows = connection.execute(text(_RESULTS), {"run_id": run.run_id}).mappings().all()
        return {row["item_id"]: _value(row) for row in rows}

    def violated(self, spec_id: str, detail: str, now_us: int) -> None:
        """Put on record that a ruler measured the same thing twice and differently."""
        with writing(self.engine) as connection:
            _violated(connection, spec_id, detail, now_us)


def _violated(connection: Connection, spec_id: str, detail: str, now_us: int) -> None:
    add_incident(connection, f"scores:{spec_id}", Found(VIOLATION, detail), now_us)


def _values(connection: Connection, keys: Iterable[bytes]) -> dict[bytes, Value]:
    query = text("SELECT * FROM score_value WHERE key IN :keys").bindparams(bindparam("keys", expanding=True))
    found: dict[bytes, Value] = {}
    for some in in_chunks(keys):
        rows = connection.execute(query, {"keys": some}).mappings()
        found.update((bytes(row["key"]), _value(row)) for row in rows)
    return found


def _value(row: RowMapping) -> Value:
    numbers = tuple(json.loads(row["outputs"]))
    facts = (row[name] for name in ("detail", "tokens", "prefix", "pack", "scored_us"))
    return Value(bytes(row["key"]), row["status"], row["value"], numbers, *facts)
