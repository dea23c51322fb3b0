"""The versioned API: what the commands print as JSON, for programs. To change something takes a token."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from starlette.exceptions import HTTPException
from starlette.requests import Request

from consumers.database import reading
from monitor.detection.state import MonitorState
from monitor.gate.records import read_records, record_told
from monitor.oncall import acks, silences
from monitor.oncall.episodes import read_episodes
from monitor.oncall.plain import silence_row
from monitor.oncall.silences import Silence
from monitor.result import plain_json
from monitor.section import Duration
from monitor.serving.plain import schedule_told
from monitor.standing import read_standing
from monitor.web.acting import changing
from monitor.web.security.access import Needs
from monitor.web.security.visitors import Visitor
from monitor.web.state import dashboard_of
from monitor.web.views.alerts import NoSuchAlert, behind_alert, list_alerts

FAULTS: dict[int | str, dict[str, Any]] = {
    400: {"description": "Reached under a name that is none of ours"},
    401: {"description": "No token, or one that is over"},
    403: {"description": "The token has another scope"},
    404: {"description": "There is no such alert"},
    408: {"description": "The request did not end in time"},
    409: {"description": "It cannot be done now; the message says why"},
    413: {"description": "The request is too long"},
    422: {"description": "The request cannot be read as what it should be"},
    429: {"description": "Too many requests"},
}
router = APIRouter(prefix="/api/v1", responses=FAULTS)
MayAck = Annotated[Visitor, Depends(Needs("ack"))]
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]
Key = Annotated[str, Field(pattern=r"^[^=]+$")]
Words = Annotated[str, Field(min_length=1, max_length=1000, pattern=r"\S")]
Length = Annotated[Duration, WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?[mhdw]$", "examples": ["4h"]})]


class Body(BaseModel):
    """What is sent; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid")


class Ack(Body):
    """note: what is being done. for: how long, as 4h."""

    note: Annotated[str, Field(max_length=1000)] = ""
    length: Annotated[Length | None, Field(alias="for")] = None


class Muting(Body):
    """matcher: key of a slice, or check, family, severity -> value. dry_run: only tell what it would match."""

    matcher: Annotated[dict[Key, Words], Field(min_length=1, max_length=20)]
    length: Annotated[Length, Field(alias="for")]
    reason: Words
    dry_run: bool = False


class Dismissal(Body):
    """reason: why it leads to nothing."""

    reason: Words


@router.get("/status")
def status(request: Request) -> dict[str, Any]:
    """As of `reward-drift status --json`, but for what is counted over the whole store."""
    dashboard = dashboard_of(request)
    with reading(dashboard.engine) as connection:
        standing = read_standing(connection, dashboard.settings, dashboard.clock())
    freeze = dashboard.freeze()
    return {**standing.to_dict(), "freeze": freeze.to_dict() if freeze else None}


@router.get("/alerts")
def alerts(request: Request, state: Literal["open", "all"] = "all") -> dict[str, Any]:
    """As of `reward-drift alerts list --json`: at most 200, the newest first; and the silences that hold."""
    dashboard = dashboard_of(request)
    told = list_alerts(dashboard.engine, dashboard.settings, dashboard.clock(), open_only=state == "open")
    return {"alerts": told.rows, "more": told.more, "silences": told.silences}


@router.get("/alerts/{number}")
def alert(request: Request, number: Number) -> dict[str, Any]:
    """As of `reward-drift alerts show --json`."""
    dashboard = dashboard_of(request)
    try:
        return behind_alert(dashboard.engine, dashboard.settings, dashboard.clock(), number).told
    except NoSuchAlert as fault:
        raise HTTPException(404, str(fault)) from None


@router.post("/alerts/{number}/ack")
def ack(request: Request, number: Number, visitor: MayAck, body: Ack) -> dict[str, Any]:
    """Take an alert in the name of the token."""
    dashboard, loop = dashboard_of(request), dashboard_of(request).settings.loop
    length = body.length
    with changing(dashboard) as connection:
        until = acks.ack(connection, loop, number, visitor.name, body.note, dashboard.clock(), length)
    return {"id": number, "state": "acked", "owner": visitor.name, "until": plain_json(until)}


@router.post("/alerts/{number}/dismiss")
def dismiss(request: Request, number: Number, visitor: MayAck, body: Dismissal) -> dict[str, Any]:
    """End an alert that leads to nothing."""
    dashboard, loop = dashboard_of(request), dashboard_of(request).settings.loop
    note = f"{body.reason.strip()} ({visitor.name})"
    MonitorState(dashboard.engine).resolve(loop, number, "dismissed", note, dashboard.clock())
    with changing(dashboard):
        pass  # what the decision brought about is told
    return {"id": number, "decision": "dismissed", "note": note}


@router.post("/silences")
def silence(request: Request, visitor: MayAck, body: Muting) -> dict[str, Any]:
    """Mute notifications of what matches; the answer tells what it matches now."""
    dashboard, now = dashboard_of(request), dashboard_of(request).clock()
    loop, length = dashboard.settings.loop, body.length
    wanted = silences.parse_matcher(f"{key}={value}" for key, value in body.matcher.items())
    with changing(dashboard) as connection:
        trial = Silence(0, wanted, visitor.name, body.reason, now, now + length)
        matched = [one.id for one in read_episodes(connection, loop) if one.is_open and trial.mutes(one)]
        given = wanted, visitor.name, body.reason, now, length
        made = trial if body.dry_run else silences.add_silence(connection, loop, *given)
    return {**silence_row(made, now), "id": made.id or None, "matches_now": matched}


@router.get("/gate/records")
def gate_records(request: Request, limit: Annotated[int, Query(ge=1, le=500)] = 50) -> dict[str, Any]:
    """As of `reward-drift gate records --json`, the newest last; one that was edited has `as_written` false."""
    dashboard = dashboard_of(request)
    records = read_records(dashboard.engine, dashboard.settings.loop)[-limit:]
    return {"records": [record_told(one) for one in records]}


@router.get("/schedule")
def schedule(request: Request, runs: Annotated[int, Query(ge=0, le=500)] = 0) -> dict[str, Any]:
    """As of `reward-drift schedule --json`."""
    dashboard = dashboard_of(request)
    return schedule_told(dashboard.engine, dashboard.settings, runs)
