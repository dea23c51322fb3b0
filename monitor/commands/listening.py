"""How do commands answer over HTTP? Where they were told to, and not where strangers could read along."""

import contextlib
import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from consumers.health import Address, parse_address
from consumers.store import utc_now
from monitor.commands.common import UsageFault
from monitor.gate.freeze import freeze_file
from monitor.settings import Settings

if TYPE_CHECKING:
    from monitor.web.app import State

DEFAULT_LISTEN = "127.0.0.1:9465"
WEB_EXTRA = "this command answers over HTTP and needs the extra web: pip install 'reward-drift-monitor[web]'"


def address_of(listen: str) -> Address:
    """Where to answer. Raises UsageFault for what is no address, and where the web extra is not installed."""
    if importlib.util.find_spec("fastapi") is None or importlib.util.find_spec("uvicorn") is None:
        raise UsageFault(WEB_EXTRA)
    try:
        return parse_address(listen)
    except ValueError as fault:
        raise UsageFault(f"--listen {fault}") from None


@contextlib.contextmanager
def answering_at(
    address: Address, place: Path, settings: Settings, engine: Engine, state: "State", beat: Callable[[], None]
) -> Iterator[Address]:
    """Answer while inside; gives the address with the port that was bound.

    place: where the settings were read. state, beat: as of `create_app`. Raises OpenBind where nobody could log in,
    UsageFault if the address is taken.
    """
    from monitor.web.app import create_app
    from monitor.web.security.bind import needs_login, refuse_open_bind
    from monitor.web.server import answering
    from monitor.web.state import Dashboard

    refuse_open_bind(address, settings.web, engine, utc_now)
    pages = Dashboard(engine, settings, needs_login(address, settings.web), frozen_by=freeze_file(place))
    app = create_app(state, beat, pages if settings.web.dashboard else None)
    with contextlib.ExitStack() as stack:
        try:
            bound = stack.enter_context(answering(app, address))
        except OSError as fault:
            raise UsageFault(f"--listen {address}: {fault.strerror}; name another address or port") from None
        yield bound
