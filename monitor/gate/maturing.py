"""Why is there nothing to compare yet: did a checkpoint not answer, is it too early, or did nobody tell an outcome?"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from sqlalchemy import text

from monitor.check import Verdict
from monitor.gate.causes import OF_OUTCOMES
from monitor.gate.result import GateFinding
from monitor.gate.trial import Trial
from monitor.production.baseline import NEVER_US
from monitor.production.items import DAY_US, date_of, day_of, microseconds

WAITING = """
    SELECT COUNT(*) AS answers, MIN(time_us) AS first, MAX(time_us) AS last FROM response
    WHERE environment = 'production' AND checkpoint = :checkpoint AND time_us >= :since AND time_us < :until
      AND {key} IS NOT NULL
"""
GIVEN = """
    SELECT COUNT(*) AS answers, COUNT({key}) AS named FROM response
    WHERE environment = 'production' AND checkpoint = :checkpoint AND time_us >= :since AND time_us < :until
"""

AS_EVENTS_SAY = {"user_id": "user"}


@dataclass(frozen=True)
class Waiting:
    """Answers of a checkpoint whose outcome is not due yet: how many at most, by when the first and all have matured.

    The days are those on which a gate sees them; None where no answer waits.
    """

    answers: int
    first: dt.date | None = None
    last: dt.date | None = None


def waiting(trial: Trial, checkpoint: str) -> Waiting:
    """What of a checkpoint's production may still mature."""
    wait = trial.settings.wait // dt.timedelta(microseconds=1)
    bounds = {"since": day_of(trial.as_of) * DAY_US - wait, "until": microseconds(trial.as_of)}
    with trial.engine.connect() as connection:
        query = text(WAITING.format(key=trial.items.subject))
        found = connection.execute(query, {"checkpoint": checkpoint, **bounds}).one()
    if not found.answers:
        return Waiting(0)
    first, last = (date_of((int(time) + wait) // DAY_US + 1) for time in (found.first, found.last))
    return Waiting(int(found.answers), first, last)


def explained(trial: Trial, findings: Sequence[GateFinding]) -> list[GateFinding]:
    """Findings; those of production without data tell what a checkpoint without outcomes lacks, and when it comes."""
    why = "; ".join(_lacks(trial))
    return [_with(one, why) if why and _has_no_data(one) else one for one in findings]


def still_to_come(trial: Trial) -> str:
    """What of the candidate's production is still to mature, in words; "" where nothing is, or none has matured yet."""
    units, _ = _matured(trial, "monitored")
    later = waiting(trial, trial.candidate)
    if not units or not later.answers:
        return ""
    return (
        f"{units:,} units of {trial.candidate} have matured; up to {later.answers:,} more answers are within the"
        f" {_days(trial.settings.wait)} that their outcome may take, and all are through by {later.last}"
    )


def _lacks(trial: Trial) -> Iterator[str]:
    for name, role in ((trial.candidate, "monitored"), (trial.reference, "reference")):
        units, told = _matured(trial, role)
        if not told:
            yield f"{name} {_state(trial, name, units)}"


def _matured(trial: Trial, role: str) -> tuple[int, int]:
    """Matured units of one side, and those of them with an outcome."""
    mine = trial.roles == role
    units, told = trial.items.frame["unit"], ~np.isnan(trial.outcomes)
    return int(units[mine].nunique()), int(units[mine & told].nunique())


def _state(trial: Trial, name: str, units: int) -> str:
    if units:
        return f"has {units:,} matured units, none with an outcome {trial.settings.outcome.metric}"
    later = waiting(trial, name)
    if later.first is None:
        return _without_units(trial, name)
    return (
        f"has 0 units matured: {later.answers:,} answers wait {_days(trial.settings.wait)} each for their outcome,"
        f" the first are through on {later.first}, all on {later.last}; run the gate again then"
    )


def _without_units(trial: Trial, name: str) -> str:
    """What of a checkpoint's production is there although no unit of it is, now or soon."""
    during = "" if trial.stage == "offline" else f" while {trial.candidate} served"
    key, window = trial.items.subject, trial.baseline.window
    start, end = (window.start_us, window.end_us) if name == trial.reference else (0, NEVER_US)
    bounds = {"since": start, "until": min(end, microseconds(trial.as_of))}
    with trial.engine.connect() as connection:
        given = connection.execute(text(GIVEN.format(key=key)), {"checkpoint": name, **bounds}).one()
    if not given.answers:
        return f"has no answer in production{during}"
    count = f"has {given.answers:,} answer{'s' * (given.answers != 1)} in production{during}"
    field = AS_EVENTS_SAY.get(key, key)
    if not given.named:
        return f"{count}, none names the {field} that outcomes name"
    return f"{count}, none of them stands for a {field} that outcomes may name"


def _has_no_data(one: GateFinding) -> bool:
    return one.verdict is Verdict.INCONCLUSIVE and not one.n and one.check in OF_OUTCOMES and bool(one.needs)


def _with(one: GateFinding, why: str) -> GateFinding:
    needs = f"{one.needs}; {why}"
    return replace(one, needs=needs, message=one.message.replace(one.needs, needs))


def _days(length: dt.timedelta) -> str:
    days = length / dt.timedelta(days=1)
    return f"{days:g} day" if days == 1 else f"{days:g} days"
