"""How often would one model win if its answers were as long as the other's? (B5, a report with intervals, not a test)

    logit P(m beats b on prompt x) = theta_m - theta_b + phi_mb tanh(dlen / sd_mb) + (psi_m - psi_b) gamma_x

with dlen the length of m's answer minus b's, sd_mb its standard deviation for that pair of models, and gamma_x the
difficulty of the prompt, a standard normal variable common to all comparisons on the prompt. It is estimated jointly
and integrated out: taking its best value instead would count noise as difficulty where a prompt is judged a few times.
theta, psi and phi have normal priors of variance 10 around 0, which keep a model that always wins finite.

Source: Dubois et al. 2024, arXiv:2404.04475, section 3. It takes the difficulties from a fit to other models and pulls
every model toward its comparator by pseudo-observations; here both come from the data and the priors above.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse, stats
from scipy.special import expit, logit, logsumexp

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

PRECISION = 0.1  # of the priors on theta, psi and phi
FEWEST_PROMPTS = 30
STATIONARY = 0.02  # largest slope left at the optimum, in log likelihood per rough standard error
NODES = np.linspace(-4, 4, 25)  # of the difficulty; trapezoids are exact enough down to a posterior deviation of 0.2
LOG_MASS = stats.norm.logpdf(NODES) - logsumexp(stats.norm.logpdf(NODES))


class Comparisons(NamedTuple):
    """One row a comparison, shape (n,) each: models and prompts as codes from 0 without gaps.

    length_difference: length of the first minus the second answer, any one unit. won: how far the first won, in [0, 1];
    a half is a tie.
    """

    first: Codes
    second: Codes
    prompt: Codes
    length_difference: Array
    won: Array


@dataclass(frozen=True)
class LengthControlled:
    """A fit; by model: strength theta and loading psi on difficulty; difficulty: posterior mean of each prompt's.

    influence: of each prompt, and of each prior, on (theta, psi, phi), shape (prompts + parameters, parameters); its
    sum of squares is their covariance.
    """

    strength: Array
    loading: Array
    difficulty: Array
    influence: Array

    def win_rate(self, model: int, other: int, confidence: float = 0.95) -> tuple[float, float, float]:
        """Mean chance over prompts that `model` beats `other` at equal lengths: (value, low, high), shares in [0, 1].

        Assumption: the model above holds and prompts are independent; comparisons on one prompt need not be. Interval
        of the delta method on the logit, from the prompts' influences. Guarantee: nominal coverage as prompts grow.
        Raises ValueError for a model with itself or a confidence outside (0, 1).
        """
        if model == other:
            raise ValueError("a model is not compared with itself")
        if not 0 < confidence < 1:
            raise ValueError(f"confidence must lie in (0, 1), got {confidence}")
        mass, models = np.exp(LOG_MASS), self.strength.size
        pull = self.loading[model] - self.loading[other]
        chance = expit(self.strength[model] - self.strength[other] + pull * NODES)
        value, steep = float(mass @ chance), mass * chance * (1 - chance)
        toward_strength, toward_loading = steep.sum(), steep @ NODES
        moved = toward_strength * (self.influence[:, model] - self.influence[:, other])
        moved += toward_loading * (self.influence[:, models + model] - self.influence[:, models + other])
        reach = float(stats.norm.ppf((1 + confidence) / 2) * np.linalg.norm(moved) / (value * (1 - value)))
        return value, float(expit(logit(value) - reach)), float(expit(logit(value) + reach))


def fit_length_controlled(data: Comparisons) -> LengthControlled:
    """Fit all comparisons of one judge together by penalised marginal likelihood; deterministic.

    Raises ValueError for no comparison, unequal shapes, fewer than 30 prompts, codes with gaps, values not finite or
    won outside [0, 1], a model compared with itself, a pair of models whose length differences are all equal and not
    zero (length and strength cannot be told apart), or a fit that does not converge.

    >>> rng, prompt, always = np.random.default_rng(0), np.arange(800) % 400, np.zeros(800, np.int64)
    >>> longer = rng.normal(0.5, 1.0, 800)
    >>> won = (rng.random(800) < expit(2 * np.tanh(longer))).astype(float)
    >>> fit = fit_length_controlled(Comparisons(always + 1, always, prompt, longer, won))
    >>> _, low, high = fit.win_rate(1, 0)
    >>> round(float(won.mean()), 2), low < 0.5 < high
    (0.61, True)
    """
    _validate(data)
    design = _Design(data)
    best = design.maximise()
    theta, psi, _ = np.split(best, design.cuts)
    posterior, _ = design.posterior(best)
    return LengthControlled(theta, psi, posterior @ NODES, design.influence(best))


class _Design:
    """The rows as sparse matrices, and the likelihood over the stacked (theta, psi, phi)."""

    def __init__(self, data: Comparisons) -> None:
        self.data = data
        rows = np.arange(data.won.size)
        models = int(max(data.first.max(), data.second.max())) + 1
        ends = (np.concatenate([rows, rows]), np.concatenate([data.first, data.second]))
        self.models: Any = sparse.csr_matrix((np.repeat([1.0, -1.0], rows.size), ends), shape=(rows.size, models))
        pair, relative = _relative_lengths(data)
        self.lengths: Any = sparse.csr_matrix((relative, (rows, pair)))
        self.prompts: Any = sparse.csr_matrix((np.ones(rows.size), (data.prompt, rows)))
        self.cuts = [models, 2 * models]

    def maximise(self) -> Array:
        """The most likely parameters, by L-BFGS over values measured in units of their rough standard error."""
        counts = [np.asarray(part.multiply(part).sum(axis=0)).ravel() for part in (self.models, self.lengths)]
        unit = 1 / np.sqrt(PRECISION + np.concatenate([counts[0], counts[0], counts[1]]) / 4)

        def loss(scaled: Array) -> tuple[float, Array]:
            value, slope = self.loss(scaled * unit)
            return value, slope * unit

        found = optimize.minimize(
            loss, self.start() / unit, jac=True, method="L-BFGS-B", options={"gtol": STATIONARY, "ftol": 0.0}
        )
        if not np.abs(found.jac).max() <= STATIONARY:
            raise ValueError(f"the fit did not converge: {found.message}")
        return np.asarray(found.x * unit, dtype=np.float64)

    def start(self) -> Array:
        """No strength, no length; loadings from the leading direction of wins by prompt and model (0 is a saddle)."""
        table = (self.prompts @ self.models.multiply(self.data.won[:, None] - 0.5)).toarray()
        _, sizes, directions = np.linalg.svd(table - table.mean(axis=0), full_matrices=False)
        psi = directions[0] * sizes[0] / np.sqrt(table.shape[0])
        return np.concatenate([np.zeros(psi.size), psi, np.zeros(self.lengths.shape[1])])

    def posterior(self, values: Array) -> tuple[Array, Array]:
        """Posterior mass of each prompt's difficulty at the nodes, (prompts, nodes); log likelihood by prompt."""
        eta = self.log_odds(values)
        by_prompt = self.prompts @ (self.data.won[:, None] * eta - np.logaddexp(0, eta)) + LOG_MASS
        total = logsumexp(by_prompt, axis=1)
        return np.exp(by_prompt - total[:, None]), total

    def log_odds(self, values: Array) -> Array:
        """Log odds of each row's first model at every node of the difficulty, (rows, nodes)."""
        theta, psi, phi = np.split(values, self.cuts)
        result: Array = (self.models @ theta + self.lengths @ phi)[:, None] + np.outer(self.models @ psi, NODES)
        return result

    def loss(self, values: Array) -> tuple[float, Array]:
        """Penalised negative marginal log likelihood with its gradient."""
        posterior, total = self.posterior(values)
        missed = (expit(self.log_odds(values)) - self.data.won[:, None]) * posterior[self.data.prompt]
        plain, bent = missed.sum(axis=1), missed @ NODES
        slope = np.concatenate([self.models.T @ plain, self.models.T @ bent, self.lengths.T @ plain])
        return float(PRECISION * values @ values / 2 - total.sum()), slope + PRECISION * values

    def influence(self, values: Array) -> Array:
        """Influence of each prompt on the parameters: its score through the inverse curvature (Louis 1982).

        Each prior counts as one source more, so that what it shrinks is not taken for precision.
        """
        posterior, _ = self.posterior(values)
        chance = expit(self.log_odds(values))
        scores = np.zeros((self.prompts.shape[0], values.size))
        curvature = PRECISION * np.eye(values.size)
        for node, hard in enumerate(NODES):
            rows = sparse.hstack([self.models, self.models * hard, self.lengths]).tocsr()
            mass, there = posterior[:, node], chance[:, node]
            own = (self.prompts @ rows.multiply((self.data.won - there)[:, None])).toarray()
            weight = mass[self.data.prompt] * there * (1 - there)
            curvature += (rows.T @ rows.multiply(weight[:, None])).toarray() - own.T @ (own * mass[:, None])
            scores += own * mass[:, None]
        curvature = curvature + scores.T @ scores
        sources = np.concatenate([scores, np.sqrt(PRECISION) * np.eye(values.size)])
        return np.linalg.solve(curvature, sources.T).T.astype(np.float64)


def _relative_lengths(data: Comparisons) -> tuple[Codes, Array]:
    """Pair of models of each comparison, and tanh of its length difference over the pair's deviation."""
    turned = np.where(data.first < data.second, -1.0, 1.0)
    ends = np.stack([np.minimum(data.first, data.second), np.maximum(data.first, data.second)])
    pair = np.unique(ends, axis=1, return_inverse=True)[1].ravel()
    difference, units = turned * data.length_difference, np.bincount(pair)
    centred = difference - (np.bincount(pair, difference) / units)[pair]
    deviation = np.sqrt(np.bincount(pair, centred**2) / units)[pair]
    if ((deviation <= 1e-9 * np.abs(difference)) & (difference != 0)).any():
        raise ValueError("where all length differences of a pair are equal, length and strength cannot be told apart")
    return pair, turned * np.tanh(difference / np.where(deviation > 0, deviation, 1.0))


def _validate(data: Comparisons) -> None:
    if len({part.shape for part in data}) > 1 or not data.won.size:
        raise ValueError(f"need equal, non-empty shapes, got {[part.shape for part in data]}")
    for codes in (np.concatenate([data.first, data.second]), data.prompt):
        if not np.array_equal(np.unique(codes), np.arange(codes.max() + 1)):
            raise ValueError("models and prompts must be codes from 0 without gaps")
    if data.prompt.max() + 1 < FEWEST_PROMPTS:
        raise ValueError(f"need at least {FEWEST_PROMPTS} prompts, got {data.prompt.max() + 1}")
    if (data.first == data.second).any():
        raise ValueError("a model is not compared with itself")
    if not (np.isfinite(data.length_difference).all() and ((data.won >= 0) & (data.won <= 1)).all()):
        raise ValueError("length differences must be finite, and won must lie in [0, 1]")
