"""Are judges told as they are on recorded judgments? Figures beside plain arithmetic and published leaderboards."""

import csv
import gzip
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.end_to_end.command import Ran, reward_drift

DATA = os.environ.get("REWARD_DRIFT_DATA")
real = pytest.mark.skipif(DATA is None, reason="REWARD_DRIFT_DATA is not set: no recorded judgments to read")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
CODE = {"a": 1.0, "tie": 0.0, "b": -1.0, None: np.nan}
TRIPLE = [f"gpt-3.5-turbo-1106{suffix}" for suffix in ("_concise", "", "_verbose")]
WEIGHTED = "weighted_alpaca_eval_gpt4_turbo"


def folder(name: str) -> Path:
    return Path(DATA or "") / name


def on(name: str, *more: object) -> Ran:
    place = folder(name)
    return reward_drift("judges", "--events", place / "events.jsonl.gz", "-s", place / "reward-drift.yaml", "-q", *more)


def judgments(name: str) -> Iterator[dict[str, Any]]:
    with gzip.open(folder(name) / "events.jsonl.gz", "rt") as lines:
        for line in lines:
            yield json.loads(line)["data"]


@pytest.fixture(scope="module")
def pandalm(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    page = tmp_path_factory.mktemp("pandalm") / "card.html"
    ran = on("pandalm", "--json", "-o", page)
    assert (ran.code, ran.err) == (0, f"wrote {page}\n")
    return {**ran.json, "page": page}


@pytest.fixture(scope="module")
def alpaca() -> dict[str, Any]:
    ran = on("alpaca_eval", "--format", "json")
    assert (ran.code, ran.err) == (0, "")
    return ran.json


def table(name: str, judge: str, human: str) -> dict[str, np.ndarray]:
    """What judge and people said of each pair, by pair, read without the product."""
    said: dict[str, dict[str, Any]] = {}
    for data in judgments(name):
        said.setdefault(data["pair_id"], {**data, "by": {}})["by"][data["judge"]["name"]] = CODE[data["choice"]]
    rows = [row for row in said.values() if judge in row["by"]]
    return {
        "judge": np.array([row["by"][judge] for row in rows]),
        "human": np.array([row["by"].get(human, np.nan) for row in rows]),
        "longer": np.sign([row["a"]["length"] - row["b"]["length"] for row in rows]),
        "category": np.array([(row.get("cohort") or {}).get("category", "") for row in rows]),
        "a": np.array([row["a"]["checkpoint"] for row in rows]),
        "b": np.array([row["b"]["checkpoint"] for row in rows]),
    }


def wilson(share: float, n: int) -> tuple[float, float]:
    z = 1.959963984540054
    centre, reach = share + z * z / 2 / n, z * np.sqrt(share * (1 - share) / n + z * z / 4 / n / n)
    return (centre - reach) / (1 + z * z / n), (centre + reach) / (1 + z * z / n)


@real
@pytest.mark.parametrize("judge", ["gpt-3.5-turbo", "pandalm-7b"])
def test_figures_on_recorded_judgments_are_those_of_plain_arithmetic(pandalm: dict[str, Any], judge: str) -> None:
    found = next(card for card in pandalm["judges"] if card["judge"] == judge)
    said = table("pandalm", judge, "human")
    known = ~np.isnan(said["judge"])
    same = said["judge"] == said["human"]
    agreement, n = same[known].mean(), int(known.sum())
    chance = sum((said["judge"][known] == code).mean() * (said["human"][known] == code).mean() for code in (-1, 0, 1))
    assert (found["pairs"], found["coverage"]) == (known.size, pytest.approx(known.mean()))
    assert [found["agreement_human"][end] for end in ("value", "low", "high")] == pytest.approx(
        [agreement, *wilson(agreement, n)]
    )
    assert found["kappa_human"] == pytest.approx((agreement - chance) / (1 - chance))
    assert found["kappa_interval"]["low"] < found["kappa_human"] < found["kappa_interval"]["high"]
    assert found["base_rate"] == pytest.approx(max((said["human"][known] == code).mean() for code in (-1, 0, 1)))
    decided = known & (said["judge"] != 0) & (said["human"] != 0) & (said["longer"] != 0)
    assert found["longer_preferred"] == pytest.approx((said["judge"] == said["longer"])[decided].mean())
    assert found["longer_preferred_human"] == pytest.approx((said["human"] == said["longer"])[decided].mean())
    assert (found["position_consistent"], found["teacher_capture"], found["agreement_teacher"]) == (None, None, None)
    assert (found["gate"], found["status"]) == ("usable", "calibrated")
    assert len(found["slices"]) == np.unique(said["category"]).size
    for part in found["slices"]:
        mine = said["category"] == part["slice"]["category"]
        assert part["pairs"] == mine.sum()
        assert part["agreement_human"]["value"] == pytest.approx(same[mine & known].mean())


@real
def test_the_judge_of_the_contracts_example_is_told_as_there(pandalm: dict[str, Any]) -> None:
    found = next(card for card in pandalm["judges"] if card["judge"] == "gpt-3.5-turbo")
    assert found["agreement_human"]["n"] == 974
    rounded = {end: round(found["agreement_human"][end], 3) for end in ("value", "low", "high")}
    assert rounded == {"value": 0.716, "low": 0.686, "high": 0.743}
    assert round(found["kappa_human"], 2) == 0.49
    assert found["statuses"] == {"ok": 974, "unscoreable": 25}


@real
def test_capture_by_a_teacher_is_that_of_plain_arithmetic(tmp_path: Path) -> None:
    settings = tmp_path / "s.yaml"
    settings.write_text(
        "outcome: {metric: m}\njudges: {watched: [gpt-3.5-turbo], teacher: pandalm-7b, human: annotator-2}\n"
    )
    ran = reward_drift("judges", "-e", folder("pandalm") / "events.jsonl.gz", "-s", settings, "--json", "-q")
    found = ran.json["judges"][0]
    said, taught = table("pandalm", "gpt-3.5-turbo", "annotator-2"), table("pandalm", "pandalm-7b", "annotator-2")
    known = ~np.isnan(said["judge"])
    differ = known & (said["human"] != taught["judge"]) & (said["judge"] != 0)
    assert found["teacher_capture"]["n"] == differ.sum()
    assert found["teacher_capture"]["value"] == pytest.approx((said["judge"] == taught["judge"])[differ].mean())
    assert found["agreement_teacher"]["value"] == pytest.approx((said["judge"] == taught["judge"])[known].mean())


@real
def test_win_rates_count_a_tie_as_half_for_judge_and_people(pandalm: dict[str, Any]) -> None:
    assert len(pandalm["leaderboard"]) == 20
    tables = {judge: table("pandalm", judge, "human") for judge in ("gpt-3.5-turbo", "pandalm-7b")}
    for row in pandalm["leaderboard"]:
        said = tables[row["judge"]]
        mine = (said["a"] == row["checkpoint"]) & (said["b"] == row["opponent"]) & ~np.isnan(said["judge"])
        assert row["pairs"] == mine.sum()
        assert row["win_rate"]["value"] == pytest.approx(((said["judge"][mine] + 1) / 2).mean())
        assert row["human"]["value"] == pytest.approx(((said["human"][mine] + 1) / 2).mean())
        assert row["win_rate"]["low"] < row["win_rate"]["value"] < row["win_rate"]["high"]


@real
def test_raw_win_rates_are_the_published_ones(alpaca: dict[str, Any]) -> None:
    """To .01 points: events keep probabilities to five digits. By choices alone, where a probability is 0, 1/2 or 1.

    Published for six models under the weighted judge, three under gpt4 (804 or 805 annotations); the seventh, under
    the turbo function judge, has no published figure.
    """
    published = read_published()
    column = {WEIGHTED: "v2_win_rate", "alpaca_eval_gpt4": "v1_win_rate_gpt4"}
    compared = 0
    for row in alpaca["leaderboard"]:
        if row["judge"] in column:
            told = float(published[row["checkpoint"]][column[row["judge"]]])
            assert 100 * row["soft_win_rate"]["value"] == pytest.approx(told, abs=0.01)
            if row["judge"] == "alpaca_eval_gpt4":
                assert 100 * row["win_rate"]["value"] == pytest.approx(told, abs=0.01)
            compared += 1
    assert compared == 9


def read_published() -> Mapping[str, Mapping[str, str]]:
    with (folder("alpaca_eval") / "models.csv").open(newline="") as lines:
        return {row["model"]: row for row in csv.DictReader(lines)}


@real
def test_one_model_told_to_be_short_or_long_differs_by_length_not_quality(alpaca: dict[str, Any]) -> None:
    rows = {row["checkpoint"]: row for row in alpaca["leaderboard"] if row["judge"] == WEIGHTED}
    raw = [rows[name]["soft_win_rate"]["value"] for name in TRIPLE]
    even = [rows[name]["length_controlled"] for name in TRIPLE]
    assert raw == sorted(raw)
    assert all(one["low"] <= other["value"] <= one["high"] for one in even for other in even)
    odds = [np.log(share / (1 - share)) for share in (raw[0], raw[2], even[0]["value"], even[2]["value"])]
    assert odds[3] - odds[2] < 0.5 * (odds[1] - odds[0])
    told = [said for said in alpaca["length_not_quality"] if {said["longer"], said["shorter"]} <= set(TRIPLE)]
    assert {(said["longer"], said["shorter"]) for said in told} == {(TRIPLE[2], TRIPLE[0]), (TRIPLE[2], TRIPLE[1])}
    assert all("pays for length, not quality" in said["message"] for said in told)
    apart = next(said["apart"] for said in told if said["shorter"] == TRIPLE[0])
    assert apart["low"] > 0
    assert "marginal likelihood" in alpaca["length_control"]


@real
def test_judges_that_nobody_was_compared_with_are_report_only(alpaca: dict[str, Any]) -> None:
    assert {card["gate"] for card in alpaca["judges"]} == {"report-only"}
    assert all("no human anchor" in card["reason"] for card in alpaca["judges"])
    assert [card["agreement_human"] for card in alpaca["judges"]] == [None] * 3
    assert all(card["longer_chosen"]["low"] > 0.7 for card in alpaca["judges"])
    assert all(row["human"] is None for row in alpaca["leaderboard"])


@real
def test_text_fits_a_terminal_with_one_block_a_judge_and_the_leaderboard_last(tmp_path: Path) -> None:
    place, some = folder("alpaca_eval"), tmp_path / "some.jsonl"
    with gzip.open(place / "events.jsonl.gz", "rt") as lines:
        some.write_text("".join(line for line in lines if json.loads(line)["data"]["a"]["checkpoint"] in TRIPLE))
    lines = reward_drift("judges", "-e", some, "-s", place / "reward-drift.yaml").out.splitlines()
    assert max(map(len, lines)) <= 120
    names = ("alpaca_eval_gpt4 (family", "alpaca_eval_gpt4_turbo_fn:", f"{WEIGHTED} (family", "Leaderboard")
    starts = [next(k for k, line in enumerate(lines) if line.startswith(name)) for name in names]
    assert starts == sorted(starts)
    assert "pays for length, not quality" in " ".join(" ".join(lines).split())


@real
def test_a_browser_shows_the_page_silently_and_asks_nobody(pandalm: dict[str, Any]) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="the playwright package is not installed")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no Chromium on the path (looked for {', '.join(BROWSERS)})")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-dev-shm-usage"])
        for width in (1280, 390):
            page = browser.new_page(viewport={"width": width, "height": 900})
            complaints, requests = [], []
            page.on("console", lambda message, kept=complaints: kept.append(message.text))
            page.on("pageerror", lambda error, kept=complaints: kept.append(str(error)))
            page.on("request", lambda request, kept=requests: kept.append(request.url))
            page.goto(pandalm["page"].as_uri())
            page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
            assert complaints == []
            assert [url for url in requests if not url.startswith("data:")] == [pandalm["page"].as_uri()]
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert "2 of 2 judges may be used by a gate" in page.inner_text("h1")
        browser.close()


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Ten pairs that a judge and a person judged alike, in a file with its settings."""
    (tmp_path / "s.yaml").write_text("outcome: {metric: m}\njudges: {watched: [gpt], human: human}\n")
    envelope = {"specversion": "1.0", "source": "/t", "type": "rewarddrift.preference.v1"}
    events = [
        {**envelope, "id": f"{pair}-{name}", "time": "2026-03-02T09:00:00Z"}
        | {"data": {"pair_id": f"p{pair}", "judge": {"name": name, "kind": kind}, "choice": "a"}}
        for pair in range(10)
        for name, kind in (("gpt", "model"), ("human", "human"))
    ]
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    return tmp_path


def test_several_files_may_follow_one_option_and_a_store_says_the_same(small: Path) -> None:
    whole = (small / "events.jsonl").read_text().splitlines(keepends=True)
    for name, lines in (("one", whole[:7]), ("two", whole[7:])):
        (small / f"{name}.jsonl").write_text("".join(lines))
    settings = ("--settings", small / "s.yaml", "--json", "-q")
    split = reward_drift("judges", "--events", small / "one.jsonl", small / "two.jsonl", *settings)
    store = small / "store.sqlite"
    assert reward_drift("ingest", small / "events.jsonl", "--store", store, "-q").code == 0
    stored = reward_drift("judges", "--store", store, *settings)
    assert (split.code, stored.code) == (0, 0)
    figures = [{**ran.json["judges"][0], "reason": None} for ran in (split, stored)]
    assert figures[0] == figures[1]
    assert (figures[0]["pairs"], figures[0]["agreement_human"]["value"], figures[0]["gate"]) == (10, 1.0, "report-only")
    assert "10 of 100 pairs" in split.json["judges"][0]["reason"]
    assert split.json["leaderboard"] == []


@pytest.mark.parametrize(
    ("arguments", "cause", "remedy"),
    [
        (("--events", "absent.jsonl", "-s", "s.yaml"), "absent.jsonl", ""),
        (("events.jsonl", "-s", "s.yaml"), "event files come after --events", "reward-drift judges --events"),
        (("--events", "events.jsonl", "-s", "absent.yaml"), "absent.yaml: no such file", "reward-drift init"),
        (("--events", "events.jsonl", "-s", "s.yaml", "-o", "card.pdf"), "unknown suffix", ".html"),
        (("--events", "events.jsonl", "-s", "s.yaml", "-o", "no/card.html"), "no such folder", "mkdir -p no"),
        (("--store", "absent.sqlite", "-s", "s.yaml"), "absent.sqlite: no such store", "reward-drift ingest"),
    ],
)
def test_a_fault_of_the_call_names_its_cause_and_the_remedy(
    small: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], cause: str, remedy: str
) -> None:
    monkeypatch.chdir(small)
    ran = reward_drift("judges", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert cause in ran.err
    assert remedy in ran.err
