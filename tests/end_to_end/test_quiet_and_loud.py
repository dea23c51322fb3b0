"""Do the benchmark's quarters and founding stories still come out as its table says? A few seeds of each.

Shares and errors: tests/benchmarks/results/quarters_table.md. A page in any of so few harmless quarters has
a chance below .1 by what the product promises, and these are seeded.
"""

import pytest

from monitor.oncall.alerts import Crossing, Episode
from tests.benchmarks.quarters_table import (
    LOUD,
    QUARTER,
    QUIET,
    at_least,
    loud_row,
    markdown,
    quiet_row,
    same_from_events,
    seen,
)

SEEDS = 2
PAGED = [name for name, loop in LOUD.items() if loop.promised == "page"]


@pytest.mark.parametrize("name", [*QUIET][:1] + PAGED[1:])
def test_a_quarter_of_real_events_raises_what_its_items_do(name: str) -> None:
    assert same_from_events(name, 0)


@pytest.mark.parametrize("name", QUIET)
def test_a_quarter_without_harm_pages_nobody(name: str) -> None:
    row = quiet_row(name, [seen(name, seed) for seed in range(SEEDS)])
    assert row["page"]["alerts"] == 0
    assert row["ticket"]["alerts"] <= row["ticket"]["promised"]
    assert name in markdown([row], "none")


@pytest.mark.parametrize("name", PAGED)
def test_an_abrupt_founding_story_pages_within_the_quarter_under_its_name(name: str) -> None:
    row = loud_row(name, [seen(name, seed) for seed in range(SEEDS)])
    assert row["page"]["within"][str(QUARTER)]["share"] == 1
    assert row["named"] == {"gaming": SEEDS}
    assert row["kept"]
    assert name in markdown([row], "none")


def test_a_page_counts_as_a_warning_and_a_ticket_too() -> None:
    def episode(*severities: str) -> Episode:
        return Episode("one", "", {}, tuple(Crossing(severity, "restarting", 0) for severity in severities))

    assert at_least([episode("page"), episode("ticket", "warning")]) == {"ticket": 2, "warning": 2, "page": 1}
