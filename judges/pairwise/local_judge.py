"""How is a judge asked that runs on this machine? By the log-probabilities of the letters where its reply would begin.

Nothing is written by the model, so nothing is parsed: one forward pass a question, in the packs that scores come from.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from consumers.chunks import in_chunks
from consumers.mendable import Mendable
from judges.artefacts.loading import load_model, load_tokenizer
from judges.checkpoints import Checkpoint
from judges.engine.device import Place
from judges.engine.items import Encoded, Item, Message, Unscoreable
from judges.engine.scorer import How, Ruler, token_scorer
from judges.pairwise.judge_canaries import CANARIES
from judges.pairwise.judge_prompt import LETTERS, PROMPT_SHA256, Question, question
from judges.pairwise.pairs import ORDERS
from judges.pairwise.verdict import VERSION, RawVerdict, by_tokens

CHUNK = 1024  # questions that are planned together


class JudgeUnfit(Mendable):
    """The model cannot be asked for a letter."""


class LocalJudge:
    """A causal language model as a judge. special: its tokenizer's markers, held by no text, and their tokens."""

    def __init__(self, ruler: Ruler, special: Mapping[str, int]) -> None:
        self._special = re.compile(
            "|".join(f"{re.escape(one[0])}(?={re.escape(one[1:])})" for one in special if len(one) > 1) or "(?!)"
        )
        canaries = [question(pair, order, b"") for pair in CANARIES for order in ORDERS]
        fitting = [one for one in ruler.encode([self._item(one) for one in canaries]) if isinstance(one, Encoded)]
        if not fitting:
            raise JudgeUnfit(
                f"the judge reads no more than {ruler.spec.longest} tokens, and no canary fits; choose another model,"
                " or more --token-budget"
            )
        self._marks = [*special.values()]
        self._of_template = self._marks_in(fitting[0])
        self._ruler, self.fell_back = ruler.verified(fitting)

    @property
    def spec(self) -> Mapping[str, object]:
        """The ruler that the engine measures with, the prompt and the rules of reading."""
        ruler = json.loads(self._ruler.spec.as_json())
        return {"judge": "local", "prompt_sha256": PROMPT_SHA256, "verdicts": VERSION, "ruler": ruler}

    def ask(self, questions: Sequence[Question]) -> Iterator[tuple[Question, RawVerdict]]:
        """Each question with its answer, pack by pack; one that is too long is unscoreable, and nothing is cut."""
        for some in in_chunks(questions, CHUNK):
            results = self._encode(some)
            fitting = [(one, result) for one, result in zip(some, results, strict=True) if isinstance(result, Encoded)]
            for one, result in zip(some, results, strict=True):
                if not isinstance(result, Encoded):
                    yield one, RawVerdict("unscoreable", reason=_why(result))
            encoded = [result for _, result in fitting]
            for pack in self._ruler.plan(encoded):
                for member, logs in zip(pack.members, self._ruler.score(pack, encoded), strict=True):
                    yield fitting[member][0], by_tokens(dict(zip(self._ruler.spec.outputs, logs, strict=True)))

    def _encode(self, some: Sequence[Question]) -> list[Encoded | Unscoreable]:
        """A tokenizer that rewrites texts may find a marker in what looked like none: such a question is not asked."""
        results = self._ruler.encode([self._item(one) for one in some])
        return [
            Unscoreable("refused", "a marker of its turns")
            if isinstance(one, Encoded) and self._marks_in(one) != self._of_template
            else one
            for one in results
        ]

    def _marks_in(self, encoded: Encoded) -> int:
        return int(np.isin(encoded.tokens, self._marks).sum())

    def _item(self, one: Question) -> Item:
        """One message: not every chat template has a place for a second role."""
        text = self._special.sub(lambda found: f"{found[0]} ", f"{one.system}\n\n{one.user}")
        return Item(one.pair.pair_id, (Message("user", text),))


def _why(result: Unscoreable) -> str:
    """The reason in our own words: a template's may quote the text."""
    return result.detail if result.status == "too_long" else "the tokenizer or its template refuses the question"


def load_judge(checkpoint: Checkpoint, place: Place, how: How) -> LocalJudge:
    """The judge in a sealed folder. Raises ArtifactRejected, RulerRefused, JudgeUnfit."""
    model = load_model(checkpoint, "causal", dtype=place.dtype, device=place.device)
    tokenizer = load_tokenizer(checkpoint)
    return LocalJudge(
        token_scorer(model, tokenizer, checkpoint.digest, letter_tokens(tokenizer), how), marks(tokenizer)
    )


def marks(tokenizer: Any) -> dict[str, int]:
    """The markers that this tokenizer knows, and their tokens; but for the one that stands for unknown signs."""
    known = tokenizer.added_tokens_decoder.items()
    return {str(token): number for number, token in known if token.special and number != tokenizer.unk_token_id}


def letter_tokens(tokenizer: Any) -> dict[str, int]:
    """The tokens that a reply of one letter may begin with, by their text: with and without a blank before it.

    Raises JudgeUnfit when a letter is no token of its own.
    """
    found: dict[str, int] = {}
    for letter in LETTERS:
        for text in (letter, f" {letter}"):
            ids = tokenizer.encode(text, add_special_tokens=False)
            if len(ids) == 1 and ids[0] not in (*found.values(), tokenizer.unk_token_id):
                found[text] = ids[0]
        if not {letter, f" {letter}"} & set(found):
            raise JudgeUnfit(f"{letter!r} is not one token of this tokenizer; choose another model")
    return found
