"""What does one look at a loop leave for the next?"""

from dataclasses import dataclass, field

from monitor.alerts import Episode, EpisodeKey
from monitor.baseline import Baseline
from monitor.book import SeriesBook
from monitor.check import Finding
from monitor.result import Alert
from monitor.statistics.reference_error import ReferenceError

FORMAT = 4  # of a saved Memory; raise it when baseline, book or series mean something else than before


@dataclass(kw_only=True)
class Kept:
    """What stays when a look starts from nothing: what was told stays told.

    closed: days before this one have been decided. resets: slice -> days at whose start its evidence was set to nothing
    by a recorded decision. told: the open episodes as last explained.
    """

    episodes: dict[EpisodeKey, Episode] = field(default_factory=dict)
    resets: dict[str, list[int]] = field(default_factory=dict)
    told: list[Alert] = field(default_factory=list)
    closed: int = 0


@dataclass
class Memory(Kept):
    """The frozen baseline, the daily sums and the open episodes.

    last_seq: events up to this one are in the book. fixed: findings that are not sums (censuses, broken checks).
    settings: digest of what the settings decide.
    """

    baseline: Baseline
    book: SeriesBook
    errors: dict[str, ReferenceError] = field(default_factory=dict)
    arms: tuple[str, ...] = ()
    fixed: list[Finding] = field(default_factory=list)
    last_seq: int = 0
    settings: str = ""
