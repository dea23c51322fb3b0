"""Commands that plan: what would have alerted on one's own history, and what drop can be seen with these labels."""

import datetime as dt
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from consumers.store import EventStore, utc_now
from monitor.commands.common import (
    DEFAULT_SETTINGS,
    DEFAULT_STORE,
    Format,
    FormatOption,
    JsonOption,
    QuietOption,
    SettingsOption,
    UsageFault,
    existing_store,
    print_json,
    reading,
    settings_of,
    with_known_checks,
)
from monitor.planning.alternatives import alternative
from monitor.planning.backtest import Plant
from monitor.planning.backtest import backtest as look_back
from monitor.planning.history import recall
from monitor.planning.loops import loop_of_numbers, loops_of_history
from monitor.planning.power import Power
from monitor.planning.power import power as plan_power
from monitor.replay import ingested
from monitor.report.plan_text import backtest_text, power_text
from monitor.result import plain_json
from monitor.settings import Settings

HistoryFiles = Annotated[
    list[str] | None, typer.Argument(help="Event files (.jsonl, .gz, .zst), patterns, or -; none: the store.")
]
HistoryStore = Annotated[
    str | None,
    typer.Option(
        "--store", help="A store to look back on; only read. Default REWARD_DRIFT_STORE, reward-drift.sqlite."
    ),
]
Stage = Callable[[str], None]


def backtest(
    files: HistoryFiles = None,
    settings: SettingsOption = DEFAULT_SETTINGS,
    store: HistoryStore = None,
    alt: Annotated[
        list[str] | None,
        typer.Option("--alt", help="KEY=VALUE: also under these settings with one key changed. Repeatable."),
    ] = None,
    plant: Annotated[
        float | None, typer.Option("--plant", help="A drop of the outcome to plant, as a share: 0.04 is 4 points.")
    ] = None,
    from_: Annotated[
        str | None, typer.Option("--from", help="The day from which answers are harmed, such as 2026-05-01.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of the harm that is planted.", min=0)] = 0,
    format_: FormatOption = Format.text,
    json_: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """What would have alerted on this history, and would a harm have been seen?

    One look at the whole history says what daily ticks would have said, as if nobody had resolved an alert. Nothing is
    written. With --alt the same under other settings; with --plant and --from outcomes are set to failure at random, in
    memory, and the days until the alert are counted.
    """
    chosen = settings_of(settings)
    alternatives = {change: _alternative(settings, change) for change in alt or []}
    harm = _plant(plant, from_, seed)
    with _history(files or [], store, chosen, quiet) as (opened, stage):
        runs = look_back(opened, chosen, alternatives, utc_now(), harm, stage)
    if json_ or format_ is Format.json:
        print_json({"loop": chosen.loop, "runs": plain_json([asdict(run) for run in runs])})
    else:
        typer.echo(backtest_text(chosen.loop, runs), nl=False)


def power(
    files: HistoryFiles = None,
    settings: SettingsOption = DEFAULT_SETTINGS,
    store: HistoryStore = None,
    labels: Annotated[
        float | None, typer.Option("--labels-per-day", help="Without a history: units with an outcome a day.")
    ] = None,
    success: Annotated[float | None, typer.Option("--success", help="Share of them that succeed, 0 to 1.")] = None,
    slope: Annotated[
        float | None, typer.Option("--slope", help="Success after a good reward minus after a bad.")
    ] = None,
    reference: Annotated[
        int | None, typer.Option("--reference", help="Units with an outcome in the reference.")
    ] = None,
    format_: FormatOption = Format.text,
    json_: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """What drop can be seen with these labels, by when, and what does each further label buy?

    From a history (files, or a store, which is only read), or from four numbers: --labels-per-day, --success, --slope,
    --reference. With numbers alone, the settings' defaults hold where there is no settings file.
    """
    numbers = {"--labels-per-day": labels, "--success": success, "--slope": slope, "--reference": reference}
    missing = [name for name, value in numbers.items() if value is None]
    if len(missing) == len(numbers):
        chosen = settings_of(settings)
        with _history(files or [], store, chosen, quiet) as (opened, stage):
            plan = _of_history(opened, chosen, stage)
    elif missing or files or store:
        other = f"{', '.join(missing)} missing" if missing else "files or a store given too"
        raise UsageFault(f"four numbers or a history, not a part of both: {other}; see `reward-drift power --help`")
    else:
        assert labels is not None and success is not None and slope is not None and reference is not None  # noqa: PT018
        chosen = settings_of(settings) if settings.exists() or settings != DEFAULT_SETTINGS else _defaults()
        loop, assumed = loop_of_numbers(labels, success, slope, reference, chosen)
        plan = plan_power(loop, {}, assumed)
    if json_ or format_ is Format.json:
        print_json(plain_json(plan.to_dict()))
    else:
        typer.echo(power_text(chosen.loop, plan), nl=False)


def _of_history(store: EventStore, settings: Settings, stage: Stage) -> Power:
    stage("looking at every day")
    loops, assumed = loops_of_history(recall(store, settings, utc_now()))
    stage("planning")
    return plan_power(loops.pop(""), loops, assumed)


def _defaults() -> Settings:
    return Settings.model_validate({"outcome": {"metric": "outcome"}})


@contextmanager
def _history(
    files: Sequence[str], store: str | None, settings: Settings, quiet: bool
) -> Iterator[tuple[EventStore, Stage]]:
    """The files in a store of their own, or the store that was named."""
    if files and store:
        raise UsageFault("give event files or --store, not both")
    with reading(files, quiet) as (read, stage):
        if files:
            with ingested(files, settings, read) as (own, _):
                yield own, stage
        else:
            with existing_store(store or os.environ.get("REWARD_DRIFT_STORE", DEFAULT_STORE)) as opened:
                yield opened, stage


def _alternative(settings: Path, change: str) -> Settings:
    return with_known_checks(alternative(settings.read_text(encoding="utf-8"), change), f"--alt {change}")


def _plant(drop: float | None, since: str | None, seed: int) -> Plant | None:
    if drop is None and since is None:
        return None
    if drop is None or since is None:
        raise UsageFault("--plant and --from belong together: --plant 0.04 --from 2026-05-01")
    if not 0 < drop <= 1:
        raise UsageFault(f"--plant {drop:g}: must lie above 0 and at most at 1; 0.04 is 4 points")
    try:
        day = dt.date.fromisoformat(since)
    except ValueError:
        raise UsageFault(f"--from {since}: not a day such as 2026-05-01") from None
    return Plant(drop, dt.datetime.combine(day, dt.time(), dt.UTC), seed)
