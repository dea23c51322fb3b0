"""How does a visitor with a token get a session, and end it?"""

import logging
from typing import Annotated

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from monitor.web.rendering import render
from monitor.web.security.guard import cookie_text, is_https
from monitor.web.security.tokens import begin_session, end_session, find_token
from monitor.web.security.visitors import key_of
from monitor.web.state import dashboard_of

log = logging.getLogger(__name__)
router = APIRouter(include_in_schema=False)


@router.get("/login")
def ask(request: Request, next: str = "/") -> Response:
    """The form."""
    return render(request, "login.html", next=_inside(next), refused="")


@router.post("/login")
def log_in(request: Request, token: Annotated[str, Form()], next: Annotated[str, Form()] = "/") -> Response:
    """A session for a token: a new cookie, so that one known to somebody else before is worth nothing."""
    dashboard, now = dashboard_of(request), dashboard_of(request).clock()
    who = key_of(request, dashboard.settings.web.proxy)
    if request.app.state.attempts.is_too_many(who):
        return render(request, "login.html", 429, next=_inside(next), refused="Too many attempts: wait a minute.")
    with dashboard.engine.connect() as connection:
        found = find_token(connection, token.strip(), now)
    if found is None:
        log.warning("a login was refused", extra={"peer": who})
        return render(request, "login.html", 401, next=_inside(next), refused="No such token, or it is over.")
    end_session(dashboard.engine, request.state.cookie)
    secret = begin_session(dashboard.engine, found, now, dashboard.settings.web.session)
    log.info("logged in", extra={"token": found.id})
    answer = RedirectResponse(_inside(next), 303)
    answer.headers.append("set-cookie", cookie_text(secret, is_https(request, dashboard.settings.web)))
    return answer


@router.post("/logout")
def log_out(request: Request) -> Response:
    """The session ends here, whoever else has its cookie."""
    end_session(dashboard_of(request).engine, request.state.cookie)
    return RedirectResponse("/login", 303)


def _inside(path: str) -> str:
    """A place of ours to go on to, never one elsewhere.

    >>> _inside("/alerts/7?all=1"), _inside("//evil.example"), _inside("/\\\\\\\\evil.example")
    ('/alerts/7?all=1', '/', '/')
    """
    is_ours = path.startswith("/") and not path.startswith("//") and not any(c in path for c in "\\\r\n\t")
    return path if is_ours else "/"
