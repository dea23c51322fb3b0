"""What do real models score, through the product, against what is known of the same items?

`python -m tests.benchmarks.real_models_table` writes tests/benchmarks/results/real_models.{json,md}. Needs the packages
that tests/real_models.py names and REWARD_DRIFT_DATA; some six minutes of one core.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from consumers.database import open_engine
from judges.artefacts.loading import load_model, load_tokenizer
from judges.checkpoints import Checkpoint, open_checkpoint, seal_checkpoint
from judges.engine.items import Item
from judges.engine.scorer import How, Scorer, likelihood_scorer, reward_scorer
from judges.generation import Answer, Generator
from judges.held_out.answer_match import matches
from judges.scores import ScoreBoard
from judges.scoring import score_items
from tests.benchmarks.results_file import save
from tests.harmless_pairs import Accuracy, Pair, length_margins, read_pairs
from tests.judges.common_questions import QUESTIONS, Question
from tests.real_models import KEPT, MINILM, found, smollm2
from tests.reward_head import LAYERS, PENALTY, Encoder

FOLDS = 5
HOW = How(size=512)
MAX_NEW_TOKENS = 12
CATEGORIES = ("capitals", "facts", "sums")


def main() -> None:
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    with tempfile.TemporaryDirectory() as scratch:
        pairs, gains, apart = rewards(Path(scratch))
        rows = [*pairs, *answers(Path(scratch))]
    details = {
        "error": "standard error of a share; .000 says only that all were right. Shares of the same items are not"
        " independent",
        "head_minus_shorter_answer": "; ".join(gains),
        "training": f"Bradley-Terry, L2 penalty {PENALTY}, on the first token's state after {LAYERS} of MiniLM's 6"
        " layers, standardised and squashed; both constants chosen by cross-validation among the training pairs alone",
        "held_out": "by a hash of the dialogue; cross-fitted: each of five parts by a head fitted to the other four,"
        " whose constants were chosen with seven tenths of these pairs in view",
        "questions": "32 of our own, tests/judges/common_questions.py; likelihood per byte among three or so sentences,"
        f" greedy text of {MAX_NEW_TOKENS} tokens at most, exact match after SQuAD or, for sums, the last number. Their"
        " wording was chosen among five by how this model did on these very questions, so its shares flatter it",
        "largest_difference_of_a_margin_from_transformers_itself": f"{apart:.1e}",
    }
    save("real_models", "Real models, scored through the product", "none: these are facts", rows, details)


def rewards(scratch: Path) -> tuple[list[dict[str, Any]], list[str], float]:
    """Rows of the reward head, what it gains over length, and how far the product's margins are from direct ones."""
    everything = read_pairs()
    training = [pair for pair in everything if not pair.is_held_out]
    held_out = [pair for pair in everything if pair.is_held_out]
    encoder = Encoder(found(MINILM) / "model")
    features = encoder.features(everything)
    unseen = np.array([pair.is_held_out for pair in everything])
    encoder.fit(features[~unseen])
    told = through_the_product(encoder, held_out, scratch)
    apart = float(np.abs(np.subtract(told, encoder.margins(features[unseen]))).max())
    across = cross_fitted(encoder, everything, features)
    shorter, shorter_across = length_margins(training, held_out), length_margins(training, everything)
    rows = [
        _row("MiniLM reward head", f"held-out pairs, {len(training):,} fitted", Accuracy.of(told)),
        _row("shorter answer", "held-out pairs", Accuracy.of(shorter)),
        _row("MiniLM reward head", "all pairs, cross-fitted", Accuracy.of(across)),
        _row("shorter answer", "all pairs", Accuracy.of(shorter_across)),
        {"scorer": "chance", "items": "pairs", "share_right": ".500", "error": "", "n": ""},
    ]
    gains = [f"held-out {_gain(told, shorter)}", f"cross-fitted {_gain(across, shorter_across)}"]
    return rows, gains, apart


def _gain(margins: Sequence[float], others: Sequence[float]) -> str:
    """Difference of two shares on the same pairs, with its standard error, which leaves out that heads were fitted."""
    difference = (np.sign(margins) - np.sign(others)) / 2
    return f"{difference.mean():+.3f} (error {difference.std(ddof=1) / np.sqrt(len(difference)):.3f})"


def through_the_product(encoder: Encoder, pairs: Sequence[Pair], scratch: Path) -> list[float]:
    """Margins by the sealed head, scored as `reward-drift score` does."""
    folder = scratch / "minilm-reward"
    encoder.save(folder)
    seal_checkpoint(folder)
    head = open_checkpoint(folder)
    scorer = reward_scorer(load_model(head, "sequence_classification"), load_tokenizer(head), head.digest, HOW)
    sides = [(pair, answer) for pair in pairs for answer in (pair.chosen, pair.rejected)]
    items = [Item.of(str(at), pair.request, answer) for at, (pair, answer) in enumerate(sides)]
    scores = scored(scorer, items)
    return [scores[f"{at}"][0] - scores[f"{at + 1}"][0] for at in range(0, len(items), 2)]


def cross_fitted(encoder: Encoder, pairs: Sequence[Pair], features: np.ndarray) -> list[float]:
    """Margins of every pair by a head that has not seen its prompt."""
    fold = np.array([int(pair.place * 1e6) % FOLDS for pair in pairs])
    margins = np.empty(len(pairs))
    for each in range(FOLDS):
        encoder.fit(features[fold != each])
        margins[fold == each] = encoder.margins(features[fold == each])
    return margins.tolist()


def answers(scratch: Path) -> Iterator[dict[str, Any]]:
    """Rows of the chat model: what it finds likeliest, and what it writes."""
    checkpoint = open_checkpoint(smollm2(Path(KEPT) if KEPT else scratch))
    model = load_model(checkpoint)
    chosen, written = choices(checkpoint, model), texts(checkpoint, model)
    for name, is_right in (("likelihood", chosen.__getitem__), ("greedy text", written.__getitem__)):
        for category in CATEGORIES:
            some = [question for question in QUESTIONS if question.category == category]
            yield _row(f"SmolLM2-135M, {name}", category, _share(some, is_right))
        yield _row(f"SmolLM2-135M, {name}", "all questions", _share(QUESTIONS, is_right))
    guessed = float(np.mean([1 / len(question.choice.options) for question in QUESTIONS]))
    yield {"scorer": "chance", "items": "choices", "share_right": f"{guessed:.3f}".lstrip("0"), "error": "", "n": ""}


def choices(checkpoint: Checkpoint, model: Any) -> dict[str, bool]:
    """By question: whether the right sentence is the likeliest, per byte."""
    scorer = likelihood_scorer(model, load_tokenizer(checkpoint), checkpoint.digest, HOW)
    items = [
        Item.of(f"{question.text}#{at}", question.prompt, said)
        for question in QUESTIONS
        for at, said in enumerate(question.choice.options)
    ]
    per_byte = {name: outputs[2] for name, outputs in scored(scorer, items).items()}
    return {
        question.text: max(
            range(len(question.choice.options)), key=lambda at, text=question.text: per_byte[f"{text}#{at}"]
        )
        == 0
        for question in QUESTIONS
    }


def texts(checkpoint: Checkpoint, model: Any) -> dict[str, bool]:
    """By question: whether what it writes is right."""
    generator = Generator(model, load_tokenizer(checkpoint), checkpoint.digest, max_new_tokens=MAX_NEW_TOKENS)
    asked = [Item(question.text, Item.of("", question.prompt, "").prompt) for question in QUESTIONS]
    said = {item.item_id: answer for some in generator.answer(asked) for item, answer in some}
    return {question.text: _is_right(question, said[question.text]) for question in QUESTIONS}


def scored(scorer: Scorer, items: Sequence[Item]) -> dict[str, tuple[float, ...]]:
    """Outputs by item id, from a whole run with its verification and canaries."""
    board = ScoreBoard(open_engine(":memory:"))
    run = score_items(scorer, items, board, subject="table", now_us=lambda: 0)
    return {name: value.outputs for name, value in run.values.items()}


def _is_right(question: Question, answer: Any) -> bool:
    exact = question.exact
    return isinstance(answer, Answer) and matches(answer.text, exact.answers, exact.normalisation)


def _share(questions: Sequence[Question], is_right: Callable[[str], bool]) -> Accuracy:
    return Accuracy.of([1 if is_right(question.text) else -1 for question in questions])


def _row(scorer: str, items: str, found: Accuracy) -> dict[str, Any]:
    share, error = (f"{number:.3f}".lstrip("0") for number in (found.value, found.error))
    return {"scorer": scorer, "items": items, "share_right": share, "error": error, "n": found.n}


if __name__ == "__main__":
    main()
