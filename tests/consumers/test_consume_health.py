"""Does a reader tell truthfully whether it lives and gets anywhere, and what it counted?"""

import json
import urllib.error
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from consumers.health import ALIVE_SECONDS, FETCH_SECONDS, Address, Health, parse_address, serving
from consumers.kafka import AssignedPartition, Polled
from consumers.metrics import IntakeMetrics


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def polled(*lags: int | None, fetched_at: float | None = 1.0) -> Polled:
    partitions = tuple(AssignedPartition("events", number, 5, lag) for number, lag in enumerate(lags))
    return Polled(partitions, fetched_at, True, 0)


def test_a_reader_that_has_just_begun_lives_and_is_not_ready() -> None:
    health = Health(Clock())
    assert health.is_alive()
    assert health.reasons() == ["no broker has answered a fetch yet", "no partition is assigned to this reader"]
    health.polled(polled(0))
    assert health.reasons() == []


def test_waiting_for_the_database_is_alive_and_not_ready_however_long() -> None:
    clock = Clock()
    health = Health(clock)
    health.polled(polled(0))
    health.waiting("OperationalError: refused")
    clock.now += 10 * ALIVE_SECONDS
    health.polled(polled(0, fetched_at=2.0))
    clock.now += ALIVE_SECONDS
    assert health.is_alive()
    assert health.reasons()[0] == "the database is away: OperationalError: refused"
    health.waiting(None)
    health.polled(polled(0, fetched_at=3.0))
    assert health.reasons() == []


def test_a_loop_that_hangs_is_not_alive_and_a_silent_broker_makes_unready() -> None:
    clock = Clock()
    health = Health(clock)
    health.polled(polled(0))
    clock.now += FETCH_SECONDS
    health.polled(polled(0))
    assert health.reasons() == ["no broker has answered for 60 s"]
    clock.now += ALIVE_SECONDS
    assert not health.is_alive()
    assert health.reasons()[-1] == "the loop has not turned for 120 s"


def test_a_partition_that_cannot_be_read_makes_unready_and_its_last_lag_is_not_shown_any_more() -> None:
    health, metrics = Health(Clock()), IntakeMetrics()
    for told in (polled(0, 0), polled(0, None)):
        health.polled(told)
        metrics.polled(told)
    assert health.reasons() == ["1 of 2 partitions cannot be read: not fetched yet, or no such topic"]
    assert lags(metrics) == {"0": 0}


def test_a_partition_that_was_given_away_has_no_lag_any_more() -> None:
    metrics = IntakeMetrics()
    metrics.polled(polled(7, None, 3))
    assert lags(metrics) == {"0": 7, "2": 3}
    metrics.polled(polled(8))
    assert lags(metrics) == {"0": 8}
    metrics.polled(polled())
    assert lags(metrics) == {}


def test_the_age_of_the_last_fetch_grows_from_the_start_on() -> None:
    clock = Clock()
    metrics = IntakeMetrics(clock)
    clock.now += 7
    assert value(metrics, "rewarddrift_last_fetch_age_seconds") == 7
    metrics.polled(polled(0, fetched_at=clock.now))
    clock.now += 2
    assert value(metrics, "rewarddrift_last_fetch_age_seconds") == 2


def lags(metrics: IntakeMetrics) -> dict[str, float]:
    families = text_string_to_metric_families(metrics.page().decode())
    [family] = [family for family in families if family.name == "rewarddrift_consumer_lag_records"]
    return {sample.labels["partition"]: sample.value for sample in family.samples}


def value(metrics: IntakeMetrics, name: str) -> float | None:
    return metrics.registry.get_sample_value(name)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_pages_are_served_and_others_are_not(host: str) -> None:
    health, metrics = Health(Clock()), IntakeMetrics()
    with serving(Address(host, 0), health, metrics.page) as bound:
        assert get(bound, "/healthz") == (200, {"ok": True, "reasons": []})
        assert get(bound, "/readyz") == (503, {"ok": False, "reasons": health.reasons()})
        assert get(bound, "/") == (404, {"pages": ["/healthz", "/metrics", "/readyz"]})
        with urllib.request.urlopen(f"http://{bound}/metrics", timeout=5) as answer:
            assert b"rewarddrift_build_info{version=" in answer.read()


def get(address: Address, page: str) -> tuple[int, object]:
    try:
        with urllib.request.urlopen(f"http://{address}{page}", timeout=5) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code, json.load(answer)


def test_an_address_is_read_back_as_it_is_written() -> None:
    assert str(parse_address("[::1]:9464")) == "[::1]:9464"
    assert parse_address("0.0.0.0:0") == Address("0.0.0.0", 0)
