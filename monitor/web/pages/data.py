"""What did not get in, and what is missing?"""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from monitor.web.rendering import render
from monitor.web.state import dashboard_of
from monitor.web.tables import Cell, Table, csv_file
from monitor.web.views.data import data_told

router = APIRouter(include_in_schema=False)


@router.get("/data")
def show(request: Request) -> Response:
    """Rejected events, gaps, and how far sources were read."""
    dashboard = dashboard_of(request)
    return render(request, "data.html", told=data_told(dashboard.engine, dashboard.settings, dashboard.clock()))


@router.get("/data.csv")
def numbers(request: Request) -> Response:
    """Reasons of rejected events, as a file."""
    dashboard = dashboard_of(request)
    told = data_told(dashboard.engine, dashboard.settings, dashboard.clock())
    rows: list[list[Cell]] = [
        [one.reason, one.number, one.newest.isoformat(timespec="seconds")] for one in told.reasons
    ]
    return csv_file(Table(["reason", "waiting", "newest"], rows), f"{dashboard.settings.loop}-rejected")
