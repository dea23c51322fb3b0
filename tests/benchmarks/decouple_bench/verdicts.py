"""Was a target met? What was measured with its 95% interval, and a verdict that does not flatter."""

from typing import Any

Estimate = tuple[float, float, float]  # value, low, high


def at_least(
    told: str, aim: float, estimate: Estimate, stretch: float | None = None, beside: str = ""
) -> dict[str, Any]:
    """A target from below: met when the whole interval is there. stretch: what we would like. beside: what to know.

    >>> at_least("speed", 2.0, (2.5, 1.9, 3.0))["verdict"], at_least("speed", 2.0, (1.9, 1.8, 2.1))["verdict"]
    ('met within the error', 'MISSED')
    """
    value, low, _ = estimate
    far = stretch is not None and value >= stretch
    return _row(told, _aim(">=", aim, stretch), estimate, (value >= aim, low >= aim, far), beside)


def at_most(
    told: str, aim: float, estimate: Estimate, stretch: float | None = None, beside: str = ""
) -> dict[str, Any]:
    """A target from above: met when the whole interval is there.

    >>> at_most("delay", 1.3, (1.1, 1.0, 1.2), stretch=1.15)["verdict"]
    'met, stretch too'
    """
    value, _, high = estimate
    far = stretch is not None and value <= stretch
    return _row(told, _aim("<=", aim, stretch), estimate, (value <= aim, high <= aim, far), beside)


def told_only(told: str, estimate: Estimate, beside: str = "") -> dict[str, Any]:
    """What was measured where no target was set."""
    return {**_row(told, "none set", estimate, (True, True, False), beside), "verdict": "told"}


def _aim(sign: str, aim: float, stretch: float | None) -> str:
    return f"{sign} {aim:,.10g}" + ("" if stretch is None else f", stretch {stretch:,.10g}")


def _row(told: str, aim: str, estimate: Estimate, met: tuple[bool, bool, bool], beside: str) -> dict[str, Any]:
    nearly, clearly, far = met
    verdict = ("met" if clearly else "met within the error") + (", stretch too" if far else "") if nearly else "MISSED"
    return {
        "target": told,
        "aim": aim,
        **dict(zip(("measured", "low", "high"), map(float, estimate), strict=True)),
        "verdict": verdict,
        "beside": beside,
    }
