"""What is said of a judge that drifts, and what was found of one that does not?

A judge's alert names no checkpoint: nobody who is served did it. Which story it is, is a question of its own: capture
leaves the agreement where person and teacher agree as it was, noise lowers it.
"""

import datetime as dt

import numpy as np

from monitor.check import Finding, Interval, Verdict
from monitor.detection.book import SeriesInfo, SeriesKey
from monitor.detection.confirm import LARGEST
from monitor.detection.evidence import likely_start, threshold_of
from monitor.judging.judge_effects import MATERIAL
from monitor.oncall.alerts import Crossing, Episode
from monitor.production.items import date_of, day_of
from monitor.result import Alert, Confirmed, Evidence
from monitor.statistics.claims import DailySums, log_evidence, start_masses
from monitor.statistics.detector import smallest_visible
from monitor.statistics.verdicts import JUDGE, verdict
from monitor.telling.explain import Case, change_of, material_harm, promise_of

CAPTURE, AGREEMENT, CHANGE = "teacher_preference_drift", "judge_human_agreement", "judge_change"
MARGIN = 0.05  # agreement where person and teacher agree that fell by less is called unmoved
NORMAL = 1.96
PRECISION = 0.05  # half-width to which a share should be known before anybody acts on it
FINDING_DAYS = 28
NULLS = {
    "B1": "the judge takes the teacher's side, where people and teacher differ, as often as in its reference",
    "B2": "the judge agrees with people as often as in its reference, on pairs as hard",
    "B4": "the judge follows the cue as in its reference, given what people prefer",
    "flips": "the judge changes its choice with the order as often as in its reference",
    "first": "the judge chooses the answer shown first as often as in its reference",
    "B6": "asked again, the judge moves toward the teacher no more often than away",
    "M": "asked again, the judge moves away from people no more often than toward them",
    "S-": "asked again, the judge scores the same responses no lower",
    "S+": "asked again, the judge scores the same responses no higher",
}
SAID = {
    "B1": "takes the teacher's side where people and teacher differ",
    "B2": "agrees with people",
    "B4": "follows {cue} beyond what people prefer",
    "flips": "changes its choice with the order",
    "first": "chooses the answer shown first",
    "B6": "moved toward the teacher on pairs it was asked about again",
    "M": "moved away from people on pairs it was asked about again",
    "S-": "scores the same responses lower than before",
    "S+": "scores the same responses higher than before",
}
SHARES = {"B1": 1, "B2": -1, "flips": 1, "first": 1}  # effects that are a share minus the reference's, with its sign


def judge_finding(case: Case, key: SeriesKey, episode: Episode | None) -> Finding:
    """What the last 28 days show of one check and judge: of several series the one that looks worst.

    FAIL while an alert is open. PASS: the 95% interval, the reference's own error included, lies under the tolerance.
    """
    since = day_of(case.snapshot.as_of) - FINDING_DAYS
    beside = [one for one in case.book.keys if (one.check, one.slice) == (key.check, key.slice) and one in case.weights]
    known = [(change_of(case, one.series, since, one.slice, one.check), one) for one in beside]
    effect, worst = max(known, key=lambda one: -2.0 if one[0].value is None else one[0].value)
    info = case.book.info[worst]
    n, ever = case.book.sums(worst, since)[0], case.book.sums(worst)[0]
    effect = _widened(effect, info.baseline_error)
    verdict_ = Verdict.INCONCLUSIVE
    if episode is not None:
        verdict_ = Verdict.FAIL
    elif effect.high is not None and effect.high <= info.tolerance:
        verdict_ = Verdict.PASS
    if not ever:
        told = f"no data: needs {info.needs}" + (f"; {info.note}" if info.note else "")
        return Finding(key.check, info.slice, verdict_, Interval(), info.tolerance, 0, told)
    told = f"{_in_words(worst, info, effect, n)}; {_sight(case, worst)}; {info.note}"
    if episode is not None:
        told = f"{episode.severity} open since {date_of(episode.crossings[-1].day + 1)}; {told}"
    return Finding(key.check, info.slice, verdict_, effect, info.tolerance, n, told)


def explain_judge(case: Case, episode: Episode) -> list[Alert]:
    """One alert for each severity that the episode latched; the story is the same in all, as of the end."""
    path, first = case.paths[episode.slice_name], _index(case, episode.crossings[0].day)
    mine = [place for place, key in enumerate(path.members) if key.check == episode.check]
    leader = path.members[mine[int(np.argmax(path.series[first, mine]))]]
    start, bet = likely_start(case.book, leader, first, case.begin(episode))
    since = start + case.book.first_day
    effect = _widened(
        change_of(case, leader.series, since, leader.slice, leader.check), case.book.info[leader].baseline_error
    )
    components = _components(case, episode.slice_name, case.begin(episode))
    found = verdict(components, JUDGE) if episode.check in (CAPTURE, AGREEMENT) else None
    leading = found[0] if found else _leading(case, episode, since)
    n = case.book.sums(leader, since)[0]
    return [
        Alert(
            fingerprint=episode.fingerprint(case.snapshot.settings.loop),
            check=episode.check,
            attribution=leading,
            severity=crossing.severity,
            slice=episode.slice,
            checkpoint="",
            fired_at=dt.datetime.combine(date_of(crossing.day + 1), dt.time(), dt.UTC),
            leading=leading,
            shares={},
            effect=effect,
            reward_change=Interval(),
            outcome_change=Interval(),
            n=n,
            message=_message(case, leader, leading, effect, since, n),
            evidence=_evidence(case, episode, crossing, leader, since, bet),
            state=episode.state,
            confirmed=Confirmed(*found) if found else None,
            components=components,
        )
        for crossing in episode.crossings
    ]


def _leading(case: Case, episode: Episode, since: int) -> str:
    """The story with most to say for it: noise if the judge agrees less where person and teacher agree."""
    if episode.check not in (CAPTURE, AGREEMENT):
        return episode.check
    lost = change_of(case, "T", since, episode.slice_name, CAPTURE)
    sided = change_of(case, "B1", since, episode.slice_name, CAPTURE)
    captured = sided.low is not None and sided.low > 0
    noisier = lost.low is not None and lost.low > 0
    return "judge_capture" if captured and not noisier else "judge_noise"


def _components(case: Case, slice_name: str, begin: int) -> dict[str, float]:
    """E-value of each claim about a judge (statistics.verdicts), all of the time since one start."""
    days = slice(begin, case.book.days)
    keys = {
        name: SeriesKey(check, name, slice_name) for name, check in (("B1", CAPTURE), ("B2", AGREEMENT), ("T", CAPTURE))
    }
    if not any(key in case.book.column for key in keys.values()):
        return {}
    masses, logs = start_masses(case.book.days - begin, []), {}
    for name, key in keys.items():
        if key in case.book.column:
            sums = DailySums(*case.book.cells[days, case.book.column[key], :3].T)
            allowance = case.book.info[key].allowance
            logs["T-" if name == "T" else name] = log_evidence(sums, allowance, masses)
            if name == "T":
                logs["T0"] = log_evidence(-sums, -MARGIN, masses)
    moved = [logs[name] for name in ("B1", "B2") if name in logs]
    start = int(np.argmax(np.max(moved, axis=0)))
    return {name: float(np.exp(min(log[start], LARGEST))) for name, log in logs.items()}


def _message(case: Case, leader: SeriesKey, leading: str, effect: Interval, since: int, n: int) -> str:
    info = case.book.info[leader]
    lacking = _more_pairs(info, leader, effect, n) if leader.series in SHARES else 0
    label = f"label {lacking:,} more pairs of this kind; " if lacking else ""
    return (
        f"{case.snapshot.settings.loop}: judge {_in_words(leader, info, effect, n)}, likely since {date_of(since)}:"
        f" {leading.replace('_', ' ')}. Freeze promotions that rest on this judge; {label}pin its revision."
        f" {info.note[:1].upper()}{info.note[1:]}."
    )


def _in_words(key: SeriesKey, info: SeriesInfo, effect: Interval, n: int) -> str:
    """What the judge does now, and did: as shares with their intervals where there are such.

    >>> key = SeriesKey("teacher_preference_drift", "B1", "judge=j")
    >>> info = SeriesInfo({"judge": "j"}, 0.1, 0.1, 0.05, 70, "", level=0.27)
    >>> _in_words(key, info, Interval(0.3, 0.2, 0.4), 90).partition(" of ")[0]
    "j takes the teacher's side where people and teacher differ: 57% (47..67)"
    """
    said = f"{info.slice['judge']} {SAID[key.series].format(cue=info.slice.get('cue', '').replace('_', ' '))}"
    if effect.value is None or effect.low is None or effect.high is None:
        return f"{said}: no data in the last {FINDING_DAYS} days"
    if key.series in SHARES and info.level is not None:
        sign, then, reach = SHARES[key.series], info.level, NORMAL * info.baseline_error
        now, *ends = (min(max(then + sign * end, 0.0), 1.0) for end in (effect.value, effect.low, effect.high))
        return (
            f"{said}: {now:.0%} ({100 * min(ends):.0f}..{100 * max(ends):.0f}) of {n:,}, in its reference {then:.0%}"
            f" ({100 * max(then - reach, 0):.0f}..{100 * min(then + reach, 1):.0f}) of {info.baseline_units:,}"
        )
    moved = f"{effect.value * 100:+.1f} pt ({effect.low * 100:+.1f}..{effect.high * 100:+.1f})"
    return f"{said}: {moved} over {n:,} of them"


def _more_pairs(info: SeriesInfo, key: SeriesKey, effect: Interval, n: int) -> int:
    """Pairs of the kind that are lacking until the share now is known to 5 points."""
    share = min(max((info.level or 0.5) + SHARES[key.series] * (effect.value or 0.0), 0.1), 0.9)
    return max(int(np.ceil(share * (1 - share) * (NORMAL / PRECISION) ** 2)) - n, 0)


def _sight(case: Case, key: SeriesKey) -> str:
    n, total, squares = case.book.sums(key)
    deviation = float(np.sqrt(max(squares / n - (total / n) ** 2, 1e-6)))
    threshold = case.thresholds["ticket"]
    shift = smallest_visible(n, deviation, case.book.info[key].allowance, threshold, case.weights[key])
    if shift >= 1:
        return "no shift could have been seen yet"
    return f"a shift of {shift * 100:.0f} pt would have been seen by now with probability .9"


def _evidence(case: Case, episode: Episode, crossing: Crossing, leader: SeriesKey, since: int, bet: float) -> Evidence:
    path, day, info = case.paths[episode.slice_name], _index(case, crossing.day), case.book.info[leader]
    threshold = threshold_of(crossing, case.thresholds)
    logs = (path.known if crossing.rule == "known start" else path.total)[day]
    n, total, squares = case.book.sums(leader, since)
    deviation = float(np.sqrt(max(squares / n - (total / n) ** 2, 1e-6))) if n else 1.0
    return Evidence(
        rule=crossing.rule,
        null=NULLS[leader.series],
        statistic=float(np.exp(min(logs, 700.0))),
        threshold=threshold,
        promise=promise_of(crossing, threshold),
        material_harm=max(MATERIAL, material_harm(case.snapshot)),
        baseline_error=info.baseline_error,
        baseline_version=case.snapshot.baseline.version,
        reference_units=info.baseline_units,
        missing_share=0.0,
        likely_start=date_of(since),
        heaviest_bet=bet,
        scores=path.shares(day),
        smallest_visible=smallest_visible(n, deviation, info.allowance, threshold, case.weights[leader]),
    )


def _widened(effect: Interval, error: float) -> Interval:
    """The interval with the error of the reference in it, which the units now do not share."""
    if effect.value is None or effect.low is None or effect.high is None:
        return effect
    low, high = (float(np.hypot(effect.value - end, NORMAL * error)) for end in (effect.low, effect.high))
    return Interval(effect.value, max(effect.value - low, -1.0), min(effect.value + high, 1.0))


def _index(case: Case, day: int) -> int:
    return min(max(day - case.book.first_day, 0), case.book.days - 1)
