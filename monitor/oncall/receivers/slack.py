"""How does a message reach a Slack channel? An incoming webhook: a text for the notification, blocks to read."""

import json
from typing import Any

from monitor.oncall.receivers.endpoint import Endpoint
from monitor.oncall.receivers.port import Message

SECTION_CHARACTERS = 3000  # Slack refuses a section that is longer


class SlackReceiver:
    """POSTs each message to the incoming webhook of one channel. The URL is the secret."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint

    def send(self, message: Message) -> None:
        """Raises DeliveryFailed unless Slack answers 200."""
        self.endpoint.post(json.dumps(_slack_message(message)).encode(), {"content-type": "application/json"})


def escape(text: str) -> str:
    """Text in which nothing calls a channel, a person or a link.

    >>> escape("<!channel> R&D")
    '&lt;!channel&gt; R&amp;D'
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _slack_message(message: Message) -> dict[str, Any]:
    lines = [escape(line) for line in message.lines]
    blocks = [_section(f"*{lines[0]}*"), *([_section("\n".join(lines[1:]))] if lines[1:] else [])]
    if message.links:
        links = " | ".join(f"<{escape(url)}|{escape(name)}>" for name, url in message.links.items())
        blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": links}]})
    return {"text": lines[0][:SECTION_CHARACTERS], "blocks": blocks}


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text[:SECTION_CHARACTERS], "verbatim": True}}
