"""What stands behind a page? Evidence, cohorts, checkpoints and what changed, answers to read, what would refute it."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from monitor.check import Interval
from monitor.detection.daily import DailySums
from monitor.oncall.alerts import is_inferred
from monitor.oncall.episodes import StoredEpisode, slice_text
from monitor.oncall.page import Known, page_lines
from monitor.oncall.words import alert_of_episode, plain_alert
from monitor.production.items import EPOCH
from monitor.report.wording import statistic, title_of
from monitor.result import Alert, Confirmed, plain_json
from monitor.statistics.intervals import mean_interval
from monitor.telling.examples import TEXTS
from monitor.telling.explain import DECOUPLING_CHECK, flipped

TRANSITIONS = """
    SELECT at_us, reason, severity, told, actor, note FROM alert_transition WHERE episode = :episode ORDER BY id
"""
CHECKPOINTS = "SELECT * FROM checkpoint ORDER BY time_us, seq"
IDENTITY = ("sha256", "parent", "base_model", "teacher", "reward_model", "kl_nats", "steps", "lineage")
EXCERPT = 240  # characters of an answer
FALSIFIED = {
    "judges": "people judge the same pairs anew and agree with the judge as often as in its reference; or its revision,"
    " template or the mix of pairs changed on that day",
    "anchors": "the same items, answered again by the same sealed checkpoint and graded by people, show no loss; or the"
    " items stand in its training data",
    "production": "people judge the outcomes of the answers below as good; or users held back lost as much over the"
    " same days; or the outcome's source changed how it counts on the likely start",
    "machinery": "the source says that it sent what is missing, and the store has it: then the rule is wrong",
}


@dataclass(frozen=True)
class Detail:
    """An alert as a reader of `alerts show` gets it, all in plain JSON types."""

    page: list[str]
    told: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """The page and what stands behind it."""
        return {"page": self.page, **self.told}


def detail_of(
    connection: Connection,
    stored: StoredEpisode,
    episodes: Sequence[StoredEpisode],
    known: Known,
    loop: str,
) -> Detail:
    """Read what stands behind one alert."""
    alert = alert_of_episode(stored, loop)
    plain = plain_alert(alert)
    told = {
        "id": stored.id,
        "key": stored.key,
        "state": stored.episode.state,
        "opened": stored.opened,
        "alert": {name: value for name, value in plain.items() if name != "examples"},
        "cohorts": cohort_rows(connection, loop, alert) if is_inferred(stored.episode) else [],
        "checkpoint": checkpoint_change(connection, alert.checkpoint),
        "examples": examples_with_words(connection, plain["examples"]),
        "falsified_by": falsified_by(stored),
        "history": history(connection, stored),
        "episodes": [_episode_row(one) for one in episodes if one.fingerprint == stored.fingerprint],
    }
    return Detail(page_lines(alert, [stored], known), plain_json(told))


def cohort_rows(connection: Connection, loop: str, alert: Alert) -> list[dict[str, Any]]:
    """Change of reward and outcome of each slice since the likely start, the largest loss of outcome first.

    From the daily sums of the last look; empty where there was none.
    """
    sums = DailySums.of(connection, loop)
    if sums is None:
        return []
    outcomes = [key for key in sums.slices if (key.check, key.series) == (DECOUPLING_CHECK, "A2")]
    rewards = [key._replace(series="A4") for key in outcomes]
    since = None if alert.evidence is None else (alert.evidence.likely_start - EPOCH.date()).days
    total = sums.read(connection, outcomes + rewards, since).sum(axis=0)
    rows = [
        {
            "slice": dict(sums.slices[key]),
            "n": int(outcome[0]),
            "outcome_change": _plain(flipped(_change(outcome))),
            "reward_change": _plain(_change(reward)),
        }
        for key, outcome, reward in zip(outcomes, total[: len(outcomes)], total[len(outcomes) :], strict=True)
    ]
    return sorted(rows, key=lambda row: (row["outcome_change"]["value"] is None, row["outcome_change"]["value"] or 0.0))


def _change(sums: NDArray[np.float64]) -> Interval:
    n, total, squares = sums
    return Interval(*mean_interval(int(n), total, squares)) if n else Interval()


def _plain(interval: Interval) -> dict[str, float | None]:
    return {"value": interval.value, "low": interval.low, "high": interval.high}


def checkpoint_change(connection: Connection, name: str) -> dict[str, Any] | None:
    """What events told of a checkpoint, and what differs from the one before it; None if they told nothing."""
    rows: dict[str, dict[str, Any]] = {}
    for row in connection.execute(text(CHECKPOINTS)).mappings():
        known = {key: row[key] for key in IDENTITY if row[key] is not None}
        rows[row["checkpoint"]] = {**rows.get(row["checkpoint"], {}), **known}
    if name not in rows:
        return None
    order = list(rows)
    before = order[order.index(name) - 1] if order.index(name) else None
    then, now = rows.get(before or "", {}), rows[name]
    changed = {key: [then.get(key), now.get(key)] for key in IDENTITY if then.get(key) != now.get(key)}
    return {"name": name, **now, "before": before, "changed": changed if before else {}}


def examples_with_words(connection: Connection, examples: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The answers to read, with the words that the store still has, cut to an excerpt."""
    if not examples:
        return []
    ids = [example["response_id"] for example in examples]
    words = {row[0]: (row[1], row[2]) for row in connection.execute(TEXTS, {"ids": ids})}
    found = []
    for example in examples:
        prompt, response = words.get(example["response_id"], (None, None))
        found.append({**example, "prompt": _cut(prompt), "response": _cut(response)})
    return found


def _cut(words: str | None) -> str | None:
    return words if words is None or len(words) <= EXCERPT else f"{words[:EXCERPT]}…"


def falsified_by(stored: StoredEpisode) -> str:
    """What would show that the alert is wrong."""
    check = stored.episode.check
    if not is_inferred(stored.episode):
        return FALSIFIED["machinery"]
    if check.startswith("judge_") or check == "teacher_preference_drift":
        return FALSIFIED["judges"]
    return FALSIFIED["anchors" if check in ("anchored_decoupling", "teacher_style_convergence") else "production"]


def history(connection: Connection, stored: StoredEpisode) -> list[dict[str, Any]]:
    """Everything that happened to the episode, acks and what was told of it included."""
    rows = connection.execute(text(TRANSITIONS), {"episode": stored.id}).mappings()
    return [
        {"at": EPOCH + dt.timedelta(microseconds=row["at_us"]), **{k: row[k] for k in row if k != "at_us"}}
        for row in rows
    ]


def _episode_row(one: StoredEpisode) -> dict[str, Any]:
    return {
        "id": one.id,
        "state": one.episode.state,
        "severity": one.episode.severity,
        "opened": one.opened,
        "ended": one.ended,
        "decision": one.decision,
        "note": one.note,
        "previous": one.previous,
    }


def detail_text(detail: Mapping[str, Any]) -> str:
    """The same for people; a stranger's words are made safe by whoever prints them."""
    alert, lines = detail["alert"], [*detail["page"], ""]
    evidence = alert["evidence"]
    if evidence:
        lines += [
            f"named: {title_of(alert['attribution'])}; {_confirmed(alert['confirmed'])}",
            f"reward {_points(alert['reward_change'])}  outcome {_points(alert['outcome_change'])}"
            f"  effect {_points(alert['effect'])}, plus is worse",
            f"evidence: {_evidence(alert, 'statistic')} ({alert['severity']} at {_evidence(alert, 'threshold')})",
            f"smallest visible at this n with probability .9: {100 * evidence['smallest_visible']:.1f} pt"
            if evidence["smallest_visible"] is not None
            else "smallest visible: not known",
            f"likely start: {evidence['likely_start']}, the day on which outcomes first showed it",
            f"outcomes missing: {evidence['missing_share']:.1%}",
            f"null: {evidence['null']}",
            f"allowance: {100 * evidence['material_harm']:.2f} pt of harm nobody would act on, and 1.645 times the"
            f" baseline's error of {100 * evidence['baseline_error']:.2f} pt",
            f"baseline: {evidence['baseline_version']}, {evidence['reference_units']:,} units",
            f"promise: {evidence['promise']}",
            "scores: " + (", ".join(f"{k} {v:.0%}" for k, v in evidence["scores"].items()) or "none"),
        ]
    lines.append(f"would be falsified if: {detail['falsified_by']}")
    lines += ["", "slices since the likely start:"] if detail["cohorts"] else []
    for row in detail["cohorts"]:
        change, reward = row["outcome_change"], row["reward_change"]
        lines.append(
            f"  {slice_text(row['slice']):<32} outcome {_points(change)}  reward {_points(reward)}  n={row['n']:,}"
        )
    lines += _checkpoint_lines(detail["checkpoint"])
    lines += ["", "read these:"] if detail["examples"] else []
    for example in detail["examples"]:
        lines.append(f"  {example['response_id']} ({example['why']}; reward {example['reward']}, outcome")
        lines[-1] += f" {example['outcome']})"
        lines += [f"    {kind}: {example[kind] or 'not kept'}" for kind in ("prompt", "response")]
    lines += ["", "what happened:"]
    lines += [
        f"  {row['at']}  {row['reason']:<10} {row['severity']:<8} {row['told'] or 'not told yet':<16}"
        f" {row['actor'] or ''} {row['note'] or ''}".rstrip()
        for row in detail["history"]
    ]
    lines += ["", "episodes of this rule:"]
    lines += [
        f"  {row['id']:>4}  {row['severity']:<8} {row['state']:<10} opened {row['opened']}"
        + (f"  {row['decision']}: {row['note']}" if row["decision"] else "")
        for row in detail["episodes"]
    ]
    return "\n".join(lines)


def _confirmed(told: Mapping[str, Any] | None) -> str:
    return "not confirmed" if told is None else str(Confirmed(told["verdict"], told["e_value"]))


def _evidence(alert: Mapping[str, Any], which: str) -> str:
    """In its own unit; what is beyond measure is null in JSON."""
    value = alert["evidence"][which]
    return statistic(float("inf") if value is None else value, alert["evidence"]["rule"])


def _points(interval: Mapping[str, float | None]) -> str:
    if interval["value"] is None:
        return "no data"
    low, high = interval["low"], interval["high"]
    reach = f" ({100 * low:+.1f}..{100 * high:+.1f})" if low is not None and high is not None else ""
    return f"{100 * interval['value']:+.1f} pt{reach}"


def _checkpoint_lines(told: Mapping[str, Any] | None) -> list[str]:
    if told is None:
        return []
    lines = ["", f"checkpoint {told['name']}: sha256 {told.get('sha256', 'not told')}"]
    if told["before"]:
        changed = ", ".join(f"{key}: {json.dumps(a)} -> {json.dumps(b)}" for key, (a, b) in told["changed"].items())
        lines.append(f"  since {told['before']}: {changed or 'nothing that events told of changed'}")
    return lines
