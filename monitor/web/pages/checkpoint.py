"""Which checkpoints are there, and what is known of one?"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from monitor.report import bars
from monitor.result import plain_json
from monitor.web.pages.api import FAULTS
from monitor.web.pages.compare import by_cohort, is_shown, moved_in_words, moved_table
from monitor.web.rendering import render
from monitor.web.state import dashboard_of
from monitor.web.tables import Table, csv_file
from monitor.web.views.checkpoint import CheckpointPage, Row, checkpoint_list, checkpoint_page
from monitor.web.views.served import Change, UnknownCheckpoint

router = APIRouter(include_in_schema=False)
api = APIRouter(prefix="/api/v1", responses=FAULTS)

COLUMNS = ["checkpoint", "role", "stage", "first day", "last day", "units"]
CHANGES = ["reward change", "reward low", "reward high", "outcome change", "outcome low", "outcome high"]


@router.get("/checkpoint")
def show(request: Request, name: str | None = None) -> Response:
    """All of them, or the one that is named."""
    if name is None:
        rows = _rows(request)
        return render(
            request,
            "checkpoints.html",
            rows=rows,
            reach=_reach([row.service.whole for row in rows if row.service]),
            bars=bars,
            moved_in_words=moved_in_words,
        )
    told = _one(request, name)
    return render(
        request,
        "checkpoint.html",
        told=told,
        reach=_reach(told.cohorts),
        bars=bars,
        is_shown=is_shown,
        moved_in_words=moved_in_words,
    )


@router.get("/checkpoint/list.csv")
def list_file(request: Request) -> Response:
    """The list as numbers; changes are shares of one."""
    table = Table([*COLUMNS, *CHANGES], [_cells(row) for row in _rows(request)])
    return csv_file(table, f"{dashboard_of(request).settings.loop}-checkpoints")


@router.get("/checkpoint/cohorts.csv")
def cohorts_file(request: Request, name: str) -> Response:
    """One checkpoint's cohorts as numbers."""
    return csv_file(moved_table("cohort", by_cohort(_one(request, name).cohorts)), f"{name}-cohorts")


@api.get("/checkpoints")
def checkpoints(request: Request) -> list[dict[str, Any]]:
    """Every checkpoint, the newest first."""
    found: list[dict[str, Any]] = plain_json([asdict(row) for row in _rows(request)])
    return found


@api.get("/checkpoints/one")
def checkpoint(request: Request, name: str) -> dict[str, Any]:
    """Everything known of one."""
    found: dict[str, Any] = plain_json(asdict(_one(request, name)))
    return found


def _rows(request: Request) -> list[Row]:
    dashboard = dashboard_of(request)
    return checkpoint_list(dashboard.engine, dashboard.settings)


def _one(request: Request, name: str) -> CheckpointPage:
    dashboard = dashboard_of(request)
    try:
        return checkpoint_page(dashboard.engine, dashboard.settings, name)
    except UnknownCheckpoint as fault:
        raise HTTPException(404, str(fault)) from None


def _reach(changes: Sequence[Change]) -> float:
    """The scale on which all of these changes can be shown beside each other."""
    return bars.common_reach([interval for one in changes for interval in (one.reward, one.outcome)])


def _cells(row: Row) -> list[Any]:
    service = row.service
    named = [row.told.checkpoint, row.role, row.told.stage]
    if service is None:
        return [*named, None, None, 0, *[None] * len(CHANGES)]
    moved = [end for one in (service.whole.reward, service.whole.outcome) for end in (one.value, one.low, one.high)]
    return [*named, service.first, service.last, service.whole.units, *moved]
