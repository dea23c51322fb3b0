"""From a checkpoint event to a page: `reward-drift serve` alone, with real weights, a real pager, a real watcher."""

import datetime as dt
import json
import os
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from command import PROGRAM, reward_drift
from prometheus_client.parser import text_string_to_metric_families

from consumers.store import EventStore
from judges.anchors import seal_anchors
from judges.answering import SOURCE
from judges.checkpoints import seal_checkpoint
from judges.emitted import store_events
from monitor.serving.scoring import SCORER
from tests.consumers.examples import line
from tests.judges.tiny_models import TEXTS, chat_tokenizer, language_model, reward_model

ITEMS = 60
PATIENCE = 120
SETTINGS = """
loop: support
outcome: {{metric: correct}}
reward: {{scorer: rm}}
reference: {{checkpoint: ckpt-a}}
serve:
  tick: 4s
  score: 1s
  deliver: 1s
  canary: 5s
  cards: 5s
  gate: 10s
  retention: 10s
  lease: 10s
  reports: {root}/reports
  scoring: {{checkpoints: {root}/checkpoints, reward: {root}/rm, reward_name: rm, anchors: [{root}/anchors],
    device: cpu, threads: 1}}
"""


class Outside:
    """The pager and the watcher: (path, body) of whatever is posted."""

    def __init__(self) -> None:
        self.got: list[tuple[str, bytes]] = []
        got = self.got

        class Answers(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                got.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def pages(self) -> list[dict[str, Any]]:
        return [json.loads(body)["data"] for path, body in self.got if path == "/pager"]

    def pings(self) -> int:
        return sum(path == "/ping" for path, _ in self.got)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def outside() -> Iterator[Outside]:
    server = Outside()
    yield server
    server.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two sealed checkpoints and one that was altered since, a reward model, a sealed set of held-out questions."""
    for name, model in (
        ("checkpoints/ckpt-a", language_model("llama")),
        ("checkpoints/ckpt-b", language_model("gpt2")),
        ("checkpoints/ckpt-c", language_model("llama")),
        ("rm", reward_model("qwen2")),
    ):
        model.save_pretrained(tmp_path / name)
        chat_tokenizer().save_pretrained(tmp_path / name)
        seal_checkpoint(tmp_path / name)
    with (tmp_path / "checkpoints/ckpt-c/config.json").open("a") as altered:
        altered.write("\n")
    common = {"method": "human", "options": ["today", "before noon", "never"], "right": 0, "annotators": ["ann"]}
    rows = [{"item_id": f"i-{number}", "prompt": TEXTS[number], **common} for number in range(ITEMS)]
    (tmp_path / "anchors.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    sealed_at = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    seal_anchors(tmp_path / "anchors.jsonl", tmp_path / "anchors", name="faq", kind="choice", sealed_at=sealed_at)
    (tmp_path / "reward-drift.yaml").write_text(SETTINGS.format(root=tmp_path))
    return tmp_path


def _tell(store: EventStore, name: str, stage: str, number: int, **more: Any) -> None:
    changes = {"checkpoint": name, "stage": stage, "artifact": name, "order": number, **more}
    raw = line("checkpoint", id=f"c-{name}", changes=changes)
    assert store_events(store, "/training", [raw]).accepted == 1


def _wait(is_so: Callable[[], Any], process: "subprocess.Popen[str]", what: str, log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert process.poll() is None, f"serve ended with {process.returncode}: {log.read_text()[-3000:]}"
        assert time.monotonic() < end, f"{what} did not come about: {log.read_text()[-3000:]}"
        time.sleep(0.2)


def _about(outside: Outside, source: str) -> list[dict[str, Any]]:
    return [one for one in outside.pages() if one["alert"]["slice"].get("source") == source]


def _gated(root: Path, candidate: str) -> list[dict[str, Any]]:
    """Gates that saw all of the candidate's answers."""
    found = [json.loads(file.read_text()) for file in sorted((root / "reports").glob("gate-*.json"))]
    seen = {"anchored_decoupling": ITEMS}
    return [one for one in found if one["candidate"] == candidate and _units(one).items() >= seen.items()]


def _units(gate: dict[str, Any]) -> dict[str, int]:
    return {one["check"]: one["n"] for one in gate["findings"]}


def _get(log: Path, page: str) -> tuple[int, str]:
    told = next((json.loads(row) for row in log.read_text().splitlines() if '"listening"' in row), None)
    if told is None:
        return 0, ""
    try:
        with urllib.request.urlopen(f"http://{told['listening']}/{page}", timeout=30) as answer:
            return answer.status, answer.read().decode()
    except OSError:
        return 0, ""


def test_a_checkpoint_that_arrives_is_scored_checked_gated_and_paged(root: Path, outside: Outside) -> None:
    store, log = root / "store.sqlite", root / "log"
    environment = os.environ | {
        "REWARD_DRIFT_WEBHOOK_URL": f"{outside.url}/pager",
        "REWARD_DRIFT_DEADMAN_URL": f"{outside.url}/ping",
    }
    with EventStore.open(store) as opened:
        _tell(opened, "ckpt-a", "serving", 0)
    command = [*PROGRAM, "serve", "--settings", str(root / "reward-drift.yaml"), "--store", str(store)]
    with log.open("w") as out, subprocess.Popen(
        [*command, "--listen", "127.0.0.1:0"], env=environment, stderr=out, text=True
    ) as process, EventStore.open(store) as opened:  # fmt: skip
        try:
            _wait(lambda: opened.counts().by_type.get("rewarddrift.outcome.v1") == ITEMS, process, "scores of a", log)
            _tell(opened, "ckpt-b", "candidate", 1)
            _wait(lambda: opened.counts().by_type["rewarddrift.outcome.v1"] == 2 * ITEMS, process, "scores of b", log)
            _tell(opened, "ckpt-c", "retired", 2)
            _wait(lambda: _about(outside, "checkpoint:ckpt-c"), process, "the page", log)
            _wait(lambda: outside.pings() > 2, process, "the ping", log)
            _wait(lambda: _gated(root, "ckpt-b"), process, "the gate", log)
            _wait(lambda: _get(log, "readyz")[0] == 200, process, "readiness", log)
            told = _get(log, "metrics")[1]
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
        counts = opened.counts()
    (page,) = _about(outside, "checkpoint:ckpt-c")
    assert "altered" in page["alert"]["message"]
    assert counts.by_type["rewarddrift.score.v1"] == 2 * ITEMS
    assert "rewarddrift.evaluation.v1" not in counts.by_type, "a canary is counted nowhere"
    assert (counts.conflicts, counts.rejected_open) == (0, 0)
    assert _gated(root, "ckpt-b")[-1]["reference"] == "ckpt-a"
    families = {one.name: one for one in text_string_to_metric_families(told)}
    alerts = {sample.labels["check"]: sample.value for sample in families["rewarddrift_alerts_open"].samples}
    assert alerts["intake_gap"] == 1
    shown = reward_drift(
        "schedule", "--settings", root / "reward-drift.yaml", "--store", store, "--runs", 5, "--json"
    ).json
    assert {"score", "tick", "deliver"} <= {job["job"] for job in shown["jobs"]}
    assert len(shown["runs"]) == 5


def test_what_the_scoring_run_tells_is_not_asked_for_again() -> None:
    assert SCORER == SOURCE
