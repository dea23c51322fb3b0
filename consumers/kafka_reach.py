"""Can the brokers be reached, are the topics there, and may the group be used?"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, NamedTuple

from kafka import KafkaAdminClient  # type: ignore[import-untyped]
from kafka.errors import KafkaError, UnknownTopicOrPartitionError, for_code  # type: ignore[import-untyped]

WAIT_SECONDS = 5.0


class Finding(NamedTuple):
    """what: kafka, topics, routed, group or crc32c. told: what was found and, if it is not good, what to do."""

    what: str
    is_good: bool
    told: str


def examine(
    connection: Mapping[str, Any], topics: Sequence[str], routed: Sequence[str], group: str
) -> Iterator[Finding]:
    """Look, without changing anything. What cannot be looked at any more after a fault is left out.

    connection: options of the client. topics: those that are read. routed: those that feedback is published to.
    """
    yield _checksums()
    where = ", ".join(connection["bootstrap_servers"])
    try:
        admin = KafkaAdminClient(**connection, bootstrap_timeout_ms=int(WAIT_SECONDS * 1000))
    except (KafkaError, OSError) as fault:
        way_out = "check that it runs and that kafka.bootstrap and kafka.security fit it"
        yield Finding("kafka", False, f"{where}: no answer ({fault}); {way_out}")
        return
    with contextlib.closing(admin):
        yield Finding("kafka", True, f"{where}: answers")
        yield _topics(admin, "topics", topics, connection["bootstrap_servers"][0])
        if routed:
            yield _topics(admin, "routed", routed, connection["bootstrap_servers"][0])
        yield _group(admin, group)


def _checksums() -> Finding:
    if find_spec("crc32c") is not None:
        return Finding("crc32c", True, "checksums are computed in C")
    return Finding(
        "crc32c", False, "not installed: reading is 10 times slower; pip install 'reward-drift-monitor[kafka]'"
    )


def _topics(admin: KafkaAdminClient, what: str, topics: Sequence[str], address: str) -> Finding:
    try:
        problems = [
            (row["name"], for_code(row["error_code"]))
            for row in admin.describe_topics(list(topics))
            if row["error_code"]
        ]
    except (KafkaError, OSError) as fault:
        return Finding(what, False, f"cannot be listed ({fault}); run doctor again")
    if not problems:
        return Finding(what, True, ", ".join(topics))
    told = []
    for name, kind in problems:
        if kind is UnknownTopicOrPartitionError:
            told.append(f"{name} is not there: kafka-topics.sh --bootstrap-server {address} --create --topic {name}")
        else:
            told.append(f"{name}: {kind.__name__}: let the user of kafka.security describe, read and write it")
    return Finding(what, False, "; ".join(told))


def _group(admin: KafkaAdminClient, group: str) -> Finding:
    try:
        admin.list_group_offsets(group)
    except (KafkaError, OSError) as fault:
        return Finding("group", False, f"{group}: {fault}: let the user of kafka.security read group {group}")
    return Finding("group", True, f"{group}: may be used")
