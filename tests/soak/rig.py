"""Readers in processes of their own, told where to die, and what their store must hold in the end."""

import contextlib
import dataclasses
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing.context import ForkServerProcess
from typing import Any

from sqlalchemy import event, text

from consumers import ingest as loop
from consumers.kafka import KafkaSource
from consumers.kafka_settings import KafkaSettings
from consumers.patience import PatientStore
from consumers.store import EventStore
from tests.broker import Broker
from tests.consumers.contents import contents
from tests.consumers.examples import BAD, line

BATCH = 40
LATE_SECONDS = 120
SLOW_SHARE = 0.1  # of the transactions that dawdle at their end, where a plan has slow ones

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload([__name__])


@dataclasses.dataclass(frozen=True)
class Fault:
    """Where a reader dies: the `hit`-th time it comes by this step."""

    step: str
    hit: int


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a reader does. ends: partition -> offset at which it has read everything; None: until asked.

    alone: it takes all partitions without asking the group, whose rounds of joining take the test broker seconds.
    """

    kafka: str
    store: str
    ends: Mapping[int, int] | None
    fault: Fault | None = None
    alone: bool = False
    batches: int | None = None  # stop after so many
    slow_commits: float = 0.0  # at most so many seconds of sleep inside a transaction
    order: str = "one transaction"  # or a mutation of it, which the loops must notice


def settings(broker: Broker, topic: str, group: str, **more: Any) -> KafkaSettings:
    """Of a reader that notices soon that another one is gone."""
    return KafkaSettings(bootstrap=[broker.bootstrap], topics=[topic], group=group, batch_records=BATCH, **more)


def start(plan: Plan) -> ForkServerProcess:
    """Run the plan in a process of its own."""
    reader = context.Process(target=read, args=(plan,))
    reader.start()
    return reader


def read(plan: Plan) -> None:
    """Read topics into the store until everything is read, as the consumer does."""
    chosen = KafkaSettings.model_validate_json(plan.kafka)
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: asked.append(number))
    with EventStore.open(plan.store) as store:
        batches = _watch(store, plan)

        def done() -> bool:
            is_read = plan.ends is not None and _is_read(store, chosen.topics[0], plan.ends)
            return is_read or bool(asked) or batches() == plan.batches

        patient = PatientStore(_mutated(store, plan.order), stop=done)
        if plan.alone:
            assert plan.ends is not None
            _assign_all(plan.ends)
        if plan.fault is not None:
            STEPS[plan.fault.step](store, _Countdown(plan.fault.hit))
        loop.ingest(KafkaSource(chosen, patient, stop=done), patient)


def _assign_all(ends: Mapping[int, int]) -> None:
    """Have kafka-python assign what it would subscribe to, and tell the listener as a group would."""
    from kafka import KafkaConsumer, TopicPartition

    def subscribe(self: KafkaConsumer, topics: list[str], listener: Any) -> None:
        places = [TopicPartition(topic, partition) for topic in topics for partition in ends]
        self.assign(places)
        listener.on_partitions_assigned(places)

    KafkaConsumer.subscribe = subscribe


class _Countdown:
    def __init__(self, left: int) -> None:
        self.left = left

    def __call__(self, *_: object) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def _after(holder: Any, name: str, die: Callable[[], None], when: Callable[[Any], bool] = lambda _: True) -> None:
    """Die on the way out of a function, if what it returned is of interest."""
    original = getattr(holder, name)

    def dying(*given: Any, **named: Any) -> Any:
        returned = original(*given, **named)
        if when(returned):
            die()
        return returned

    setattr(holder, name, dying)


def _after_poll(_store: EventStore, die: _Countdown) -> None:
    from kafka import KafkaConsumer

    _after(KafkaConsumer, "poll", die, when=bool)


def _after_parse(_store: EventStore, die: _Countdown) -> None:
    _after(loop, "parse_batch", die)


def _at_statement(store: EventStore, die: _Countdown) -> None:
    event.listen(store.engine, "before_cursor_execute", die)


def _in_dead_letter(store: EventStore, die: _Countdown) -> None:
    def look(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("INSERT INTO rejected"):
            die()

    event.listen(store.engine, "after_cursor_execute", look)


def _before_commit(store: EventStore, die: _Countdown) -> None:
    event.listen(store.engine, "commit", die)


def _after_commit(store: EventStore, die: _Countdown) -> None:
    _after(store, "append", die)


def _after_claim(store: EventStore, die: _Countdown) -> None:
    _after(store, "claim", die)


STEPS: Mapping[str, Callable[[EventStore, _Countdown], None]] = {
    "after claim": _after_claim,
    "after poll": _after_poll,
    "after parse": _after_parse,
    "at a statement": _at_statement,
    "in a dead letter": _in_dead_letter,
    "before commit": _before_commit,
    "after commit": _after_commit,
}
MOST_HITS = {"at a statement": 60, "in a dead letter": 4, "after claim": 1}


def _watch(store: EventStore, plan: Plan) -> Callable[[], int]:
    """Count batches; sleep inside their transactions where the plan says so."""
    chance, seen = random.Random(os.getpid()), 0
    append = store.append

    def counted(intake: Any) -> Any:
        nonlocal seen
        appended = append(intake)
        seen += 1
        return appended

    store.append = counted  # type: ignore[method-assign]

    def dawdle(_connection: object) -> None:
        if chance.random() < SLOW_SHARE:
            time.sleep(chance.uniform(0, plan.slow_commits))

    if plan.slow_commits:
        event.listen(store.engine, "commit", dawdle)
    return lambda: seen


def _mutated(store: EventStore, order: str) -> EventStore:
    """The store, or one that breaks its first promise: rows and position in one transaction."""
    append = store.append

    def position_first(intake: Any) -> Any:
        append(dataclasses.replace(intake, arrivals=[], refusals=[]))
        return append(dataclasses.replace(intake, position=None))

    def rows_first(intake: Any) -> Any:
        appended = append(dataclasses.replace(intake, position=None))
        append(dataclasses.replace(intake, arrivals=[], refusals=[]))
        return appended

    if order != "one transaction":
        store.append = {"position first": position_first, "rows first": rows_first}[order]  # type: ignore[method-assign]
    return store


def _is_read(store: EventStore, topic: str, ends: Mapping[int, int]) -> bool:
    return all(offset(store, topic, partition) >= end for partition, end in ends.items())


def offset(store: EventStore, topic: str, partition: int) -> int:
    """How far a partition was read."""
    position = store.position(f"kafka:{topic}/{partition}")
    return 0 if position is None else int(position["offset"])


def messages(count: int, seed: int) -> list[list[bytes]]:
    """Events of several types, each with what comes with it: itself again, another under its name, something bad."""
    chance, told = random.Random(seed), []
    poison = [raw for raw, _ in BAD.values() if len(raw) < 10_000]
    for number in range(count):
        kind = ("response", "feedback", "outcome", "score")[number % 4]
        found = [line(kind, id=f"e-{number}")]
        if number % 11 == 0:
            found.append(line(kind, id=f"e-{number}"))
        if number % 23 == 0:
            found.append(chance.choice(poison))
        if number % 31 == 0:
            found.append(line(kind, id=f"e-{number}", changes={"response_id": "other"}))
        told.append(found)
    return told


def fill(broker: Broker, topic: str, partitions: int, told: Sequence[list[bytes]]) -> dict[int, int]:
    """Deal the messages to the partitions by turns, those of one name together; returns where each partition ends."""
    ends = {}
    for partition in range(partitions):
        raws = [raw for found in told[partition::partitions] for raw in found]
        broker.produce(topic, raws, partition=partition, linger_ms=20)
        ends[partition] = len(raws)
    return ends


def held(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """What the store holds, apart from the order in which it came."""
    with EventStore.open(url) as store:
        return contents(store)


@contextlib.contextmanager
def processes() -> Iterator[list[ForkServerProcess]]:
    """A list of processes that are all ended in the end."""
    running: list[ForkServerProcess] = []
    try:
        yield running
    finally:
        for reader in running:
            reader.kill()
            reader.join()


def wait_until(condition: Callable[[], bool], what: str, seconds: float = LATE_SECONDS) -> None:
    """Ask now and then; fail when it takes too long."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.05)


def forbid_steps_back(url: str) -> None:
    """Have the database itself refuse a position that moves back."""
    with EventStore.open(url) as store, store.engine.begin() as connection:
        connection.execute(
            text(
                "CREATE OR REPLACE FUNCTION no_step_back() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                " IF (NEW.position::json ->> 'offset')::bigint < (OLD.position::json ->> 'offset')::bigint THEN"
                " INSERT INTO step_back VALUES (OLD.source, OLD.position, NEW.position); END IF; RETURN NEW; END $$"
            )
        )
        connection.execute(text("CREATE TABLE step_back (source text, old text, new text)"))
        connection.execute(
            text(
                "CREATE TRIGGER no_step_back BEFORE UPDATE ON source_position"
                " FOR EACH ROW EXECUTE FUNCTION no_step_back()"
            )
        )


def steps_back(url: str) -> int:
    """How often a position moved back."""
    with EventStore.open(url) as store, store.engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM step_back")).scalar_one())
