"""What is answered when something went wrong? What happened, and what to do next; to programs as JSON."""

import logging
from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DataError, SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from consumers.mendable import Mendable
from monitor.web.rendering import render

log = logging.getLogger(__name__)

API = "/api/"
ONLY_READS = ("GET", "HEAD", "OPTIONS")
NEXT = {
    400: "Check the address.",
    401: "Log in, or ask whoever runs the monitor for a token.",
    403: "Do it from a page of ours, reloaded; what takes another scope takes another token.",
    404: "The pages above are all there are; an alert that is gone stands in the list of alerts.",
    405: "Go back and use the page's own button.",
    409: "Go back, reload the page and look at what changed.",
    422: "Go back and correct what the message names.",
    429: "Wait a moment, then reload.",
    500: "It is in the log of `reward-drift serve`; reload, and report it if it stays.",
    503: "Reload in a moment; alerts go on as soon as the database answers. `reward-drift doctor` tells more.",
}


def problem(request: Request, status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """An answer that says what is wrong. headers: to be sent with it."""
    extra = dict(headers or {}) | ({"www-authenticate": "Bearer"} if status == 401 else {})
    title = HTTPStatus(status).phrase
    if request.scope["path"].startswith(API):
        error = {"kind": title.lower(), "message": message, "status": status}
        return JSONResponse({"error": error}, status, headers=extra)
    answer = render(request, "fault.html", status, title=title, message=message, next_step=NEXT.get(status, ""))
    answer.headers.update(extra)
    return answer


def answer_faults(app: FastAPI) -> None:
    """From now on every expected fault is such an answer."""

    @app.exception_handler(HTTPException)
    def refused(request: Request, fault: HTTPException) -> Response:
        return problem(request, fault.status_code, str(fault.detail), fault.headers)

    @app.exception_handler(RequestValidationError)
    def misread(request: Request, fault: RequestValidationError) -> Response:
        said = [f"{'.'.join(map(str, one['loc'][1:])) or 'what was sent'}: {one['msg']}" for one in fault.errors()]
        return problem(request, 422, "; ".join(said))

    @app.exception_handler(DataError)
    def unstorable(request: Request, fault: DataError) -> Response:
        if request.method in ONLY_READS:
            raise fault
        return problem(request, 422, "something that was sent cannot be kept as text, as a character NUL")

    @app.exception_handler(Mendable)
    def mendable(request: Request, fault: Mendable) -> Response:
        return problem(request, 409, str(fault))


class Faults:
    """Turns whatever else a page raises into an answer, and a line of the log."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def noticing(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, noticing)
        except SQLAlchemyError as fault:
            log.warning("the database is away", extra={"fault": type(fault).__name__})
            if begun:
                raise
            answer = problem(Request(scope), 503, f"the database does not answer: {type(fault).__name__}")
            await answer(scope, receive, send)
        except Exception:
            log.exception("a page could not be made", extra={"path": scope.get("path", "")})
            if begun or scope["type"] != "http":
                raise
            answer = problem(Request(scope), 500, "the page could not be made")
            await answer(scope, receive, send)
