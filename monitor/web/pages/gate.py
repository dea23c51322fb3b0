"""What did gates decide, and why?"""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from monitor.gate.records import ANY, UnknownRecord
from monitor.gate.result import Decision
from monitor.report.gate_html import LOOKS, gate_body, gate_html
from monitor.snapshot import slice_name
from monitor.web.pages.api import FAULTS
from monitor.web.rendering import render
from monitor.web.state import dashboard_of
from monitor.web.tables import Cell, Table, csv_file
from monitor.web.views.gate import GateList, GatePage, gate_list, gate_page

router = APIRouter(include_in_schema=False)
api = APIRouter(prefix="/api/v1", responses=FAULTS)

Number = Annotated[int, Path(ge=1, le=ANY)]
Before = Annotated[int, Query(ge=1, le=ANY)]
VERDICTS = {Decision.GO.value: "pass", Decision.NO_GO.value: "fail", Decision.INCONCLUSIVE.value: "inconclusive"}
COLUMNS = ["check", "slice", "verdict", "required", "blocks", "effect", "low", "high", "allowed", "units", "needed"]


@router.get("/gate")
def show_all(request: Request, before: Before = ANY) -> Response:
    """Records, the newest first; those below a number with `before`."""
    told = _list(request, before)
    return render(request, "gates.html", told=told, verdicts=VERDICTS, is_first=before == ANY)


@router.get("/gate/{number}")
def show(request: Request, number: Number) -> Response:
    """One record, in the words of the gate's own report."""
    told = _one(request, number)
    look = LOOKS[told.report.decision] if told.report else ""
    body = partial(gate_body, told.report) if told.report else None
    return render(request, "gate.html", told=told, body=body, look=look, verdicts=VERDICTS)


@router.get("/gate/{number}/findings.csv")
def findings_file(request: Request, number: Number) -> Response:
    """The numbers of the drawing, and of every other finding."""
    report = _one(request, number).record.report
    return csv_file(Table(COLUMNS, [_cells(one) for one in report["findings"]]), f"gate-{number}-findings")


@router.get("/gate/{number}/report.html")
def report_file(request: Request, number: Number) -> Response:
    """The report as a file that needs nothing else."""
    told = _one(request, number)
    if told.report is None:
        raise HTTPException(404, f"record {number} is in the shape of another release")
    headers = {"content-disposition": f'attachment; filename="gate-{number}.html"'}
    return Response(gate_html(told.report), media_type="text/html; charset=utf-8", headers=headers)


@api.get("/gate/records/{number}")
def record(request: Request, number: Number) -> dict[str, Any]:
    """What `reward-drift gate --json` printed."""
    return dict(_one(request, number).record.report)


def _list(request: Request, before: int) -> GateList:
    dashboard = dashboard_of(request)
    return gate_list(dashboard.engine, dashboard.settings, before)


def _one(request: Request, number: int) -> GatePage:
    dashboard = dashboard_of(request)
    try:
        told = gate_page(dashboard.engine, dashboard.settings, number)
    except UnknownRecord as fault:
        raise HTTPException(404, str(fault)) from None
    if not told.record.as_written:
        raise HTTPException(409, f"record {number} is not as it was written, so it decides nothing: {told.verify}")
    return told


def _cells(one: Mapping[str, Any]) -> list[Cell]:
    effect = [one["effect"][end] for end in ("value", "low", "high")]
    words = ["yes" if one[name] else "no" for name in ("required", "blocks")]
    return [one["check"], slice_name(one["slice"]), one["verdict"], *words, *effect, one["tolerance"], one["n"],
            one["n_needed"]]  # fmt: skip
