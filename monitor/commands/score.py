"""The command that scores a checkpoint: by the reward model the loop optimises, and by what people say is right."""

import importlib.util
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from consumers.store import EventStore, utc_now
from monitor.commands.common import (
    DEFAULT_STORE,
    JsonOption,
    QuietOption,
    StoreOption,
    UsageFault,
    one_line,
    open_store,
    print_json,
)

if TYPE_CHECKING:
    from judges.anchors import AnchorSet
    from judges.evaluation import Ask

MODELS_EXTRA = "scoring needs torch and transformers: pip install 'reward-drift-monitor[models]'"


def score(
    checkpoint: Annotated[Path, typer.Argument(help="The sealed folder of the checkpoint to be scored.")],
    reward: Annotated[Path, typer.Option("--reward", "-r", help="The sealed folder of the loop's reward model.")],
    anchors: Annotated[list[Path], typer.Option("--anchors", "-a", help="A sealed anchor set; repeat for more.")],
    name: Annotated[str | None, typer.Option("--name", help="The checkpoint in events; its folder's name.")] = None,
    reward_name: Annotated[str | None, typer.Option("--reward-name", help="The scorer in events.")] = None,
    base: Annotated[Path | None, typer.Option("--base", help="What the checkpoint is an adapter on.")] = None,
    sha256: Annotated[str | None, typer.Option("--sha256", help="The digest the checkpoint must have.")] = None,
    store: StoreOption = DEFAULT_STORE,
    emit: Annotated[Path | None, typer.Option("--emit", help="Write the events to this file too.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what it would cost.")] = False,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")] = "auto",
    dtype: Annotated[str, typer.Option("--dtype", help="auto, fp32, bf16 or fp16.")] = "auto",
    threads: Annotated[int | None, typer.Option("--threads", help="Of a CPU; all it has.", min=1)] = None,
    token_budget: Annotated[int | None, typer.Option("--token-budget", help="Tokens of a pack.", min=64)] = None,
    workers: Annotated[int, typer.Option("--workers", help="Devices at once, by Ray; 1 needs none.", min=1)] = 1,
    max_new_tokens: Annotated[int, typer.Option("--max-new-tokens", help="Of a written answer.", min=1)] = 256,
    json_: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Answer held-out questions with a checkpoint, grade the answers, and score the same answers with a reward model.

    Answers, scores and outcomes go into the store as evaluation events, where `tick` compares them with those of the
    reference. Stopped and called again it goes on where it was.
    """
    prepare_torch()
    from judges.artefacts.rejection import ArtifactRejected, record_rejection
    from judges.checkpoints import open_checkpoint
    from judges.engine.device import choose_place
    from judges.engine.scorer import How
    from judges.evaluation import Ask

    with open_store(store) as opened, one_line(store):
        try:
            ask = Ask(
                checkpoint=open_checkpoint(checkpoint, name=name, expected=sha256, base=base),
                name=name or checkpoint.resolve().name,
                reward=open_checkpoint(reward, name=reward_name),
                reward_name=reward_name or reward.resolve().name,
                sets=_open_sets(anchors),
                place=choose_place(device, dtype, threads),
                how=How(size=token_budget),
                max_new_tokens=max_new_tokens,
                workers=workers,
            )
            if dry_run:
                _tell_forecast(ask, json_)
            else:
                _score(ask, opened, emit, json_, quiet)
        except ArtifactRejected as rejected:
            record_rejection(opened, rejected.folder.resolve().name, rejected, utc_now())
            raise
        except ValueError as fault:
            raise UsageFault(str(fault)) from fault


def now_us() -> int:
    """Microseconds since 1970-01-01 UTC, by the system's clock."""
    return time.time_ns() // 1000


def prepare_torch() -> None:
    """Threads that wait must not burn the cores of others; torch reads that when it is imported."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("transformers") is None:
        raise UsageFault(MODELS_EXTRA)


def _open_sets(folders: Sequence[Path]) -> "list[AnchorSet]":
    """The sets, each once. Two sets of one name would give their items one name."""
    from judges.anchors import open_anchors

    sets = [open_anchors(folder) for folder in folders]
    names = [anchors.name for anchors in sets]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UsageFault(f"two anchor sets are called {twice[0]!r}: name each set once")
    return sets


def _tell_forecast(ask: "Ask", json_: bool) -> None:
    from judges.engine.device import peak_flops
    from judges.forecast import forecast
    from monitor.report.score_text import forecast_json, forecast_lines

    stages, peak = forecast(ask), peak_flops(ask.place)
    if json_:
        print_json(forecast_json(stages, peak))
    else:
        typer.echo("\n".join(forecast_lines(stages, peak)))


def _score(ask: "Ask", store: EventStore, emit: Path | None, json_: bool, quiet: bool) -> None:
    from judges.engine.device import peak_flops
    from judges.evaluation import evaluate
    from judges.held_out.anchor_wall import register_anchors
    from monitor.commands.score_progress import telling
    from monitor.report.score_text import scored_json, scored_lines

    for anchors in ask.sets:
        register_anchors(store.engine, anchors, now_us())
    with telling(quiet) as watch:
        done = evaluate(ask, store, now_us, watch)
    if emit is not None:
        emit.write_bytes(b"".join(event + b"\n" for event in done.events))
    peak = peak_flops(ask.place)
    if json_:
        print_json(scored_json(done, peak))
    else:
        typer.echo("\n".join(scored_lines(done, peak)))
