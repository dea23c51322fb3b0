"""What is a receiver? Something that takes one message about an alert, or says why not and when to try again."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol, Self

from monitor.result import Alert, plain_json

Kind = Literal["fired", "raised", "acked", "unacked", "resolved", "superseded", "reminder", "digest", "test"]
ENDED: tuple[Kind, ...] = ("resolved", "superseded")


class DeliveryFailed(Exception):  # noqa: N818
    """The receiver did not take the message. The text never holds a secret, nor a byte of what it answered.

    retry_after: the least time it asked us to wait. final: it will never take this message; the fallback may.
    """

    def __init__(self, why: str, retry_after: dt.timedelta = dt.timedelta(0), *, final: bool = False) -> None:
        super().__init__(why)
        self.retry_after, self.final = retry_after, final


@dataclass(frozen=True)
class Message:
    """One thing to be told: a transition of an episode, a reminder, a digest or a test.

    dedup_key: the same for all of an episode, or of a combined message. alert: the alert of the output contract as
    plain JSON, with its `state`. kind: what happened. loop: whose alert. at: when it happened, RFC 3339. page: the
    lines that a person reads, most important first; none: a line is made of the alert. links: name ("open", "runbook")
    -> https URL. note: who acked and until when, why it was resolved. members: of a combined message, the alert of
    every episode that it stands for; a receiver that groups by itself gets these. via: receivers that could not
    deliver it.
    """

    dedup_key: str
    alert: Mapping[str, Any]
    kind: Kind = "fired"
    loop: str = ""
    at: str = ""
    page: tuple[str, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    members: tuple[Mapping[str, Any], ...] = ()
    via: tuple[str, ...] = ()

    @classmethod
    def about(
        cls, alert: Alert, dedup_key: str, now: dt.datetime, loop: str, kind: Kind = "fired", **more: Any
    ) -> Self:
        """The message of one alert; more: other fields of a message."""
        return cls(dedup_key, plain_json(asdict(alert)), kind, loop, plain_json(now), **more)

    @classmethod
    def from_plain(cls, body: Mapping[str, Any]) -> Self:
        """As it was kept. Rows of earlier releases have a key and an alert alone: it fired."""
        lists = {name: tuple(body.get(name, ())) for name in ("page", "members", "via")}
        return cls(**{**body, **lists})

    def to_plain(self) -> dict[str, Any]:
        """Plain JSON types, to be kept or sent."""
        plain: dict[str, Any] = plain_json(asdict(self))
        return plain

    @property
    def severity(self) -> str:
        """ticket, warning or page: of the alert."""
        return str(self.alert["severity"])

    @property
    def ended(self) -> bool:
        """Whether nothing is open under its key any more."""
        return self.kind in ENDED

    @property
    def lines(self) -> tuple[str, ...]:
        """What a person reads, never empty; the first line alone says what it is about.

        >>> Message("k", {"severity": "page", "message": "users do worse"}, "resolved", "support").lines
        ('[RESOLVED] support: users do worse',)
        """
        mark = self.severity if self.kind in ("fired", "raised") else self.kind
        page = self.page or (f"{self.loop + ': ' if self.loop else ''}{self.alert['message']}",)
        head = page[0] if page[0].startswith("[") else f"[{mark.upper()}] {page[0]}"
        return (head, *page[1:], *([self.note] if self.note else []))


class Receiver(Protocol):
    """A place that messages are sent to."""

    def send(self, message: Message) -> None:
        """Hand over one message, already redacted. Raises DeliveryFailed."""
        ...


@dataclass(frozen=True)
class Route:
    """A receiver and what it is told.

    severities: of which alerts. fallback: name of the receiver that gets what this one does not take. refresh: the
    receiver forgets, and is told of open alerts again each so often.
    """

    receiver: Receiver
    severities: tuple[str, ...] = ("ticket", "warning", "page")
    fallback: str | None = None
    refresh: dt.timedelta | None = None
