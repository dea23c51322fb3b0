"""What does an open incident of the intake mean for people, and what are they to do?"""

import datetime as dt
from collections.abc import Sequence

from consumers.incidents import ARTIFACT_REJECTED, STOPPING, Incident
from monitor.check import Interval
from monitor.oncall.alerts import CENSUS, Crossing, Episode
from monitor.production.items import EPOCH, day_of
from monitor.result import Alert
from monitor.snapshot import slice_name

CHECK = "intake_gap"


def severity_of(incident: Incident) -> str:
    """Reading that has stopped is a warning, and so is a checkpoint that nobody scores because it was refused. Records
    that are gone are a ticket, as nobody can bring them back tonight.

    A blind monitor would be a page only where checkpoints are promoted without a person, which this release never does.
    """
    return "warning" if incident.kind in STOPPING | {ARTIFACT_REJECTED} else "ticket"


def noticed(incident: Incident) -> dt.datetime:
    """When it was noticed."""
    return EPOCH + dt.timedelta(microseconds=incident.noticed_at_us)


def lost(incident: Incident) -> str:
    """Which places were lost, in words."""
    if incident.kind == ARTIFACT_REJECTED:
        return "it was refused and is not scored"
    unit = "offsets" if incident.source.startswith("kafka:") else "bytes"
    first, until = incident.lost_from, incident.lost_until
    if first is None and until is None:
        return "nothing is known to be lost" if incident.kind in STOPPING else "how much was lost is unknown"
    if until is None:
        return f"{unit} from {first} on may be lost"
    return f"{unit} {first} to {until - 1} are lost" if first is not None else f"{unit} before {until} are lost"


def told(incident: Incident) -> str:
    """The incident in one line: source, kind, range, what happened, the next command."""
    stopped = "reading has stopped; " if incident.kind in STOPPING else ""
    close = f"`reward-drift incidents close {incident.id} --note ...`"
    return (
        f"{incident.source}: {incident.kind}: {lost(incident)}; {stopped}{incident.detail}. When it is settled: {close}"
    )


def episode_of(incident: Incident) -> Episode:
    """The episode of its alert: one an incident, as long as the incident is open."""
    part = {"incident": str(incident.id), "source": incident.source}
    crossing = Crossing(severity_of(incident), CENSUS, day_of(noticed(incident)))
    return Episode(CHECK, slice_name(part), part, (crossing,))


def alert_of(incident: Incident, loop: str) -> Alert:
    """The alert of one open incident. It stands on a count, so that it has neither effect nor evidence."""
    episode = episode_of(incident)
    return Alert(
        fingerprint=episode.fingerprint(loop),
        check=CHECK,
        attribution="data_fault",
        severity=episode.severity,
        slice=episode.slice,
        checkpoint="",
        fired_at=noticed(incident),
        leading="data_fault",
        shares={},
        effect=Interval(),
        reward_change=Interval(),
        outcome_change=Interval(),
        n=0,
        message=f"{loop}: {told(incident)}",
        evidence=None,
    )


def gap_notes(incidents: Sequence[Incident]) -> list[str]:
    """What a reader of findings must know while incidents are open, one line each."""
    return [f"the data have a gap: {told(incident)}" for incident in incidents]
