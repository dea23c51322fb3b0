"""What does a second run cost, and what does one that is killed in the middle?"""

import multiprocessing
import os
import signal
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from sqlalchemy import text

from consumers.database import open_engine, reading
from judges.engine.items import Encoded
from judges.engine.packing import Pack
from judges.engine.scorer import Ruler, Scorer, reward_scorer
from judges.scores import ScoreBoard
from judges.scoring import score_items
from tests.benchmarks.scoring_world import conversations, reward_model, tokenizer

ANSWERS = 4
KILLED_PROMPTS, KILLS = 150, (0.2, 0.4, 0.7)  # a kill when that share of the items is in the store
_TABLE = "SELECT key, spec_id, status, value, outputs, detail, tokens, prefix FROM score_value ORDER BY key"
_PACKS = "SELECT DISTINCT scored_us FROM score_value WHERE pack >= 0"


def rerun_share(prompts: int, layers: int, width: int, rounds: int) -> dict[str, float]:
    """CPU time of scoring again when a tenth of the prompts is new, as a share of scoring everything cold."""
    scorer = reward_scorer(reward_model(layers, width), tokenizer(), "0" * 64)
    cold, again = zip(*(_cold_and_again(scorer, prompts, seed) for seed in range(rounds)), strict=True)
    share = statistics.median(second / first for first, second in zip(cold, again, strict=True))
    return {"share": share, "cold_seconds": statistics.median(cold)}


def _cold_and_again(scorer: Scorer, prompts: int, seed: int) -> tuple[float, float]:
    """CPU seconds of a run over last week's items, and of one over nine tenths of them and as many new ones."""
    everything = conversations(prompts + prompts // 10, ANSWERS, seed)
    number = {item.item_id: int(item.item_id.split("-")[1]) for item in everything}
    first = [item for item in everything if number[item.item_id] < prompts]
    second = [item for item in everything if number[item.item_id] >= prompts // 10]
    assert len(first) == len(second) == prompts * ANSWERS
    with TemporaryDirectory() as folder:
        board = ScoreBoard(open_engine(f"{folder}/store.sqlite"))
        start = time.process_time()
        score_items(scorer, first, board, subject="benchmark", now_us=lambda: 0)
        between = time.process_time()
        score_items(scorer, second, board, subject="benchmark", now_us=lambda: 0)
        end = time.process_time()
        board.engine.dispose()
    return between - start, end - between


def killed(layers: int, width: int) -> dict[str, Any]:
    """Kill a run with signal 9 several times, let it end, and compare its table with that of a run in peace."""
    total = KILLED_PROMPTS * ANSWERS
    with TemporaryDirectory() as folder:
        disturbed, peaceful, log = (Path(folder, name) for name in ("disturbed.sqlite", "peaceful.sqlite", "log"))
        lost = [_lost_by_a_kill(disturbed, log, layers, width, at=round(share * total)) for share in KILLS]
        _in_own_process(disturbed, log, layers, width).join()
        _in_own_process(peaceful, log, layers, width).join()
        identical = _table(disturbed) == _table(peaceful)
    return {"kills": len(KILLS), "identical": identical, "repeated_a_kill": max(lost)}


def _lost_by_a_kill(store: Path, log: Path, layers: int, width: int, at: int) -> int:
    """Start a run, kill it when so many scores are kept, and count the packs that it began and did not keep."""
    log.write_text("")
    before = _packs_kept(store)
    process = _in_own_process(store, log, layers, width)
    while len(_table(store)) < at:
        assert process.is_alive(), "it ended before it was killed"
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    return len(log.read_text().split()) - (_packs_kept(store) - before)


def _in_own_process(store: Path, log: Path, layers: int, width: int) -> Any:
    process = multiprocessing.get_context("spawn").Process(target=_run, args=(store, log, layers, width))
    process.start()
    return process


def _run(store: Path, log: Path, layers: int, width: int) -> None:
    """Score, and write a line at the beginning of each pack."""
    torch.set_num_threads(1)
    scorer = reward_scorer(reward_model(layers, width), tokenizer(), "0" * 64)
    board = ScoreBoard(open_engine(str(store)))
    with log.open("a", buffering=1) as lines:

        def logged(
            ruler: Ruler, packs: Sequence[Pack], encoded: Sequence[Encoded]
        ) -> Iterator[tuple[int, list[tuple[float, ...]]]]:
            for number, pack in enumerate(packs):
                lines.write(f"{number}\n")
                yield number, ruler.score(pack, encoded)

        items = conversations(KILLED_PROMPTS, ANSWERS, seed=11)
        score_items(scorer, items, board, subject="killed", now_us=lambda: time.time_ns() // 1000, compute=logged)
    board.engine.dispose()


def _table(store: Path) -> list[Any]:
    """Every score with every bit, and nothing of when or in which pack it was computed."""
    return _rows(store, _TABLE)


def _packs_kept(store: Path) -> int:
    """Each pack is kept at a time of its own."""
    return len(_rows(store, _PACKS))


def _rows(store: Path, query: str) -> list[Any]:
    engine = open_engine(str(store))
    ScoreBoard(engine)
    with reading(engine) as connection:
        rows = [tuple(row) for row in connection.execute(text(query))]
    engine.dispose()
    return rows
