"""What has a judge answered before? Raw verdicts, kept in the store so that no question is paid for twice.

A row is keyed by a digest of judge, order and question and holds no word of anybody. It counts unless the run that
asked it turned out void.
"""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

from sqlalchemy import Engine, bindparam, text
from sqlalchemy.engine import RowMapping

from consumers.canonical import canonical_json
from consumers.database import migrate, reading, writing
from judges.migrations import CHAIN, MIGRATIONS
from judges.pairwise.judge_prompt import LETTERS, Letter, Question
from judges.pairwise.verdict import RawVerdict

SECRET_BYTES = 32
KEYS_A_QUERY = 500

_STORED = text("""
    SELECT v.*, r.state FROM judge_verdict v JOIN judge_run r ON r.id = v.run
    WHERE r.state <> 'void' AND v.key IN :keys
""").bindparams(bindparam("keys", expanding=True))
# An error may be mended later; anything else stands, unless its run was void.
_ADD = text("""
    INSERT INTO judge_verdict (key, run, status, reason, letter, log_a, log_b, log_c, served, judged_us)
    VALUES (:key, :run, :status, :reason, :letter, :log_a, :log_b, :log_c, :served, :judged_us)
    ON CONFLICT (key) DO UPDATE SET run = excluded.run, status = excluded.status, reason = excluded.reason,
        letter = excluded.letter, log_a = excluded.log_a, log_b = excluded.log_b, log_c = excluded.log_c,
        served = excluded.served, judged_us = excluded.judged_us
    WHERE (judge_verdict.status = 'error' AND excluded.status <> 'error')
        OR judge_verdict.run IN (SELECT id FROM judge_run WHERE state = 'void')
""")
_BEGIN = "INSERT INTO judge_run (spec, started_us, state) VALUES (:spec, :now_us, 'open') RETURNING id"
_CLOSE = "UPDATE judge_run SET state = 'passed' WHERE spec = :spec AND state = 'open' AND id <= :run"
_MAKE_VOID = "UPDATE judge_run SET state = 'void', note = :note WHERE id = :run"


class Stored(NamedTuple):
    """A verdict on record. judged_us: when it was asked, microseconds since 1970-01-01 UTC. passed: whether the
    canaries of its run held to the end."""

    raw: RawVerdict
    judged_us: int
    passed: bool


class Judgments:
    """The verdicts of one judge. spec: all that its answers depend on; another spec has other rows."""

    def __init__(self, engine: Engine, spec: Mapping[str, object]) -> None:
        self.spec, self.spec_id = spec, digest(spec)
        self._engine = engine
        migrate(engine, CHAIN, MIGRATIONS)

    def secret(self) -> bytes:
        """The secret of the fences: made by chance on first use, the same ever after."""
        with writing(self._engine) as connection:
            made = {"secret": secrets.token_bytes(SECRET_BYTES)}
            connection.execute(text("INSERT INTO judge_secret VALUES (1, :secret) ON CONFLICT DO NOTHING"), made)
            return bytes(connection.execute(text("SELECT secret FROM judge_secret WHERE id = 1")).scalar_one())

    def key(self, question: Question) -> bytes:
        """BLAKE2b-128 of judge, order and text."""
        return hashlib.blake2b(f"{self.spec_id}\0{question.order}\0{question.text}".encode(), digest_size=16).digest()

    def stored(self, questions: Sequence[Question]) -> dict[bytes, Stored]:
        """What is on record of these questions, by key."""
        keys = [self.key(question) for question in questions]
        with reading(self._engine) as connection:
            found = [
                row
                for start in range(0, len(keys), KEYS_A_QUERY)
                for row in connection.execute(_STORED, {"keys": keys[start : start + KEYS_A_QUERY]}).mappings()
            ]
        return {bytes(row["key"]): _stored(row) for row in found}

    def begin(self, now_us: int) -> int:
        """Open a run and return its number."""
        with writing(self._engine) as connection:
            return cast(int, connection.execute(text(_BEGIN), {"spec": self.spec_id, "now_us": now_us}).scalar_one())

    def add(self, run: int, question: Question, raw: RawVerdict, now_us: int) -> None:
        """Store an answer durably. What is on record already stays; only an error gives way to an answer."""
        row = {"key": self.key(question), "run": run, "judged_us": now_us, **_columns(raw)}
        with writing(self._engine) as connection:
            connection.execute(_ADD, row)

    def end(self, run: int, void: str | None = None) -> None:
        """Close a run: passed, and with it what killed runs of this judge left; or void, for the reason given."""
        with writing(self._engine) as connection:
            if void is None:
                connection.execute(text(_CLOSE), {"spec": self.spec_id, "run": run})
            else:
                connection.execute(text(_MAKE_VOID), {"run": run, "note": void})


def digest(spec: Mapping[str, object]) -> str:
    """The name of a ruler: BLAKE2b-128 of its spec, in hexadecimal."""
    return hashlib.blake2b(canonical_json(spec).encode(), digest_size=16).hexdigest()


def _columns(raw: RawVerdict) -> dict[str, Any]:
    logs = {f"log_{letter.lower()}": raw.logs.get(letter) for letter in LETTERS}
    return {"status": raw.status, "reason": raw.reason, "letter": raw.letter, "served": raw.served, **logs}


def _stored(row: RowMapping) -> Stored:
    given: dict[Letter, float | None] = {letter: row[f"log_{letter.lower()}"] for letter in LETTERS}
    logs = {letter: log for letter, log in given.items() if log is not None}
    raw = RawVerdict(row["status"], row["letter"], logs, row["reason"], row["served"])
    return Stored(raw, row["judged_us"], row["state"] == "passed")
