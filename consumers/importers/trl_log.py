"""What does a training log of TRL say? How far each checkpoint was from the start, and what its reward was there.

`trainer_state.json` (its `log_history`), or the logged lines as JSONL. Each chosen step gives one checkpoint with
`steps` and, where the log has it, `kl_nats`: the distances by which the monitor places checkpoints on the curve of
outcome against optimisation. Rewards and what was evaluated on the way are evaluations of the suite `trl`; a reward is
what training raised and never an outcome, so none is told. What only describes the run (lengths, rates, losses of
training, entropy) is left out.

KL is that of whole answers: `objective/kl` (PPO, online DPO) as logged; `kl` of GRPO and RLOO, the mean of a token,
times the mean length of the answers of the same step; `kl` of a log without lengths (KTO) as logged.
Source: TRL's documentation, Logging; transformers' TrainerState.
"""

import datetime as dt
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from consumers.importers.directions import higher_is_better
from consumers.importers.documents import decoded, object_of, objects_of, read_document
from consumers.importers.foreign import Given, Told
from consumers.importers.harness import Found, Harness, Report
from consumers.importers.rows import RowFault, TableError, read_rows
from consumers.importers.samples import number_in
from consumers.importers.table import RowProblem

SUITE = "trl"
LENGTHS = ("completions/mean_length", "completion_length")  # the second in releases until spring 2025
STEP = ("step", "global_step", "_step")
MOMENT = ("_timestamp", "timestamp")
REWARD = re.compile(
    r"reward|rewards/(?!chosen$|rejected$)[^/]+(?:/mean)?|objective/(?:rlhf_reward|scores)|env/reward_mean|ppo/mean_scores"
)
ABOUT_THE_RUN = re.compile(
    r"eval_(?:runtime|.+_per_second|steps|num_tokens|entropy|kl|objective/(?:kl|entropy|non_score_reward)|reward_std"
    r"|frac_reward_zero_std|rewards/[^/]+/std|rewards/chosen|rewards/rejected|logps/.*|logits/.*|completions/.*"
    r"|clip_ratio.*|sampling/.*|model_preparation_time)"
)


def read_trl_log(paths: Sequence[Path], given: Given, report: Report) -> Iterator[Found]:
    """Yield, for each chosen step, the checkpoint and its rewards. Raises TableError without a name for the run."""
    if given.checkpoint is None:
        raise TableError(
            "a training log does not name its run: give --checkpoint NAME, which tells NAME/checkpoint-STEP, or a name"
            " with {step} in it, e.g. --checkpoint ckpt-{step}"
        )
    for path in paths:
        steps, every = _steps(path, report)
        if not steps:
            raise TableError(f"{path}: no logged steps: neither a trainer_state.json nor lines with a 'step'")
        if given.time is None and not any(map(_time, steps.values())):
            raise TableError(f"{path}: no times were logged: give --time, e.g. --time 2026-01-05T00:00:00Z")
        for step in _chosen(sorted(steps), given.every or every):
            yield from _told(path, step, steps[step], given, report)


TRL_LOG = Harness("trl_log", read_trl_log, options=("checkpoint", "lower", "higher", "every"))


def _steps(path: Path, report: Report) -> tuple[dict[int, dict[str, Any]], int]:
    """What was logged at each step, and how many steps lie between two that were saved (1: not told)."""
    every = 1
    rows: list[tuple[int | None, Mapping[str, Any]]] = []
    if path.name.removesuffix(".gz").endswith(".json"):
        state = decoded(read_document(path), Any, str(path))
        logged = state if isinstance(state, list) else object_of(state).get("log_history")
        rows = [(None, row) for row in objects_of(logged)]
        saved = object_of(state).get("save_steps")
        every = saved if isinstance(saved, int) and saved > 0 else 1
    else:
        for row in read_rows(path):
            if row.fault:
                report(RowProblem(path, row.line, None, row.fault))
            else:
                rows.append((row.line, row.cells))
    steps: dict[int, dict[str, Any]] = {}
    for line, cells in rows:
        plain = _plain(cells)
        try:
            steps.setdefault(_step(plain), {}).update(plain)
        except RowFault as fault:
            report(RowProblem(path, line, None, str(fault)))
    return steps, every


def _plain(cells: Mapping[str, Any]) -> dict[str, Any]:
    """Names as the trainer logs them; trackers put `train/` before them and write `eval_` as `eval/`."""
    named = ((str(name).removeprefix("train/"), cell) for name, cell in cells.items())
    return {("eval_" + name[5:] if name.startswith("eval/") else name): cell for name, cell in named}


def _step(cells: Mapping[str, Any]) -> int:
    for name in STEP:
        if (step := number_in(cells.get(name))) is not None:
            if step < 0 or not step.is_integer():
                raise RowFault(f"{name} is {step:g}, which is no number of steps")
            return int(step)
    raise RowFault("no 'step'")


def _chosen(steps: Sequence[int], every: int) -> list[int]:
    """Every so many steps, and the last one."""
    return [step for step in steps if (step % every == 0 and step > 0) or step == steps[-1]]


def _told(path: Path, step: int, cells: Mapping[str, Any], given: Given, report: Report) -> Iterator[Found]:
    named = given.checkpoint or ""
    checkpoint = named.replace("{step}", str(step)) if "{step}" in named else f"{named}/checkpoint-{step}"
    time = _time(cells)
    facts = {"checkpoint": checkpoint, "order": step, "steps": step, "kl_nats": _kl(path, step, cells, report)}
    yield Found(path, f"step {step}", Told("checkpoint", facts, time))
    for metric in sorted(cells):
        key = f"step {step}: {metric}"
        try:
            if data := _evaluation(checkpoint, metric, cells[metric], given):
                yield Found(path, key, Told("evaluation", data, time))
        except RowFault as fault:
            report(RowProblem(path, None, key, str(fault)))


def _kl(path: Path, step: int, cells: Mapping[str, Any], report: Report) -> float | None:
    """Nats of whole answers; None where the log has none, or no number there."""
    try:
        if (whole := number_in(cells.get("objective/kl"))) is not None:
            return whole
        of_token = number_in(cells.get("kl"))
        length = next((number_in(cells[name]) for name in LENGTHS if name in cells), None)
        return of_token if of_token is None or length is None else of_token * length
    except RowFault as fault:
        report(RowProblem(path, None, f"step {step}: kl", str(fault)))
        return None


def _evaluation(checkpoint: str, metric: str, cell: Any, given: Given) -> dict[str, Any] | None:
    """What a metric says of a checkpoint; None for one that speaks of the run."""
    evaluated = metric.startswith("eval_")
    reward = REWARD.fullmatch(metric.removeprefix("eval_"))
    if not reward and (not evaluated or ABOUT_THE_RUN.fullmatch(metric)):
        return None
    if (value := number_in(cell)) is None:
        return None
    plain = metric.removeprefix("eval_")
    return {
        "checkpoint": checkpoint,
        "suite": SUITE,
        "category": "eval" if evaluated else plain.partition("/")[0],
        "metric": metric,
        "value": value,
        "higher_is_better": higher_is_better(metric, given, True if reward else _known(plain, given)),
    }


def _known(plain: str, given: Given) -> bool | None:
    """What is known of a metric under its name without `eval_`, several data sets' prefixes included."""
    for name in (plain, plain.rpartition("_")[2]):
        try:
            return higher_is_better(name, given)
        except RowFault:
            continue
    return None


def _time(cells: Mapping[str, Any]) -> dt.datetime | None:
    for name in MOMENT:
        cell = cells.get(name)
        try:
            if isinstance(cell, int | float) and not isinstance(cell, bool):
                return dt.datetime.fromtimestamp(cell, dt.UTC)
            if isinstance(cell, str) and (moment := dt.datetime.fromisoformat(cell)).tzinfo:
                return moment
        except (OverflowError, OSError, ValueError):
            continue
    return None
