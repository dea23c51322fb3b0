from dataclasses import replace
from itertools import pairwise, product

import pytest

from monitor.oncall.alerts import SEVERITIES, Crossing, Episode, Reason, transition

CHECK = "reward_outcome_decoupling"


def fire(episode: Episode | None, severity: str, day: int = 20000) -> tuple[Episode, Reason]:
    return transition(episode, (severity, "restarting"), day, CHECK, "tier=a", {"tier": "a"})


def test_the_first_crossing_opens_an_episode() -> None:
    episode, reason = fire(None, "warning")
    assert reason is Reason.FIRED
    assert episode.crossings == (Crossing("warning", "restarting", 20000),)
    assert (episode.state, episode.severity, episode.slice_name) == ("firing", "warning", "tier=a")


@pytest.mark.parametrize(("before", "after"), list(product(SEVERITIES, SEVERITIES)))
def test_a_severity_latches_and_only_a_severer_one_is_told(before: str, after: str) -> None:
    episode, _ = fire(None, before)
    raised, reason = fire(episode, after, 20005)
    if SEVERITIES.index(after) > SEVERITIES.index(before):
        assert reason is Reason.RAISED
        assert raised.crossings == (*episode.crossings, Crossing(after, "restarting", 20005))
    else:
        assert reason is Reason.LATCHED
        assert raised == episode


def test_a_severer_crossing_ends_an_ack_and_nothing_else_does() -> None:
    acked = replace(fire(None, "warning")[0], state="acked")
    assert fire(acked, "ticket")[0].state == "acked"
    assert fire(acked, "warning")[0].state == "acked"
    assert fire(acked, "page")[0].state == "firing"


def test_crossings_rise_in_severity_and_time() -> None:
    episode = None
    for day, severity in enumerate(["ticket", "ticket", "warning", "ticket", "page", "page"]):
        episode, _ = fire(episode, severity, day)
    assert episode is not None
    assert [c.severity for c in episode.crossings] == list(SEVERITIES)
    assert all(a.day < b.day for a, b in pairwise(episode.crossings))


def test_the_fingerprint_is_of_the_rule_and_the_slice_alone() -> None:
    first, later = fire(None, "ticket", 1)[0], fire(None, "page", 999)[0]
    assert first.fingerprint("loop") == later.fingerprint("loop")
    assert first.fingerprint("loop") != first.fingerprint("another loop")
    assert first.fingerprint("loop") != replace(first, check="another").fingerprint("loop")
    assert first.fingerprint("loop") != replace(first, slice={"tier": "b"}).fingerprint("loop")
    turned = replace(first, slice={"b": "2", "a": "1"}), replace(first, slice={"a": "1", "b": "2"})
    assert turned[0].fingerprint("loop") == turned[1].fingerprint("loop")
