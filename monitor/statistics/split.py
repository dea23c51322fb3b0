"""Was traffic split as declared?

Source: Clopper and Pearson 1934, Biometrika 26:404 (exact interval); Fabijan et al. 2019, KDD (sample ratio mismatch).
"""

from scipy import stats


def split_mismatch(mine: int, n: int, share: float, level: float) -> tuple[float, float, float]:
    """Two-sided p-value of "each of n units came with chance `share`", and the share's interval at `level`.

    mine: units that came, 0..n. The p-value doubles the smaller tail, so that it is below `level` exactly where the
    interval leaves out `share`; both are exact, erring on the safe side.
    Assumption: units are assigned independently. Raises ValueError for counts or shares that cannot be.

    >>> p, low, high = split_mismatch(8_120, 16_000, 0.5, 0.001)
    >>> f"{p:.2f} {low:.3f} {high:.3f}"
    '0.06 0.494 0.521'
    """
    if not (0 <= mine <= n and n > 0 and 0 < share < 1 and 0 < level < 1):
        raise ValueError(f"need 0 <= mine <= n, n > 0 and shares in (0, 1), got {mine}, {n}, {share}, {level}")
    below, above = stats.binom.cdf(mine, n, share), stats.binom.sf(mine - 1, n, share)
    low = float(stats.beta.ppf(level / 2, mine, n - mine + 1)) if mine else 0.0
    high = float(stats.beta.ppf(1 - level / 2, mine + 1, n - mine)) if mine < n else 1.0
    return min(1.0, 2 * float(min(below, above))), low, high
