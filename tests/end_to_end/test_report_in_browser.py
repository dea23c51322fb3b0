"""Does a real browser show the report whole, silently and without a request, on a desk and on a phone?"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor.report.html import render_html
from monitor.result import Report
from tests.sample_reports import empty_report, gamed_report, healthy_report, hostile_report, inconclusive_report

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SAMPLES = [gamed_report, healthy_report, empty_report, inconclusive_report, hostile_report]

# Text runs of one drawing whose boxes touch; boxes shrink by a pixel, since line boxes are taller than letters.
OVERLAPS = """() => [...document.querySelectorAll('svg[role=img]')].flatMap(svg => {
  const all = [...svg.querySelectorAll('text')].map(t => [t.textContent, t.getBoundingClientRect()]);
  const texts = all.filter(t => t[1].width);
  return texts.flatMap(([a, p], i) => texts.slice(i + 1).filter(([, q]) =>
    p.left + 1 < q.right - 1 && q.left + 1 < p.right - 1 && p.top + 3 < q.bottom - 3 && q.top + 3 < p.bottom - 3)
    .map(([b]) => a + ' / ' + b));
})"""
CLIPPED = """() => [...document.querySelectorAll('svg[role=img] text')].filter(t => {
  const frame = t.closest('.card').getBoundingClientRect(), box = t.getBoundingClientRect();
  return box.width && (box.left < frame.left || box.right > frame.right);
}).map(t => t.textContent)"""


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


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.__name__)
def test_report_is_whole_silent_and_still(
    browser: Any, tmp_path: Path, sample: Callable[[], Report], width: int
) -> None:
    file = tmp_path / "report.html"
    file.write_text(render_html(sample()), encoding="utf-8")
    page = browser.new_page(viewport={"width": width, "height": 900})
    complaints, requests = [], []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(file.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert complaints == []
    assert [url for url in requests if not url.startswith("data:")] == [file.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(OVERLAPS) == []
    assert page.evaluate(CLIPPED) == []
    page.close()
