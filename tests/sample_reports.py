"""Reports built by hand: a gamed loop, a healthy one, an empty store, and one where nothing could be concluded."""

import datetime as dt
import math
from collections.abc import Iterator
from dataclasses import replace

from monitor.check import Finding, Interval, Verdict
from monitor.result import (
    Alert,
    CheckpointSummary,
    EventCounts,
    Evidence,
    EvidencePath,
    Example,
    FeedbackSplit,
    Reference,
    Report,
)

START = dt.date(2026, 3, 2)
COHORTS = [{"tier": "enterprise"}, {"tier": "pro"}, {"tier": "free"}, {"locale": "de"}, {"locale": "en"}]
THRESHOLDS = {"ticket": 30.0, "warning": 365.0, "page": 3650.0}
GAMED = [(0.0, 0.0), (0.4, 0.3), (0.9, 0.5), (1.6, 0.2), (2.9, -0.4), (4.1, -1.2), (5.2, -1.9), (6.0, -2.6)]
GAMED += [(6.9, -3.0), (7.6, -3.4), (8.3, -3.8), (8.8, -3.9), (9.1, -4.0)]
HEALTHY = [(0.3 * k, 0.25 * k + (0.4 if k % 3 else -0.2)) for k in range(9)]


def gamed_report() -> Report:
    rows = [*_rows({}, GAMED, 2400), *(row for i, c in enumerate(COHORTS) for row in _cohort(c, i))]
    return Report(
        loop="support-bot",
        as_of=dt.datetime(2026, 8, 31, tzinfo=dt.UTC),
        reward="thumbs",
        outcome="task_success",
        unit="user-day",
        thresholds=THRESHOLDS,
        reference=_reference(),
        events=EventCounts(
            accepted=412_806,
            duplicate=1_204,
            conflict=3,
            rejected=57,
            by_type={"response": 201_114, "feedback": 98_310, "outcome": 113_369, "checkpoint": 13},
            rejected_by_reason={"time_without_offset": 41, "unknown_type": 12, "too_large": 4},
        ),
        feedback=FeedbackSplit(
            curation=4_120,
            reward=81_377,
            debugging=12_813,
            by_rule={
                "end user, production, product surface": 81_377,
                "annotator with a rubric on a curation surface": 4_120,
                "unknown actor": 7_902,
                "engineer": 3_410,
                "staging surface": 1_501,
            },
        ),
        alerts=[_enterprise_alert(), _global_alert()],
        findings=[
            *(_finding(c, Verdict.FAIL if i == 0 else Verdict.PASS) for i, c in enumerate(COHORTS)),
            Finding("reward_outcome_decoupling", {}, Verdict.FAIL, Interval(0.066, 0.048, 0.084), 0.02, 8214, "fired"),
            Finding("judge_human_agreement", {}, Verdict.INCONCLUSIVE, Interval(), 0.03, 0, "needs verdicts"),
            Finding("label_inconsistency", {}, Verdict.ERROR, Interval(), 0.05, 0, "ZeroDivisionError: division"),
        ],
        checkpoints=rows,
        paths=[
            _path({}, 9.4e4, 47, 2.2),
            _path({"tier": "enterprise"}, 900.0, 48, 5.0),
            _path({"tier": "free"}, 6.0, 90, 20.0),
        ],
        notes=[
            "1,318 user-days have no matured outcome yet and are counted nowhere.",
            "Cohort locale=ja has 18 reference units, below 30: it is not monitored on its own.",
        ],
        smallest_visible=0.011,
    )


def healthy_report() -> Report:
    return Report(
        loop="search-answers",
        as_of=dt.datetime(2026, 7, 1, tzinfo=dt.UTC),
        reward="helpful-rm",
        outcome="resolved",
        unit="conversation",
        thresholds=THRESHOLDS,
        reference=_reference(),
        events=EventCounts(accepted=51_000, by_type={"response": 25_000, "outcome": 26_000}),
        feedback=FeedbackSplit(
            curation=10, reward=900, debugging=90, by_rule={"end user": 900, "unknown actor": 90, "annotator": 10}
        ),
        alerts=[],
        findings=[_finding({}, Verdict.PASS)],
        checkpoints=list(_rows({}, HEALTHY, 1200)),
        paths=[_path({}, 4.0, 30, 40.0)],
        notes=[],
        smallest_visible=0.018,
    )


def empty_report() -> Report:
    return Report(
        loop="new-loop",
        as_of=dt.datetime(2026, 7, 1, tzinfo=dt.UTC),
        reward="thumbs",
        outcome="task_success",
        unit="user-day",
        thresholds=THRESHOLDS,
        reference=None,
        events=EventCounts(),
        feedback=FeedbackSplit(),
        alerts=[],
        findings=[],
        checkpoints=[],
        paths=[],
        notes=[],
    )


def inconclusive_report() -> Report:
    """Two checkpoints, no outcome at all, every finding INCONCLUSIVE."""
    blank = Interval()
    days = [(START, START + dt.timedelta(13)), (START + dt.timedelta(14), START + dt.timedelta(20))]
    rows = [
        CheckpointSummary(f"ckpt-0{k}", s, "monitored", *days[k], 40, 0, 1.0, blank, blank, blank, blank)
        for k in range(2)
        for s in ({}, {"tier": "pro"})
    ]
    finding = Finding("reward_outcome_decoupling", {}, Verdict.INCONCLUSIVE, blank, 0.02, 0, "needs outcomes, has 0")
    return Report(
        **{
            **vars(empty_report()),
            "events": EventCounts(accepted=80),
            "checkpoints": rows,
            "findings": [finding],
            "paths": [EvidencePath({}, [], []), EvidencePath({"tier": "pro"}, [START], [math.nan])],
        }
    )


def _reference() -> Reference:
    at = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
    return Reference("ckpt-00", True, at, at + dt.timedelta(14), 7_990, "v1-4f2a")


def _rows(slice_: dict[str, str], story: list[tuple[float, float]], units: int) -> Iterator[CheckpointSummary]:
    """Two weeks per checkpoint; changes in points against a reference of 62% reward and 74% outcome."""
    for k, (reward, outcome) in enumerate(story):
        first = START + dt.timedelta(14 * k)
        half = 1.6 / math.sqrt(units)
        changes = [Interval(x / 100, x / 100 - half, x / 100 + half) for x in (reward, outcome)]
        levels = [
            Interval(base + x / 100, base + x / 100 - half, base + x / 100 + half)
            for base, x in ((0.62, reward), (0.74, outcome))
        ]
        role = "reference" if k == 0 else "monitored"
        against = (Interval(), Interval()) if k == 0 else changes
        last = first + dt.timedelta(13)
        yield CheckpointSummary(
            f"ckpt-{k:02}", slice_, role, first, last, units, round(units * 0.97), 0.03, *levels, *against
        )


def _cohort(slice_: dict[str, str], i: int) -> list[CheckpointSummary]:
    factor = [1.95, 1.1, 0.4, 0.9, 1.0][i]
    return list(_rows(slice_, [(r * (0.8 + 0.1 * i), o * factor) for r, o in GAMED], [410, 820, 1170, 700, 1700][i]))


def _finding(slice_: dict[str, str], verdict: Verdict) -> Finding:
    return Finding("cohort_regression", slice_, verdict, Interval(0.012, -0.004, 0.028), 0.03, 1_102, "28 days")


def _path(slice_: dict[str, str], top: float, onset: int, pace: float) -> EvidencePath:
    days = [START + dt.timedelta(14 + k) for k in range(168)]
    values = [min(top, (2 + 1.5 * math.sin(k / 5)) + math.exp(max(0, k - onset) / pace) - 1) for k in range(168)]
    return EvidencePath(slice_, days, [0.0, *values[1:]])


def _evidence(statistic: float, threshold: float) -> Evidence:
    return Evidence(
        rule="restarting",
        null="the outcome is at most 1.4 pt below what its reward meant in the reference",
        statistic=statistic,
        threshold=threshold,
        promise=f"at most one false alert of this severity in {threshold:,.0f} days, over all series together",
        material_harm=0.005,
        baseline_error=0.009,
        baseline_version="v1-4f2a",
        reference_units=7_990,
        missing_share=0.03,
        likely_start=dt.date(2026, 5, 2),
        heaviest_bet=0.2,
        scores={"A1": 0.71, "A7": 0.17, "A2": 0.11, "A3": 0.01},
        smallest_visible=0.011,
    )


def _global_alert() -> Alert:
    return Alert(
        fingerprint="7f3c",
        check="reward_outcome_decoupling",
        attribution="gaming",
        severity="page",
        slice={},
        checkpoint="ckpt-05",
        fired_at=dt.datetime(2026, 5, 21, tzinfo=dt.UTC),
        leading="gaming",
        shares={"gaming": 0.86, "inflation": 0.09, "blind_reward": 0.04, "plain_harm": 0.01, "benign": 0.0},
        effect=Interval(0.066, 0.048, 0.084),
        reward_change=Interval(0.091, 0.08, 0.102),
        outcome_change=Interval(-0.04, -0.056, -0.024),
        n=8_214,
        message="reward rose and users do worse",
        evidence=_evidence(5_120.0, 3650.0),
        examples=[
            Example(
                "r-81",
                "ckpt-05",
                "highest reward among failed outcomes",
                1.0,
                0.0,
                "Can I return it?",
                "Of course! " + "Happy to help you with your return. " * 30,
            ),
            Example(
                "r-97",
                "ckpt-05",
                "random",
                1.0,
                1.0,
                "Where is my parcel?",
                "It left the depot this morning and should arrive tomorrow.",
            ),
            Example("r-99", "ckpt-05", "worst cohort", None, 0.0, None, None),
        ],
    )


def _enterprise_alert() -> Alert:
    return Alert(
        fingerprint="91ab",
        check="reward_outcome_decoupling",
        attribution="undecided",
        severity="warning",
        slice={"tier": "enterprise"},
        checkpoint="ckpt-06",
        fired_at=dt.datetime(2026, 6, 3, tzinfo=dt.UTC),
        leading="gaming",
        shares={"gaming": 0.48, "inflation": 0.31, "blind_reward": 0.15, "plain_harm": 0.06},
        effect=Interval(0.081, 0.03, 0.132),
        reward_change=Interval(0.052, 0.02, 0.084),
        outcome_change=Interval(-0.037, -0.085, 0.011),
        n=1_102,
        message="enterprise does worse than its reward promised",
        evidence=_evidence(402.0, 365.0),
    )


def hostile_report() -> Report:
    """Every text that a stranger can choose is an attack on a browser, a terminal or a reader."""
    nasty = (
        "\"><script>evil()</script><img src=x onerror=evil()>' {{7*7}} {% raw %} [bold]not markup[/bold] \u202egnp.exe"
    )
    link = (
        "![evil](https://evil.example/p.png) <a href='javascript:evil()'>x</a> https://evil.example \x1b[31mred\x1b[0m"
    )
    huge = "evil" * 25_000
    report = gamed_report()
    evil = {"tier\n<b>": nasty, "k": huge}
    example = Example(nasty, nasty, link, 1.0, None, f"{link}\n\u2067{nasty}", huge)
    text = {"baseline_version": nasty, "null": link, "promise": nasty, "scores": {nasty: 0.5, huge: 0.5}}
    alert = replace(
        report.alerts[0],
        attribution=nasty,
        severity="page",
        slice=evil,
        checkpoint=huge,
        leading=link,
        shares={nasty: 0.7, huge: 0.3},
        message=nasty,
        evidence=replace(report.alerts[0].evidence, **text),
        examples=[example] * 5,
        state=nasty,
    )
    odd = replace(alert, severity=nasty, fingerprint=nasty)
    return replace(
        report,
        loop=nasty,
        reward=link,
        outcome=nasty,
        unit=nasty,
        reference=replace(_reference(), name=huge, version=nasty),
        events=EventCounts(1, 2, 3, 4, {nasty: 1}, {link: 3, huge: 1}),
        feedback=FeedbackSplit(1, 1, 1, {nasty: 2, huge: 1}),
        alerts=[alert, odd],
        findings=[Finding(nasty, evil, verdict, Interval(), 0.1, 1, link + huge) for verdict in Verdict],
        checkpoints=[
            replace(
                row, checkpoint=[nasty, huge, link][k % 3] + str(k), slice=evil if row.slice else {}, role="monitored"
            )
            for k, row in enumerate(report.checkpoints)
        ],
        paths=[replace(path, slice=evil) for path in report.paths],
        notes=[nasty, link, huge],
    )
