"""Which hyperparameters are allowed: checked by scikit-learn at fit, never in ``__init__``.

An estimator takes these as its ``_parameter_constraints`` and calls ``self._validate_params()``,
which raises :class:`sklearn.utils._param_validation.InvalidParameterError`.
"""

from numbers import Integral, Real
from typing import Any

from sklearn.utils._param_validation import Interval, Options, StrOptions

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
}
