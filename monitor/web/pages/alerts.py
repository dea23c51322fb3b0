"""What is wrong, who has it, and what is to be done about it?"""

import datetime as dt
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Path
from pydantic import TypeAdapter, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from consumers.database import reading
from monitor.detection.state import MonitorState
from monitor.oncall import acks, silences
from monitor.report.wording import SEVERITIES
from monitor.section import Duration
from monitor.web.acting import AT_MACHINE, changing, owner_of
from monitor.web.pages.overview import drawn_changes
from monitor.web.rendering import render
from monitor.web.security.access import Needs
from monitor.web.security.visitors import Visitor
from monitor.web.state import dashboard_of
from monitor.web.tables import csv_file
from monitor.web.views.alerts import NoSuchAlert, behind_alert, list_alerts
from monitor.web.views.changes import read_changes

router = APIRouter(include_in_schema=False)
MayAck = Annotated[Visitor, Depends(Needs("ack"))]
Words = Annotated[str, Form(max_length=1000)]
Name = Annotated[str, Form(max_length=100)]
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]
DONE = {
    "acked": "It is yours now: reminders stop until it lapses.",
    "given-back": "It fires again: nobody has it.",
    "silenced": "The silence holds. Looks go on, and its end tells what still fires.",
    "spoken": "The silence is over.",
    "dismissed": "It ended, and the evidence of its slice starts anew.",
}


@router.get("/alerts")
def show_all(
    request: Request,
    state: Literal["open", "all"] = "open",
    severity: Literal["", "page", "warning", "ticket"] = "",
    check: str = "",
    done: str = "",
) -> Response:
    """Alerts, the newest first; what is chosen stands in the address."""
    dashboard = dashboard_of(request)
    told = list_alerts(
        dashboard.engine,
        dashboard.settings,
        dashboard.clock(),
        open_only=state == "open",
        severity=severity,
        check=check,
    )
    chosen = {"state": state, "severity": severity, "check": check}
    return render(request, "alerts.html", told=told, chosen=chosen, names=SEVERITIES, done=DONE.get(done, ""))


@router.get("/alerts/{number}")
def show(request: Request, number: Number, done: str = "") -> Response:
    """The page of an alert, what stands behind it, and what can be done."""
    dashboard = dashboard_of(request)
    try:
        behind = behind_alert(dashboard.engine, dashboard.settings, dashboard.clock(), number)
    except NoSuchAlert as fault:
        raise HTTPException(404, str(fault)) from None
    chart = drawn_changes(behind.changes, dashboard.settings, f"/alerts/{number}/changes.csv")
    return render(request, "alert.html", behind=behind, told=behind.told, chart=chart, done=DONE.get(done, ""))


@router.get("/alerts/{number}/changes.csv")
def numbers(request: Request, number: Number) -> Response:
    """The numbers of the alert's drawing."""
    dashboard = dashboard_of(request)
    found = next((s for s in MonitorState(dashboard.engine).episodes(dashboard.settings.loop) if s.id == number), None)
    if found is None:
        raise HTTPException(404, f"no alert {number}")
    with reading(dashboard.engine) as connection:
        changes = read_changes(connection, dashboard.settings, found.episode.slice_name)
    return csv_file(changes.table, f"{dashboard.settings.loop}-alert-{number}")


@router.post("/alerts/{number}/ack")
def ack(
    request: Request,
    number: Number,
    visitor: MayAck,
    note: Words = "",
    by: Name = "",
    length: Annotated[str, Form()] = "",
) -> Response:
    """Take it."""
    dashboard = dashboard_of(request)
    with changing(dashboard) as connection:
        taken = dashboard.settings.loop, number, owner_of(visitor, by), note, dashboard.clock()
        acks.ack(connection, *taken, _length(length))
    return _back(f"/alerts/{number}", "acked")


@router.post("/alerts/{number}/unack")
def unack(request: Request, number: Number, visitor: MayAck, by: Name = "") -> Response:
    """Give it back."""
    dashboard = dashboard_of(request)
    with changing(dashboard) as connection:
        acks.unack(connection, dashboard.settings.loop, number, owner_of(visitor, by or AT_MACHINE), dashboard.clock())
    return _back(f"/alerts/{number}", "given-back")


@router.post("/alerts/{number}/dismiss")
def dismiss(request: Request, number: Number, visitor: MayAck, reason: Words, by: Name = "") -> Response:
    """It leads to nothing: end it, and count it against precision."""
    dashboard = dashboard_of(request)
    said = f"{reason.strip()} ({owner_of(visitor, by)})"
    if not reason.strip():
        raise HTTPException(422, "a dismissal needs a reason")
    MonitorState(dashboard.engine).resolve(dashboard.settings.loop, number, "dismissed", said, dashboard.clock())
    with changing(dashboard):
        pass  # what the decision brought about is told
    return _back(f"/alerts/{number}", "dismissed")


@router.post("/silences")
def silence(
    request: Request,
    visitor: MayAck,
    matcher: Annotated[str, Form(max_length=2000)],
    length: Annotated[str, Form(max_length=20)],
    reason: Words,
    by: Name = "",
) -> Response:
    """Mute what matches, for a while."""
    dashboard = dashboard_of(request)
    wanted, chosen = silences.parse_matcher(matcher.splitlines()), _length(length)
    if chosen is None:
        raise HTTPException(422, "say for how long, as 12h or 3d")
    with changing(dashboard) as connection:
        said = owner_of(visitor, by), reason, dashboard.clock(), chosen
        silences.add_silence(connection, dashboard.settings.loop, wanted, *said)
    return _back("/alerts", "silenced")


@router.post("/silences/{number}/end")
def end_silence(request: Request, number: Number, visitor: MayAck) -> Response:
    """Let it be told again."""
    dashboard = dashboard_of(request)
    with changing(dashboard) as connection:
        silences.end_silence(connection, dashboard.settings.loop, number, dashboard.clock())
    return _back("/alerts", "spoken")


def _length(text: str) -> dt.timedelta | None:
    """A duration, None for nothing. Raises HTTPException."""
    if not text.strip():
        return None
    try:
        return TypeAdapter(Duration).validate_python(text.strip())
    except ValidationError:
        raise HTTPException(422, f"{text[:40]!r}: write a duration such as 30m, 4h or 2d") from None


def _back(path: str, done: str) -> Response:
    return RedirectResponse(f"{path}?done={done}", 303)
