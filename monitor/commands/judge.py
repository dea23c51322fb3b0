"""The command that asks a judge which of two answers is better, and writes what it says as events."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress as Bar

from consumers.intake import Appended
from consumers.store import EventStore, utc_now
from judges.anchors import open_anchors
from judges.emitted import store_events
from judges.held_out.anchor_wall import register_anchors
from judges.pairwise.endpoint import Endpoint, Limits
from judges.pairwise.endpoint_address import KEY_VARIABLE
from judges.pairwise.judging import Progress, Run, judge_pairs
from judges.pairwise.judgments import Judgments
from judges.pairwise.pairs import read_pairs
from judges.pairwise.preference_events import SOURCE, JudgeName, preference_events
from judges.pairwise.verdict import Asks
from monitor.commands.common import (
    DEFAULT_STORE,
    Format,
    FormatOption,
    JsonOption,
    QuietOption,
    StoreOption,
    UsageFault,
    one_line,
    open_store,
    print_json,
    say,
)
from monitor.commands.score import now_us, prepare_torch

EVENTS = ("accepted", "duplicate", "conflict", "rejected")
TOLD_SECONDS = 30.0  # between two lines of progress where nobody sees a bar


def judge(
    pairs: Annotated[
        list[Path], typer.Argument(help="Files of pairs (.jsonl, .gz), or sealed anchor sets of kind preference.")
    ],
    name: Annotated[str, typer.Option("--name", help="What events and settings call this judge.")],
    endpoint: Annotated[
        str | None, typer.Option("--endpoint", help="An OpenAI-compatible address, as https://HOST/v1.")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", help="The model's name at the endpoint.")] = None,
    folder: Annotated[Path | None, typer.Option("--judge", help="The sealed folder of a judge to run here.")] = None,
    family: Annotated[str | None, typer.Option("--family", help="The judge's model family, as gpt or llama.")] = None,
    store: StoreOption = DEFAULT_STORE,
    emit: Annotated[Path | None, typer.Option("--emit", help="Also write the events to this .jsonl file.")] = None,
    concurrency: Annotated[int, typer.Option("--concurrency", min=1, max=256, help="Questions at a time.")] = 4,
    requests_per_minute: Annotated[
        float | None, typer.Option("--requests-per-minute", min=0.1, help="No more requests than this.")
    ] = None,
    tokens_per_minute: Annotated[
        float | None, typer.Option("--tokens-per-minute", min=1, help="No more tokens than this, in and out.")
    ] = None,
    device: Annotated[str, typer.Option("--device", help="Of --judge: auto, cpu, cuda or cuda:N.")] = "auto",
    dtype: Annotated[str, typer.Option("--dtype", help="Of --judge: auto, fp32, bf16 or fp16.")] = "auto",
    threads: Annotated[int | None, typer.Option("--threads", help="Of a CPU; all it has.", min=1)] = None,
    token_budget: Annotated[
        int | None, typer.Option("--token-budget", help="Of --judge: tokens of a pack; a question must fit.", min=64)
    ] = None,
    format_: FormatOption = Format.text,
    json_: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Ask a judge which answer of each pair is better, in both orders, and store what it says as preference events.

    The judge is behind an --endpoint, whose key is read from REWARD_DRIFT_JUDGE_API_KEY, or a model in a sealed folder.
    What was answered before is not asked again: run it again after a stop, or with more pairs. Known-bad answers ride
    along, and a judge that takes one is not believed.
    """
    _check_names(name, family)
    given = read_pairs(pairs)
    limits = Limits(concurrency, requests_per_minute, tokens_per_minute)
    with open_store(store) as opened, one_line(store), ExitStack() as stack:
        if endpoint is not None and model is not None and folder is None:
            key = os.environ.get(KEY_VARIABLE)
            asked: Asks = stack.enter_context(Endpoint(endpoint, model, key=key, limits=limits))
        elif folder is not None and endpoint is None and model is None:
            asked = _local(opened, folder, device, dtype, threads, token_budget)
        else:
            raise UsageFault("give --endpoint URL with --model NAME, or --judge FOLDER")
        for anchors in filter(Path.is_dir, pairs):
            register_anchors(opened.engine, open_anchors(anchors), now_us())
        judgments = Judgments(opened.engine, asked.spec)
        run = judge_pairs(given, asked, judgments, now_us=now_us, progress=stack.enter_context(_progress(quiet)))
        named = JudgeName(name, family, asked.spec)
        events = [event for judged in run.judged for event in preference_events(judged, named)]
        appended = store_events(opened, SOURCE, events)
    if emit is not None:
        emit.write_bytes(b"".join(event + b"\n" for event in events))
    result = _result(run, named, appended)
    if json_ or format_ is Format.json:
        print_json(result)
    else:
        typer.echo("\n".join(_lines(result)))


def _local(
    store: EventStore, folder: Path, device: str, dtype: str, threads: int | None, token_budget: int | None
) -> Asks:
    """The judge in a folder; one that is refused is on record as an incident."""
    prepare_torch()
    from judges.artefacts.rejection import ArtifactRejected, record_rejection
    from judges.checkpoints import open_checkpoint
    from judges.engine.device import choose_place
    from judges.engine.scorer import How
    from judges.pairwise.local_judge import load_judge

    try:
        loaded = load_judge(open_checkpoint(folder), choose_place(device, dtype, threads), How(size=token_budget))
    except ArtifactRejected as rejected:
        record_rejection(store, rejected.folder.resolve().name, rejected, utc_now())
        raise
    except ValueError as fault:
        raise UsageFault(str(fault)) from fault
    if loaded.fell_back is not None:
        say(f"{folder}: without packing, because {loaded.fell_back}")
    return loaded


def _check_names(name: str, family: str | None) -> None:
    for option, given in (("--name", name), ("--family", family)):
        if given is not None and not 1 <= len(given) <= 512:
            raise UsageFault(f"{option}: give 1 to 512 characters")


def _result(run: Run, judge: JudgeName, appended: Appended) -> dict[str, Any]:
    choices = Counter(judged.judgment.choice for judged in run.judged if judged.judgment.choice)
    failed = Counter(judged.judgment.status for judged in run.judged if judged.judgment.status != "ok")
    agreeing = [one.judgment.consistent for one in run.judged if one.judgment.consistent is not None]
    served = sorted({one.raw.served or "" for judged in run.judged for one in judged.stored.values()} - {""})
    return {
        "judge": judge.name,
        "revisions": {model: judge.revision(model) for model in served} or {"": judge.revision(None)},
        "pairs": len(run.judged),
        "choices": {choice: choices[choice] for choice in ("a", "b", "tie")},
        "without_verdict": {status: failed[status] for status in ("unscoreable", "refused", "error")},
        "position_consistent": sum(agreeing) / len(agreeing) if agreeing else None,
        "asked": run.asked,
        "canaries": run.canaries,
        "events": {name: getattr(appended, name) for name in EVENTS},
    }


def _lines(result: dict[str, Any]) -> Iterator[str]:
    choices, failed, consistent = result["choices"], result["without_verdict"], result["position_consistent"]
    told = ", ".join(f"{count:,} {choice}" for choice, count in choices.items())
    yield f"{result['pairs']:,} pairs by {result['judge']}: {told}"
    if any(failed.values()):
        yield "without a verdict: " + ", ".join(f"{count:,} {status}" for status, count in failed.items() if count)
    if consistent is not None:
        yield f"the same choice in both orders: {consistent:.1%}"
    if len(result["revisions"]) > 1:
        yield f"more than one model answered: {', '.join(result['revisions'])}; each is a ruler of its own"
    yield f"{result['asked']:,} questions asked and {result['canaries']:,} canary questions, the rest was on record"
    yield "events: " + ", ".join(f"{count:,} {name}" for name, count in result["events"].items())


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """A bar on a terminal, and elsewhere a line now and then, on standard error."""
    console = Console(stderr=True)
    if quiet:
        yield lambda _: None
    elif console.is_terminal:
        with Bar(console=console, transient=True) as bar:
            task = bar.add_task("asking the judge", total=None)
            yield lambda now: bar.update(task, completed=now.answered, total=now.to_ask)
    else:
        yield _now_and_then()


def _now_and_then() -> Callable[[Progress], None]:
    told_at = [time.monotonic()]

    def tell(now: Progress) -> None:
        if time.monotonic() - told_at[0] >= TOLD_SECONDS or now.answered == now.to_ask:
            told_at[0] = time.monotonic()
            say(f"{now.answered:,} of {now.to_ask:,} questions answered, {now.without:,} without a verdict")

    return tell
