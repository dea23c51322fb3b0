"""Servers that tests of several packages share; each is started when the first test asks for it."""

from collections.abc import Iterator

import pytest

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
