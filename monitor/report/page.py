"""What must a woken reader know? The state in a sentence; per alert: is it real, who is hurt, what is safe to do."""

import datetime as dt
from collections import Counter
from dataclasses import dataclass

from monitor.anchored.comparisons import CHECK as ANCHORED
from monitor.anchored.comparisons import VOICE_CHECK
from monitor.check import Finding, Verdict
from monitor.judging.judge_records import CHECKS as JUDGE_CHECKS
from monitor.report import wording
from monitor.report.wording import SEVERITIES, name, slice_name
from monitor.result import Alert, CheckpointSummary, Report
from monitor.statistics.attribution import LEAF_PATIENCE_DAYS, LEAF_SHARE
from monitor.telling.phrases import CHECK as PHRASES

CLOSED = ("resolved", "superseded")
OFF_TRAFFIC = (*JUDGE_CHECKS, ANCHORED, VOICE_CHECK)  # days of these are not days on which outcomes matured
PARENTS = {"decoupling": ("gaming", "inflation"), "harm": ("blind_reward", "plain_harm")}


@dataclass(frozen=True)
class Incident:
    """All alerts of one episode, which share a fingerprint: the worst one speaks, the others are its history."""

    alert: Alert
    history: tuple[Alert, ...]  # in order of time, `alert` included

    @property
    def is_open(self) -> bool:
        return self.alert.state not in CLOSED


def incidents(report: Report) -> list[Incident]:
    """Open ones before closed ones, worst severity first, all traffic before slices, then the earliest."""
    episodes: dict[str, list[Alert]] = {}
    for alert in sorted(report.alerts, key=lambda a: a.fired_at):
        episodes.setdefault(alert.fingerprint, []).append(alert)
    found = [Incident(min(alerts, key=severity_rank), tuple(alerts)) for alerts in episodes.values()]
    return sorted(
        found,
        key=lambda i: (not i.is_open, severity_rank(i.alert), bool(i.alert.slice), i.history[0].fired_at),
    )


def inferred_incidents(report: Report) -> list[Incident]:
    """Those that stand on evidence; the others are counts of what is missing and have nothing to draw."""
    return [incident for incident in incidents(report) if incident.alert.evidence is not None]


def open_incidents(report: Report) -> list[Incident]:
    return [incident for incident in incidents(report) if incident.is_open]


def state_of(report: Report) -> str:
    """`alert`, `quiet` (nothing fired, and we know what would have been seen) or `unknown`; only `quiet` looks calm."""
    if open_incidents(report):
        return "alert"
    blind = report.smallest_visible is None or _no_news(report)
    broken = any(finding.verdict is Verdict.ERROR for finding in report.findings)
    return "unknown" if blind or broken or harmful(report) else "quiet"


def headline(report: Report) -> str:
    """The state in words, one line."""
    found = open_incidents(report)
    if found:
        severities = Counter(incident.alert.severity for incident in found)
        since = {s: min(i.alert.fired_at for i in found if i.alert.severity == s) for s in severities}
        counts = ", ".join(
            f"{wording.plural(severities[s], name(s))} since {wording.day(since[s])}"
            for s in sorted(severities, key=_rank)
        )
        return " ".join([f"NOT healthy: {counts}.", *_no_news(report)])
    return " ".join(["No alert.", *(_no_news(report) or [_blindness(report)]), *_troubles(report)])


def likely_cause(alert: Alert) -> str:
    """The attribution, said plainly when it or its kind is not decided."""
    leading = f" Leading so far: {_spoken(alert.leading)}." if alert.leading else ""
    if alert.attribution == "undecided":
        return f"Undecided: no explanation is sure enough to be named.{leading}"
    spoken = _spoken(alert.attribution).capitalize()
    if alert.attribution in PARENTS:
        if alert.shares.get(alert.leading, 0.0) >= LEAF_SHARE:
            leads = f"{_spoken(alert.leading)} leads, and is named no sooner than {LEAF_PATIENCE_DAYS} days after"
            return f"{spoken}; of its kinds {leads} the warning: early shares still move."
        kinds = " or ".join(_spoken(kind) for kind in PARENTS[alert.attribution])
        return f"{spoken}; which kind ({kinds}) is undecided.{leading}"
    return f"{spoken}."


def shares_line(alert: Alert) -> str:
    """The shares of the evidence by explanation, largest first; empty when there are none."""
    shares = ", ".join(f"{_spoken(label)} {wording.percent(share)}" for label, share in ranked_shares(alert))
    return f"Shares of the evidence: {shares}." if shares else ""


def unit_of(report: Report, alert: Alert) -> str:
    """What an alert counts: units of production, or the items of an anchor set."""
    return "pair" if alert.check in JUDGE_CHECKS else "item" if alert.check == ANCHORED else report.unit


def outcome_of(report: Report, alert: Alert) -> str:
    """How the outcome behind an alert is called: an anchor set has its own."""
    return "anchored outcome" if alert.check == ANCHORED else report.outcome


def ranked_shares(alert: Alert) -> list[tuple[str, float]]:
    return sorted(((name(k, 30), v) for k, v in alert.shares.items()), key=lambda item: -item[1])


def evidence_line(alert: Alert) -> str:
    """The statistic against its threshold, and what that threshold promises."""
    evidence = alert.evidence
    if evidence is None:
        return "a count, not an inference"
    value = wording.statistic(evidence.statistic, evidence.rule)
    threshold = wording.statistic(evidence.threshold, evidence.rule)
    return f"evidence {value} ({name(alert.severity)} at {threshold}: {name(evidence.promise, 200)})"


def worst_slices(report: Report, alert: Alert, most: int = 3) -> list[CheckpointSummary]:
    """The cohorts of the alert's checkpoint that lost most of their outcome, worst first; losers only."""
    lost = [
        (row.outcome_change.value, row)
        for row in report.checkpoints
        if row.slice and row.checkpoint == alert.checkpoint and row.role == "monitored"
        if row.outcome_change.value is not None and row.outcome_change.value < 0
    ]
    return [row for _, row in sorted(lost, key=lambda item: item[0])[:most]]


def worst_line(report: Report, alert: Alert) -> str:
    """Who is hurt most, and what else is firing."""
    if alert.check in JUDGE_CHECKS:
        return f"seen in a judge, not in traffic: no checkpoint is to blame; also firing: {also_firing(report, alert)}"
    if alert.check == ANCHORED:
        return f"seen on held-out items, not in traffic; also firing: {also_firing(report, alert)}"
    cohorts = ", ".join(
        f"{slice_name(row.slice)} {wording.points(row.outcome_change.value)} (n={wording.count(row.labelled)})"
        for row in worst_slices(report, alert)
    )
    where = f"worst cohorts under {name(alert.checkpoint)}" if alert.checkpoint else "worst cohorts"
    where += f", {whole_service(report, alert)}" if cohorts else ""
    return f"{where}: {cohorts or no_worst(report)}; also firing: {also_firing(report, alert)}"


def whole_service(report: Report, alert: Alert) -> str:
    """Of what time the cohorts' changes are, since the alert's own are those since its likely start."""
    rows = [row for row in global_rows(report) if row.checkpoint == alert.checkpoint and row.role == "monitored"]
    lost = [f", when all traffic had {wording.points(row.outcome_change.value)}" for row in rows]
    return f"over its whole service{lost[0] if lost else ''}"


def no_worst(report: Report) -> str:
    """Why no cohort is named as hurt."""
    if told := no_cohorts(report):
        return told
    return "none shown to lose" if report.checkpoints else "not summed up by a daily tick"


def no_cohorts(report: Report) -> str:
    """What to set where no cohort is looked at; empty where some are."""
    if report.cohorts or any(row.slice for row in report.checkpoints):
        return ""
    return "no cohorts configured: set `cohorts:`, as in cohorts: [tier, locale]"


def also_firing(report: Report, alert: Alert) -> str:
    """The other open incidents in words."""
    others = [
        f"{name(other.alert.severity)} on {slice_name(other.alert.slice)}"
        for other in open_incidents(report)
        if other.alert.fingerprint != alert.fingerprint
    ]
    return (", ".join(others[:3]) or "nothing else") + (f", {len(others) - 3} more" if len(others) > 3 else "")


def actions(report: Report, alert: Alert) -> list[str]:
    """What is safe to do now, safest first."""
    if alert.check in JUDGE_CHECKS:
        return [
            "freeze promotions that rest on this judge (safe, reversible)",
            "pin its revision and have the anchors judged again",
            "label more pairs by people",
        ]
    read = f"read the {wording.plural(len(alert.examples), 'example')}" if alert.examples else "read recent responses"
    return ["freeze promotion (safe, reversible)", read, f"roll back to {rollback_target(report, alert)}"]


def rollback_target(report: Report, alert: Alert) -> str:
    """The last checkpoint whose traffic ended before the harm began, else the reference; the same for every alert."""
    start = _harm_began(report, alert)
    if start is not None and not report.checkpoints:
        return f"the last checkpoint that served only before {wording.day(_answered(report, start))}"
    rows = [row for row in report.checkpoints if not row.slice and row.role == "monitored"]
    before = [row for row in rows if start is not None and row.last < start]
    if before:
        last = max(before, key=lambda row: (row.last, row.first))
        return f"{name(last.checkpoint)} (the last that served only before the harm began)"
    return f"{name(report.reference.name)} (the reference)" if report.reference else "the last checkpoint you trust"


def _harm_began(report: Report, alert: Alert) -> dt.date | None:
    """The earliest likely start of the severest open alerts; that of the alert itself while none is open."""
    found = [incident.alert for incident in open_incidents(report)]
    starts = [(severity_rank(one), one.evidence.likely_start) for one in found if one.evidence]
    own = alert.evidence.likely_start if alert.evidence else None
    return min(starts)[1] if starts else own


def ranked_findings(report: Report) -> list[Finding]:
    """Shown harmful, broken, inconclusive, passed; each in the order in which the runner gave them."""
    order = [Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE, Verdict.PASS]
    return sorted(report.findings, key=lambda finding: order.index(finding.verdict))


def harmful(report: Report) -> list[Finding]:
    """Findings that show harm."""
    return [one for one in report.findings if one.verdict is Verdict.FAIL and one.check != PHRASES]


def risen(report: Report) -> list[Finding]:
    """Kinds of phrases that more answers have: for reading the others, no harm by themselves."""
    return [one for one in report.findings if one.verdict is Verdict.FAIL and one.check == PHRASES]


def unsettled(report: Report) -> list[Finding]:
    """Findings that are neither a pass nor shown harmful, the broken ones first."""
    return [f for f in ranked_findings(report) if f.verdict in (Verdict.ERROR, Verdict.INCONCLUSIVE)]


def settled(report: Report) -> str:
    """What to say when no finding is unsettled: none were made, or all are decided."""
    return "nothing: every finding is decided" if report.findings else "no check was run"


def global_rows(report: Report) -> list[CheckpointSummary]:
    """Rows over all traffic, in order of time."""
    return sorted((row for row in report.checkpoints if not row.slice), key=lambda row: (row.first, row.last))


def cohort_rows(report: Report) -> list[CheckpointSummary]:
    """Each cohort's latest monitored checkpoint, the largest loss of outcome first; unknown losses last."""
    latest: dict[str, CheckpointSummary] = {}
    for row in sorted(report.checkpoints, key=lambda row: (row.first, row.last)):
        if row.slice and row.role == "monitored":
            latest[slice_name(row.slice)] = row
    return sorted(latest.values(), key=lambda row: (row.outcome_change.value is None, row.outcome_change.value or 0.0))


def history_line(report: Report, incident: Incident) -> str:
    """When it began and when each severity fired."""
    fired = ", then ".join(f"{name(a.severity)} {wording.fired(a.fired_at)}" for a in incident.history)
    start = start_of(report, incident.alert)
    return f"likely start {start}, fired: {fired}" if start else f"fired: {fired}"


def start_of(report: Report, alert: Alert) -> str:
    """The likely start by outcomes, and when the answers behind them were given; empty of a count."""
    if alert.evidence is None:
        return ""
    start = alert.evidence.likely_start
    if alert.check in OFF_TRAFFIC or not report.horizon_days:
        return wording.day(start)
    return f"{wording.day(start)} by outcomes (answers from ~{wording.day(_answered(report, start))})"


def _answered(report: Report, matured: dt.date) -> dt.date:
    return matured - dt.timedelta(days=report.horizon_days)


def words(report: Report) -> list[str]:
    """What the words in the alerts mean; nothing while there are none to explain."""
    told, alerts = [], [incident.alert for incident in incidents(report)]
    if any(alert.evidence for alert in alerts):
        told.append("evidence of 400 d: chance alone would bring as much about once in 400 days")
    if any(alert.shares for alert in alerts):
        told.append(
            "gaming: reward up, outcome down. inflation: reward up, outcome the same. blind reward: outcome down,"
            " unseen by the reward. plain harm: both down. benign: reward up and outcome as well"
        )
    if any(alert.slice.get("baseline") == "v0" for alert in alerts):
        told.append("baseline=v0: all traffic against the first reference, whatever reference was decided for since")
    return told


def _spoken(label: str) -> str:
    return name(label, 40).replace("_", " ")


def severity_rank(alert: Alert) -> int:
    """0 for a page, more for less."""
    return _rank(alert.severity)


def _rank(severity: str) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)


def _no_news(report: Report) -> list[str]:
    """That nothing came to judge by, where it did not."""
    judged = [f.n for f in report.findings if f.check == "reward_outcome_decoupling" and not f.slice]
    is_blind = report.reference is not None and report.events.accepted and judged and not any(judged)
    return ["BLIND: nothing that could be judged has matured in the last 28 days."] if is_blind else []


def _blindness(report: Report) -> str:
    if report.smallest_visible is not None:
        drop = wording.points(report.smallest_visible).lstrip("+")
        return f"A drop of {drop} would have been seen by now with probability .9."
    if not report.events.accepted:
        return "Nothing can be said: no event was accepted."
    if not any(row.role == "monitored" and row.labelled for row in report.checkpoints):
        return "Nothing can be said: no unit after the reference has an outcome yet."
    return "How small a drop would have been seen is unknown, so this is no sign of health."


def _troubles(report: Report) -> list[str]:
    verdicts = Counter(finding.verdict for finding in report.findings)
    said = {"shown harmful": len(harmful(report)), "broken": verdicts[Verdict.ERROR]}
    parts = [f"{wording.count(n)} {what}" for what, n in said.items() if n]
    kinds = ", ".join(name(one.slice.get("marker", "?"), 30) for one in risen(report))
    found = [f"Findings: {', '.join(parts)}."] if parts else []
    return found + (
        [f"More answers than before have phrases of this kind, no harm by itself: {kinds}."] if kinds else []
    )
