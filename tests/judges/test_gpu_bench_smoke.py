"""Does the benchmark for GPUs run to its end where there is none, on models small enough for a CPU?"""

import pytest
import torch

from tests.benchmarks.gpu_scoring_bench import Plan, Shape, main, measure

SMALL = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1}
TINY = {**SMALL, "intermediate_size": 64, "vocab_size": 500}


def test_every_part_of_it_runs_and_its_checks_of_correctness_hold() -> None:
    shapes = [
        Shape(kind, kind, TINY, items=8, target=0.0, prompt=20, response=20) for kind in ("qwen3", "qwen2", "llama")
    ]
    plan = Plan(shapes, shapes[0], company=3, sizes=(512, 1024), sweep=4, texts=2, probe=64)
    rows = measure(torch.device("cpu"), plan)
    correct = [row for row in rows if row.id in ("attention", "B4")]
    assert len(correct) == 10
    assert {row.met for row in correct} == {"yes"}, correct
    assert {"peak", "B5", "sweep"} <= {row.id for row in rows}
    assert all(row.measured for row in rows)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so_in_one_line() -> None:
    with pytest.raises(SystemExit, match="there is no CUDA device here; run it on a machine with one"):
        main()
