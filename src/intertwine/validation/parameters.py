"""Which hyperparameters are allowed: checked by scikit-learn at fit, never in ``__init__``.

An estimator takes these as its ``_parameter_constraints`` and calls ``self._validate_params()``,
which raises :class:`sklearn.utils._param_validation.InvalidParameterError`.
"""

from numbers import Integral, Real
from os import PathLike
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, Options, StrOptions, validate_parameter_constraints

# Open on the right: infinity is out. NaN is in no interval.
_STRENGTH = Interval(Real, 0, None, closed="left")
_COUNT = Interval(Integral, 1, None, closed="left")

INTERACTION_CONSTRAINTS: dict[str, list[Any]] = {
    "alpha": [_STRENGTH],
    "alpha_pairs": [_STRENGTH, None],
    "l1_ratio": [Interval(Real, 0, 1, closed="both")],
    "latent": [StrOptions({"low_rank", "signed", "two_factor", "distance"}), None],
    "n_components": [_COUNT],
    "tie": [Interval(Real, 0, None, closed="both")],
    "order": [Options(Integral, {2, 3})],
    "squares": ["boolean"],
    "relevance": [_STRENGTH, StrOptions({"evidence"})],
    "basis": [StrOptions({"spline"}), None],
    "n_knots": [Interval(Integral, 2, None, closed="left")],
    "scaling": [StrOptions({"features", "quantile", "products"}), None],
    "unpenalized": ["array-like", None],
    "heredity": [StrOptions({"weak", "strong"}), None],
    "solver": [StrOptions({"auto", "exact", "sparse"})],
    "n_init": [_COUNT],
    "max_iter": [_COUNT],
    "tol": [_STRENGTH],
    "random_state": ["random_state"],
    "n_jobs": [Integral, None],
    "verbose": ["verbose"],
    "checkpoint": [str, PathLike, None],
}

COX_CONSTRAINTS: dict[str, list[Any]] = {"ties": [StrOptions({"efron", "breslow"})]}
_CHOICES = "array-like"

CV_CONSTRAINTS: dict[str, list[Any]] = {
    "scalings": [_CHOICES],
    "n_knots": [_CHOICES],
    "relevances": [_CHOICES],
    "squares": [_CHOICES],
    "orders": [_CHOICES],
    "latents": [_CHOICES],
    "n_components": [_CHOICES, _COUNT],
    "l1_ratios": [_CHOICES],
    "unpenalized": ["array-like", None],
    "cv": ["cv_object"],
    "max_tune_rows": [Interval(Integral, 10, None, closed="left")],
    "n_init": [_COUNT],
    "max_iter": [_COUNT],
    "tol": [_STRENGTH],
    "random_state": ["random_state"],
    "n_jobs": [Integral, None],
    "verbose": ["verbose"],
    "checkpoint": [str, PathLike, None],
}

_ITEMS: dict[str, list[Any]] = {
    "scalings": [StrOptions({"features", "quantile"})],
    "n_knots": [Options(Integral, {0}), *INTERACTION_CONSTRAINTS["n_knots"]],
    "relevances": INTERACTION_CONSTRAINTS["relevance"],
    "squares": INTERACTION_CONSTRAINTS["squares"],
    "orders": INTERACTION_CONSTRAINTS["order"],
    "latents": INTERACTION_CONSTRAINTS["latent"][:1],
    "n_components": INTERACTION_CONSTRAINTS["n_components"],
    "l1_ratios": INTERACTION_CONSTRAINTS["l1_ratio"],
}
_MAY_BE_EMPTY = ("latents", "l1_ratios")


def check_choices(search: BaseEstimator) -> None:
    """Refuse lists of choices that hold something that cannot be chosen, or nothing to choose from.

    scikit-learn's own constraints know lists, not what they hold.

    Parameters
    ----------
    search : estimator
        Its parameters among those of ``CV_CONSTRAINTS`` that are lists.

    Raises
    ------
    sklearn.utils._param_validation.InvalidParameterError
        Naming the parameter and the first item at fault.
    ValueError
        Naming the list that is empty.

    Examples
    --------
    >>> from intertwine import InteractionRegressorCV
    >>> check_choices(InteractionRegressorCV(orders=(2, 4)))
    Traceback (most recent call last):
    ...
    sklearn.utils._param_validation.InvalidParameterError: The 'orders' parameter of InteractionRegressorCV must be
    ... Got 4 instead.
    """
    params = search.get_params(deep=False)
    for name in [name for name in _ITEMS if name in params]:
        items = np.atleast_1d(np.asarray(params[name], dtype=object))
        if items.size == 0 and name not in _MAY_BE_EMPTY:
            raise ValueError(f"{name} is empty; list at least one value to try")
        for item in items:
            validate_parameter_constraints(_ITEMS, {name: item}, type(search).__name__)
