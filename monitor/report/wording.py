"""How is a number, a name or a stranger's text written, the same in every report?"""

import datetime as dt
import re
from collections.abc import Mapping

from monitor.check import Interval

NO_DATA = "no data"
SEVERITIES = ("page", "warning", "ticket")  # worst first

ATTRIBUTIONS = {
    "decoupling": "Reward up, outcome not following",
    "gaming": "Reward up, users worse",
    "inflation": "Reward up, outcome flat",
    "harm": "Users worse",
    "blind_reward": "Users worse, reward does not see it",
    "plain_harm": "Users worse, and reward fell too",
    "shared_degradation": "Worse everywhere, the holdback included",
    "association_decay": "Reward no longer ranks good outcomes first",
    "over_optimised": "Optimised past the peak",
    "evasion": "Responses escape being judged",
    "judge_capture": "The judge leans to the teacher",
    "judge_noise": "The judge agrees less with people",
    "judge_bias": "The judge follows a cue, not the answer",
    "judge_change": "The judge itself changed",
    "teacher_voice": "Answers take on the teacher's voice",
    "data_fault": "The data are at fault",
    "no_data": "Data have stopped",
    "tool_fault": "A check of the monitor is broken",
    "not_let_through": "The gate did not say GO",
    "undecided": "Outcome below what its reward promised",
}

SCORES = {
    "A1": "outcome below what its reward meant (A1)",
    "A2": "outcome below its cohort's (A2)",
    "A3": "reward ranks outcomes worse (A3)",
    "A5": "outcome falls with more optimisation (A5)",
    "A7": "reward rose unearned (A7)",
    "A8": "answers escape being judged (A8)",
    "B1": "judge takes the teacher's side (B1)",
    "B2": "judge agrees less with people (B2)",
    "B4": "judge follows a cue (B4)",
    "B6": "judge moved toward the teacher (B6)",
    "M": "judge moved away from people (M)",
    "S-": "judge scores lower (S-)",
    "S+": "judge scores higher (S+)",
    "flips": "choice changes with the order",
    "first": "first answer chosen",
}

# Controls, line separators, bidi embeddings, overrides, isolates, invisible tags, lone surrogates, what XML forbids.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff"
    "\ufffe\uffff\ud800-\udfff\U000e0000-\U000e007f]"
)


def passage(text: str, limit: int = 20_000) -> str:
    """A stranger's text of several lines: controls and direction overrides made visible, cut at `limit` characters."""
    shown = _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text[:limit].replace("\r\n", "\n"))
    return shown if len(text) <= limit else f"{shown}… ({count(len(text) - limit)} more characters not shown)"


def name(text: str, limit: int = 60) -> str:
    """A stranger's text as one short line; the middle is cut, since names often differ at their end.

    >>> name("ckpt-05"), name("a" * 9 + "z", limit=5), name("two\\nlines")
    ('ckpt-05', 'aa…az', 'two\\\\nlines')
    """
    kept = text if len(text) <= limit else f"{text[: limit // 2]}…{text[len(text) - (limit - 1 - limit // 2) :]}"
    return _UNSAFE.sub(lambda m: f"\\u{ord(m[0]):04x}", kept.replace("\n", "\\n").replace("\t", "\\t"))


def slice_name(slice_: Mapping[str, str], everyone: str = "all traffic") -> str:
    """A slice in words.

    >>> slice_name({}), slice_name({"tier": "free", "locale": "en"})
    ('all traffic', 'locale=en, tier=free')
    """
    return ", ".join(f"{name(key, 30)}={name(value, 40)}" for key, value in sorted(slice_.items())) or everyone


def count(number: int) -> str:
    return f"{number:,}"


def percent(share: float | None) -> str:
    return NO_DATA if share is None or share != share else f"{100 * share:.1f}%"


def points(share: float | None) -> str:
    """A change, signed, in points.

    >>> points(0.091), points(-0.04), points(-0.0001), points(None)
    ('+9.1 pt', '-4.0 pt', '0.0 pt', 'no data')
    """
    return NO_DATA if share is None or share != share else f"{_signed(share)} pt"


def points_interval(interval: Interval) -> str:
    """A change with its 95% interval.

    >>> points_interval(Interval(0.091, 0.08, 0.102)), points_interval(Interval(0.02)), points_interval(Interval())
    ('+9.1 pt (+8.0..+10.2)', '+2.0 pt (no interval)', 'no data')
    """
    if interval.value is None:
        return NO_DATA
    if interval.low is None or interval.high is None:
        return f"{points(interval.value)} (no interval)"
    return f"{points(interval.value)} ({_signed(interval.low)}..{_signed(interval.high)})"


def points_range(interval: Interval) -> str:
    """The 95% interval of a change alone.

    >>> points_range(Interval(0.091, 0.08, 0.102)), points_range(Interval())
    ('+8.0..+10.2', 'no interval')
    """
    return (
        "no interval"
        if interval.low is None or interval.high is None
        else (f"{_signed(interval.low)}..{_signed(interval.high)}")
    )


def percent_interval(interval: Interval) -> str:
    """A level with its 95% interval.

    >>> percent_interval(Interval(0.7, 0.68, 0.72)), percent_interval(Interval())
    ('70.0% (68.0..72.0)', 'no data')
    """
    if interval.value is None:
        return NO_DATA
    if interval.low is None or interval.high is None:
        return f"{percent(interval.value)} (no interval)"
    return f"{percent(interval.value)} ({100 * interval.low:.1f}..{100 * interval.high:.1f})"


def day(date: dt.date) -> str:
    return f"{date.day} {date:%b %Y}"


def moment(time: dt.datetime) -> str:
    utc = time.astimezone(dt.UTC)
    return f"{day(utc)} {utc:%H:%M} UTC"


def fired(time: dt.datetime) -> str:
    """When an alert fired: a day's close needs no hour."""
    return day(time.astimezone(dt.UTC)) if moment(time).endswith(" 00:00 UTC") else moment(time)


def statistic(value: float, rule: str) -> str:
    """The evidence in its own unit: a plain factor for a known start and the guard, else days.

    >>> statistic(5120.4, "restarting"), statistic(23.44, "known start"), statistic(float("inf"), "guard")
    ('5,120 d', '23.4', 'beyond measure')
    """
    if value != value:
        return NO_DATA
    factor = rule in ("known start", "guard")
    if value >= 1e9:
        return "beyond measure" if value == float("inf") else f"{value:.0e}" + ("" if factor else " d")
    return f"{value:,.1f}" if factor else f"{value:,.0f} d"


def title_of(attribution: str) -> str:
    """An attribution as a sentence a newcomer understands."""
    return ATTRIBUTIONS.get(attribution) or name(attribution).replace("_", " ").capitalize()


def score_name(score: str) -> str:
    """What a score measures, with its id."""
    return SCORES.get(score) or name(score, 30)


def preview(text: str, limit: int) -> str:
    """The beginning of a longer text, and how much follows."""
    return f"{passage(text[:limit])}… ({count(len(text) - limit)} more characters)"


def plural(number: int, noun: str) -> str:
    """
    >>> plural(1, "page"), plural(2, "finding"), plural(0, "check")
    ('1 page', '2 findings', '0 checks')
    """
    return f"{count(number)} {noun}" + ("" if number == 1 else "s")


def _signed(share: float) -> str:
    text = f"{100 * share:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text
