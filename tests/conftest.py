"""Servers that tests of several packages share; each is started when the first test asks for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from consumers.store import EventStore
from tests.broker import broker, own_broker  # noqa: F401 - fixtures
from tests.postgres import ADMIN_URL, Server, find_binaries, fresh_database

# Files that take a minute or more, or wait as long for others, longest first.
LONGEST = (
    "test_short_soaks.py",
    "test_kafka.py",
    "test_founding_story.py",
    "test_demo_models.py",
    "test_tick.py",
    "test_consume.py",
    "test_kafka_gaps.py",
    "test_crash.py",
    "test_quiet_and_loud.py",
    "test_serve.py",
    "test_gate_command.py",
    "test_every_check.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files, so that none of them runs alone at the end of a run with several workers."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A private PostgreSQL that a test may stop and start again; it leaves it running."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed (no initdb on PATH or in /usr/lib/postgresql): nothing here ran on it")
    server = Server(binaries)
    yield server
    server.remove()


@pytest.fixture(scope="session")
def postgres_admin_url(request: pytest.FixtureRequest) -> str:
    """A URL that may create databases: REWARD_DRIFT_TEST_PG, or else that of the private server."""
    if ADMIN_URL is not None:
        return ADMIN_URL
    server: Server = request.getfixturevalue("postgres_server")
    return server.admin_url


@pytest.fixture
def postgres_url(postgres_admin_url: str) -> Iterator[str]:
    """The URL of a fresh, empty database."""
    with fresh_database(postgres_admin_url) as url:
        yield url


@pytest.fixture(scope="session")
def migrated_postgres(postgres_admin_url: str) -> Iterator[str]:
    """The name of a database with an empty store; a copy of it is there sooner than a store is migrated."""
    with fresh_database(postgres_admin_url) as url:
        EventStore.open(url).close()
        yield str(make_url(url).database)


@pytest.fixture
def postgres_store_url(postgres_admin_url: str, migrated_postgres: str) -> Iterator[str]:
    """Where an empty store on PostgreSQL can be opened."""
    with fresh_database(postgres_admin_url, migrated_postgres) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/empty.sqlite"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty store of each kind of database can be opened."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.sqlite"
    url: str = request.getfixturevalue("postgres_store_url")
    return url
