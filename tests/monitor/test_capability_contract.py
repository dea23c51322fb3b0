"""Is the capability contract read strictly, and does it say what must pass?"""

from pathlib import Path

import pytest

from monitor.commands.common import UsageFault
from monitor.commands.setup import init
from monitor.gate.contract import (
    Contract,
    ContractRejected,
    load_contract,
    protected_slices,
    required_by,
    template,
)
from monitor.settings import parse_settings
from tests.monitor.evaluated_events import category, contract

FACTS = {"suite": "facts"}


def refusal(folder: Path, text: str) -> list[str]:
    (folder / "c.yaml").write_text(text)
    with pytest.raises(ContractRejected) as caught:
        load_contract(folder / "c.yaml")
    return str(caught.value).removeprefix(f"{folder}/").replace(f"\n{folder}/", "\n").splitlines()


@pytest.fixture
def shipped(tmp_path: Path) -> Contract:
    path = tmp_path / "capabilities.yaml"
    path.write_text(template(), encoding="utf-8")
    return load_contract(path)


def test_a_command_writes_the_policy_and_settings_that_may_name_it(tmp_path: Path, shipped: Contract) -> None:
    (tmp_path / "capabilities.yaml").unlink()
    path = tmp_path / "reward-drift.yaml"
    init(path)
    init(path, contract=True)
    assert load_contract(tmp_path / "capabilities.yaml").digest == shipped.digest
    with pytest.raises(UsageFault, match=r"capabilities\.yaml: exists"):
        init(path, contract=True)
    named = path.read_text().replace("# gate.contract: capabilities.yaml", "gate: {contract: capabilities.yaml}")
    assert parse_settings(named).gate.contract == "capabilities.yaml"


def test_the_shipped_policy_is_the_one_that_was_promised(shipped: Contract) -> None:
    bars = {one.kind: one.tolerance for one in shipped.categories if one.kind != "golden"}
    assert bars == {"knowledge": 0.02, "chat": 0.1, "refusal": 0.0}
    assert {"golden_items", "refusal_retention", "reward_outcome_decoupling"} <= {*required_by(shipped)}
    assert {"judge_calibration", "lineage_completeness"} <= {*required_by(shipped)}
    assert protected_slices(shipped) == (
        "category=product-knowledge",
        "category=chat",
        "category=refusals",
        "category=golden",
    )


def test_every_problem_is_told_at_once_with_line_key_and_nearest_key(tmp_path: Path) -> None:
    told = refusal(
        tmp_path,
        "categories:\n"
        "  - name: facts\n"
        "    kind: knowledge\n"
        "    tolerence: 0.1\n"
        "    tests:\n"
        "      - {suite: facts}\n"
        "      - suite: more\n"
        "        catgory: x\n"
        "  - name: manners\n"
        "    kind: style\n"
        "    tests: []\n"
        "changed_item: refuse\n"
        "shared_at_least: 2\n",
    )
    places = {tuple(line.split(": ")[:2]) for line in told}
    assert places == {
        ("c.yaml:4", "categories.0.tolerence"),
        ("c.yaml:8", "categories.0.tests.1.catgory"),
        ("c.yaml:10", "categories.1.kind"),
        ("c.yaml:10", "categories.1.kind"),
        ("c.yaml:12", "changed_item"),
        ("c.yaml:13", "shared_at_least"),
    }
    nearest = {line.split("did you mean ")[1] for line in told if "did you mean" in line}
    assert nearest == {"`tolerance`?", "`category`?", "`changed_items`?"}


def test_a_key_written_twice_in_one_of_the_categories_is_refused(tmp_path: Path) -> None:
    (line,) = refusal(tmp_path, "categories:\n  - name: a\n    kind: chat\n    name: b\n    tests: [{suite: s}]\n")
    assert line == "c.yaml:4: categories.0.name: written twice"


@pytest.mark.parametrize(
    ("wrong", "cause"),
    [
        ("{name: a, kind: chat, tests: []}", "a category that nothing tests cannot pass"),
        ("{name: a, kind: chat, tests: [{suite: s, anchor_set: t}]}", "name a suite or an anchor_set"),
        ("{name: a, kind: chat, tests: [{anchor_set: t, range: [1, 10]}]}", "an anchor set is tested whole"),
        ("{name: a, kind: chat, tests: [{suite: s, range: [1, 1]}]}", "range needs low < high"),
        ("{name: a, kind: chat, tests: [{suite: s}], share: 0.1, cohort: a=b}", "not both"),
        ("{name: a, kind: golden, tests: [{suite: s}], tolerance: 0.1}", "a golden item has no tolerance"),
        ("{name: a, kind: chat, tests: [{suite: s}], tolerance: 1.5}", "less than 1"),
        ("{name: a, kind: chat, tests: [{suite: s}], cohort: topic}", "should match pattern"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, wrong: str, cause: str) -> None:
    (line,) = refusal(tmp_path, f"categories: [{wrong}]\n")
    assert cause in line


def test_a_contract_of_nothing_is_refused(tmp_path: Path) -> None:
    assert "a contract of none asks nothing" in refusal(tmp_path, "categories: []\n")[0]


def test_a_category_declared_twice_is_refused(tmp_path: Path) -> None:
    one = "{name: a, kind: chat, tests: [{suite: s}]}"
    (line,) = refusal(tmp_path, f"categories: [{one}, {one}]\n")
    assert "category a is declared twice" in line


def test_a_file_that_is_not_there_names_the_command_that_writes_one(tmp_path: Path) -> None:
    with pytest.raises(ContractRejected, match="init --contract"):
        load_contract(tmp_path / "none.yaml")


def test_what_is_not_protected_is_not_required() -> None:
    plain = contract(category("facts", "knowledge", FACTS))
    assert required_by(plain) == ()
    assert protected_slices(plain) == ()
    assert plain.must_pass("facts")  # if somebody requires the check all the same
    more = category("more", "chat", FACTS)
    kept = contract(category("facts", "knowledge", FACTS, protected=True), more)
    assert required_by(kept) == ("capability_regression",)
    assert [kept.must_pass(name) for name in kept.names] == [True, False]


def test_the_digest_is_of_what_is_said(tmp_path: Path) -> None:
    one, other = tmp_path / "one.yaml", tmp_path / "other.yaml"
    one.write_text("categories:\n  - {name: a, kind: chat, tests: [{suite: s}]}\n")
    other.write_text("# the same\ncategories:\n  - {kind: chat, tests: [{suite: s, range: [0, 1]}], name: a}\n")
    assert load_contract(one).digest == load_contract(other).digest
    other.write_text("categories:\n  - {name: a, kind: chat, tests: [{suite: s}], tolerance: 0.2}\n")
    assert load_contract(one).digest != load_contract(other).digest
