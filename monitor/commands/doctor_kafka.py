"""What does `doctor` say of the brokers in the settings, and what is to be done next?"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from monitor.logs import silenced
from monitor.settings import SettingsError, load_settings


def kafka_rows(path: Path) -> list[dict[str, Any]]:
    """Rows on client, brokers, topics and group; none if the settings cannot be read (their own row tells why)."""
    try:
        kafka = load_settings(path).kafka
    except SettingsError:
        return []
    if kafka is None:
        return [_row("none", "kafka", "none; kafka.bootstrap and kafka.topics in the settings name what to read")]
    if find_spec("kafka") is None:
        return [_row("MEND", "kafka", "client not installed; pip install 'reward-drift-monitor[kafka]'")]
    from consumers.kafka_reach import examine  # needs the extra

    try:
        with silenced("kafka"):  # what it would say is in the rows
            found = examine(kafka.connection(), kafka.topics, kafka.routed.topics, kafka.group)
        return [_row("ok" if one.is_good else _state(one.what), one.what, one.told) for one in found]
    except (OSError, ValueError) as fault:  # a password that is not there
        return [_row("MEND", "kafka", str(fault))]


def _state(what: str) -> str:
    """Of something that is not good: nobody has to route."""
    return "none" if what == "routed" else "MEND"


def _row(state: str, what: str, told: str) -> dict[str, Any]:
    return {"state": state, "what": what, "told": told}
