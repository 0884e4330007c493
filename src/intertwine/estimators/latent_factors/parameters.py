"""The hyperparameters of the latent-factor model: what they may be, and what they mean."""

from __future__ import annotations

from numbers import Integral, Real
from os import PathLike
from typing import Any

from sklearn.utils._param_validation import Interval, StrOptions

from intertwine.structures.mapping import MAPPINGS

__all__ = ["FACTOR_CONSTRAINTS", "FACTOR_PARAMETERS"]

_STRENGTH = Interval(Real, 0, None, closed="left")
_POSITIVE = Interval(Real, 0, None, closed="neither")
_COUNT = Interval(Integral, 1, None, closed="left")

FACTOR_CONSTRAINTS: dict[str, list[Any]] = {
    "n_components": [Interval(Integral, 0, None, closed="left")],
    "solver": [StrOptions({"auto", "variational", "gibbs", "als", "gauss_newton", "sgd"})],
    "biases": ["boolean"],
    "mapping": [StrOptions(set(MAPPINGS))],
    "implicit": ["boolean"],
    "user_column": [str, Interval(Integral, 0, None, closed="left")],
    "item_column": [str, Interval(Integral, 0, None, closed="left")],
    "user_features": ["array-like"],
    "item_features": ["array-like"],
    "rating_scale": ["array-like", None],
    "duplicates": [StrOptions({"error", "mean", "last", "keep"})],
    "alpha": [_STRENGTH, None],
    "alpha_features": [_STRENGTH, None],
    "frequency_power": [Interval(Real, 0, 1, closed="both"), None],
    "rho": [_STRENGTH],
    "sharpness": [StrOptions({"perturbed", "perturbed_gradient", "injected"})],
    "damping": [_POSITIVE],
    "cg_iter": [_COUNT, None],
    "max_iter": [_COUNT, None],
    "n_burn_in": [Interval(Integral, 0, None, closed="left"), None],
    "n_samples": [_COUNT],
    "tol": [_STRENGTH, None],
    "init_scale": [_POSITIVE, None],
    "learning_rate": [_POSITIVE],
    "validation_fraction": [Interval(Real, 0, 1, closed="left"), None],
    "random_state": ["random_state"],
    "n_jobs": [Integral, None],
    "verbose": ["verbose"],
    "checkpoint": [str, PathLike, None],
}

FACTOR_PARAMETERS = """
    Parameters
    ----------
    n_components : int, default=20
        Number of factors k of each user and item; 0 leaves biases alone.
    solver : {"auto", "variational", "gibbs", "als", "gauss_newton", "sgd"}, default="auto"
        "variational" approximates the posterior: strengths and noise are learnt, predictions have a standard deviation.
        "gibbs" draws from it, slower. "als" (alternating least squares), "gauss_newton" (second order, with
        sharpness-aware steps and mappings) and "sgd" find an optimum; the last two stop by ratings held out. "auto"
        is "variational", or "gauss_newton" where a mapping or ``rho`` asks for it; ``solver_`` says which.
    biases : bool, default=True
        Whether each user and item has a level of its own.
    mapping : {"identity", "sigmoid", "softplus"}, default="identity"
        Map of the raw factors ("gauss_newton"): the others keep them bounded, or positive.
    implicit : bool, default=False
        Let users be described by what they rated, and items by who rated them, besides how.
    user_column : str or int, default=0
        Column of X with the users, by name or position.
    item_column : str or int, default=1
        Column of X with the items.
    user_features, item_features : sequence of str or int, default=()
        Columns of X that describe users, and items: numbers, or labels. All rows of an id must agree. They let the
        model say something of ids without ratings. Columns that are named nowhere are ignored, with a warning.
    rating_scale : (low, high), default=None
        Ratings outside are refused, predictions are clipped.
    duplicates : {"error", "mean", "last", "keep"}, default="error"
        What a pair that occurs twice becomes: an error, one rating (weights add up), the last, or two measurements.
    alpha : float, default=None
        Ridge strength on an id's coefficients beside half the sum of squared errors, for ratings of variance one;
        None: the solver's own ("als": 1, others 0.04). "variational" and "gibbs" learn it.
    alpha_features : float, default=None
        The same for side features; None: 1, for "gauss_newton" 0.1.
    frequency_power : float in [0, 1], default=None
        ``alpha`` counts times an id's number of ratings to this power, for "gauss_newton" ``alpha_features`` times the
        sum of a feature's squares over the ratings to it; None: 1, for "als" 0.5.
    rho : float, default=0.0
        Radius of the sharpness-aware steps ("gauss_newton"); 0: none.
    sharpness : {"perturbed", "perturbed_gradient", "injected"}, default="perturbed"
        Where ``rho`` enters: gradient and curvature at the perturbed point, the gradient alone, or a penalty of the
        gradient's length whose curvature is injected.
    damping : float, default=60.0
        Damping of the steps of "gauss_newton", beside the sum of squared errors: more is slower, and keeps weak
        patterns out for longer.
    cg_iter : int, default=None
        Most conjugate-gradient steps of one iteration ("gauss_newton"); None: 1, with side features or ``implicit`` 20.
    max_iter : int, default=None
        Iterations, sweeps or epochs; None: the solver's own.
    n_burn_in : int, default=None
        "gibbs": sweeps before the first draw that is kept; None: one in five.
    n_samples : int, default=100
        "gibbs": draws that are kept, 4 (n_users + n_items) (1 + k) bytes each.
    tol : float, default=None
        Relative gain under which the solver stops; None: its own.
    init_scale : float, default=None
        Size of the factors at the start, for "variational" as a share of its prior's; None: the solver's own.
    learning_rate : float, default=0.003
        "sgd": length of the steps, for ratings of variance one.
    validation_fraction : float, default=None
        Share of the ratings held out to stop by; None: 0.03 for "gauss_newton", 0.05 for "sgd", none for the others.
    random_state : int, RandomState or None, default=None
    n_jobs : int, default=None
        Threads; the result does not depend on it. None is one.
    verbose : int, default=False
        Progress of longer fits.
    checkpoint : path, default=None
        File to keep the progress in: an interrupted fit goes on from it, to the same result.

    Attributes
    ----------
    solver_ : str
    users_, items_ : ndarray (n_users,), (n_items,)
        Ids, in the order of the rows below.
    user_factors_, item_factors_ : ndarray (n_users, k), (n_items, k)
        After the mapping; averaged over draws.
    user_biases_, item_biases_ : ndarray (n_users,), (n_items,)
        In units of the ratings; zero without biases.
    intercept_ : float
    noise_ : float
        Residual standard deviation, in units of the ratings.
    n_iter_ : int
    history_ : frame
        One row per iteration: objective, root mean squared error of the ratings held out, passes over the data,
        seconds.
    n_features_in_, feature_names_in_
"""
