"""Can every text be read by day and by night? Contrast of the style sheet's colours, as WCAG 2.2 defines it."""

import re
from itertools import product
from pathlib import Path

import pytest

import monitor.report

STYLE = (Path(monitor.report.__path__[0]) / "report.css").read_text(encoding="utf-8")
COLOURS = {name: pair for name, *pair in re.findall(r"--([a-z0-9-]+): light-dark\((#[0-9a-f]+), (#[0-9a-f]+)\)", STYLE)}
GROUNDS = ["ground", "card", "page-soft", "warning-soft", "good-soft", "unknown-soft"]
TEXTS = ["ink", "quiet", "reward", "outcome", "page", "warning", "ticket", "good"]
LINES = ["e2", "e3", "e4"]  # drawn and named on cards alone
FILLED = ["page", "warning", "ink"]  # carry text in the colour of the card
THEMES = {"light": 0, "dark": 1}


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    shares = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return sum(weight * share for weight, share in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", THEMES)
def test_every_text_colour_stands_out_from_every_ground(theme: str) -> None:
    pairs = [*product(TEXTS, GROUNDS), *product(LINES, ["card"]), *product(["card"], FILLED)]
    told = {pair: contrast(*(COLOURS[name][THEMES[theme]] for name in pair)) for pair in pairs}
    assert {pair: round(ratio, 2) for pair, ratio in told.items() if ratio < 4.5} == {}


def test_contrast_is_measured_as_defined() -> None:
    assert contrast("#000", "#fff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)  # the lightest grey that may be on white


def test_no_colour_is_left_out() -> None:
    assert set(COLOURS) == {*GROUNDS, *TEXTS, *LINES, "rule", "grid"}
