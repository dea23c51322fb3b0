"""What is to be done about an alert? One page a rule, in the package, so that it is there when the network is not."""

import difflib
from importlib.resources import files

from consumers.mendable import Mendable


class NoRunbook(Mendable):
    """There is no runbook of this name; the message names the nearest."""


def runbook_names() -> list[str]:
    """Rules that have a runbook, in alphabetical order."""
    found = (files("monitor.oncall") / "runbooks").iterdir()
    return sorted(one.name.removesuffix(".md") for one in found if one.name.endswith(".md"))


def read_runbook(name: str) -> str:
    """The text of a runbook, Markdown. Raises NoRunbook."""
    if name not in runbook_names():
        close = difflib.get_close_matches(name, runbook_names(), n=1)
        nearest = f"did you mean {close[0]}? " if close else ""
        raise NoRunbook(f"no runbook {name!r}; {nearest}`reward-drift runbook --list` names them all")
    return (files("monitor.oncall") / "runbooks" / f"{name}.md").read_text(encoding="utf-8")


def question_of(text: str) -> str:
    """The first sentence of a runbook: what the alert means."""
    return next(line for line in text.splitlines()[1:] if line.strip())
