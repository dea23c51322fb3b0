"""What if the database refuses an event that was found valid? It is kept aside, and its neighbours go in."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from sqlalchemy.exc import DataError, DBAPIError

from consumers.intake import Arrival, Intake
from consumers.sources import Record, Refusal

REASON = "not_storable"
_DETAIL_CHARACTERS = 500

Attempt = Callable[[Sequence[Arrival]], object]


def refuses_data(fault: Exception) -> bool:
    """Is it the data that cannot be stored, today and tomorrow? False for every fault of the database itself."""
    if isinstance(fault, DBAPIError):
        too_large = str(getattr(fault.orig, "sqlstate", "")).startswith("54")  # PostgreSQL: program limit exceeded
        return isinstance(fault, DataError) or too_large
    return isinstance(fault, OverflowError | UnicodeEncodeError)  # of a driver, before it asks the database


def keep_aside(intake: Intake, attempt: Attempt) -> Intake:
    """The batch with the events that cannot be stored among its refusals.

    attempt: tries to store some events and takes them back. It is called for halves of what was refused, until each
    refused event is alone: about 2 log2(batch) times for one.
    """
    refused = dict(_refused(intake.arrivals, range(len(intake.arrivals)), attempt))
    arrivals = [arrival for index, arrival in enumerate(intake.arrivals) if index not in refused]
    return replace(intake, arrivals=arrivals, refusals=[*intake.refusals, *refused.values()])


def _refused(arrivals: Sequence[Arrival], tried: range, attempt: Attempt) -> Iterator[tuple[int, Refusal]]:
    try:
        attempt(arrivals[tried.start : tried.stop])
    except Exception as fault:
        if not refuses_data(fault):
            raise
        if len(tried) == 1:
            yield tried.start, _refusal(arrivals[tried.start], fault)
            return
        middle = len(tried) // 2
        yield from _refused(arrivals, tried[:middle], attempt)
        yield from _refused(arrivals, tried[middle:], attempt)


def _refusal(arrival: Arrival, fault: Exception) -> Refusal:
    said = str(fault.orig if isinstance(fault, DBAPIError) else fault).partition("\n")[0]
    detail = ascii(said)[1:-1][:_DETAIL_CHARACTERS]  # it may quote the very characters that cannot be stored
    return Refusal(Record(arrival.raw, arrival.place, len(arrival.raw)), REASON, detail)
