"""How does a message reach somebody's own endpoint? A signed CloudEvents POST.

The body is a CloudEvent (structured mode). `X-RewardDrift-Signature: t=<unix seconds>,sha256=<hex>` is the HMAC-SHA256
of "<t>." and the raw body under the shared secret, so that a receiver can check origin and age.
"""

import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Callable
from typing import Any

from monitor.oncall.receivers.endpoint import Endpoint
from monitor.oncall.receivers.port import Message


class WebhookReceiver:
    """POSTs each message; signed when `secret` is given. clock: gives unix seconds."""

    def __init__(self, endpoint: Endpoint, secret: str | None, clock: Callable[[], float] = time.time) -> None:
        self.endpoint, self._secret, self.clock = endpoint, secret, clock

    def send(self, message: Message) -> None:
        """Raises DeliveryFailed unless the endpoint answers 2xx."""
        body = json.dumps(_cloud_event(message)).encode()
        headers = {"content-type": "application/cloudevents+json"}
        if self._secret:
            headers["X-RewardDrift-Signature"] = sign(body, self._secret, int(self.clock()))
        self.endpoint.post(body, headers)


def sign(body: bytes, secret: str, at: int) -> str:
    """The signature header of a body sent at unix second `at`."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},sha256={digest}"


def _cloud_event(message: Message) -> dict[str, Any]:
    """Sent again, it has the same id; the next thing that happens to the alert has another."""
    told = f"{message.dedup_key}:{message.severity}:{message.kind}:{message.at}"
    return {
        "specversion": "1.0",
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, told)),
        "source": "/reward-drift",
        "type": "rewarddrift.alert.v1",
        "time": message.at or message.alert["fired_at"],
        "datacontenttype": "application/json",
        "data": message.to_plain(),
    }
