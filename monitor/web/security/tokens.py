"""Who has a token, and what may it do? Only hashes are kept: whoever reads the database cannot log in with it.

A token is its row's number and 256 random bits, so one SHA-256 is enough. A session is another such secret, given for a
token at login; it ends with its time and with the token.
"""

import datetime as dt
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, RowMapping, text

from consumers.database import migrate, writing
from consumers.mendable import Mendable
from monitor.production.items import EPOCH, microseconds
from monitor.web.security.migrations import CHAIN, MIGRATIONS
from monitor.web.settings import SCOPES, Scope

PREFIX = "rdm"
FORM = re.compile(rf"{PREFIX}_([1-9][0-9]{{0,8}})_([A-Za-z0-9_-]{{43}})")
ADD = """
    INSERT INTO web_token (name, digest, scope, created_us, expires_us)
    VALUES (:name, :digest, :scope, :created, :expires) RETURNING id
"""
ALL = "SELECT * FROM web_token ORDER BY id"
ONE = "SELECT * FROM web_token WHERE id = :id"
REVOKE = "UPDATE web_token SET revoked_us = :now WHERE id = :id AND revoked_us IS NULL"
END_SESSIONS = "DELETE FROM web_session WHERE token = :id"
FORGET_SESSIONS = "DELETE FROM web_session WHERE expires_us <= :now"
ADD_SESSION = "INSERT INTO web_session (digest, token, expires_us) VALUES (:digest, :token, :expires)"
END_SESSION = "DELETE FROM web_session WHERE digest = :digest"
SESSION = """
    SELECT t.* FROM web_session AS s JOIN web_token AS t ON t.id = s.token
    WHERE s.digest = :digest AND s.expires_us > :now
"""


class TokenRefused(Mendable):
    """A token cannot be made or revoked; the message says why."""


@dataclass(frozen=True)
class Token:
    """A token as it is kept, without its secret. expires, revoked: None if it never does, or was not."""

    id: int
    name: str
    scope: Scope
    created: dt.datetime
    expires: dt.datetime | None
    revoked: dt.datetime | None

    def is_live(self, now: dt.datetime) -> bool:
        """Whether it opens anything at this moment."""
        return self.revoked is None and (self.expires is None or now < self.expires)


def migrated(engine: Engine) -> Engine:
    """The engine, with the dashboard's tables in its database."""
    migrate(engine, CHAIN, MIGRATIONS)
    return engine


def create_token(
    engine: Engine, name: str, scope: Scope, now: dt.datetime, length: dt.timedelta | None = None
) -> tuple[Token, str]:
    """A new token, and the secret that is shown once. Raises TokenRefused without a name, or for an unknown scope."""
    if not name.strip() or len(name) > 100:
        raise TokenRefused("a token needs a name of at most 100 characters: whose it is, or what for")
    if scope not in SCOPES:
        raise TokenRefused(f"no scope {scope!r}; there are {', '.join(SCOPES)}")
    secret = secrets.token_urlsafe(32)
    expires = None if length is None else now + length
    with writing(migrated(engine)) as connection:
        row = {"name": name, "scope": scope, "created": microseconds(now), "digest": digest_of(secret)}
        row["expires"] = None if expires is None else microseconds(expires)
        number = int(connection.execute(text(ADD), row).scalar_one())
    return Token(number, name, scope, now, expires, None), f"{PREFIX}_{number}_{secret}"


def read_tokens(engine: Engine) -> list[Token]:
    """Every token that was made, the oldest first."""
    with migrated(engine).connect() as connection:
        return [_token(row) for row in connection.execute(text(ALL)).mappings()]


def revoke_token(engine: Engine, number: int, now: dt.datetime) -> None:
    """From now on it opens nothing, nor does any session that began with it. Raises TokenRefused if it is not there."""
    with writing(migrated(engine)) as connection:
        if connection.execute(text(REVOKE), {"id": number, "now": microseconds(now)}).rowcount == 0:
            raise TokenRefused(f"no token {number} that is not revoked; `reward-drift token list` names them")
        connection.execute(text(END_SESSIONS), {"id": number})


def find_token(connection: Connection, given: str, now: dt.datetime) -> Token | None:
    """The live token that this secret is; None if it is none. Compared in constant time."""
    match = FORM.fullmatch(given)
    row = match and connection.execute(text(ONE), {"id": int(match[1])}).mappings().first()
    if not match or row is None or not hmac.compare_digest(row["digest"], digest_of(match[2])):
        return None
    token = _token(row)
    return token if token.is_live(now) else None


def begin_session(engine: Engine, token: Token, now: dt.datetime, length: dt.timedelta) -> str:
    """The secret of a new session, for the visitor's cookie."""
    secret = secrets.token_urlsafe(32)
    row = {"digest": digest_of(secret), "token": token.id, "expires": microseconds(now + length)}
    with writing(engine) as connection:
        connection.execute(text(FORGET_SESSIONS), {"now": microseconds(now)})
        connection.execute(text(ADD_SESSION), row)
    return secret


def find_session(connection: Connection, secret: str, now: dt.datetime) -> Token | None:
    """The live token with which a session began; None if there is none, or its time is over."""
    given = {"digest": digest_of(secret), "now": microseconds(now)}
    row = connection.execute(text(SESSION), given).mappings().first()
    token = None if row is None else _token(row)
    return token if token is not None and token.is_live(now) else None


def end_session(engine: Engine, secret: str) -> None:
    """Log out."""
    with writing(engine) as connection:
        connection.execute(text(END_SESSION), {"digest": digest_of(secret)})


def digest_of(secret: str) -> str:
    """SHA-256, hexadecimal."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _token(row: RowMapping) -> Token:
    expires, revoked = (_moment(row[name]) for name in ("expires_us", "revoked_us"))
    created = EPOCH + dt.timedelta(microseconds=row["created_us"])
    return Token(row["id"], row["name"], row["scope"], created, expires, revoked)


def _moment(time_us: int | None) -> dt.datetime | None:
    return None if time_us is None else EPOCH + dt.timedelta(microseconds=time_us)
