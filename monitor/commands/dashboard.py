"""The command that shows the dashboard of a store, without keeping watch."""

import importlib.util
import logging
import time
from typing import Annotated

import typer

from consumers.health import parse_address
from consumers.store import utc_now
from monitor.commands.common import (
    DEFAULT_SETTINGS,
    DEFAULT_STORE,
    SettingsOption,
    StoreOption,
    UsageFault,
    existing_store,
    say,
    settings_of,
    stop_on_signal,
)
from monitor.commands.serve import DEFAULT_LISTEN, WEB_EXTRA
from monitor.logs import log_to

log = logging.getLogger(__name__)


class Looking:
    """What pages for machines say where nobody keeps watch."""

    def metrics(self) -> bytes:
        """Nothing is measured."""
        return b""

    def alive(self) -> list[str]:
        """Whoever answers is."""
        return []

    def ready(self) -> list[str]:
        """Nobody works here."""
        return ["`reward-drift dashboard` only shows a store; `reward-drift serve` keeps watch"]


def dashboard(
    settings: SettingsOption = DEFAULT_SETTINGS,
    store: StoreOption = DEFAULT_STORE,
    listen: Annotated[
        str, typer.Option("--listen", help="Where to answer; anywhere but on this machine visitors must log in.")
    ] = DEFAULT_LISTEN,
) -> None:
    """Show the dashboard of a store until stopped. Nothing is looked at or sent: `reward-drift serve` does that."""
    if importlib.util.find_spec("fastapi") is None or importlib.util.find_spec("uvicorn") is None:
        raise UsageFault(WEB_EXTRA)
    from monitor.web.app import create_app
    from monitor.web.security.bind import needs_login, refuse_open_bind
    from monitor.web.server import answering
    from monitor.web.state import Dashboard

    chosen = settings_of(settings)
    try:
        address = parse_address(listen)
    except ValueError as fault:
        raise UsageFault(f"--listen {fault}") from None
    stop = stop_on_signal()
    log_to()
    with existing_store(store) as opened:
        refuse_open_bind(address, chosen.web, opened.engine, utc_now)
        pages = Dashboard(opened.engine, chosen, needs_login(address, chosen.web))
        with answering(create_app(Looking(), lambda: None, pages), address) as bound:
            say(f"http://{bound}/")
            while not stop():
                time.sleep(0.1)
