"""The units that features are fitted in, and which effects features can have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from intertwine.effects.random import AbstractRandomEffect

__all__ = ["FeatureUnits", "refuse_slopes"]


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
