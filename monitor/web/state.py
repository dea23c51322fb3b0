"""What are pages made of?"""

from dataclasses import dataclass
from typing import cast

from sqlalchemy import Engine
from starlette.requests import Request

from consumers.store import Clock, utc_now
from monitor.settings import Settings


@dataclass(frozen=True)
class Dashboard:
    """Where the events and alerts are, what is watched, and what time it is. needs_login: visitors must log in."""

    engine: Engine
    settings: Settings
    needs_login: bool = False
    clock: Clock = utc_now


def dashboard_of(request: Request) -> Dashboard:
    """The one that a request is about."""
    return cast(Dashboard, request.app.state.dashboard)
