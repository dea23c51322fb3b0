"""Every thread of a serving process is killed or stuck, every process killed or frozen: does the ping stop?"""

import ctypes
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from consumers.health import Address
from consumers.store import EventStore
from monitor.serving import deadman
from monitor.serving.process import Serving
from monitor.serving.pulses import Pulses
from monitor.settings import parse_settings
from monitor.web.app import create_app
from monitor.web.server import answering
from tests.soak.rig import context, processes, wait_until

PERIOD = 6.0  # seconds between two canaries
SETTINGS = "outcome: {{metric: m}}\nserve: {{canary: {period:g}s, deliver: 1s, lease: 4s, tick: 5s}}\n"
SCHEDULER = "APScheduler"
NAMES = ("main", "lease", "intake", "look", "send", "work", "web")
CASES = (
    *((name, how) for name in NAMES for how in ("deadlock", "die")),
    (SCHEDULER, "die"),
    ("process", "kill"),
    ("process", "freeze"),
)


class Watcher:
    """What waits outside for pings: (name of the process, when), on this machine's monotonic clock."""

    def __init__(self) -> None:
        self.pings: list[tuple[str, float]] = []
        pings = self.pings

        class Answers(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                pings.append((self.path.strip("/"), time.monotonic()))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def of(self, name: str) -> list[float]:
        return [at for who, at in self.pings if who == name]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def watching() -> Iterator[Watcher]:
    watcher = Watcher()
    try:
        yield watcher
    finally:
        watcher.close()


def pings_after(folder: Path, cases: Sequence[tuple[str, str]], period: float = PERIOD) -> dict[str, tuple[int, float]]:
    """Serve once for each case, all side by side, and sabotage each when it has pinged twice.

    Returns for each case how often it had pinged, and how many periods after the sabotage its last ping came (negative:
    before). The undisturbed one among them goes on pinging all the while.
    """
    with watching() as watcher, processes() as serving:
        named = {"undisturbed": ("none", "none")} | {f"{thread} {how}": (thread, how) for thread, how in cases}
        running = {name: _start(folder / _path(name), watcher, name, case, period) for name, case in named.items()}
        serving += running.values()
        hurt: dict[str, float] = {}

        def all_hurt() -> bool:
            for name, (_, how) in named.items():
                if name not in hurt and how != "none" and len(watcher.of(_path(name))) >= 2:
                    hurt[name] = time.monotonic()
                    _hurt(running[name], folder / f"{name}.now", how)
            return len(hurt) == len(cases)

        wait_until(all_hurt, "two pings of each", 300)
        time.sleep(4 * period)
        moment = max(hurt.values()) + 2 * period
        wait_until(lambda: any(at > moment for at in watcher.of("undisturbed")), "a ping of the undisturbed one")
        return {
            name: (len(watcher.of(_path(name))), (watcher.of(_path(name))[-1] - at) / period)
            for name, at in hurt.items()
        }


def stop_the_ping(folder: Path, cases: Sequence[tuple[str, str]], period: float = PERIOD) -> dict[str, float]:
    """The same; raises AssertionError where a ping came more than two periods after the sabotage."""
    found = pings_after(folder, cases, period)
    late = {name: after for name, (_, after) in found.items() if after > 2}
    assert not late, f"pings went on, periods after the sabotage: {late}"
    return {"cases": len(found), "last_ping_periods_after": round(max(after for _, after in found.values()), 2)}


def _path(name: str) -> str:
    return name.replace(" ", "-")


def _start(folder: Path, watcher: Watcher, name: str, case: tuple[str, str], period: float) -> ForkServerProcess:
    folder.mkdir(parents=True)
    when = folder.parent / f"{name}.now"
    one = context.Process(target=serve, args=(folder, f"{watcher.url}/{_path(name)}", case, when, period))
    one.start()
    return one


def _hurt(one: ForkServerProcess, when: Path, how: str) -> None:
    assert one.pid is not None
    if how == "kill":
        os.kill(one.pid, signal.SIGKILL)
    elif how == "freeze":
        os.kill(one.pid, signal.SIGSTOP)
    else:
        when.touch()


def serve(folder: Path, url: str, case: tuple[str, str], when: Path, period: float) -> None:
    """Serve as the command does, with one thread that comes to harm as soon as a file is there."""
    os.environ[deadman.URL] = url
    _sabotage(*case, when)
    with EventStore.open(folder / "store.sqlite") as store:
        serving = Serving(store, parse_settings(SETTINGS.format(period=period)), folder / "reward-drift.yaml")
        app = create_app(serving, lambda: serving.pulses.beat("web"))
        with answering(app, Address("127.0.0.1", 0)):
            serving.run(lambda: False)


def _sabotage(thread: str, how: str, when: Path) -> None:
    """Each thread tells its pulse at every turn: there it meets what was prepared for it."""
    beat = Pulses.beat

    def met(self: Pulses, name: str) -> None:
        beat(self, name)
        if name == thread and when.exists():
            if how == "deadlock":
                _deadlock()
            _kill_from_outside(threading.get_ident())
            time.sleep(0.2)

    Pulses.beat = met  # type: ignore[method-assign]
    if thread == SCHEDULER:
        threading.Thread(target=_kill_scheduler, args=(when,), daemon=True).start()


def _deadlock() -> None:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def _kill_scheduler(when: Path) -> None:
    while not when.exists():
        time.sleep(0.05)
    (scheduler,) = (one for one in threading.enumerate() if one.name == SCHEDULER)
    _end(scheduler)


def _kill_from_outside(number: int) -> None:
    (found,) = (one for one in threading.enumerate() if one.ident == number)
    threading.Thread(target=_end, args=(found,), daemon=True).start()


def _end(thread: Any) -> None:
    """Raise SystemExit in a thread until it has ended; whatever it has in hand may swallow the first ones."""
    while thread.is_alive():
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit))
        time.sleep(0.05)
