r"""Outcomes that are not Gaussian, made so: what alternating least squares and Gibbs sampling regress on.

Given scores f, each outcome becomes a response z with weight ω, such that −½ Σ ω (z − f)² stands in for the
log-likelihood as a function of f:

* *majorised* (for the optimum): a lower bound of the log-likelihood that touches it at the present scores, so that
  every exact step on it is a step up. Logistic: ω = w tanh(f/2) / 2f and ω z = ½ w y (Jaakkola & Jordan 2000).
* *drawn* (for the posterior): a latent variable whose presence makes the outcome's likelihood exactly this. Probit:
  z ~ N(f, 1) on y's side of zero (Albert & Chib 1993); ordinal probit: between y's two cutpoints.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtr, ndtri, ndtri_exp

__all__ = [
    "AbstractDrawnResponse",
    "AbstractMajorizedResponse",
    "GaussianResponse",
    "LogisticResponse",
    "OrdinalProbitResponse",
    "ProbitResponse",
    "Working",
]

Floats = NDArray[np.float64]

_MOST_DRAWS = 32  # of one row; what it weighs beyond that comes in at its mean
_FAR = 5.0  # standard deviations beyond which a distribution function is inverted in logs


class Working(NamedTuple):
    """Responses z and weights ω, both (n,)."""

    response: Floats
    weight: Floats


class AbstractMajorizedResponse(ABC):
    """Has a quadratic lower bound of its log-likelihood."""

    @abstractmethod
    def majorized(self, scores: Floats) -> Working:
        """The bound that touches at ``scores``."""


class AbstractDrawnResponse(ABC):
    """Has latent variables that make its likelihood Gaussian."""

    sample_weight: Floats

    @property
    @abstractmethod
    def known_noise(self) -> bool:
        """Whether the variance of z is one, not a parameter."""

    @abstractmethod
    def drawn(self, scores: Floats, rng: np.random.Generator) -> Working:
        """Latent variables given ``scores``."""

    @abstractmethod
    def misfit(self, scores: Floats) -> float:
        """How far the outcome is from the scores, to be followed over a chain."""

    @property
    @abstractmethod
    def thresholds(self) -> Floats:
        """Cutpoints between ordered classes, as they are now; empty where there are none."""

    @abstractmethod
    def memory(self) -> dict[str, Any]:
        """What has been learnt besides the scores, as a state for a journal."""

    @abstractmethod
    def remember(self, memory: dict[str, Any]) -> None:
        """Go on from what ``memory`` gave."""


class _WithoutThresholds(AbstractDrawnResponse):
    """Has no parameters of its own."""

    @property
    def thresholds(self):
        return np.zeros(0)

    def memory(self):
        return {}

    def remember(self, memory):
        pass


@final
class GaussianResponse(AbstractMajorizedResponse, _WithoutThresholds):
    """A numeric outcome, which is its own response."""

    known_noise = False

    def __init__(self, y: Floats, sample_weight: Floats) -> None:
        self.sample_weight = sample_weight
        self._working = Working(y, sample_weight)

    def majorized(self, scores):
        return self._working

    def drawn(self, scores, rng):
        return self._working

    def misfit(self, scores):
        """Root mean squared error."""
        y, weight = self._working
        return float(np.sqrt(weight @ (y - scores) ** 2 / weight.sum()))


@final
class LogisticResponse(AbstractMajorizedResponse):
    """A binary outcome, −1 or +1, with P(+1) = 1 / (1 + e^{−f}).

    Examples
    --------
    >>> import numpy as np
    >>> LogisticResponse(np.array([1.0, -1.0]), np.ones(2)).majorized(np.zeros(2))
    Working(response=array([ 2., -2.]), weight=array([0.25, 0.25]))
    """

    def __init__(self, sign: Floats, sample_weight: Floats) -> None:
        self._sign, self.sample_weight = sign, sample_weight

    def majorized(self, scores):
        half = 0.5 * np.abs(scores)
        small = half < 1e-4  # tanh(h)/h to the last digit
        curvature = 0.25 * np.where(small, 1.0 - half**2 / 3.0, np.tanh(half) / np.where(small, 1.0, half))
        return Working(0.5 * self._sign / curvature, self.sample_weight * curvature)


@final
class ProbitResponse(_WithoutThresholds):
    """A binary outcome, −1 or +1, with P(+1) = Φ(f).

    A row of weight three has three latent variables, of which only the mean matters.
    """

    known_noise = True

    def __init__(self, sign: Floats, sample_weight: Floats) -> None:
        self._sign, self.sample_weight = sign, sample_weight

    def drawn(self, scores, rng):
        margin = self._sign * scores

        def draw(rows):
            # e > −m, by the distribution function of −e < m
            return _normal_below(margin[rows], rng)

        below = _mean_of_draws(draw, lambda rows: -_mills(margin[rows]), self.sample_weight)
        return Working(scores - self._sign * below, self.sample_weight)

    def misfit(self, scores):
        """Mean negative log-likelihood."""
        return -float(self.sample_weight @ log_ndtr(self._sign * scores)) / float(self.sample_weight.sum())


@final
class OrdinalProbitResponse(AbstractDrawnResponse):
    """Ordered classes 0 … K − 1: class c where a latent z ~ N(f, 1) lies between cutpoints c and c + 1.

    The first inner cutpoint is zero, since the model has an intercept. The distances between the others are drawn by
    random-walk Metropolis steps on their logarithms with z integrated out, whose length adapts during burn-in.
    """

    known_noise = True

    def __init__(self, codes: NDArray[np.intp], n_classes: int, sample_weight: Floats) -> None:
        self._codes, self.sample_weight = codes, sample_weight
        share = np.cumsum(np.bincount(codes, weights=sample_weight, minlength=n_classes))[:-1]
        inner = ndtri(np.clip(share / sample_weight.sum(), 1e-6, 1 - 1e-6))
        self.cutpoints = np.concatenate([[-np.inf], inner - inner[0], [np.inf]])
        self._cut(np.log(np.maximum(np.diff(inner), 1e-3)))
        self._step, self._tried = 0.1, 0

    @property
    def start_score(self) -> float:
        """Constant score that fits the share of the first class."""
        n_first = self.sample_weight[self._codes == 0].sum() / self.sample_weight.sum()
        return -float(ndtri(np.clip(n_first, 1e-6, 1 - 1e-6)))

    def _cut(self, logs) -> None:
        self.cutpoints[2:-1] = np.cumsum(np.exp(logs))

    def drawn(self, scores, rng):
        if self.cutpoints.size > 3:
            self._move_cutpoints(scores, rng)
        low = self.cutpoints[self._codes] - scores
        high = self.cutpoints[self._codes + 1] - scores

        def draw(rows):
            return _normal_between(low[rows], high[rows], rng)

        def mean(rows):
            a, b = low[rows], high[rows]
            density = np.exp(-0.5 * a**2) - np.exp(-0.5 * b**2)
            return density / np.sqrt(2 * np.pi) / np.maximum(ndtr(b) - ndtr(a), 1e-300)

        return Working(scores + _mean_of_draws(draw, mean, self.sample_weight), self.sample_weight)

    def misfit(self, scores):
        """Mean negative log-likelihood."""
        return -self._log_likelihood(scores) / float(self.sample_weight.sum())

    @property
    def thresholds(self):
        return self.cutpoints[1:-1].copy()

    def memory(self):
        return {"inner": self.cutpoints[1:-1].copy(), "step": float(self._step), "tried": self._tried}

    def remember(self, memory):
        self.cutpoints[1:-1] = memory["inner"]
        self._step, self._tried = memory["step"], memory["tried"]

    def _move_cutpoints(self, scores, rng) -> None:
        before = self.cutpoints.copy()
        logs = np.log(np.diff(before[1:-1]))
        proposed = logs + self._step * rng.standard_normal(logs.size)
        # log-normal prior of every distance, wide beside any data
        gain = -self._log_likelihood(scores) - 0.5 * float((proposed**2 - logs**2).sum()) / 10.0
        self._cut(proposed)
        gain += self._log_likelihood(scores)
        accepted = np.log(rng.random()) < gain
        if not accepted:
            self.cutpoints = before
        self._tried += 1
        # towards accepting three in ten, ever more slowly
        self._step *= np.exp((float(accepted) - 0.3) / self._tried**0.6)

    def _log_likelihood(self, scores):
        a, b = self.cutpoints[self._codes] - scores, self.cutpoints[self._codes + 1] - scores
        flip = a > 0  # the tail where differences keep their digits
        share = np.where(flip, ndtr(-a) - ndtr(-b), ndtr(b) - ndtr(a))
        return float(self.sample_weight @ np.log(np.maximum(share, 1e-300)))


def _mean_of_draws(draw, mean, weight: Floats) -> Floats:
    """Mean of ``weight`` draws of every row; a fraction counts as the fraction of a draw."""
    total = np.zeros(weight.size)
    for done in range(_MOST_DRAWS):
        rows = np.flatnonzero(weight > done)
        if rows.size == 0:
            break
        total[rows] += np.minimum(weight[rows] - done, 1.0) * draw(rows)
    rows = np.flatnonzero(weight > _MOST_DRAWS)
    total[rows] += (weight[rows] - _MOST_DRAWS) * mean(rows)
    return total / np.where(weight > 0, weight, 1.0)


def _mills(bound: Floats) -> Floats:
    """φ(b) / Φ(b)."""
    return np.exp(-0.5 * bound**2 - 0.5 * np.log(2 * np.pi) - log_ndtr(bound))


def _normal_below(bound: Floats, rng) -> Floats:
    """Standard normal numbers that are below their bounds."""
    share = 1.0 - rng.random(bound.size)  # in (0, 1]
    far = bound < -_FAR
    drawn = ndtri(share * ndtr(np.maximum(bound, -_FAR)))
    drawn[far] = ndtri_exp(np.log(share[far]) + log_ndtr(bound[far]))
    return np.minimum(drawn, bound)


def _normal_between(low: Floats, high: Floats, rng) -> Floats:
    """Standard normal numbers between their bounds."""
    flip = low > 0  # in the lower tail, distribution functions keep their digits
    a, b = np.where(flip, -high, low), np.where(flip, -low, high)
    share = rng.random(a.size)
    below, above = ndtr(a), ndtr(b)
    drawn = ndtri(below + share * (above - below))
    lost = above < 1e-12  # so far out that little is left to divide
    if lost.any():
        log_below, log_above = log_ndtr(a[lost]), log_ndtr(b[lost])
        portion = share[lost] + (1.0 - share[lost]) * np.exp(log_below - log_above)
        drawn[lost] = ndtri_exp(log_above + np.log(np.maximum(portion, 1e-300)))
    drawn = np.clip(drawn, a, b)
    return np.where(flip, -drawn, drawn)
