"""From the parameters of an estimator and the visits that it read to a fitted model."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from intertwine.effects.by_subject import AbstractSubjectEffect
from intertwine.effects.covariate import AbstractCovariateEffect
from intertwine.estimators.long_work import seed_of
from intertwine.estimators.longitudinal.covariate_data import TIME, Visits
from intertwine.fitting.watch import Watch
from intertwine.mixed_effects.coefficient_priors import (
    AbstractCoefficientPrior,
    CauchyPrior,
    GaussianPrior,
    HorseshoePrior,
    LaplacePrior,
)
from intertwine.mixed_effects.latent_effects import LatentEffects
from intertwine.validation.wording import counted

if TYPE_CHECKING:
    from intertwine.estimators.longitudinal.courses import ColumnCourses
    from intertwine.estimators.longitudinal.visits import SeenVisits
    from intertwine.fitting.longitudinal.model import AbstractLongitudinalModel

__all__ = [
    "chosen_prior",
    "columns_for_courses",
    "course_key",
    "fitted_model",
    "learnt_courses",
    "words_of_unsettled",
]

Array = NDArray[np.float64]

_PRIORS: dict[str, AbstractCoefficientPrior] = {
    "gaussian": GaussianPrior(),
    "laplace": LaplacePrior(),
    "cauchy": CauchyPrior(),
    "horseshoe": HorseshoePrior(),
}
_STEPS = 1500
_DECODER_RATE = 2.0  # of the last phase, relative to the others: it has one network, and a few epochs
_FEWEST, _MOST = 10, 200  # epochs, where the user does not say how many


def fitted_model(
    estimator: Any, X: Array, visits: Visits, effects: Sequence[AbstractCovariateEffect], watch: Watch
) -> AbstractLongitudinalModel:
    """Fit visits with the parameters of an estimator.

    Parameters
    ----------
    estimator : LongitudinalVAE
    X : ndarray of shape (n, p)
    visits : Visits
    effects : sequence of AbstractCovariateEffect
    watch : Watch

    Raises
    ------
    ValueError
        When networks diverge, or effects do not suit the visits.
    """
    from intertwine.architectures.choose import architecture_of
    from intertwine.fitting.longitudinal.fit import fit_longitudinal_vae
    from intertwine.fitting.longitudinal.mean_field import fit_mean_field_vae
    from intertwine.fitting.longitudinal.problem import LongitudinalProblem, LongitudinalVisits
    from intertwine.likelihoods.base import Noise
    from intertwine.likelihoods.bounds import column_bounds
    from intertwine.likelihoods.columns import ColumnLikelihood
    from intertwine.likelihoods.kinds import column_kinds

    names, p = getattr(estimator, "feature_names_in_", None), X.shape[1]
    kinds = column_kinds(estimator.likelihood, p, names)
    noise, bounds = Noise(shared=estimator.noise == "shared"), column_bounds(estimator.bounds, kinds, names)
    likelihood = ColumnLikelihood.of(X, kinds, noise, names, bounds)
    architecture = architecture_of(
        estimator.architecture,
        p,
        int(estimator.n_components),
        _widths(estimator.hidden_layer_sizes),
        estimator.image_shape,
    )
    latent_effects = LatentEffects.of(effects, visits.columns, visits.subject)
    table = LongitudinalVisits(
        X.astype(np.float32), visits.columns, visits.subject, visits.n_subjects, _time(effects, visits)
    )
    problem = LongitudinalProblem(
        table,
        latent_effects,
        architecture,
        likelihood,
        chosen_prior(estimator.coefficient_prior, estimator.coefficient_scale),
        _settings(estimator, len(X)),
    )
    if estimator.mixup:
        _require_mixable(kinds, latent_effects)
    rng = np.random.default_rng(seed_of(estimator, watch))
    fit = fit_mean_field_vae if estimator.objective == "mean-field" else fit_longitudinal_vae
    try:
        return fit(problem, rng, watch)
    except FloatingPointError as error:
        raise ValueError(str(error)) from error


def course_key(estimator: Any, effects: Sequence[AbstractCovariateEffect], visits: Visits) -> Any:
    """What orders the visits of a subject where residuals are to be serial, else None.

    Raises
    ------
    ValueError
        When nothing does, or no effect is of each subject.
    """
    if not estimator.serial_residuals:
        return None
    key = _order_key(effects, visits)
    if key is None or not any(isinstance(effect, AbstractSubjectEffect) for effect in effects):
        raise ValueError(
            "serial_residuals follows the columns of a subject over time: pass subject= and time=, to effects with "
            "BySubject() and one that reads time"
        )
    return key


def learnt_courses(
    estimator: Any, model: AbstractLongitudinalModel, X: Array, visits: SeenVisits, key: Any
) -> ColumnCourses:
    """The courses of columns in time ``key``; none where it is None."""
    from intertwine.estimators.longitudinal.courses import ColumnCourses

    if key is None:
        return ColumnCourses.none(len(X))
    columns = columns_for_courses(estimator, X)
    return ColumnCourses.learn(model, X, visits, columns, key, estimator.refine_iter)


def columns_for_courses(estimator: Any, X: Array) -> NDArray[np.int64]:
    """Positions of the Gaussian columns without bounds that vary."""
    from intertwine.likelihoods.bounds import column_bounds
    from intertwine.likelihoods.kinds import column_kinds

    names = getattr(estimator, "feature_names_in_", None)
    kinds = column_kinds(estimator.likelihood, X.shape[1], names)
    bounds = column_bounds(estimator.bounds, kinds, names)
    free = (np.array(kinds) == "gaussian") & np.isinf(bounds.low) & np.isinf(bounds.high)
    return np.flatnonzero(free & (np.nanmax(X, axis=0) > np.nanmin(X, axis=0)))


def chosen_prior(name: str, scale: float | None) -> AbstractCoefficientPrior:
    """The prior of coefficients called ``name``, with its scale, or with one that is learnt.

    Raises
    ------
    ValueError
        For a scale of a prior that has none.
    """
    if scale is None:
        return _PRIORS[name]
    if name == "laplace":
        return LaplacePrior(1.0 / float(scale))
    if name == "cauchy":
        return CauchyPrior(float(scale))
    raise ValueError(
        f"coefficient_scale={scale} is for coefficient_prior='laplace' or 'cauchy', not for {name!r}, whose scales are "
        "learnt: leave it out"
    )


def words_of_unsettled(estimator: Any) -> str:
    """What to do about a fit whose epochs were too few."""
    n_epochs = list(estimator._model.history["phase"]).count("joint") or estimator.n_iter_
    other = ", or set validation_fraction=0.1: held-out subjects choose the epoch"
    return (
        f"stopped after {counted(estimator.n_iter_, 'epoch', 'epochs')} before it had settled; raise max_iter from "
        f"{n_epochs} to {2 * n_epochs}{'' if estimator.objective == 'mean-field' else other}"
    )


def _settings(estimator: Any, n_visits: int) -> Any:
    from intertwine.fitting.longitudinal.problem import LongitudinalSettings

    batch_size = int(estimator.batch_size)
    epochs = estimator.max_iter
    if epochs is None:
        epochs = int(np.clip(np.ceil(_STEPS * batch_size / n_visits), _FEWEST, _MOST))
    given = estimator.n_given
    return LongitudinalSettings(
        warm_up=_part(estimator.warm_up, 0.4 * epochs),
        epochs=int(epochs),
        decoder_epochs=_part(estimator.decoder_iter, 0.3 * epochs),
        batch_size=batch_size,
        learning_rate=float(estimator.learning_rate),
        decoder_learning_rate=_DECODER_RATE * float(estimator.learning_rate),
        prediction=float(estimator.gsnn_weight),
        beta=float(estimator.beta),
        dropout=float(estimator.dropout),
        mixup=float(estimator.mixup),
        context=None if given is None else int(given),
        validation=float(estimator.validation_fraction),
    )


def _require_mixable(kinds: Sequence[str], effects: LatentEffects) -> None:
    if other := [kind for kind in dict.fromkeys(kinds) if kind != "gaussian"]:
        raise ValueError(
            f"mixup takes weighted means of visits, which are no values of {other[0]!r} columns: set mixup to 0"
        )
    if any(part.place == "trends" for part in effects.places):
        raise ValueError(
            "mixup takes weighted means of features, and effects by state space have none: set mixup to 0, or "
            "BySubject(…, method='basis')"
        )


def _part(given: int | None, otherwise: float) -> int:
    return int(np.ceil(otherwise)) if given is None else int(given)


def _time(effects: Sequence[AbstractCovariateEffect], visits: Visits) -> Array | None:
    key = _order_key(effects, visits)
    return None if key is None else visits.columns.numbers[key]


def _order_key(effects: Sequence[AbstractCovariateEffect], visits: Visits) -> Any:
    """What orders the visits of a subject: time, or else a number in which subjects have a course of their own."""
    numbers = visits.columns.numbers
    own = [
        key for effect in effects if isinstance(effect, AbstractSubjectEffect) for key in effect.number_keys
    ]
    for key in (TIME, *own):
        if key in numbers and not np.isnan(numbers[key]).any():
            return key
    return None


def _widths(sizes: Any) -> tuple[int, ...] | None:
    if sizes is None:
        return None
    widths = tuple(sizes)
    for width in widths:
        if not isinstance(width, Integral) or isinstance(width, bool) or width < 1:
            raise ValueError(
                f"hidden_layer_sizes holds {width!r}; every width must be a whole number from 1 on"
            )
    return tuple(int(width) for width in widths)
