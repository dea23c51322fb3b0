"""What must a gate have seen, and how sure must it be?"""

import datetime as dt
from typing import Annotated

from pydantic import Field, FiniteFloat

from monitor.section import Duration, Name, Section

SliceName = Annotated[str, Field(pattern=r"^[^=]+=.+$")]


class GateSettings(Section):
    """What the weekly go/no-go asks.

    required: checks without which it cannot say GO; none named: reward against outcome, and the capability contract's.
    protected: slices (`tier=enterprise`) that must pass each; none named: every cohort value with enough units.
    alpha: chance of a wrong GO, and of a wrong NO-GO, each over everything that was looked at. anytime: keep it over
    all decisions about one candidate, however often it is asked: the k-th may spend alpha / (k (k + 1)).
    cohort_tolerance: the most that one cohort may lose; none: the check's own. cohort_spread: declared, how far any
    cohort may lie from the average of all, so that they may borrow from each other; none: each is told by its own.
    rollback: how long the checkpoint before must stay servable. contract: the capability contract's file, beside this
    one. max_age: the oldest that the newest evidence may be.
    """

    required: tuple[Name, ...] = ()
    protected: tuple[SliceName, ...] = ()
    alpha: Annotated[FiniteFloat, Field(gt=0, lt=0.5)] = 0.05
    anytime: bool = False
    cohort_tolerance: Annotated[FiniteFloat, Field(ge=0, lt=1)] | None = None
    cohort_spread: Annotated[FiniteFloat, Field(ge=0, lt=1)] | None = None
    rollback: Duration = dt.timedelta(days=30)
    max_age: Duration = dt.timedelta(days=90)
    contract: Name | None = None
