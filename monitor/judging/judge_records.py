"""What did each watched judge say of which pairs, which of that is its reference, and what did it say again?

Every revision of a judge is a ruler of its own, with a reference of its own, so that a changed ruler is never taken
for a changed model. The reference lasts through the reference of the loop and until 200 of its verdicts stand beside
a person's; it ends with a day, and later verdicts are watched. All of it is a function of the events that happened
before the close of a day.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from sqlalchemy import Engine, bindparam, text

from judges.preference import read_preferences
from judges.sittings import read_sittings
from monitor.production.baseline import Window
from monitor.production.items import DAY_US, microseconds
from monitor.settings import Settings

CHECKS = ("judge_bias", "judge_change", "judge_human_agreement", "teacher_preference_drift")
REFERENCE_PAIRS = 200  # verdicts beside a person's, as many as a loop's reference needs outcomes
SCORERS = "SELECT DISTINCT scorer FROM score WHERE kind = 'judge' AND time_us < :until"
SCORED = text("""
    SELECT response_id, scorer AS judge, COALESCE(revision, '') AS revision, time_us, value FROM score
    WHERE scorer IN :judges AND value IS NOT NULL AND time_us < :until AND response_id IN (
        SELECT response_id FROM score WHERE scorer IN :judges AND value IS NOT NULL AND time_us < :until
        GROUP BY response_id, scorer HAVING COUNT(*) > 1)
""").bindparams(bindparam("judges", expanding=True))
JUDGED = "SELECT EXISTS (SELECT 1 FROM preference WHERE time_us < :until)"
CAME = """
    SELECT EXISTS (SELECT 1 FROM preference WHERE seq > :seq OR time_us >= :since)
        OR EXISTS (SELECT 1 FROM score WHERE kind = 'judge' AND (seq > :seq OR time_us >= :since))
        OR EXISTS (SELECT 1 FROM checkpoint WHERE seq > :seq AND teacher IS NOT NULL)
"""
NO_SCORES = pd.DataFrame({name: pd.Series(dtype=np.float64) for name in ("judge", "day", "before", "now")})
NO_PAIRS = NO_SCORES.assign(human=pd.Series(dtype=np.float64), teacher=pd.Series(dtype=np.float64))


@dataclass(frozen=True)
class Ruler:
    """One revision of a judge.

    anchors: one row a pair on which a person has a verdict too: verdict, human, teacher (NaN: none), the cues of a
    minus those of b (length, same_family, own_student), day (of the latest of these verdicts). orders: one row a pair
    judged in both orders: ab, ba, day. first: day of its first verdict. begins, ends: days of the reference, the end
    exclusive; ends None while it lacks pairs.
    """

    judge: str
    revision: str
    first: int
    begins: int
    ends: int | None
    anchors: pd.DataFrame
    orders: pd.DataFrame

    @property
    def reference(self) -> int:
        """Pairs of the reference, so far."""
        days = self.anchors["day"].to_numpy(np.int64)
        return int(((days >= self.begins) & (days < (self.ends or np.iinfo(np.int64).max))).sum())


@dataclass(frozen=True)
class JudgeRecords:
    """Every watched judge's record. judges: names, sorted.

    rulers: by judge, in order of time. again: one row for each time a judge was asked again about a pair, in the same
    orders: judge, day, before, now (verdicts), human, teacher. scored_again: judge, day, before, now (raw scores of one
    response). Nothing in them hangs on who serves.
    """

    judges: tuple[str, ...]
    rulers: Mapping[str, list[Ruler]]
    again: pd.DataFrame
    scored_again: pd.DataFrame

    @cached_property
    def first_day(self) -> int | None:
        """The first day that is watched of any judge; None while there is none."""
        ends = [ruler.ends for rulers in self.rulers.values() for ruler in rulers if ruler.ends is not None]
        days = [int(frame["day"].min()) for frame in (self.again, self.scored_again) if len(frame)]
        return min([*ends, *days], default=None)


def judged_since(engine: Engine, seq: int, closed: int) -> bool:
    """Whether a judgment came after an event, or happened on a day that was not decided yet."""
    with engine.connect() as connection:
        return bool(connection.execute(text(CAME), {"seq": seq, "since": closed * DAY_US}).scalar())


def read_records(engine: Engine, settings: Settings, window: Window, close: int) -> JudgeRecords:
    """What judges did before day `close`. window: the reference of the loop."""
    until, judges = close * DAY_US, set(settings.judges.watched)
    with engine.connect() as connection:
        scorers = set(connection.execute(text(SCORERS), {"until": until}).scalars())
        judged = bool(connection.execute(text(JUDGED), {"until": until}).scalar())
    preferences = read_preferences(engine, settings.judges, until) if judged else None
    judges |= {*preferences.watched} if preferences else set()
    names = tuple(sorted(judges if settings.judges.watched else judges | scorers))
    scored_again = _scored_again(engine, names, until) if scorers & {*names} else NO_SCORES
    if preferences is None:
        return JudgeRecords(names, {}, NO_PAIRS, scored_again)
    said = read_sittings(engine, names, until).merge(preferences.pairs, on="pair_id")
    kin = ["same_family_a", "same_family_b", "own_student_a", "own_student_b"]
    said = said.merge(preferences.verdicts[["pair_id", "judge", "revision", *kin]], on=["pair_id", "judge", "revision"])
    start, end = reference_days(settings, window)
    first = said[said["sitting"] == 0]
    rulers: dict[str, list[Ruler]] = {}
    for (judge, revision), mine in first.groupby(["judge", "revision"], sort=True):
        rulers.setdefault(str(judge), []).append(_ruler(str(judge), str(revision), mine, start, end))
    for found in rulers.values():
        found.sort(key=lambda ruler: (ruler.first, ruler.revision))
    return JudgeRecords(names, rulers, _again(said), scored_again)


def reference_days(settings: Settings, window: Window) -> tuple[int, int]:
    """First day of the loop's reference and the day after its last: as set, else of its checkpoint's service.

    (0, 0) where the loop has none.
    """
    wanted = settings.reference
    if wanted.from_ and wanted.until:
        return microseconds(wanted.from_) // DAY_US, -(-microseconds(wanted.until) // DAY_US)
    return (window.start_us // DAY_US, -(-window.end_us // DAY_US)) if window.end_us > window.start_us else (0, 0)


def _ruler(judge: str, revision: str, said: pd.DataFrame, start: int, end: int) -> Ruler:
    """The reference begins with the loop's, or with the ruler if that is younger than the loop's reference."""
    anchors, orders = _anchors(said[said["human"].notna()]), said[said["ab"].notna() & said["ba"].notna()]
    first = int(said["day"].min())
    begins = start if first < end else first
    days = np.sort(anchors["day"].to_numpy(np.int64))
    days = days[days >= begins]
    ends = None
    if days.size >= REFERENCE_PAIRS:
        ends = max(int(days[REFERENCE_PAIRS - 1]) + 1, end if first < end else 0)
    return Ruler(judge, revision, first, begins, ends, anchors, orders[["ab", "ba", "day"]].reset_index(drop=True))


def _anchors(said: pd.DataFrame) -> pd.DataFrame:
    """Verdicts beside a person's, on the day by which all that are compared were known."""
    known = said[["time_us", "human_us", "teacher_us"]].max(axis=1)
    return pd.DataFrame(
        {
            "verdict": said["verdict"].astype(float),
            "human": said["human"].astype(float),
            "teacher": said["teacher"].astype(float),
            "length": said["a_length"].astype(float) - said["b_length"].astype(float),
            "same_family": said["same_family_a"].astype(float) - said["same_family_b"].astype(float),
            "own_student": said["own_student_a"].astype(float) - said["own_student_b"].astype(float),
            "day": (known // DAY_US).astype(np.int64),
        }
    ).reset_index(drop=True)


def _again(said: pd.DataFrame) -> pd.DataFrame:
    """Each verdict beside the judge's last one on the same pair, whatever its revision; asked in the same orders."""
    said = said.sort_values(["judge", "pair_id", "time_us", "revision", "sitting"], ignore_index=True)
    last = said.groupby(["judge", "pair_id"])[["verdict", "ab", "ba"]].shift()
    alike = last["verdict"].notna() & np.logical_and.reduce(
        [last[order].isna() == said[order].isna() for order in ("ab", "ba")]
    )
    found = said.assign(before=last["verdict"], now=said["verdict"])[alike]
    kept: pd.DataFrame = found[[*NO_PAIRS]].reset_index(drop=True)
    return kept


def _scored_again(engine: Engine, judges: tuple[str, ...], until: int) -> pd.DataFrame:
    with engine.connect() as connection:
        rows = pd.read_sql_query(SCORED, connection, params={"judges": list(judges), "until": until})
    rows = rows.sort_values(["judge", "response_id", "time_us", "revision", "value"], ignore_index=True)
    rows["before"] = rows.groupby(["judge", "response_id"])["value"].shift()
    rows = rows.rename(columns={"value": "now"}).assign(day=rows["time_us"] // DAY_US)
    return rows.loc[rows["before"].notna(), [*NO_SCORES]].reset_index(drop=True)
