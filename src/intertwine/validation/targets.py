"""The target of a regression and of a classification."""

from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.multiclass import check_classification_targets

from intertwine.validation.rows import check_same_rows
from intertwine.validation.values import SMALLEST_SPREAD, largest_safe_value
from intertwine.validation.vectors import finite_numbers, labels, raveled
from intertwine.validation.wording import listed, rows_where


def check_regression_target(
    y: ArrayLike, X: Any, sample_weight: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Read y as finite numbers, one per row of X.

    Parameters
    ----------
    y : array-like or Series of shape (n,)
    X : array-like or frame of shape (n, p)
        As the user passed it.
    sample_weight : ndarray of shape (n,), optional
        Checked weights: rows of positive weight must differ in y.

    Returns
    -------
    ndarray of shape (n,), float64

    Raises
    ------
    ValueError
        None, another length, not 1-D, text, NaN, infinity, squares that overflow, one value only or nearly so.
    TypeError
        Dates and durations.

    Examples
    --------
    >>> check_regression_target([1, 2], X=[[0.0], [1.0]])
    array([1., 2.])
    """
    require_target(y)
    check_same_rows(X=X, y=y)
    target = finite_numbers(raveled(y, "y"), "y")
    oversized = np.abs(target) > largest_safe_value(target.size)
    if oversized.any():
        raise ValueError(
            f"y holds values whose squares overflow float64 in {rows_where(oversized)}: rescale y"
        )
    weighted = target if sample_weight is None else target[sample_weight > 0]
    if weighted.size > 1 and weighted.min() == weighted.max():
        raise ValueError(f"y is {weighted[0]:g} in every row, so there is nothing to explain")
    if weighted.size > 1 and np.ptp(weighted) < SMALLEST_SPREAD:
        raise ValueError(f"y varies by {np.ptp(weighted):.2g}, too little to compute with: rescale it")
    return target


def check_classification_target(
    y: ArrayLike, X: Any, sample_weight: NDArray[np.float64] | None = None
) -> tuple[NDArray[np.intp], NDArray[Any]]:
    """Read y as class labels, one per row of X, at least two of them.

    Parameters
    ----------
    y : array-like or Series of shape (n,)
        Text, numbers or booleans.
    X : array-like or frame of shape (n, p)
        As the user passed it.
    sample_weight : ndarray of shape (n,), optional
        Checked weights: a class whose rows all weigh nothing cannot be learnt.

    Returns
    -------
    codes : ndarray of shape (n,), int
        Position of each row's class in `classes`.
    classes : ndarray of shape (n_classes,)
        Sorted.

    Raises
    ------
    ValueError
        None, another length, missing labels, continuous values, one class, a class without weight.
    TypeError
        Text mixed with numbers.

    Examples
    --------
    >>> codes, classes = check_classification_target(["no", "yes", "no"], X=[[0.0], [1.0], [2.0]])
    >>> codes, classes
    (array([0, 1, 0]), array(['no', 'yes'], dtype=object))
    """
    require_target(y)
    check_same_rows(X=X, y=y)
    target = labels(raveled(y, "y"), "y")
    check_classification_targets(target)
    classes, codes = np.unique(target, return_inverse=True)
    if classes.size < 2:
        raise ValueError(f"y has one class, {listed(classes)}; a classifier needs at least two classes")
    if sample_weight is not None:
        weights = np.bincount(codes, weights=sample_weight, minlength=classes.size)
        if (weightless := weights == 0).any():
            raise ValueError(f"sample_weight is zero for the whole of classes {listed(classes[weightless])}")
    return codes, classes


def order_classes(
    y: Any, codes: NDArray[np.intp], classes: NDArray[Any]
) -> tuple[NDArray[np.intp], NDArray[Any]]:
    """Put classes into their own order, where they bring one.

    Parameters
    ----------
    y : array-like or Series of shape (n,)
        As the user passed it: an ordered categorical, or a polars Enum, says the order of its labels.
    codes : ndarray of shape (n,), int
    classes : ndarray of shape (n_classes,)
        Sorted.

    Returns
    -------
    codes, classes
        Anew.

    Raises
    ------
    ValueError
        For more than two classes without an order, text above all.

    Examples
    --------
    >>> import pandas as pd
    >>> y = pd.Series(pd.Categorical(["low", "high", "mid"], ["low", "mid", "high"], ordered=True))
    >>> order_classes(y, np.array([1, 0, 2]), np.array(["high", "low", "mid"], dtype=object))
    (array([0, 2, 1]), array(['low', 'mid', 'high'], dtype=object))
    """
    column = nw.from_native(y, series_only=True, pass_through=True)
    known: list[Any] = []
    if isinstance(column, nw.Series) and isinstance(column.dtype, nw.Enum):  # ordered, in pandas too
        known = list(column.dtype.categories)
    order = [place for label in known for place in np.flatnonzero(classes == label)]
    if len(order) == classes.size:
        return np.argsort(order)[codes], classes[order]
    if classes.dtype.kind not in "biufmM" and classes.size > 2:
        raise ValueError(
            f"ordinal=True needs the order of the classes {listed(classes)}: pass an ordered categorical "
            "(pd.Categorical(y, [...], ordered=True)), or numbers"
        )
    return codes, classes


def check_class_sizes(codes: NDArray[np.intp], classes: NDArray[Any]) -> None:
    """Refuse classes that cross-validation cannot leave out and learn at once.

    Parameters
    ----------
    codes : ndarray of shape (n,), int
    classes : ndarray of shape (n_classes,)

    Raises
    ------
    ValueError
        For classes with a single row.

    Examples
    --------
    >>> import numpy as np
    >>> check_class_sizes(np.array([0, 1, 0]), np.array(["no", "yes"]))
    Traceback (most recent call last):
    ...
    ValueError: cross-validation needs two rows of every class at least; a single one: ['yes']
    """
    single = np.bincount(codes, minlength=classes.size) < 2
    if single.any():
        raise ValueError(
            f"cross-validation needs two rows of every class at least; a single one: {listed(classes[single])}"
        )


def require_target(y: Any) -> None:
    """Refuse a missing target, in the words scikit-learn's checks look for.

    Examples
    --------
    >>> require_target(None)
    Traceback (most recent call last):
    ...
    ValueError: fit requires y to be passed, but the target y is None
    """
    if y is None:
        raise ValueError("fit requires y to be passed, but the target y is None")
