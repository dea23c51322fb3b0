"""Do real models score through the product as they do by themselves?

A chat model answers common questions, a reward head on a real encoder compares recorded answers. Needs the packages
that tests/real_models.py names and, for the recorded answers, REWARD_DRIFT_DATA; what is missing is skipped.
"""

import copy
import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, BertForSequenceClassification

from consumers.store import EventStore
from judges.anchors import AnchorSet, seal_anchors
from judges.artefacts.loading import load_model, load_tokenizer
from judges.checkpoints import Checkpoint, open_checkpoint, seal_checkpoint
from judges.engine.device import choose_place
from judges.engine.items import Item
from judges.engine.scorer import How, Scorer, likelihood_scorer
from judges.evaluation import Ask, Evaluated, evaluate
from judges.evaluation_events import side_id
from judges.generation import Answer, Generator
from judges.held_out.anchor_items import AnchorItem, Kind, PreferenceItem, Vote
from tests.harmless_pairs import DATA, Accuracy, Pair, read_pairs
from tests.judges.common_questions import QUESTIONS
from tests.real_models import minilm_folder, smollm2_folder  # noqa: F401 - fixtures
from tests.reward_head import Encoder

# The shorter pairs, for speed. What becomes of all of them is in tests/benchmarks/results/real_models.md.
TRAINING, HELD_OUT, WORDS = 400, 120, 80
SEALED_AT = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
WRITTEN = [question for question in QUESTIONS if question.category == "capitals"]  # writing is slower than choosing
OPTIONS = [
    Item.of(f"{question.text}#{at}", question.prompt, said)
    for question in QUESTIONS
    for at, said in enumerate(question.choice.options)
]
EIGHT_CITIES = ("Paris", "Berlin", "Rome", "Madrid", "Tokyo", "Moscow", "Cairo", "Vienna")
PARIS, BERLIN, BANANA = OPTIONS[:3]


class Head(NamedTuple):
    """A fitted reward model, sealed, with the pairs it has not seen and the margins that it gives them directly."""

    checkpoint: Checkpoint
    unseen: list[Pair]
    margins: list[float]


@pytest.fixture(scope="module")
def smollm2(smollm2_folder: Path) -> Checkpoint:  # noqa: F811
    return open_checkpoint(smollm2_folder, name="smollm2")


@pytest.fixture(scope="module")
def language_model(smollm2: Checkpoint) -> Any:
    return load_model(smollm2, "causal")


@pytest.fixture(scope="module")
def reward(minilm_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Head:  # noqa: F811
    if not DATA.exists():
        pytest.skip("REWARD_DRIFT_DATA names no folder with hh_harmless, so that no reward head was fitted")
    pairs = [pair for pair in read_pairs() if pair.words <= WORDS]
    unseen = [pair for pair in pairs if pair.is_held_out][:HELD_OUT]
    encoder, folder = Encoder(minilm_folder), tmp_path_factory.mktemp("reward") / "minilm-reward"
    encoder.fit(encoder.features([pair for pair in pairs if not pair.is_held_out][:TRAINING]))
    encoder.save(folder)
    seal_checkpoint(folder)
    return Head(open_checkpoint(folder), unseen, encoder.margins(encoder.features(unseen)))


@pytest.fixture(scope="module")
def evaluated(smollm2: Checkpoint, reward: Head, tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    """One evaluation of the chat model: chosen answers, written answers, and other people's answers compared."""
    folder = tmp_path_factory.mktemp("anchors")
    sets = [
        sealed(folder, "chosen", "choice", [question.choice for question in QUESTIONS]),
        sealed(folder, "written", "exact", [question.exact for question in WRITTEN]),
        sealed(folder, "preferred", "preference", [as_anchor(pair) for pair in reward.unseen]),
    ]
    ask = Ask(
        checkpoint=smollm2,
        name="smollm2",
        reward=reward.checkpoint,
        reward_name="minilm-reward",
        sets=sets,
        place=choose_place("cpu", "fp32"),
        how=How(size=512),
        max_new_tokens=12,
    )
    store = EventStore.open(":memory:")
    found = evaluate(ask, store, now_us=lambda: 0)
    store.close()
    return found


def sealed(folder: Path, name: str, kind: Kind, items: Sequence[AnchorItem]) -> AnchorSet:
    source = folder / f"{name}.jsonl"
    source.write_bytes(b"\n".join(map(msgspec.json.encode, items)))
    return seal_anchors(source, folder / name, name=name, kind=kind, sealed_at=SEALED_AT)


def as_anchor(pair: Pair) -> PreferenceItem:
    """Every other pair has the answer that people chose on the second side."""
    votes = (Vote("annotator", "a" if is_first(pair) else "b"),)
    a, b = (pair.chosen, pair.rejected) if is_first(pair) else (pair.rejected, pair.chosen)
    return PreferenceItem(item_id=pair.pair_id, prompt=pair.request, method="human", a=a, b=b, votes=votes)


def is_first(pair: Pair) -> bool:
    return int(pair.pair_id.rpartition("-")[2]) % 2 == 0


def margins_told(evaluated: Evaluated, pairs: Sequence[Pair]) -> list[float]:
    """Chosen minus rejected, by the scores of the evaluation."""
    anchors = evaluated.ask.sets[2]
    scores = {
        (item.item_id, side): evaluated.scored.values[side_id(anchors, item, side)].value
        for item in anchors.items
        if isinstance(item, PreferenceItem)
        for side in "ab"
    }
    sides = {pair.pair_id: "ab" if is_first(pair) else "ba" for pair in pairs}
    return [
        scores[pair.pair_id, sides[pair.pair_id][0]] - scores[pair.pair_id, sides[pair.pair_id][1]] for pair in pairs
    ]


def share_right(evaluated: Evaluated, name: str, category: str) -> float:
    """Share of a category's questions that were answered rightly."""
    return float(
        np.mean(
            [one.correct for one in evaluated.answered if one.anchors.name == name and one.item.category == category]
        )
    )


def scorer_of(checkpoint: Checkpoint, model: Any, size: int) -> Scorer:
    return likelihood_scorer(model, load_tokenizer(checkpoint), checkpoint.digest, How(size=size))


def scores_of(scorer: Scorer, items: Sequence[Item]) -> dict[str, tuple[float, ...]]:
    encoded: Any = scorer.encode(items)
    return {
        items[at].item_id: numbers
        for pack in scorer.plan(encoded)
        for at, numbers in zip(pack.members, scorer.score(pack, encoded), strict=True)
    }


@torch.inference_mode()
def likelihood_alone(model: Any, tokenizer: Any, item: Item) -> float:
    """Of the answer given its prompt, in nats, by transformers and nothing else."""
    asked = [message._asdict() for message in item.prompt]
    prompt = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    before, after = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in (prompt, item.answer))
    logs = model(torch.tensor([before + after])).logits[0].log_softmax(-1)
    return float(sum(logs[len(before) - 1 + at, token] for at, token in enumerate(after)))


def test_a_chat_model_finds_paris_likelier_than_berlin_and_berlin_than_a_banana(
    smollm2: Checkpoint, language_model: Any
) -> None:
    scores = scores_of(scorer_of(smollm2, language_model, size=128), [BANANA, PARIS, BERLIN])
    whole, per_token, per_byte = zip(*(scores[item.item_id] for item in (PARIS, BERLIN, BANANA)), strict=True)
    for paris, berlin, banana in (whole, per_token, per_byte):
        assert paris > berlin > banana


def test_its_likelihoods_are_those_that_transformers_gives_one_by_one(smollm2: Checkpoint, language_model: Any) -> None:
    items = OPTIONS[:6]
    packed = scores_of(scorer_of(smollm2, language_model, size=128), items)
    stock = AutoModelForCausalLM.from_pretrained(smollm2.folder, local_files_only=True, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(smollm2.folder, local_files_only=True)
    for item in items:
        assert packed[item.item_id][0] == pytest.approx(likelihood_alone(stock, tokenizer, item), abs=1e-4)


@pytest.mark.parametrize("half", [False, True], ids=["fp32", "bf16"])
def test_its_likelihoods_do_not_hang_on_who_else_is_scored(
    smollm2: Checkpoint, language_model: Any, half: bool
) -> None:
    model = copy.deepcopy(language_model).bfloat16() if half else language_model
    scorer = scorer_of(smollm2, model, size=128)
    items = [
        Item.of(f"{question.text}#{city}", question.prompt, city) for question in QUESTIONS[:2] for city in EIGHT_CITIES
    ]
    everybody = scores_of(scorer, items)
    some = [items[at] for at in np.random.default_rng(0).permutation(16)[:10].tolist()]
    assert scores_of(scorer, some) == {item.item_id: everybody[item.item_id] for item in some}


def test_it_answers_the_same_in_company_although_its_filler_is_the_token_that_ends_an_answer(
    smollm2: Checkpoint, language_model: Any
) -> None:
    tokenizer = load_tokenizer(smollm2)
    assert tokenizer.pad_token_id == tokenizer.eos_token_id
    questions = [QUESTIONS[at] for at in (0, 12, 22)]
    asked = [Item(question.text, Item.of("", question.prompt, "").prompt) for question in questions]
    ways = (Generator(language_model, tokenizer, smollm2.digest, max_new_tokens=12, batch=n) for n in (3, 1))
    together, alone = (dict(one for some in way.answer(asked) for one in some) for way in ways)
    assert together == alone
    assert together[asked[0]] == Answer("The capital of France is Paris.", "end", 7)


def test_it_knows_capitals_and_facts_whether_it_chooses_or_writes(evaluated: Evaluated) -> None:
    assert share_right(evaluated, "chosen", "capitals") >= 0.9
    assert share_right(evaluated, "chosen", "facts") >= 0.75
    assert share_right(evaluated, "chosen", "sums") >= 0.75
    assert share_right(evaluated, "written", "capitals") >= 0.9


def test_a_reward_head_orders_unseen_pairs_through_the_product_as_it_does_directly(
    evaluated: Evaluated, reward: Head
) -> None:
    told = margins_told(evaluated, reward.unseen)
    assert told == pytest.approx(reward.margins, abs=1e-4)
    assert Accuracy.of(told) == Accuracy.of(reward.margins)
    assert Accuracy.of(told).value > 0.5 + 1.645 * Accuracy.of(told).error


def test_its_scores_are_those_that_transformers_gives_one_by_one(evaluated: Evaluated, reward: Head) -> None:
    folder, pairs = reward.checkpoint.folder, reward.unseen[:10]
    stock = BertForSequenceClassification.from_pretrained(folder, local_files_only=True).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)

    @torch.inference_mode()
    def alone(request: str, answer: str) -> float:
        return float(stock(**tokenizer(request, answer, return_tensors="pt")).logits[0, 0])

    expected = [alone(pair.request, pair.chosen) - alone(pair.request, pair.rejected) for pair in pairs]
    assert margins_told(evaluated, pairs) == pytest.approx(expected, abs=1e-4)


def test_every_answer_and_every_side_of_a_pair_has_a_score(evaluated: Evaluated) -> None:
    assert len(evaluated.answered) == len(QUESTIONS) + len(WRITTEN)
    assert {value.status for value in evaluated.scored.values.values()} == {"ok"}
    assert len(evaluated.scored.values) == len(evaluated.answered) + 2 * HELD_OUT
