"""How does the demo's traffic look on the wire?

Every function gives the CloudEvents envelope of one event, as plain JSON types.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Event = dict[str, Any]

START = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)  # a Monday: day 0
END = START + dt.timedelta(days=365)  # later than every event of the demo
PRODUCT = {"name": "chat-widget", "environment": "production", "purpose": "product"}


@dataclass(frozen=True)
class Wire:
    """Envelopes of one loop. `loop` opens every source and id, so that two loops never share an identity."""

    loop: str

    def checkpoint(self, at: dt.datetime, checkpoint: str, stage: str, **facts: Any) -> Event:
        data = {"checkpoint": checkpoint, "stage": stage, **facts}
        return self._event("registry", f"{checkpoint}-{stage}", "checkpoint", at, data)

    def response(self, at: dt.datetime, number: int, **facts: Any) -> Event:
        return self._about(number, "gateway", "r", "response", at, facts)

    def score(self, at: dt.datetime, number: int, scorer: Mapping[str, Any], value: float) -> Event:
        return self._about(number, "scoring", "s", "score", at, {"scorer": dict(scorer), "value": value})

    def outcome(self, at: dt.datetime, number: int, solved: bool) -> Event:
        facts = {"metric": "task_success", "value": solved, "method": "human"}
        return self._about(number, "crm", "o", "outcome", at, facts)

    def customer_thumb(self, at: dt.datetime, number: int, customer: str, value: int) -> Event:
        return self._feedback(at, number, {"id": customer, "role": "end_user"}, PRODUCT, signal="thumbs", value=value)

    def click(
        self, at: dt.datetime, number: int, actor: str, role: str, surface: Mapping[str, str], value: int
    ) -> Event:
        """A thumb of somebody who is not a customer, or of nobody knows whom."""
        return self._feedback(at, number, {"id": actor, "role": role}, surface, signal="thumbs", value=value)

    def annotation(
        self, at: dt.datetime, number: int, annotator: str, surface: Mapping[str, str], **facts: Any
    ) -> Event:
        return self._feedback(at, number, {"id": annotator, "role": "annotator"}, surface, **facts)

    def response_id(self, number: int) -> str:
        return f"{self.loop}-r{number:06d}"

    def _feedback(
        self, at: dt.datetime, number: int, actor: Mapping[str, str], surface: Mapping[str, str], **facts: Any
    ) -> Event:
        kind = f"{surface['name']}-{actor['id']}-{facts['signal']}"
        facts = {"actor": dict(actor), "surface": dict(surface), **facts}
        return self._about(number, "feedback", kind, "feedback", at, facts)

    def _about(
        self, number: int, source: str, kind: str, type_: str, at: dt.datetime, facts: Mapping[str, Any]
    ) -> Event:
        response_id = self.response_id(number)
        data = {"response_id": response_id, **facts}
        return {**self._event(source, f"{response_id}-{kind}", type_, at, data), "subject": response_id}

    def _event(self, source: str, event_id: str, type_: str, at: dt.datetime, data: Mapping[str, Any]) -> Event:
        return {
            "specversion": "1.0",
            "id": event_id,
            "source": f"/demo/{self.loop}/{source}",
            "type": f"rewarddrift.{type_}.v1",
            "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "datacontenttype": "application/json",
            "data": dict(data),
        }


def at(day: int, second: float) -> dt.datetime:
    """The moment `second` seconds into day `day` of the demo."""
    return START + dt.timedelta(days=int(day), seconds=float(second))
