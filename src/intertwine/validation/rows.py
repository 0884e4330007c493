"""What belongs to the same rows must have as many of them, in the same order."""

import warnings
from typing import Any

import narwhals as nw
from sklearn.utils.validation import _num_samples

from intertwine.validation.caller import depth_of_caller
from intertwine.validation.wording import counted


def check_same_rows(**inputs: Any) -> None:
    """Refuse inputs of different length, and warn where pandas indexes disagree.

    Parameters
    ----------
    **inputs : array-like, frame, Series, sparse matrix or None
        By the names the user knows them by, and as the user passed them: indexes are compared.
        The others are compared with the first; None is left out.

    Raises
    ------
    ValueError
        With both lengths.

    Warns
    -----
    UserWarning
        The indexes differ; rows are matched by position.

    Examples
    --------
    >>> check_same_rows(X=[[1.0], [2.0]], y=[1.0, 2.0, 3.0])
    Traceback (most recent call last):
    ...
    ValueError: X has 2 rows, but y has 3
    """
    (first, reference), *others = ((name, given) for name, given in inputs.items() if given is not None)
    n_rows, index = _num_samples(reference), _index(reference)
    for name, other in others:
        n_others, its_index = _num_samples(other), _index(other)
        if n_others != n_rows:
            raise ValueError(f"{first} has {counted(n_rows, 'row', 'rows')}, but {name} has {n_others}")
        if index is not None and its_index is not None and not index.equals(its_index):
            warnings.warn(
                f"{first} and {name} have different indexes; rows are aligned by position, not by index",
                UserWarning,
                stacklevel=depth_of_caller(),
            )


def _index(values: Any) -> Any:
    if nw.dependencies.is_pandas_dataframe(values) or nw.dependencies.is_pandas_series(values):
        return values.index
    return None
