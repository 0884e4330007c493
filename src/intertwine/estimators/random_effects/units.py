"""The units that features are fitted in, and which effects features can have."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from intertwine.effects.random import AbstractRandomEffect
from intertwine.validation.caller import depth_of_caller
from intertwine.validation.wording import listed

__all__ = ["FeatureUnits", "LinkedUnits", "refuse_slopes"]

Array = NDArray[np.float64]

_FAR, _LARGEST_LOG = 1000.0, 700.0  # times the mean count; exp() overflows beyond


class FeatureUnits(NamedTuple):
    """Mean and spread of features, over what was observed.

    Examples
    --------
    >>> units = FeatureUnits.of(np.array([[1.0, 5.0], [3.0, np.nan], [5.0, 9.0]]), True)
    >>> units.center
    array([3., 7.])
    >>> units.outside(units.inside(np.array([[1.0, 5.0]])))
    array([[1., 5.]])
    """

    center: NDArray[np.float64]
    spread: NDArray[np.float64]

    @classmethod
    def of(cls, X: NDArray[np.float64], scale: bool) -> FeatureUnits:
        """Units of the rows of a fit: each feature's own, or (``scale=False``) one for all."""
        center = np.nanmean(X, axis=0)
        spread = np.sqrt(np.nanmean((X - center) ** 2, axis=0))
        constant = np.nanmin(X, axis=0) == np.nanmax(X, axis=0)
        center[constant] = np.nanmin(X[:, constant], axis=0)  # a mean may round
        if not scale:
            common = float(np.sqrt(np.mean(spread**2)))
            return cls(center, np.full(len(spread), common if common > 0 else 1.0))
        spread[constant] = 1.0
        return cls(center, spread)

    def inside(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """From the user's units to those of the fit."""
        return (X - self.center) / self.spread

    def outside(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """From the units of the fit to the user's."""
        return self.center + self.spread * X

    @property
    def columns(self) -> None:
        """All features are Gaussian."""
        return

    def check(self, X: Array, names: Any) -> None:
        """Take all numbers."""

    def expected(self, mean: Array, variance: Array | float) -> Array:
        """E x where what decoder and effects give together has this mean and variance."""
        return self.outside(mean)

    def drawn(self, location: Array, rng: np.random.Generator) -> Array:
        """Features of one draw of what decoder, effects and noise give together."""
        return self.outside(location)


class LinkedUnits(NamedTuple):
    """Units where some features are 0 and 1 or counts: these are as they are, and explained by their η.

    Attributes
    ----------
    center : ndarray of shape (p,)
        Mean; logit or logarithm of the mean.
    spread : ndarray of shape (p,)
        One for features that are not Gaussian.
    columns : LocalColumns
    """

    center: Array
    spread: Array
    columns: Any  # its module needs JAX

    @classmethod
    def of(cls, X: Array, scale: bool, columns: Any) -> LinkedUnits:
        """Units of the rows of a fit; see `FeatureUnits.of`."""
        center, spread, gaussian = columns.center.copy(), np.ones(X.shape[1]), ~columns.local
        if gaussian.any():
            center[gaussian], spread[gaussian] = FeatureUnits.of(X[:, gaussian], scale)
        return cls(center, spread, columns)

    def inside(self, X: Array) -> Array:
        """From the user's units to those of the fit."""
        return np.where(self.columns.local, X, (X - self.center) / self.spread)

    def outside(self, X: Array) -> Array:
        """From the units of the fit to the user's, or to η."""
        return self.center + self.spread * X

    def check(self, X: Array, names: Any) -> None:
        """Refuse values that are not of their column's kind, a ValueError; warn of counts far off those of the fit."""
        self.columns.check(X, names)
        counts = np.array(self.columns.kinds) == "poisson"
        most = np.max(np.where(np.isfinite(X), X, 0.0), axis=0, initial=0.0)
        usual = np.exp(np.minimum(self.center, _LARGEST_LOG))
        if (far := counts & (most > _FAR * np.maximum(usual, 1.0))).any():
            at = np.flatnonzero(far)
            titles = [str(names[m]) if names is not None else int(m) for m in at]
            example = f"{most[at[0]]:,.0f} where the mean of the fit is {usual[at[0]]:.3g}"
            warnings.warn(
                f"counts of columns {listed(titles)} are far off those of the fit, e.g. {example}: what decoder and "
                "effects make of them is no more than a guess; see whether units agree",
                UserWarning,
                stacklevel=depth_of_caller(),
            )

    def expected(self, mean: Array, variance: Array | float) -> Array:
        """E x where what decoder and effects give together has this mean and variance."""
        return self.columns.average(self.outside(mean), np.broadcast_to(variance, mean.shape))

    def drawn(self, location: Array, rng: np.random.Generator) -> Array:
        """Features of one draw of what decoder, effects and noise give together."""
        return self.columns.sample(rng, self.outside(location))


def refuse_slopes(effects: Sequence[AbstractRandomEffect]) -> None:
    """Refuse effects with slopes of features: here every feature is an outcome.

    Raises
    ------
    ValueError
    """
    for effect in effects:
        if effect.covariate_keys:
            raise ValueError(
                f"{effect!r} has slopes of columns of X, but here these are outcomes; see MixedModel"
            )
