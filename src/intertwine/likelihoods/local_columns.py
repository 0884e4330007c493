"""Columns of 0 and 1 and columns of counts of a table, through local bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from intertwine.likelihoods.base import Array, Noise, NoParams, Units
from intertwine.likelihoods.columns import refuse_columns
from intertwine.likelihoods.kinds import KINDS
from intertwine.likelihoods.local_bounds import LOCAL_BOUNDS, AbstractLocalBound, Moments

__all__ = ["LocalColumns"]

_PLAIN = Units(0.0, 1.0)  # η as it is
_NODES, _NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(9)


@final
@partial(jax.tree_util.register_dataclass, data_fields=["center"], meta_fields=["kinds"])
@dataclass(frozen=True, eq=False)
class LocalColumns:
    """The columns of a table whose η is Gaussian, and what they say of it; see `intertwine.likelihoods.local_bounds`.

    Methods take and give all columns (n, p), of numpy or JAX; those of Gaussian columns are passed through or zero.

    Attributes
    ----------
    kinds : tuple of str
        Of every column; "gaussian", "bernoulli" or "poisson".
    center : ndarray of shape (p,)
        Logit of the share of ones, logarithm of the mean count: η of an average row. Zero for Gaussian columns.

    Examples
    --------
    >>> columns = LocalColumns.of(np.array([[70.1, 0, 3], [68.2, 1, np.nan]]), ("gaussian", "bernoulli", "poisson"))
    >>> columns.center.round(2), columns.local
    (array([0.  , 0.  , 0.56]), array([False,  True,  True]))
    """

    kinds: tuple[str, ...]
    center: Any

    @classmethod
    def of(cls, X: Array, kinds: Sequence[str], names: NDArray[Any] | None = None) -> LocalColumns:
        """Those of a table (n, p) with such kinds, NaN where not observed.

        Raises
        ------
        ValueError
            Where values are not of their column's kind, and for kinds without a local bound; it names the columns.
        """
        if other := [
            kind for kind in dict.fromkeys(kinds) if kind != "gaussian" and kind not in LOCAL_BOUNDS
        ]:
            raise ValueError(
                f"likelihood {other[0]!r} has no local bound beside random effects of columns: take 'gaussian', or "
                "'bernoulli' of whether a level is passed; LongitudinalVAE has it"
            )
        found = cls(tuple(kinds), np.zeros(X.shape[1]))
        found.check(X, names)
        for bound, at in found._blocks:
            found.center[at] = KINDS[bound.kind].of(X[:, at], Noise()).output_units(X[:, at]).center
        return found

    def check(self, X: Array, names: NDArray[Any] | None = None) -> None:
        """Refuse values that are not of their column's kind: a ValueError that names the columns."""
        for bound, at in self._blocks:
            faults = KINDS[bound.kind].faults(X[:, at], Noise())
            refuse_columns(bound.kind, at.tolist(), *faults, X.shape[1], names)

    @property
    def local(self) -> NDArray[np.bool_]:
        """Which columns have a local bound, (p,)."""
        return np.array(self.kinds) != "gaussian"

    @property
    def _blocks(self) -> list[tuple[AbstractLocalBound, NDArray[np.int64]]]:
        kinds = np.array(self.kinds)
        return [
            (bound, np.flatnonzero(kinds == kind))
            for kind, bound in LOCAL_BOUNDS.items()
            if kind in self.kinds
        ]

    def guess(self, x: Array) -> tuple[Array, Array]:
        """Measurements of η from x alone, and their precisions; numpy only."""
        measured, precision = np.zeros_like(x), np.zeros_like(x)
        for bound, at in self._blocks:
            measured[:, at], precision[:, at] = bound.guess(x[:, at])
        return measured, precision

    def tightened(self, x: Any, mean: Any, variance: Any) -> Moments:
        """Moments of η that its prior N(mean, variance) and x give together."""
        found = Moments(mean, variance)
        for bound, at in self._blocks:
            own = bound.tightened(x[:, at], mean[:, at], variance[:, at])
            found = Moments(_put(found.mean, at, own.mean), _put(found.variance, at, own.variance))
        return found

    def expected(self, x: Any, at: Moments) -> Any:
        """Lower bounds of E log p(x | η)."""
        return self._each("expected", x, *at)

    def slope(self, x: Any, at: Moments) -> Any:
        """Slopes of these in the mean of η."""
        return self._each("slope", x, *at)

    def precision(self, at: Moments) -> Any:
        """Precisions of the measurements that entries stand for."""
        return self._each("precision", *at)

    def seen(self, x: Any, mean: Any) -> Any:
        """What x tells beyond η = mean, of the order of one."""
        return self._each("seen", x, mean)

    def average(self, mean: Array, variance: Array) -> Array:
        """E x over η ~ N(mean, variance); Gaussian columns have their mean. Numpy only."""
        found = mean.copy()
        for bound, at in self._blocks:
            found[:, at] = bound.average(mean[:, at], variance[:, at])
        return found

    def sample(self, rng: np.random.Generator, location: Array) -> Array:
        """One draw of x given η; Gaussian columns stay as they are. Numpy only."""
        drawn = location.copy()
        for bound, at in self._blocks:
            likelihood = KINDS[bound.kind].of(location[:, at], Noise())
            drawn[:, at] = likelihood.sample(rng, NoParams(), location[:, at], _PLAIN)
        return drawn

    def log_marginal(self, x: Any, mean: Any, variance: Any) -> Any:
        """Log ∫ p(x | η) N(η; mean, variance) dη, by quadrature about its tight moments.

        Of JAX; the variance is positive.
        """
        found = jnp.zeros_like(mean)
        for bound, at in self._blocks:
            found = _put(found, at, _marginal(bound, x[:, at], mean[:, at], variance[:, at]))
        return found

    def _each(self, name: str, *arrays: Any) -> Any:
        found = arrays[0].__array_namespace__().zeros_like(arrays[0])
        for bound, at in self._blocks:
            found = _put(found, at, getattr(bound, name)(*(values[:, at] for values in arrays)))
        return found


def _marginal(bound: AbstractLocalBound, x: Any, mean: Any, variance: Any) -> Any:
    likelihood = KINDS[bound.kind].of(np.zeros((0, x.shape[1])), Noise())
    tight = bound.tightened(x, mean, variance)
    nodes = jnp.asarray(_NODES[:, None, None], mean.dtype)
    away = tight.mean - mean + jnp.sqrt(tight.variance) * nodes
    ratio = 0.5 * (jnp.log(tight.variance / variance) + nodes**2 - away**2 / variance)
    density = likelihood.log_density(NoParams(), mean + away, _PLAIN, x)
    weights = jnp.asarray(_NODE_WEIGHTS[:, None, None] / _NODE_WEIGHTS.sum(), mean.dtype)
    return jax.scipy.special.logsumexp(density + ratio, axis=0, b=weights)


def _put(whole: Any, at: NDArray[np.int64], part: Any) -> Any:
    """The array with some columns exchanged."""
    if isinstance(whole, np.ndarray):
        whole = whole.copy()
        whole[:, at] = part
        return whole
    return whole.at[:, at].set(part)
