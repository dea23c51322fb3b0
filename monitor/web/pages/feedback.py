"""What was feedback good for, and which labels left?"""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from monitor.report.bars import split_bar
from monitor.result import plain_json
from monitor.web.charts import drawn
from monitor.web.pages.api import FAULTS
from monitor.web.purpose_chart import purpose_chart
from monitor.web.rendering import render
from monitor.web.state import dashboard_of
from monitor.web.tables import Table, csv_file
from monitor.web.views.feedback import PURPOSES, STORM, WINDOWS, FeedbackPage, feedback_page

router = APIRouter(include_in_schema=False)
api = APIRouter(prefix="/api/v1", responses=FAULTS)

Days = Annotated[int, Query(ge=1, le=WINDOWS[-1])]


@router.get("/feedback")
def show(request: Request, days: Days = WINDOWS[1]) -> Response:
    """The split by day, the rules behind it, storms, and what left."""
    told = _told(request, days)
    return render(
        request,
        "feedback.html",
        told=told,
        windows=WINDOWS,
        storm=STORM,
        bar=split_bar([(f"part {purpose}", told.totals[purpose]) for purpose in PURPOSES]),
        chart=drawn(
            lambda id_, width: purpose_chart(id_, told.days, width), "feedback", _days(told),
            f"/feedback/days.csv?days={days}",
        ),
    )  # fmt: skip


@router.get("/feedback/days.csv")
def days_file(request: Request, days: Days = WINDOWS[1]) -> Response:
    """The numbers of the drawing."""
    return csv_file(_days(_told(request, days)), f"{dashboard_of(request).settings.loop}-feedback")


@api.get("/feedback")
def feedback(request: Request, days: Days = WINDOWS[1]) -> dict[str, Any]:
    """The split by day, rules, storms and exports."""
    found: dict[str, Any] = plain_json(asdict(_told(request, days)))
    return found


def _told(request: Request, days: int) -> FeedbackPage:
    dashboard = dashboard_of(request)
    return feedback_page(dashboard.engine, dashboard.settings, dashboard.clock, days)


def _days(told: FeedbackPage) -> Table:
    return Table(["day", *PURPOSES], [[one.day, one.curation, one.reward, one.debugging] for one in told.days])
