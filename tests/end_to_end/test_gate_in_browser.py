"""Does a real browser show a gate whole, silently and without a request: by day, by night, on a phone, on paper?"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor.gate.result import GateReport
from monitor.report.gate_html import gate_html
from tests.end_to_end.test_report_in_browser import BROWSERS, CLIPPED, OVERLAPS
from tests.sample_gate_reports import blocked_gate, empty_gate, hostile_gate, passed_gate, unsettled_gate

SAMPLES = [blocked_gate, unsettled_gate, passed_gate, empty_gate, hostile_gate]

# Contrast of every visible text against the nearest ground that is painted, as WCAG 2 defines it.
FAINT = """() => {
  const parse = c => (c.match(/[\\d.]+/g) || []).map(Number);
  const light = c => c.slice(0, 3).map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const ground = e => {
    for (; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      if (c.length < 4 || c[3] > 0) return c;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll('main *')].filter(e => e.getClientRects().length &&
    [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())).flatMap(e => {
      const style = getComputedStyle(e), text = parse(e.closest('svg') ? style.fill : style.color);
      const [a, b] = [light(text), light(ground(e))].sort((x, y) => y - x);
      const ratio = (a + .05) / (b + .05);
      return ratio < 4.5 ? [e.textContent.trim().slice(0, 40) + ' ' + ratio.toFixed(2)] : [];
    });
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="the playwright package is not installed")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no Chromium on the path (looked for {', '.join(BROWSERS)})")
    with playwright.sync_playwright() as running:
        launched = running.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield launched
        launched.close()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.__name__)
def test_gate_is_whole_silent_and_still(
    browser: Any, tmp_path: Path, sample: Callable[[], GateReport], width: int, scheme: str
) -> None:
    file = tmp_path / "gate.html"
    file.write_text(gate_html(sample()), encoding="utf-8")
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    complaints: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(file.as_uri())
    assert complaints == []
    assert [url for url in requests if not url.startswith("data:")] == [file.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(OVERLAPS) == []
    assert page.evaluate(CLIPPED) == []
    assert page.evaluate(FAINT) == []
    page.close()


def test_paper_shows_all_of_it_in_dark_ink(browser: Any, tmp_path: Path) -> None:
    file = tmp_path / "gate.html"
    file.write_text(gate_html(blocked_gate()), encoding="utf-8")
    page = browser.new_page(viewport={"width": 800, "height": 900}, color_scheme="dark")
    page.goto(file.as_uri())
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert page.evaluate(FAINT) == []
    assert page.evaluate("[...document.querySelectorAll('details')].length") == 0
    assert page.pdf()[:5] == b"%PDF-"
    page.close()


def test_links_lead_to_what_blocks(browser: Any, tmp_path: Path) -> None:
    file = tmp_path / "gate.html"
    file.write_text(gate_html(unsettled_gate()), encoding="utf-8")
    page = browser.new_page()
    page.goto(file.as_uri())
    page.click("text=anchored_decoupling >> nth=0")
    assert page.evaluate("location.hash") == "#blocker-2"
    assert "Not decided" in page.inner_text("#blocker-2")
    page.close()
