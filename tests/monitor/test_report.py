"""Do text, JSON and HTML tell one report truthfully, and does no stranger's text do anything but be read?"""

import dataclasses
import io
import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from monitor.check import Finding, Interval, Verdict
from monitor.report.html import render_html
from monitor.report.json import render_json
from monitor.report.page import headline, incidents, likely_cause, rollback_target, state_of
from monitor.report.svg import Labels, spread
from monitor.report.text import print_text, render_text
from monitor.report.wording import percent_interval
from monitor.result import Alert, EvidencePath, Report
from tests.sample_reports import empty_report, gamed_report, healthy_report, hostile_report, inconclusive_report

SAMPLES = [gamed_report, healthy_report, empty_report, inconclusive_report, hostile_report]
BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")


class Page(HTMLParser):
    """Collects tags, attributes and text of a document, and the values of every id."""

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


@pytest.fixture(scope="module", params=SAMPLES, ids=lambda sample: sample.__name__)
def sample(request: pytest.FixtureRequest) -> Report:
    return request.param()


def test_headline_says_what_fired_and_since_when() -> None:
    assert headline(gamed_report()) == "NOT healthy: 1 page since 21 May 2026, 1 warning since 3 Jun 2026."


def test_silence_names_the_drop_it_would_have_seen() -> None:
    assert headline(healthy_report()) == "No alert. A drop of 1.8 pt would have been seen by now with probability .9."
    assert state_of(healthy_report()) == "quiet"


@pytest.mark.parametrize("report", [empty_report(), inconclusive_report()])
def test_absent_data_is_never_called_quiet(report: Report) -> None:
    assert state_of(report) == "unknown"
    assert "Nothing can be said" in headline(report)


@pytest.mark.parametrize(("verdict", "words"), [(Verdict.ERROR, "1 broken"), (Verdict.FAIL, "1 shown harmful")])
def test_a_bad_finding_is_never_called_quiet(verdict: Verdict, words: str) -> None:
    bad = dataclasses.replace(healthy_report(), findings=[dataclasses.replace(_finding(), verdict=verdict)])
    assert state_of(bad) == "unknown"
    assert headline(bad).endswith(f"Findings: {words}.")


def _finding() -> Finding:
    return healthy_report().findings[0]


def test_later_alerts_are_folded_under_their_figures() -> None:
    html = render_html(gamed_report())
    assert html.count('<section class="card alert') == 1
    assert html.count('<details class="card alert') == 1
    assert "outcome −3.7 pt (−8.5 to +1.1), n=1,102, evidence 402 d" in Page(html).text


def test_alerts_of_one_episode_are_one_incident_with_a_history() -> None:
    page = next(a for a in gamed_report().alerts if a.severity == "page")
    ticket = dataclasses.replace(page, severity="ticket", fired_at=page.fired_at.replace(day=11))
    report = dataclasses.replace(gamed_report(), alerts=[ticket, page])
    [incident] = incidents(report)
    assert (incident.alert.severity, [a.severity for a in incident.history]) == ("page", ["ticket", "page"])
    assert headline(report) == "NOT healthy: 1 page since 21 May 2026.", "the day of the page, not of its ticket"


def test_resolved_alerts_are_told_but_do_not_set_the_state() -> None:
    closed = [dataclasses.replace(alert, state="resolved") for alert in gamed_report().alerts]
    report = dataclasses.replace(gamed_report(), alerts=closed, findings=[])
    assert headline(report).startswith("No alert.")
    assert "[PAGE] [resolved]" in render_text(report)


def test_rollback_names_the_last_checkpoint_before_the_likely_start() -> None:
    report = gamed_report()
    assert rollback_target(report, report.alerts[0]).startswith("ckpt-03 ")
    page = report.alerts[0]
    assert page.evidence
    earlier = dataclasses.replace(page.evidence, likely_start=page.evidence.likely_start.replace(month=3))
    ticket = dataclasses.replace(page, severity="ticket", slice={"tier": "free"}, fingerprint="t", evidence=earlier)
    both = dataclasses.replace(report, alerts=[page, ticket])
    assert rollback_target(both, ticket) == rollback_target(both, page), "the severest decide for all"
    alone = dataclasses.replace(report, alerts=[ticket])
    assert rollback_target(alone, ticket) != rollback_target(both, ticket)
    tick = dataclasses.replace(report, checkpoints=[])
    assert rollback_target(tick, report.alerts[0]) == "the last checkpoint that served only before 2 May 2026"
    early = dataclasses.replace(report, checkpoints=[row for row in report.checkpoints if row.role != "monitored"])
    assert rollback_target(early, report.alerts[0]) == "ckpt-00 (the reference)"
    untold = dataclasses.replace(early, reference=None)
    assert rollback_target(untold, report.alerts[0]) == "the last checkpoint you trust"


def test_a_loop_without_news_is_blind_with_and_without_alerts() -> None:
    nothing = Finding("reward_outcome_decoupling", {}, Verdict.INCONCLUSIVE, Interval(), 0.03, 0, "no data")
    for report in (gamed_report(), healthy_report()):
        silent = dataclasses.replace(report, findings=[nothing])
        assert "BLIND: nothing that could be judged has matured in the last 28 days." in headline(silent)
        assert "would have been seen" not in headline(silent)
        assert state_of(silent) != "quiet"


def test_text_page_holds_its_numbers() -> None:
    text = " ".join(render_text(gamed_report(), console_width=100).split())
    for part in (
        "[PAGE] Reward up, users worse: support-bot ckpt-05, all traffic likely start 2 May 2026, fired: page 21 May",
        "reward +9.1 pt (+8.0..+10.2) task_success -4.0 pt (-5.6..-2.4) n=8,214 user-days against 7,990, missing 3.0%",
        "evidence 5,120 d (page at 3,650 d:",
        "worst cohorts under ckpt-05, over its whole service, when all traffic had -1.2 pt: tier=enterprise -2.3 pt (n",
        "DO: 1 freeze promotion (safe, reversible) 2 read the 3 examples 3 roll back to ckpt-03",
        "why: Undecided: no explanation is sure enough to be named. Leading so far: gaming.",
        "rejected: time_without_offset 41",
        "ERROR label_inconsistency",
    ):
        assert part in text


def test_text_keeps_to_its_width(sample: Report) -> None:
    assert max(map(len, render_text(sample, console_width=100).splitlines())) <= 100


def test_text_says_that_data_are_absent() -> None:
    text = render_text(empty_report())
    for sentence in ("no unit has matured.", "no feedback was received.", "no check was run.", "reference none yet"):
        assert sentence in text
    assert "no data" in render_text(inconclusive_report())


@pytest.mark.parametrize("console_width", [None, 80])
def test_text_has_no_colour_off_a_terminal(monkeypatch: pytest.MonkeyPatch, console_width: int | None) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    file = io.StringIO()
    print_text(gamed_report(), file, console_width=console_width)
    assert "\x1b" not in file.getvalue()


def test_text_has_colour_on_a_terminal_unless_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured, plain = Terminal(), Terminal()
    print_text(gamed_report(), coloured)
    monkeypatch.setenv("NO_COLOR", "1")
    print_text(gamed_report(), plain)
    assert "\x1b[1;31m" in coloured.getvalue()
    assert "31m" not in plain.getvalue()


def test_text_shows_controls_instead_of_obeying_them() -> None:
    text = render_text(hostile_report())
    assert "\x1b" not in text
    assert not BIDI.search(text)
    assert "[bold]not markup[/bold]" in text


def test_json_is_the_contract(sample: Report) -> None:
    told = json.loads(render_json(sample), parse_constant=pytest.fail)
    assert list(told)[:1] == ["loop"]
    assert {"events", "feedback", "alerts", "findings"} <= told.keys()
    assert {"accepted", "duplicate", "conflict", "rejected"} <= told["events"].keys()
    assert {"curation", "reward", "debugging"} <= told["feedback"].keys()
    for finding in told["findings"]:
        assert {"check", "slice", "verdict", "effect", "tolerance", "n"} <= finding.keys()


def test_json_alert_has_every_key_of_the_contract() -> None:
    alert = json.loads(render_json(gamed_report()))["alerts"][1]
    assert alert["fired_at"] == "2026-05-21T00:00:00Z"
    assert alert["effect"] == {"value": 0.066, "low": 0.048, "high": 0.084}
    wanted = (
        "check attribution severity slice checkpoint fired_at leading effect reward_change outcome_change n message"
    )
    assert set(wanted.split()) <= alert.keys()


def test_json_is_the_same_twice_and_has_no_nan() -> None:
    path = EvidencePath({}, healthy_report().paths[0].days[:2], [math.nan, math.inf])
    report = dataclasses.replace(healthy_report(), paths=[path])
    assert render_json(report) == render_json(report)
    assert json.loads(render_json(report))["paths"][0]["statistic"] == [None, None]


def test_html_runs_and_loads_nothing(sample: Report) -> None:
    page = Page(render_html(sample))
    forbidden = {"script", "iframe", "object", "embed", "img", "form", "base", "image"}
    forbidden |= {"use", "foreignobject", "animate"}
    assert not forbidden & set(page.tags)
    for key, value in page.attributes:
        assert not key.startswith("on")
        assert key not in ("src", "srcset", "action", "xlink:href", "formaction")
        assert key != "href" or value.startswith(("#", "data:"))
        assert "//" not in value
        assert "javascript:" not in value.lower()
        assert "url(" not in value.lower()
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'; img-src data:") in page.attributes


def test_html_style_loads_nothing() -> None:
    style = re.search(r"<style>(.*?)</style>", render_html(healthy_report()), re.DOTALL)
    assert style is not None
    assert "url(" not in style[1]
    assert "@import" not in style[1]


def test_html_ids_are_unique_and_named(sample: Report) -> None:
    attributes = Page(render_html(sample)).attributes
    ids = [value for key, value in attributes if key == "id"]
    named = [part for key, value in attributes if key == "aria-labelledby" for part in value.split()]
    links = [value[1:] for key, value in attributes if key == "href" and value.startswith("#")]
    assert len(ids) == len(set(ids))
    assert {*named, *links} <= set(ids)


def test_html_never_carries_a_strangers_text_in_an_attribute() -> None:
    for _, value in Page(render_html(hostile_report())).attributes:
        assert "evil" not in value


def test_html_shows_hostile_text_as_text() -> None:
    html = render_html(hostile_report())
    assert "<script>evil" not in html
    assert "&lt;script&gt;evil" in html
    assert "![evil](" in Page(html).text
    assert not BIDI.search(html)
    assert "\\u202e" in html


def test_html_stays_small_under_huge_texts() -> None:
    assert len(render_html(hostile_report())) < 600_000


def test_html_folds_long_examples_and_keeps_their_end() -> None:
    page = Page(render_html(gamed_report()))
    assert "details" in page.tags
    assert "more characters)" in page.text
    assert "Happy to help you with your return. ".strip() in page.text


def test_html_tells_the_evidence_of_an_alert() -> None:
    text = Page(render_html(gamed_report())).text
    for part in (
        "Null tested the outcome is at most 1.4 pt below",
        "0.5 pt nobody would act on, plus 1.645 × 0.9 pt error of the baseline",
        "version v1-4f2a , n=7,990",
        "5,120 d page at 3,650 d",
        "Roll back to ckpt-03",
        "n=8,214 user-days against 7,990, missing 3.0%",
        "95%: −5.6 to −2.4",
        "Undecided: no explanation is sure enough to be named. Leading so far: gaming.",
        "outcome below what its reward meant (A1)",
    ):
        assert part in text


def test_html_draws_no_axis_where_there_is_no_data() -> None:
    for report in (empty_report(), inconclusive_report()):
        page = Page(render_html(report))
        assert page.text.count("Nothing to draw") == 3
        assert "svg" not in page.tags
    assert "hero unknown" in render_html(empty_report())


def test_html_names_quarters_and_thresholds_in_words() -> None:
    text = Page(render_html(gamed_report())).text
    for word in ("unrewarded gain", "earned", "plain harm", "gaming", "ticket 30 d", "warning 365 d", "page 3,650 d"):
        assert word in text


@pytest.mark.parametrize(
    "interval", [Interval(0.5), Interval(-1.0, -1.0, -1.0), Interval(0.0, 0.0, 0.0), Interval(1.0, -1.0, 1.0)]
)
def test_charts_draw_every_lawful_interval(interval: Interval) -> None:
    rows = [
        dataclasses.replace(row, reward=interval, outcome=interval, reward_change=interval, outcome_change=interval)
        for row in gamed_report().checkpoints
    ]
    html = render_html(dataclasses.replace(gamed_report(), checkpoints=rows))
    assert "nan" not in re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)
    assert "Nothing to draw" not in html


def test_an_alert_without_any_figure_is_still_told() -> None:
    blank = Interval()

    def emptied(alert: Alert) -> Alert:
        return dataclasses.replace(
            alert, effect=blank, reward_change=blank, outcome_change=blank, shares={}, leading="", n=0, examples=()
        )

    report = dataclasses.replace(gamed_report(), alerts=[emptied(alert) for alert in gamed_report().alerts])
    assert "no data" in render_text(report)
    assert "No response could be chosen for reading." in render_html(report)


def test_labels_never_overlap_or_leave_the_frame() -> None:
    labels = Labels(0, 0, 200, 120)
    for k in range(40):
        labels.place(f"ckpt-{k:02}", 40 + 3 * (k % 20), 40 + 2 * (k % 11))
    boxes = labels.taken
    assert 5 < len(boxes) < 40
    for i, (left, top, right, bottom) in enumerate(boxes):
        assert left >= 0
        assert top >= 0
        assert right <= 200
        assert bottom <= 120
        assert not any(left < r and right > x and top < b and bottom > y for x, y, r, b in boxes[:i])


def test_spread_keeps_order_and_distance() -> None:
    placed = spread([5.0, 5.0, 5.0, 90.0, 91.0], 10, 0, 100)
    assert all(later - earlier >= 10 for earlier, later in pairwise(placed))
    assert placed[-1] <= 100


def test_a_piped_table_has_one_line_a_checkpoint() -> None:
    lines = render_text(gamed_report()).splitlines()
    (row,) = (line for line in lines if line.strip().startswith("ckpt-12 "))
    assert row.split()[-2:] == ["-4.0", "(-7.3..-0.7)"]


@pytest.mark.parametrize("width", [40, 70, 120])
def test_no_figure_of_a_narrow_table_is_cut(width: int) -> None:
    text = render_text(gamed_report(), console_width=width).split("By checkpoint")[1]
    for row in gamed_report().checkpoints[:13]:
        interval = percent_interval(row.outcome).split()[1]
        assert interval in text


def test_a_likely_start_names_the_day_of_the_outcomes_and_of_the_answers() -> None:
    text = " ".join(render_text(replace(gamed_report(), horizon_days=14.0)).split())
    assert "likely start 2 May 2026 by outcomes (answers from ~18 Apr 2026), fired: page 21 May 2026" in text
    tick = replace(gamed_report(), checkpoints=[], horizon_days=14.0)
    assert rollback_target(tick, tick.alerts[0]) == "the last checkpoint that served only before 18 Apr 2026"


def test_without_cohorts_the_setting_is_named() -> None:
    plain = replace(gamed_report(), checkpoints=[row for row in gamed_report().checkpoints if not row.slice])
    named = replace(plain, cohorts=["tier"])
    for told in (render_text(plain), Page(render_html(plain)).text):
        assert "no cohorts configured: set `cohorts:`" in " ".join(told.split())
    assert "none shown to lose" in render_text(named)


def test_a_kind_of_phrase_that_rises_is_no_harm() -> None:
    risen = Finding("approval_seeking", {"marker": "hedge"}, Verdict.FAIL, Interval(0.1, 0.09, 0.11), 0.05, 900, "28 d")
    report = replace(healthy_report(), findings=[*healthy_report().findings, risen])
    assert state_of(report) == "quiet"
    assert headline(report).endswith("More answers than before have phrases of this kind, no harm by itself: hedge.")
    assert "harmful" not in render_text(report)


def test_a_kind_that_leads_before_its_time_says_what_it_waits_for() -> None:
    alert = replace(gamed_report().alerts[1], attribution="decoupling")
    assert alert.shares["gaming"] >= 0.8
    told = likely_cause(alert)
    assert "gaming leads, and is named no sooner than 28 days after the warning" in told
    assert "undecided" not in told


def test_a_long_reason_keeps_its_numbers() -> None:
    told = "much is missing here, " * 12 + "a drop of 4.4 pt would have been seen"
    report = replace(healthy_report(), findings=[replace(healthy_report().findings[0], message=told)])
    unsettled = replace(report, findings=[replace(report.findings[0], verdict=Verdict.INCONCLUSIVE)])
    for page_ in (" ".join(render_text(unsettled).split()), Page(render_html(unsettled)).text):
        assert "drop of 4.4 pt" in page_
