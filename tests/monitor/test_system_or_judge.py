"""Did the judge change or the model? On recorded judgments with a planted change; few of them here.

`python -m tests.benchmarks.whose_fault_table` counts more of them.
"""

import pytest

from tests.monitor.whose_fault import FILE, STORIES, recorded, verdict

pytestmark = pytest.mark.skipif(not FILE.exists(), reason="REWARD_DRIFT_DATA names no folder with pandalm")


@pytest.mark.parametrize("story", STORIES)
def test_the_one_that_changed_is_blamed_and_nobody_else(story: str) -> None:
    assert verdict(recorded(), story, seed=1000) == {STORIES[story]}


def test_nobody_is_blamed_when_nothing_changed() -> None:
    assert verdict(recorded(), "", seed=1000) == set()
