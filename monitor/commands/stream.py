"""Commands about events that come as a stream: consume, and what went wrong with a source as a whole."""

import datetime as dt
import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Annotated, Any

import typer

from consumers.consume import consume as consume_topics
from consumers.flood import FloodHalted
from consumers.health import Address, Health, parse_address, serving
from consumers.incidents import Incident, UnknownIncident
from consumers.metrics import IntakeMetrics
from consumers.sources import SourceError
from consumers.store import EventStore
from monitor.commands.common import (
    DEFAULT_SETTINGS,
    DEFAULT_STORE,
    Format,
    FormatOption,
    JsonOption,
    SettingsOption,
    StoreOption,
    StoreUnusable,
    UsageFault,
    existing_store,
    open_store,
    print_json,
    stop_on_signal,
)
from monitor.logs import log_to
from monitor.settings import load_settings

log = logging.getLogger(__name__)

incidents = typer.Typer(no_args_is_help=True)
DEFAULT_LISTEN = "127.0.0.1:9464"


def consume(
    settings: SettingsOption = DEFAULT_SETTINGS,
    store: StoreOption = DEFAULT_STORE,
    listen: Annotated[
        str,
        typer.Option(
            "--listen",
            help="Where /metrics, /healthz and /readyz answer. There is no login: with 0.0.0.0:9464 every machine that"
            " reaches this one can read them.",
        ),
    ] = DEFAULT_LISTEN,
    drain: Annotated[
        bool, typer.Option("--drain", help="Stop at the present end of every assigned partition.")
    ] = False,
) -> None:
    """Read events from Kafka into a store, until stopped, from where the store says each partition was left.

    An outage of database or brokers is waited out and rejects no event. SIGTERM or Ctrl-C ends it after the batch in
    hand, a second one at once; neither loses or doubles an event. Exit 0 stopped as asked, 2 settings, brokers, topics
    or store cannot be used as they are, 4 too much was rejected (`reward-drift incidents list`), or a fault.
    """
    chosen = load_settings(settings)
    if chosen.kafka is None:
        raise UsageFault(
            f"{settings}: no section kafka; it needs at least `kafka: {{bootstrap: [...], topics: [...]}}`"
        )
    address = _address(listen)
    stop = stop_on_signal()
    log_to()
    metrics, health = IntakeMetrics(), Health()
    with _opened(store) as opened, _serving(address, health, metrics) as bound:
        named = {"topics": chosen.kafka.topics, "group": chosen.kafka.group, "listening": str(bound)}
        log.info("reading", extra=named)
        try:
            done = consume_topics(
                chosen.kafka,
                opened,
                stop=stop,
                metrics=metrics,
                health=health,
                event_bytes=chosen.limits.event_bytes,
                drain=drain,
            ).appended
        except FloodHalted as halted:
            log.error("%s", halted)
            raise typer.Exit(4) from None
        except SourceError as fault:
            log.error("%s", fault)
            raise typer.Exit(2) from None
        except Exception:
            log.critical("a fault that is not foreseen; what was not stored will be read again", exc_info=True)
            raise typer.Exit(4) from None
    counts = {name: getattr(done, name) for name in ("accepted", "duplicate", "conflict", "rejected")}
    log.info("stopped", extra=counts)


@incidents.command("list")
def list_(
    store: StoreOption = DEFAULT_STORE,
    closed: Annotated[bool, typer.Option("--all", help="Closed ones too.")] = False,
    format_: FormatOption = Format.text,
    json_: JsonOption = False,
) -> None:
    """List what went wrong with a source as a whole: gaps in what was read, and floods of rejected events."""
    with existing_store(store) as opened:
        rows = [_plain(incident) for incident in opened.incidents(open_only=not closed)]
    if json_ or format_ is Format.json:
        print_json({"incidents": rows})
    else:
        typer.echo("\n".join(_line(row) for row in rows) or ("no incident" if closed else "no open incident"))


@incidents.command()
def close(
    number: Annotated[int, typer.Argument(help="The incident's id, from `incidents list`.")],
    note: Annotated[str, typer.Option("--note", help="What was found and done; kept with the incident.")],
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Close an incident. A source that a flood had stopped may be read again."""
    if not note.strip():
        raise UsageFault("--note: say what was found and done")
    with existing_store(store) as opened:
        try:
            opened.close_incident(number, note)
        except UnknownIncident as fault:
            raise UsageFault(str(fault)) from None
    typer.echo(f"incident {number} closed")


def _address(listen: str) -> Address:
    try:
        return parse_address(listen)
    except ValueError as fault:
        raise UsageFault(f"--listen {fault}") from None


@contextmanager
def _opened(store: str) -> Iterator[EventStore]:
    """At the start a person looks on, so that a store out of reach is told and not waited for."""
    try:
        opened = open_store(store)
    except StoreUnusable as fault:
        raise UsageFault(str(fault)) from None
    with opened:
        yield opened


@contextmanager
def _serving(address: Address, health: Health, metrics: IntakeMetrics) -> Iterator[Address]:
    with ExitStack() as server:
        try:
            bound = server.enter_context(serving(address, health, metrics.page))
        except OSError as fault:
            raise UsageFault(f"--listen {address}: {fault.strerror}; name another address or port") from None
        yield bound


def _plain(incident: Incident) -> dict[str, Any]:
    return {
        "id": incident.id,
        "kind": incident.kind,
        "source": incident.source,
        "detail": incident.detail,
        "lost_from": incident.lost_from,
        "lost_until": incident.lost_until,
        "noticed_at": _moment(incident.noticed_at_us),
        "closed_at": None if incident.closed_at_us is None else _moment(incident.closed_at_us),
        "note": incident.note,
    }


def _line(row: dict[str, Any]) -> str:
    ended = "" if row["closed_at"] is None else f"  closed {row['closed_at']}: {row['note']}"
    return f"{row['id']:>4}  {row['kind']:<10} {row['noticed_at']}  {row['source']}: {row['detail']}{ended}"


def _moment(time_us: int) -> str:
    return dt.datetime.fromtimestamp(time_us // 1_000_000, dt.UTC).isoformat().replace("+00:00", "Z")
