"""How does a message reach a terminal or a log? One line of JSON."""

import json
import sys

from monitor.oncall.receivers.port import Message


class StdoutReceiver:
    """Writes each message as one JSON line to standard output."""

    def send(self, message: Message) -> None:
        """Write and flush the line."""
        sys.stdout.write(json.dumps(message.to_plain()) + "\n")
        sys.stdout.flush()
