"""Would the gate decide the same again, on what it had then? What differs, and what cannot be looked at any more?"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monitor.gate.freeze import BLOCKING as FROZEN
from monitor.snapshot import slice_name

COMPARED = ("verdict", "tolerance", "n", "required", "blocks")
ENDS = ("value", "low", "high")
AS_CLOSE = 1e-9  # numbers that differ less are the same, summed in another order
NOTED = ("highest_seq",)  # bound to find the events again; their digest is what is compared
WAY_BACK = {
    "artefact": "`--artifact {role}=FOLDER`, where the sealed folder lies now",
    "anchors": "`--artifact anchors:{role}=FOLDER`, where the sealed set lies now",
    "training": "`--training FILE`, for each file again",
    "contract": "`gate: {{contract: FILE}}` in the settings",
}


@dataclass(frozen=True)
class Difference:
    """One thing that is not what was recorded."""

    what: str
    recorded: Any
    now: Any

    def told(self) -> str:
        """One line for people."""
        return f"{self.what}: {_shown(self.recorded)} on record, {_shown(self.now)} now"


@dataclass(frozen=True)
class Verification:
    """What a second look found. lost: what is bound and nothing is here to compare with. faults: of the records."""

    differences: Sequence[Difference]
    lost: Sequence[str] = ()
    faults: Sequence[str] = ()

    @property
    def exit_code(self) -> int:
        """0 the same, 1 something differs or the chain of records is broken, 3 some of it cannot be verified."""
        return 1 if self.differences or self.faults else 3 if self.lost else 0

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values."""
        return {
            "same": self.exit_code == 0,
            "differences": [vars(one) for one in self.differences],
            "lost": list(self.lost),
            "faults": list(self.faults),
        }


def compare(recorded: Mapping[str, Any], again: Mapping[str, Any], faults: Sequence[str] = ()) -> Verification:
    """Two reports of the gate in the output contract: that on record, and that of the same question asked again.

    A freeze is not asked again: of a decision that was frozen the rest is compared. faults: of the chain of records.
    """
    differences = [*_decisions(recorded, again), *_findings(recorded, again), *_bound(recorded, again)]
    lost = [_lost(name) for name in recorded["bound"] if name not in again["bound"] and name not in NOTED]
    return Verification(differences, lost, faults)


def _decisions(recorded: Mapping[str, Any], again: Mapping[str, Any]) -> Iterator[Difference]:
    was_frozen = FROZEN in recorded["blocking"]
    if recorded["decision"] != again["decision"] and not was_frozen:
        yield Difference("decision", recorded["decision"], again["decision"])
    before, now = ([name for name in one["blocking"] if name != FROZEN] for one in (recorded, again))
    if before != now:
        yield Difference("blocking", before, now)


def _findings(recorded: Mapping[str, Any], again: Mapping[str, Any]) -> Iterator[Difference]:
    before, now = (
        {_name(one): one for one in report["findings"] if one["check"] != FROZEN} for report in (recorded, again)
    )
    for name in dict.fromkeys([*before, *now]):
        if name not in before or name not in now:
            yield Difference(name, _verdict(before.get(name)), _verdict(now.get(name)))
            continue
        for field, was, found in _numbers(before[name], now[name]):
            if not _same(was, found):
                yield Difference(f"{name} {field}", was, found)


def _numbers(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    yield from ((field, before[field], now[field]) for field in COMPARED)
    yield from ((f"effect.{end}", before["effect"][end], now["effect"][end]) for end in ENDS)


def _bound(recorded: Mapping[str, Any], again: Mapping[str, Any]) -> Iterator[Difference]:
    for name, digest in recorded["bound"].items():
        if name not in NOTED and name in again["bound"] and again["bound"][name] != digest:
            yield Difference(name, digest, again["bound"][name])


def _lost(name: str) -> str:
    kind, _, role = name.partition(":")
    way = WAY_BACK.get(kind)
    return f"{name} is on record, and nothing is here to compare it with" + (
        f"; {way.format(role=role)}" if way else ""
    )


def _same(was: Any, found: Any) -> bool:
    if isinstance(was, float) and isinstance(found, int | float):
        return math.isclose(was, found, rel_tol=AS_CLOSE, abs_tol=AS_CLOSE)
    return bool(was == found)


def _name(finding: Mapping[str, Any]) -> str:
    part = slice_name(finding["slice"])
    return f"{finding['check']}[{part}]" if part else str(finding["check"])


def _verdict(finding: Mapping[str, Any] | None) -> str | None:
    return finding["verdict"] if finding else None


def _shown(value: Any) -> str:
    return "nothing" if value is None else str(value)
