"""Are the pages of checkpoints, comparisons, judges, feedback and gates whole in a real browser, full and empty?"""

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from consumers.export import export_labels
from consumers.health import Address
from consumers.store import EventStore
from judges.preference import read_preferences
from monitor.commands.dashboard import Looking
from monitor.gate.records import read_record, write_record
from monitor.judging.judge_card import judge_cards
from monitor.production.items import microseconds
from monitor.report.judges_json import cards_json
from monitor.telling.kept_cards import read_cards, save_cards
from monitor.telling.purpose_days import keep_purpose_days
from monitor.web.app import create_app
from monitor.web.server import answering
from monitor.web.state import Dashboard
from tests.browser import FILELESS, chromium, opened
from tests.end_to_end.test_gate_in_browser import FAINT
from tests.end_to_end.test_report_in_browser import CLIPPED, OVERLAPS
from tests.hostile_texts import HOSTILE
from tests.monitor.events import DAY, DEBUGGING, START, Event, event, put, response, settings, thumbs
from tests.monitor.judged_events import Taste, days
from tests.monitor.live import tick_at
from tests.monitor.peaked_loop import peaked_events
from tests.sample_gate_reports import blocked_gate, hostile_gate, passed_gate, unsettled_gate

NOW = START + 40 * DAY
SETTINGS = settings(
    loop="support-bot",
    cohorts=["tier"],
    reference={"checkpoint": "ckpt-0"},
    judges={"watched": ["j"], "teacher": "big", "human": "human"},
)
PAGES = ["/checkpoint", "/compare", "/judges", "/feedback", "/gate"]
FULL = ["/checkpoint", "/checkpoint?name=ckpt-8", "/compare", "/judges", "/feedback?days=365", "/gate", "/gate/3"]
FILES = {
    "/checkpoint/list.csv": 9,
    "/checkpoint/cohorts.csv?name=ckpt-8": 2,
    "/compare/checkpoints.csv": 8,
    "/compare/cohorts.csv?checkpoint=ckpt-2": 2,
    "/compare/curve.csv": 9,
    "/judges/0/capture.csv": 5,
    "/judges/0/habits.csv": 1,
    "/feedback/days.csv?days=28": 28,
    "/gate/3/findings.csv": len(blocked_gate().findings),
}
INERT = """() => [window.hit, document.querySelectorAll('script').length,
  ...[...document.querySelectorAll('main *')].flatMap(e => [...e.attributes])
    .filter(a => a.name.startsWith('on') || a.name === 'style' || /^\\s*javascript:/i.test(a.value)).map(a => a.name),
  ...[...document.querySelectorAll('main :is(script,img,iframe,object,embed,video,audio,base,style)')]
    .map(e => e.outerHTML)]"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as launched:
        yield launched


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a dashboard of a loop with nine checkpoints, a judge, feedback of each kind, gates and exports."""
    folder = tmp_path_factory.mktemp("pages")
    with EventStore.open(folder / "store.sqlite") as store:
        fill(store, folder)
    with serving(folder / "store.sqlite") as address:
        yield address


def fill(store: EventStore, folder: Path) -> None:
    events = [with_facts(one) for one in peaked_events(per_day=24)]
    events += days(0, 28, 4, Taste(capture=0.5, longer=0.3, first=0.1), orders=True)
    events += [thumbs(f"d{n}", START + 25 * DAY, 0.0, surface=DEBUGGING) for n in range(80)]
    events += [scored(number) for number in (7, 8)]
    put(store, events)
    tick_at(store, SETTINGS, NOW)
    keep_purpose_days(store.engine)
    read = read_preferences(store.engine, SETTINGS.judges, microseconds(NOW))
    save_cards(store.engine, judge_cards(read, NOW, loop=SETTINGS.loop, teacher="big", human="human"))
    for made in (passed_gate(), unsettled_gate(), blocked_gate()):
        write_record(store.engine, replace(made, loop=SETTINGS.loop, candidate="ckpt-8"), lambda: NOW)
    write_record(store.engine, replace(hostile_gate(), loop=SETTINGS.loop), lambda: NOW)
    export_labels(store, folder / "labels.jsonl", "unpaired", now=lambda: NOW)


def with_facts(one: Event) -> Event:
    if not one["type"].endswith("checkpoint.v1"):
        return one
    number = int(one["data"]["order"])
    facts = {"reward_model": f"rm-{number // 3}", "teacher": "big", "lineage": {"data": f"week-{number}"}}
    return {**one, "data": {**one["data"], **facts}}


def scored(number: int) -> Event:
    told = {"suite": "law", "category": "contracts", "metric": "accuracy", "value": 0.5 + number / 50, "n": 400}
    return event("evaluation", START + 20 * DAY, {"checkpoint": f"ckpt-{number}", **told, "stderr": 0.02})


@contextmanager
def serving(place: Path) -> Iterator[str]:
    with EventStore.open(place) as store:
        pages = Dashboard(store.engine, SETTINGS, clock=lambda: NOW)
        with answering(create_app(Looking(), lambda: None, pages), Address("127.0.0.1", 0)) as bound:
            yield f"http://{bound}"


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_pages_of_a_full_store_are_whole_silent_and_legible(browser: Any, full: str, width: int, scheme: str) -> None:
    for path in FULL:
        with opened(browser, full + path, width, color_scheme=scheme) as (page, seen):
            page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
            assert (path, seen.complaints, seen.foreign) == (path, [], [])
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
            assert (path, page.evaluate(FILELESS)) == (path, [])
            assert (path, page.evaluate(OVERLAPS), page.evaluate(CLIPPED), page.evaluate(FAINT)) == (path, [], [], [])


def test_pages_of_an_empty_store_say_what_to_do_next(browser: Any, tmp_path: Path) -> None:
    with serving(tmp_path / "store.sqlite") as address:
        for path in PAGES:
            with opened(browser, address + path, 390, color_scheme="dark") as (page, seen):
                told = page.inner_text("main")
                assert "reward-drift" in told or "rewarddrift" in told, path
                assert (path, seen.complaints, seen.foreign, page.evaluate(FAINT)) == (path, [], [], [])
                assert page.evaluate("document.documentElement.scrollWidth") <= 390, path


def test_what_is_chosen_stands_in_the_address(browser: Any, full: str) -> None:
    with opened(browser, f"{full}/compare") as (page, _):
        page.select_option("select[name=checkpoint]", "ckpt-2")
        page.get_by_role("button", name="Show").click()
        page.wait_for_url("**/compare?checkpoint=ckpt-2*")
        assert page.input_value("select[name=checkpoint]") == "ckpt-2"
        with page.expect_download() as told:
            page.click("a[href^='/compare/cohorts.csv']")
        assert "checkpoint=ckpt-2" in told.value.url
        page.click("#cohorts .lead a")
        assert page.inner_text("h1").startswith("ckpt-2: ")


def test_a_pointer_reads_the_curve(browser: Any, full: str) -> None:
    with opened(browser, f"{full}/compare") as (page, _):
        mark = page.locator("#curve .wide .dot.now")
        mark.hover()
        assert page.inner_text("#curve output") == mark.locator("xpath=../*[1]").text_content()
        assert "ckpt-8" in page.inner_text("#curve output")


def test_pages_need_no_script(browser: Any, full: str) -> None:
    for path in ["/compare", "/gate/3"]:
        with opened(browser, full + path, java_script_enabled=False) as (page, seen):
            assert page.locator("main svg[role=img]").first.is_visible(), path
            assert seen.complaints == []


def test_names_of_strangers_stay_text(browser: Any, tmp_path: Path) -> None:
    """Checkpoints, cohorts, suites, lineages, judges and gates may be called anything."""
    with EventStore.open(tmp_path / "store.sqlite") as store:
        put(store, list(hostile_events()))
        tick_at(store, SETTINGS, NOW)
        keep_purpose_days(store.engine)
        read = read_preferences(store.engine, SETTINGS.judges, microseconds(NOW))
        made = judge_cards(read, NOW, loop=SETTINGS.loop)
        save_cards(store.engine, replace(made, judges=tuple(replace(card, judge=HOSTILE[0]) for card in made.judges)))
        write_record(store.engine, replace(hostile_gate(), loop=SETTINGS.loop, candidate=HOSTILE[1]), lambda: NOW)
    with serving(tmp_path / "store.sqlite") as address:
        named = [str(httpx.URL(f"{address}/checkpoint", params={"name": HOSTILE[1]}))]
        compared = str(httpx.URL(f"{address}/compare", params={"checkpoint": HOSTILE[30]}))
        for url in [*(address + path for path in [*PAGES, "/gate/1"]), *named, compared]:
            with opened(browser, url) as (page, seen):
                assert (url, seen.complaints, seen.foreign) == (url, [], [])
                assert page.evaluate(INERT) == [None, 1], url


def hostile_events() -> Iterator[Event]:
    for number, text in enumerate(HOSTILE):
        facts = {"checkpoint": text, "reward_model": text, "stage": "candidate", "lineage": {text: text}}
        yield event("checkpoint", START + number * DAY / 100, facts)
        told = {"checkpoint": text, "suite": text, "category": text, "metric": text, "value": 0.5}
        yield event("evaluation", START + number * DAY / 100, told)
    for number in range(480):
        later = number >= 300
        at = START + number // 30 * DAY + number % 30 * DAY / 60
        name = HOSTILE[30] if later else "ckpt-0"
        yield response(f"r{number}", at, name, user=f"u{number}", cohort={"tier": HOSTILE[32 + number % 2]})
        yield thumbs(f"r{number}", at, float(number % 3 > 0))
        yield event(
            "outcome", at + DAY, {"metric": "task_success", "value": number % 4 > 0, "response_id": f"r{number}"}
        )
    yield from days(0, 5, 2, Taste())


def test_files_hold_the_numbers_behind_each_drawing(full: str) -> None:
    for path, rows in FILES.items():
        answer = httpx.get(full + path)
        assert answer.headers["content-type"].startswith("text/csv"), path
        assert "attachment" in answer.headers["content-disposition"]
        told = list(csv.reader(io.StringIO(answer.text)))
        assert len(told) == rows + 1, path
        assert {len(row) for row in told} == {len(told[0])}
    report = httpx.get(f"{full}/gate/3/report.html")
    assert "attachment" in report.headers["content-disposition"]
    assert "<style>" in report.text


def test_the_api_gives_what_the_commands_print(full: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    place = next(Path(tmp_path_factory.getbasetemp()).glob("pages*/store.sqlite"))
    with EventStore.open(place) as store:
        cards, record = read_cards(store.engine, SETTINGS.loop), read_record(store.engine, 3)
    assert cards is not None
    assert httpx.get(f"{full}/api/v1/judges").json() == cards_json(cards)
    assert httpx.get(f"{full}/api/v1/gate/records/3").json() == record.report
    assert httpx.get(f"{full}/api/v1/checkpoints").json()[0]["told"]["checkpoint"] == "ckpt-8"
    one = httpx.get(f"{full}/api/v1/checkpoints/one", params={"name": "ckpt-8"}).json()
    assert one["before"] == "ckpt-7"
    compared = httpx.get(f"{full}/api/v1/compare").json()
    assert compared["chosen"]["whole"] == one["service"]["whole"]
    feedback = httpx.get(f"{full}/api/v1/feedback", params={"days": 28}).json()
    assert feedback["totals"]["debugging"] == sum(day["debugging"] for day in feedback["days"]) == 80
    paths = httpx.get(f"{full}/api/v1/openapi.json").json()["paths"]
    assert {"/api/v1/judges", "/api/v1/compare", "/api/v1/feedback", "/api/v1/checkpoints"} <= paths.keys()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/checkpoint?name=nobody", 404),
        ("/compare?checkpoint=nobody", 404),
        ("/gate/99", 404),
        ("/gate/99/findings.csv", 404),
        ("/judges/7/capture.csv", 404),
        ("/feedback?days=0", 422),
        ("/gate?before=x", 422),
        ("/api/v1/checkpoints/one?name=nobody", 404),
    ],
)
def test_what_is_not_there_is_said_with_what_to_do(full: str, path: str, status: int) -> None:
    answer = httpx.get(full + path)
    assert answer.status_code == status
    told = answer.json()["error"]["message"] if path.startswith("/api/") else answer.text
    assert "nobody" in told or "99" in told or "7" in told or status == 422
