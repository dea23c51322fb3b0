"""Which store is meant, said without its password, and why can it not be used?"""

import re

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError

HIDDEN = "***"
_SECRETS = ("password", "sslpassword")  # options of a URL that hold one
_ANOTHER = "or name another store with --store"
_OF_FILES = {  # part of what SQLite says -> what to do
    "locked": "another process writes to it: try again",
    "full": "make room on its disk",
    "readonly": "let this user write the file and its folder",
    "unable to open": "let this user write the file and its folder",
    "malformed": "put a good copy back",
    "not a database": "put a good copy back",
}


def is_url(store: str) -> bool:
    """Does this name a store on a server, and not a file?"""
    return "://" in store.removeprefix("sqlite:///")


def shown(store: str) -> str:
    """The store as it may be printed.

    >>> shown("postgresql://me:secret@db/loop?password=secret")
    'postgresql://me:***@db/loop?password=***'
    >>> shown("store.sqlite"), shown("postgresql://me:secret@db:x/loop")
    ('store.sqlite', 'postgresql://me:***@db:x/loop')
    """
    return re.sub(
        rf"((?:{'|'.join(_SECRETS)})=)[^&]*", rf"\1{HIDDEN}", re.sub(r"(://[^/:]*:).*@", rf"\1{HIDDEN}@", store)
    )


def misread(store: str) -> str | None:
    """What is wrong with a URL that cannot be read; None if nothing is."""
    try:
        make_url(store)
    except (ArgumentError, ValueError):
        return f"{shown(store)}: cannot be read as a URL; write postgresql://USER@HOST:PORT/DATABASE"
    return None


def why_unusable(store: str, fault: DBAPIError) -> str:
    """One line: the store, what its database said, and what to do next; never the password."""
    first = str(fault.orig).partition("\n")[0]
    if not is_url(store):
        remedy = next((way for what, way in _OF_FILES.items() if what in first), "try `reward-drift doctor`")
        return f"{store}: cannot be used as a store: {first}; {remedy}, {_ANOTHER}"
    url = make_url(store)
    first = first.removeprefix("connection failed: ").removeprefix("connection is bad: ")
    for secret in filter(None, [url.password, *(url.query.get(name) for name in _SECRETS)]):
        first = first.replace(str(secret), HIDDEN)
    return f"{shown(store)}: {first}; {_remedy(url, fault, first)}, {_ANOTHER}"


def _remedy(url: URL, fault: DBAPIError, said: str) -> str:
    server = f"-h {url.host or 'localhost'} -p {url.port or 5432}"
    login = f"{server} -U {url.username}" if url.username else server
    if "password" in said:
        return f"set PGPASSWORD or ~/.pgpass and try `psql {login} {url.database or ''}`".rstrip()
    if "database" in said and "does not exist" in said:
        owner = f" -O {url.username}" if url.username else ""
        return f"as an administrator make it: `createdb {server}{owner} {url.database}`"
    if "permission denied for schema" in said:
        return f"let its user own the database (as an administrator: `ALTER DATABASE {url.database} OWNER TO ...`)"
    if isinstance(fault, OperationalError):
        return f"see whether it answers: `pg_isready {server}`"
    return f"see what this user may do: `psql {login} {url.database or ''}`".rstrip()
