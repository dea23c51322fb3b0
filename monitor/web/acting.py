"""How does a visitor change something about alerts? In one transaction with what is to be told of it."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection
from starlette.exceptions import HTTPException

from consumers.database import writing
from monitor.oncall.receivers.configured import ReceiverUnusable, configured_receivers
from monitor.oncall.tell import tell
from monitor.web.security.visitors import Visitor
from monitor.web.state import Dashboard

AT_MACHINE = "at this machine"


@contextmanager
def changing(dashboard: Dashboard) -> Iterator[Connection]:
    """One write transaction; `reward-drift serve` sends what it tells, within seconds.

    On a machine without the receivers' secrets it is told by the next step of the one that has them.
    """
    try:
        receivers = tuple(configured_receivers(dashboard.settings.receivers))
    except ReceiverUnusable:
        receivers = None
    with writing(dashboard.engine) as connection:
        yield connection
        if receivers is not None:
            tell(connection, dashboard.settings, dashboard.clock(), receivers)


def owner_of(visitor: Visitor, said: str) -> str:
    """Who did it: the name of whoever logged in, else what he says of himself. Raises HTTPException for nobody."""
    name = visitor.name or said.strip()[:100]
    if not name:
        raise HTTPException(422, "say who you are: others will read who has it")
    return name
