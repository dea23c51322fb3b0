"""Who may store what a source delivers? One owner at a time; a claim takes the right from whoever had it before.

Of a source that several processes may read (a partition of a topic), each reader claims it first. The claim's epoch is
checked inside every transaction that stores a batch, so that a reader that was stopped and continued after another one
took over writes nothing (a lock would not do: it is gone long before its holder learns of it).
"""

from dataclasses import dataclass

from sqlalchemy import Connection, RowMapping, insert, select, update
from sqlmodel import SQLModel

from consumers import tables  # noqa: F401 - fills the metadata

_table = SQLModel.metadata.tables["claim"]


class ClaimLost(Exception):  # noqa: N818 - a noun of the domain
    """Somebody else has claimed the source since; nothing was stored."""

    def __init__(self, claim: "Claim") -> None:
        super().__init__(f"{claim.source}: claimed by another reader since (ours was claim {claim.epoch})")


@dataclass(slots=True)
class Claim:
    """The right to store batches of a source, until somebody else claims it.

    deaths: how many owners in a row ended without letting go and without having stored a batch; 0 after a good end.
    suspect: place of the record that was being tried alone in all of these deaths, None if none was.
    lost: set when the store found that somebody else has claimed the source.
    """

    source: str
    epoch: int
    deaths: int = 0
    suspect: str | None = None
    lost: bool = False


def take_claim(connection: Connection, source: str, now_us: int) -> Claim:
    """Claim a source inside the caller's write transaction."""
    row = connection.execute(select(_table).where(_table.c.source == source)).mappings().one_or_none()
    claim = Claim(source, 1) if row is None else _next_claim(row)
    values = {"epoch": claim.epoch, "held": True, "deaths": claim.deaths, "claimed_at_us": now_us}
    if row is None:
        connection.execute(insert(_table).values(source=source, suspect=None, **values))
    else:
        connection.execute(update(_table).where(_table.c.source == source).values(**values))
    return claim


def check_claim(connection: Connection, claim: Claim) -> None:
    """Note that a batch is being stored, and keep others from claiming until the transaction ends. Raises ClaimLost."""
    _change(connection, claim, deaths=0, suspect=None)
    claim.deaths, claim.suspect = 0, None


def note_suspect(connection: Connection, claim: Claim, place: str) -> None:
    """Note that the record at `place` is about to be tried alone; deaths count from here if it is a new suspect.

    Raises ClaimLost.
    """
    deaths = claim.deaths if claim.suspect == place else 0
    _change(connection, claim, deaths=deaths, suspect=place)
    claim.deaths, claim.suspect = deaths, place


def let_go(connection: Connection, claim: Claim) -> None:
    """End the claim in good order: the next owner has no death to count. Nothing happens if it was lost."""
    here = (_table.c.source == claim.source) & (_table.c.epoch == claim.epoch)
    connection.execute(update(_table).where(here).values(held=False, deaths=0, suspect=None))


def _next_claim(row: RowMapping) -> Claim:
    deaths = row["deaths"] + 1 if row["held"] else 0
    return Claim(row["source"], row["epoch"] + 1, deaths, row["suspect"])


def _change(connection: Connection, claim: Claim, **values: int | str | None) -> None:
    here = (_table.c.source == claim.source) & (_table.c.epoch == claim.epoch)
    if connection.execute(update(_table).where(here).values(**values)).rowcount == 0:
        claim.lost = True
        raise ClaimLost(claim)
