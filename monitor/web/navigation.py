"""Which pages are there, in which order?"""

from typing import NamedTuple


class Page(NamedTuple):
    """A page of the navigation."""

    title: str
    path: str


PAGES = (
    Page("Overview", "/"),
    Page("Alerts", "/alerts"),
    Page("Checkpoint", "/checkpoint"),
    Page("Compare", "/compare"),
    Page("Judges", "/judges"),
    Page("Feedback", "/feedback"),
    Page("Gate", "/gate"),
    Page("Data", "/data"),
)


def is_here(page: Page, path: str) -> bool:
    """Whether a path belongs to a page of the navigation.

    >>> is_here(PAGES[1], "/alerts/7"), is_here(PAGES[0], "/alerts"), is_here(PAGES[0], "/")
    (True, False, True)
    """
    return path == page.path or (page.path != "/" and path.startswith(f"{page.path}/"))
