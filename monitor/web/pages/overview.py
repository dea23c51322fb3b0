"""The first page: is the loop well?"""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from consumers.database import reading
from monitor.settings import Settings
from monitor.web.change_chart import change_chart
from monitor.web.charts import Drawn, drawn
from monitor.web.rendering import render
from monitor.web.state import dashboard_of
from monitor.web.tables import csv_file
from monitor.web.views.changes import Changes, read_changes
from monitor.web.views.overview import overview

router = APIRouter(include_in_schema=False)


@router.get("/")
def show(request: Request) -> Response:
    """The state in words, then what it rests on."""
    dashboard = dashboard_of(request)
    told = overview(dashboard.engine, dashboard.settings, dashboard.clock())
    chart = drawn_changes(told.changes, dashboard.settings, "/overview.csv")
    return render(request, "overview.html", told=told, chart=chart, settings=dashboard.settings)


@router.get("/overview.csv")
def numbers(request: Request) -> Response:
    """The numbers of the drawing."""
    dashboard = dashboard_of(request)
    with reading(dashboard.engine) as connection:
        changes = read_changes(connection, dashboard.settings)
    return csv_file(changes.table, f"{dashboard.settings.loop}-changes")


def drawn_changes(changes: Changes, settings: Settings, csv: str) -> Drawn:
    """Reward against outcome, as a chart of a page."""
    names = (settings.reward.label, settings.outcome.metric)
    return drawn(lambda id_, width: change_chart(id_, changes, names, width), "changes", changes.table, csv)
