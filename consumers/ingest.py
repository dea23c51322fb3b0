"""How do events get from a source into the store? One flat loop; a batch is stored whole or read again."""

import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from consumers.claims import Claim, ClaimLost
from consumers.events import EVENT_BYTES
from consumers.files import Position
from consumers.incidents import Incident
from consumers.intake import Appended, Intake, parse_batch
from consumers.sources import Source

log = logging.getLogger(__name__)


class IntakeStore(Protocol):
    """What reading needs of a store, as `EventStore` defines it: where to go on, whose turn it is, and to store."""

    def append(self, intake: Intake) -> Appended: ...

    def claim(self, source: str) -> Claim: ...

    def suspect(self, claim: Claim, place: str) -> None: ...

    def let_go(self, claim: Claim) -> None: ...

    def position(self, source: str) -> Position | None: ...

    def incidents(self, *, open_only: bool = True, source: str | None = None) -> list[Incident]: ...


@dataclass(frozen=True)
class IngestResult:
    """What one run of `ingest` did. `batches` counts transactions."""

    appended: Appended = field(default_factory=Appended)
    batches: int = 0


def ingest(
    source: Source,
    store: IntakeStore,
    *,
    event_bytes: int = EVENT_BYTES,
    progress: Callable[[IngestResult], None] | None = None,
) -> IngestResult:
    """Read the source from its saved position to its end, or for ever if it follows.

    event_bytes: limit of one event. progress: called after each stored batch with the result so far.
    A process killed at any moment goes on, when started again, without losing or doubling an event. Raises SourceError
    and whatever the database raises; neither rejects an event.
    """
    result = IngestResult()
    with contextlib.closing(source.batches(store.position)) as batches:  # so that a fault of the store ends it at once
        for batch in batches:  # 1. poll
            intake = parse_batch(batch, event_bytes)  # 2. parse; 3. split feedback by purpose
            try:
                appended = store.append(intake)  # 4. rows and position, one transaction
            except ClaimLost as lost:  # the source sees it too, by batch.claim
                log.warning("%s; nothing was stored", lost)
                continue
            result = IngestResult(result.appended + appended, result.batches + 1)
            if progress is not None:
                progress(result)  # 5. tell, then next
    return result
