"""What is known of users and items besides their ratings, as sparse features of unit size."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from intertwine.validation.vectors import is_missing
from intertwine.validation.wording import listed

__all__ = ["SideColumn", "SideFeatures", "joined_features", "one_row_per_id", "rated_features"]


class SideColumn(NamedTuple):
    """How one column becomes features.

    Attributes
    ----------
    name : str
    levels : list of str, or None
        Of labels, each a feature; None for numbers.
    center, scale : float
        Of numbers.
    """

    name: str
    levels: list[str] | None
    center: float
    scale: float

    @classmethod
    def of(cls, values: NDArray[Any], name: str) -> SideColumn:
        """From one value per id.

        Raises
        ------
        ValueError
            For NaN, infinity and dates.
        """
        if values.dtype.kind in "mM":
            raise ValueError(f"column {name!r} holds dates; turn it into a number, in a unit you choose")
        if values.dtype.kind in "biuf":
            numbers = values.astype(float)
            if not np.isfinite(numbers).all():
                raise ValueError(f"column {name!r} holds NaN or infinity; impute it first")
            return cls(name, None, float(numbers.mean()), float(numbers.std()) or 1.0)
        missing = [value for value in values if is_missing(value)]
        if missing:
            raise ValueError(
                f"column {name!r} has {len(missing)} missing labels; give them a label of their own"
            )
        return cls(name, sorted({str(value) for value in values}), 0.0, 1.0)

    @property
    def names(self) -> list[str]:
        """Of the features."""
        return [self.name] if self.levels is None else [f"{self.name}={level}" for level in self.levels]

    def features(self, values: NDArray[Any]) -> sparse.csr_array:
        """Features of values (n, ·); a level that is not known has none.

        Raises
        ------
        ValueError
            For text in place of numbers, NaN and infinity.
        """
        if self.levels is None:
            try:
                numbers = values.astype(float)
            except (TypeError, ValueError):
                raise ValueError(f"column {self.name!r} was fitted as numbers, but holds text") from None
            if not np.isfinite(numbers).all():
                raise ValueError(f"column {self.name!r} holds NaN or infinity; impute it first")
            return sparse.csr_array(((numbers - self.center) / self.scale)[:, None])
        place = {level: j for j, level in enumerate(self.levels)}
        codes = np.fromiter((place.get(str(value), -1) for value in values), np.int32, len(values))
        rows = np.flatnonzero(codes >= 0)
        shape = (len(values), len(self.levels))
        return sparse.csr_array((np.ones(len(rows)), (rows, codes[rows])), shape=shape)


class SideFeatures(NamedTuple):
    """How the side columns of one kind of id become features."""

    columns: tuple[SideColumn, ...]

    @property
    def names(self) -> list[str]:
        """Of all features."""
        return [name for column in self.columns for name in column.names]

    def features(self, values: list[NDArray[Any]]) -> sparse.csr_array | None:
        """Features (n, ·) of the columns' values; None without columns."""
        if not self.columns:
            return None
        parts = [column.features(own) for column, own in zip(self.columns, values, strict=True)]
        return sparse.csr_array(sparse.hstack(parts, format="csr"))


def one_row_per_id(
    codes: NDArray[np.intp], n_ids: int, values: NDArray[Any], name: str, ids: NDArray[Any]
) -> NDArray[Any]:
    """A column's value for each id; all its rows must agree.

    Parameters
    ----------
    codes : ndarray of int, shape (n,)
    n_ids : int
    values : ndarray of shape (n,)
    name : str
    ids : ndarray of shape (n_ids,)

    Returns
    -------
    ndarray of shape (n_ids,)

    Raises
    ------
    ValueError
        Naming ids whose rows differ.

    Examples
    --------
    >>> one_row_per_id(np.array([0, 1, 0]), 2, np.array([41, 30, 41]), "age", np.array([7, 8]))
    array([41, 30])
    """
    if values.dtype.kind == "O":  # labels that are missing are one, whatever library says so
        values = np.array([None if is_missing(value) else value for value in values], dtype=object)
    first = np.zeros(n_ids, dtype=np.intp)
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    of_id = values[first]
    differs = of_id[codes] != values
    if values.dtype.kind == "f":
        differs &= ~(np.isnan(of_id[codes]) & np.isnan(values))
    if differs.any():
        at_fault = ids[np.unique(codes[differs])]
        raise ValueError(f"column {name!r} differs between rows of the same id {listed(at_fault, 5)}")
    return of_id


def rated_features(
    starts: NDArray[np.int64], partners: NDArray[np.int32], n_partners: int
) -> sparse.csr_array:
    """Who rated what: a row per id, 1/√n at each of its n partners, those rated more than once included once.

    Parameters
    ----------
    starts : ndarray of int64, shape (n_ids + 1,)
    partners : ndarray of int32
    n_partners : int

    Returns
    -------
    csr_array of shape (n_ids, n_partners)

    Source: Y. Koren, Factorization meets the neighborhood (KDD 2008), eq. 15.
    """
    n_ids = len(starts) - 1
    rated = sparse.csr_array((np.ones(len(partners)), partners, starts), shape=(n_ids, n_partners), copy=True)
    rated.sum_duplicates()
    counts = np.diff(rated.indptr)
    rated.data = np.repeat(1.0 / np.sqrt(np.maximum(counts, 1)), counts)
    return rated


def joined_features(first: Any, second: sparse.csr_array) -> sparse.csr_array:
    """Features side by side; the first may be None."""
    return second if first is None else sparse.csr_array(sparse.hstack([first, second], format="csr"))
