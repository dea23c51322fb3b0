"""The first page: is the loop well?"""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from monitor.web.rendering import render
from monitor.web.state import dashboard_of
from monitor.web.views.overview import overview

router = APIRouter(include_in_schema=False)


@router.get("/")
def show(request: Request) -> Response:
    """The state in words, then what it rests on."""
    dashboard = dashboard_of(request)
    return render(request, "overview.html", told=overview(dashboard.engine, dashboard.settings, dashboard.clock()))
