"""May the judges be trusted?"""

from typing import Any

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from monitor.judging.judge_figures import Estimate
from monitor.report.judges_html import card_body, headline, leaderboard_body
from monitor.report.judges_json import cards_json
from monitor.report.judges_words import opening_sentences
from monitor.web.charts import Drawn, drawn
from monitor.web.judge_charts import bias_chart, capture_chart
from monitor.web.pages.api import FAULTS
from monitor.web.rendering import render
from monitor.web.state import dashboard_of
from monitor.web.tables import Cell, Table, csv_file
from monitor.web.views.judges import JudgesPage, JudgeView, judges_page

router = APIRouter(include_in_schema=False)
api = APIRouter(prefix="/api/v1", responses=FAULTS)

HALF = 490.0  # pixels: two drawings stand beside each other
NONE_YET = "no cards yet: `reward-drift serve` makes them daily (serve.cards), `reward-drift judges` prints them now"


@router.get("/judges")
def show(request: Request) -> Response:
    """Every judge's card with its drawings, and the leaderboard."""
    told = _told(request)
    cards = told.cards
    return render(
        request,
        "judges.html",
        cards=cards,
        headline=headline(cards) if cards else "",
        opening=list(opening_sentences(cards)) if cards else [],
        judges=[
            (card_body(view.card, cards.teacher if cards else None), *_drawn(view, place))
            for place, view in enumerate(told.judges)
        ],
        leaderboard=leaderboard_body(cards) if cards and cards.leaderboard else None,
    )


@router.get("/judges/{place}/capture.csv")
def capture_file(request: Request, place: int) -> Response:
    """The weeks of one judge, by its place on the page."""
    view = _one(request, place)
    return csv_file(_weeks(view), f"{view.card.judge}-capture")


@router.get("/judges/{place}/habits.csv")
def habits_file(request: Request, place: int) -> Response:
    """The habits of one judge."""
    view = _one(request, place)
    return csv_file(_habits(view), f"{view.card.judge}-habits")


@api.get("/judges")
def judges(request: Request) -> dict[str, Any]:
    """What `reward-drift judges --json` prints, as last made."""
    cards = _told(request).cards
    if cards is None:
        raise HTTPException(404, NONE_YET)
    return cards_json(cards)


def _told(request: Request) -> JudgesPage:
    dashboard = dashboard_of(request)
    return judges_page(dashboard.engine, dashboard.settings)


def _one(request: Request, place: int) -> JudgeView:
    found = _told(request).judges
    if not 0 <= place < len(found):
        raise HTTPException(404, f"no judge {place}; there are {len(found)}")
    return found[place]


def _drawn(view: JudgeView, place: int) -> tuple[Drawn, Drawn]:
    card, csv = view.card, f"/judges/{place}"
    capture = drawn(
        lambda id_, width: capture_chart(id_, card.judge, view.weeks, card.whole.capture, min(width, HALF)),
        f"capture-{place}", _weeks(view), f"{csv}/capture.csv",
    )  # fmt: skip
    habits = drawn(
        lambda id_, width: bias_chart(id_, view.biases, min(width, HALF)),
        f"habits-{place}", _habits(view), f"{csv}/habits.csv",
    )  # fmt: skip
    return capture, habits


def _weeks(view: JudgeView) -> Table:
    columns = ["week from", "pairs with people", "capture", "low", "high", "pairs people and teacher differ on"]
    return Table(columns, [[week.monday, week.pairs, *_cells(week.capture)] for week in view.weeks])


def _habits(view: JudgeView) -> Table:
    columns = [f"{who} {end}" for who in ("judge", "people", "difference") for end in ("share", "low", "high", "pairs")]
    rows = [[one.cue, *_cells(one.judge), *_cells(one.people), *_cells(one.difference)] for one in view.biases]
    return Table(["takes", *columns], rows)


def _cells(found: Estimate | None) -> list[Cell]:
    return list(found) if found else [None, None, None, None]
