"""Does a click save the drawing that is seen: whole, in its colours, twice as large, whatever strangers are called?"""

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from consumers.store import EventStore
from monitor.gate.records import write_record
from tests.browser import chromium, opened
from tests.end_to_end.test_dashboard_pages import NOW, SETTINGS, serving
from tests.monitor.events import loop_events, put
from tests.monitor.live import tick_at
from tests.sample_gate_reports import blocked_gate, hostile_gate

CASES = [("/", "changes", 390), ("/gate/1", "gate-1-findings", 1280)]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as launched:
        yield launched


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A dashboard of a loop with two checkpoints, and two gates: a plain one, and one full of hostile names."""
    place = tmp_path_factory.mktemp("pictures") / "store.sqlite"
    with EventStore.open(place) as store:
        put(store, loop_events(20, 14))
        tick_at(store, SETTINGS, NOW)
        for made in (blocked_gate(), hostile_gate()):
            write_record(store.engine, replace(made, loop=SETTINGS.loop), lambda: NOW)
    with serving(place) as bound:
        yield bound


def saved(browser: Any, url: str, name: str, width: int, scheme: str) -> Image.Image:
    """The picture that a click gives, of the name and twice the size of the drawing that is shown."""
    with opened(browser, url, width, color_scheme=scheme) as (page, seen):
        drawing = page.locator("figure svg:visible")
        box = [float(number) for number in drawing.get_attribute("viewBox").split()]
        with page.expect_download() as told:
            page.get_by_role("button", name="Drawing as PNG").click()
        assert (seen.complaints, seen.foreign) == ([], [])
        assert told.value.suggested_filename == f"{name}.png"
        picture = Image.open(io.BytesIO(Path(told.value.path()).read_bytes())).convert("RGB")
        assert picture.size == (2 * box[2], 2 * box[3])
        ground = page.locator(".card", has=drawing).evaluate("card => getComputedStyle(card).backgroundColor")
        ink = drawing.locator(".axis").first.evaluate("line => getComputedStyle(line).stroke")
    assert f"rgb{picture.getpixel((1, 1))}" == ground
    assert ink in {f"rgb{colour}" for _, colour in picture.getcolors(maxcolors=2**24)}
    return picture


@pytest.mark.parametrize(("path", "name", "width"), CASES)
def test_a_drawing_is_saved_as_it_is_seen_by_day_and_by_night(
    browser: Any, address: str, path: str, name: str, width: int
) -> None:
    day, night = (saved(browser, address + path, name, width, scheme) for scheme in ("light", "dark"))
    assert day.getpixel((1, 1)) != night.getpixel((1, 1))
    for picture in (day, night):
        colours = picture.getcolors(maxcolors=2**24)
        assert len(colours) > 50  # lines, labels and bands, with softened edges
        drawn = sum(count for count, colour in colours if colour != picture.getpixel((1, 1)))
        assert drawn > 0.01 * picture.width * picture.height


def test_hostile_names_do_not_hinder_a_picture(browser: Any, address: str) -> None:
    saved(browser, f"{address}/gate/2", "gate-2-findings", 1280, "light")


def test_without_a_script_no_button_promises_a_picture(browser: Any, address: str) -> None:
    with opened(browser, address, java_script_enabled=False) as (page, _):
        assert page.get_by_role("link", name="Numbers as CSV").is_visible()
        assert not page.get_by_role("button", name="Drawing as PNG").is_visible()
