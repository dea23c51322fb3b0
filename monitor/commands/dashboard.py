"""The command that shows the dashboard of a store, without keeping watch."""

import time
from typing import Annotated

import typer

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
from monitor.commands.listening import DEFAULT_LISTEN, address_of, answering_at
from monitor.logs import log_to


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
    chosen, address, stop = settings_of(settings), address_of(listen), stop_on_signal()
    if not chosen.web.dashboard:
        raise UsageFault(f"{settings}: web.dashboard is false, so there is nothing to show")
    log_to()
    with (
        existing_store(store) as opened,
        answering_at(address, settings, chosen, opened.engine, Looking(), lambda: None) as bound,
    ):
        say(f"http://{bound}/")
        while not stop():
            time.sleep(0.1)
