"""Do six outputs tell one gate alike, and can no name in it do anything but be read?"""

import dataclasses
import io
import json
import math
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from monitor.check import Interval, Verdict, load_checks
from monitor.gate.result import Decision, GateFinding, GateReport
from monitor.report import gate_page, gate_story, gate_words
from monitor.report.gate_annotations import gate_annotations, gate_output
from monitor.report.gate_html import gate_html
from monitor.report.gate_json import gate_json
from monitor.report.gate_junit import gate_junit
from monitor.report.gate_markdown import LIMIT, MARKER, code, gate_markdown, prose
from monitor.report.gate_subjects import SUBJECTS
from monitor.report.gate_text import print_gate_text, render_gate_text
from tests.sample_gate_reports import blocked_gate, empty_gate, hostile_gate, passed_gate, unsettled_gate

SAMPLES = [blocked_gate, unsettled_gate, passed_gate, empty_gate, hostile_gate]
BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
TEXTS: list[Callable[[GateReport], str]] = [render_gate_text, gate_markdown, gate_junit, gate_annotations, gate_html]

HOSTILE = [
    "a|b",
    "\\|",
    "||||",
    "`",
    "``x`",
    "```\nrm -rf\n```",
    "` `` ``` ````",
    "a`b",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</details>",
    "</code></td></tr></table>",
    "<!-- reward-drift gate -->",
    "-->",
    "<https://evil.example>",
    "https://evil.example/x?y=1#z",
    "www.evil.example",
    "mailto:a@evil.example",
    "[click](https://evil.example)",
    "![](https://evil.example/p.png)",
    "[x]: https://evil.example",
    "[^1]",
    "@everyone",
    "@org/team",
    "someone@evil.example",
    "#1",
    "org/repo#1",
    "GH-1",
    "# heading",
    "- [x] done",
    "1. one",
    "---",
    "> quote",
    "**bold** _it_ ~~no~~",
    "$x^2$",
    ":+1:",
    "&lt;b&gt;&#64;",
    "line\nbreak\r\nand more",
    "\u202edrowssap\u202c \u2066x\u2069",
    "\x1b[31mred\x1b[0m\x00\x07",
    "::error::x\n::stop-commands::y",
    "##[add-path]/tmp",
    "  \t ",
    "",
    "a" * 70_000,
    "\ud800\ufffe\uffff",
    "%0A%25,:",
    "\"'><b>",
]


@pytest.fixture(scope="module", params=SAMPLES, ids=lambda sample: sample.__name__)
def sample(request: pytest.FixtureRequest) -> GateReport:
    return request.param()


def test_the_samples_cover_every_decision_and_verdict() -> None:
    reports = [make() for make in SAMPLES]
    assert {report.decision for report in reports} == set(Decision)
    assert {finding.verdict for report in reports for finding in report.findings} == set(Verdict)


@pytest.mark.parametrize("write", TEXTS, ids=lambda write: write.__name__)
def test_every_output_tells_the_decision_and_names_what_blocks(
    sample: GateReport, write: Callable[[GateReport], str]
) -> None:
    told = re.sub(r"\s+", "", write(sample)).replace("<wbr>", "")
    assert sample.decision.value in told
    for name in sample.blocking:
        if name.isascii() and "<" not in name:
            assert name in told


def test_markdown_alone_answers_what_blocks_how_sure_and_what_now() -> None:
    lines = gate_markdown(blocked_gate()).splitlines()
    assert lines[0] == "## NO-GO: keep `support-2026-11-13`, do not ship `support-2026-11-20`."
    assert lines[2] == (
        "**What happened.** On tier=enterprise, support-2026-11-20's outcome is 4.0 points lower (from 71.2% to 67.2%;"
        " 2.0 allowed; 1,240 prompts), while its reward rose 6.1 points. On tier=free it is 1.4 points higher."
    )
    told = "\n".join(lines)
    for part in (
        "this gate would wrongly say NO-GO at most 5 times in 100; here the drop on tier=enterprise is at"
        " least 2.4 points where 2.0 is allowed.",
        "Outcome: `resolved`, what really came of an answer. Reward: `helpful-rm`, what the model is trained on.",
        "outcome -4.0 points, between -5.6 and -2.4 (from 71.2% to 67.2%); a fall of 2.0 is allowed; 1,240 prompts.",
        "Reward: +6.1 points, between +4.9 and +7.3",
        "Looks like: Reward up, users worse",
        "Checks: `reward_outcome_decoupling[tier=enterprise]`",
        "1. Do not promote support-2026-11-20; support-2026-11-13 keeps serving\n",
        "- `r-20418`: high reward, failed outcome (reward 0.94, outcome 0)",
    ):
        assert part in told
    order = [told.index(title) for title in ("**What happened", "**How sure", "### What blocks it", "### What to do")]
    assert order == sorted(order)


def test_a_go_says_what_it_rests_on() -> None:
    told = gate_markdown(passed_gate())
    assert told.splitlines()[2].startswith(
        "**What happened.** Overall, support-2026-11-20's outcome is 1.2 points higher (from 68.4% to 69.6%; between"
        " +0.3 and +2.1; a fall of more than 2.0 would not have been allowed; 9,034 prompts), while its reward rose 2.1"
        " points."
    )
    assert "Required, and passed: `reward_outcome_decoupling`." in told
    assert "Groups that had to pass, each for itself: tier=enterprise; tier=free." in told
    assert "this gate would wrongly say GO at most 5 times in 100; a drop of up to 1.6 points can still have" in told
    assert "On tier=free it is 1.5 points higher (from 68.4% to 69.9%; between +0.2 and +2.8; 5,120 prompts)" in told
    whole = dataclasses.replace(passed_gate(), findings=passed_gate().findings[:1])
    assert "No groups were checked separately" in gate_markdown(whole)
    assert "here even the low end of every required range, +0.3, is no drop." in gate_markdown(whole)


@pytest.mark.parametrize("write", [gate_markdown, gate_html, gate_junit])
def test_every_report_says_that_what_has_no_data_is_no_pass(write: Callable[[GateReport], str]) -> None:
    for make in SAMPLES[:4]:
        if write is not gate_junit or make is not passed_gate:  # a decision that passed has no text in JUnit
            assert "A check without data never counts as passed; if it is required, it blocks." in write(make())


def test_what_is_not_decided_says_between_what_it_may_lie_and_what_would_decide_it() -> None:
    told = gate_markdown(unsettled_gate())
    assert "(from 68.4% to 66.7%; between -7.7 and +4.3; a fall of more than 2.0 must be ruled out, and is not;" in told
    assert (
        "60 prompts; about 1,374 prompts in all would decide it, if the candidate is as good as the reference" in told
    )
    assert "would have been seen" not in told.partition("<details>")[0]
    assert "`capability_regression[category=refund_policy]` is required: no data;" in told
    assert "`licence_status`: the check broke" in told
    few = dataclasses.replace(unsettled_gate(), findings=unsettled_gate().findings[:2], blocking=[])
    assert "**How sure.** Too little data to decide: it may be better or worse, so it does not ship." in gate_markdown(
        few
    )
    assert "Too little data" not in gate_story.story(few)[0]
    assert "Overall it passed: +0.8 points, between -0.5 and +2.1." in gate_markdown(few)


def test_findings_of_one_cause_are_one_blocker_with_every_check_named() -> None:
    first = blocked_gate().findings[0]
    others = [
        dataclasses.replace(first, check=check, outcome_change=Interval(), reward_change=Interval())
        for check in ("worst_cohort", "cohort_regression")
    ]
    report = dataclasses.replace(
        blocked_gate(), findings=[*others, first], blocking=[one.name for one in (*others, first)]
    )
    [blocker] = gate_page.blockers(report)
    assert [name.partition("[")[0] for name in blocker.names] == [
        "reward_outcome_decoupling",
        "cohort_regression",
        "worst_cohort",
    ]
    assert gate_markdown(report).count("-4.0 points, between") == 1
    elsewhere = dataclasses.replace(others[0], slice={})
    report = dataclasses.replace(report, findings=[*report.findings, elsewhere])
    assert len(gate_page.blockers(report)) == 2


def test_what_blocks_already_is_not_told_again_as_left_open() -> None:
    few = unsettled_gate().findings[1]
    twin = dataclasses.replace(few, check="cohort_regression", required=False, blocks=False)
    blocking = dataclasses.replace(few, check="reward_outcome_decoupling")
    report = dataclasses.replace(unsettled_gate(), findings=[blocking, twin], blocking=[blocking.name])
    assert gate_page.left_open(report) == []
    apart = dataclasses.replace(twin, slice={"locale": "fr"})
    report = dataclasses.replace(report, findings=[blocking, twin, apart])
    assert gate_page.left_open(report) == [apart]


def test_harm_that_only_the_promise_of_the_reward_shows_tells_the_outcome_itself_too() -> None:
    short = dataclasses.replace(
        blocked_gate().findings[0], effect=Interval(0.05, 0.03, 0.07), outcome_change=Interval(0.005, -0.011, 0.021)
    )
    assert gate_words.told(short) == (
        "outcome, measured against the least that its reward should have brought, -5.0 points, between -7.0 and -3.0;"
        " the outcome itself +0.5 points; a fall of 2.0 is allowed; 1,240 prompts"
    )


def test_checks_without_data_are_counted_in_sight_and_named_in_a_fold() -> None:
    told = gate_markdown(blocked_gate())
    shown, _, folded = told.partition("<details>")
    sentence = (
        "**Not tested:** 2 of 7 checks had no data. None of them blocks, and a GO does not cover them. Among them:"
        " golden items"
    )
    assert sentence in shown
    assert "golden_items" not in shown
    assert "- `golden_items`: needs a category of kind golden" in folded
    assert "| `golden_items` |" not in told
    assert [f.check for f in gate_page.ranked(blocked_gate())][-2:] == ["golden_items", "rollback_readiness"]
    assert "golden_items" not in gate_annotations(blocked_gate())
    assert "a category of kind golden" in gate_html(blocked_gate())


def test_harm_that_is_only_reported_is_no_reason_to_stop_and_is_still_told() -> None:
    told = gate_markdown(passed_gate())
    assert told.startswith("## GO: ")
    assert "What blocks it" not in told
    assert "One failed that only informs: `rubric_overfitting[pair=helpful-rm, held-out-rm]`" in told
    assert "### Failed, and only informs" in told
    assert ":warning:" not in told
    assert "::warning title=FAIL rubric_overfitting" in gate_annotations(passed_gate())


def test_an_answers_words_are_shown_by_the_page_alone_and_never_recorded() -> None:
    report = blocked_gate()
    for write in (gate_markdown, gate_junit, gate_json, render_gate_text):
        assert "r-20418" in write(report)
        assert "Where is my refund?" not in write(report)
    assert "Where is my refund?" in gate_html(report)
    assert "Where is my refund?" not in json.dumps(report.to_dict())


def test_a_freeze_says_who_stopped_it_and_no_chance() -> None:
    freeze = GateFinding("frozen", {}, Verdict.FAIL, Interval(), 0.0, 1, 0, "frozen by ann: incident 7", blocks=True,
                         method="census")  # fmt: skip
    told = gate_markdown(dataclasses.replace(blocked_gate(), findings=[freeze], blocking=["frozen"]))
    assert "`frozen`: frozen by ann: incident 7." in told
    assert "Somebody stopped every promotion: no chance is in it." in told


def test_a_required_check_that_yields_nothing_is_told_by_every_output() -> None:
    for write in TEXTS:
        assert "absence is no pass" in write(empty_gate())


def test_markdown_stays_under_its_limit_and_keeps_its_marker() -> None:
    report = unsettled_gate()
    many = [
        dataclasses.replace(report.findings[1], slice={"user": f"{'x|`@' * 30}{at}"}, needs="n`" * 500)
        for at in range(3_000)
    ]  # fmt: skip
    full = dataclasses.replace(report, findings=many, notes=["n_" * 900] * 50, next_steps=["s@" * 900] * 50)
    told = gate_markdown(full)
    assert LIMIT - 5_000 < len(told) <= LIMIT
    assert told.endswith(f"{MARKER}\n")
    assert "more did not fit here" in told
    assert told.count("<details>") == told.count("</details>") == 2
    assert len(gate_markdown(hostile_gate("a" * 70_000))) <= LIMIT


def test_the_marker_stands_once_whatever_the_names_are(sample: GateReport) -> None:
    assert _comments(gate_markdown(sample)) == [MARKER]
    assert _comments(gate_markdown(hostile_gate(MARKER))) == [MARKER]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_inert_in_markdown(name: str) -> None:
    told = gate_markdown(hostile_gate(name))
    _assert_inert(told)
    assert not BIDI.search(told)
    assert "\x1b" not in told


@settings(max_examples=150, deadline=None)
@given(st.text(st.characters(codec=None), max_size=60) | st.text("`|@<>[](){}#!*_~\\:/.$& \nwaht1-", max_size=60))
def test_prose_is_words_and_code_and_nothing_else(name: str) -> None:
    told = f"A {prose(name)} b {prose(f'x{name}`c`{name}')} z {code(name)}, {code(name)}."
    [inline] = [token for token in _parsed(told) if token.type == "inline"]
    assert {token.type for token in inline.children or []} <= {"text", "code_inline"}
    for token in inline.children or []:
        if token.type == "text":
            assert not re.search(r"[@#<\[\]`|*_~$\\&]|://|www\.", token.content, re.IGNORECASE)
    shown = [token.content for token in inline.children or [] if token.type == "code_inline"]
    assert len(shown) >= 2


@settings(max_examples=25, deadline=None)
@given(st.text(st.characters(codec=None), min_size=1, max_size=40) | st.text("`|@<>[]#\\:%\n \r,-", max_size=40))
def test_any_name_is_inert_in_every_output(name: str) -> None:
    report = hostile_gate(name)
    _assert_inert(gate_markdown(report))
    _assert_lawful(gate_junit(report), report)
    for line in gate_annotations(report).removesuffix("\n").split("\n"):
        assert re.match(r"::(error|warning|notice) title=[^:,\r]*::[^\r]*$", line)
    assert "::" not in render_gate_text(report)
    assert json.loads(gate_json(report), parse_constant=pytest.fail)["candidate"] == name


def test_code_keeps_what_it_quotes() -> None:
    for name in ("a|b", "`", "``x`", "a`b", "<b>", "@ops"):
        [inline] = [token for token in _parsed(code(name)) if token.type == "inline"]
        assert [token.content for token in inline.children or []] == [name]


def test_a_pipe_in_a_name_opens_no_column() -> None:
    rows = [line for line in gate_markdown(hostile_gate("a|b\\|c")).splitlines() if line.startswith("| FAIL")]
    for row in rows:
        assert len(re.split(r"(?<!\\)\|", row)) == 12


def test_text_keeps_to_its_width_and_obeys_nobody(sample: GateReport) -> None:
    told = render_gate_text(sample)
    assert max(map(len, told.splitlines())) <= 100
    assert not BIDI.search(told)
    assert "\x1b" not in told


def test_text_carries_no_command_of_a_ci_runner() -> None:
    told = render_gate_text(hostile_gate("::error::x ##[add-path]y"))
    assert "::" not in told
    assert "##[" not in told


def test_text_is_coloured_on_a_terminal_unless_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured, plain, file = Terminal(), Terminal(), io.StringIO()
    print_gate_text(blocked_gate(), coloured)
    print_gate_text(blocked_gate(), file)
    monkeypatch.setenv("NO_COLOR", "1")
    print_gate_text(blocked_gate(), plain)
    assert "\x1b[1;31m" in coloured.getvalue()
    assert "31m" not in plain.getvalue()
    assert "\x1b" not in file.getvalue()
    assert "FAIL on tier=enterprise" in plain.getvalue()


@pytest.mark.parametrize(("columns", "widest"), [("80", 80), ("200", 100)])
def test_text_fits_the_terminal(monkeypatch: pytest.MonkeyPatch, columns: str, widest: int) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("NO_COLOR", "1")
    file = Terminal()
    print_gate_text(unsettled_gate(), file)
    assert max(len(re.sub("\x1b\\[[0-9;]*m", "", line)) for line in file.getvalue().splitlines()) <= widest


def test_json_is_the_contract(sample: GateReport) -> None:
    told = json.loads(gate_json(sample), parse_constant=pytest.fail)
    wanted = "decision candidate reference blocking findings loop as_of stage alpha notes next_steps bound record"
    assert list(told)[: len(wanted.split())] == wanted.split()
    assert {"outcome", "reward", "higher_is_better", "examples"} <= told.keys()
    keys = "check slice verdict effect tolerance n n_needed message visible baseline pairs_needed"
    assert all(set(keys.split()) <= finding.keys() for finding in told["findings"])


def test_numbers_that_are_not_finite_are_null_and_never_a_figure() -> None:
    odd = Interval(math.nan, -math.inf, math.inf)
    first = dataclasses.replace(
        blocked_gate().findings[0], effect=odd, visible=math.nan, reward_change=odd, outcome_change=odd
    )
    report = dataclasses.replace(blocked_gate(), findings=[first])
    told = json.loads(gate_json(report), parse_constant=pytest.fail)
    assert told["findings"][0]["effect"] == {"value": None, "low": None, "high": None}
    assert told["findings"][0]["visible"] is None
    for write in TEXTS:
        assert not re.search(r"\b(nan|inf)\b", re.sub("<style>.*</style>", "", write(report), flags=re.DOTALL))


def test_junit_keeps_the_common_schema(sample: GateReport) -> None:
    _assert_lawful(gate_junit(sample), sample)


def test_junit_fails_exactly_what_blocks() -> None:
    cases = _cases(gate_junit(unsettled_gate()))
    assert cases["decision"] == ("failure", "inconclusive")
    assert cases["anchored_decoupling[locale=de]"] == ("failure", "inconclusive")
    assert cases["licence_status"] == ("error", "error")
    assert cases["anchored_decoupling"] == ("", "")
    assert _cases(gate_junit(empty_gate()))["reward_outcome_decoupling"] == ("failure", "inconclusive")


def test_junit_skips_what_is_left_open_without_blocking() -> None:
    cases = _cases(gate_junit(blocked_gate()))
    assert cases["reward_outcome_decoupling[tier=enterprise]"] == ("failure", "fail")
    assert cases["rubric_overfitting[pair=helpful-rm, held-out-rm]"] == ("skipped", "")
    assert _cases(gate_junit(passed_gate()))["rubric_overfitting[pair=helpful-rm, held-out-rm]"] == ("skipped", "")
    skipped = next(ElementTree.fromstring(gate_junit(blocked_gate())).iter("skipped"))
    assert skipped.get("message", "").startswith("does not block, inconclusive: not decided: ")


def test_a_decision_without_a_named_cause_still_fails_the_suite() -> None:
    nameless = dataclasses.replace(empty_gate(), blocking=[])
    assert _cases(gate_junit(nameless)) == {"decision": ("failure", "inconclusive")}
    assert "::error title=reward-drift gate%3A INCONCLUSIVE::" in gate_annotations(nameless)
    assert gate_page.next_steps(nameless)[0].startswith("Do not promote;")


def test_annotations_are_escaped_as_github_reads_them() -> None:
    lines = gate_annotations(hostile_gate("a: b, 100%\r\nc")).splitlines()
    assert all(line.startswith(("::error ", "::warning ", "::notice ")) for line in lines)
    titles = [line.split("::")[1] for line in lines]
    assert any("a%3A b%2C 100%25" in title for title in titles)
    assert all("," not in title.partition(" title=")[2] for title in titles)


def test_annotations_keep_to_what_github_shows() -> None:
    report = unsettled_gate()
    many = [dataclasses.replace(report.findings[1], slice={"user": str(at)}) for at in range(40)]
    lines = gate_annotations(dataclasses.replace(report, findings=many, blocking=[])).splitlines()
    assert len(lines) == 10
    assert lines[-1] == "::error title=32 more::32 more; the step summary holds them."


def test_the_verdict_is_an_output_of_the_step() -> None:
    assert [gate_output(make()) for make in (passed_gate, blocked_gate, unsettled_gate)] == [
        "verdict=GO\n",
        "verdict=NO-GO\n",
        "verdict=INCONCLUSIVE\n",
    ]


def test_html_runs_and_loads_nothing(sample: GateReport) -> None:
    page = Page(gate_html(sample))
    assert not {"script", "iframe", "object", "embed", "img", "form", "base", "image", "use"} & set(page.tags)
    for key, value in page.attributes:
        assert not key.startswith("on")
        assert key not in ("src", "srcset", "action", "xlink:href", "formaction")
        assert key != "href" or value.startswith(("#", "data:"))
        assert "//" not in value
        assert "evil" not in value
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'; img-src data:") in page.attributes
    assert not BIDI.search(gate_html(sample))


def test_html_ids_are_unique_and_named(sample: GateReport) -> None:
    attributes = Page(gate_html(sample)).attributes
    ids = [value for key, value in attributes if key == "id"]
    named = [part for key, value in attributes if key == "aria-labelledby" for part in value.split()]
    links = [value[1:] for key, value in attributes if key == "href" and value.startswith("#")]
    assert len(ids) == len(set(ids))
    assert {*named, *links} <= set(ids)


def test_html_tells_every_figure_of_what_blocks() -> None:
    told = Page(gate_html(blocked_gate())).text
    for part in (
        "NO-GO Keep support-2026-11-13, do not ship support-2026-11-20.",
        "On tier=enterprise, support-2026-11-20's outcome is 4.0 points lower (from 71.2% to 67.2%;",
        "Reward +6.1 points, between +4.9 and +7.3",
        "yes yes -4.0 -5.6 to -2.4 2.0 1,240 3.1 -",
        "anchors:support-v3",
    ):
        assert part in told


def test_html_lists_what_blocks_first() -> None:
    verdicts = re.findall(r'<tr><td><span class="verdict (\w+)">', gate_html(unsettled_gate()))
    assert verdicts == ["error", "inconclusive", "inconclusive", "pass", "pass"]


def test_html_draws_nothing_where_nothing_has_bounds() -> None:
    page = Page(gate_html(empty_gate()))
    assert "svg" not in page.tags
    assert "Nothing to draw" in page.text


@pytest.mark.parametrize("effect", [Interval(0.5), Interval(0.0, 0.0, 0.0), Interval(1.0, -1.0, 1.0), Interval(-1.0)])
def test_the_forest_draws_every_lawful_effect(effect: Interval) -> None:
    findings = [dataclasses.replace(f, effect=effect, tolerance=0.0) for f in blocked_gate().findings]
    drawing = gate_html(dataclasses.replace(blocked_gate(), findings=findings))
    assert "nan" not in re.sub(r"<style>.*?</style>", "", drawing, flags=re.DOTALL)
    assert "<svg" in drawing


def test_a_bound_far_outside_is_cut_with_an_arrow() -> None:
    wide = dataclasses.replace(blocked_gate().findings[0], effect=Interval(0.01, -1.0, 1.0))
    drawing = gate_html(dataclasses.replace(blocked_gate(), findings=[wide]))
    assert drawing.count('<path d="M') == 4  # both ends, in both widths


@pytest.mark.parametrize(
    ("effect", "words"),
    [
        (Interval(0.03, 0.01, 0.05), "outcome -3.0 points, between -5.0 and -1.0;"),
        (Interval(-0.03, -0.05, -0.01), "outcome +3.0 points, between +1.0 and +5.0;"),
        (Interval(0.0, -0.02, 0.02), "outcome 0.0 points, between -2.0 and +2.0;"),
        (Interval(0.03), "outcome -3.0 points, no range;"),
    ],
)
def test_minus_is_worse_for_people(effect: Interval, words: str) -> None:
    finding = GateFinding("cohort_regression", {}, Verdict.FAIL, effect, 0.02, 9, 0, "")
    assert words in gate_words.told(finding)
    assert json.loads(gate_json(dataclasses.replace(blocked_gate(), findings=[finding])))["findings"][0]["effect"][
        "value"
    ] == pytest.approx(effect.value)


def test_every_check_speaks_of_something_that_falls_under_harm() -> None:
    finding = GateFinding("rubric_overfitting", {}, Verdict.FAIL, Interval(0.03, 0.01, 0.05), 0.02, 9, 0, "")
    assert gate_words.told(finding).startswith("gain by a ruler it was not trained on, beside the trained one, -3.0")
    plugin = dataclasses.replace(finding, check="a_plugin")
    assert gate_words.told(plugin).startswith("result -3.0 points, between -5.0 and -1.0;")


def test_a_census_has_no_chance_in_it() -> None:
    leak = GateFinding("feedback_purpose_leak", {}, Verdict.FAIL, Interval(0.01, 0.01, 0.01), 0.0, 800, 0, "8 of 800",
                       blocks=True, method="census")  # fmt: skip
    assert gate_words.told(leak) == "records that debugging reached: 1.0%, 0.0% allowed; all 800 counted"
    plugin = dataclasses.replace(leak, check="a_plugin")
    assert gate_words.told(plugin).startswith("share at fault: 1.0%")
    report = dataclasses.replace(blocked_gate(), findings=[leak], blocking=[leak.name])
    assert gate_story.how_sure(report) == "What blocks was counted, every one of them: no chance is in it."


def test_a_count_that_leaves_some_unknown_says_between_what() -> None:
    open_ = GateFinding("golden_items", {}, Verdict.INCONCLUSIVE, Interval(0.02, 0.01, 0.03), 0.0, 100, None, "",
                        method="census")  # fmt: skip
    assert gate_words.told(open_) == (
        "not decided: golden items that fail: 1.0% to 3.0%, as some are not known, 0.0% allowed; 100 looked at"
    )
    assert gate_words.limits(open_) == "1.0% to 3.0%"


def test_enough_items_that_did_not_settle_it_are_no_call_for_more() -> None:
    finding = dataclasses.replace(unsettled_gate().findings[1], n=2_000)
    assert gate_words.told(finding).endswith("a candidate as good as the reference would most likely pass")


def test_what_failed_needs_no_more_units() -> None:
    assert gate_words.units_needed(blocked_gate().findings[0]) == "-"
    assert gate_words.units_needed(unsettled_gate().findings[1]) == "1,374"


def test_a_gate_that_is_not_recorded_says_whether_that_is_to_be_expected() -> None:
    assert dict(gate_page.frame(unsettled_gate()))["record"].startswith("none: a gate over event files never is")
    assert dict(gate_page.frame(blocked_gate()))["record"] == "41"


def test_every_registered_check_of_the_gate_is_told_in_words() -> None:
    untold = {name for name, one in load_checks().items() if "gate" in one.on} - set(SUBJECTS)
    assert untold == set(), "say in monitor/report/gate_subjects.py what rises or falls"


class Page(HTMLParser):
    """Tags, attributes and text of a document."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(key, value or "") for key, value in attrs]

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def _parsed(markdown: str) -> list[Token]:
    return MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(markdown)


def _comments(markdown: str) -> list[str]:
    blocks = [token.content.strip() for token in _parsed(markdown) if token.type == "html_block"]
    return [block for block in blocks if block.startswith("<!--")]


def _assert_inert(markdown: str) -> None:
    """Only the house's own blocks; inside them words, code and emphasis of the house."""
    tokens = _parsed(markdown)
    assert {token.type for token in tokens} <= {
        "inline", "html_block", "heading_open", "heading_close", "paragraph_open", "paragraph_close",
        "bullet_list_open", "bullet_list_close", "ordered_list_open", "ordered_list_close", "list_item_open",
        "list_item_close", "table_open", "table_close", "thead_open", "thead_close", "tbody_open", "tbody_close",
        "tr_open", "tr_close", "th_open", "th_close", "td_open", "td_close",
    }  # fmt: skip
    html = "\n".join(token.content for token in tokens if token.type == "html_block")
    assert set(re.findall(r"<[^>]*>", html)) <= {"<details>", "</details>", "<summary>", "</summary>", MARKER}
    rows = [at for at, token in enumerate(tokens) if token.type == "tr_open"]
    for at in rows:
        end = next(i for i in range(at, len(tokens)) if tokens[i].type == "tr_close")
        assert sum(token.type in ("th_open", "td_open") for token in tokens[at:end]) == 10
    for part in (part for token in tokens for part in token.children or []):
        assert part.type in ("text", "code_inline", "strong_open", "strong_close")
        if part.type == "text":
            assert not re.search(r"@|://|www\.|<|\]\(|#\d", part.content, re.IGNORECASE)


def _assert_lawful(xml: str, report: GateReport) -> None:
    """What the schemas of Jenkins and of JUnit's Ant task have in common, and the promise on the decision."""
    root = ElementTree.fromstring(xml.encode("utf-8"))
    assert root.tag == "testsuites"
    [suite] = root
    assert suite.tag == "testsuite"
    assert [child.tag for child in suite] == ["properties"] + ["testcase"] * (len(suite) - 1)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.get("timestamp", ""))
    cases = suite.findall("testcase")
    for case in cases:
        assert case.keys() == ["name", "classname", "time"]
        assert len(case) <= 1
        assert {child.tag for child in case} <= {"failure", "error", "skipped"}
        assert all(child.get("message") for child in case)
    assert suite.get("tests") == str(len(cases))
    for key, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        number = str(sum(case.find(tag) is not None for case in cases))
        assert suite.get(key) == root.get(key) == number
    red = suite.get("failures") != "0" or suite.get("errors") != "0"
    assert red == (report.decision is not Decision.GO)


def _cases(xml: str) -> dict[str, tuple[str, str]]:
    """Name of each test -> what became of it, and its type."""
    found = ElementTree.fromstring(xml.encode("utf-8")).iter("testcase")
    return {case.get("name", ""): next(((c.tag, c.get("type", "")) for c in case), ("", "")) for case in found}
