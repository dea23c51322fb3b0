"""What does one look at a loop leave for the next?"""

from dataclasses import dataclass, field

from monitor.alerts import Episode, EpisodeKey
from monitor.baseline import Baseline
from monitor.book import SeriesBook
from monitor.check import Finding
from monitor.result import Alert
from monitor.statistics.reference_error import ReferenceError


@dataclass
class Memory:
    """The frozen baseline, the daily sums and the open episodes.

    closed: days before this one have been decided. last_seq: events up to this one are in the book. resets: slice ->
    days at whose start its evidence was set to nothing by a recorded decision. fixed: findings that are not sums
    (censuses, broken checks). told: the open episodes as last explained. settings: digest of what the settings decide.
    """

    baseline: Baseline
    book: SeriesBook
    errors: dict[str, ReferenceError] = field(default_factory=dict)
    arms: tuple[str, ...] = ()
    episodes: dict[EpisodeKey, Episode] = field(default_factory=dict)
    resets: dict[str, list[int]] = field(default_factory=dict)
    fixed: list[Finding] = field(default_factory=list)
    told: list[Alert] = field(default_factory=list)
    closed: int = 0
    last_seq: int = 0
    settings: str = ""
