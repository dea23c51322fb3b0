"""Did the visitor mean it? Every form carries a code made of his cookie, which no other site can read."""

import hashlib
import hmac
import re
import secrets
from urllib.parse import urlsplit

from starlette.requests import Request

FIELD = "code"
KNOWN = re.compile(r"[A-Za-z0-9_-]{43}")


def new_cookie() -> str:
    """A secret for a visitor who has none."""
    return secrets.token_urlsafe(32)


def is_cookie(value: str | None) -> bool:
    """Whether this could be one of ours."""
    return value is not None and KNOWN.fullmatch(value) is not None


def code_of(cookie: str) -> str:
    """The code that forms of this visitor carry."""
    return hmac.new(cookie.encode(), b"reward-drift form", hashlib.sha256).hexdigest()


def is_meant(cookie: str, given: str) -> bool:
    """Whether a form carried the visitor's code. Compared in constant time."""
    return hmac.compare_digest(code_of(cookie).encode(), given.encode("utf-8", "surrogatepass"))


def is_foreign(request: Request) -> bool:
    """Whether a browser says that another site made this request; one that does not say, is asked for its origin."""
    if site := request.headers.get("sec-fetch-site"):
        return site not in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != request.headers.get("host", "")
