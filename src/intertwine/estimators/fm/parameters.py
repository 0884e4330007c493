"""The hyperparameters of the factorization machines: what they may be, and what they mean."""

from __future__ import annotations

from numbers import Integral, Real
from os import PathLike
from typing import Any

from sklearn.utils._param_validation import Interval, Options, StrOptions

__all__ = ["FM_CLASSIFIER_PARAMETERS", "FM_CONSTRAINTS", "FM_PARAMETERS"]

_STRENGTH = Interval(Real, 0, None, closed="left")
_POSITIVE = Interval(Real, 0, None, closed="neither")
_COUNT = Interval(Integral, 1, None, closed="left")

FM_CONSTRAINTS: dict[str, list[Any]] = {
    "n_components": [Interval(Integral, 0, None, closed="left")],
    "order": [Options(Integral, {2, 3})],
    "solver": [StrOptions({"auto", "gibbs", "als", "adagrad"})],
    "alpha": [_STRENGTH],
    "alpha_factors": [_STRENGTH, None],
    "frequency_power": [Interval(Real, 0, 1, closed="both")],
    "linear": ["boolean"],
    "fit_intercept": ["boolean"],
    "feature_groups": [StrOptions({"auto"}), "array-like", None],
    "max_iter": [_COUNT, None],
    "n_burn_in": [Interval(Integral, 0, None, closed="left"), None],
    "n_samples": [_COUNT],
    "tol": [_STRENGTH, None],
    "init_scale": [_POSITIVE],
    "learning_rate": [_POSITIVE],
    "validation_fraction": [Interval(Real, 0, 1, closed="left")],
    "deterministic": ["boolean"],
    "warm_start": ["boolean"],
    "random_state": ["random_state"],
    "n_jobs": [Integral, None],
    "verbose": ["verbose"],
    "checkpoint": [str, PathLike, None],
}

FM_PARAMETERS = """
    Parameters
    ----------
    n_components : int, default=10
        Number of factors k of each feature; 0 leaves a linear model.
    order : {2, 3}, default=2
        3 adds products of three features, with as many factors of their own.
    solver : {"auto", "gibbs", "als", "adagrad"}, default="auto"
        "gibbs" samples the posterior: strengths and noise are learnt, predictions are means over the draws. "als" finds
        the optimum of a penalised loss by alternating least squares, "adagrad" by stochastic steps: for tables of many
        rows, for streams (``fit_stream``) and for rows that come later (``partial_fit``). "auto" is
        "gibbs", or "adagrad" in streams and where a chain would take more than about two hours or 2 GB; ``solver_``
        says which.
    alpha : float, default=0.0001
        "als", "adagrad": ridge strength on linear weights, beside the mean loss, for columns of root mean square one
        (zeros left out) and, in regression, an outcome of variance one. The best is often near ten over the number of
        rows; tune it, or sample ("gibbs"), which learns it.
    alpha_factors : float, default=None
        "als", "adagrad": ridge strength on factors; None: the same as ``alpha``.
    frequency_power : float in [0, 1], default=0.5
        "als": the strength on the factors of a feature grows with the share of rows that hold it to this power, and is
        ``alpha_factors`` for the average feature. 0: the same for all. Columns without zeros are all alike.
    linear, fit_intercept : bool, default=True
        Whether there are linear weights, and an intercept.
    feature_groups : "auto", array-like (p,) or None, default="auto"
        Groups of features that share the parameters of their prior ("gibbs"). "auto": neighbouring columns that never
        occur together (the levels of one category) are a group, all other columns another. None: one group.
    max_iter : int, default=None
        Sweeps over all features, or epochs; None: 500 for "gibbs", at most 200 for "als", at most 100 for "adagrad".
    n_burn_in : int, default=None
        "gibbs": sweeps before the first draw that is kept; None: one in five.
    n_samples : int, default=200
        "gibbs": draws that are kept, evenly spaced, 4 p (1 + k) bytes each.
    tol : float, default=None
        "als": stop once a sweep lowers the objective by less than this share; None: 1e-6. "adagrad": once three epochs
        together lower it, or the loss of the rows held out, by less than this share and by less than a tenth of all
        that was gained since the start; None: 1e-3.
    init_scale : float, default=0.1
        Standard deviation of the factors at the start; "adagrad" finds its own.
    learning_rate : float, default=0.1
        "adagrad": length of the first steps, in units of the coefficients: sizes of features do not matter.
    validation_fraction : float, default=0.0
        "adagrad": share of the rows held out to stop by; the coefficients are the best for them.
    deterministic : bool, default=True
        "adagrad": with False, ``n_jobs`` threads visit rows at the same time and now and then overwrite one another's
        steps: faster, and a little different from run to run.
    warm_start : bool, default=False
        Start from the coefficients of the last fit, where that had as many; "adagrad" goes on as if it had not stopped.
    random_state : int, RandomState or None, default=None
    n_jobs : int, default=None
        Threads; the result does not depend on it. None is one.
    verbose : int, default=False
        Progress of longer fits.
    checkpoint : path, default=None
        File to keep the progress in: an interrupted fit goes on from it, to the same result, and so does an
        interrupted ``fit_stream``. It is written at most every 20 seconds and removed when the fit is complete; it
        holds rounds of 20 sweeps of "gibbs", of 10 sweeps of "als", or single epochs.

    Attributes
    ----------
    solver_ : str
        "gibbs", "als" or "adagrad".
    components_ : ndarray (p, k)
    history_ : frame
    n_features_in_, feature_names_in_
"""


FM_CLASSIFIER_PARAMETERS = FM_PARAMETERS.replace(
    "    n_components : int, default=10",
    """    ordinal : bool, default=False
        The classes are ordered: numbers by size, an ordered categorical as it says; needs "gibbs".
    n_components : int, default=10""",
)
