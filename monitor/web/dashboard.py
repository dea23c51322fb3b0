"""What are the pages for people, and what stands before them?"""

from fastapi import FastAPI

from monitor.detection.state import MonitorState
from monitor.serving.lease import migrated as with_serving
from monitor.web import static
from monitor.web.faults import Faults, answer_faults
from monitor.web.pages import alerts, api, checkpoint, compare, data, feedback, gate, judges, login, overview
from monitor.web.security.attempts import Attempts
from monitor.web.security.guard import Guard
from monitor.web.security.headers import Headers
from monitor.web.security.tokens import migrated as with_tokens
from monitor.web.security.visitors import Doorkeeper
from monitor.web.state import Dashboard

OPENAPI = "/api/v1/openapi.json"
ROUTERS = (
    static.router,
    login.router,
    overview.router,
    alerts.router,
    checkpoint.router,
    compare.router,
    judges.router,
    feedback.router,
    gate.router,
    data.router,
    api.router,
    checkpoint.api,
    compare.api,
    judges.api,
    feedback.api,
    gate.api,
)


def add_dashboard(app: FastAPI, dashboard: Dashboard) -> None:
    """Add every page, and what a request passes before it: headers, faults, guard. Migrates the tables they read."""
    MonitorState(with_tokens(with_serving(dashboard.engine)))
    app.state.dashboard, app.state.attempts = dashboard, Attempts()
    for router in ROUTERS:
        app.include_router(router)
    answer_faults(app)
    door = Doorkeeper(dashboard.engine, dashboard.clock, dashboard.settings.web, dashboard.needs_login)
    app.add_middleware(Guard, doorkeeper=door)
    app.add_middleware(Faults)
    app.add_middleware(Headers)
