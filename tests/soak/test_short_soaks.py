"""The soaks in short; `make soak` runs them in full."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broker import Broker, OwnBroker
from tests.postgres import Server, fresh_database
from tests.soak.duplicates import send_again_and_again
from tests.soak.kills import Fresh, kill_readers
from tests.soak.outages import stop_the_database
from tests.soak.schedules import serve_and_disturb
from tests.soak.threads import SCHEDULER, stop_the_ping
from tests.soak.zombies import stop_and_continue

KILLS = 14  # every step twice
FEW_KILLS = 10


@pytest.fixture(params=["sqlite", "postgres"])
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Fresh:
    if request.param == "postgres":
        admin_url, template = (request.getfixturevalue(name) for name in ("postgres_admin_url", "migrated_postgres"))
        return lambda: fresh_database(admin_url, template)

    @contextlib.contextmanager
    def sqlite() -> Iterator[str]:
        yield f"sqlite:///{tmp_path}/{len(list(tmp_path.iterdir()))}.sqlite"

    return sqlite


def test_readers_killed_at_every_step_lose_and_double_nothing(broker: Broker, fresh: Fresh) -> None:
    died = kill_readers(broker, fresh, KILLS, seed=1)
    assert sum(died.values()) == KILLS
    assert min(died.values()) > 0, "every step was died at"


@pytest.mark.parametrize("fresh", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("mutation", "told"),
    [({"order": "position first"}, "lost"), ({"order": "rows first", "keyless": True}, "doubled")],
)
def test_another_order_of_commits_or_a_missing_key_is_noticed(
    broker: Broker, fresh: Fresh, mutation: dict[str, str], told: str
) -> None:
    with pytest.raises(AssertionError, match=rf"[1-9]\d* {told}"):
        kill_readers(broker, fresh, FEW_KILLS, seed=3, **mutation)  # type: ignore[arg-type]


@pytest.mark.parametrize("slow_commits", [0.0, 2.0])
def test_stopped_and_continued_readers_lose_and_double_nothing(
    broker: Broker, postgres_admin_url: str, slow_commits: float
) -> None:
    happened = stop_and_continue(broker, lambda: fresh_database(postgres_admin_url), 3, 1, slow_commits)
    assert (happened["stopped"], happened["left"], happened["joined"]) == (3, 1, 1)


def test_readers_wait_for_a_database_that_stops(own_broker: OwnBroker, postgres_server: Server) -> None:
    assert stop_the_database(own_broker, postgres_server, 2, seed=1)["outages"] == 2


def test_ten_thousand_sends_of_a_hundred_names_are_a_hundred_events(broker: Broker, postgres_url: str) -> None:
    assert send_again_and_again(broker, postgres_url, 10_000, 100, seed=1)["events"] == 100


def test_each_slot_is_done_once_whoever_is_stopped_or_killed(fresh: Fresh) -> None:
    happened = serve_and_disturb(fresh, 3, seed=1)
    assert (happened.stopped, happened.killed) == (2, 1)
    assert happened.leases >= 4


@pytest.mark.parametrize("fresh", ["sqlite"], indirect=True)
def test_writes_under_an_old_lease_are_noticed(fresh: Fresh) -> None:
    with pytest.raises(AssertionError, match="written under an old lease"):
        serve_and_disturb(fresh, 2, seed=1, number=2, is_guarded=False)


def test_a_stuck_or_dead_thread_stops_the_ping(tmp_path: Path) -> None:
    stop_the_ping(tmp_path, [("work", "deadlock"), (SCHEDULER, "die")], period=4.0)
