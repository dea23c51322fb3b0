"""What are pages made of?"""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

from sqlalchemy import Engine
from starlette.requests import Request

from consumers.store import Clock, utc_now
from monitor.gate.freeze import Freeze, read_freeze
from monitor.settings import Settings


@dataclass(frozen=True)
class Dashboard:
    """Where the events and alerts are, what is watched, and what time it is.

    needs_login: visitors must log in. frozen_by: the file that says whether promotion is frozen; None: nobody knows.
    """

    engine: Engine
    settings: Settings
    needs_login: bool = False
    clock: Clock = utc_now
    frozen_by: Path | None = None

    def freeze(self) -> Freeze | None:
        """Whether promotion is frozen now."""
        return read_freeze(self.frozen_by) if self.frozen_by else None


def dashboard_of(request: Request) -> Dashboard:
    """The one that a request is about."""
    return cast(Dashboard, request.app.state.dashboard)
