"""Quadratics in η beneath log p(x | η), for columns whose η is Gaussian given all else: local bounds.

With η ~ N(m, v) each kind has a lower bound E(m, v) of E log p(x | η) in closed form, concave in m and falling in v:

    0 and 1   (x − ½) m + log σ(ξ) − ξ/2,  ξ² = m² + v      Jaakkola & Jordan; the mean of a Pólya-Gamma variable
    counts    x m − exp(m + v/2) − log x!                    exact

With its slope g = ∂E/∂m and its precision w = −2 ∂E/∂v, an entry is for the Gaussian algebra what a measurement
m + g/w of η with the variance 1/w is. Where m, v are those that this measurement and the rest of the model give, the
bound of the likelihood is as large as a Gaussian makes it. Functions take arrays of numpy or JAX.

Source: Jaakkola & Jordan, Bayesian parameter estimation via variational methods (2000); Polson, Scott & Windle (2013)
for Pólya-Gamma; Challis & Barber, Gaussian Kullback-Leibler approximate inference (2013), for measurements in place
of entries.
"""

from __future__ import annotations

import abc
from typing import Any, ClassVar, NamedTuple, final

import jax
import numpy as np
from numpy.typing import NDArray

from intertwine.likelihoods.poisson import stirling_error

__all__ = ["LOCAL_BOUNDS", "AbstractLocalBound", "BernoulliBound", "Moments", "PoissonBound"]

_TIGHTENED = 12  # rounds for ξ: each shrinks what is left severalfold
_OUTER, _NEWTON = 3, 4
_LARGEST_LOG = 30.0  # of an expected count: networks may step too far
_NODES, _NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(21)


class Moments(NamedTuple):
    """Of η, entry by entry."""

    mean: Any
    variance: Any


class AbstractLocalBound(abc.ABC):
    """One kind. All arguments have one shape; x holds values that are there."""

    kind: ClassVar[str]

    @abc.abstractmethod
    def guess(self, x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """A measurement of η from x alone, and its precision: where a search begins."""

    @abc.abstractmethod
    def expected(self, x: Any, mean: Any, variance: Any) -> Any:
        """Lower bound E(m, v) of E log p(x | η)."""

    @abc.abstractmethod
    def slope(self, x: Any, mean: Any, variance: Any) -> Any:
        """Slope g = ∂E/∂m."""

    @abc.abstractmethod
    def precision(self, mean: Any, variance: Any) -> Any:
        """Precision w = −2 ∂E/∂v."""

    @abc.abstractmethod
    def tightened(self, x: Any, mean: Any, variance: Any) -> Moments:
        """Moments that maximise E less their divergence from the prior N(mean, variance), which may be a point."""

    @abc.abstractmethod
    def seen(self, x: Any, mean: Any) -> Any:
        """What x tells beyond η = mean, of the order of one."""

    @abc.abstractmethod
    def average(self, mean: NDArray[np.float64], variance: NDArray[np.float64]) -> NDArray[np.float64]:
        """E x over η ~ N(mean, variance)."""


@final
class BernoulliBound(AbstractLocalBound):
    """P(x = 1) = σ(η).

    Examples
    --------
    >>> bound = BernoulliBound()
    >>> one, m, v = np.ones(1), np.zeros(1), np.full(1, 2.0)
    >>> bound.expected(one, m, v).round(3), np.log(bound.average(m, v)).round(3)  # of log p, and of p
    (array([-0.925]), array([-0.693]))
    """

    kind: ClassVar[str] = "bernoulli"

    def guess(self, x):
        return 4.0 * (x - 0.5), np.full(x.shape, 0.25)

    def expected(self, x, mean, variance):
        xp = x.__array_namespace__()
        xi = xp.sqrt(mean**2 + variance)
        return (x - 0.5) * mean - 0.5 * xi - xp.log1p(xp.exp(-xi))

    def slope(self, x, mean, variance):
        return x - 0.5 - self.precision(mean, variance) * mean

    def precision(self, mean, variance):
        return _curvature(mean**2 + variance)

    def tightened(self, x, mean, variance):
        def tighter(found: Moments) -> Moments:
            given = 1.0 / (1.0 + variance * _curvature(found.mean**2 + found.variance))
            return Moments((mean + variance * (x - 0.5)) * given, variance * given)

        return _repeated(_TIGHTENED, tighter, Moments(mean, variance))

    def seen(self, x, mean):
        xp = x.__array_namespace__()
        return 2.0 * x - 1.0 - xp.tanh(0.5 * mean)

    def average(self, mean, variance):
        spread, total = np.sqrt(variance), np.zeros_like(mean)
        for node, weight in zip(_NODES, _NODE_WEIGHTS / _NODE_WEIGHTS.sum(), strict=True):
            total += weight * 0.5 * (1.0 + np.tanh(0.5 * (mean + spread * node)))
        return total


def _repeated(rounds: int, step: Any, state: Any) -> Any:
    """A step taken several times; of JAX compiled once."""
    if not isinstance(state[0], np.ndarray):
        return jax.lax.fori_loop(0, rounds, lambda _, now: step(now), state)
    for _ in range(rounds):
        state = step(state)
    return state


def _curvature(square: Any) -> Any:
    """Tanh(ξ/2) / 2ξ at ξ², which is ¼ at zero."""
    xp = square.__array_namespace__()
    xi = xp.sqrt(xp.maximum(square, 1e-6))
    return 0.5 * xp.tanh(0.5 * xi) / xi


@final
class PoissonBound(AbstractLocalBound):
    """x ~ Poisson(exp η).

    Examples
    --------
    >>> bound = PoissonBound()
    >>> found = bound.tightened(np.full(1, 50.0), np.zeros(1), np.ones(1))
    >>> found.mean.round(2), (0.0 + 1.0 * bound.slope(np.full(1, 50.0), *found)).round(2)
    (array([3.82]), array([3.82]))
    """

    kind: ClassVar[str] = "poisson"

    def guess(self, x):
        return np.log(x + 0.5), x + 0.5

    def expected(self, x, mean, variance):
        # about x log x − x, so that large counts lose no digits
        xp = x.__array_namespace__()
        count = xp.maximum(x, 1.0)
        log_count = xp.log(count)
        log_mean = xp.minimum(mean + 0.5 * variance, _LARGEST_LOG)
        deviance = count * (xp.expm1(log_mean - log_count) - (mean - log_count))
        some = -deviance - 0.5 * xp.log(2.0 * np.pi * count) - stirling_error(count)
        return xp.where(x > 0.5, some, -xp.exp(log_mean))

    def slope(self, x, mean, variance):
        return x - self.precision(mean, variance)

    def precision(self, mean, variance):
        xp = mean.__array_namespace__()
        return xp.exp(xp.minimum(mean + 0.5 * variance, _LARGEST_LOG))

    def tightened(self, x, mean, variance):
        # with y = v₀ exp(m + v/2): y + log y = m₀ + v₀ x + v/2 + log v₀ and v = v₀ / (1 + y)
        xp = x.__array_namespace__()
        prior = xp.maximum(variance, 1e-12)
        log_prior, pulled = xp.log(prior), mean + prior * x

        def tighter(found: tuple[Any, Any]) -> tuple[Any, Any]:
            y = _wright_omega(pulled + 0.5 * found[1] + log_prior, xp)
            return y, prior / (1.0 + y)

        y, left = _repeated(_OUTER, tighter, (prior, prior))
        log_mean = xp.where(y > 1.0, xp.log(xp.maximum(y, 1e-30)) - log_prior, pulled + 0.5 * left - y)
        return Moments(log_mean - 0.5 * left, left)

    def seen(self, x, mean):
        xp = x.__array_namespace__()
        return xp.log(x + 0.5) - xp.log(xp.exp(xp.minimum(mean, _LARGEST_LOG)) + 0.5)

    def average(self, mean, variance):
        return np.exp(np.minimum(mean + 0.5 * variance, _LARGEST_LOG))


def _wright_omega(t: Any, xp: Any) -> Any:
    """The y > 0 with y + log y = t, in Newton steps on log y, none of which but the first can overshoot."""
    log_y = xp.where(t > 1.0, xp.log(xp.maximum(t, 1.0)), t)
    for _ in range(_NEWTON):
        y = xp.exp(log_y)
        log_y = log_y - (y + log_y - t) / (1.0 + y)
    return xp.exp(log_y)


LOCAL_BOUNDS: dict[str, AbstractLocalBound] = {
    bound.kind: bound for bound in (BernoulliBound(), PoissonBound())
}
