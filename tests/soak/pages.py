"""A monitor is killed between transition, outbox row, sending and its note: all is told, each episode one incident."""

import dataclasses
import datetime as dt
import multiprocessing
import os
import random
import signal
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from multiprocessing.context import ForkServerProcess

from sqlalchemy import event

from consumers.store import EventStore
from monitor.detection.state import MonitorState
from monitor.oncall.deliver import deliver
from monitor.oncall.receivers.endpoint import Endpoint
from monitor.oncall.receivers.port import Route
from monitor.oncall.receivers.webhook import WebhookReceiver
from tests.monitor.alert_life import HOUR, Life
from tests.monitor.events import START
from tests.monitor.fake_sinks import Request, sink
from tests.monitor.live import query

Fresh = Callable[[], AbstractContextManager[str]]
PER_LIFE = 4  # episodes that one process opens if nobody kills it
MOST_HITS = {"at a statement": 60, "before commit": 8, "after commit": 8}

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload([__name__])


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a monitor does: open `episodes` alerts and send them. step, hit: where it dies."""

    store: str
    url: str
    episodes: int
    step: str | None = None
    hit: int = 0


def monitor(plan: Plan) -> None:
    """Open alerts one by one, an hour apart, each in one transaction, and send what waits after each."""
    with EventStore.open(plan.store) as store:
        life = Life(store)
        routes = {"r": Route(_receiver(plan))}
        _arm(store, plan)
        for _ in range(plan.episodes):
            place = len(MonitorState(store.engine).episodes("loop"))
            life.now = START + place * HOUR
            life.cross("page", {"tier": str(place)})
            deliver(store.engine, routes, life.now, print)
        deliver(store.engine, routes, life.now + dt.timedelta(minutes=59), print)


class _Countdown:
    def __init__(self, left: int) -> None:
        self.left = left

    def __call__(self, *_: object) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def _arm(store: EventStore, plan: Plan) -> None:
    die = _Countdown(plan.hit)
    if plan.step == "at a statement":
        event.listen(store.engine, "before_cursor_execute", die)
    elif plan.step == "before commit":
        event.listen(store.engine, "commit", die)
    elif plan.step == "after commit":
        event.listen(store.engine, "checkin", die)


def _receiver(plan: Plan) -> WebhookReceiver:
    """Dies before it sends, or when the receiver took it and nobody noted that."""
    receiver = WebhookReceiver(Endpoint(plan.url, allow_private=True), None)
    send, die = receiver.send, _Countdown(plan.hit)

    def sending(message: object) -> None:
        if plan.step == "before sending":
            die()
        send(message)  # type: ignore[arg-type]
        if plan.step == "after sending":
            die()

    receiver.send = sending  # type: ignore[method-assign]
    return receiver


STEPS = ("at a statement", "before commit", "after commit", "before sending", "after sending")


def kill_monitors(fresh: Fresh, kills: int, seed: int) -> Mapping[str, int]:
    """Kill so many monitors on one store; how many died at each step, and what the receiver got.

    Raises AssertionError if a transition was not told, or an episode is not one incident at the receiver.
    """
    chance, died = random.Random(seed), dict.fromkeys(STEPS, 0)
    with fresh() as url, sink() as pager:
        while sum(died.values()) < kills:
            step = min(STEPS, key=lambda name: died[name] + chance.random())
            hit = chance.randint(1, MOST_HITS.get(step, PER_LIFE))
            ran = _run(Plan(url, pager.url, PER_LIFE, step, hit))
            assert ran.exitcode in (0, -signal.SIGKILL), f"a monitor ended with code {ran.exitcode}"
            died[step] += ran.exitcode != 0
        assert _run(Plan(url, pager.url, 1)).exitcode == 0
        requests = [one.json()["data"] for one in pager.requests if _is_whole(one)]
        with EventStore.open(url) as store:
            untold = query(store, "SELECT COUNT(*) FROM alert_transition WHERE told IS NULL OR told <> 'sent'")
            waiting = query(store, "SELECT COUNT(*) FROM outbox WHERE sent_us IS NULL")
            episodes = {one.key for one in MonitorState(store.engine).episodes("loop")}
    assert untold == [(0,)], f"{untold[0][0]} transitions were told to nobody"
    assert waiting == [(0,)], f"{waiting[0][0]} messages were not sent"
    incidents = {body["dedup_key"] for body in requests}
    assert incidents == episodes, "episodes and incidents differ"
    again = len(requests) - len(episodes)
    return {**died, "episodes": len(episodes), "incidents": len(incidents), "sent again": again}


def _is_whole(request: Request) -> bool:
    """Whether it came to its end; a monitor that dies while it sends is cut off."""
    return len(request.body) == int(request.headers["content-length"])


def _run(plan: Plan) -> ForkServerProcess:
    process = context.Process(target=monitor, args=(plan,))
    process.start()
    process.join()
    return process
