"""Does `reward-drift judge` keep its promises: events that add up once, nothing asked twice, no secret told?"""

import json
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from consumers.events import Preference, parse_event
from consumers.store import EventStore
from judges.pairwise.judge_canaries import CANARIES
from judges.pairwise.judge_prompt import question
from judges.pairwise.judgments import Judgments
from judges.pairwise.pairs import read_pairs
from judges.pairwise.verdict import RawVerdict
from tests.end_to_end.command import PROGRAM, Ran, reward_drift
from tests.judges.judge_server import Asked, JudgeServer, Reply, canary_asked, error, judge_server, said, sensible

KEY = "sk-very-secret-4711"
N = 6


@pytest.fixture
def server() -> Iterator[JudgeServer]:
    with judge_server() as running:
        yield running


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    rows = [
        {
            "pair_id": f"x-{number}",
            "prompt": f"Question {number} of Zacharias?",
            "a": {"text": f"apple {number}", "checkpoint": "ckpt-2"},
            "b": f"pear {number} is longer",
            "category": "fruit",
        }
        for number in range(N)
    ]
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def arguments(server: JudgeServer, pairs: Path, *more: object) -> list[object]:
    store = pairs.with_name("store.sqlite")
    named = ("--endpoint", server.url, "--model", "m", "--name", "gpt-judge", "--store", store)
    return ["judge", pairs, *named, *more]


def judge(server: JudgeServer, pairs: Path, *more: object) -> Ran:
    return reward_drift(*arguments(server, pairs, *more))


def preferences(path: Path) -> list[Preference]:
    found = [parse_event(line).data for line in path.read_bytes().splitlines()]
    return [data for data in found if isinstance(data, Preference)]


def test_every_pair_gives_one_event_for_each_order(server: JudgeServer, pairs: Path, tmp_path: Path) -> None:
    emitted = tmp_path / "events.jsonl"
    ran = judge(server, pairs, "--family", "gpt", "--emit", emitted, "--json")
    assert ran.code == 0
    assert ran.json == {
        "judge": "gpt-judge",
        "revisions": ran.json["revisions"],
        "pairs": N,
        "choices": {"a": N, "b": 0, "tie": 0},
        "without_verdict": {"unscoreable": 0, "refused": 0, "error": 0},
        "position_consistent": 1.0,
        "asked": 2 * N,
        "canaries": 2 * len(CANARIES),
        "events": {"accepted": 2 * N, "duplicate": 0, "conflict": 0, "rejected": 0},
    }
    told = preferences(emitted)
    assert sorted((data.pair_id, data.order) for data in told) == sorted(
        (f"x-{number}", order) for number in range(N) for order in ("ab", "ba")
    )
    for data in told:
        assert (data.judge.name, data.judge.kind, data.judge.family) == ("gpt-judge", "model", "gpt")
        assert [data.judge.revision] == list(ran.json["revisions"].values())
        assert data.a is not None
        assert (data.a.checkpoint, data.a.length, data.a.text, data.cohort) == (
            "ckpt-2",
            7,
            None,
            {"category": "fruit"},
        )


def test_a_second_run_asks_nothing_and_adds_nothing(server: JudgeServer, pairs: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    judge(server, pairs, "--emit", first)
    asked = len(server.requests)
    ran = judge(server, pairs, "--emit", second, "--json")
    assert ran.json["events"] == {"accepted": 0, "duplicate": 2 * N, "conflict": 0, "rejected": 0}
    assert len(server.requests) == asked
    assert first.read_bytes() == second.read_bytes()


def test_people_s_words_go_to_the_judge_and_nowhere_else(
    server: JudgeServer, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REWARD_DRIFT_JUDGE_API_KEY", KEY)
    emitted = tmp_path / "events.jsonl"
    ran = judge(server, pairs, "--emit", emitted)
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert any("Zacharias" in asked.text for asked in server.requests)
    written = b"".join(path.read_bytes() for path in tmp_path.glob("store.sqlite*")) + emitted.read_bytes()
    for told in (written, ran.out.encode(), ran.err.encode()):
        assert b"Zacharias" not in told
        assert KEY.encode() not in told


def test_failures_stay_in_the_denominator_and_an_error_is_asked_again(
    server: JudgeServer, pairs: Path, tmp_path: Path
) -> None:
    odd = {"apple 0": said("no idea"), "apple 1": said("I'm sorry, I can't."), "apple 2": error(400, "too_long")}

    def answer(asked: Asked) -> Reply:
        both = asked.fenced("answer A") + asked.fenced("answer B")
        return next((reply for text, reply in odd.items() if text in both), None) or sensible(asked)

    server.answers = answer
    emitted = tmp_path / "events.jsonl"
    ran = judge(server, pairs, "--emit", emitted, "--json")
    assert ran.json["without_verdict"] == {"unscoreable": 1, "refused": 1, "error": 1}
    assert sum(ran.json["choices"].values()) == N - 3
    statuses = [(data.choice, data.status) for data in preferences(emitted) if data.pair_id in ("x-0", "x-1", "x-2")]
    assert statuses == [(None, status) for status in ("unscoreable", "refused", "error") for _ in range(2)]
    assert all(json.loads(line)["data"]["reason"] for line in emitted.read_bytes().splitlines()[:6])
    assert judge(server, pairs, "--json").json["events"] == {
        "accepted": 0,
        "duplicate": 2 * N,
        "conflict": 0,
        "rejected": 0,
    }
    server.answers = sensible
    mended = judge(server, pairs, "--json").json
    assert (mended["asked"], mended["events"]["accepted"], mended["events"]["conflict"]) == (2, 2, 0)
    assert mended["without_verdict"]["error"] == 0


def test_order_bias_gives_ties_and_no_consistency(server: JudgeServer, pairs: Path) -> None:
    server.answers = lambda _: said("A")
    ran = judge(server, pairs, "--json").json
    assert (ran["choices"], ran["position_consistent"]) == ({"a": 0, "b": 0, "tie": N}, 0.0)


def test_a_void_run_writes_no_event_and_says_so(server: JudgeServer, pairs: Path) -> None:
    server.answers = lambda asked: said({"A": "B", "B": "A", None: "A"}[canary_asked(asked)])
    ran = judge(server, pairs, "--json")
    assert ran.code == 2
    assert "void" in ran.json["error"]["message"]
    with EventStore.open(pairs.with_name("store.sqlite")) as store:
        assert store.counts().events == 0


def test_another_model_behind_the_name_is_another_ruler(server: JudgeServer, pairs: Path, tmp_path: Path) -> None:
    def moving(asked: Asked) -> Reply:
        name = b"judge-2" if "Question 5" in asked.text else b"judge-1"
        return Reply(sensible(asked).body.replace(b"judge-1", name))

    server.answers = moving
    emitted = tmp_path / "events.jsonl"
    ran = judge(server, pairs, "--emit", emitted)
    assert "more than one model answered: judge-1, judge-2" in ran.out
    by_revision: dict[str | None, set[str]] = {}
    for data in preferences(emitted):
        by_revision.setdefault(data.judge.revision, set()).add(data.pair_id)
    assert sorted(map(len, by_revision.values())) == [1, 5]


def test_an_endpoint_that_is_away_is_a_fault_and_the_next_call_goes_on(server: JudgeServer, pairs: Path) -> None:
    server.answers = lambda asked: error(429, "rate", retry_after="3600") if asked.number >= 16 else sensible(asked)
    ran = judge(server, pairs, "--concurrency", 1, "--json")
    assert ran.code == 4
    assert "6 questions in a row got no answer" in ran.json["error"]["message"]
    server.answers = sensible
    again = judge(server, pairs, "--json").json
    assert (again["asked"], again["choices"]["a"]) == (2 * N - 4, N)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (("--endpoint", "http://judge.example/v1"), "https"),
        (("--name", ""), "--name"),
        (("--name", "n" * 600), "--name"),
    ],
)
def test_wrong_usage_is_told(server: JudgeServer, pairs: Path, changed: tuple[str, str], told: str) -> None:
    ran = judge(server, pairs, *changed)
    assert ran.code == 2
    assert told in ran.err
    assert server.requests == []


def test_pairs_that_are_not_there_are_told_before_anything_is_asked(server: JudgeServer, tmp_path: Path) -> None:
    ran = judge(server, tmp_path / "none.jsonl")
    assert ran.code == 2
    assert "no such file" in ran.err
    assert not (tmp_path / "store.sqlite").exists()
    assert server.requests == []


def test_a_killed_run_goes_on_without_asking_again(server: JudgeServer, pairs: Path) -> None:
    reached, release = threading.Event(), threading.Event()

    def answer(asked: Asked) -> Reply:
        if len(server.pairs_asked) > N:
            reached.set()
            release.wait(120)
        return sensible(asked)

    server.answers = answer
    command = [*PROGRAM, *map(str, arguments(server, pairs, "--concurrency", 1))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert reached.wait(120)
        process.send_signal(signal.SIGKILL)
    release.set()
    server.answers = sensible
    with closing(sqlite3.connect(pairs.with_name("store.sqlite"))) as store:
        (kept,) = store.execute("SELECT count(*) FROM judge_verdict").fetchone()
        (events,) = store.execute("SELECT count(*) FROM preference").fetchone()
    assert (kept, events) == (N, 0)
    before = {asked.text for asked in server.pairs_asked[:kept]}
    ran = judge(server, pairs, "--json").json
    assert (ran["asked"], ran["events"]["accepted"], ran["choices"]["a"]) == (2 * N - kept, 2 * N, N)
    assert before.isdisjoint({asked.text for asked in server.pairs_asked[N + 1 :]})


def test_verdicts_are_kept_alike_by_both_databases(store_url: str, pairs: Path) -> None:
    with EventStore.open(store_url) as store:
        judgments = Judgments(store.engine, {"judge": "test", "n": 1})
        secret = judgments.secret()
        assert Judgments(store.engine, {"other": 2}).secret() == secret
        one, two, three = (question(pair, "ab", secret) for pair in read_pairs([pairs])[:3])
        run = judgments.begin(10)
        logged = RawVerdict("ok", "A", {"A": -0.25, "C": -3.5}, served="m-1")
        failed = RawVerdict("error", reason="HTTP 500")
        judgments.add(run, one, logged, 11)
        judgments.add(run, one, RawVerdict("ok", "B"), 12)
        judgments.add(run, two, failed, 13)
        judgments.add(run, two, RawVerdict("error", reason="another"), 14)
        kept: Any = judgments.stored([one, two, three])
        assert {key: value[:2] for key, value in kept.items()} == {
            judgments.key(one): (logged, 11),
            judgments.key(two): (failed, 13),
        }
        judgments.add(run, two, RawVerdict("ok", "B"), 15)
        assert not judgments.stored([two])[judgments.key(two)].passed
        judgments.end(run)
        assert judgments.stored([two])[judgments.key(two)] == (RawVerdict("ok", "B"), 15, True)
        void = judgments.begin(16)
        judgments.add(void, three, RawVerdict("ok", "C"), 17)
        judgments.end(void, "canaries")
        assert judgments.stored([three]) == {}
        judgments.add(judgments.begin(18), three, RawVerdict("ok", "A"), 19)
        assert judgments.stored([three])[judgments.key(three)].judged_us == 19
        assert Judgments(store.engine, {"other": 2}).stored([one]) == {}
