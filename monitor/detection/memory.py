"""What does one look at a loop leave for the next?"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from monitor.anchored.comparisons import Comparison
from monitor.check import Finding
from monitor.detection.book import SeriesBook
from monitor.oncall.alerts import Episode, EpisodeKey
from monitor.production.baseline import Baseline
from monitor.production.versions import Version
from monitor.result import Alert
from monitor.statistics.reference_error import ReferenceError
from monitor.voices.voice import Voice

FORMAT = 9  # of a saved Memory; raise it when baseline, book or series mean something else than before


@dataclass(kw_only=True)
class Kept:
    """What stays when a look starts from nothing: what was told stays told.

    closed: days before this one have been decided. resets: slice -> days at whose start its evidence was set to nothing
    by a recorded decision. told: the open episodes as last explained. versions: every baseline of the loop, the first
    one in front; empty until somebody decides for another one than the settings'. learned: teachers' voices.
    """

    episodes: dict[EpisodeKey, Episode] = field(default_factory=dict)
    resets: dict[str, list[int]] = field(default_factory=dict)
    told: list[Alert] = field(default_factory=list)
    closed: int = 0
    versions: list[Version] = field(default_factory=list)
    learned: dict[str, Voice] = field(default_factory=dict)

    @property
    def rebaselined(self) -> list[int]:
        """Days at whose start a new baseline set the evidence of every slice to nothing; the guard's never."""
        return [version.day for version in self.versions[1:]]

    def resets_of(self, slices: Iterable[str]) -> dict[str, list[int]]:
        """The days at whose start the evidence of each of these slices was set to nothing."""
        return {name: sorted({*self.resets.get(name, ()), *self.rebaselined}) for name in slices}


@dataclass
class First:
    """The first baseline, once another one has taken its place, and the errors of its series."""

    baseline: Baseline
    errors: dict[str, ReferenceError] = field(default_factory=dict)


@dataclass
class Memory(Kept):
    """The frozen baseline, the daily sums and the open episodes.

    last_seq: events up to this one are in the book. fixed: findings that are not sums (censuses, broken checks).
    settings: digest of what the settings decide. first: what the guard compares with; None while that is `baseline`.
    comparisons: on anchor sets, by day; those of days not decided yet included. voices: the same of voices.
    """

    baseline: Baseline
    book: SeriesBook
    errors: dict[str, ReferenceError] = field(default_factory=dict)
    arms: tuple[str, ...] = ()
    fixed: list[Finding] = field(default_factory=list)
    last_seq: int = 0
    settings: str = ""
    first: First | None = None
    comparisons: list[Comparison] = field(default_factory=list)
    voices: list[Comparison] = field(default_factory=list)
