"""Are the weights on offer, byte for byte, those that were sealed, told and scored?"""

from collections.abc import Iterator

import numpy as np

from monitor.check import Measurement, check
from monitor.gate.artefacts import Found, Told, answered_as, found_of, read_told
from monitor.gate.trial import Trial

ADD = "`--artifact {role}=FOLDER`, the sealed folder that would be promoted"
TELL = "a sha256 told of {checkpoint} (by `reward-drift score`, or in a checkpoint event)"


@check(family="governance", on={"gate"}, severity="page")
def weights_unchanged(snapshot: Trial, *, tolerance: float = 0.0) -> Iterator[Measurement]:
    """Yield a census of comparisons for the candidate and for the reference.

    Effects: shape (comparisons,), 1 where bytes differ: each file against its seal (as one), the folder against every
    sha256 told of the checkpoint, and against every folder that answered held-out items under its name; without a
    folder, what was told against each other. Exact: no interval. Nothing differs, and folder or sha256 is missing: no
    effects. Tolerance: share of comparisons. Raises nothing.
    Source: Carlini et al. 2024, arXiv:2302.10149 (what is fetched later is not what was looked at).
    """
    told = read_told(snapshot.engine, snapshot.as_of)
    for role, checkpoint in (("candidate", snapshot.candidate), ("reference", snapshot.reference)):
        found = found_of(snapshot, told, checkpoint)
        said = _said(snapshot, told, checkpoint)
        effects, faults = _compared(found, said)
        lacks = [] if faults else _lacking(role, checkpoint, found, said)
        yield Measurement(
            {"checkpoint": checkpoint},
            np.array([] if lacks else effects),
            tolerance,
            exact=True,
            needs=" and ".join(lacks),
            note="; ".join(faults),
        )


def _said(trial: Trial, told: list[Told], checkpoint: str) -> dict[str, str]:
    """Digest -> who told it first."""
    said = {one.sha256: one.source for one in reversed(told) if one.checkpoint == checkpoint and one.sha256}
    answered = answered_as(trial.engine, checkpoint, trial.as_of)
    return {**dict.fromkeys(sorted(answered), "answers to held-out items"), **said}


def _compared(found: Found | None, said: dict[str, str]) -> tuple[list[float], list[str]]:
    """One effect a comparison, and a line for each that differs."""
    if found is None or found.is_unknown:
        others = list(said)[1:]
        return [1.0] * len(others), [f"told with {_and(said)}"] if others else []
    if found.manifest is None:
        return [1.0], [found.why]
    apart = {digest: who for digest, who in said.items() if digest not in found.weights}
    faults = [f"{found.folder} has digest {found.digest}, told was {_and(apart)}"] if apart else []
    return [0.0, *(float(digest in apart) for digest in said)], faults


def _lacking(role: str, checkpoint: str, found: Found | None, said: dict[str, str]) -> list[str]:
    lacks = []
    if found is None or found.manifest is None:
        why = f" ({found.why})" if found else ""
        lacks.append(ADD.format(role=role) + why)
    return lacks if said else [*lacks, TELL.format(checkpoint=checkpoint)]


def _and(said: dict[str, str]) -> str:
    return " and ".join(f"sha256 {digest} by {who}" for digest, who in said.items())
