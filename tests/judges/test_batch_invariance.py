"""Does an item's score keep every bit, whoever else is scored, in whatever order, in whichever process?"""

import json
import os
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from judges.engine.items import Encoded, Item
from judges.engine.models import Padded
from judges.engine.scorer import How, Scorer, likelihood_scorer, reward_scorer
from tests.judges.tiny_models import DECODERS, chat_tokenizer, conversations, language_model, reward_model

ITEMS = conversations(2, 3, seed=3)
SIZE = 192
PRECISIONS = [torch.float32, torch.bfloat16]
OTHER_PROCESS = """
import json, torch
torch.set_num_threads(1)
from tests.judges.test_batch_invariance import ITEMS, PRECISIONS, bits, ruler
print(json.dumps([bits(ruler("llama", r, d), ITEMS[::-1]) for r in ("reward", "likelihood") for d in PRECISIONS]))
"""


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    """The number of threads is part of the ruler; here it is one."""
    kept = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(kept)


def ruler(kind: str, reading: str, dtype: torch.dtype, size: int = SIZE, **changes: Any) -> Scorer:
    if reading == "reward":
        return reward_scorer(reward_model(kind, dtype, **changes), chat_tokenizer(), "0" * 64, How(size=size))
    return likelihood_scorer(language_model(kind, dtype, **changes), chat_tokenizer(), "0" * 64, How(size=size))


def bits(scorer: Scorer, items: list[Item]) -> dict[str, list[str]]:
    """All numbers of each item, to the last bit."""
    encoded = [result for result in scorer.encode(items) if isinstance(result, Encoded)]
    assert len(encoded) == len(items)
    return {
        items[at].item_id: [number.hex() for number in numbers]
        for pack in scorer.plan(encoded)
        for at, numbers in zip(pack.members, scorer.score(pack, encoded), strict=True)
    }


def changed(scorer: Scorer, items: list[Item], draws: int = 5) -> list[str]:
    """Items whose bits differ in random subsets and orders of their company."""
    whole, rng = bits(scorer, items), np.random.default_rng(11)
    companies = [rng.permutation(len(items))[: rng.integers(1, len(items) - 1)].tolist() for _ in range(draws)]
    found = []
    for company in companies:
        scores = bits(scorer, [items[at] for at in company])
        found += [name for name, numbers in scores.items() if numbers != whole[name]]
    return found


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("reading", ["reward", "likelihood"])
@pytest.mark.parametrize("kind", DECODERS)
def test_no_bit_hangs_on_the_company(kind: str, reading: str, dtype: torch.dtype) -> None:
    scorer = ruler(kind, reading, dtype)
    encoded = [result for result in scorer.encode(ITEMS) if isinstance(result, Encoded)]
    assert len(scorer.plan(encoded)) > 1
    assert changed(scorer, ITEMS) == []


@pytest.mark.parametrize("dtype", PRECISIONS)
def test_no_bit_hangs_on_the_company_in_sizes_that_fit_no_register(dtype: torch.dtype) -> None:
    """Heads of 12 numbers, layers of 84 and 131, packs of 199 rows: whatever treats the last few apart shows here."""
    changes = {"hidden_size": 84, "num_attention_heads": 7, "num_key_value_heads": 1, "intermediate_size": 131}
    assert changed(ruler("llama", "reward", dtype, 199, **changes), ITEMS) == []


def test_padded_bits_do_hang_on_the_company() -> None:
    """Why padding has a spec of its own; and the tests above are seen to be able to fail."""
    scorer = ruler("llama", "reward", torch.float32)
    assert changed(replace(scorer, runs=Padded(scorer.model, 256)), conversations(3, 3, seed=3)) != []


def test_another_process_computes_the_same_bits() -> None:
    environment = {**os.environ, "PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", OTHER_PROCESS], capture_output=True, text=True, env=environment, check=True
    )
    theirs = json.loads(done.stdout.splitlines()[-1])
    ours = [bits(ruler("llama", r, d), ITEMS) for r in ("reward", "likelihood") for d in PRECISIONS]
    assert theirs == ours
