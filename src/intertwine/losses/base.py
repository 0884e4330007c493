"""What a loss and its curvature are: functions of the scores, bound to the outcome.

Every loss is a weighted mean over rows,

    L(f) = Σᵢ wᵢ ℓᵢ(f) / Σᵢ wᵢ,

so penalties keep their meaning when rows or weights are added.
"""

from abc import ABC, abstractmethod
from typing import Self, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


class AbstractCurvature(ABC):
    """Second derivative of a loss at fixed scores: a symmetric positive semi-definite n × n operator W."""

    @abstractmethod
    def diagonal(self) -> FloatArray:
        """Diagonal of W, shape (n,)."""

    @abstractmethod
    def matmul(self, vectors: FloatArray) -> FloatArray:
        """Product W V for V of shape (n,) or (n, m); the result has the shape of V."""

    @abstractmethod
    def majorizer(self) -> FloatArray:
        """Vector d of shape (n,) with diag(d) ⪰ W."""


@final
class DiagonalCurvature(AbstractCurvature):
    """Curvature of a loss whose rows do not interact.

    Parameters
    ----------
    diagonal : array of shape (n,)
        Second derivative of the loss with respect to each score.

    Examples
    --------
    >>> import numpy as np
    >>> DiagonalCurvature(np.array([1.0, 2.0])).matmul(np.array([3.0, 4.0]))
    array([3., 8.])
    """

    def __init__(self, diagonal: FloatArray) -> None:
        self._diagonal = diagonal

    def diagonal(self) -> FloatArray:
        """Diagonal of W, shape (n,)."""
        return self._diagonal.copy()

    def matmul(self, vectors: FloatArray) -> FloatArray:
        """Product W V for V of shape (n,) or (n, m)."""
        return (self._diagonal * vectors.T).T

    def majorizer(self) -> FloatArray:
        """Diagonal of W, which is W itself."""
        return self._diagonal.copy()


class LossOverflowError(ValueError):
    """Scores, or the loss of them, are not finite: a step was too long, or nothing holds the coefficients."""


class AbstractLoss(ABC):
    """Loss as a function of the scores f, bound to its outcome and weights.

    Attributes
    ----------
    n_rows : int
        Number of rows n; scores have shape (n,).
    sample_weight : array of shape (n,)
        Weights, one for every row when none were given. A weight of zero is the same as leaving the row out.
    total_weight : float
        Sum of the weights, by which the loss and its derivatives are divided.
    has_intercept : bool
        False when adding a constant to the scores does not change the loss.
    rows_interact : bool
        True when the curvature is not diagonal.
    is_quadratic : bool
        True when the curvature does not depend on the scores.
    """

    has_intercept: bool
    is_quadratic: bool = False
    rows_interact: bool

    def __init__(self, n_rows: int, sample_weight: ArrayLike | None) -> None:
        self.n_rows = n_rows
        self.sample_weight = _valid_weights(n_rows, sample_weight)
        self.total_weight = float(self.sample_weight.sum())

    @final
    def value(self, f: ArrayLike) -> float:
        """Loss at scores f, the weighted mean of `unit_losses`.

        Raises
        ------
        LossOverflowError
            When a score or the loss is not finite.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            value = float(self._weighted(self.unit_losses(f)).sum()) / self.total_weight
        if not np.isfinite(value):
            raise LossOverflowError(
                "overflow: the loss is not finite; take smaller steps or a stronger penalty"
            )
        return value

    @final
    def value_of_trial(self, f: ArrayLike) -> float:
        """Loss at scores that a step leads to; infinite where `value` refuses them: the step is too long."""
        try:
            return self.value(f)
        except LossOverflowError:
            return float("inf")

    @abstractmethod
    def unit_losses(self, f: ArrayLike) -> FloatArray:
        """Contribution of every row, unweighted, shape (n,): `value` is their weighted mean."""

    @abstractmethod
    def gradient(self, f: ArrayLike) -> FloatArray:
        """Differentiate `value` with respect to the scores, shape (n,)."""

    @abstractmethod
    def curvature(self, f: ArrayLike) -> AbstractCurvature:
        """Differentiate `value` twice with respect to the scores."""

    @abstractmethod
    def start_score(self) -> float:
        """Constant score with the smallest loss."""

    @abstractmethod
    def inverse_link(self, f: ArrayLike) -> FloatArray:
        """Response that scores stand for, same shape as f."""

    @abstractmethod
    def dispersion(self, misfit: float, degrees_of_freedom: float) -> float:
        """Variance of a row of weight one, from twice the penalised total loss at the optimum.

        One where the loss is a negative log-likelihood on its own scale.
        """

    @abstractmethod
    def log_normalizer(self, dispersion: float) -> float:
        """Return what the log-likelihood adds to −(total loss) / dispersion."""

    @abstractmethod
    def take(self, rows: ArrayLike) -> Self:
        """Restrict the loss to rows (integer positions or a boolean mask), weights included."""

    @final
    def _weighted(self, values: FloatArray) -> FloatArray:
        """Values times weights; rows without weight have nothing, not even what is infinite."""
        return np.multiply(
            self.sample_weight, values, out=np.zeros(self.n_rows), where=self.sample_weight > 0
        )

    @final
    def _valid_scores(self, f: ArrayLike) -> FloatArray:
        """Scores in float64: losses are sums over many rows, for which float32 is too coarse."""
        scores = np.asarray(f, dtype=np.float64)
        if scores.shape != (self.n_rows,):
            raise ValueError(f"scores have shape {scores.shape}, expecting ({self.n_rows},)")
        n_bad = self.n_rows - int(np.count_nonzero(np.isfinite(scores)))
        if n_bad:
            raise LossOverflowError(
                f"overflow: {n_bad} of {self.n_rows} scores {'is' if n_bad == 1 else 'are'} NaN or infinite; "
                "take smaller steps or a stronger penalty"
            )
        return scores


class AbstractLikelihoodLoss(AbstractLoss):
    """Loss that is the whole negative log-likelihood, on its own scale: nothing is left to be estimated of it."""

    @final
    def dispersion(self, misfit: float, degrees_of_freedom: float) -> float:
        """One."""
        return 1.0

    @final
    def log_normalizer(self, dispersion: float) -> float:
        """Zero."""
        return 0.0


def valid_column(values: ArrayLike, name: str) -> FloatArray:
    """Copy of a one-dimensional, non-empty column without NaN, in float64."""
    column = np.array(values, dtype=np.float64)
    if column.ndim != 1 or column.size == 0:
        raise ValueError(f"{name} has shape {column.shape}, expecting (n,) with n ≥ 1")
    if np.isnan(column).any():
        raise ValueError(f"{name} contains NaN in rows {np.flatnonzero(np.isnan(column))[:5].tolist()}")
    return column


def require_length(column: NDArray, name: str, n_rows: int) -> None:
    """Refuse a column that is not one value per row."""
    if column.shape != (n_rows,):
        raise ValueError(f"{name} has shape {column.shape}, expecting ({n_rows},)")


def _valid_weights(n_rows: int, sample_weight: ArrayLike | None) -> FloatArray:
    if sample_weight is None:
        return np.ones(n_rows)
    weights = valid_column(sample_weight, "sample_weight")
    require_length(weights, "sample_weight", n_rows)
    if (weights < 0).any() or not np.isfinite(weights).all():
        raise ValueError("sample_weight must be finite and not negative")
    if not weights.any():
        raise ValueError("sample_weight is zero in every row")
    return weights
