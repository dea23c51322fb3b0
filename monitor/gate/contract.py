"""What may a fine-tune not unlearn? The capability contract, declared before a run and checked whole before use."""

import hashlib
from collections.abc import Iterator
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, model_validator

from consumers.canonical import canonical_json
from consumers.mendable import Mendable
from monitor.section import Name, Range, Section
from monitor.yaml_section import load_section

Kind = Literal["knowledge", "chat", "refusal", "golden"]
Share = Annotated[FiniteFloat, Field(ge=0, le=1)]
SliceName = Annotated[str, Field(pattern=r"^[^=]+=.+$")]

CHECKS: dict[str, tuple[Kind, ...]] = {
    "capability_regression": ("knowledge", "chat"),
    "refusal_retention": ("refusal",),
    "golden_items": ("golden",),
}
OTHERWISE = "`reward-drift init --contract` writes a commented one"
NO_HARM = 0.0  # the most that a refusal or golden set allows, unless the contract says otherwise


class ContractRejected(Mendable):
    """The contract cannot be used; the message lists every problem with file, line, key and the nearest valid key."""


class Probe(Section):
    """One suite, one evaluation category of a suite, or one anchor set.

    metric: needed only where a suite reports more than one. range: what maps to 0..1; values outside count as failed.
    """

    suite: Name | None = None
    category: Name | None = None
    anchor_set: Name | None = None
    metric: Name | None = None
    range: Range = (0.0, 1.0)

    @model_validator(mode="after")
    def _one_of_both(self) -> "Probe":
        if (self.suite is None) == (self.anchor_set is None):
            raise ValueError("name a suite or an anchor_set")
        if self.anchor_set is not None and self.model_fields_set - {"anchor_set"}:
            raise ValueError("an anchor set is tested whole, on its own metric; other keys are of suites")
        if not self.range[0] < self.range[1]:
            raise ValueError("range needs low < high")
        return self


class Category(Section):
    """What the product must keep doing, and how that is tested.

    share: of production traffic, as declared; cohort: measure it there instead (`topic=billing`). tolerance: the most
    harm that passes, after mapping to 0..1; none: the check's own for knowledge and chat, zero for refusal and golden.
    protected: without a PASS there is no GO. What refuses or is golden is always protected.
    """

    name: Name
    kind: Kind
    tests: tuple[Probe, ...]
    share: Share | None = None
    cohort: SliceName | None = None
    tolerance: Annotated[FiniteFloat, Field(ge=0, lt=1)] | None = None
    protected: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> "Category":
        if self.share is not None and self.cohort is not None:
            raise ValueError("declare a share, or name the cohort it is measured in, not both")
        if not self.tests:
            raise ValueError("name a test; a category that nothing tests cannot pass")
        if self.kind == "golden" and self.tolerance:
            raise ValueError("a golden item has no tolerance: it passes or it does not")
        return self

    @property
    def is_required(self) -> bool:
        """Whether each of its tests must pass."""
        return self.protected or self.kind in ("refusal", "golden")


class Contract(Section):
    """All of `capabilities.yaml`.

    changed_items: what to do where candidate and reference answered other items of one test: refuse to compare, or
    compare what both answered if that is at least `shared_at_least` of all of them. training_like: suites drawn from
    what the loop trains on; a gain there beyond that on the other tests is not one that generalises. base: the base
    model with its best prompt, as evaluations name it. requires: further checks without which there is no GO.
    """

    categories: tuple[Category, ...]
    changed_items: Literal["refuse", "compare_shared"] = "refuse"
    shared_at_least: Annotated[Share, Field(gt=0)] = 0.95
    training_like: tuple[Probe, ...] = ()
    base: Name | None = None
    requires: tuple[Name, ...] = ()

    @model_validator(mode="after")
    def _named_once(self) -> "Contract":
        if not self.categories:
            raise ValueError("declare a category; a contract of none asks nothing")
        if twice := sorted({name for name in self.names if self.names.count(name) > 1}):
            raise ValueError(f"category {', '.join(twice)} is declared twice")
        return self

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what it says; comments and the order of keys do not count."""
        return hashlib.sha256(canonical_json(self.model_dump(mode="json")).encode()).hexdigest()

    @property
    def names(self) -> tuple[str, ...]:
        """Of its categories."""
        return tuple(one.name for one in self.categories)

    def must_pass(self, name: str) -> bool:
        """Whether a required check must pass in this category: if it is required, or none that the check tests is."""
        mine = next(one for one in self.categories if one.name == name)
        alike = next(kinds for kinds in CHECKS.values() if mine.kind in kinds)
        return mine.is_required or not any(one.is_required for one in self.of(*alike))

    def of(self, *kinds: Kind) -> Iterator[Category]:
        """Categories of these kinds, as declared."""
        return (one for one in self.categories if one.kind in kinds)


def load_contract(path: Path) -> Contract:
    """Read and check a contract. Raises ContractRejected with every problem at once."""
    return load_section(path, Contract, ContractRejected, OTHERWISE)


def template() -> str:
    """The commented contract that ships as a default policy."""
    return resources.files("monitor.gate").joinpath("capabilities.yaml").read_text(encoding="utf-8")


def required_by(contract: Contract) -> tuple[str, ...]:
    """Checks without which a candidate under this contract cannot ship: those of its required categories, and named.

    >>> told = {"name": "safety", "kind": "refusal", "tests": [{"suite": "harm"}]}
    >>> required_by(Contract.model_validate({"categories": [told], "requires": ["lineage_completeness"]}))
    ('refusal_retention', 'lineage_completeness')
    """
    of_kinds = (name for name, kinds in CHECKS.items() if any(one.is_required for one in contract.of(*kinds)))
    return tuple(dict.fromkeys((*of_kinds, *contract.requires)))


def protected_slices(contract: Contract) -> tuple[str, ...]:
    """Slices `category=NAME` each of which must pass, in the order of the contract."""
    return tuple(f"category={one.name}" for one in contract.categories if one.is_required)
