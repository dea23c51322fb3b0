"""Did reward and outcome move together, for whom, and are we past the peak?"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from monitor.check import Interval
from monitor.report.quadrant_chart import quadrant_chart
from monitor.report.wording import slice_name
from monitor.result import plain_json
from monitor.web.charts import Drawn, drawn
from monitor.web.curve_chart import curve_chart
from monitor.web.pages.api import FAULTS
from monitor.web.rendering import render
from monitor.web.state import dashboard_of
from monitor.web.tables import Cell, Table, csv_file
from monitor.web.views.compare import ComparePage, CurveView, compare_page
from monitor.web.views.served import Change, UnknownCheckpoint

router = APIRouter(include_in_schema=False)
api = APIRouter(prefix="/api/v1", responses=FAULTS)

HEIGHT = 440.0  # pixels of a quadrant
REWARDS = {1: "reward up", -1: "reward down", 0: "no change of the reward shown", None: "reward unknown"}
OUTCOMES = {
    1: "people better off",
    -1: "people worse off",
    0: "no change of the outcome shown",
    None: "outcome unknown",
}
MOVED = ["reward change", "reward low", "reward high", "outcome change", "outcome low", "outcome high", "units"]


@dataclass(frozen=True)
class Dot:
    """One row of a quadrant. checkpoint: what it is called there."""

    checkpoint: str
    reward_change: Interval
    outcome_change: Interval


@router.get("/compare")
def show(request: Request, checkpoint: str | None = None) -> Response:
    """The quadrant of checkpoints, that of one checkpoint's cohorts, and the curve."""
    told = _told(request, checkpoint)
    query = urlencode({"checkpoint": told.chosen.checkpoint} if told.chosen else {})
    return render(
        request,
        "compare.html",
        told=told,
        checkpoints=_quadrant("checkpoints", by_checkpoint(told), "checkpoint", "/compare/checkpoints.csv"),
        cohorts=_quadrant("cohorts", by_cohort(told.cohorts), "cohort", f"/compare/cohorts.csv?{query}"),
        curve=_curve(told.curve) if told.curve else None,
        is_shown=is_shown,
        moved_in_words=moved_in_words,
    )


@router.get("/compare/checkpoints.csv")
def checkpoints_file(request: Request) -> Response:
    """The numbers of the first quadrant."""
    return _file(request, "checkpoints", moved_table("checkpoint", by_checkpoint(_told(request, None))))


@router.get("/compare/cohorts.csv")
def cohorts_file(request: Request, checkpoint: str | None = None) -> Response:
    """The numbers of the second."""
    return _file(request, "cohorts", moved_table("cohort", by_cohort(_told(request, checkpoint).cohorts)))


@router.get("/compare/curve.csv")
def curve_file(request: Request) -> Response:
    """The numbers of the curve."""
    curve = _told(request, None).curve
    return _file(request, "curve", _curve_table(curve) if curve else Table(["checkpoint"], []))


@api.get("/compare")
def compare(request: Request, checkpoint: str | None = None) -> dict[str, Any]:
    """Changes of every checkpoint against the reference, one checkpoint's cohorts, and the curve."""
    found: dict[str, Any] = plain_json(asdict(_told(request, checkpoint)))
    return found


def by_checkpoint(told: ComparePage) -> list[tuple[str, Change]]:
    """Names and changes over all traffic, in order of service."""
    return [(one.checkpoint, one.whole) for one in told.services]


def by_cohort(cohorts: Sequence[Change]) -> list[tuple[str, Change]]:
    """Names and changes of a checkpoint's cohorts."""
    return [(slice_name(one.slice), one) for one in cohorts]


def moved_table(of: str, rows: Sequence[tuple[str, Change]]) -> Table:
    """The numbers of a quadrant; changes are shares of one."""
    return Table([of, *MOVED], [[name, *_cells(change)] for name, change in rows])


def moved_in_words(change: Change) -> str:
    """What happened to both, as far as it is told apart from nothing."""
    reward, outcome = _direction(change.reward), _direction(change.outcome)
    if (reward, outcome) == (0, 0):
        return "no change shown"
    gaming = " (gaming)" if (reward, outcome) == (1, -1) else ""
    return f"{REWARDS[reward]}, {OUTCOMES[outcome]}{gaming}"


def is_shown(interval: Interval) -> bool:
    """Whether a change is told apart from none."""
    return interval.low is not None and interval.high is not None and not interval.low <= 0.0 <= interval.high


def _direction(interval: Interval) -> int | None:
    """1 up, -1 down, 0 not told apart from none, None unknown."""
    if interval.value is None:
        return None
    return (1 if interval.value > 0 else -1) if is_shown(interval) else 0


def _told(request: Request, checkpoint: str | None) -> ComparePage:
    dashboard = dashboard_of(request)
    try:
        return compare_page(dashboard.engine, dashboard.settings, checkpoint)
    except UnknownCheckpoint as fault:
        raise HTTPException(404, str(fault)) from None


def _quadrant(name: str, rows: Sequence[tuple[str, Change]], of: str, csv: str) -> Drawn:
    dots = [_dot(*row) for row in rows]

    def draw(id_: str, width: float) -> Any:
        return quadrant_chart(id_, dots, [], width, HEIGHT, of)

    return drawn(draw, name, moved_table(of, rows), csv)


def _dot(name: str, change: Change) -> Dot:
    return Dot(name, change.reward, change.outcome)


def _curve(curve: CurveView) -> Drawn:
    return drawn(lambda id_, width: curve_chart(id_, curve, width), "curve", _curve_table(curve), "/compare/curve.csv")


def _curve_table(curve: CurveView) -> Table:
    columns = ["checkpoint", curve.kind or "distance", "outcome change", "outcome low", "outcome high", "units"]
    return Table(columns, [[p.checkpoint, p.distance, *_ends(p.outcome), p.n] for p in curve.points])


def _cells(change: Change) -> list[Cell]:
    return [*_ends(change.reward), *_ends(change.outcome), change.units]


def _ends(interval: Interval) -> list[Cell]:
    return [interval.value, interval.low, interval.high]


def _file(request: Request, name: str, table: Table) -> Response:
    return csv_file(table, f"{dashboard_of(request).settings.loop}-{name}")
