"""Linear mixed models: fixed effects of features, random effects of groups, time and space."""

from __future__ import annotations

import warnings
from numbers import Integral, Real
from typing import Any, Self, final

import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import RegressorTags, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from intertwine.effects.exchangeable import require_distinct_effects
from intertwine.effects.random import AbstractRandomEffect
from intertwine.estimators.effect_rows.choice import chosen_effects
from intertwine.estimators.effect_rows.data import EffectData
from intertwine.estimators.effect_rows.names import effect_names
from intertwine.estimators.mixed_model.conditioning import conditioned
from intertwine.estimators.mixed_model.formula_design import FormulaDesign
from intertwine.estimators.mixed_model.predictions import MixedModelPredictions
from intertwine.estimators.mixed_model.results import MixedModelResults
from intertwine.estimators.mixed_model.rows import (
    check_determined,
    read_fit_rows,
    take_rows,
)
from intertwine.estimators.mixed_model.state import mixed_model_from_state, mixed_model_to_state
from intertwine.estimators.model_head import AbstractSaved
from intertwine.estimators.progress import progress
from intertwine.fitting.mixed_model import MixedModelData, fit_mixed_model
from intertwine.frames import frame_library
from intertwine.resources import thread_limit
from intertwine.validation import check_weights, restored_on_failure
from intertwine.validation.caller import depth_of_caller
from intertwine.validation.outcomes import check_outcomes
from intertwine.validation.wording import counted, listed

__all__ = ["MixedModel"]


_NO_NOISE = (
    1e-4  # relative to the variance of outcomes, where a search that does not end is on its way to zero
)


@final
class MixedModel(MixedModelPredictions, MixedModelResults, AbstractSaved, BaseEstimator):
    """Linear mixed model: y = X β + Σ_t Z_t b_t + e, b_t ~ N(0, K_t ⊗ Σ_t), e ~ N(0, σ²).

    Rows that share a group, a site or a patient's history share coefficients b, which are integrated out exactly.
    Variances are those of the greatest restricted likelihood (or likelihood), for each outcome by itself; fixed effects
    and the b are then the best linear unbiased predictions. Predictions include the b of known levels.
    A saved model holds the rows of the fit, on which the variances of predictions depend.

    Parameters
    ----------
    effects : effect, list of effects or None, default=None
        Of `intertwine.effects`: Grouped, Longitudinal, Spatial, Graph, AR1. None: an intercept that varies between the
        groups of every column of ``groups``, or none where no groups are given: least squares then. Where there is a
        formula, they are beside its own.
    formula : str, default=None
        In the notation of lme4, "y ~ x + (1 + t | school)", for X as a frame; ``y`` may then be None. It needs
        ``formulae`` (``pip install 'intertwine[formula]'``).
    method : {"reml", "ml"}, default="reml"
        Restricted maximum likelihood, which knows that fixed effects are estimates; or maximum likelihood, to compare
        models with different fixed effects.
    fit_intercept : bool, default=True
        Without a formula: whether there is a column of ones.
    unseen : {"warn", "raise", "ignore"}, default="warn"
        What ``predict`` does with levels that were not in the fit: their rows get what the rest of the model says, with
        a wider variance, and a warning; or an error.
    max_iter : int, default=200
        Iterations of the search of variances.
    tol : float, default=1e-10
        The search ends when no more than this can be gained in log-likelihood.
    random_state : int, RandomState or None, default=None
        Of designs so large that determinants are estimated with random probes; a warning tells. None: always the same
        probes.
    n_jobs : int, default=None
        Threads; None is one, -1 as many as there are cores.
    verbose : bool or int, default=False
        Show progress on standard error.

    Attributes
    ----------
    fixed_effects_, random_effects_, variance_components_ : frame
        What was found; how sure that is; see their own descriptions.
    effects_ : list
        The random effects, those of a formula first.
    outcome_names_ : list of str
    shapes_ : dict
        Length scales and autocorrelations, by effect.
    coef_, intercept_ : ndarray and float
        Fixed effects as scikit-learn's linear models show them.
    log_likelihood_, aic_, bic_ : float, or ndarray with one for each outcome
    converged_ : bool, or ndarray
    history_ : frame
        iteration, log_likelihood, gain, seconds.
    n_iter_, n_features_in_ : int
    feature_names_in_ : ndarray of str
        Only for frames.

    References
    ----------
    Bates, Mächler, Bolker & Walker (2015), Fitting linear mixed-effects models using lme4. Henderson (1975), Best
    linear unbiased estimation and prediction under a selection model.

    Examples
    --------
    >>> import numpy as np
    >>> from intertwine import MixedModel
    >>> from intertwine.effects import Grouped
    >>> rng = np.random.default_rng(0)
    >>> school = np.repeat(np.arange(40), 10)
    >>> X = rng.standard_normal((400, 1))
    >>> y = 2.0 * X[:, 0] + rng.standard_normal(40)[school] + 0.5 * rng.standard_normal(400)
    >>> model = MixedModel([Grouped()]).fit(X, y, groups=school)
    >>> model.coef_.round(1)
    array([2.])
    >>> bool(model.score(X, y, groups=school) > 0.95)
    True
    """

    _parameter_constraints: dict = {  # noqa: RUF012 - scikit-learn's convention
        "effects": ["array-like", AbstractRandomEffect, None],
        "formula": [str, None],
        "method": [StrOptions({"reml", "ml"})],
        "fit_intercept": ["boolean"],
        "unseen": [StrOptions({"warn", "raise", "ignore"})],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="neither")],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
    }
    # Where the rows stand goes with them wherever metadata is routed, unless the user says otherwise.
    __metadata_request__fit = {"groups": True, "time": True, "coords": True}  # noqa: RUF012
    __metadata_request__predict = {"groups": True, "time": True, "coords": True}  # noqa: RUF012
    __metadata_request__score = {"groups": True, "time": True, "coords": True}  # noqa: RUF012

    def __init__(
        self,
        effects=None,
        *,
        formula=None,
        method="reml",
        fit_intercept=True,
        unseen="warn",
        max_iter=200,
        tol=1e-10,
        random_state=None,
        n_jobs=None,
        verbose=False,
    ):
        self.effects = effects
        self.formula = formula
        self.method = method
        self.fit_intercept = fit_intercept
        self.unseen = unseen
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.estimator_type = "regressor"
        tags.regressor_tags = RegressorTags()
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = True
        return tags

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None, *, groups=None, time=None, coords=None):
        """Fit the model.

        Parameters
        ----------
        X : array-like or frame of shape (n, p), or None
            Columns of fixed effects; None for an intercept only. With a formula: the frame that it speaks of.
        y : array-like (n,) or (n, n_outputs), default=None
            A table may have gaps: an outcome counts where it is there. None only with a formula that names it.
        sample_weight : array-like (n,), default=None
            The noise of a row has the variance σ²/weight.
        groups : array-like (n,) or (n, k), Series, frame or dict of columns, default=None
            Labels of the groups that effects name. With a formula, columns of X need not be passed again.
        time : array-like (n,), default=None
        coords : array-like or frame (n, k), default=None

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            For input that cannot be used; the message names columns, rows or labels.
        LinAlgError
            Columns that repeat one another.

        Warns
        -----
        ConvergenceWarning
            The search did not end; a variance is zero, or effects are perfectly correlated (a boundary fit).
        UserWarning
            Constant columns; what no effect reads; times that repeat within a group.
        """
        with restored_on_failure(self):
            passed = [] if self.formula is not None and self.effects is None else self._chosen(groups)
            rows, columns, y = read_fit_rows(self, X, y, groups, time, coords, passed)
            own = columns.effects if isinstance(columns, FormulaDesign) else ()
            if isinstance(columns, FormulaDesign) and self.effects is None and not own:
                passed = self._chosen(groups)
            outcomes = check_outcomes(y, rows.inputs.rows)
            effects = [*own, *passed]
            data, effect_rows = EffectData.read(effects, rows.inputs)
            weights = check_weights(sample_weight, rows.inputs.n_rows, rows.inputs.rows)
            observed = ~np.isnan(outcomes.values) & (weights > 0)[:, None]
            kept = np.asarray(observed.any(axis=1))
            data.check_observed(effect_rows, kept)
            if not kept.all():
                effect_rows = take_rows(effect_rows, kept)
            observed, fixed = observed[kept], rows.fixed[kept]
            check_determined(fixed, columns.names, observed, bool(effects))
            self._columns, self._data, self._effects, self._effect_rows = columns, data, effects, effect_rows
            self._outcomes, self._is_vector = outcomes.names, outcomes.is_vector
            self._frame_library = frame_library(X if X is not None else y)
            bound = tuple(effect.bind(effect_rows) for effect in effects)
            require_distinct_effects(bound, effect_names(effects, data))
            self._rows = MixedModelData(
                bound,
                fixed,
                np.where(observed, outcomes.values[kept], 0.0),
                _entry_weights(weights[kept], observed, sample_weight is not None),
                0 if self.random_state is None else int(check_random_state(self.random_state).randint(2**31)),
            )
            n_threads = 1 if self.n_jobs is None else self.n_jobs
            with thread_limit(n_threads), progress(self.verbose, type(self).__name__) as shown:
                self._fit = fit_mixed_model(self._rows, self.method == "reml", self.tol, self.max_iter, shown)
        self._warn_of_search()
        return self

    def condition(self, X, y, sample_weight=None, *, groups=None, time=None, coords=None) -> Self:
        """Take in rows, of new groups or of those of the fit, without fitting again.

        Variances, length scales and the like stay as they are; random and fixed effects are the best predictions and
        estimates given the rows of the fit and these. So a group that was not in the fit has its own effects from its
        own rows, with the standard deviations that belong to as many.

        Parameters
        ----------
        X, y, sample_weight, groups, time, coords
            As in ``fit``.

        Returns
        -------
        MixedModel
            One that predicts, shows and saves like a fitted one; this estimator stays as it is. Likelihood, AIC and
            BIC are of all rows at the variances of the fit; history is still that of its search.

        Raises
        ------
        ValueError, TypeError
            As in ``fit``; outcomes in another order; for a model with a formula, splines of time, and nodes that a
            graph does not have.
        """
        check_is_fitted(self, "_fit")
        return conditioned(self, X, y, sample_weight, groups, time, coords)

    def _to_state(self) -> dict[str, Any]:
        check_is_fitted(self, "_fit")
        return mixed_model_to_state(self)

    @classmethod
    def _from_state(cls, state: dict[str, Any]) -> Self:
        return mixed_model_from_state(cls, state)

    def _chosen(self, groups: Any) -> list[AbstractRandomEffect]:
        return chosen_effects(self.effects, groups)

    def _warn_of_search(self) -> None:
        fit, names = self._fit, effect_names(self._effects, self._data)
        outcomes = np.array(self._outcomes, dtype=object)

        def where(mask):
            return "" if self._is_vector else f" for outcomes {listed(outcomes[mask])}"

        exact = ~fit.converged
        if exact.any():
            exact &= fit.variances.noise < _NO_NOISE * self._rows.y.var(axis=0)
        if exact.any():
            warnings.warn(
                f"noise comes to nothing{where(exact)}: effects give the outcomes of all rows exactly, so that their "
                "variances cannot be told; leave out rows that repeat others, or effects with a level or an instant "
                "for nearly every row",
                ConvergenceWarning,
                stacklevel=depth_of_caller(),
            )
        if not (fit.converged | exact).all():
            warnings.warn(
                f"the search of variances stopped after "
                f"{counted(self.n_iter_, 'iteration', 'iterations')}{where(~fit.converged & ~exact)}, with "
                f"{float(np.max(fit.expected_gain)):.1e} still to be gained in log-likelihood; raise max_iter, or tol",
                ConvergenceWarning,
                stacklevel=depth_of_caller(),
            )
        for name, at_boundary in zip(names, fit.boundary, strict=True):
            if at_boundary.any():
                warnings.warn(
                    f"boundary fit: a variance of {name!r} is zero, or a correlation is ±1{where(at_boundary)}; the "
                    "effect may ask for more than the rows can tell",
                    ConvergenceWarning,
                    stacklevel=depth_of_caller(),
                )


def _entry_weights(weights: np.ndarray, observed: np.ndarray, weighted: bool) -> np.ndarray | None:
    if observed.all():
        return weights if weighted else None
    return weights[:, None] * observed
