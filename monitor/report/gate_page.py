"""What stands in the way, what was left open, what comes next? One gate's findings in the order a reader needs them."""

from dataclasses import dataclass

from monitor.check import Verdict
from monitor.gate.causes import OF_OUTCOMES, by_cause
from monitor.gate.freeze import BLOCKING as FROZEN
from monitor.gate.result import Decision, GateFinding, GateReport
from monitor.report import gate_words, wording
from monitor.report.gate_subjects import SUBJECTS
from monitor.report.wording import count, name

NAME = 120  # characters of a finding's name
NEEDS = 600  # characters of what a check without data needs
BY_NAME = "Not tested, by name"
ABSENT = "required, and yielded nothing: absence is no pass"
RECORDED = "none: a gate over event files never is recorded, one over a store is"
KEY = (
    "In points, minus is worse: change (of decoupling: measured against the least that the reward should have"
    " brought), its range, the fall that is allowed, the smallest fall that would have been seen. Needed: units in all"
    " for a pass, if the candidate is as good."
)
ORDER = (Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE, Verdict.PASS)


@dataclass(frozen=True)
class Blocker:
    """One cause that keeps the decision from GO. names: of the findings that share it, the one that tells most first.

    finding: that first one; None where a required check yielded nothing.
    """

    names: tuple[str, ...]
    finding: GateFinding | None

    @property
    def verdict(self) -> Verdict:
        return self.finding.verdict if self.finding else Verdict.INCONCLUSIVE

    @property
    def title(self) -> str:
        """The group it speaks of, where outcomes of groups block; else the check."""
        if self.finding is None or self.finding.check not in OF_OUTCOMES:
            return name(self.names[0], NAME)
        return gate_words.where(self.finding)

    @property
    def checks(self) -> tuple[str, ...]:
        """The checks that say so; none where the title names the only one."""
        return () if self.title == name(self.names[0], NAME) else self.names

    @property
    def told(self) -> str:
        """What it showed."""
        return gate_words.told(self.finding) if self.finding else ABSENT


def blockers(report: GateReport) -> list[Blocker]:
    """What the report says blocks, in its order, then findings that say so themselves: neither is ever left out."""
    findings = {finding.name: finding for finding in report.findings}
    named = blocking_names(report)
    groups = {group[0].name: group for group in by_cause(findings[one] for one in named if one in findings)}
    leads = {one.name: lead for lead, group in groups.items() for one in group}
    found = {}
    for one in named:
        lead = leads.get(one, one)
        found[lead] = Blocker(tuple(f.name for f in groups.get(lead, ())) or (one,), findings.get(lead))
    return list(found.values())


def blocking_names(report: GateReport) -> list[str]:
    """Names of everything that blocks, worst first."""
    return list(dict.fromkeys([*report.blocking, *(f.name for f in report.findings if f.blocks)]))


def blocks(report: GateReport, finding: GateFinding) -> bool:
    return finding.blocks or finding.name in report.blocking


def ranked(report: GateReport) -> list[GateFinding]:
    """What blocks, as the report ranks it; then harm, what broke, is not decided, passed, saw nothing."""
    first = {one: rank for rank, one in enumerate(blocking_names(report))}
    idle = {one.name for one in not_tested(report)}
    return sorted(
        report.findings,
        key=lambda f: (first.get(f.name, len(first)), f.name in idle, ORDER.index(f.verdict), not f.required),
    )


def tested(report: GateReport) -> list[GateFinding]:
    """The rows of the table: all but what had no data and does not block."""
    idle = {one.name for one in not_tested(report)}
    return [one for one in ranked(report) if one.name not in idle]


def reported(report: GateReport) -> list[GateFinding]:
    """Shown harmful, and still no reason to stop."""
    return [f for f in ranked(report) if f.verdict is Verdict.FAIL and not blocks(report, f)]


def left_open(report: GateReport) -> list[GateFinding]:
    """Not decided although something was looked at, without blocking; one for each cause, none that blocks anyway."""
    wanted = (Verdict.ERROR, Verdict.INCONCLUSIVE)
    told = {(f.check in OF_OUTCOMES, *sorted(f.slice.items())) for f in report.findings if blocks(report, f)}
    others = [
        f
        for f in tested(report)
        if f.verdict in wanted
        and not blocks(report, f)
        and not (f.check in OF_OUTCOMES and (True, *sorted(f.slice.items())) in told)
    ]
    return [group[0] for group in by_cause(others)]


def not_tested(report: GateReport) -> list[GateFinding]:
    """Findings that had no data and do not block."""
    return [f for f in report.findings if f.verdict is Verdict.INCONCLUSIVE and not f.n and not blocks(report, f)]


def not_tested_told(report: GateReport) -> str:
    """How much had no data, and what it would have looked at; "" where all had some."""
    idle = not_tested(report)
    if not idle:
        return ""
    told = f"Not tested: {not_tested_counted(report)} had no data. None of them blocks, and a GO does not cover them."
    topics = list(dict.fromkeys(_topic(one) for one in _without_data(report)))
    return f"{told} Among them: {', '.join(topics)}." if topics else told


def not_tested_counted(report: GateReport) -> str:
    """How many checks had no data, of how many that were asked, and how many groups of the others."""
    without = _without_data(report)
    asked = {f.check for f in report.findings if f.check != FROZEN}
    groups = sum(f.check not in without for f in not_tested(report))
    told = [f"{count(len(without))} of {wording.plural(len(asked), 'check')}"] if without else []
    return " and ".join([*told, *([wording.plural(groups, "group")] if groups else [])])


def not_tested_by_name(report: GateReport) -> list[tuple[str, str]]:
    """What had no data and what it needs: a check of which nothing had any once, else each group.

    Checks of a kind of data that the loop never had share the last entry.
    """
    without, never = _without_data(report), _never_had(report)
    there = [f for f in not_tested(report) if not any(f.check in checks for checks in never.values())]
    needs: dict[str, list[str]] = {}
    for one in there:
        needs.setdefault(one.check if one.check in without else one.name, []).append(one.needs or "data")
    told = [
        (name(title, NAME), name(f"needs {'; '.join(dict.fromkeys(lacking))}", NEEDS))
        for title, lacking in needs.items()
    ]
    kinds = "; ".join(f"{kind} ({', '.join(checks)})" for kind, checks in never.items())
    return [*told, *([("no such data in this loop", name(kinds, NEEDS))] if kinds else [])]


def _without_data(report: GateReport) -> list[str]:
    """Checks of which nothing had data, and nothing blocks."""
    seen = {f.check for f in report.findings if f.n or f.verdict is Verdict.ERROR or blocks(report, f)}
    return list(dict.fromkeys(f.check for f in not_tested(report) if f.check not in seen))


def _never_had(report: GateReport) -> dict[str, list[str]]:
    """Kinds of data of which nothing is there, not even a name, with the checks that were not tested for want of it."""
    without = _without_data(report)
    had = {
        SUBJECTS[f.check].data for f in report.findings if f.check in SUBJECTS and (f.slice or f.check not in without)
    }
    kinds: dict[str, list[str]] = {}
    for check in without:
        if check in SUBJECTS and (kind := SUBJECTS[check].data) and kind not in had:
            kinds.setdefault(kind, []).append(check)
    return kinds


def details(finding: GateFinding) -> list[tuple[str, str]]:
    """What else is known of a finding: title and sentence."""
    told = (
        ("Reward", gate_words.reward(finding)),
        ("Looks like", gate_words.looks_like(finding)),
    )
    return [(title, words) for title, words in told if words]


def for_statisticians(report: GateReport) -> list[str]:
    """How each was inferred, what checks remark, and the notes of the gate."""
    lines = [
        "harm: all tests together, by Holm's method; safety: each required test alone; either end of a"
        f" {gate_words.FIXED} misses with chance 2.5%"
    ]
    methods: dict[str, list[str]] = {}
    for finding in tested(report):
        if finding.method:
            methods.setdefault(name(finding.method, 200), []).append(name(finding.name, NAME))
    lines += [f"{method}: {', '.join(names)}" for method, names in methods.items()]
    lines += [f"{name(f.name, NAME)}: {said}" for f in tested(report) if (said := _remarks(f))]
    return [*lines, *(name(note, 600) for note in report.notes)]


def next_steps(report: GateReport) -> list[str]:
    """What to do; never nothing."""
    if report.next_steps:
        return [name(step, 600) for step in report.next_steps]
    if report.decision is Decision.GO:
        return ["Promote: nothing stands in the way"]
    return ["Do not promote; what blocks says what would decide it, run the gate again after that"]


def read_first(report: GateReport) -> list[tuple[str, str]]:
    """Answers a person should read: id, and why it was chosen with its figures; never its words."""
    return [(one.response_id, f"{name(one.why)}{_figures(one.reward, one.outcome)}") for one in report.examples]


def frame(report: GateReport) -> list[tuple[str, str]]:
    """Where, when and how the question was asked: title and value."""
    return [
        ("loop", name(report.loop)),
        ("as of", wording.moment(report.as_of)),
        ("stage", name(report.stage)),
        ("record", RECORDED if report.record is None else str(report.record)),
    ]


def is_required(finding: GateFinding) -> str:
    return "yes" if finding.required else "no"


def is_blocking(report: GateReport, finding: GateFinding) -> str:
    return "yes" if blocks(report, finding) else "no"


def _topic(check: str) -> str:
    return SUBJECTS[check].topic if check in SUBJECTS else name(check)


def _figures(reward: float | None, outcome: float | None) -> str:
    told = [f"{what} {value:.3g}" for what, value in (("reward", reward), ("outcome", outcome)) if value is not None]
    return f" ({', '.join(told)})" if told else ""


def _remarks(finding: GateFinding) -> str:
    """What the check's message adds to its figures, which are told in words already."""
    if finding.verdict is Verdict.ERROR or not finding.n:
        return ""
    clauses = finding.message.split("; ")
    return name(
        "; ".join(one for one in clauses if ", tolerated " not in one and one != finding.needs), gate_words.SAID
    )
