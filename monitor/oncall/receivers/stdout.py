"""How does an alert reach a terminal or a log? One line of JSON."""

import json
import sys
from collections.abc import Mapping
from typing import Any


class StdoutReceiver:
    """Writes each message as one JSON line to standard output."""

    def send(self, message: Mapping[str, Any]) -> None:
        """Write and flush the line."""
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()
