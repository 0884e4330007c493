"""Variational autoencoder of visits whose latents follow a linear mixed model of covariates and subjects."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from numbers import Integral, Real
from os import PathLike
from typing import Any, ClassVar, Self, final

import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from intertwine.effects.covariate import AbstractCovariateEffect
from intertwine.estimators.extras import require_deep
from intertwine.estimators.long_work import watched
from intertwine.estimators.longitudinal.covariate_data import CovariateData, CovariateInputs
from intertwine.estimators.longitudinal.covariate_effects import chosen_covariate_effects
from intertwine.estimators.longitudinal.explain import LongitudinalExplanations
from intertwine.estimators.longitudinal.fit import (
    course_key,
    fitted_model,
    learnt_courses,
    words_of_unsettled,
)
from intertwine.estimators.longitudinal.predictions import LongitudinalPredictions
from intertwine.estimators.longitudinal.state import longitudinal_from_state, longitudinal_to_state
from intertwine.estimators.longitudinal.visits import SeenVisits
from intertwine.estimators.model_head import AbstractSaved
from intertwine.frames import frame_library
from intertwine.resources import thread_limit
from intertwine.validation import restored_on_failure
from intertwine.validation.caller import depth_of_caller

__all__ = ["LongitudinalVAE"]

_POSITIVE = Interval(Real, 0, None, closed="neither")
_SHARE = Interval(Real, 0, 1, closed="left")
_COUNT = Interval(Integral, 1, None, closed="left")
_COUNT_OR_NONE = Interval(Integral, 0, None, closed="left")
_SMALL = 200_000  # entries: fewer gain nothing from threads


@final
class LongitudinalVAE(LongitudinalExplanations, LongitudinalPredictions, AbstractSaved, BaseEstimator):
    """Variational autoencoder whose latents follow a linear mixed model of covariates and subjects.

    Rows of X are visits of subjects: at any times, as many as a subject has, with any entries missing. A decoder makes
    of few latents z the expected values of a visit; the latents are a sum of effects,

        z = Σ_c φ_c(x) a_c + Σ_c ψ_c(x) b_c + ε,    a_c ~ N(0, v_c I), b_c ~ N(0, v_c I) of each subject, ε ~ N(0, σ²),

    of covariates x (straight lines, categories, smooth curves, interactions), shared by all subjects or of each subject
    by itself. An encoder says of each visit a Gaussian site of its latents; given the sites the mixed model is solved
    exactly, all visits of a subject together, so that coefficients, new subjects and visits of the future have closed
    forms, and nothing is fitted again for them. Variances of effects are found by EM, length scales by their evidence.

    Parameters
    ----------
    n_components : int, default=8
        Number of latents K.
    effects : effect or sequence of effects, default=None
        Such as ``[Categorical("sex"), Smooth("age"), Categorical("sex") * Smooth("age"), BySubject(),
        BySubject(Smooth("age"))]``; see `intertwine.effects`. None: a level of each subject, and a smooth course in
        time of all and of each, where ``subject`` and ``time`` are given; a line for every column of covariates that
        holds numbers, and levels for every other.
    architecture : {"mlp", "linear", "conv"}, default="mlp"
        Of encoder and decoder; "conv" is for images.
    image_shape : (int, int) or (int, int, int), default=None
        Height, width and channels of the images that rows are.
    hidden_layer_sizes : sequence of int, default=None
        Widths of the encoder's layers, the decoder has them in reverse; None: those of the architecture.
    likelihood : {"gaussian", "bernoulli", "ordinal", "poisson"}, a sequence or a dict, default="gaussian"
        Of all columns; or one for each; or of some, by name or position, where the others are Gaussian.
    noise : {"feature", "shared"}, default="feature"
        Whether every Gaussian column has a noise of its own; "shared" is for columns of one unit, such as pixels.
    bounds : (float, float) or dict, default=None
        Lowest and highest value that Gaussian columns can have, such as (0, 1) of shares and pixels; or those of some
        columns, by name or position. Expected values stay within them, and values outside are refused.
    objective : {"exact", "mean-field"}, default="exact"
        "exact" integrates the coefficients of effects out, and combines what the encoder says of visits with what the
        effects say of them. "mean-field" is the objective of the paper, for comparison: the encoder says q(z | x)
        itself, coefficients are independent of each other in q, and visits are predicted from covariates alone. Its
        variances come out too small, most for effects that overlap; length scales stay where they start, and
        ``n_given``, ``decoder_iter``, ``mixup`` and ``validation_fraction`` are not for it.
    gsnn_weight : float, default=0.5
        1 − α in α · bound + (1 − α) · prediction of visits from others of their subject; 0 is the bound alone.
    n_given : int, default=None
        First visits from which training predicts the others; None: any number, up to half of a subject's.
    beta : float, default=1.0
        Weight of the divergence of the latents once there are effects; 1 is the bound of the likelihood, more lets
        effects predict better what the encoder says.
    dropout : float, default=0.15
        Part of the observed entries that is hidden from the encoder in training.
    mixup : float, default=0.0
        Part of the subjects of a mini-batch that are mixtures of two with as many visits and the same categories:
        against overfitting where subjects are few and features many, such as images. Gaussian columns only.
    coefficient_prior : {"gaussian", "laplace", "cauchy", "horseshoe"}, default="gaussian"
        Of the coefficients of effects; all but the first make effects sparse.
    coefficient_scale : float, default=None
        Of "laplace" (its mean size) and "cauchy"; None: learnt, of each effect and latent.
    warm_up : int, default=None
        Epochs of a plain autoencoder, before effects are met. None: two fifths of the others.
    max_iter : int, default=None
        Epochs with effects. None: as many as make 1500 steps, at least 10 and at most 200.
    decoder_iter : int, default=None
        Epochs of the decoder for predicted latents, at the end. None: three tenths of ``max_iter``.
    refine_iter : int, default=40
        Steps by which ``impute`` goes on from what the encoder says of a visit to its most likely latents; 0 takes the
        encoder at its word, which is faster and less accurate. Of no concern to "mean-field".
    serial_residuals : bool, default=False
        Whether Gaussian columns keep, beside the latents, a level of every subject and a course that fades, each column
        by itself: imputations and forecasts then follow the last values of a column. For columns that move slowly
        between visits, such as measurements by the hour. Columns with ``bounds`` have none.
    batch_size : int, default=128
        Visits of a mini-batch, which holds whole subjects.
    learning_rate : float, default=0.001
        At the beginning of each phase, over whose epochs it falls as half a cosine.
    validation_fraction : float, default=0.0
        Part of the subjects that is held out, to choose the epoch that predicts them best; a fit has settled where that
        is not among the last.
    unseen : {"warn", "raise", "ignore"}, default="warn"
        What becomes of categories that were not in the fit, whose effect is zero, and of subjects to forecast of whom
        nothing is known.
    random_state : int, RandomState or None, default=None
        A number makes fits on one machine identical.
    n_jobs : int, default=None
        Threads of the algebra of effects. Networks use those that JAX was started with, and a GPU where it sees one.
    verbose : int, default=False
    checkpoint : path, default=None
        File to keep the progress in: an interrupted fit goes on from it, to the same result.

    Attributes
    ----------
    variance_components_, basis_, axes_, history_ : frame
    length_scales_ : dict
    rank_ : int
    bound_ : float
        Lower bound of the log-likelihood of all visits at the end of the fit, in the units of X.
    n_iter_ : int
        Epochs made.
    n_features_in_, feature_names_in_

    See Also
    --------
    RandomEffectsVAE : Random effects on every feature, in place of the latents.
    MixedModel : One outcome.

    Notes
    -----
    What is conditioned on. A fit learns networks, variances and what all its visits say of the shared coefficients; it
    remembers the sites of its visits, two numbers for each latent, and their covariates.

    ===========================================  =======================================================================
    method                                       what is known of a subject
    ===========================================  =======================================================================
    transform, reconstruct, impute               its visits in this very call, and no others
    forecast, predict_latents,                   its visits in the fit; of a new subject nothing, with a warning
    sample_trajectories, score_samples, score
    condition(X, …) and all that its result      its visits in the fit (unless ``known="replace"``) and those in X
    offers
    ===========================================  =======================================================================

    So a visit that is scored never tells of itself or of others in the call, and ``fit_transform`` is ``fit`` and then
    ``transform``. Visits of a subject of the fit do not count again for the shared coefficients; visits of a new
    subject do, for this subject alone.

    Without effects of subjects every visit stands alone. Needs JAX and optax: ``pip install 'intertwine[deep]'``.

    References
    ----------
    Latent mixed-effect variational autoencoders (arXiv 2409.11008). Sohn, Lee & Yan (2015) for the predictive term.
    Solin & Särkkä (2020) for the functions of smooth effects.

    Examples
    --------
    >>> import numpy as np
    >>> from intertwine import LongitudinalVAE
    >>> from intertwine.datasets import simulate_longitudinal
    >>> from intertwine.effects import BySubject, Categorical, Smooth
    >>> study = simulate_longitudinal(60, 8, n_new=5, random_state=0)
    >>> rows = study.train
    >>> told = {name: values[rows] for name, values in study.covariates.items()}
    >>> model = LongitudinalVAE(
    ...     2, effects=[Categorical("sex"), Smooth("age"), BySubject()], hidden_layer_sizes=(16,), max_iter=30,
    ...     random_state=0,
    ... )
    >>> model = model.fit(study.X[rows], covariates=told, subject=study.subject[rows])
    >>> full = model.impute(study.X[rows], covariates=told, subject=study.subject[rows])
    >>> missing = np.isnan(study.X[rows])
    >>> bool(np.mean((full - study.X_complete[rows])[missing] ** 2) < np.var(study.X_complete[rows]))
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        "n_components": [_COUNT],
        "effects": [AbstractCovariateEffect, "array-like", None],
        "architecture": [StrOptions({"mlp", "linear", "conv"})],
        "image_shape": ["array-like", None],
        "hidden_layer_sizes": ["array-like", None],
        "likelihood": [str, Mapping, "array-like"],
        "noise": [StrOptions({"feature", "shared"})],
        "bounds": ["array-like", Mapping, None],
        "objective": [StrOptions({"exact", "mean-field"})],
        "gsnn_weight": [_SHARE],
        "n_given": [_COUNT, None],
        "beta": [_POSITIVE],
        "dropout": [_SHARE],
        "mixup": [_SHARE],
        "coefficient_prior": [StrOptions({"gaussian", "laplace", "cauchy", "horseshoe"})],
        "coefficient_scale": [_POSITIVE, None],
        "warm_up": [_COUNT_OR_NONE, None],
        "max_iter": [_COUNT, None],
        "decoder_iter": [_COUNT_OR_NONE, None],
        "refine_iter": [_COUNT_OR_NONE],
        "serial_residuals": ["boolean"],
        "batch_size": [_COUNT],
        "learning_rate": [_POSITIVE],
        "validation_fraction": [_SHARE],
        "unseen": [StrOptions({"warn", "raise", "ignore"})],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
        "checkpoint": [str, PathLike, None],
    }

    def __init__(
        self,
        n_components=8,
        *,
        effects=None,
        architecture="mlp",
        image_shape=None,
        hidden_layer_sizes=None,
        likelihood="gaussian",
        noise="feature",
        bounds=None,
        objective="exact",
        gsnn_weight=0.5,
        n_given=None,
        beta=1.0,
        dropout=0.15,
        mixup=0.0,
        coefficient_prior="gaussian",
        coefficient_scale=None,
        warm_up=None,
        max_iter=None,
        decoder_iter=None,
        refine_iter=40,
        serial_residuals=False,
        batch_size=128,
        learning_rate=0.001,
        validation_fraction=0.0,
        unseen="warn",
        random_state=None,
        n_jobs=None,
        verbose=False,
        checkpoint=None,
    ):
        self.n_components = n_components
        self.effects = effects
        self.architecture = architecture
        self.image_shape = image_shape
        self.hidden_layer_sizes = hidden_layer_sizes
        self.likelihood = likelihood
        self.noise = noise
        self.bounds = bounds
        self.objective = objective
        self.gsnn_weight = gsnn_weight
        self.n_given = n_given
        self.beta = beta
        self.dropout = dropout
        self.mixup = mixup
        self.coefficient_prior = coefficient_prior
        self.coefficient_scale = coefficient_scale
        self.warm_up = warm_up
        self.max_iter = max_iter
        self.decoder_iter = decoder_iter
        self.refine_iter = refine_iter
        self.serial_residuals = serial_residuals
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.unseen = unseen
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.checkpoint = checkpoint

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, *, covariates=None, subject=None, time=None) -> Self:
        """Fit networks, effects and variances.

        Parameters
        ----------
        X : array-like or frame of shape (n, p)
            Visits; NaN where an entry was not observed.
        y : None
            Ignored.
        covariates : array-like (n, k), frame or dict of columns, optional
            What effects read; NaN where a covariate does not apply, such as the disease time of the healthy.
        subject : array-like (n,), optional
            Labels.
        time : array-like (n,), optional
            A covariate called "time", which orders the visits of a subject as well.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            For input that cannot be used; the message names columns, rows or labels.

        Warns
        -----
        ConvergenceWarning
            When more epochs are needed.
        UserWarning
            Arguments that no effect reads; visits at the same time of a subject.
        """
        with restored_on_failure(self):
            require_deep("LongitudinalVAE")
            values = self._read(X, reset=True)
            inputs = CovariateInputs(X, len(values), covariates, subject, time)
            effects = chosen_covariate_effects(self.effects, inputs)
            data, visits = CovariateData.read(effects, inputs)
            data.check_observed(visits, np.any(np.isfinite(values), axis=1))
            self._data, self._frame_library = data, frame_library(X)
            self._feature_spread, self._of_one_unit = _spread(values), self.noise == "shared"
            columns = visits.columns
            codes = [(category.codes, category.n_levels) for category in columns.categories.values()]
            prints = (values, list(columns.numbers.values()), codes, visits.subject)
            threads = 1 if self.n_jobs is None and values.size < _SMALL else self.n_jobs
            key = course_key(self, effects, visits)
            with thread_limit(threads), watched(self, prints) as watch:
                self._model = fitted_model(self, values, visits, effects, watch)
                self._visits = SeenVisits(columns, visits.subject, self._model.latents.sites)
                self._courses = learnt_courses(self, self._model, values, self._visits, key)
        if not self._model.converged:
            warnings.warn(words_of_unsettled(self), ConvergenceWarning, stacklevel=depth_of_caller())
        return self

    def fit_transform(self, X, y=None, *, covariates=None, subject=None, time=None):
        """Fit, and then transform the same visits; see ``fit`` and ``transform``.

        `y` is ignored; `covariates`, `subject` and `time` are those of both.
        """
        return self.fit(X, y, covariates=covariates, subject=subject, time=time).transform(
            X, covariates=covariates, subject=subject, time=time
        )

    def _to_state(self) -> dict[str, Any]:
        check_is_fitted(self, "_model")
        return longitudinal_to_state(self)

    @classmethod
    def _from_state(cls, state: dict[str, Any]) -> Self:
        require_deep("LongitudinalVAE")
        return longitudinal_from_state(cls, state)

    @property
    def bound_(self) -> float:
        """Lower bound of the log-likelihood of all visits at the end, in the units of X."""
        check_is_fitted(self, "_model")
        return float(self._model.bound)

    @property
    def n_iter_(self) -> int:
        """Epochs made."""
        check_is_fitted(self, "_model")
        return max((len(values) for values in self._model.history.values()), default=0)

    @property
    def _n_features_out(self) -> int:
        return self._model.n_components

    def _check_values(self, values) -> None:
        self._model.check(values, getattr(self, "feature_names_in_", None))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_model")


def _spread(values: np.ndarray) -> np.ndarray:
    """Standard deviations of what was observed; one where nothing varies."""
    spread = np.nanstd(values, axis=0)
    return np.where(spread > 0.0, spread, 1.0)
