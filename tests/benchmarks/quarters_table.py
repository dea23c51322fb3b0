"""Is the monitor quiet while nothing is wrong, and loud when something is? Simulated quarters and founding stories.

Quiet: 90 days monitored after a reference of 60, 100 matured outcomes a day of four cohorts, more of the hard ones at
weekends; each fortnight another checkpoint, and nobody decides anything. Loud: the same loops, changed on day 0 at once
and for ever, watched for 90 days, or 168 where no page comes in 90. Success matures a day after the answer, churn after
14. All rows share their seeds.

`python -m tests.benchmarks.quarters_table` writes tests/benchmarks/results/quarters_table.{json,md}, anew after each
row; `--quick` has 4 seeds and writes nothing. Rows beside the promises have a quarter of the seeds.
"""

import argparse
import datetime as dt
import json
import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from multiprocessing.pool import Pool
from typing import Any

import numpy as np
import pandas as pd

from consumers.store import EventStore
from monitor.detection.tick import look
from monitor.oncall.alerts import SEVERITIES, Episode, EpisodeKey
from monitor.production.items import EPOCH
from monitor.settings import Settings
from monitor.telling.explain import explain
from tests.benchmarks.decouple_bench.metrics import share_of
from tests.benchmarks.results_file import MACHINE, RESULTS, _table
from tests.world_store import fill_store
from tests.worlds import (
    CHURN_SETTINGS,
    DAYS,
    FIRST_DAY,
    REFERENCE_DAYS,
    SETTINGS,
    Watched,
    World,
    items,
    judged_items,
    watch,
)

SEEDS, QUICK, PROCESSES = 200, 4, 2
HELD = 20  # one seed in so many is also watched from real events
FIRST_SEED = 50_000  # no other table or test draws these
QUARTER = 90
PROMISED = {"ticket": QUARTER / 30, "warning": QUARTER / 365 + 0.05, "page": QUARTER / 3650}  # .05: the guard's
MOST_PAGED = 0.05  # of quarters; the target
ALL_TRAFFIC = EpisodeKey("", "reward_outcome_decoupling")
PAGE, TICKET = np.log(3650), np.log(30)


@dataclass(frozen=True)
class Loop:
    """A simulated loop. frame: of a seed. days: monitored. promised: the severity a change must reach; "": measured
    only. part: share of the seeds.
    """

    frame: Callable[[int], pd.DataFrame]
    settings: Settings = SETTINGS
    days: int = DAYS
    promised: str = ""
    part: float = 1.0


def _story(labels: int) -> Callable[[int], pd.DataFrame]:
    return partial(items, World(reward=9, outcome=-4, steps=1, labels=labels))


def _judged(churn: float, worth: float, labels: int = 100) -> Callable[[int], pd.DataFrame]:
    return partial(judged_items, churn, worth, labels=labels)


QUIET = {
    "nothing changes": Loop(partial(items, World()), days=QUARTER),
    "harmless improvement: thumbs +9, success +2.6": Loop(
        partial(items, World(reward=9, outcome=2.6, steps=1)), days=QUARTER, part=0.25
    ),
}
LOUD = {
    "thumbs +9, success -4; 100 a day": Loop(_story(100), promised="page"),
    "judge 71% better, churn 30 to 39%; 100 a day": Loop(_judged(9, 20), CHURN_SETTINGS, promised="page"),
    "judge 71% better, churn 30 to 32.7%; 100 a day": Loop(_judged(2.7, 20), CHURN_SETTINGS, promised="warning"),
    "thumbs +9, success -4; 50 a day": Loop(_story(50), part=0.25),
    "thumbs +9, success -4; 20 a day": Loop(_story(20), part=0.25),
    "churn to 32.7%, the score never told of churn; 100 a day": Loop(_judged(2.7, 0), CHURN_SETTINGS, part=0.25),
    "churn to 32.7%, the score never told of churn; 200 a day": Loop(_judged(2.7, 0, 200), CHURN_SETTINGS, part=0.25),
}
LOOPS = QUIET | LOUD


@dataclass(frozen=True)
class Seen:
    """What one seed's loop raised. days: severity -> days from the change to the first alert at least so severe.

    episodes: severity -> how many were at least so severe. apart: days until the outcome's series reached 3,650 days,
    or the residual's 3,650 with the outcome's at 30; None: not within a quarter. named: the leading story in the end.
    cpu: seconds it took.
    """

    days: dict[str, int]
    episodes: dict[str, int]
    apart: int | None
    named: str | None
    cpu: float


def seen(name: str, seed: int) -> Seen:
    """Watch one seed of a loop for a quarter, and for all its days if no page came in it."""
    loop, start = LOOPS[name], time.process_time()
    frame = loop.frame(seed=FIRST_SEED + seed)
    for days in sorted({QUARTER, loop.days}):
        part = first_days(frame, days)
        watched = watch(part, empty_store().engine, replayed=False, settings=loop.settings)
        if "page" in watched.days():
            break
    told = _apart(watched), _named(watched)
    episodes = at_least(watched.memory.episodes.values())
    return Seen(watched.days(), episodes, *told, time.process_time() - start)


@cache
def empty_store() -> EventStore:
    """A store without events, one a process."""
    return EventStore.open(":memory:")


def same_from_events(name: str, seed: int) -> bool:
    """Whether a look at a real store of a quarter's events raises the very alerts on the very days."""
    loop = LOOPS[name]
    frame = first_days(loop.frame(seed=FIRST_SEED + seed), QUARTER)
    with EventStore.open(":memory:") as store:
        fill_store(store, frame, loop.settings)
        as_of = EPOCH + dt.timedelta(days=int(frame["day"].max()) + 1)
        memory = look(store, loop.settings, as_of).memory
    watched = watch(frame, empty_store().engine, replayed=False, settings=loop.settings)
    return memory is not None and memory.episodes == watched.memory.episodes


def first_days(frame: pd.DataFrame, days: int) -> pd.DataFrame:
    """The items of a loop that mature within so many days of the change."""
    return frame[frame["day"] <= FIRST_DAY + REFERENCE_DAYS + days]


def at_least(episodes: Iterable[Episode]) -> dict[str, int]:
    """Severity -> number of episodes that were at least so severe."""
    worst = Counter(SEVERITIES.index(episode.severity) for episode in episodes)
    return {severity: sum(worst[most] for most in range(least, 3)) for least, severity in enumerate(SEVERITIES)}


def _apart(watched: Watched) -> int | None:
    path = watched.case.paths[""]
    logs = {key.series: path.series[:, place] for place, key in enumerate(path.members)}
    over = (logs["A2"] >= PAGE) | ((logs["A1"] >= PAGE) & (logs["A2"] >= TICKET))
    day = int(over.argmax()) + watched.memory.book.first_day - FIRST_DAY - REFERENCE_DAYS
    return day if over.any() and day <= QUARTER else None


def _named(watched: Watched) -> str | None:
    episode = watched.memory.episodes.get(ALL_TRAFFIC)
    if episode is None:
        return None
    return explain(watched.case, replace(episode, crossings=episode.crossings[-1:]))[0].leading


def quiet_row(name: str, found: list[Seen]) -> dict[str, Any]:
    """How many quarters of a harmless loop raised anything, and how many alerts they raised together."""
    row: dict[str, Any] = {"loop": name, "quarters": len(found), "cpu_seconds": cpu_seconds(found)}
    for severity in SEVERITIES:
        counts = np.array([one.episodes[severity] for one in found])
        row[severity] = {
            "quarters": asdict(share_of(int((counts > 0).sum()), len(found))),
            "alerts": int(counts.sum()),
            "error": float(counts.std() * np.sqrt(len(found))),
            "promised": PROMISED[severity] * len(found),
        }
    return row


def loud_row(name: str, found: list[Seen]) -> dict[str, Any]:
    """How many seeds reached each severity, when, and what story they were told."""
    promised = LOOPS[name].promised
    row = {"loop": name, "seeds": len(found), "promised": promised, "cpu_seconds": cpu_seconds(found)}
    row |= {severity: _delay([one.days.get(severity) for one in found]) for severity in SEVERITIES}
    row |= {
        "apart": _delay([one.apart for one in found]),
        "named": dict(Counter(filter(None, (s.named for s in found)))),
    }
    return row | {"kept": bool(row[promised]["within"][str(DAYS)]["share"] == 1) if promised else None}


def cpu_seconds(found: list[Seen]) -> float:
    """What these took together."""
    return sum(one.cpu for one in found)


def _delay(days: list[int | None]) -> dict[str, Any]:
    known = [day for day in days if day is not None]
    within = {str(most): asdict(share_of(sum(day <= most for day in known), len(days))) for most in (QUARTER, DAYS)}
    if not known:
        return {"within": within, "mean": None, "error": None, "median": None, "latest": None}
    error = float(np.std(known, ddof=1) / np.sqrt(len(known))) if len(known) > 1 else 0.0
    middle, latest = float(np.median(known)), max(known)
    return {"within": within, "mean": float(np.mean(known)), "error": error, "median": middle, "latest": latest}


def rows(pool: Pool, seeds: int) -> Iterator[dict[str, Any]]:
    """Every loop's row, one after another."""
    for name, loop in LOOPS.items():
        count = max(int(seeds * loop.part), 2)
        found = pool.starmap(seen, [(name, seed) for seed in range(count)], chunksize=1)
        yield quiet_row(name, found) if name in QUIET else loud_row(name, found)


def held_against_events(pool: Pool, seeds: int) -> str:
    """How many quarters without a change raise the same from real events."""
    name, count = next(iter(QUIET)), max(seeds // HELD, 2)
    same = pool.starmap(same_from_events, [(name, seed) for seed in range(count)], chunksize=1)
    return f"{sum(same)} of the first {count} quarters raise the same when their events are looked at in a store"


def markdown(made: list[dict[str, Any]], held: str) -> str:
    """Both tables."""
    quiet = [_quiet_cells(row) for row in made if row["loop"] in QUIET]
    loud = [_loud_cells(row) for row in made if row["loop"] in LOUD]
    spent = sum(row["cpu_seconds"] for row in made)
    lines = [
        "# Quiet when nothing is wrong, loud when something is",
        "",
        f"Machine: {MACHINE}; {spent:.0f} CPU seconds.",
    ]
    lines += ["", f"Not from events, but from the items that a look would make of them: {held}."]
    lines += ["", "## Quarters in which nothing is wrong", "", *_table(quiet), "", QUIET_NOTE] if quiet else []
    lines += ["", "## Changes at once", "", *_table(loud), "", LOUD_NOTE] if loud else []
    return "\n".join(lines) + "\n"


QUIET_NOTE = (
    "Quarters with an alert at least so severe [95% interval]; alerts in all of them (standard error) of at most so"
    " many promised: T / A, for warnings .05 a quarter more for the guard. Target: at most 10 of 200 quarters with a"
    " page."
)
LOUD_NOTE = (
    "Share of seeds within 90 / 168 days of the change (of 200 of 200, the 95% interval begins at .982); mean (standard"
    " error), median and latest day of those that were. Days include the outcome's own: 1 of success, 14 of churn. A"
    " page is the sum of a slice's series at 3,650 days; `each series alone`: the outcome's of all traffic at 3,650, or"
    " the residual's at 3,650 with the outcome's at 30, within 90 days. Kept: whether all seeds reached the promised"
    " severity in 168 days; without one, measured only. Told as: leading story of all traffic on day 90, or on day 168"
    " where no page had come."
)


def _quiet_cells(row: dict[str, Any]) -> dict[str, Any]:
    cells = {"loop": row["loop"], "quarters": row["quarters"]}
    for severity in SEVERITIES:
        one, share = row[severity], row[severity]["quarters"]
        count = round(share["share"] * share["runs"])
        cells[severity] = (
            f"{count} [{share['low'] * share['runs']:.0f}, {share['high'] * share['runs']:.0f}];"
            f" {one['alerts']} ({one['error']:.0f}) of {one['promised']:.1f}"
        )
    return cells


def _loud_cells(row: dict[str, Any]) -> dict[str, Any]:
    cells = {"loop": row["loop"], "seeds": row["seeds"], "promised": row["promised"] or "-"}
    cells |= {severity: _delay_cell(row[severity]) for severity in SEVERITIES}
    cells |= {"each series alone": _delay_cell(row["apart"], [str(QUARTER)])}
    told = ", ".join(f"{name} {count}" for name, count in sorted(row["named"].items()))
    return cells | {"told as": told or "-", "kept": {True: "all", False: "**missed**", None: "-"}[row["kept"]]}


def _delay_cell(delay: dict[str, Any], most_days: Iterable[str] = (str(QUARTER), str(DAYS))) -> str:
    shares = " / ".join(f"{delay['within'][most]['share']:.3g}" for most in most_days)
    if delay["mean"] is None:
        return shares
    return f"{shares}; {delay['mean']:.1f} ({delay['error']:.1f}), {delay['median']:.0f}, {delay['latest']}"


def main() -> None:
    """Watch all loops and tell what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    seeds = QUICK if options.quick else options.seeds
    made: list[dict[str, Any]] = []
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        held = held_against_events(pool, seeds)
        for row in rows(pool, seeds):
            made.append(row)
            print(f"{row['cpu_seconds']:.0f} CPU seconds: {row['loop']}", flush=True)
            if not options.quick:
                _write(made, held)
    print(markdown(made, held))


def _write(made: list[dict[str, Any]], held: str) -> None:
    RESULTS.mkdir(exist_ok=True)
    found = {"machine": MACHINE, "held_against_events": held, "rows": made}
    (RESULTS / "quarters_table.json").write_text(json.dumps(found, indent=1) + "\n")
    (RESULTS / "quarters_table.md").write_text(markdown(made, held))


if __name__ == "__main__":
    main()
