"""What is told when a receiver does not take what it must be told? An alert of its own, on a second path."""

import datetime as dt
import hashlib
import json

from monitor.check import Interval
from monitor.oncall.receivers.port import Message
from monitor.result import Alert

CHECK = "delivery"  # in the place of a check, in alerts about receivers
TEST = "test"


def cannot_page(receiver: str, loop: str, severity: str, why: str, since: dt.datetime, now: dt.datetime) -> Message:
    """The message that `receiver` cannot be reached. Its key is that of one outage."""
    return Message.about(
        receiver_alert(receiver, loop, severity, since, f"alerts do not reach {receiver}: {why}"),
        f"{_fingerprint(receiver, loop)}:{int(since.timestamp())}",
        now,
        loop,
        page=(
            f"[{severity.upper()}] {loop}: alerts do not reach {receiver}, since {since:%d %b %H:%M} UTC",
            f"last fault: {why}; everything waits and is tried again, nothing is lost",
            f"DO: 1 reward-drift doctor  2 reward-drift alerts test --receiver {receiver}",
        ),
    )


def pages_again(receiver: str, told_key: str, loop: str, now: dt.datetime) -> Message:
    """The end of that outage, under its key."""
    alert = receiver_alert(receiver, loop, "ticket", now, f"{receiver} takes alerts again", state="resolved")
    return Message.about(alert, told_key, now, loop, "resolved")


def receiver_alert(
    receiver: str, loop: str, severity: str, since: dt.datetime, told: str, check: str = CHECK, state: str = "firing"
) -> Alert:
    """An alert about a receiver: it stands on no evidence and has no effect."""
    return Alert(
        fingerprint=_fingerprint(receiver, loop, check),
        check=check,
        attribution="tool_fault",
        severity=severity,
        slice={"receiver": receiver},
        checkpoint="",
        fired_at=since,
        leading="tool_fault",
        shares={},
        effect=Interval(),
        reward_change=Interval(),
        outcome_change=Interval(),
        n=0,
        message=told,
        evidence=None,
        state=state,
    )


def _fingerprint(receiver: str, loop: str, check: str = CHECK) -> str:
    return hashlib.sha256(json.dumps([loop, check, receiver]).encode()).hexdigest()
