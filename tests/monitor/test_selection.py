"""A loop that is honestly selected for its reward moves to where the reference is thin; that is no reason to alert."""

from consumers.store import EventStore
from monitor.statistics.reference_error import QUANTILE
from tests.worlds import REFERENCE_DAYS, selected_items, watch

SEEDS = 12


def test_honest_selection_raises_no_more_than_the_budget() -> None:
    """With isotonic regression on single answers and the reference's own mix, about a quarter were warned or paged."""
    with EventStore.open(":memory:") as store:
        told = [
            watch(selected_items(seed, labels), store.engine).days() for seed in range(SEEDS) for labels in (20, 100)
        ]
    warned = sum("warning" in days or "page" in days for days in told)
    tickets = sum("ticket" in days for days in told)
    assert warned <= 1, f"{warned} of {len(told)} warned; the promise is at most {168 / 365 + 0.05:.2f} a world"
    assert tickets <= len(told) // 2


def test_the_allowance_grows_as_traffic_leaves_the_reference_mix() -> None:
    with EventStore.open(":memory:") as store:
        book = watch(selected_items(3), store.engine).memory.book
    residual = next(key for key in book.keys if key.series == "A1" and key.slice == "")
    info = book.info[residual]
    assert info.allowance > 0.005 + 1.5 * QUANTILE * info.baseline_error
    assert book.days > REFERENCE_DAYS
