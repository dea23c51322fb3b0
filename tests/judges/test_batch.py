"""Several devices, one plan: the same scores, bit for bit, as one process gives."""

from pathlib import Path

import pytest
import torch
from tiny_models import chat_tokenizer, conversations, reward_model

from consumers.store import EventStore
from judges.artefacts.loading import load_model, load_tokenizer
from judges.batch import AnotherRuler, Devices, Ready, _Worker
from judges.checkpoints import open_checkpoint, seal_checkpoint
from judges.engine.device import Place
from judges.engine.scorer import How, Scorer, reward_scorer
from judges.scores import ScoreBoard
from judges.scoring import score_items

PLACE = Place(torch.device("cpu"), torch.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "reward"
    reward_model("qwen2").save_pretrained(folder)
    chat_tokenizer().save_pretrained(folder)
    seal_checkpoint(folder)
    return folder


def scorer_of(folder: Path) -> Scorer:
    checkpoint = open_checkpoint(folder)
    model = load_model(checkpoint, "sequence_classification")
    return reward_scorer(model, load_tokenizer(checkpoint), checkpoint.digest, How(size=256))


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")
def test_two_workers_give_the_bits_of_one_process(folder: Path) -> None:
    scorer, items = scorer_of(folder), conversations(12, 3)
    devices = Devices(2, open_checkpoint(folder), PLACE)
    with EventStore.open(":memory:") as apart, EventStore.open(":memory:") as alone:
        spread = score_items(scorer, items, ScoreBoard(apart.engine), subject="c", now_us=lambda: 1, compute=devices)
        here = score_items(scorer, items, ScoreBoard(alone.engine), subject="c", now_us=lambda: 1)
    assert len(spread.values) == len(items)
    assert {name: value.outputs for name, value in spread.values.items()} == {
        name: value.outputs for name, value in here.values.items()
    }


def test_a_worker_with_another_model_refuses(folder: Path) -> None:
    scorer = scorer_of(folder)
    digest = open_checkpoint(folder).digest
    spec = scorer.spec.__class__(**{**scorer.spec.__dict__, "torch": "1.0"})
    with pytest.raises(AnotherRuler, match=r"1\.0"):
        _Worker(Ready(folder, digest, None, "reward", "fp32", spec))
