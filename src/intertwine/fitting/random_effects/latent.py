"""What a latent model with random effects answers once it is fitted, whatever its decoder.

    x_i = f(u_i) + Σ_t (Z_t B_t)_i + e_i,    u_i ~ N(0, I),    e_im ~ N(0, σ_m²)

Everything is in the units of the fit (features about their mean, and of variance one where they were scaled).
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from intertwine.effects.random import AbstractRandomEffect, EffectRows
from intertwine.mixed_effects.base import VarianceComponents

__all__ = ["AbstractLatentModel", "EffectTerms", "LatentRows", "RowEffects"]

Array = NDArray[np.float64]


class LatentRows(NamedTuple):
    """Rows as a fit reads them.

    Attributes
    ----------
    X : ndarray of shape (n, p)
        Features; NaN where nothing was observed. Columns that are not Gaussian as they are.
    effects : EffectRows
        What effects read.
    columns : LocalColumns or None
        Where some are not Gaussian.
    """

    X: Array
    effects: EffectRows
    columns: Any = None


class RowEffects(NamedTuple):
    """What is known of the random effects at rows, from the fit alone: never from the rows themselves.

    The covariance between the p features of Σ_t (Z_t B_t)_i is diag(variance[i]) + L Lᵀ with L = loadings[kind[i]].

    Attributes
    ----------
    mean, variance : ndarray of shape (n, p)
        A level that was not in the fit has mean zero and the variance of the population.
    loadings : ndarray of shape (k, p, f) or None
        None where effects of different features are independent given the fit.
    kind : ndarray of int of shape (n,) or None
    """

    mean: Array
    variance: Array
    loadings: Array | None = None
    kind: NDArray[np.int64] | None = None


class EffectTerms(NamedTuple):
    """Coefficients of one effect: the mean and the posterior variance of each, (q, r, p)."""

    mean: Array
    variance: Array


class AbstractLatentModel(abc.ABC):
    """A fitted family at its parameters."""

    noise: Array  # σ² (p,); zero of columns that are not Gaussian
    variances: VarianceComponents
    basis_names: tuple[tuple[str, ...], ...]  # of each effect: "intercept", "time", …
    shapes: tuple[dict[str, float], ...]  # of each effect: what its covariance between levels depends on
    history: dict[str, list[float]]  # columns of equal length, "iteration" first
    converged: bool

    @abc.abstractmethod
    def row_effects(self, rows: EffectRows) -> RowEffects:
        """Random effects at rows, old or new."""

    @abc.abstractmethod
    def latent(self, X: Array, at: RowEffects) -> Array:
        """E[u_i | x_i] (n, d): effects have the mean ``at.mean``, and what is open about them is noise of the row."""

    @abc.abstractmethod
    def decode(self, U: Array) -> Array:
        """f(u) (n, p), with the mean of the features."""

    @abc.abstractmethod
    def expected(self, X: Array, at: RowEffects) -> Array:
        """E[f(u_i) | x_i] (n, p), with the mean of the features, effects as in ``latent``."""

    @abc.abstractmethod
    def log_density(self, X: Array, at: RowEffects) -> Array:
        """Density log p(x_i) (n,) of what was observed, u and effects being integrated out."""

    @abc.abstractmethod
    def decoded_variance(self) -> Array:
        """Variance of f(u) over u ~ N(0, I), (p,)."""

    @abc.abstractmethod
    def effect_terms(self) -> tuple[EffectTerms, ...]:
        """Coefficients of each effect at the levels of the fit."""

    @abc.abstractmethod
    def conditioned(
        self, X: Array, rows: EffectRows, effects: Sequence[AbstractRandomEffect]
    ) -> AbstractLatentModel:
        """The model once it has seen further rows (n, p), whose groups know all labels; its parameters stay.

        Raises
        ------
        ValueError
            Where it cannot.
        """

    @abc.abstractmethod
    def to_state(self) -> dict[str, Any]:
        """What a file holds of the model: arrays, numbers and text."""
