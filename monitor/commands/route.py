"""The command that passes feedback on to topics, one for each purpose, for trainers that read Kafka."""

import contextlib
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from consumers.claims import ClaimLost
from consumers.kafka_settings import KafkaSettings
from consumers.routing import BrokerUnavailable, Router
from monitor.commands.common import (
    DEFAULT_SETTINGS,
    DEFAULT_STORE,
    Format,
    FormatOption,
    JsonOption,
    SettingsOption,
    StoreOption,
    UsageFault,
    existing_store,
    print_json,
    stop_on_signal,
)
from monitor.logs import silenced
from monitor.settings import load_settings


def route(
    settings: SettingsOption = DEFAULT_SETTINGS,
    store: StoreOption = DEFAULT_STORE,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep routing what is stored, until stopped.")] = False,
    format_: FormatOption = Format.text,
    json_: JsonOption = False,
) -> None:
    """Publish accepted feedback to the topic of its purpose (kafka.routed), from where the last run stopped.

    Labels pass the training firewall; nothing about an anchor or of an erased person is published. Each event arrives
    at least once: after a crash the last ones may come again, under the same ids. With --follow, SIGTERM or Ctrl-C ends
    it.
    """
    kafka = _kafka_of(settings)
    from consumers.kafka_producer import KafkaPublisher  # needs the extra

    with (
        silenced("kafka"),  # a fault that matters is told by the router
        existing_store(store) as opened,
        contextlib.closing(KafkaPublisher(_connection(kafka))) as publisher,
    ):
        router = Router(opened, publisher, kafka.routed.model_dump(), ",".join(sorted(kafka.bootstrap)))
        try:
            if follow:
                router.follow(stop_on_signal())
            else:
                router.run()
        except ClaimLost:
            raise UsageFault("another router has taken over; let only one run for these brokers") from None
        except BrokerUnavailable as fault:
            raise ConnectionError(str(fault)) from fault
    _tell(router, as_json=json_ or format_ is Format.json)


def _kafka_of(path: Path) -> KafkaSettings:
    kafka = load_settings(path).kafka
    if kafka is None:
        raise UsageFault(f"{path}: names no brokers; add kafka.bootstrap, kafka.topics and, if need be, kafka.routed")
    if not kafka.routed.topics:
        raise UsageFault(f"{path}: kafka.routed names no topic, so that there is nothing to do")
    if find_spec("kafka") is None:
        raise UsageFault("the Kafka client is not installed: pip install 'reward-drift-monitor[kafka]'")
    return kafka


def _connection(kafka: KafkaSettings) -> dict[str, object]:
    try:
        return kafka.connection()
    except ValueError as fault:
        raise UsageFault(str(fault)) from None


def _tell(router: Router, *, as_json: bool) -> None:
    published, withheld = dict(sorted(router.published.items())), dict(sorted(router.withheld.items()))
    if as_json:
        print_json({"published": published, "withheld": withheld})
        return
    typer.echo(f"{sum(published.values()):,} events published, {sum(withheld.values()):,} withheld")
    for topic, count in published.items():
        typer.echo(f"  {topic}: {count:,}")
    for reason, count in withheld.items():
        typer.echo(f"  withheld: {count:,} by {reason}")
