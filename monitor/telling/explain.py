"""What does a page say about an episode? Since when, how sure, which checkpoint, which story, what to read."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from monitor.anchored.comparisons import Comparison
from monitor.check import Interval
from monitor.detection.book import SeriesBook, SeriesKey
from monitor.detection.confirm import component_evidence
from monitor.detection.evidence import Path, likely_start, threshold_of
from monitor.detection.memory import First
from monitor.oncall.alerts import GUARD, Crossing, Episode, is_guard
from monitor.production.baseline import cohort_values
from monitor.production.curve import Reading, Training, read_curve
from monitor.production.items import date_of, day_of, load_items
from monitor.result import Alert, Confirmed, Evidence, Example
from monitor.snapshot import Snapshot
from monitor.statistics.attribution import PARENTS, Stream, label_shares, name_label
from monitor.statistics.detector import guard_masses, smallest_visible
from monitor.statistics.family import guard_weight, series_weight
from monitor.statistics.intervals import mean_interval
from monitor.statistics.reference_error import QUANTILE
from monitor.statistics.verdicts import SHARED, verdict
from monitor.telling.blame import LOOK_BACK_DAYS, first_worse, most_served, serve_within_days
from monitor.telling.escape_words import CHECK as EVASION_CHECK
from monitor.telling.escape_words import escape_message
from monitor.telling.examples import examples_of

ASSOCIATION_CHECK, DECOUPLING_CHECK = "reward_outcome_association", "reward_outcome_decoupling"
NULLS = {
    "A1": "the outcome is not below what its reward meant in the reference; beside a large holdback, no more than"
    " there",
    "A2": "the outcome is not below its cohort's in the reference; while users are held back, not below theirs",
    "A3": "a success has the higher reward as often as in the reference",
    "A7": "the outcome rises by at least a tenth of what the reward gained, since the reference or beside a holdback",
    "A8": "no more answers escape being judged than in the reference; while users are held back, than among them",
}


@dataclass(frozen=True)
class Story:
    """What an episode is put down to: named by shares of evidence, and confirmed where that is possible."""

    attribution: str
    leading: str
    shares: Mapping[str, float] = field(default_factory=dict)
    confirmed: Confirmed | None = None
    components: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """All that is needed to explain the episodes of one evaluation. resets: slice -> days its evidence began anew.

    training: what checkpoint events told of KL and steps. first: the first baseline once there is another.
    comparisons: on anchor sets, by day. voices: of checkpoints' voices, by day. earlier: items from a day on (the key),
    read for one episode and good for the others.
    """

    snapshot: Snapshot
    book: SeriesBook
    paths: Mapping[str, Path]
    weights: Mapping[SeriesKey, float]
    thresholds: Mapping[str, float]
    resets: Mapping[str, Sequence[int]] = field(default_factory=dict)
    training: Sequence[Training] = ()
    first: First | None = None
    comparisons: Sequence[Comparison] = ()
    voices: Sequence[Comparison] = ()
    earlier: dict[int, pd.DataFrame] = field(default_factory=dict)

    def curve(self, day: int) -> Reading:
        """The curve of over-optimisation as of the close of a day."""
        return read_curve(self.book, self.snapshot.baseline, self.training, day)

    def items_since(self, day: int) -> pd.DataFrame:
        """Items that matured on a day or later, and maybe some before it."""
        snapshot = self.snapshot
        if day >= snapshot.items.since:
            return snapshot.items.frame
        read = max((since for since in self.earlier if since <= day), default=None)
        if read is None:
            revision = snapshot.baseline.revision
            self.earlier[day] = load_items(snapshot.engine, snapshot.settings, snapshot.as_of, day, revision).frame
            read = day
        return self.earlier[read]

    def begin(self, episode: Episode) -> int:
        """Index of the day from which the episode's evidence counts: the last reset before it fired."""
        fired = episode.crossings[0].day
        past = [day for day in self.resets.get(episode.slice_name, ()) if day <= fired]
        return min(max(max(past, default=0) - self.book.first_day, 0), self.book.days - 1)


def explain(case: Case, episode: Episode) -> list[Alert]:
    """One alert for each severity the episode latched; the story is the same in all, as of the end."""
    path = case.paths[episode.slice_name]
    first = _index(case, episode.crossings[0].day)
    leader = path.leader(first, episode.crossings[0].severity)
    start, bet = likely_start(case.book, leader, first, case.begin(episode))
    part = {} if episode.check == EVASION_CHECK or is_guard(episode) else episode.slice
    frame = items_of(case, part, start + case.book.first_day)
    story = _story(case, episode)
    examples = examples_of(case.snapshot, frame, episode.slice.get("escapes"))
    return [
        _alert(case, episode, crossing, leader, start, bet, frame, story, examples) for crossing in episode.crossings
    ]


def _alert(
    case: Case,
    episode: Episode,
    crossing: Crossing,
    leader: SeriesKey,
    start: int,
    bet: float,
    frame: pd.DataFrame,
    story: Story,
    examples: list[Example],
) -> Alert:
    since = start + case.book.first_day
    part = {} if episode.check == EVASION_CHECK or is_guard(episode) else episode.slice
    checkpoint = _blamed(case, part, frame, since, crossing.day)
    traffic = _traffic(episode)
    reward, outcome = change_of(case, "A4", since, traffic), flipped(change_of(case, "A2", since, traffic))
    effect = change_of(case, leader.series, since, leader.slice, leader.check)
    n = case.book.sums(_counted(leader), since)[0]
    message = (
        _escaped(case, leader, effect, frame, since, checkpoint, n)
        if episode.check == EVASION_CHECK
        else _message(case, episode, story, checkpoint, reward, outcome, n)
    )
    return Alert(
        fingerprint=episode.fingerprint(case.snapshot.settings.loop),
        check=episode.check,
        attribution=story.attribution,
        severity=crossing.severity,
        slice=episode.slice,
        checkpoint=checkpoint,
        fired_at=dt.datetime.combine(date_of(crossing.day + 1), dt.time(), dt.UTC),
        leading=story.leading,
        shares=story.shares,
        effect=effect,
        reward_change=reward,
        outcome_change=outcome,
        n=n,
        message=message,
        evidence=_evidence(case, episode, crossing, leader, since, bet, frame),
        examples=examples,
        state=episode.state,
        confirmed=story.confirmed,
        components=story.components,
        outcome_level=_level(frame),
    )


def _level(frame: pd.DataFrame) -> float | None:
    """Mean outcome over units; None without any, and where some were likelier to be asked than others."""
    if frame["outcome"].notna().sum() == 0 or frame["propensity"].notna().any():
        return None
    return float(frame.groupby("unit")["outcome"].mean().mean())


def _index(case: Case, day: int) -> int:
    """The day's place in the book; a day before a new baseline's first one is its first."""
    return min(max(day - case.book.first_day, 0), case.book.days - 1)


def _evidence(
    case: Case, episode: Episode, crossing: Crossing, leader: SeriesKey, since: int, bet: float, frame: pd.DataFrame
) -> Evidence:
    path, day = case.paths[episode.slice_name], _index(case, crossing.day)
    threshold = threshold_of(crossing, case.thresholds)
    restarting = path.total if crossing.severity == "ticket" else path.firm
    logs = (path.known if crossing.rule == "known start" else restarting)[day]
    info = case.book.info[leader]
    n, total, squares = case.book.sums(leader, since)
    deviation = float(np.sqrt(max(squares / n - (total / n) ** 2, 1e-6))) if n else 1.0
    return Evidence(
        rule=crossing.rule,
        null=NULLS[leader.series],
        statistic=float(np.exp(min(logs, 700.0))),
        threshold=threshold,
        promise=promise_of(crossing, threshold),
        material_harm=material_harm(case.snapshot),
        baseline_error=(info.allowance - material_harm(case.snapshot)) / QUANTILE,
        baseline_version=case.snapshot.baseline.version,
        reference_units=info.baseline_units,
        missing_share=float(frame["outcome"].isna().mean()) if len(frame) else 0.0,
        likely_start=date_of(since),
        heaviest_bet=bet,
        scores=path.shares(day),
        smallest_visible=smallest_visible(n, deviation, info.allowance, *_hurdle(case, crossing, leader, since)),
    )


def _hurdle(case: Case, crossing: Crossing, leader: SeriesKey, since: int) -> tuple[float, float]:
    """What a harm that began on a day must reach, and with what mass it starts."""
    if crossing.rule == GUARD:
        mass = float(guard_masses(since - case.book.first_day + 1)[-1])
        return threshold_of(crossing, case.thresholds), guard_weight(leader.series) * mass
    weight = case.weights[leader] if leader.check == EVASION_CHECK else series_weight(leader.series)
    return case.thresholds[crossing.severity], weight


def material_harm(snapshot: Snapshot) -> float:
    """The harm nobody would act on: as set, and at least one point where the reference's weeks differ by themselves."""
    asked = snapshot.settings.alerts.material_harm
    return max(asked, 0.01) if snapshot.baseline.overdispersion > 1 else asked


def promise_of(crossing: Crossing, threshold: float) -> str:
    """How often at most an alert of this rule and threshold is false."""
    if crossing.rule == "known start":
        return f"in a file without any change this fires with probability at most {1 / threshold:.3g}"
    if crossing.rule == GUARD:
        return f"compared with the first baseline for ever, this is wrong with probability at most {1 / threshold:.3g}"
    return f"at most one false {crossing.severity} in {threshold:,.0f} days on average, over all series together"


def _traffic(episode: Episode) -> str:
    """The slice of traffic that an episode speaks of; ways to escape are no part of the traffic."""
    return "" if episode.check == EVASION_CHECK else episode.slice_name


def _counted(leader: SeriesKey) -> SeriesKey:
    """The series whose units an alert counts: those with an outcome, or the leader's own."""
    own = leader.series == "A2" or leader.check == EVASION_CHECK
    return leader if own else SeriesKey(DECOUPLING_CHECK, "A2", leader.slice)


def change_of(case: Case, series: str, since: int, slice_name: str = "", check: str = DECOUPLING_CHECK) -> Interval:
    """Mean effect of a series from a day on, with its 95% interval."""
    n, total, squares = case.book.sums(SeriesKey(check, series, slice_name), since)
    return Interval(*mean_interval(n, total, squares)) if n else Interval()


def flipped(change: Interval) -> Interval:
    """A change with plus for better instead of worse."""
    if change.value is None or change.low is None or change.high is None:
        return change
    return Interval(-change.value, -change.high, -change.low)


def _story(case: Case, episode: Episode) -> Story:
    if episode.check == ASSOCIATION_CHECK:
        return Story("association_decay", "association_decay")
    if episode.check == EVASION_CHECK:
        return Story("evasion", "evasion")
    base = case.snapshot.baseline
    shares = label_shares(
        _stream(case, episode, "A2"), _stream(case, episode, "A4"), base.gain, base.reverse,
        float(case.snapshot.settings.checks.get(episode.check, {}).get("worth", 0.1)), base.overdispersion,
    )  # fmt: skip
    warned = next((c.day for c in episode.crossings if c.severity != "ticket"), episode.crossings[0].day)
    attribution, leading = name_label(shares, day_of(case.snapshot.as_of) - 1 - warned)
    components = component_evidence(case.book, episode.slice_name, material_harm(case.snapshot), case.begin(episode))
    found = verdict(components)
    if found is not None and found[0] == SHARED:
        attribution = SHARED
    if found is not None and found[0] in PARENTS:  # a leaf that is confirmed is more than the likeliest one
        attribution = leading = found[0]
    return Story(attribution, leading, shares, None if found is None else Confirmed(*found), components)


def _stream(case: Case, episode: Episode, series: str) -> Stream:
    key = SeriesKey(DECOUPLING_CHECK, series, episode.slice_name)
    column = case.book.cells[case.begin(episode) :, case.book.column[key], :3]
    n, total, squares = column.sum(axis=0)
    variance = float(squares / n - (total / n) ** 2) if n else 1.0
    return Stream(column[:, 0], column[:, 1], variance, case.book.info[key].baseline_error)


def items_of(case: Case, part: Mapping[str, str], day: int, role: str = "monitored") -> pd.DataFrame:
    """Items of a slice that matured on or after a day; role: monitored or holdback."""
    frame = case.items_since(day)
    mine = case.snapshot.baseline.window.roles(frame) == role
    return in_slice(frame[mine & (frame["day"] >= day).to_numpy()], part)


def in_slice(frame: pd.DataFrame, part: Mapping[str, str]) -> pd.DataFrame:
    """The items of a slice: cohort values, or the checkpoint of an arm."""
    for key, value in part.items():
        if key == "checkpoint":
            frame = frame[frame["checkpoint"] == value]
        else:
            frame = frame[cohort_values(frame, (key,))[key] == value]
    return frame


def _blamed(case: Case, part: Mapping[str, str], frame: pd.DataFrame, since: int, until: int) -> str:
    """The checkpoint to name: of items since the likely start, or where several serve a day, by the change point."""
    served = frame[frame["day"] <= until]
    if not serve_within_days(served):
        return most_served(served)
    longer = items_of(case, part, since - LOOK_BACK_DAYS)
    return first_worse(case.snapshot, longer[longer["day"] <= until]) or most_served(served)


def _message(
    case: Case, episode: Episode, story: Story, checkpoint: str, reward: Interval, outcome: Interval, n: int
) -> str:
    where = f" in {episode.slice_name}" if episode.slice_name and not is_guard(episode) else ""
    against = "the first baseline (guard against slow absorption)" if is_guard(episode) else "the reference"
    settings = case.snapshot.settings
    blamed = f"mostly {checkpoint}: {_named(story)}"
    if story.attribution == SHARED:
        blamed = "users held back lost as well, so no checkpoint is blamed"
    sure = f"; {story.confirmed}" if story.confirmed else ""
    return (
        f"{settings.loop}{where}: {settings.reward.label} {points(reward)}, {settings.outcome.metric} {points(outcome)}"
        f" against {against} since the likely start, n={n:,} {settings.unit}s, {blamed}{sure}."
    )


def _named(story: Story) -> str:
    name = {"undecided": "not yet named", **dict.fromkeys(PARENTS, "")}.get(story.attribution, "") or story.attribution
    leading = story.leading.replace("_", " ")
    return f"{name.replace('_', ' ')} (leading: {leading})" if name != story.leading else story.leading


def _escaped(
    case: Case, leader: SeriesKey, effect: Interval, frame: pd.DataFrame, since: int, checkpoint: str, n: int
) -> str:
    snapshot, info = case.snapshot, case.book.info[leader]
    beside_held = info.allowance <= material_harm(snapshot)  # no baseline is conceded beside users held back
    held = items_of(case, {}, since, "holdback") if beside_held else None
    kind = info.slice["escapes"]
    return escape_message(snapshot.settings, snapshot.baseline, kind, effect, frame, held, checkpoint, n)


def points(change: Interval) -> str:
    """A change in points with its interval, or that there is none.

    >>> points(Interval(0.09, 0.08, 0.1))
    '+9.0 pt (+8.0..+10.0)'
    """
    if change.value is None or change.low is None or change.high is None:
        return "unknown"
    return f"{change.value * 100:+.1f} pt ({change.low * 100:+.1f}..{change.high * 100:+.1f})"
