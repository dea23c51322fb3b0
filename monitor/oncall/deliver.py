"""Which receivers are configured? Secrets come from the environment, never from the settings file."""

import os

from monitor.oncall.receivers.port import Receiver
from monitor.oncall.receivers.stdout import StdoutReceiver
from monitor.oncall.receivers.webhook import WebhookReceiver

URL, SECRET = "REWARD_DRIFT_WEBHOOK_URL", "REWARD_DRIFT_WEBHOOK_SECRET"


def configured_receivers() -> dict[str, Receiver]:
    """Receivers by name: the webhook if its URL is set, else nothing but standard output when asked for.

    REWARD_DRIFT_STDOUT=1 writes each alert as a JSON line to standard output.
    """
    receivers: dict[str, Receiver] = {}
    if os.environ.get(URL):
        receivers["webhook"] = WebhookReceiver(os.environ[URL], os.environ.get(SECRET))
    if os.environ.get("REWARD_DRIFT_STDOUT") == "1":
        receivers["stdout"] = StdoutReceiver()
    return receivers
