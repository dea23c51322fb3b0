"""If the candidate turned out badly, could the checkpoint before it serve again at once?"""

import datetime as dt
from collections.abc import Iterator, Sequence
from itertools import takewhile

import numpy as np

from monitor.check import Measurement, check
from monitor.gate.artefacts import Found, Told, found_of, newest, read_told
from monitor.gate.trial import Trial
from monitor.production.items import EPOCH

HAS_SERVED = ("serving", "reference")
OPTION = "`--artifact reference=FOLDER`, or "
REACH = "the sealed folder of {name}, where this machine can read it: {option}`artifact` in its checkpoint event{why}"


@check(family="governance", on={"gate"}, severity="warning")
def rollback_readiness(snapshot: Trial, *, tolerance: float = 0.0) -> Iterator[Measurement]:
    """Yield a census of what a roll-back needs: for the reference, and for the last to serve where that is another.

    Effects: shape (demands,), 1 where one is not met: it was not retired, or less than `gate.rollback` ago; its sealed
    folder is there, byte for byte. A folder that is out of reach from this machine: no effects, unless it was retired
    for longer. Exact: no interval. Tolerance: share of demands. Raises nothing.
    Source: Sculley et al. 2015, "Hidden technical debt in machine learning systems" (models that cannot be put back).
    """
    told = read_told(snapshot.engine, snapshot.as_of)
    before = _last_to_serve(told, snapshot.candidate)
    for name in dict.fromkeys([snapshot.reference, *([before] if before else [])]):
        part = {} if name == snapshot.reference else {"checkpoint": name}
        retired = _retired_too_long(snapshot, told, name)
        found = found_of(snapshot, told, name)
        reached = [] if found is None or found.is_unknown else [_changed(found, newest(told, name, "sha256"))]
        known = [retired, *reached] if retired or reached else []
        yield Measurement(
            part,
            np.array([float(bool(fault)) for fault in known]),
            tolerance,
            exact=True,
            needs="" if known else _reach(name, found, is_reference=not part),
            note="; ".join(fault for fault in known if fault),
        )


def _last_to_serve(told: Sequence[Told], candidate: str) -> str | None:
    """The checkpoint that was last told to serve, the candidate left out."""
    served = (one.checkpoint for one in reversed(told) if one.stage in HAS_SERVED and one.checkpoint != candidate)
    return next(served, None)


def _retired_too_long(trial: Trial, told: Sequence[Told], name: str) -> str:
    staged = [one for one in told if one.checkpoint == name and one.stage]
    if not staged or staged[-1].stage != "retired":
        return ""
    *_, since = takewhile(lambda one: one.stage == "retired", reversed(staged))
    ago = trial.as_of - (EPOCH + dt.timedelta(microseconds=since.time_us))
    window = trial.settings.gate.rollback
    return f"{name} was retired {ago.days} days ago, more than {window.days}" if ago > window else ""


def _changed(found: Found, digest: str | None) -> str:
    """What is wrong with its folder; "" if nothing is."""
    if found.manifest is None:
        return found.why
    as_told = digest is None or digest in found.weights
    return "" if as_told else f"{found.folder} has digest {found.digest}, told was {digest}"


def _reach(name: str, found: Found | None, is_reference: bool) -> str:
    why = f" ({found.why})" if found else ""
    return REACH.format(name=name, option=OPTION if is_reference else "", why=why)
