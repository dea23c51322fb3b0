"""Servers that tests of several packages share; each is started when the first test asks for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from consumers.store import EventStore
from tests.broker import broker, own_broker  # noqa: F401 - fixtures
from tests.postgres import ADMIN_URL, Server, find_binaries, fresh_database


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


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/empty.sqlite"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where an empty store of each kind of database can be opened."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/store.sqlite"
    else:
        template = request.getfixturevalue("migrated_postgres")
        with fresh_database(request.getfixturevalue("postgres_admin_url"), template) as url:
            yield url
