"""May we listen there? Never where others reach us while nobody has to log in."""

import ipaddress

from sqlalchemy import Engine

from consumers.health import Address
from consumers.mendable import Mendable
from consumers.store import Clock
from monitor.web.security.tokens import read_tokens
from monitor.web.settings import WebSettings


class OpenBind(Mendable):
    """Others could read the dashboard, and nobody could log in; the message names the ways out."""


def needs_login(address: Address, web: WebSettings) -> bool:
    """Whether visitors must log in at this address."""
    return web.login or not ipaddress.ip_address(address.host).is_loopback


def refuse_open_bind(address: Address, web: WebSettings, engine: Engine, clock: Clock) -> None:
    """Raises OpenBind where login is needed and there is neither a live token nor a proxy that vouches."""
    if not web.dashboard or not needs_login(address, web) or web.proxy is not None:
        return
    now = clock()
    if not any(token.is_live(now) for token in read_tokens(engine)):
        raise OpenBind(
            f"{address}: others can reach this address, so the dashboard needs a login, and there is no token yet:"
            " `reward-drift token create NAME --scope read` makes one; or listen on 127.0.0.1, or set web.dashboard:"
            " false in the settings, which leaves /metrics, /healthz and /readyz"
        )
