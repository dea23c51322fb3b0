"""A real browser that may reach nothing but the server under test; what it complains of is kept."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")

# Drawings that are shown, and cannot be had both as numbers and as a picture, or leave their own frame.
FILELESS = """() => [...document.querySelectorAll('svg[role=img]')].filter(svg => svg.getClientRects().length)
  .filter(svg => {
    const figure = svg.closest('figure'), frame = svg.getBoundingClientRect();
    const files = figure ? figure.querySelectorAll('a[download][href*=".csv"], [data-action=png]:not([hidden])') : [];
    const leaves = [...svg.querySelectorAll('text')].map(t => t.getBoundingClientRect())
      .some(t => t.left < frame.left - 1 || t.right > frame.right + 1 || t.bottom > frame.bottom + 1);
    return files.length !== 2 || leaves;
  }).map(svg => svg.id || svg.textContent.slice(0, 60))"""


@dataclass
class Seen:
    """What a page complained of, and which foreign addresses it asked for."""

    complaints: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)


@contextmanager
def chromium() -> Iterator[Any]:
    """The browser; the test is skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="the playwright package is not installed")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no Chromium on the path (looked for {', '.join(BROWSERS)})")
    with playwright.sync_playwright() as running:
        launched = running.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield launched
        launched.close()


@contextmanager
def opened(browser: Any, url: str, width: int = 1280, **more: Any) -> Iterator[tuple[Any, Seen]]:
    """A page of its own at an address, with what it complained of; requests to other hosts go nowhere and are kept."""
    context, seen = browser.new_context(viewport={"width": width, "height": 900}, **more), Seen()
    host = urlsplit(url).netloc

    def decide(route: Any) -> None:
        asked = route.request.url
        if urlsplit(asked).netloc == host or asked.startswith("data:"):
            route.continue_()
        else:
            seen.foreign.append(asked)
            route.abort()

    context.route("**/*", decide)
    page = context.new_page()
    page.on("console", lambda message: seen.complaints.append(message.text))
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    page.on("dialog", lambda dialog: (seen.complaints.append(dialog.message), dialog.dismiss()))
    page.goto(url)
    try:
        yield page, seen
    finally:
        context.close()
