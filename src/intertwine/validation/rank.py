"""Unpenalised columns must be linearly independent, or their coefficients are not determined."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr, solve_triangular

_SHOWN_TERMS = 5


def check_unpenalized_rank(
    C: NDArray[np.floating], names: Sequence[str], remedy: str = "set alpha > 0"
) -> None:
    """Refuse unpenalised columns that repeat one another.

    Parameters
    ----------
    C : ndarray of shape (n, q)
        The unpenalised columns, centred when the model has an intercept. Columns of zeros
        (constants, once centred) are left out: their coefficients are 0.
    names : sequence of str of length q
    remedy : str
        What helps, beside leaving columns out.

    Raises
    ------
    LinAlgError
        "'a' = 'k'; set alpha > 0" when two columns agree, the combination when more are
        involved, the counts when there are more columns than rows.

    Examples
    --------
    >>> C = np.array([[1.0, 0.0, 1.0], [-1.0, 1.0, -1.0], [0.0, -1.0, 0.0]])
    >>> check_unpenalized_rank(C, ["a", "b", "k"])
    Traceback (most recent call last):
    ...
    numpy.linalg.LinAlgError: unpenalised columns repeat one another: 'a' = 'k'; set alpha > 0 or drop one
    """
    sizes = np.linalg.norm(C, axis=0)
    kept = np.flatnonzero(sizes > 0)
    if kept.size > C.shape[0]:
        raise np.linalg.LinAlgError(
            f"{C.shape[0]} rows cannot determine {kept.size} unpenalised coefficients; {remedy}"
        )
    if kept.size < 2:  # one that is not zero repeats none
        return
    triangle, order = qr(C[:, kept] / sizes[kept], mode="r", pivoting=True, overwrite_a=True)
    # Below this a Gram matrix of these columns has no digits left.
    threshold = np.sqrt(np.finfo(np.float64).eps * kept.size)
    rank = int((np.abs(np.diagonal(triangle)) > threshold).sum())
    if rank == kept.size:
        return
    weights = solve_triangular(triangle[:rank, :rank], triangle[:rank, rank])
    dependent, basis = kept[order[rank]], kept[order[:rank]]
    relation = _relation(dependent, basis, weights * sizes[dependent] / sizes[basis], weights, names)
    raise np.linalg.LinAlgError(f"unpenalised columns repeat one another: {relation}; {remedy} or drop one")


def _relation(
    dependent: np.intp,
    basis: NDArray[np.intp],
    coefficients: NDArray[np.floating],
    weights: NDArray[np.floating],
    names: Sequence[str],
) -> str:
    involved = np.flatnonzero(np.abs(weights) > 1e-6)
    involved = involved[np.argsort(basis[involved])]
    left, terms = int(dependent), [(coefficients[i], int(basis[i])) for i in involved]
    if len(terms) == 1 and terms[0][1] < dependent:
        # Name the earlier column first, as a reader scanning the table meets it first.
        ((coefficient, other),) = terms
        left, terms = other, [(1 / coefficient, int(dependent))]
    spelled = [f"{_factor(coefficient)}{names[column]!r}" for coefficient, column in terms[:_SHOWN_TERMS]]
    if len(terms) > _SHOWN_TERMS:
        spelled.append(f"{len(terms) - _SHOWN_TERMS} more")
    return f"{names[left]!r} = {' + '.join(spelled)}"


def _factor(coefficient: float) -> str:
    return "" if np.isclose(coefficient, 1, rtol=1e-6) else f"{coefficient:.3g}·"
