"""What is a receiver? Something that takes one alert, or says why not and when to try again."""

import datetime as dt
from collections.abc import Mapping
from typing import Any, Protocol


class DeliveryFailed(Exception):  # noqa: N818
    """The receiver did not take the alert. `retry_after`: the least time it asked us to wait."""

    def __init__(self, why: str, retry_after: dt.timedelta = dt.timedelta(0)) -> None:
        super().__init__(why)
        self.retry_after = retry_after


class Receiver(Protocol):
    """A place that alerts are sent to."""

    def send(self, message: Mapping[str, Any]) -> None:
        """Hand over one message: its `dedup_key` and the `alert` of the output contract. Raises DeliveryFailed."""
        ...
