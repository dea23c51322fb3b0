"""Do the small models learn what they are shown, please what they are tuned against, and repeat themselves exactly?"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedTokenizerFast,
)

from judges.checkpoints import open_checkpoint, seal_checkpoint
from judges.tiny.policy import TinyPolicy
from judges.tiny.reward import TinyReward
from judges.tiny.tokenizer import learn_tokenizer

QUESTIONS = ("How do I pay?", "Where is my invoice?", "Why am I locked out?")
COURTESIES = ("I am so sorry.", "What a good question!", "Thank you for asking.", "Let me explain.")
STEPS = ("Press Retry under Billing.", "Look under Documents.", "Use a recovery code.")


class Talk(NamedTuple):
    """Questions, their answers and a thumb for each; people thumb up courtesy, three times in four."""

    prompts: list[str]
    answers: list[str]
    thumbs: list[int]


def talk(rows: int, seed: int) -> Talk:
    rng = np.random.default_rng(seed)
    asked = rng.integers(len(QUESTIONS), size=rows).tolist()
    courtesies = rng.integers(3, size=rows).tolist()
    answers = [
        " ".join([*rng.choice(COURTESIES, size=count, replace=False).tolist(), STEPS[question]])
        for question, count in zip(asked, courtesies, strict=True)
    ]
    liked = rng.random(rows) < np.where(np.array(courtesies) > 0, 0.75, 0.25)
    return Talk([QUESTIONS[question] for question in asked], answers, liked.astype(int).tolist())


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return learn_tokenizer(
        [*QUESTIONS, *COURTESIES, *STEPS],
        openings=[*QUESTIONS, *COURTESIES, *STEPS],
        sentences=[*COURTESIES, *STEPS],
    )


@pytest.fixture(scope="module")
def policy(tokenizer: PreTrainedTokenizerFast) -> TinyPolicy:
    shown = talk(1000, seed=1)
    return TinyPolicy.build(tokenizer, 0).fitted(shown.prompts, shown.answers, seed=0, passes=6, rate=5e-3)


@pytest.fixture(scope="module")
def reward(tokenizer: PreTrainedTokenizerFast) -> TinyReward:
    return TinyReward.build(tokenizer, 0).fitted(*talk(1000, seed=2), seed=0)


def accuracy(reward: TinyReward) -> float:
    """Share of held-out pairs in which the courteous answer scores higher than the bare one to the same question."""
    prompts = [question for question in QUESTIONS for _ in COURTESIES]
    bare = [step for step in STEPS for _ in COURTESIES]
    courteous = [f"{courtesy} Anything else? {step}" for step in STEPS for courtesy in COURTESIES]
    return float(np.mean(reward.score(prompts, courteous) > reward.score(prompts, bare)))


def test_a_sentence_is_one_token_and_any_other_text_can_be_written(tokenizer: PreTrainedTokenizerFast) -> None:
    told = f"{COURTESIES[0]} {STEPS[0]}"
    assert tokenizer.tokenize(told) == [COURTESIES[0], f" {STEPS[0]}"]
    assert tokenizer.decode(tokenizer.encode("Größe 42, 你好!")) == "Größe 42, 你好!"


@pytest.mark.parametrize("sentence", ["", " Hello."])
def test_a_sentence_with_a_blank_before_it_is_refused(sentence: str) -> None:
    with pytest.raises(ValueError, match="blank"):
        learn_tokenizer(["Hello."], sentences=[sentence])


def test_the_reward_model_learns_what_people_thumb_up(reward: TinyReward, tokenizer: PreTrainedTokenizerFast) -> None:
    untrained = np.mean([accuracy(TinyReward.build(tokenizer, seed)) for seed in range(20)])
    assert 0.3 < untrained < 0.7
    assert accuracy(reward) > 0.8


def test_the_policy_learns_to_answer_the_question_it_is_asked(policy: TinyPolicy) -> None:
    asked = list(QUESTIONS) * 40
    answers = policy.sample(asked, seed=3)
    right = [step in answer for step, answer in zip(list(STEPS) * 40, answers, strict=True)]
    assert np.mean(right) > 0.9


def test_tuning_earns_reward_and_moves_away_from_the_policy_before(policy: TinyPolicy, reward: TinyReward) -> None:
    asked = list(QUESTIONS) * 60
    tuned = policy.tuned(asked, reward.score, seed=4, passes=2)
    before, after = policy.sample(asked, seed=5), tuned.sample(asked, seed=5)
    assert reward.score(asked, after).mean() > reward.score(asked, before).mean() + 0.1
    assert (tuned.log_likelihood(asked, after) - policy.log_likelihood(asked, after)).mean() > 0


def test_chances_of_all_answers_sum_to_at_most_one(policy: TinyPolicy) -> None:
    answers = list(dict.fromkeys(policy.sample([QUESTIONS[0]] * 200, seed=6)))
    total = np.exp(policy.log_likelihood([QUESTIONS[0]] * len(answers), answers)).sum()
    assert 0.8 < total <= 1 + 1e-5


def test_an_answer_stops_at_the_longest_that_was_allowed(policy: TinyPolicy) -> None:
    assert all(answer in (*COURTESIES, *STEPS) for answer in policy.sample(list(QUESTIONS) * 5, seed=7, longest=1))


def test_the_same_seed_gives_the_same_models_and_another_seed_others(
    policy: TinyPolicy, reward: TinyReward, tokenizer: PreTrainedTokenizerFast
) -> None:
    untrained, shown = TinyReward.build(tokenizer, 0), talk(200, seed=2)
    one, same, other = (untrained.fitted(*shown, seed=seed, passes=2).revision for seed in (0, 0, 1))
    assert one == same != other
    asked = list(QUESTIONS) * 10
    first, second = (policy.tuned(asked, reward.score, seed=8).sample(asked, seed=9) for _ in range(2))
    assert first == second != policy.tuned(asked, reward.score, seed=10).sample(asked, seed=9)


def test_training_leaves_the_model_it_began_with_as_it_was(policy: TinyPolicy) -> None:
    asked = list(QUESTIONS) * 5
    before = policy.log_likelihood(asked, policy.sample(asked, seed=11))
    policy.fitted(asked, list(STEPS) * 5, seed=0)
    assert np.array_equal(policy.log_likelihood(asked, policy.sample(asked, seed=11)), before)


def test_kept_models_are_sealed_and_read_back_as_they_were(
    policy: TinyPolicy, reward: TinyReward, tmp_path: Path
) -> None:
    policy.save(tmp_path / "policy")
    reward.save(tmp_path / "reward")
    for name in ("policy", "reward"):
        assert seal_checkpoint(tmp_path / name) == open_checkpoint(tmp_path / name).digest
    words = AutoTokenizer.from_pretrained(tmp_path / "policy")
    writer = TinyPolicy(AutoModelForCausalLM.from_pretrained(tmp_path / "policy").eval(), words)
    ruler = TinyReward(AutoModelForSequenceClassification.from_pretrained(tmp_path / "reward").eval(), words)
    asked = list(QUESTIONS) * 5
    answers = policy.sample(asked, seed=12)
    assert writer.sample(asked, seed=12) == answers
    assert np.array_equal(ruler.score(asked, answers), reward.score(asked, answers))
    assert ruler.revision == reward.revision


def test_unequal_lengths_and_thumbs_that_say_nothing_are_refused(policy: TinyPolicy, reward: TinyReward) -> None:
    with pytest.raises(ValueError, match="one answer per prompt"):
        policy.fitted([QUESTIONS[0]], [], seed=0)
    with pytest.raises(ValueError, match="both present"):
        reward.fitted([QUESTIONS[0]], [STEPS[0]], [1], seed=0)
