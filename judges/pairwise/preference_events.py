"""What is told of a judged pair? Two preference events, one for each order; a reader merges them.

Nothing in them depends on the run that writes them: the same verdicts on record give the same events, byte for byte.
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from consumers.canonical import canonical_json
from consumers.payloads import Candidate
from judges.emitted import envelope
from judges.pairwise.judge_prompt import PROMPT_SHA256
from judges.pairwise.judging import Judged
from judges.pairwise.judgments import digest
from judges.pairwise.pairs import ORDERS, Order
from judges.pairwise.verdict import by_answer

SOURCE = "/reward-drift/judge"


class JudgeName(NamedTuple):
    """How the judge is called in events and settings. spec: all that its answers depend on."""

    name: str
    family: str | None
    spec: Mapping[str, object]

    def revision(self, served: str | None) -> str:
        """The ruler: the spec and the model that really answered."""
        return digest({**self.spec, "served": served})


def preference_events(judged: Judged, judge: JudgeName) -> Iterator[bytes]:
    """One CloudEvent in JSON for each order, without the words of prompt and answers; time: when the judge answered."""
    for order in ORDERS:
        data = _data(judged, order, judge)
        yield envelope(SOURCE, _event_id(data), "preference", judged.stored[order].judged_us, data)


def _data(judged: Judged, order: Order, judge: JudgeName) -> dict[str, Any]:
    pair, raw = judged.pair, judged.stored[order].raw
    verdict = by_answer(order, raw)
    named = {"name": judge.name, "kind": "model", "family": judge.family, "prompt_sha256": PROMPT_SHA256}
    told = {
        "pair_id": pair.pair_id,
        "judge": {**_given(named), "revision": judge.revision(raw.served)},
        "choice": verdict.choice,
        "order": order,
        **{side: _candidate(getattr(pair, side)) for side in ("a", "b")},
    }
    cohort = _given({**(pair.cohort or {}), "anchor_set": pair.anchor_set, "category": pair.category})
    return told | _given(
        {
            "status": None if verdict.status == "ok" else verdict.status,
            "reason": verdict.reason,
            "probability_a": verdict.probability_a,
            "margin": verdict.margin,
            "prompt_id": pair.prompt_id,
            "anchor_set": pair.anchor_set,
            "cohort": cohort or None,
            "served_model": raw.served,
        }
    )


def _candidate(answer: Candidate) -> dict[str, Any]:
    """What is known of an answer but its words; its length is counted here if nobody gave it."""
    known = {name: getattr(answer, name) for name in answer.__struct_fields__ if name != "text"}
    return _given({**known, "length": len(answer.text or "") if answer.length is None else answer.length})


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _event_id(data: Mapping[str, Any]) -> str:
    """Judge, ruler, pair and order name the event; an error is an event of its own, so that its mending is another."""
    judge = data["judge"]
    named = [judge["name"], judge["revision"], data["pair_id"], data["order"], data.get("status") == "error"]
    return hashlib.blake2b(canonical_json(named).encode(), digest_size=16).hexdigest()
