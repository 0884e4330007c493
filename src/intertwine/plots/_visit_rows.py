"""Visits of subjects with their covariates: what a model is told of them, and points from visit to visit."""

from __future__ import annotations

from typing import Any, NamedTuple

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from intertwine.plots._results import columns_of

__all__ = ["CurveRows", "VisitRows", "feature_names", "first_rows"]


class VisitRows(NamedTuple):
    """Subjects, covariates and times of rows.

    Attributes
    ----------
    subject : ndarray (n,)
    covariates : dict of ndarray
        By name, or by position where a plain array was passed.
    time : ndarray (n,) or None
    """

    subject: NDArray[Any]
    covariates: dict[Any, NDArray[Any]]
    time: NDArray[np.float64] | None

    @classmethod
    def read(cls, subject: NDArray[Any], covariates: Any, time: Any) -> VisitRows:
        """Rows of what a user passes to ``fit``.

        Examples
        --------
        >>> rows = VisitRows.read(np.array(["a", "a"]), {"age": [60.0, 62.0]}, None)
        >>> list(rows.asked())
        ['subject', 'covariates']
        """
        columns: dict[Any, NDArray[Any]] = {}
        if isinstance(covariates, dict) or hasattr(covariates, "columns"):
            columns = columns_of(covariates)
        elif covariates is not None:
            array = np.asarray(covariates)
            columns = dict(enumerate(array.reshape(len(array), -1).T))
        return cls(subject, columns, None if time is None else np.asarray(time, dtype=float))

    def take(self, rows: NDArray[np.int64]) -> VisitRows:
        """Some of the rows."""
        time = None if self.time is None else self.time[rows]
        return VisitRows(
            self.subject[rows], {name: column[rows] for name, column in self.covariates.items()}, time
        )

    def asked(self) -> dict[str, Any]:
        """Arguments of an estimator's methods."""
        passed: dict[str, Any] = {"subject": self.subject}
        if self.covariates:
            by_name = all(isinstance(key, str) for key in self.covariates)
            passed["covariates"] = (
                self.covariates if by_name else np.column_stack(list(self.covariates.values()))
            )
        if self.time is not None:
            passed["time"] = self.time
        return passed

    def clock(self, along: Any) -> tuple[NDArray[np.float64], str]:
        """Values of the horizontal axis, and its name.

        Raises
        ------
        ValueError
            For a covariate that is not there or no number everywhere, and where none changes with the visit.
        """
        if along is None:
            if self.time is not None:
                return self.time, "time"
            for name, column in self.covariates.items():
                if _is_number(column) and np.isfinite(column.astype(float)).all() and self._moves(column):
                    return column.astype(float), str(name)
            raise ValueError("no covariate tells a subject's visits apart: pass along=, values of the axis")
        if not isinstance(along, str | int):
            return np.asarray(along, dtype=float), "time"
        if along == "time" and self.time is not None:
            return self.time, "time"
        if along not in self.covariates:
            raise ValueError(f"along={along!r} is no covariate; there are {list(self.covariates)}")
        column = self.covariates[along]
        if not (_is_number(column) and np.isfinite(column.astype(float)).all()):
            raise ValueError(f"along={along!r} is not a number at every visit")
        return column.astype(float), str(along)

    def _moves(self, column: NDArray[Any]) -> bool:
        """Whether a covariate is another at any two visits of a subject."""
        _, code = np.unique(self.subject, return_inverse=True)
        return bool(np.unique(np.column_stack([code, column.astype(float)]), axis=0).shape[0] == len(column))

    def with_between(self, clock: NDArray[np.float64], n_steps: int) -> CurveRows:
        """The visits, sorted by subject and time, and points between them.

        Numbers move along a line from visit to visit, and what is no number stays until the next one.

        Examples
        --------
        >>> rows = VisitRows(np.array([7, 7, 8]), {"dose": np.array([0.0, 2.0, 1.0])}, None)
        >>> curve = rows.with_between(np.array([1.0, 3.0, 0.0]), 2)
        >>> curve.clock.tolist(), curve.visit.tolist(), curve.rows.covariates["dose"].tolist()
        ([1.0, 2.0, 3.0, 0.0], [0, -1, 1, 2], [0.0, 1.0, 2.0, 1.0])
        """
        n = len(self.subject)
        after = np.minimum(np.arange(n) + 1, n - 1)
        goes_on = (self.subject[after] == self.subject) & (after > np.arange(n))
        left = np.repeat(np.arange(n), np.where(goes_on, n_steps, 1))
        step = np.arange(left.size) - np.searchsorted(left, left)
        part, right = step / n_steps, np.where(step > 0, after[left], left)

        def moved(column: NDArray[Any]) -> NDArray[Any]:
            if not _is_number(column):
                return column[left]
            values = column.astype(float)
            return np.where(step == 0, values[left], (1 - part) * values[left] + part * values[right])

        rows = VisitRows(
            self.subject[left],
            {name: moved(column) for name, column in self.covariates.items()},
            None if self.time is None else moved(self.time),
        )
        return CurveRows(rows, moved(clock), np.where(step == 0, left, -1), right)


class CurveRows(NamedTuple):
    """Points of curves.

    Attributes
    ----------
    rows : VisitRows
    clock : ndarray (m,)
    visit : ndarray of int (m,)
        Which visit a point is; −1 between visits.
    until : ndarray of int (m,)
        The visit that it is, or that it leads to.
    """

    rows: VisitRows
    clock: NDArray[np.float64]
    visit: NDArray[np.int64]
    until: NDArray[np.int64]


def first_rows(subject: NDArray[Any], n_first: int | None) -> NDArray[np.bool_]:
    """Which rows are among the first of their subject, whose rows stand together; all where `n_first` is None.

    Raises
    ------
    ValueError
        If it is below one.

    Examples
    --------
    >>> first_rows(np.array(["a", "a", "a", "b"]), 2).tolist()
    [True, True, False, True]
    """
    if n_first is None:
        return np.ones(len(subject), dtype=bool)
    if n_first < 1:
        raise ValueError(f"n_given must be at least 1, got {n_first!r}")
    begins = np.r_[True, subject[1:] != subject[:-1]]
    number = np.arange(len(subject)) - np.flatnonzero(begins)[np.cumsum(begins) - 1]
    return np.asarray(number < n_first)


def feature_names(estimator: Any, X: Any) -> tuple[list[str], NDArray[np.float64]]:
    """Names of the columns of X, and its values."""
    native = nw.from_native(X, eager_only=True, pass_through=True)
    values = np.asarray(native.to_numpy() if hasattr(native, "columns") else X, dtype=float)
    names = getattr(estimator, "feature_names_in_", [f"x{j}" for j in range(values.shape[1])])
    return [str(name) for name in names], values


def _is_number(column: NDArray[Any]) -> bool:
    return column.dtype.kind in "fiu"
