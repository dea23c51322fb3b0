"""Events of rulers that disagree: scores of two scorers on the same answers, a judge's pairs, users who leave."""

import datetime as dt
from collections.abc import Iterable, Iterator

import numpy as np

from monitor.check import Finding, load_checks
from monitor.detection.runner import census
from monitor.production.reference import freeze
from monitor.settings import Settings
from monitor.snapshot import Snapshot
from tests.monitor.events import DAY, START, Event, event, in_memory, outcome, response, score


def findings_of(name: str, events: Iterable[Event], chosen: Settings, as_of: dt.datetime) -> list[Finding]:
    """What one check of fixed samples finds in a store with these events."""
    store = in_memory(events)
    items, baseline = freeze(store.engine, chosen, as_of, None)
    item = load_checks()[name]
    measured = item.measure(Snapshot(as_of, chosen, items, baseline, store.engine), chosen.checks.get(name, {}))
    return [census(name, one) for one in measured]


def scored_by_two(
    checkpoint: str, *, trained: float = 0.0, held_out: float = 0.0, items: int = 120, day: int = 1, seed: int = 0,
    failed: int = 0, environment: str = "evaluation",
) -> Iterator[Event]:  # fmt: skip
    """Answers scored by a trained ruler `rm` and a held-out one `other`, moved by so many deviations.

    failed: answers, of the lowest quality, on which the held-out ruler gives no score.
    """
    quality = np.random.default_rng(5).standard_normal(items)
    rng = np.random.default_rng((seed, sum(checkpoint.encode())))
    for number in range(items):
        at, name = START + day * DAY, f"{environment}-{checkpoint}-{number}"
        asked = {"prompt_id": f"q/{number}", "environment": environment, "user": f"u{checkpoint}{number}"}
        yield response(name, at, checkpoint, **asked)
        for scorer, moved in (("rm", trained), ("other", held_out)):
            told = {"name": scorer, "kind": "reward_model", "revision": "1", "trained_on": scorer == "rm"}
            lost = scorer == "other" and quality[number] <= np.sort(quality)[failed - 1] and failed > 0
            value = None if lost else float(quality[number] + moved + 0.5 * rng.standard_normal())
            yield score(name, at, value, scorer=told, **({"status": "error"} if lost else {}))


def judged_pairs(
    checkpoint: str, opponent: str, won: float, *, pairs: int = 250, day: int = 12, failed: int = 0,
) -> Iterator[Event]:  # fmt: skip
    """Pairs of two checkpoints of which a judge takes the first's in this share, none where it fails."""
    rng = np.random.default_rng((pairs, sum(checkpoint.encode())))
    for number in range(pairs):
        choice = None if number < failed else "a" if rng.random() < won else "b"
        told = {
            "pair_id": f"{checkpoint}-{opponent}-{number}",
            "judge": {"name": "judge", "kind": "model"},
            "choice": choice,
            "prompt_id": f"p{number}",
            "a": {"checkpoint": checkpoint},
            "b": {"checkpoint": opponent},
        }
        one = event("preference", START + day * DAY + dt.timedelta(seconds=number), told)
        one["data"]["choice"] = choice
        one["data"] |= {"status": "error"} if choice is None else {}
        yield one


def users_who_leave(checkpoint: str, share: float, *, day: int, users: int = 400) -> Iterator[Event]:
    """Users served on one day by a checkpoint, of whom this share says a day later that they left."""
    rng = np.random.default_rng((users, day))
    for number in range(users):
        name, at = f"{checkpoint}-{day}-{number}", START + day * DAY + dt.timedelta(seconds=number)
        yield response(name, at, checkpoint, user=f"u-{name}")
        yield outcome(at + DAY, bool(rng.random() < share), "churned", response_id=name, method="system")
