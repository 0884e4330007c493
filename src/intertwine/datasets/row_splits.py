"""Which rows are held out when rows share groups or times."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Split", "held_out_rows"]

Split = Literal["random", "unknown", "future"]


def held_out_rows(
    split: str,
    rng: np.random.Generator,
    test_size: float,
    level: NDArray[Any],
    time: NDArray[np.float64] | None = None,
    unit: NDArray[Any] | None = None,
) -> NDArray[np.bool_]:
    """Mark the test rows.

    Parameters
    ----------
    split : {"random", "unknown", "future"}
        A random part of the rows; all rows of a random part of the levels; the rows with the largest times.
    rng : Generator
    test_size : float
        Part of the rows or levels, rounded up.
    level : ndarray of shape (n,)
        Labels of one grouping.
    time : ndarray of shape (n,), optional
    unit : ndarray of shape (n,), optional
        What a random split keeps together: rows that are copies of one another.

    Returns
    -------
    ndarray of shape (n,)

    Raises
    ------
    ValueError
        When the split is unknown, or is the future of rows that have no time.

    Examples
    --------
    >>> held_out_rows("future", np.random.default_rng(0), 0.25, np.zeros(4), np.array([3.0, 9.0, 1.0, 2.0]))
    array([False,  True, False, False])
    """
    n = len(level)
    if split == "future" and time is not None:
        held_out = np.empty(n, dtype=bool)
        held_out[np.argsort(time, kind="stable")] = np.arange(n) >= n - np.ceil(test_size * n)
        return held_out
    if split not in ("random", "unknown"):
        known = "'random', 'unknown' or 'future'" if time is not None else "'random' or 'unknown'"
        raise ValueError(f"split must be {known}, got {split!r}")
    kept_together = level if split == "unknown" else np.arange(n) if unit is None else unit
    codes = np.unique(kept_together, return_inverse=True)[1]
    n_codes = int(codes.max()) + 1
    return np.asarray((rng.permutation(n_codes) < np.ceil(test_size * n_codes))[codes])
