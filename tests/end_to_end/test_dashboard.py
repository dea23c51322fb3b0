"""Is the dashboard whole in a real browser, does it do what is clicked, and is a stranger's text never but text?"""

import datetime as dt
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from consumers.database import writing
from consumers.health import Address
from consumers.ingest import ingest
from consumers.sources import JsonlSource
from consumers.store import EventStore
from monitor.check import Interval
from monitor.commands.dashboard import Looking
from monitor.demo.light import LightWorkshop
from monitor.demo.loop import generate, settings_yaml
from monitor.detection.state import MonitorState
from monitor.oncall.acks import ack
from monitor.oncall.alerts import Crossing, Episode
from monitor.oncall.episodes import read_episodes, save_episodes
from monitor.oncall.silences import add_silence, read_silences
from monitor.report.wording import passage
from monitor.result import Alert, Example
from monitor.service import tick_store
from monitor.settings import Settings, parse_settings
from monitor.web.app import create_app
from monitor.web.security.tokens import create_token
from monitor.web.server import answering
from monitor.web.state import Dashboard
from tests.browser import FILELESS, chromium, opened
from tests.hostile_texts import HOSTILE
from tests.monitor.events import event, put, response, thumbs

NOW = dt.datetime(2026, 8, 27, 10, tzinfo=dt.UTC)
MIDNIGHT = dt.datetime(2026, 8, 27, tzinfo=dt.UTC)
PAGES = ["/", "/alerts?state=all", "/data", "/no-such-page"]
GAMED = parse_settings(settings_yaml("gamed"))
UNLABELLED = """() => [...document.querySelectorAll('input:not([type=hidden]),select,textarea')]
  .filter(e => !e.labels.length).map(e => e.outerHTML)"""
FORBIDDEN = "img,iframe,object,embed,video,audio,base,style,template,math,[style]"
STRANGE = """(forbidden) => {
  const here = (url) => new URL(url, location).href.startsWith(location.origin);
  const attributes = [...document.querySelectorAll('*')].flatMap(e => [...e.attributes]);
  const bad = attributes.filter(a => a.name.startsWith('on') || /^\\s*javascript:/i.test(a.value)).map(a => a.name);
  const scripts = [...document.scripts].filter(s => !s.src.startsWith(location.origin + '/static/'));
  const leading = [...document.querySelectorAll('a[href],link[href],use[href],image[href],form[action]')];
  const away = leading.filter(e => !here(e.getAttribute('href') ?? e.getAttribute('action')));
  return [...bad, ...[...scripts, ...away, ...document.querySelectorAll(forbidden)].map(e => e.outerHTML)];
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as launched:
        yield launched


@pytest.fixture(scope="session")
def demo_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's loop that games its reward, looked at once, the midnight after its last event."""
    place = tmp_path_factory.mktemp("demo") / "store.sqlite"
    events = place.with_name("events.jsonl")
    events.write_text("".join(f"{json.dumps(one)}\n" for one in generate("gamed", 0, LightWorkshop())))
    with EventStore.open(place) as store:
        ingest(JsonlSource([str(events)]), store)
        tick_store(store, GAMED, MIDNIGHT, MIDNIGHT, ())
    return place


@pytest.fixture
def demo(demo_store: Path, tmp_path: Path) -> Iterator[str]:
    """The address of a dashboard over a copy of it."""
    shutil.copy(demo_store, tmp_path / "store.sqlite")
    with serving(tmp_path / "store.sqlite", GAMED) as (address, _):
        yield address


@contextmanager
def serving(place: Path, settings: Settings, **more: Any) -> Iterator[tuple[str, EventStore]]:
    """A dashboard of a store on a port of its own."""
    with EventStore.open(place) as store:
        pages = Dashboard(store.engine, settings, clock=lambda: NOW, **more)
        with answering(create_app(Looking(), lambda: None, pages), Address("127.0.0.1", 0)) as bound:
            yield f"http://{bound}", store


def test_pages_of_a_watched_loop_are_whole_and_silent(browser: Any, demo: str) -> None:
    for path in [*PAGES, "/alerts/2", "/alerts/9"]:
        with opened(browser, demo + path) as (page, seen):
            page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
            _is_whole(page, seen, path)


def test_pages_of_an_empty_store_say_what_to_do_next(browser: Any, tmp_path: Path) -> None:
    with serving(tmp_path / "store.sqlite", GAMED) as (address, _):
        for path in [*PAGES, "/alerts/1"]:
            with opened(browser, address + path) as (page, seen):
                _is_whole(page, seen, path)
                if path == "/":
                    told = page.inner_text("main")
    assert "Blind" in told
    assert "reward-drift serve" in told


def test_no_page_depends_on_a_script(browser: Any, demo: str) -> None:
    for path in ["/", "/alerts/2"]:
        with opened(browser, demo + path, java_script_enabled=False) as (page, seen):
            assert page.locator("figure svg").first.is_visible()
            assert seen.complaints == []


def test_the_theme_follows_the_button_and_stays(browser: Any, demo: str) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    with opened(browser, demo, color_scheme="light") as (page, seen):
        before = page.evaluate(ground)
        page.get_by_role("button", name="Theme: auto").click()
        page.get_by_role("button", name="Theme: light").click()
        dark = page.evaluate(ground)
        page.reload()
        assert page.evaluate(ground) == dark != before
        assert seen.complaints == []


def test_the_content_is_one_key_away(browser: Any, demo: str) -> None:
    with opened(browser, demo) as (page, _):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "content"


def test_a_pointer_over_the_drawing_reads_its_table(browser: Any, demo: str) -> None:
    with opened(browser, demo) as (page, _):
        mark = page.locator(".wide .outcome-dot").nth(3)
        mark.hover()
        assert page.inner_text("figure output") == mark.locator("title").text_content()
        page.mouse.move(0, 0)
        assert page.locator(".near").count() == 0


def test_an_alert_is_taken_and_given_back_by_clicking(browser: Any, demo_store: Path, tmp_path: Path) -> None:
    shutil.copy(demo_store, tmp_path / "store.sqlite")
    with serving(tmp_path / "store.sqlite", GAMED) as (address, store):
        with opened(browser, f"{address}/alerts/2") as (page, seen):
            page.locator("form[action='/alerts/2/ack'] [name=length]").fill("2h")
            page.locator("form[action='/alerts/2/ack'] [name=note]").fill("rolling back")
            page.locator("form[action='/alerts/2/ack'] [name=by]").fill("kim")
            page.get_by_role("button", name="Take it").click()
            assert "It is yours now" in page.inner_text("[role=status]")
            held = _alert(store, 2).ack
            assert held is not None
            assert (held.owner, held.note, held.until) == ("kim", "rolling back", NOW + dt.timedelta(hours=2))
            page.get_by_role("button", name="Give it back").click()
            assert seen.complaints == []
        assert _alert(store, 2).ack is None


def test_alerts_are_silenced_and_told_again_by_clicking(browser: Any, demo_store: Path, tmp_path: Path) -> None:
    shutil.copy(demo_store, tmp_path / "store.sqlite")
    with serving(tmp_path / "store.sqlite", GAMED) as (address, store):
        with opened(browser, f"{address}/alerts/3") as (page, seen):
            page.get_by_text("Silence what is like it").click()
            page.locator("form[action='/silences'] [name=reason]").fill("known, being mended")
            page.locator("form[action='/silences'] [name=by]").fill("kim")
            page.get_by_role("button", name="Silence").click()
            assert "The silence holds" in page.inner_text("[role=status]")
            assert "silenced" in page.inner_text("main")
            page.set_viewport_size({"width": 390, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
            page.get_by_role("button", name="End it now").click()
            assert seen.complaints == []
        with store.engine.connect() as connection:
            (silence,) = read_silences(connection, GAMED.loop)
    assert silence.matcher == {"check": "reward_outcome_decoupling", "tier": "starter"}
    assert not silence.is_on(NOW)


def test_an_alert_is_dismissed_by_clicking_and_the_reason_kept(browser: Any, demo_store: Path, tmp_path: Path) -> None:
    shutil.copy(demo_store, tmp_path / "store.sqlite")
    with serving(tmp_path / "store.sqlite", GAMED) as (address, store):
        with opened(browser, f"{address}/alerts/9") as (page, _):
            page.get_by_text("Dismiss it").click()
            page.locator("form[action='/alerts/9/dismiss'] [name=reason]").fill("an experiment")
            page.get_by_role("button", name="Dismiss").click()  # not before it says by whom
            page.locator("form[action='/alerts/9/dismiss'] [name=by]").fill("kim")
            page.get_by_role("button", name="Dismiss").click()
            assert "It ended" in page.inner_text("[role=status]")
        assert _alert(store, 9).note == "an experiment (kim)"


def test_a_link_from_elsewhere_gets_to_its_page_in_spite_of_the_strict_cookie(
    browser: Any, demo_store: Path, tmp_path: Path
) -> None:
    shutil.copy(demo_store, tmp_path / "store.sqlite")
    with serving(tmp_path / "store.sqlite", GAMED, needs_login=True) as (address, store):
        _, secret = create_token(store.engine, "kim", "read", NOW)
        with opened(browser, f"{address}/alerts/2") as (page, _):
            assert page.url == f"{address}/login?next=%2Falerts%2F2"
            page.locator("[name=token]").fill(secret)
            page.get_by_role("button", name="Log in").click()
            assert page.url == f"{address}/alerts/2"
            page.goto(f"data:text/html,<a href='{address}/alerts/3'>the pager's link</a>")
            page.get_by_text("the pager's link").click()
            page.wait_for_selector("text=alert 3")
            assert "/login" not in page.url


def test_fifty_hostile_texts_run_nothing_and_load_nothing(browser: Any, tmp_path: Path) -> None:
    assert len(HOSTILE) == len(set(HOSTILE)) == 50
    with serving(tmp_path / "store.sqlite", GAMED) as (address, store):
        numbers = _plant(store)
        paths = ["/", "/alerts?state=all", "/data", "/feedback", "/checkpoint"]
        paths += [f"/alerts/{number}" for number in numbers]
        shown = ""
        for path in paths:
            with opened(browser, address + path) as (page, seen):
                page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
                assert page.evaluate(STRANGE, FORBIDDEN) == [], path
                assert page.evaluate("window.hit") is None, path
                assert seen.foreign == [], path
                assert [one for one in seen.complaints if "404" not in one] == [], path
                shown += page.inner_text("main")
    assert [one for one in HOSTILE if _as_shown(one) not in " ".join(shown.split())] == []


def _plant(store: EventStore) -> list[int]:
    """Alerts of which every text is hostile, in prompts, answers, comments, cohorts, notes and names."""
    events = []
    for number, evil in enumerate(HOSTILE):
        at, name = NOW - dt.timedelta(days=1, minutes=number), f"r{number}"
        events.append(
            response(name, at, checkpoint=evil[:200], prompt=evil, response=evil, cohort={"tier": evil[:100]})
        )
        events.append(thumbs(name, at, 0.0, comment=evil))
        events.append(event("no-such-type", at, {"evil": evil}, id=evil[:100]))
    put(store, events)
    MonitorState(store.engine)
    numbers = []
    with writing(store.engine) as connection:
        for place in range(0, 50, 10):
            evil = HOSTILE[place]
            episode = Episode(
                "cohort_regression", f"tier={evil}", {"tier": evil}, (Crossing("page", "restarting", 20000),)
            )
            told = replace(_alert_told(episode, place), fingerprint=episode.fingerprint(GAMED.loop))
            numbers += save_episodes(connection, GAMED.loop, [episode], [told], NOW)
            ack(connection, GAMED.loop, numbers[-1], HOSTILE[place + 1], HOSTILE[place + 2], NOW)
            add_silence(connection, GAMED.loop, {"tier": evil}, evil, HOSTILE[place + 3], NOW, dt.timedelta(hours=1))
    return numbers


def _alert_told(episode: Episode, place: int) -> Alert:
    evil = HOSTILE[place + 4]
    examples = [Example(f"r{place + k}", HOSTILE[place + k], evil, 1.0, 0.0, None, None) for k in range(10)]
    return Alert(
        fingerprint="", check=episode.check, attribution=evil, severity="page", slice=episode.slice, checkpoint=evil,
        fired_at=NOW, leading=evil, shares={}, effect=Interval(), reward_change=Interval(), outcome_change=Interval(),
        n=1, evidence=None, message=evil, examples=examples,
    )  # fmt: skip


def _as_shown(evil: str) -> str:
    """A text as a page shows it: direction marks made visible, white space run together."""
    return " ".join(passage(evil).split())


def _is_whole(page: Any, seen: Any, path: str) -> None:
    expected = ["404"] if path in ("/no-such-page", "/alerts/1") else []
    assert [one for one in seen.complaints if not any(code in one for code in expected)] == [], path
    assert seen.foreign == [], path
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    assert page.evaluate("document.querySelectorAll('h1').length") == 1, path
    assert page.evaluate(UNLABELLED) == [], path
    assert page.evaluate(FILELESS) == [], path


def _alert(store: EventStore, number: int) -> Any:
    with store.engine.connect() as connection:
        return next(one for one in read_episodes(connection, GAMED.loop) if one.id == number)
