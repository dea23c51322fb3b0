"""Which receivers are configured? Those of the settings, and those that the environment alone asks for."""

import os
from collections.abc import Sequence

from consumers.mendable import Mendable
from monitor.oncall.alerts import SEVERITIES
from monitor.oncall.receivers.alertmanager import PATH, REFRESH, AlertmanagerReceiver
from monitor.oncall.receivers.apprise import AppriseReceiver
from monitor.oncall.receivers.endpoint import Endpoint
from monitor.oncall.receivers.pagerduty import URL as PAGERDUTY
from monitor.oncall.receivers.pagerduty import PagerDutyReceiver
from monitor.oncall.receivers.port import DeliveryFailed, Receiver, Route
from monitor.oncall.receivers.slack import SlackReceiver
from monitor.oncall.receivers.stdout import StdoutReceiver
from monitor.oncall.receivers.webhook import WebhookReceiver
from monitor.oncall.settings import ReceiverSettings

URL, SECRET = "REWARD_DRIFT_WEBHOOK_URL", "REWARD_DRIFT_WEBHOOK_SECRET"


class ReceiverUnusable(Mendable):
    """A receiver of the settings cannot be used; the message says which, why and what to do, and holds no secret."""


def configured_receivers(settings: Sequence[ReceiverSettings] = ()) -> dict[str, Route]:
    """Routes by name: those of the settings, then "webhook" if its URL is set, "stdout" if REWARD_DRIFT_STDOUT=1.

    Raises ReceiverUnusable when a variable is not set, a file cannot be read or a URL may not be used. The URL in the
    environment was put there by whoever runs the monitor, so it may name a private address.
    """
    routes = {one.name: route_of(one) for one in settings}
    if os.environ.get(URL):
        endpoint = Endpoint(os.environ[URL], allow_private=True)
        routes.setdefault("webhook", Route(WebhookReceiver(endpoint, os.environ.get(SECRET))))
    if os.environ.get("REWARD_DRIFT_STDOUT") == "1":
        routes.setdefault("stdout", Route(StdoutReceiver()))
    return routes


def route_of(one: ReceiverSettings) -> Route:
    """One receiver with what it is told. Raises ReceiverUnusable."""
    refresh = REFRESH if one.kind == "alertmanager" else None
    severities = tuple(name for name in SEVERITIES if name in one.severities)
    try:
        return Route(_receiver(one), severities, one.fallback, refresh)
    except DeliveryFailed as fault:
        raise ReceiverUnusable(f"receivers: {one.name}: {fault}; mend it and run `reward-drift doctor`") from None


def _receiver(one: ReceiverSettings) -> Receiver:
    secret = _secret(one.name, None, one.secret_env, one.secret_file)
    if one.kind == "stdout":
        return StdoutReceiver()
    url = _secret(one.name, one.url, one.url_env, one.url_file) or PAGERDUTY
    if one.kind == "apprise":
        apprise = AppriseReceiver(url, allow_private=one.allow_private, timeout_seconds=one.timeout_seconds)
        apprise.service()
        return apprise
    if one.kind == "alertmanager" and not url.endswith(PATH):
        url = url.rstrip("/") + PATH
    endpoint = Endpoint(url, allow_private=one.allow_private, timeout_seconds=one.timeout_seconds)
    endpoint.url()
    if one.kind == "alertmanager":
        return AlertmanagerReceiver(endpoint, secret)
    if one.kind == "pagerduty":
        return PagerDutyReceiver(endpoint, secret or "")
    return SlackReceiver(endpoint) if one.kind == "slack" else WebhookReceiver(endpoint, secret)


def _secret(name: str, plain: str | None, variable: str | None, file: object) -> str | None:
    """The value itself, or what a variable or a file holds. Raises ReceiverUnusable."""
    if variable:
        if not (value := os.environ.get(variable, "").strip()):
            raise ReceiverUnusable(f"receivers: {name}: {variable} is not set; set it where the monitor runs")
        return value
    if file:
        try:
            with open(str(file), encoding="utf-8") as held:
                return held.read().strip() or None
        except (OSError, UnicodeDecodeError) as fault:
            why = type(fault).__name__
            raise ReceiverUnusable(f"receivers: {name}: {file} cannot be read: {why}; mend it") from None
    return plain
