"""What do checks see when a candidate is tried against a reference?"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from monitor.snapshot import Snapshot


@dataclass(frozen=True)
class Trial(Snapshot):
    """A snapshot of two checkpoints: `latest()` is the candidate, and the baseline is the reference.

    stage: offline | canary | ramp | full. files: folders of sealed artefacts that a decision binds, by role
    (`candidate`, `reference`, `anchors:NAME`). training: files the candidate was trained on, searched for held-out
    items. base: the model both began with, where its suites are compared; None where unknown.
    """

    candidate: str = ""
    reference: str = ""
    stage: str = "offline"
    base: str | None = None
    files: Mapping[str, Path] = field(default_factory=dict)
    training: tuple[Path, ...] = ()

    def latest(self) -> str | None:
        """The candidate, whoever began last."""
        return self.candidate
