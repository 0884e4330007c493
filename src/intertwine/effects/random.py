"""Random effects: which rows share Gaussian coefficients, and how these vary together.

    g(row) = basis(row)ᵀ b[level(row)],      Cov(b[l], b[l']) = K_ll' Σ

A level is a patient, a school, a site, an instant; the r basis functions are an intercept, a slope, a spline. K (over
levels) is the identity for exchangeable levels, a kernel of distance in space, the inverse of a sparse matrix on a
graph; it depends on the effect's *shape* (a length scale, an autocorrelation), which all outputs share. Σ (r × r) is
learnt for each output by the engine, which never asks what an effect stands for.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

__all__ = [
    "AbstractApproximateEffect",
    "AbstractBoundEffect",
    "AbstractNamedLevelsEffect",
    "AbstractRandomEffect",
    "BasisPrior",
    "CovariancePrior",
    "EffectRows",
    "GroupCodes",
    "IndependentPrior",
    "LevelPrior",
    "Located",
    "PrecisionPrior",
    "require_same_functions",
]


class GroupCodes(NamedTuple):
    """One grouping of the rows: codes (n,) among ``n_levels`` known ones; −1 is a level that was not seen."""

    codes: NDArray[np.int64]
    n_levels: int


class EffectRows(NamedTuple):
    """All that random effects read of n rows; names and labels stay with the estimator.

    ``groups`` by the key that an effect asks for, ``covariates`` (columns that have random slopes) by theirs. The key
    None is there where there is one grouping only; an effect without "groups" in its needs must do without any.
    """

    n_rows: int
    groups: Mapping[Any, GroupCodes]
    time: NDArray[np.float64] | None = None
    coords: NDArray[np.float64] | None = None
    covariates: Mapping[Any, NDArray[np.float64]] = {}

    def take(self, part: slice | NDArray[np.int64]) -> EffectRows:
        """Some of the rows; levels keep their codes."""
        return EffectRows(
            len(range(*part.indices(self.n_rows))) if isinstance(part, slice) else len(part),
            {key: GroupCodes(codes[part], n_levels) for key, (codes, n_levels) in self.groups.items()},
            None if self.time is None else self.time[part],
            None if self.coords is None else self.coords[part],
            {key: values[part] for key, values in self.covariates.items()},
        )

    def joined(self, more: EffectRows) -> EffectRows:
        """These rows, and then others, which know all levels."""

        def both(one: Any, other: Any) -> Any:
            return None if one is None or other is None else np.concatenate([one, other])

        return EffectRows(
            self.n_rows + more.n_rows,
            {
                key: GroupCodes(np.concatenate([self.groups[key].codes, codes]), n_levels)
                for key, (codes, n_levels) in more.groups.items()
            },
            both(self.time, more.time),
            both(self.coords, more.coords),
            {key: np.concatenate([self.covariates[key], values]) for key, values in more.covariates.items()},
        )

    def state(self) -> dict[str, Any]:
        """What a file holds of them. Keys of groupings may be names, numbers or None, so that they stand in lists."""
        return {
            "n_rows": self.n_rows,
            "groups": [[key, codes, n_levels] for key, (codes, n_levels) in self.groups.items()],
            "time": self.time,
            "coords": self.coords,
            "covariates": [[key, column] for key, column in self.covariates.items()],
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> EffectRows:
        """The rows that gave this state."""
        groups = {key: GroupCodes(codes, n_levels) for key, codes, n_levels in state["groups"]}
        return cls(state["n_rows"], groups, state["time"], state["coords"], dict(state["covariates"]))


class IndependentPrior(NamedTuple):
    """K = I."""

    n_levels: int


class CovariancePrior(NamedTuple):
    """K given as a dense covariance (q, q), positive definite (with its jitter)."""

    covariance: NDArray[np.float64]


class PrecisionPrior(NamedTuple):
    """K⁻¹ given as a sparse matrix (q, q), with its log determinant."""

    precision: sparse.csr_array
    log_determinant: float


class BasisPrior(NamedTuple):
    """K = L diag(variances) Lᵀ with loadings L (q, m) of few functions, whose coefficients are what is found."""

    loadings: NDArray[np.float64]
    variances: NDArray[np.float64]


LevelPrior = IndependentPrior | CovariancePrior | PrecisionPrior | BasisPrior


class Located(NamedTuple):
    """Where rows stand among the levels that an effect was bound to.

    Row i has the value basis[i]ᵀ (A b)[level[i]] plus, where its level is not one of the known ones, an independent
    part of covariance extra[level[i]] · basis[i]ᵀ Σ basis[i]. A acts on what the engine finds: the coefficients of the
    known levels or, where K has a basis, those of its functions, so that no matrix of (new × known levels) is needed.
    """

    level: NDArray[np.int64]  # (n,) among the levels of these rows
    basis: NDArray[np.float64] | None  # (n, r); None is a column of ones
    projection: (
        sparse.csr_array | NDArray[np.float64] | None
    )  # A (levels of these rows, q or m of a basis); None is the known levels themselves
    extra: NDArray[np.float64] | None  # (levels of these rows,); None is zero


class AbstractBoundEffect(abc.ABC):
    """An effect with the levels of the rows that it was fitted to."""

    level: NDArray[np.int64]  # (n,) level of each row
    basis: NDArray[np.float64] | None  # (n, r); None is a column of ones, r = 1
    n_levels: int  # q
    basis_names: tuple[str, ...]  # r names: "intercept", "time", …
    shape_names: tuple[str, ...] = ()  # of what K depends on
    correlated: bool = True  # Σ is full; otherwise diagonal

    @property
    def n_basis(self) -> int:
        return len(self.basis_names)

    @abc.abstractmethod
    def start_shape(self) -> NDArray[np.float64]:
        """Where the search for the shape begins, (s,); the given shape where it is fixed."""

    @abc.abstractmethod
    def shape_bounds(self) -> NDArray[np.float64]:
        """Limits of the search, (s, 2), positive; a fixed parameter has both alike."""

    @abc.abstractmethod
    def prior(self, shape: NDArray[np.float64]) -> LevelPrior:
        """K at a shape."""

    @abc.abstractmethod
    def locate(self, rows: EffectRows, shape: NDArray[np.float64]) -> Located:
        """Rows, new or old, among the known levels."""

    @abc.abstractmethod
    def state(self) -> dict[str, Any]:
        """What `AbstractRandomEffect.restore` needs to locate rows in a later process: arrays, numbers and text."""


class AbstractApproximateEffect(AbstractBoundEffect):
    """One whose K may be an approximation."""

    @abc.abstractmethod
    def caution(self, shape: NDArray[np.float64]) -> str | None:
        """What the approximation loses at a shape and what to do, where that can be seen in results; else None."""


def require_same_functions(
    before: Sequence[AbstractBoundEffect], after: Sequence[AbstractBoundEffect]
) -> None:
    """Refuse effects whose functions lie where the rows of a fit are: their variances would be of other functions.

    Raises
    ------
    ValueError
    """
    for old, new in zip(before, after, strict=True):
        if old.basis is None or new.basis is None:
            continue
        if not np.array_equal(new.basis[: len(old.basis)], old.basis):
            raise ValueError(
                "the functions of an effect lie where the rows of the fit are, and more rows move them: fit all rows, "
                "or take a polynomial of time"
            )


class AbstractRandomEffect(abc.ABC):
    """What a user writes: ``Grouped("school")``. Knows no data; a frozen dataclass with defaults."""

    @property
    @abc.abstractmethod
    def needs(self) -> tuple[str, ...]:
        """Which of "groups", "time", "coords", "covariates" this effect reads."""

    @property
    @abc.abstractmethod
    def group_keys(self) -> tuple[Any, ...]:
        """Keys of the groupings it reads from `EffectRows.groups`; (None,) is the only one there is."""

    @property
    @abc.abstractmethod
    def covariate_keys(self) -> tuple[Any, ...]:
        """Columns of X, by name or position, that it reads from `EffectRows.covariates`; () for most effects."""

    @abc.abstractmethod
    def bind(self, rows: EffectRows) -> AbstractBoundEffect:
        """Find the levels of the rows.

        Raises
        ------
        ValueError
            Where the effect cannot be told from the noise or from the mean; the message says what to do.
        """

    @abc.abstractmethod
    def restore(self, state: dict[str, Any]) -> AbstractBoundEffect:
        """The bound effect that gave this state, without its rows."""


class AbstractNamedLevelsEffect(AbstractRandomEffect):
    """An effect that knows labels beyond those of its rows: the nodes of a graph, of which some were never visited."""

    @abc.abstractmethod
    def named_levels(self) -> tuple[Any, ...]:
        """All labels of the only grouping that it reads; () where those of the rows are all there are."""
