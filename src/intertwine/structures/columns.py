"""A chosen few columns of the design [linear block | products of two features], computed on the fly.

Sparse solutions touch hundreds of columns out of millions. Multiplying two features that sit in the second-level
cache is cheaper than reading their stored product from memory, so scores and pullbacks of the chosen columns are
fused loops over row chunks and need no memory of their own.
"""

from __future__ import annotations

from typing import NamedTuple, Self, final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from intertwine.structures.pairwise import ProductScaling

__all__ = ["ChosenColumns", "Coordinates"]

_ROWS = 1024  # rows in flight: 8 kB a feature


class Coordinates(NamedTuple):
    """Which columns: a linear one, or a pair of features.

    Attributes
    ----------
    rows : ndarray of int64, shape (w,)
        First feature j of a pair; −1 for a column of the linear block.
    cols : ndarray of int64, shape (w,)
        Second feature k > j of a pair, or the position in the linear block.

    Examples
    --------
    >>> Coordinates.of(n_linear=1, rows=[0], cols=[2]).is_pair
    array([False,  True])
    """

    rows: NDArray
    cols: NDArray

    @classmethod
    def of(cls, n_linear: int, rows: NDArray, cols: NDArray) -> Self:
        """Return the whole linear block followed by the pairs (rows, cols)."""
        first = np.concatenate([np.full(n_linear, -1), np.asarray(rows)]).astype(np.int64)
        return cls(first, np.concatenate([np.arange(n_linear), np.asarray(cols)]).astype(np.int64))

    @property
    def is_pair(self) -> NDArray:
        """Mask of the pairs, shape (w,)."""
        return self.rows >= 0

    def keys(self, n_linear: int, n_features: int) -> NDArray:
        """Return one number for each coordinate, shape (w,): the linear block first, then the pairs in order."""
        return np.where(self.is_pair, n_linear + self.rows * n_features + self.cols, self.cols)

    def take(self, index: NDArray) -> Self:
        """Return some of the coordinates (positions or a mask)."""
        return type(self)(self.rows[index], self.cols[index])

    def joined(self, other: Coordinates) -> Self:
        """Return these coordinates followed by the others."""
        return type(self)(*map(np.concatenate, zip(self, other, strict=True)))


@final
class ChosenColumns:
    """Products with the columns that some coordinates stand for.

    Parameters
    ----------
    linear_t : ndarray of shape (m, n), C order
        Linear block, one row a column.
    features_t : ndarray of shape (p, n), C order
        Features whose products are the pairs, one row a feature.
    coordinates : Coordinates
        Which columns.
    scaling : ProductScaling, optional
        Center and scale of the products.

    Examples
    --------
    >>> import numpy as np
    >>> features_t = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> columns = ChosenColumns(np.ones((1, 2)), features_t, Coordinates.of(1, [0], [1]))
    >>> columns.score(np.array([10.0, 1.0]))
    array([13., 18.])
    >>> columns.pullback(np.array([1.0, 1.0]))
    array([ 2., 11.])
    """

    def __init__(
        self,
        linear_t: NDArray,
        features_t: NDArray,
        coordinates: Coordinates,
        scaling: ProductScaling | None = None,
    ) -> None:
        self._linear_t = linear_t
        self._features_t = features_t
        self._coordinates = coordinates
        self._center = np.zeros(len(coordinates.rows))
        self._inverse_scale = np.ones(len(coordinates.rows))
        if scaling is not None:
            pair = coordinates.is_pair
            at = (coordinates.rows[pair], coordinates.cols[pair])
            self._center[pair] = scaling.center[at]
            self._inverse_scale[pair] = 1.0 / scaling.scale[at]

    @property
    def n_columns(self) -> int:
        """Number of columns w."""
        return len(self._center)

    @property
    def n_features(self) -> int:
        """Number of features p."""
        return len(self._features_t)

    @property
    def n_rows(self) -> int:
        """Number of rows n."""
        return self._features_t.shape[1]

    def score(self, coefficients: NDArray) -> NDArray:
        """Return Σ_c coefficient_c · column_c, shape (n,)."""
        scaled = coefficients * self._inverse_scale
        used = np.flatnonzero(scaled)
        out = np.full(self.n_rows, -float(scaled @ self._center))
        rows, cols = self._coordinates.take(used)
        _add_scores(self._linear_t, self._features_t, rows, cols, scaled[used], out)
        return out

    def scores(self, coefficients: NDArray) -> NDArray:
        """Return `score` of every row of ``coefficients`` (k, w), shape (k, n); many share the work of the columns."""
        if len(coefficients) == 1:
            return self.score(coefficients[0])[None]
        out = np.empty((len(coefficients), self.n_rows))
        step = max(_ROWS, 256 * 1024 // max(self.n_columns, 1))
        for start in range(0, self.n_rows, step):
            stop = min(start + step, self.n_rows)
            out[:, start:stop] = coefficients @ self.dense(start, stop)
        return out

    def pullback(self, v: NDArray) -> NDArray:
        """Return ⟨column_c, v⟩ for every column, shape (w,); the adjoint of `score`."""
        out = np.zeros(self.n_columns)
        _add_pullback(self._linear_t, self._features_t, *self._coordinates, v, out)
        return (out - self._center * float(np.sum(v))) * self._inverse_scale

    def dense(self, start: int = 0, stop: int | None = None, out: NDArray | None = None) -> NDArray:
        """Return the columns over the rows start … stop − 1 as an array of shape (w, stop − start), C order."""
        stop = self.n_rows if stop is None else stop
        if out is None:
            out = np.empty((self.n_columns, stop - start))
        blocks = self._linear_t[:, start:stop], self._features_t[:, start:stop]
        _fill(*blocks, *self._coordinates, self._center, self._inverse_scale, out)
        return out

    def take(self, index: NDArray | slice) -> ChosenColumns:
        """Return some of the columns."""
        taken = object.__new__(ChosenColumns)
        taken._linear_t, taken._features_t = self._linear_t, self._features_t
        taken._coordinates = Coordinates(self._coordinates.rows[index], self._coordinates.cols[index])
        taken._center, taken._inverse_scale = self._center[index], self._inverse_scale[index]
        return taken

    def products(self, V: NDArray) -> NDArray:
        """Return columnsᵀ V of shape (w, m) for V of shape (n, m), a chunk of rows at a time."""
        step = max(_ROWS, 256 * 1024 // max(self.n_columns, 1))
        buffer = np.empty(self.n_columns * min(step, self.n_rows))
        out = np.zeros((self.n_columns, V.shape[1]))
        for start in range(0, self.n_rows, step):
            stop = min(start + step, self.n_rows)
            chunk = buffer[: self.n_columns * (stop - start)].reshape(self.n_columns, -1)
            out += self.dense(start, stop, chunk) @ V[start:stop]
        return out


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _add_scores(linear_t, features_t, rows, cols, coefficients, out):
    n = len(out)
    for start in range(0, n, _ROWS):
        stop = min(start + _ROWS, n)
        target = out[start:stop]
        for c in range(len(rows)):
            value = coefficients[c]
            if rows[c] < 0:
                column = linear_t[cols[c], start:stop]
                for i in range(len(target)):
                    target[i] += value * column[i]
            else:
                left = features_t[rows[c], start:stop]
                right = features_t[cols[c], start:stop]
                for i in range(len(target)):
                    target[i] += value * left[i] * right[i]


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _add_pullback(linear_t, features_t, rows, cols, v, out):
    n = len(v)
    for start in range(0, n, _ROWS):
        stop = min(start + _ROWS, n)
        weight = v[start:stop]
        for c in range(len(rows)):
            total = 0.0
            if rows[c] < 0:
                column = linear_t[cols[c], start:stop]
                for i in range(len(weight)):
                    total += weight[i] * column[i]
            else:
                left = features_t[rows[c], start:stop]
                right = features_t[cols[c], start:stop]
                for i in range(len(weight)):
                    total += weight[i] * left[i] * right[i]
            out[c] += total


@njit(cache=True, nogil=True)
def _fill(linear_t, features_t, rows, cols, center, inverse_scale, out):
    for c in range(len(rows)):
        target = out[c]
        if rows[c] < 0:
            target[:] = linear_t[cols[c]]
        else:
            left, right = features_t[rows[c]], features_t[cols[c]]
            for i in range(len(target)):
                target[i] = (left[i] * right[i] - center[c]) * inverse_scale[c]
