"""The soak of the pager in short; `make soak` runs it in full."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.soak.pages import STEPS, kill_monitors

KILLS = 12


def test_a_monitor_killed_at_every_step_tells_every_transition_as_one_incident(tmp_path: Path) -> None:
    @contextlib.contextmanager
    def sqlite() -> Iterator[str]:
        yield f"sqlite:///{tmp_path}/store.sqlite"

    found = kill_monitors(sqlite, KILLS, seed=1)
    assert sum(found[step] for step in STEPS) == KILLS
    assert min(found[step] for step in STEPS) > 0, "every step was died at"
    assert found["episodes"] == found["incidents"] > 0
