"""How does a message reach Alertmanager? API v2: labels say which alert it is, annotations what is known of it.

Alertmanager forgets what is not told again, and says of what it forgets that it is resolved. So every open alert, acked
or not, is posted again each REFRESH, with an end so far away that a monitor that is down for a day resolves nothing.
"""

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

from monitor.oncall.alerts import OPEN, SEVERITIES
from monitor.oncall.receivers.endpoint import Endpoint
from monitor.oncall.receivers.port import Message
from monitor.result import plain_json

PATH = "/api/v2/alerts"
REFRESH = dt.timedelta(minutes=5)
OPEN_FOR = dt.timedelta(hours=26)  # longer than the day between two ticks of a timer
TEST_FOR = dt.timedelta(minutes=5)


class AlertmanagerReceiver:
    """POSTs alerts to one Alertmanager, with a bearer token if one is given. clock: gives the time, aware."""

    def __init__(self, endpoint: Endpoint, token: str | None, clock: Any = lambda: dt.datetime.now(dt.UTC)) -> None:
        self.endpoint, self._token, self.clock = endpoint, token, clock

    def send(self, message: Message) -> None:
        """Raises DeliveryFailed unless Alertmanager answers 200."""
        headers = {"content-type": "application/json"}
        if self._token:
            headers["authorization"] = f"Bearer {self._token}"
        self.endpoint.post(json.dumps(_alerts(message, self.clock())).encode(), headers)


def _alerts(message: Message, now: dt.datetime) -> list[dict[str, Any]]:
    """Every alert that the message stands for, under every severity it may have had: a severity is part of the labels.

    One that grew severer ends its milder selves, one that is over ends all.
    """
    told = []
    for alert in message.members or (message.alert,):
        severest = SEVERITIES.index(alert["severity"])
        if message.ended or alert["state"] not in OPEN:
            told += [_alert(message, alert, severity, now) for severity in SEVERITIES]
        else:
            told += [_alert(message, alert, severity, now) for severity in SEVERITIES[:severest]]
            told.append(_alert(message, alert, alert["severity"], now + _open_for(message)))
    return told


def _open_for(message: Message) -> dt.timedelta:
    return TEST_FOR if message.kind == "test" else OPEN_FOR


def _alert(message: Message, alert: Mapping[str, Any], severity: str, ends: dt.datetime) -> dict[str, Any]:
    labels = {
        "alertname": alert["check"],
        "severity": severity,
        "service": message.loop,
        "cohort": ",".join(f"{key}={value}" for key, value in sorted(alert["slice"].items())),
        "fingerprint": alert["fingerprint"],
    }
    annotations = {
        "summary": alert["message"] if message.members else message.lines[0],
        "description": "\n".join(message.lines),
        "runbook_url": message.links.get("runbook", ""),
        "acked": message.note if message.kind == "acked" else "",
    }
    told = {
        "labels": {name: value for name, value in labels.items() if value},
        "annotations": {name: value for name, value in annotations.items() if value},
        "startsAt": alert["fired_at"],
        "endsAt": plain_json(max(ends, dt.datetime.fromisoformat(alert["fired_at"]))),
    }
    return {**told, "generatorURL": message.links["open"]} if "open" in message.links else told
