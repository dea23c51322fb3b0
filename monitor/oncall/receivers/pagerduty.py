"""How does a message reach a pager? PagerDuty Events v2: trigger, acknowledge and resolve under one key."""

import hashlib
import json
from typing import Any

from monitor.oncall.receivers.endpoint import Endpoint
from monitor.oncall.receivers.port import Message

URL = "https://events.pagerduty.com/v2/enqueue"  # of Europe: https://events.eu.pagerduty.com/v2/enqueue
SEVERITIES = {"page": "critical", "warning": "warning", "ticket": "info"}
LONGEST_SUMMARY, LONGEST_KEY = 1024, 255


class PagerDutyReceiver:
    """Sends events under one integration's routing key. 202 means that PagerDuty has it."""

    def __init__(self, endpoint: Endpoint, routing_key: str) -> None:
        self.endpoint, self._routing_key = endpoint, routing_key

    def send(self, message: Message) -> None:
        """Raises DeliveryFailed: 400 for good, 429 and 5xx to be tried again."""
        event = {"routing_key": self._routing_key, **_event(message)}
        self.endpoint.post(json.dumps(event).encode(), {"content-type": "application/json"})


def _event(message: Message) -> dict[str, Any]:
    action = "resolve" if message.ended else "acknowledge" if message.kind == "acked" else "trigger"
    return {
        "event_action": action,
        "dedup_key": _key(message.dedup_key),
        "client": "reward-drift",
        "links": [{"href": url, "text": name} for name, url in message.links.items()],
        "payload": _payload(message),
    }


def _payload(message: Message) -> dict[str, Any]:
    alert = message.alert
    details = {"lines": list(message.lines), "slice": alert["slice"], "n": alert["n"], "state": alert["state"]}
    return {
        "summary": message.lines[0][:LONGEST_SUMMARY],
        "source": message.loop or "reward-drift",
        "severity": SEVERITIES[message.severity],
        "timestamp": alert["fired_at"],
        "component": alert["checkpoint"] or None,
        "group": alert["check"],
        "class": alert["attribution"],
        "custom_details": {**details, "effect": alert["effect"], "likely_start": _likely_start(message)},
    }


def _likely_start(message: Message) -> str | None:
    evidence = message.alert["evidence"]
    return evidence["likely_start"] if evidence else None


def _key(dedup_key: str) -> str:
    return dedup_key if len(dedup_key) <= LONGEST_KEY else hashlib.sha256(dedup_key.encode()).hexdigest()
