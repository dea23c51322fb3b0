"""How does an alert reach somebody's own endpoint? A signed CloudEvents POST.

The body is a CloudEvent (structured mode). `X-RewardDrift-Signature: t=<unix seconds>,sha256=<hex>` is the HMAC-SHA256
of "<t>." and the raw body under the shared secret, so that a receiver can check origin and age. Redirects are refused,
environment proxies are not used, and nothing of the answer's body is kept.
"""

import datetime as dt
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from monitor.oncall.receivers.port import DeliveryFailed

TIMEOUT_SECONDS = 10.0


class WebhookReceiver:
    """POSTs each message to `url`; signed when `secret` is given.

    clock: gives unix seconds. timeout_seconds: how long to wait for a connection, and for each part of the answer.
    """

    def __init__(
        self,
        url: str,
        secret: str | None,
        clock: Callable[[], float] = time.time,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self.url, self.secret, self.clock, self.timeout_seconds = url, secret, clock, timeout_seconds

    def send(self, message: Mapping[str, Any]) -> None:
        """Raises DeliveryFailed unless the endpoint answers 2xx."""
        body = json.dumps(_cloud_event(message)).encode()
        headers = {"content-type": "application/cloudevents+json"}
        if self.secret:
            headers["X-RewardDrift-Signature"] = sign(body, self.secret, int(self.clock()))
        try:
            with (
                httpx.Client(timeout=self.timeout_seconds, trust_env=False, follow_redirects=False) as client,
                client.stream("POST", self.url, content=body, headers=headers) as answer,
            ):
                pass  # the status says it all; a body without end would hold us up
        except (httpx.HTTPError, httpx.InvalidURL) as fault:
            raise DeliveryFailed(f"{type(fault).__name__}: {fault}") from None
        if not answer.is_success:
            raise DeliveryFailed(f"HTTP {answer.status_code}", _retry_after(answer))


def sign(body: bytes, secret: str, at: int) -> str:
    """The signature header of a body sent at unix second `at`."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},sha256={digest}"


def _cloud_event(message: Mapping[str, Any]) -> dict[str, Any]:
    alert = message["alert"]
    name = uuid.uuid5(uuid.NAMESPACE_URL, f"{message['dedup_key']}:{alert['severity']}")
    return {
        "specversion": "1.0",
        "id": str(name),
        "source": "/reward-drift",
        "type": "rewarddrift.alert.v1",
        "time": alert["fired_at"],
        "datacontenttype": "application/json",
        "data": dict(message),
    }


def _retry_after(answer: httpx.Response) -> dt.timedelta:
    asked = answer.headers.get("retry-after", "")
    return dt.timedelta(seconds=min(int(asked), 3600)) if asked.isdigit() else dt.timedelta(0)
