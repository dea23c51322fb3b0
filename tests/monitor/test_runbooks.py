"""Does every alert have a runbook that is whole, and does it name commands and options that exist?"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor.check import load_checks
from monitor.cli import Commands
from monitor.commands.lazy import load
from monitor.oncall.cannot_page import CHECK as DELIVERY
from monitor.oncall.machinery import RULES
from monitor.oncall.runbook import question_of, read_runbook, runbook_names
from tests.end_to_end.command import reward_drift

SECTIONS = [
    "Usual causes",
    "Is it a data fault? Three checks",
    "Read these five",
    "Decide",
    "Commands",
    "Verify recovery",
    "Whom to wake, and when",
]
README = Path(__file__).parents[2] / "monitor" / "README.md"
ROW = re.compile(r"^\| `(\w+)` \|.*\| ([^|]+) \|$", re.MULTILINE)


def raising() -> set[str]:
    """Checks that may raise an alert, as the table of the README tells."""
    told = dict(ROW.findall(README.read_text().partition("## The checks")[2].partition("## What is promised")[0]))
    watched = {one.name for one in load_checks().values() if one.on & {"production", "checkpoint"}}
    return {name for name in watched if not told.get(name, "page").startswith("nothing") and told.get(name)}


def invocations(text: str) -> Iterator[list[str]]:
    """Every `reward-drift ...` of a runbook, in a line of a block of commands or in backticks."""
    blocks = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    quoted = re.findall(r"`(reward-drift [^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    for line in [*blocks, *quoted]:
        yield shlex.split(line, comments=True)


def command_of(words: list[str]) -> tuple[Any, list[str]]:
    """The command that words call, and what is left of them. Fails where there is none."""
    assert words[0] == "reward-drift"
    assert words[1] in Commands.entries, f"no command {words[1]}"
    command, rest = load(words[1], Commands.entries[words[1]]), words[2:]
    below = getattr(command, "commands", None)
    if below is None:
        return command, rest
    assert rest[0] in below, f"no command {words[1]} {rest[0]}"
    return below[rest[0]], rest[1:]


def test_every_rule_that_can_alert_has_a_runbook() -> None:
    assert len(raising()) >= 11
    assert {*raising(), *RULES, DELIVERY} - {*runbook_names()} == set()


def test_every_runbook_is_of_a_rule() -> None:
    assert {*runbook_names()} - {*load_checks(), *RULES, DELIVERY} == set()


@pytest.mark.parametrize("name", runbook_names())
def test_a_runbook_is_whole(name: str) -> None:
    text = read_runbook(name)
    assert text.startswith(f"# {name}\n\n")
    assert question_of(text).endswith(".")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == SECTIONS
    data_fault = text.partition("Three checks")[2].partition("## Read")[0]
    assert len(re.findall(r"^\d\. ", data_fault, re.MULTILINE)) == 3
    assert text.count("\n| ") >= 3, "a decision table"


@pytest.mark.parametrize("name", runbook_names())
def test_a_runbook_names_only_commands_and_options_that_exist(name: str) -> None:
    called = list(invocations(read_runbook(name)))
    assert called
    for words in called:
        command, rest = command_of(words)
        options = {option for one in command.params for option in (*one.opts, *one.secondary_opts)}
        for word in rest:
            if word.startswith("-"):
                assert word.partition("=")[0] in options, f"{' '.join(words)}: no option {word}"


def test_a_command_or_an_option_that_does_not_exist_is_found() -> None:
    with pytest.raises(AssertionError, match="no command alerts snooze"):
        command_of(["reward-drift", "alerts", "snooze", "1"])
    with pytest.raises(AssertionError, match="no command unalert"):
        command_of(["reward-drift", "unalert"])
    (words,) = invocations("`reward-drift alerts ack 1 --until never`")
    command, rest = command_of(words)
    assert "--until" in rest
    assert "--until" not in {option for one in command.params for option in one.opts}


def test_runbooks_are_printed_offline_and_a_wrong_name_names_the_nearest() -> None:
    assert reward_drift("runbook", "no_data").out.startswith("# no_data")
    listed = reward_drift("runbook", "--list", "--json").json["runbooks"]
    assert [row["name"] for row in listed] == runbook_names()
    wrong = reward_drift("runbook", "no_date")
    assert wrong.code == 2
    assert "did you mean no_data?" in wrong.err
    assert reward_drift("runbook").code == 2
