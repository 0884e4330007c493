"""Which visits of a subject are shown when the others are to be predicted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["drawn_context"]

_FIRST = 0.6  # of the subjects show their first visits, as when the future is forecast; others any


def drawn_context(
    rng: np.random.Generator, subject: NDArray[np.int64], number: NDArray[np.int64], n_given: int | None
) -> NDArray[np.bool_]:
    """Draw the visits that are shown, (n,).

    Parameters
    ----------
    rng : numpy.random.Generator
    subject : ndarray of int, shape (n,)
        Places among the subjects of a batch; all visits of a subject stand side by side.
    number : ndarray of int, shape (n,)
        The number of each visit among those of its subject.
    n_given : int or None
        How many first visits are shown; from three to seven fifths as many, where any may be. None: any number from
        none to half of a subject's visits.

    Examples
    --------
    >>> rng, subject = np.random.default_rng(0), np.repeat([0, 1, 2], 6)
    >>> shown = drawn_context(rng, subject, np.tile(np.arange(6), 3), None)
    >>> bool(np.all(np.bincount(subject, shown) <= 3))
    True
    """
    counts = np.bincount(subject)
    first = rng.random(len(counts)) < _FIRST
    if n_given is None:
        wanted = rng.integers(0, counts // 2 + 1)
    else:
        any_number = rng.integers(max(1, (3 * n_given) // 5), (7 * n_given) // 5 + 1, len(counts))
        wanted = np.where(first, n_given, any_number)
    rank = np.where(first[subject], number, rng.random(len(subject)))
    order = np.lexsort([rank, subject])
    place = np.empty(len(subject), dtype=np.int64)
    place[order] = np.arange(len(subject)) - np.repeat(np.cumsum(counts) - counts, counts)
    return place < wanted[subject]
