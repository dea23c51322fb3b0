"""Are there records that nobody can read any more between where we are and what the broker holds?"""

from dataclasses import dataclass, field

from consumers.incidents import EXPIRED, RECREATED, TRUNCATED, Found


@dataclass(frozen=True)
class Log:
    """One partition as the broker describes it. topic_id: "" where the broker knows none; end: one behind the last."""

    topic_id: str
    earliest: int
    end: int


def find_gap(offset: int, topic_id: str, log: Log) -> Found | None:
    """What lies between the next offset to read, in the topic of that id, and the log as it is now; None: nothing.

    Reading goes on from the earliest record there is: event ids make a second reading harmless.

    >>> find_gap(5, "a", Log("a", earliest=7, end=9)).detail
    'offset 5 to 6: deleted before they were read; reading goes on from offset 7'
    """
    if topic_id and log.topic_id and log.topic_id != topic_id:
        return Found(
            RECREATED,
            f"the topic was deleted and made again (id {topic_id}, now {log.topic_id}); what it held from offset"
            f" {offset} on was not read; reading goes on from offset {log.earliest} of the new one",
            lost_from=offset,
        )
    if offset < log.earliest:
        return Found(
            EXPIRED,
            f"offset {offset} to {log.earliest - 1}: deleted before they were read; reading goes on from offset"
            f" {log.earliest}",
            lost_from=offset,
            lost_until=log.earliest,
        )
    if offset > log.end:
        return Found(
            RECREATED,
            f"the log ends at offset {log.end} and was read up to {offset}: it came back empty or shorter; reading goes"
            f" on from offset {log.earliest}",
            lost_from=offset,
        )
    return None


def cut_back(offset: int, end: int) -> Found:
    """A log that we read up to `offset` was cut back to `end`, where another broker without the rest took over."""
    return Found(
        TRUNCATED,
        f"read up to offset {offset}, but a broker that held records only up to {end} took over; what was read from"
        f" there on was replaced, and reading goes on from offset {end}",
        lost_from=end,
    )


@dataclass
class Doubt:
    """Since when does a partition look as if it had a gap? A broker that has just come back may say so for a moment.

    seconds: how long it must look so before it counts; all times of one monotonic clock.
    """

    seconds: float = 3.0
    since: float | None = field(default=None, init=False)

    def is_confirmed(self, looks_so: bool, now: float) -> bool:
        """Take note of how it looks now; True once it has looked so all the time for long enough."""
        if not looks_so:
            self.since = None
            return False
        if self.since is None:
            self.since = now
        return now - self.since >= self.seconds
