"""A fitted factorization machine: one set of coefficients, or draws of them from their posterior."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from intertwine.structures import _fm_kernels as kernels
from intertwine.structures.fm import FactorizationMachine, FMParams, unstacked
from intertwine.structures.fm_patterns import PatternedRows, find_patterns

__all__ = [
    "FMModel",
    "FMOutcome",
    "FMSettings",
    "FMShape",
    "column_scale",
    "group_scale",
    "presence",
    "scaled_columns",
    "start_point",
]

_ROWS = 65_536  # of which predictions are held at once
_WORTH_PATTERNS = 4  # draws from which on it pays to look for what rows repeat


class FMShape(NamedTuple):
    """Which coefficients there are."""

    n_components: int
    n_triple_components: int
    linear: bool
    intercept: bool

    @property
    def width(self) -> int:
        """Columns of the table of coefficients."""
        return int(self.linear) + self.n_components + self.n_triple_components


class FMOutcome(NamedTuple):
    """What is to be explained, on a scale of order one.

    Attributes
    ----------
    loss : intertwine.losses.AbstractLoss or None
        None where only draws are made of it.
    response : object
        Of `intertwine.losses.working`, of the same rows and weights.
    start_score : float
        Constant score that fits well.
    center, spread : float
        The user's outcome is ``center + spread · score``.
    """

    loss: Any
    response: Any
    start_score: float
    center: float
    spread: float


class FMSettings(NamedTuple):
    """Hyperparameters of a fit.

    Attributes
    ----------
    shape : FMShape
    groups : ndarray of int, shape (p,)
        Group of each feature, for the hyperpriors.
    alpha, alpha_factors : float
        Ridge strengths on linear weights and on factors, beside the mean loss.
    frequency_power : float
        How the strength on a feature's factors grows with how often it occurs.
    max_iter : int
    n_burn_in, n_samples : int
        Sweeps before the first draw that is kept, and draws kept of the sweeps after it.
    tol : float
    init_scale : float
        Standard deviation of the factors to start from.
    learning_rate, validation_fraction : float
        Length of stochastic steps, and share of the rows held out to say when to stop.
    deterministic : bool
        Whether threads must not overwrite one another's stochastic steps.
    """

    shape: FMShape
    groups: NDArray[np.intp]
    alpha: float
    alpha_factors: float
    frequency_power: float
    max_iter: int
    n_burn_in: int
    n_samples: int
    tol: float
    init_scale: float
    learning_rate: float
    validation_fraction: float
    deterministic: bool


@final
class FMModel:
    """Coefficients that predict.

    Parameters
    ----------
    shape : FMShape
    intercepts : ndarray of shape (S,)
    tables : ndarray of shape (S, p, d)
        Draws, in single precision where they are many; one set in double precision otherwise.
    center, spread : float
        Scores are in units of ``spread`` about ``center``.
    noise : ndarray of shape (S,)
        Standard deviation of a row of weight one about its score, in units of ``spread``; empty for classes.
    thresholds : ndarray of shape (S, K − 1)
        Between ordered classes; no columns for others.
    history : ndarray of shape (n_iter, c)
        What was followed, a row for each iteration, the first column its number.
    mixing : float
        Of a posterior sample: its potential scale reduction, near one where the chain has forgotten its start. Of an
        optimum: one where it was reached, infinite where the iterations ran out.
    progress : AdaGradFit, optional
        From where stochastic passes go on.
    """

    def __init__(
        self,
        shape: FMShape,
        intercepts: NDArray[np.float64],
        tables: NDArray,
        center: float,
        spread: float,
        noise: NDArray[np.float64],
        thresholds: NDArray[np.float64],
        history: NDArray[np.float64],
        mixing: float,
        progress: Any = None,
    ) -> None:
        self.shape = shape
        self.intercepts = intercepts
        self.tables = tables
        self.center = center
        self.spread = spread
        self.noise = noise
        self.thresholds = thresholds
        self.history = history
        self.mixing = mixing
        self.progress = progress

    @property
    def n_draws(self) -> int:
        """Number of sets of coefficients."""
        return len(self.tables)

    def params(self) -> Iterator[FMParams]:
        """Each set of coefficients, in units of ``spread``."""
        for intercept, table in zip(self.intercepts, self.tables, strict=True):
            full = table.astype(np.float64)
            if not self.shape.linear:
                full = np.hstack([np.zeros((len(full), 1)), full])
            yield unstacked(intercept, full, self.shape.n_components)

    def scores(self, X: Any, segment: NDArray[np.intp] | None = None) -> Iterator[NDArray[np.float64]]:
        """Scores (n,) of every set of coefficients, in units of ``spread``.

        Parameters
        ----------
        X : ndarray or csr_array of shape (n, p)
        segment : ndarray of int, shape (p,), optional
            Runs of columns, numbered from zero, in which rows may repeat themselves: what they repeat is then computed
            once for every set of coefficients.
        """
        score = FactorizationMachine(self.shape.n_components, self.shape.n_triple_components).score
        if segment is not None and sparse.issparse(X) and self.n_draws >= _WORTH_PATTERNS:
            patterns = find_patterns(X, segment, X.shape[0] // 2)
            if patterns:
                rows = PatternedRows(X, patterns)
                yield from map(rows.score, self.params())
                return
        for params in self.params():
            yield score(params, X)

    def moments(
        self, X: Any, segment: NDArray[np.intp] | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and standard deviation of the scores over the draws, in the outcome's units (n,); see `scores`."""
        parts = [self._moments(rows, segment) for rows in _in_parts(X)]
        mean, deviation = (np.concatenate(part) for part in zip(*parts, strict=True))
        return self.center + self.spread * mean, self.spread * deviation

    def _moments(self, X: Any, segment) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        mean, square = np.zeros(X.shape[0]), np.zeros(X.shape[0])
        for number, scores in enumerate(self.scores(X, segment), start=1):
            change = scores - mean
            mean += change / number
            square += change * (scores - mean)
        return mean, np.sqrt(square / self.n_draws)

    def mean_of(self, X: Any, transform, segment: NDArray[np.intp] | None = None) -> NDArray[np.float64]:
        """Mean over the draws of ``transform(scores, number of the draw)``; see `scores`."""
        return np.concatenate(
            [
                sum(transform(scores, number) for number, scores in enumerate(self.scores(rows, segment)))
                / self.n_draws
                for rows in _in_parts(X)
            ]
        )


def _in_parts(X: Any) -> Iterator[Any]:
    """The rows, so many at a time that the sums of their factors stay small."""
    if X.shape[0] <= _ROWS:
        yield X
        return
    for start in range(0, X.shape[0], _ROWS):
        yield X[start : start + _ROWS]


def presence(X: Any) -> Any:
    """One where a sparse matrix has an entry other than zero; `X != 0` takes many times as long."""
    return type(X)(((X.data != 0).astype(float), X.indices, X.indptr), shape=X.shape)


def column_scale(X: Any, weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Root mean square of the entries of each column that are not zero; one for an empty column.

    One-hot columns keep their scale, and a column of size 10⁶ is brought to that of the others.

    Examples
    --------
    >>> column_scale(np.array([[1.0, 0.0, 2e6], [0.0, 0.0, -2e6]]), np.ones(2))
    array([1.e+00, 1.e+00, 2.e+06])
    """
    if sparse.issparse(X):
        squares, present = _column_sums(X, weight, np.ones(X.shape[1]))
    else:
        squares, present = weight @ X**2, weight @ (X != 0)
    some = (present > 0) & (squares > 0)
    return np.sqrt(np.divide(squares, present, out=np.ones(X.shape[1]), where=some))


def _column_sums(X: Any, weight: NDArray, scale: NDArray) -> tuple[NDArray, NDArray]:
    """Weighted squares of the columns over their scale, and what their entries weigh: matrices of neither are built."""
    rows, squares, present = sparse.csr_array(X), np.zeros(X.shape[1]), np.zeros(X.shape[1])
    kernels.sum_columns(
        rows.indptr, rows.indices, rows.data, np.asarray(weight, dtype=float), scale, squares, present
    )
    return squares, present


def scaled_columns(X: Any, scale: NDArray[np.float64]) -> sparse.csr_array:
    """X with its columns divided by their scale, as CSR."""
    rows = sparse.csr_array(X)
    return sparse.csr_array((rows.data / scale[rows.indices], rows.indices, rows.indptr), shape=rows.shape)


def group_scale(X: Any, weight: NDArray[np.float64], groups: NDArray[np.intp]) -> NDArray[np.float64]:
    """Scale of each column, and of each group of columns: that the squares of a group sum to one in a row, on average.

    Priors of groups are then about what a group adds to a row, however many of its features the row holds.

    Examples
    --------
    >>> X = np.array([[1.0, 0.0, 3.0, 3.0], [0.0, 1.0, 3.0, 3.0]])
    >>> group_scale(X, np.ones(2), np.array([0, 0, 1, 1])) ** 2
    array([ 1.,  1., 18., 18.])
    """
    scale = column_scale(X, weight)
    squares = np.bincount(groups, weights=_column_sums(X, weight, scale)[0] / weight.sum())
    return scale * np.sqrt(np.where(squares > 0, squares, 1.0))[groups]


def start_point(X: Any, outcome: FMOutcome, settings: FMSettings, scale, previous: FMModel | None, rng):
    """Intercept and table to start from: near zero, or the last coefficients of an earlier fit of the same shape."""
    shape = settings.shape
    table = settings.init_scale * rng.standard_normal((X.shape[1], shape.width))
    if previous is not None and previous.shape == shape and previous.tables.shape[1:] == table.shape:
        return float(previous.intercepts[-1]), previous.tables[-1].astype(float) * scale[:, None]
    if shape.linear:
        table[:, 0] = 0.0
    return (outcome.start_score if shape.intercept else 0.0), table
