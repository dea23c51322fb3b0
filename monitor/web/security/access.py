"""What may this visitor do here? Asked by each page that changes something."""

from starlette.exceptions import HTTPException
from starlette.requests import Request

from monitor.web.security.visitors import Visitor
from monitor.web.settings import Scope


class Needs:
    """A dependency of a route: only visitors with this scope get further; gives the visitor."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    def __call__(self, request: Request) -> Visitor:
        visitor: Visitor = request.state.visitor
        if not visitor.may(self.scope):
            raise HTTPException(403, f"this takes the scope {self.scope}; you have {visitor.scope}")
        return visitor
