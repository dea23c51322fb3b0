"""How are a backtest and a plan of labels told on a terminal?"""

import textwrap
from collections.abc import Iterator, Mapping, Sequence

from monitor.detection.guard import NAME as GUARD
from monitor.planning.backtest import Backtest, First, Raised, Seen
from monitor.planning.power import HEADLINE, STORIES, WITHIN_DAYS, Power
from monitor.report.wording import count, day, name, percent, points_interval, slice_name, statistic
from monitor.statistics.family import GUARD_ALPHA

NONE = "-"
YEAR, LATE = 365, "> 1 y"
WIDTH = 120
STORY_WORDS = {
    "drop": "the outcome falls, the reward does not tell",
    "decoupling": "the outcome falls while the reward rises 9 points for each 4 lost",
}


def backtest_text(loop: str, runs: Sequence[Backtest]) -> str:
    """The settings' own run in full, then each alternative beside it."""
    return "\n".join([*_own(loop, runs[0]), *_beside(runs), *_mirrors(runs)]) + "\n"


def _own(loop: str, run: Backtest) -> Iterator[str]:
    assert run.watched_from is not None
    assert run.reference is not None
    yield (
        f"{name(loop)}: {run.watched_days:,} days watched from {day(run.watched_from)}, against"
        f" {name(run.reference.name)} ({count(run.reference.units)} units)"
    )
    yield ""
    head = ["alert on", "severity", "slice", "label", "checkpoint", ">reward", ">outcome", ">evidence"]
    yield from _table(head, [_alert(alert) for alert in run.alerts]) if run.alerts else ["no alert"]
    yield ""
    head = ["severity", ">threshold", "first alert", ">episodes", ">false ones, at most"]
    yield from _table(
        head,
        [
            [
                severity,
                f"{b.threshold_days:,.0f} d",
                _first(run.first[severity]),
                count(b.episodes),
                f"{b.most_false:.2g}",
            ]
            for severity, b in run.budget.items()
        ],
    )
    yield ""
    head = [">threshold", "read as", "first alert", ">slices", ">false ones, at most"]
    yield from _table(
        head,
        [
            [f"{t.days:,.0f} d", t.severity, _first(t.first), count(len(t.slices)), f"{t.most_false:.2g}"]
            for t in run.thresholds
        ],
    )
    yield from _wrapped(
        "False ones, at most: the false alerts that the promise allows in the days watched, over all series together;"
        " series that are kept for judges and voice use none of it yet. The second table reads the same history at each"
        f" threshold alone. Beside it stands the guard against slow absorption ({GUARD}), whose one warning is false"
        f" with probability {GUARD_ALPHA:g} at most, for ever."
    )


def _alert(alert: Raised) -> list[str]:
    label = alert.attribution if alert.attribution == alert.leading else f"{alert.attribution} ({alert.leading})"
    return [
        day(alert.on),
        alert.severity,
        slice_name(alert.slice),
        name(label).replace("_", " "),
        name(alert.checkpoint, 30),
        points_interval(alert.reward_change),
        points_interval(alert.outcome_change),
        " of ".join(statistic(value, _unit(alert.rule)) for value in (alert.statistic, alert.threshold)),
    ]


def _unit(rule: str) -> str:
    """The rule whose unit the statistic has: days, or an e-value like that of a known start."""
    return rule if rule in ("restarting", "curve") else "known start"


def _first(first: First | None) -> str:
    return NONE if first is None else f"{day(first.on)} (day {first.days})"


def _beside(runs: Sequence[Backtest]) -> Iterator[str]:
    if len(runs) == 1:
        return
    severities = list(runs[0].first)
    rows = [
        [
            run.change or "as given",
            f"{run.watched_days:,} d",
            count(run.reference.units) if run.reference else NONE,
            *(_first(run.first[severity]) for severity in severities),
            count(len({str(alert.slice) for alert in run.alerts})),
        ]
        for run in runs
        if not run.missing
    ]
    yield ""
    yield "The same under other settings: the first alert of each severity"
    yield from _table(["settings", ">watched", ">reference", *severities, ">slices"], rows)
    yield from (f"{run.change}: {run.missing}" for run in runs if run.missing)


def _mirrors(runs: Sequence[Backtest]) -> Iterator[str]:
    own = runs[0].mirror
    if own is None:
        return
    yield ""
    yield from _wrapped(
        f"A drop of {_points(own.drop)} points planted from {day(own.since)} on, in {count(own.touched)} outcomes, with"
        f" {own.days_left:,} days left: days until the alert, mean and its error over the runs that saw it (seed"
        f" {own.seed})"
    )
    rows = [
        [run.change or "as given", *(_seen(seen) for seen in run.mirror.seen.values())] for run in runs if run.mirror
    ]
    yield from _table(["settings", *(f">{severity}" for severity in own.seen)], rows)


def _seen(seen: Seen) -> str:
    if seen.already:
        return "open before"
    unharmed = "" if seen.unharmed_days is None else f", {seen.unharmed_days} unharmed"
    if seen.mean_days is None:
        return f"not seen (0 of {seen.runs}{unharmed})"
    error = "" if seen.error is None else f" ± {seen.error:.1f}"
    return f"{seen.mean_days:.1f}{error} ({seen.runs_seen} of {seen.runs}{unharmed})"


def power_text(loop: str, plan: Power) -> str:
    """All tables of a plan, each under the question it answers."""
    return "\n".join([*_traffic(loop, plan), *_delays(plan), *_smallest(plan), *_costs(plan), *_gate(plan)]) + "\n"


def _traffic(loop: str, plan: Power) -> Iterator[str]:
    of = plan.loop
    yield (
        f"{name(loop)}: {_rate(of.labels_a_day)} labels a day, success {percent(of.success)}, slope {of.slope:.2f},"
        f" reference {count(of.reference)} units, horizon {of.horizon_days:g} d"
    )
    yield from _wrapped(
        f"Conceded by A1, the outcome beside its reward: {_points(plan.allowance)} points, {_points(of.material_harm)}"
        " that nobody would act on and the rest for the reference's own error at the traffic of late; the plain outcome"
        " (A2) concedes less where a policy has moved, and may see smaller drops. Days count from the one on which a"
        " harm begins, all of it at once, the horizon included; they are means, from the growth of the evidence."
    )
    for assumed in plan.assumed:
        yield from _wrapped(f"Assumed: {assumed}.")


def _delays(plan: Power) -> Iterator[str]:
    for story in STORIES:
        mine = [row for row in plan.delays if row.story == story]
        drops, rates = sorted({row.harm.drop for row in mine}), sorted({row.labels_a_day for row in mine})
        found = {(row.labels_a_day, row.harm.drop): row.days for row in mine}
        yield ""
        yield f"Days to {' / '.join(plan.loop.thresholds)} when {STORY_WORDS[story]}"
        if not drops:
            yield f"nothing: with a success of {percent(plan.loop.success)} no outcome is left that could fall"
            continue
        head = [">labels a day", *(f">-{_points(drop)} pt" for drop in drops)]
        yield from _table(
            head,
            [[_rate(rate), *(_severities(found[rate, drop]) for drop in drops)] for rate in rates],
        )


def _smallest(plan: Power) -> Iterator[str]:
    found = {(row.labels_a_day, row.story, row.within_days): row.drop for row in plan.smallest}
    rates = sorted({row.labels_a_day for row in plan.smallest})
    yield ""
    yield f"Smallest drop, in points, whose {HEADLINE} is expected within so many days"
    head = [f">{'' if story == 'drop' else 'reward up, '}{within} d" for story in STORIES for within in WITHIN_DAYS]
    rows = [
        [_rate(rate), *(_drop(found[rate, story, within]) for story in STORIES for within in WITHIN_DAYS)]
        for rate in rates
    ]
    yield from _table([">labels a day", *head], rows)
    if not plan.needed:
        return
    yield ""
    yield f"Labels a day for a {HEADLINE} within so many days"
    needs = {(row.harm.drop, row.story, row.within_days): row.labels_a_day for row in plan.needed}
    drops = sorted({row.harm.drop for row in plan.needed})
    rows = [
        [f"-{_points(drop)} pt", *(_labels(needs[drop, story, within]) for story in STORIES for within in WITHIN_DAYS)]
        for drop in drops
    ]
    yield from _table([">drop", *head], rows)


def _costs(plan: Power) -> Iterator[str]:
    yield ""
    yield f"What the reference's size costs (smallest drop: {HEADLINE} within {WITHIN_DAYS[1]} d)"
    rows = [[count(row.units), f"{_points(row.allowance)} pt", _drop(row.smallest_drop)] for row in plan.reference]
    yield from _table([">reference units", ">conceded", ">smallest drop"], rows)
    if plan.more is not None:
        yield (
            f"{count(plan.more.units - plan.loop.reference)} more reference labels would take what is conceded from"
            f" {100 * plan.allowance:.2f} to {100 * plan.more.allowance:.2f} points."
        )
    if plan.slices:
        yield ""
        yield f"A slice alone, with the evidence it has for itself: smallest drop whose {HEADLINE} is expected within"
        rows = [
            [
                name(one.slice),
                _rate(one.labels_a_day),
                f"{_points(one.allowance)} pt",
                *map(_drop, one.smallest_drop.values()),
            ]
            for one in plan.slices
        ]
        yield from _table(["slice", ">labels a day", ">conceded", *(f">{within} d" for within in WITHIN_DAYS)], rows)


def _gate(plan: Power) -> Iterator[str]:
    yield ""
    yield from _wrapped(
        "Labelled pairs for GO with power .8, if the candidate is no worse and shares only the prompt with the"
        " reference; then the cheapest labels + scores of a judge whose verdicts correlate so well with people's"
    )
    judged = [f">judge at {one.correlation:g}" for one in plan.gate[0].judged]
    rows = [
        [
            f"{_points(row.margin)} pt",
            count(row.labels),
            f"{row.days:,.1f} d",
            *(f"{count(one.labels)} + {count(one.scores)}" for one in row.judged),
        ]
        for row in plan.gate
    ]
    yield from _table([">margin", ">pairs", ">at your rate", *judged], rows)


def _wrapped(sentence: str) -> list[str]:
    return textwrap.wrap(sentence, WIDTH)


def _points(share: float) -> str:
    return f"{100 * share:.1f}".removesuffix(".0") if share >= 0.1 else f"{100 * share:.1f}"


def _rate(labels: float) -> str:
    return f"{labels:,.0f}" if labels >= 10 else f"{labels:.2g}"


def _severities(days: Mapping[str, float | None]) -> str:
    shown = [_days(one) for one in days.values()]
    return shown[0] if set(shown) in ({NONE}, {LATE}) else " / ".join(shown)


def _days(days: float | None) -> str:
    if days is None:
        return NONE
    return LATE if days > YEAR else f"{days:,.0f}" if days >= 10 else f"{days:.1f}"


def _drop(drop: float | None) -> str:
    return NONE if drop is None else _points(drop)


def _labels(labels: float | None) -> str:
    return NONE if labels is None else _rate(labels)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines of a plain table; a column whose title begins with ">" is aligned right."""
    titles = [column.lstrip(">") for column in columns]
    widths = [max(map(len, cells)) for cells in zip(titles, *rows, strict=True)]
    for cells in (titles, *rows):
        placed = [
            cell.rjust(width) if column.startswith(">") else cell.ljust(width)
            for column, cell, width in zip(columns, cells, widths, strict=True)
        ]
        yield "  ".join(placed).rstrip()
