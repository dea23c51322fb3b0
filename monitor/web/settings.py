"""Who may look at the dashboard, and from where?"""

import datetime as dt
import ipaddress
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from monitor.section import Duration, Name, Section

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Scope = Literal["read", "ack", "admin"]
SCOPES: tuple[Scope, ...] = ("read", "ack", "admin")  # each includes those before it


WIDEST = {4: 8, 6: 7}  # the widest networks that are anybody's own: 10.0.0.0/8, fc00::/7


def _network(value: object) -> object:
    try:
        network = ipaddress.ip_network(str(value))
    except ValueError:
        raise ValueError(f"{value!r}: write an address or a network, as 10.0.0.7 or 10.0.0.0/24") from None
    if network.prefixlen < WIDEST[network.version]:
        raise ValueError(f"{value!r}: so wide that strangers could vouch for themselves; name the proxy's own address")
    return network


class ProxySettings(Section):
    """A proxy in front that checked who a visitor is (OIDC).

    addresses: where it may come from; its header counts from nowhere else. header: it names the visitor; the proxy must
    remove it from what it is sent. scopes: what everybody whom it lets through may do.
    """

    addresses: Annotated[
        tuple[Annotated[Network, BeforeValidator(_network)], ...],
        Field(min_length=1),
    ]
    header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")] = "X-Auth-Request-Email"
    scopes: tuple[Scope, ...] = Field(("read",), min_length=1)


class WebSettings(Section):
    """The dashboard and its API.

    dashboard: false: only /metrics, /healthz and /readyz answer. login: visitors of this machine must log in too; on
    any other address everybody must. session: how long a login lasts. hosts: names under which it is reached, beside
    localhost and plain addresses. requests_per_minute: of one visitor.
    """

    dashboard: bool = True
    login: bool = False
    session: Duration = dt.timedelta(hours=12)
    hosts: tuple[Name, ...] = ()
    proxy: ProxySettings | None = None
    requests_per_minute: Annotated[int, Field(ge=10)] = 600
