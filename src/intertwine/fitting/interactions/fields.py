"""The Gaussian effects of one set of rows, at unit strength: main effects, own squares, pairs, triples.

Another set of strengths costs a weighted sum, a fold of the rows a submatrix. There are two forms, as of the
covariance: `DenseFields` knows an effect by its n × n covariance, `FactoredFields` by its columns, and `smaller_form`
picks.
"""

from __future__ import annotations

import abc
from typing import NamedTuple, Self, final

import numpy as np

from intertwine.covariance import AbstractCovariance, DenseCovariance, FactoredCovariance, WeighedColumns
from intertwine.effects.base import AbstractEffect
from intertwine.effects.features import Linear, Pairs, Triples
from intertwine.mixed_model import Mode
from intertwine.objective import Strengths

__all__ = [
    "AbstractFields",
    "DenseFields",
    "EffectColumns",
    "ExactStrengths",
    "FactoredFields",
    "WrittenEffects",
    "factorization_operations",
    "n_coefficients",
    "prefers_factor",
    "prior_deviations",
    "smaller_form",
]

_TALL = 2  # rows a coefficient from which its columns are the smaller form


class ExactStrengths(NamedTuple):
    """Ridge on main effects; ridge and tie on pairs (and on squares and triples, without the tie for squares)."""

    main: float
    pairs: Strengths


class EffectColumns(NamedTuple):
    """The columns of some rows that the effects are made of.

    Attributes
    ----------
    main : ndarray (n, m)
        Those whose main effect carries a penalty.
    squares : ndarray (n, s)
        Own squares, possibly none.
    products : ndarray (n, q)
        Those whose products are the interactions.
    order : {2, 3}
    """

    main: np.ndarray
    squares: np.ndarray
    products: np.ndarray
    order: int

    def effects(self) -> list[tuple[AbstractEffect, np.ndarray]]:
        """Every effect with its columns, in the order of `_variances`."""
        made: list[tuple[AbstractEffect, np.ndarray]] = [
            (Linear(), self.main),
            (Linear(), self.squares),
            (Pairs(), self.products),
        ]
        return [*made, (Triples(), self.products)] if self.order == 3 else made


class WrittenEffects(NamedTuple):
    """Coefficients (m,) of main effects with a penalty, (s,) of squares, (q (q − 1) / 2,) of pairs or None."""

    main: np.ndarray
    squares: np.ndarray
    pairs: np.ndarray | None


def _variances(strengths: ExactStrengths) -> tuple[float, float, float, float]:
    """Prior variance of a coefficient of every effect."""
    pairs = 0.0 if np.isinf(strengths.pairs.deviation) else 1.0 / strengths.pairs.deviation
    return 1.0 / strengths.main, 1.0 / strengths.pairs.ridge, pairs, pairs


def prior_deviations(strengths: ExactStrengths) -> np.ndarray:
    """Prior standard deviation of a coefficient of main effects, squares, pairs and triples."""
    return np.sqrt(_variances(strengths))


def n_coefficients(n_columns: int, n_squares: int, order: int) -> int:
    """How many coefficients the effects of so many columns have together."""
    effects = [Linear(), Pairs(), Triples()][:order]
    return n_squares + sum(effect.n_coefficients(n_columns) for effect in effects)


def prefers_factor(n_rows: int, n_columns: int, n_squares: int, order: int) -> bool:
    """Tell whether columns are the smaller form for so many rows."""
    return _TALL * n_coefficients(n_columns, n_squares, order) <= n_rows


def factorization_operations(n_rows: int, n_columns: int, n_squares: int, order: int) -> float:
    """Multiplications of one factorization: n³/3 of a matrix of rows, or n m² of one of m coefficients."""
    if prefers_factor(n_rows, n_columns, n_squares, order):
        return float(n_rows) * n_coefficients(n_columns, n_squares, order) ** 2
    return n_rows**3 / 3.0


def smaller_form(columns: EffectColumns) -> AbstractFields:
    """The form that is cheaper for these rows."""
    n, q = columns.products.shape
    tall = prefers_factor(n, q, columns.squares.shape[1], columns.order)
    return FactoredFields(columns) if tall else DenseFields(columns)


class AbstractFields(abc.ABC):
    """Effects of all kinds at the rows of a problem."""

    @abc.abstractmethod
    def covariance(self, strengths: ExactStrengths) -> AbstractCovariance:
        """Prior covariance of their sum."""

    @abc.abstractmethod
    def take(self, rows: np.ndarray) -> Self:
        """The same effects at some of the rows."""

    @abc.abstractmethod
    def between(self, strengths, rows, others, mode: Mode) -> np.ndarray:
        """The field at some of the rows, from a fit of ``take(others)``."""

    @abc.abstractmethod
    def elsewhere(self, strengths, columns: EffectColumns, mode: Mode) -> np.ndarray:
        """The field at rows that are given by their columns, from a fit of these."""

    @abc.abstractmethod
    def written(self, strengths, mode: Mode) -> WrittenEffects:
        """Coefficients of a fit, as far as they are worth writing out."""

    @abc.abstractmethod
    def pair_places(self) -> slice | None:
        """Where the pairs are among the columns of the covariance; None where it is not known by columns."""

    @abc.abstractmethod
    def mean_variances(self) -> tuple[float, float]:
        """Mean prior variance of main effects and of pairs at unit strength."""


@final
class DenseFields(AbstractFields):
    """Effects known by their covariance matrices; the columns are kept for new rows, and shared by folds."""

    def __init__(self, columns: EffectColumns) -> None:
        self._columns = columns
        self._matrices = self._covariances(columns)
        self._rows = np.arange(len(columns.products))

    def _covariances(self, columns: EffectColumns) -> list[np.ndarray | None]:
        return [
            effect.covariance(own, others) if own.shape[1] else None
            for (effect, own), (_, others) in zip(columns.effects(), self._columns.effects(), strict=True)
        ]

    @staticmethod
    def _weighted_sum(matrices, strengths):
        first, *others = [
            (v, m) for v, m in zip(_variances(strengths), matrices, strict=False) if m is not None
        ]
        total = first[0] * first[1]
        for variance, matrix in others:
            if variance:
                total += variance * matrix
        return total

    def covariance(self, strengths):
        return DenseCovariance(self._weighted_sum(self._matrices, strengths))

    def take(self, rows):
        part = object.__new__(type(self))
        part._columns, part._rows = self._columns, self._rows[rows]
        part._matrices = self._between(rows, rows)
        return part

    def _between(self, rows, others):
        index = np.ix_(rows, others)
        return [None if matrix is None else matrix[index] for matrix in self._matrices]

    def between(self, strengths, rows, others, mode):
        return self._weighted_sum(self._between(rows, others), strengths) @ mode.alpha

    def written(self, strengths, mode):
        main, squares, *_ = _variances(strengths)
        everywhere = self._everywhere(mode)
        return WrittenEffects(
            main * (self._columns.main.T @ everywhere), squares * (self._columns.squares.T @ everywhere), None
        )

    def _everywhere(self, mode):
        """α at all rows that the columns are held of."""
        everywhere = np.zeros(len(self._columns.products))
        everywhere[self._rows] = mode.alpha
        return everywhere

    def elsewhere(self, strengths, columns, mode):
        everywhere = self._everywhere(mode)
        return self._weighted_sum(self._covariances(columns), strengths) @ everywhere

    def pair_places(self):
        return None

    def mean_variances(self):
        main, _, pairs, *_ = self._matrices
        return tuple(0.0 if matrix is None else float(np.mean(np.diag(matrix))) for matrix in (main, pairs))


@final
class FactoredFields(AbstractFields):
    """Effects known by the columns of their coefficients, side by side."""

    def __init__(self, columns: EffectColumns) -> None:
        designs = [effect.design(own) for effect, own in columns.effects()]
        self._sizes = [design.shape[1] for design in designs]
        self._design = np.hstack(designs)
        self._weighed = WeighedColumns()

    def _deviations(self, strengths):
        return np.repeat(prior_deviations(strengths)[: len(self._sizes)], self._sizes)

    def covariance(self, strengths):
        return FactoredCovariance(self._design, self._deviations(strengths), self._weighed)

    def take(self, rows):
        part = object.__new__(type(self))
        part._sizes, part._design, part._weighed = self._sizes, self._design[rows], WeighedColumns()
        return part

    def between(self, strengths, rows, others, mode):
        return self._design[rows] @ (self._deviations(strengths) * mode.whitened)

    def elsewhere(self, strengths, columns, mode):
        design = np.hstack([effect.design(own) for effect, own in columns.effects()])
        return design @ (self._deviations(strengths) * mode.whitened)

    def written(self, strengths, mode):
        # not v Aᵀα, which cancels where prior variances are large
        coefficients = self._deviations(strengths) * mode.whitened
        return WrittenEffects(*np.split(coefficients, np.cumsum(self._sizes)[:-1])[:3])

    def pair_places(self):
        first = self._sizes[0] + self._sizes[1]
        return slice(first, first + self._sizes[2])

    def mean_variances(self):
        squares = np.einsum("im,im->m", self._design, self._design) / len(self._design)
        main, _, pairs, *_ = np.split(squares, np.cumsum(self._sizes)[:-1])
        return float(main.sum()), float(pairs.sum())
