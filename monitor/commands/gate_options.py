"""Options that the commands of the gate share."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from monitor.commands.common import UsageFault

EventsOption = Annotated[
    list[str] | None,
    typer.Option("--events", "-e", help="Event files to decide on instead of a store; repeatable.", metavar="FILE..."),
]
MoreFiles = Annotated[list[str] | None, typer.Argument(help="More event files, after --events.", metavar="[FILE...]")]
ArtifactOption = Annotated[
    list[str] | None,
    typer.Option(
        "--artifact",
        help="A sealed folder by its role: candidate, reference or anchors:NAME; repeatable.",
        metavar="ROLE=FOLDER",
    ),
]


def artifacts_of(told: Sequence[str] | None) -> Mapping[str, Path]:
    """Folders by role. Raises UsageFault for one that is not ROLE=FOLDER, is told twice or cannot be looked into."""
    found: dict[str, Path] = {}
    for one in told or ():
        role, _, folder = one.partition("=")
        if not folder or not (role in ("candidate", "reference") or role.removeprefix("anchors:") not in ("", role)):
            raise UsageFault(f"--artifact {one}: say candidate=FOLDER, reference=FOLDER or anchors:NAME=FOLDER")
        if role in found:
            raise UsageFault(f"--artifact {one}: {role} is told twice")
        try:
            if not Path(folder).is_dir():
                raise UsageFault(f"--artifact {one}: {folder}: no such folder")
        except OSError as fault:
            raise UsageFault(f"--artifact {one}: {folder}: {fault.strerror}") from None
        found[role] = Path(folder)
    return found
