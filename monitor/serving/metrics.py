"""What does the serving process tell Prometheus? What the store knows, with bounded labels.

Bounds and alert states stand beside the point values, so that nobody has to make alerts of points that are looked at
every fifteen seconds. Every process tells the same of a loop; of itself each tells whether it leads.
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import Engine, text

from monitor.detection.state import MonitorState
from monitor.gate.records import deciding_records
from monitor.gate.result import Decision
from monitor.oncall.alerts import OPEN
from monitor.oncall.freshness import read_stages
from monitor.production.items import EPOCH
from monitor.serving.figures import Figures, read_figures
from monitor.snapshot import slice_name

if TYPE_CHECKING:
    from monitor.serving.process import Serving

MOST_SLICES = 100  # of each check; more are left out, and counted
VERDICTS = ("PASS", "FAIL", "INCONCLUSIVE", "ERROR")
WAITING = """
    SELECT receiver, COUNT(*) AS number, MIN(created_us) AS oldest_us FROM outbox
    WHERE sent_us IS NULL AND receiver <> 'deadman' GROUP BY receiver ORDER BY receiver
"""
ARRIVED = "SELECT arrived_us FROM canary WHERE loop = :loop"


class ServeMetrics(Collector):
    """The metrics of one serving process, read anew at every scrape."""

    def __init__(self, serving: "Serving") -> None:
        self._serving = serving
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def page(self) -> bytes:
        """Everything, as Prometheus reads it. Raises what the database raises."""
        return generate_latest(self._registry)

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing: what there is is known when it is read."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """All families."""
        serving = self._serving
        engine, loop = serving.store.engine, serving.settings.loop
        yield from _process(serving)
        yield from _jobs(serving)
        yield from _canary(engine, loop)
        yield from _alerts(engine, loop)
        if (figures := read_figures(engine, loop)) is not None:
            yield from _figures(figures)
        yield from _stages(serving)
        yield from _gates(engine, loop)
        yield from _store(serving)
        yield from _outbox(engine)


def _process(serving: "Serving") -> Iterator[GaugeMetricFamily]:
    release = version("reward-drift-monitor")
    yield _family("build_info", "1, with the release as a label.", {"version": release}, 1)
    held = serving.lease.held
    yield _family("leader", "1 if this process has the lease and does the jobs.", {}, held is not None)
    ages = serving.pulses.ages()
    yield _families(
        "thread_silence_seconds",
        "Seconds since each thread of this process turned.",
        (({"thread": name}, age) for name, age in sorted(ages.items())),
    )


def _jobs(serving: "Serving") -> Iterator[GaugeMetricFamily]:
    newest = {run.job: run for run in serving.runs.newest()}
    successes = serving.runs.successes()
    names = [job.name for job in serving.jobs]
    yield _families(
        "last_success_timestamp_seconds",
        "When each job last ended well; 0 before the first time.",
        (({"job": name}, successes.get(name, 0) / 1e6) for name in names),
    )
    runs = [newest[name] for name in names if name in newest]
    yield _families(
        "job_slot_timestamp_seconds",
        "The newest slot of each job that was begun.",
        (({"job": run.job}, run.slot_us / 1e6) for run in runs),
    )
    yield _families(
        "job_late",
        "1 if the newest run began late or stands for slots that were missed.",
        (({"job": run.job}, run.late) for run in runs),
    )
    yield _families(
        "job_missed_slots",
        "Slots that the newest run stands for because nobody did them.",
        (({"job": run.job}, run.missed) for run in runs),
    )
    yield _families(
        "job_failed",
        "1 if the newest run failed; it is tried again.",
        (({"job": run.job}, run.state == "failed") for run in runs),
    )


def _canary(engine: Engine, loop: str) -> Iterator[GaugeMetricFamily]:
    with engine.connect() as connection:
        arrived = connection.execute(text(ARRIVED), {"loop": loop}).scalar()
    yield _family(
        "canary_arrived_timestamp_seconds",
        "When an event of our own last got from the intake through database, rules and outbox; 0 before the first.",
        {},
        (arrived or 0) / 1e6,
    )


def _alerts(engine: Engine, loop: str) -> Iterator[GaugeMetricFamily]:
    stored = MonitorState(engine).episodes(loop)
    number = Counter((one.episode.check, one.episode.severity) for one in stored if one.episode.state in OPEN)
    yield _families(
        "alerts_open",
        "Alerts that fire or were acknowledged.",
        (({"check": check, "severity": severity}, n) for (check, severity), n in sorted(number.items())),
    )


def _figures(figures: Figures) -> Iterator[GaugeMetricFamily]:
    yield _family("look_timestamp_seconds", "When the last look ended.", {}, figures.at.timestamp())
    shown = list(_bounded(figures.findings))
    left_out = len(figures.findings) - len(shown)
    yield _family("findings_left_out", "Findings of slices beyond what labels may hold.", {}, left_out)
    yield _families(
        "finding_verdict",
        "1 for the verdict of each finding, 0 for the others.",
        (({**_of(one), "verdict": name}, one["verdict"] == name) for one in shown for name in VERDICTS),
    )
    yield _families("finding_units", "Units behind each finding.", ((_of(one), one["n"]) for one in shown))
    yield _families(
        "finding_tolerance", "The most harm that passes, -1 to 1.", ((_of(one), one["tolerance"]) for one in shown)
    )
    for name, key, told in (
        ("harm", "value", "Harm of each finding, -1 to 1, plus is worse."),
        ("harm_lower_bound", "low", "Lower end of its 95% interval."),
        ("harm_upper_bound", "high", "Upper end of its 95% interval."),
    ):
        yield _families(name, told, _numbers(shown, "effect", key))
    for side in ("reward", "outcome"):
        for suffix, key in (("", "value"), ("_lower_bound", "low"), ("_upper_bound", "high")):
            told = f"Change of the {side} against the reference, -1 to 1, plus is better{_ENDS[key]}."
            yield _families(f"{side}_change{suffix}", told, _numbers(shown, f"{side}_change", key))
    gaps = [one for one in shown if None not in (one["reward_change"]["value"], one["outcome_change"]["value"])]
    yield _families(
        "reward_outcome_gap",
        "Change of the reward less change of the outcome.",
        ((_of(one), one["reward_change"]["value"] - one["outcome_change"]["value"]) for one in gaps),
    )
    yield _families(
        "gap_lower_bound",
        "At least so much: lower end of the reward's change less upper end of the outcome's.",
        (
            (_of(one), one["reward_change"]["low"] - one["outcome_change"]["high"])
            for one in gaps
            if None not in (one["reward_change"]["low"], one["outcome_change"]["high"])
        ),
    )
    yield _families(
        "evidence_days",
        "Evidence of each slice, in days of mean time to a false alert; alerts begin where it passes a threshold.",
        (({"slice": slice_name(one["slice"])}, one["statistic"]) for one in figures.evidence[:MOST_SLICES]),
    )
    yield _families(
        "evidence_threshold_days",
        "Evidence from which an alert has each severity.",
        (({"severity": name}, days) for name, days in figures.thresholds.items()),
    )


def _stages(serving: "Serving") -> Iterator[GaugeMetricFamily]:
    with serving.store.engine.connect() as connection:
        now = EPOCH + dt.timedelta(microseconds=serving.lease.clock(connection))
        stages = read_stages(connection, serving.settings, now)
    yield _families(
        "newest_timestamp_seconds",
        "Of the newest of each stage; without any there is no series.",
        (({"stage": one.name}, one.newest.timestamp()) for one in stages if one.newest is not None),
    )
    yield _families(
        "stage_stale",
        "1 if the newest of a stage is older than the settings allow, or none ever came.",
        (({"stage": one.name}, one.is_stale) for one in stages),
    )


def _gates(engine: Engine, loop: str) -> Iterator[GaugeMetricFamily]:
    records = deciding_records(engine, loop)
    if not records:
        return
    last = records[-1]
    yield _families(
        "gate_verdict",
        "1 for the decision of the newest gate, 0 for the others.",
        (
            ({"checkpoint_role": "candidate", "verdict": one.value}, last.report["decision"] == one.value)
            for one in Decision
        ),
    )
    yield _family("gate_timestamp_seconds", "When the newest gate decided.", {}, last.recorded_at.timestamp())


def _store(serving: "Serving") -> Iterator[GaugeMetricFamily]:
    counts = serving.store.counts()
    incidents = Counter(one.kind for one in serving.store.incidents())
    yield _families(
        "store_events", "Events in the store.", (({"type": name}, n) for name, n in sorted(counts.by_type.items()))
    )
    yield _families(
        "store_feedback",
        "Feedback by purpose.",
        (({"purpose": name}, n) for name, n in sorted(counts.purposes.items())),
    )
    yield _families(
        "store_rejected",
        "Rejected events that nobody has dealt with.",
        (({"reason": name}, n) for name, n in sorted(counts.rejected_by_reason.items())),
    )
    yield _family("store_conflicts", "Events kept aside: another body under a known name.", {}, counts.conflicts)
    yield _families(
        "incidents_open", "Gaps, floods, refused artefacts.", (({"kind": kind}, n) for kind, n in incidents.items())
    )


def _outbox(engine: Engine) -> Iterator[GaugeMetricFamily]:
    with engine.connect() as connection:
        rows = connection.execute(text(WAITING)).all()
    yield _families(
        "outbox_waiting", "Messages not sent yet.", (({"receiver": row.receiver}, row.number) for row in rows)
    )
    yield _families(
        "outbox_oldest_timestamp_seconds",
        "When the oldest of them was written.",
        (({"receiver": row.receiver}, row.oldest_us / 1e6) for row in rows),
    )


_ENDS = {"value": "", "low": ", lower end of its 95% interval", "high": ", upper end of its 95% interval"}


def _of(finding: Mapping[str, Any]) -> dict[str, str]:
    return {"check": finding["check"], "slice": slice_name(finding["slice"])}


def _bounded(findings: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """At most so many of a check, and one of a slice: two series of one name are none."""
    seen: dict[str, set[str]] = {}
    for one in findings:
        slices, name = seen.setdefault(one["check"], set()), slice_name(one["slice"])
        if name not in slices and len(slices) < MOST_SLICES:
            slices.add(name)
            yield one


def _numbers(findings: Iterable[Mapping[str, Any]], name: str, key: str) -> Iterator[tuple[dict[str, str], float]]:
    return ((_of(one), one[name][key]) for one in findings if one[name][key] is not None)


def _family(name: str, told: str, labels: Mapping[str, str], value: float) -> GaugeMetricFamily:
    return _families(name, told, [(labels, value)])


def _families(name: str, told: str, values: Iterable[tuple[Mapping[str, str], float]]) -> GaugeMetricFamily:
    found = list(values)
    family = GaugeMetricFamily(f"rewarddrift_{name}", told, labels=list(found[0][0]) if found else [])
    for labels, value in found:
        family.add_metric(list(labels.values()), float(value))
    return family
