"""What stands in the way, what was left open, what comes next? One gate's findings in the order a reader needs them."""

from dataclasses import dataclass

from monitor.check import Verdict
from monitor.gate.result import Decision, GateFinding, GateReport
from monitor.report import gate_words, wording
from monitor.report.wording import name

NAME = 120  # characters of a finding's name
ABSENT = "required, and yielded nothing: absence is no pass"
SAW_NOTHING = "Not required, and nothing to look at"
ALL_SETTLED = "Everything that was looked at was settled. Harm within what is allowed is not ruled out."
ORDER = (Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE, Verdict.PASS)


@dataclass(frozen=True)
class Blocker:
    """Something that keeps the decision from GO. finding: None where a required check yielded nothing."""

    name: str
    finding: GateFinding | None

    @property
    def verdict(self) -> Verdict:
        return self.finding.verdict if self.finding else Verdict.INCONCLUSIVE

    def told(self, alpha: float) -> str:
        """What it showed and how sure it is."""
        return gate_words.told(self.finding, alpha) if self.finding else ABSENT


def blockers(report: GateReport) -> list[Blocker]:
    """What the report says blocks, in its order, then findings that say so themselves: neither is ever left out."""
    findings = {finding.name: finding for finding in report.findings}
    named = dict.fromkeys([*report.blocking, *(f.name for f in report.findings if f.blocks)])
    return [Blocker(one, findings.get(one)) for one in named]


def blocks(report: GateReport, finding: GateFinding) -> bool:
    return finding.blocks or finding.name in report.blocking


def ranked(report: GateReport) -> list[GateFinding]:
    """What blocks, as the report ranks it; then harm, what broke, is not settled, passed, saw nothing."""
    first = {blocker.name: rank for rank, blocker in enumerate(blockers(report))}
    idle = {one.name for one in saw_nothing(report)}
    return sorted(
        report.findings,
        key=lambda f: (first.get(f.name, len(first)), f.name in idle, ORDER.index(f.verdict), not f.required),
    )


def reported(report: GateReport) -> list[GateFinding]:
    """Shown harmful, and still no reason to stop."""
    return [f for f in ranked(report) if f.verdict is Verdict.FAIL and not blocks(report, f)]


def left_open(report: GateReport) -> list[GateFinding]:
    """Not settled although something was looked at, or broken, without blocking."""
    wanted = (Verdict.ERROR, Verdict.INCONCLUSIVE)
    idle = {one.name for one in saw_nothing(report)}
    return [f for f in ranked(report) if f.verdict in wanted and not blocks(report, f) and f.name not in idle]


def saw_nothing(report: GateReport) -> list[GateFinding]:
    """Findings that were not required and had nothing to look at."""
    return [f for f in report.findings if f.verdict is Verdict.INCONCLUSIVE and not f.n and not blocks(report, f)]


def unseen(blocker: Blocker) -> str:
    """What an unsettled blocker would have overlooked."""
    return gate_words.overlooked(blocker.finding) if blocker.finding else gate_words.NO_SIGHT


def unsettled(report: GateReport) -> list[Blocker]:
    """Blockers that were not settled, where a reader must know how little was seen."""
    return [blocker for blocker in blockers(report) if blocker.verdict is Verdict.INCONCLUSIVE]


def headline(report: GateReport) -> str:
    """The decision in one line of plain text."""
    return gate_words.headline(report, [blocker.name for blocker in blockers(report)], lambda text: name(text, NAME))


def how_sure(report: GateReport) -> str:
    """What the decision promises."""
    harmful = [one.finding for one in blockers(report) if one.finding and one.verdict is Verdict.FAIL]
    return gate_words.how_sure(report, harmful)


def details(finding: GateFinding) -> list[tuple[str, str]]:
    """What else is known of a finding: title and sentence."""
    told = (
        ("Moved", gate_words.reward_beside_outcome(finding)),
        ("Looks like", gate_words.looks_like(finding)),
        ("The check says", _remarks(finding)),
        ("To settle it", _to_settle(finding)),
        ("Inferred by", name(finding.method, 200)),
    )
    return [(title, words) for title, words in told if words]


def next_steps(report: GateReport) -> list[str]:
    """What to do; never nothing."""
    if report.next_steps:
        return [name(step, 600) for step in report.next_steps]
    if report.decision is Decision.GO:
        return ["Promote: nothing stands in the way"]
    return ["Do not promote; what blocks says what would settle it, run the gate again after that"]


def frame(report: GateReport) -> list[tuple[str, str]]:
    """Where, when and how the question was asked: title and value."""
    record = "not stored" if report.record is None else str(report.record)
    return [
        ("loop", name(report.loop)),
        ("as of", wording.moment(report.as_of)),
        ("stage", name(report.stage)),
        ("chance of a wrong decision", f"at most {100 * report.alpha:.3g}%"),
        ("record", record),
    ]


def standing(report: GateReport, finding: GateFinding) -> str:
    """What a finding means for the decision, in a word."""
    if blocks(report, finding):
        return "blocks"
    if finding.verdict is Verdict.FAIL:
        return "reported"
    return "required" if finding.required else "optional"


def _remarks(finding: GateFinding) -> str:
    """What the check's message adds: its figures, in which plus is worse, are told in words already."""
    if finding.verdict is Verdict.ERROR or not finding.n:
        return ""
    clauses = finding.message.split("; ")
    return name(
        "; ".join(one for one in clauses if ", tolerated " not in one and one != finding.needs), gate_words.SAID
    )


def _to_settle(finding: GateFinding) -> str:
    """What an INCONCLUSIVE says anyway is left out."""
    return "" if finding.verdict is Verdict.INCONCLUSIVE else name(finding.needs, gate_words.SAID)
