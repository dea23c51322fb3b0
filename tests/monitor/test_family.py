"""Is the budget shared out whole, whatever the slices and their risks?"""

import math

import pytest
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as any_

from monitor.detection.book import SeriesBook, SeriesInfo, SeriesKey
from monitor.detection.evidence import family_weights
from monitor.statistics.family import (
    ANCHORED_WEIGHT,
    CURVE_WEIGHT,
    ESCAPE_WEIGHT,
    GUARD_SCORES,
    SCORE_WEIGHTS,
    SLICE_WEIGHT,
    VOICE_WEIGHT,
    guard_weight,
    slice_weights,
)

NAMES = any_.sampled_from([f"tier={name}" for name in "abcdefgh"])
SHARES = any_.dictionaries(NAMES, any_.floats(0, 1))
RISKS = any_.dictionaries(NAMES, any_.floats(min_value=0, exclude_min=True, allow_infinity=False))
CHECKS = {"A1": "decoupling", "A2": "decoupling", "A7": "decoupling", "A4": "decoupling", "A3": "association"}


@budget(max_examples=100, deadline=None, derandomize=True)
@given(SHARES, RISKS)
def test_the_slices_share_their_mass_whole_or_not_at_all(traffic: dict[str, float], risk: dict[str, float]) -> None:
    masses = slice_weights(traffic, risk)
    assert all(0 <= mass <= SLICE_WEIGHT * (1 + 1e-12) for mass in masses.values())
    assert math.fsum(masses.values()) == pytest.approx(SLICE_WEIGHT if masses else 0.0)
    assert masses.keys() in (traffic.keys(), set())
    if any(share * risk.get(name, 1.0) > 0 for name, share in traffic.items()):
        assert masses


@budget(max_examples=100, deadline=None, derandomize=True)
@given(SHARES, SHARES, RISKS)
def test_all_series_together_have_at_most_one_unit_of_mass_a_day(
    traffic: dict[str, float], arms: dict[str, float], risk: dict[str, float]
) -> None:
    arms = {f"checkpoint={name}": share for name, share in arms.items()}
    slices = ["", *traffic, *arms]
    keys = [SeriesKey(f"reward_outcome_{check}", series, name) for series, check in CHECKS.items() for name in slices]
    judged = [("teacher_preference_drift", "B1"), ("judge_human_agreement", "B2")]
    judged += [("judge_change", series) for series in ("B6", "M", "S-", "S+")]
    keys += [SeriesKey(check, series, f"judge={judge}") for check, series in judged for judge in "jk"]
    cues = [("B4", "length"), ("B4", "own_student"), ("B4", "same_family"), ("flips", "order"), ("first", "order")]
    keys += [SeriesKey("judge_bias", series, f"cue={cue},judge={judge}") for series, cue in cues for judge in "jk"]
    keys += [SeriesKey("reward_evasion", "A8", f"escapes={way}") for way in ("reward", "outcome")]
    book = SeriesBook(0, keys, {key: SeriesInfo({"judge": key.slice[-1:]}, 0.0, 0.0, 0.0, 0, "") for key in keys})
    by_key = {"tier": {name.partition("=")[2]: share for name, share in traffic.items()}}
    weights = family_weights(book, by_key, arms, risk)
    total = math.fsum(weights.values())
    assert total + CURVE_WEIGHT + ANCHORED_WEIGHT + VOICE_WEIGHT <= 1 + 1e-9
    sliced = math.fsum(weight for key, weight in weights.items() if key.slice in slices[1:])
    assert total - sliced == pytest.approx(sum(SCORE_WEIGHTS.values()) + ESCAPE_WEIGHT + 0.07)


def test_risk_moves_mass_to_where_harm_weighs_more() -> None:
    masses = slice_weights({"tier=a": 0.9, "tier=b": 0.1}, {"tier=b": 3.0})
    assert masses["tier=b"] == pytest.approx(SLICE_WEIGHT * 0.25)


def test_the_guard_s_level_is_shared_whole() -> None:
    assert sum(guard_weight(series) for series in GUARD_SCORES) == pytest.approx(1)
