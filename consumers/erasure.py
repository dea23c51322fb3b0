"""How is a person forgotten? Every word goes, every count stays, and the ledger says what is out of reach."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, func, select
from sqlmodel import SQLModel

from consumers import tables  # noqa: F401 - fills the metadata
from consumers.belongings import Belongings, find_belongings
from consumers.database import reading, writing
from consumers.erased_records import Searched, empty_conflicts, empty_rejected, search_records
from consumers.erased_words import read_texts, rename, take_copies, take_quotes, take_texts, texts_of_others
from consumers.ledger import Erased, add_entry, checkpoints_of, exports_of, last_entry, subject_of
from consumers.mentions import Mentions
from consumers.store import Clock, EventStore, utc_now
from consumers.users import is_stand_in, stand_in
from consumers.wipe import overwrite_deleted

Also = Callable[[Connection], object]
"""What else is to be done in the transaction of an erasure, when the texts are gone already."""

_erasure = SQLModel.metadata.tables["erasure"]


def erase_user(store: EventStore, user: str, also: Sequence[Also] = (), *, clock: Clock = utc_now) -> Erased:
    """Remove every word of a user and put a random name in the place of the user's, in one transaction.

    Identities of events, numbers and counts stay, so that reading the same events again brings nothing back and no
    statistic changes. Events of the user that come later are new. Bytes of what was removed are still in the files of
    the database until `consumers.wipe.wipe`.
    Returns the new entry of the ledger, or the last one of this user if there was nothing left to erase.
    """
    with reading(store.engine) as connection:  # most of the work, while others write
        person = _find(connection, user)
        searched = search_records(connection, person.mentions, Searched())
    with writing(store.engine) as connection:
        overwrite_deleted(connection)
        now = _find(connection, user)
        searched = search_records(connection, now.mentions, searched if now == person else Searched())
        entry, has_changed = _erase(connection, now, searched, round(clock().timestamp() * 1e6))
        for act in also:
            act(connection)
        last = last_entry(connection, entry.subject)
        if last is not None and not has_changed:
            return last
        add_entry(connection, entry)
        return entry


def requested_erasures(store: EventStore) -> list[str]:
    """Users whose erasure an event asks for and who still have their names, the longest waiting first."""
    query = select(_erasure.c.user_id).group_by(_erasure.c.user_id).order_by(func.min(_erasure.c.time_us))
    with store.engine.connect() as connection:
        return [user for user in connection.execute(query).scalars() if not is_stand_in(user)]


@dataclass(frozen=True)
class _Person:
    """What the store knows of a user."""

    theirs: Belongings
    said: Sequence[str]
    mentions: Mentions = field(compare=False)


def _find(connection: Connection, user: str) -> _Person:
    theirs = find_belongings(connection, user)
    said = read_texts(connection, theirs)
    names = {user, *theirs.responses, *theirs.conversations}
    return _Person(theirs, said, Mentions(names, said, texts_of_others(connection, theirs.events)))


def _erase(connection: Connection, person: _Person, searched: Searched, now_us: int) -> tuple[Erased, bool]:
    """The entry for the ledger, and whether any row changed."""
    theirs, mentions = person.theirs, person.mentions
    texts = take_texts(connection, theirs)
    texts += take_copies(connection, filter(mentions.quoted_in, person.said))
    texts += take_quotes(connection, mentions.quoted_in)
    rejected = empty_rejected(connection, searched.rejected)
    conflicts = empty_conflicts(connection, searched.conflicts, theirs.events)
    renamed = rename(connection, theirs.user, stand_in(theirs.user))
    exports = exports_of(connection, theirs.events)
    checkpoints = checkpoints_of(connection, exports)
    entry = Erased(subject_of(theirs.user), now_us, texts, rejected, conflicts, exports, checkpoints)
    return entry, bool(texts or rejected or conflicts or renamed)
