"""Frames of a fitted longitudinal autoencoder: variances, bases, axes, history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from intertwine.estimators.longitudinal.courses import ColumnCourses
from intertwine.estimators.longitudinal.visits import SeenVisits, known_latents, some_subjects
from intertwine.estimators.model_head import NamedFeatures
from intertwine.frames import make_frame
from intertwine.mixed_effects.latent_axes import IdentifiedAxes, alike_axes, identified_axes
from intertwine.mixed_effects.own_factor import covariance_of
from intertwine.mixed_effects.subject_system import SubjectSystem
from intertwine.mixed_effects.subjects import SubjectRows

if TYPE_CHECKING:
    from intertwine.fitting.longitudinal.model import AbstractLongitudinalModel

__all__ = ["VISIT_NOISE", "LongitudinalTables", "slopes"]

Array = NDArray[np.float64]

VISIT_NOISE = "visit"  # what tables call the noise of the latents of single visits
_VISITS = 3000  # that are looked at to tell axes from noise
_SLOPE_VISITS = 256


class LongitudinalTables(NamedFeatures):
    """What a fit can be read for, beside predictions."""

    _model: AbstractLongitudinalModel
    _courses: ColumnCourses
    _visits: SeenVisits
    _frame_library: str | None
    _feature_spread: Array  # standard deviations of the features over the fit
    _of_one_unit: bool  # whether features are of one unit, so that their variances can be added

    @property
    def variance_components_(self) -> Any:
        """Prior variances of the latents by effect and axis.

        Returns
        -------
        frame
            effect (the last one, "visit", is the noise of single visits), axis (from 0), variance (of one coefficient;
            of a `Correlated` effect their mean, see ``own_covariances_``),
            share (of the prior variance of a visit's latent, on average over the visits of the fit). Shares are what
            the prior expects; those that the data show are in ``explain``.
        """
        check_is_fitted(self, "_model")
        names, by_effect, shares = self._prior_shares()
        n_axes = self._model.n_components
        columns = {
            "effect": np.repeat(np.array([*names, VISIT_NOISE], dtype=object), n_axes),
            "axis": np.tile(np.arange(n_axes), len(names) + 1),
            "variance": np.concatenate([by_effect.ravel(), self._model.latents.variances.noise]),
            "share": shares.ravel(),
        }
        return make_frame(columns, self._frame_library)

    @property
    def own_covariances_(self) -> Any:
        """Prior covariances of the coefficients of `Correlated` effects; empty where there are none.

        Returns
        -------
        frame
            effect, axis (from 0), first and second (coefficients: a level, a slope), covariance, correlation. A number
            is standardised over the visits of the fit, so that a level is that at its mean, and a slope is per
            standard deviation of it.
        """
        check_is_fitted(self, "_model")
        latents = self._model.latents
        table: dict[str, list[Any]] = {
            name: [] for name in ("effect", "axis", "first", "second", "covariance", "correlation")
        }
        blocks = zip(latents.effects.correlated, latents.variances.correlations, strict=True)
        for (place, names), one in blocks:
            covariance = covariance_of(latents.variances.own, one)
            for axis in range(self._model.n_components):
                for i, j in zip(*np.triu_indices(len(names)), strict=True):
                    values = covariance[axis, i, j], one.matrix[axis, i, j]
                    row = (place.title, axis, names[i], names[j], *map(float, values))
                    for column, value in zip(table.values(), row, strict=True):
                        column.append(value)
        kinds = (object, np.int64, object, object, np.float64, np.float64)
        columns = {
            name: np.array(values, dtype=kind)
            for (name, values), kind in zip(table.items(), kinds, strict=True)
        }
        return make_frame(columns, self._frame_library)

    @property
    def serial_residuals_(self) -> Any:
        """What columns keep of a subject beside the latents; empty where ``serial_residuals`` is False.

        Returns
        -------
        frame
            feature; level (variance of what a subject keeps for good), serial (of what fades), length_scale (the time
            in which its correlation falls to 1/e), noise (of single entries), in the units of X squared. Columns
            without enough of a course to tell it from noise are left out.
        """
        check_is_fitted(self, "_model")
        courses = self._courses
        names = np.array(self._features, dtype=object)[courses.columns]
        return make_frame({"feature": names, **courses.law._asdict()}, self._frame_library)

    @property
    def basis_(self) -> Any:
        """How smooth effects are represented.

        Returns
        -------
        frame
            effect, covariate, kernel, method ("basis" or "state-space"), length_scale, n_functions, half_range (of the
            covariate), boundary (half width of the box in half ranges), missing_variance (largest share of the prior's
            variance over the visits of the fit that the functions do not carry: above .05 or so, ask for more).
        """
        check_is_fitted(self, "_model")
        latents = self._model.latents
        table = latents.effects.basis(latents.shape)
        columns = {
            name: np.array([str(v) if name == "covariate" else v for v in values])
            for name, values in table.items()
        }
        return make_frame(columns, self._frame_library)

    @property
    def axes_(self) -> Any:
        """What is identified of the axes of the latents.

        Latents are known up to an affine map. By convention an axis has prior variance one, its mean slope of largest
        magnitude is positive, and axes come in the order of the variance that effects explain of what is observed.
        Axes that cannot be told from noise are beyond the rank of the effects: the mixed model says nothing of them.

        Returns
        -------
        frame
            axis; effects_share (of its prior variance, by all effects together); observed_share (its part of the
            variance of expected values, by the decoder's mean slopes); gain (of log evidence by the effects);
            identified; alike (axes with the same proportions of variances: any rotation among these fits as well;
            "" for none).
        """
        check_is_fitted(self, "_model")
        _, _, shares = self._prior_shares()
        told, latents = self._identified(), self._model.latents
        parts = latents.effects.proportions(latents.variances, self._rows())
        n_axes = self._model.n_components
        alike: list[list[int]] = [[] for _ in range(n_axes)]
        for first, second in alike_axes(parts, np.ones(len(parts)), latents.variances.noise):
            alike[first].append(second)
            alike[second].append(first)
        observed = self._axis_weights()
        columns = {
            "axis": np.arange(n_axes),
            "effects_share": shares[:-1].sum(axis=0),
            "observed_share": observed / max(float(observed.sum()), 1e-300),
            "gain": told.gain,
            "identified": told.identified,
            "alike": np.array([", ".join(str(axis) for axis in others) for others in alike], dtype=object),
        }
        return make_frame(columns, self._frame_library)

    @property
    def rank_(self) -> int:
        """Directions of the latents in which effects can be told from noise; axes share them out."""
        check_is_fitted(self, "_model")
        return self._identified().rank

    @property
    def length_scales_(self) -> dict[str, float]:
        """Length scales of smooth effects, given or learnt, in the unit of their covariate."""
        check_is_fitted(self, "_model")
        latents = self._model.latents
        names = latents.effects.shape_names
        return dict(zip(names, np.asarray(latents.shape).tolist(), strict=True))

    @property
    def history_(self) -> Any:
        """One row per epoch of the fit."""
        check_is_fitted(self, "_model")
        columns = {name: np.asarray(values) for name, values in self._model.history.items()}
        return make_frame(columns, self._frame_library)

    @property
    def _effect_titles(self) -> list[str]:
        return [place.title for place in self._model.latents.effects.places if not place.flat]

    def _rows(self) -> SubjectRows:
        latents, visits = self._model.latents, self._visits
        subject = np.unique(visits.subject, return_inverse=True)[1].astype(np.int64)
        n_subjects = int(subject.max()) + 1
        return latents.effects.rows(visits.columns, subject, n_subjects, latents.shape)

    def _prior_shares(self) -> tuple[list[str], Array, Array]:
        """Names of effects, their variances (effects, K), and shares with those of the noise (effects + 1, K)."""
        latents = self._model.latents
        by_effect = latents.effects.by_effect(latents.variances)
        explained = latents.effects.visit_variances(latents.variances, self._rows())
        parts = np.vstack([explained, latents.variances.noise])
        return self._effect_titles, by_effect, parts / parts.sum(axis=0)

    def _identified(self) -> IdentifiedAxes:
        latents = self._model.latents
        few = self._visits.take(some_subjects(self._visits.subject, _VISITS, np.random.default_rng(0)))
        system = SubjectSystem(few.rows(latents))
        return identified_axes(system, few.sites, latents.variances, latents.effects.n_variances)

    def _axis_weights(self) -> Array:
        """Variance of expected values that each axis makes by its mean slopes, (K,)."""
        few = self._visits.take(some_subjects(self._visits.subject, _SLOPE_VISITS, np.random.default_rng(0)))
        found = known_latents(self._model, few, int(self._visits.subject.max()) + 1)
        steep = slopes(self._model, found.mean)
        if not self._of_one_unit:
            steep = steep / self._feature_spread[:, None]
        return np.square(steep).sum(axis=0) * (found.mean.var(axis=0) + found.variance.mean(axis=0))


def slopes(model: AbstractLongitudinalModel, latents: Array) -> Array:
    """Mean slopes (p, K) of what is decoded, by central differences of a tenth of a latent's spread."""
    spread = np.maximum(latents.std(axis=0), 1e-6)
    columns = []
    for axis in range(latents.shape[1]):
        step = np.zeros(latents.shape[1])
        step[axis] = 0.1 * spread[axis]
        ends = [model.decode(latents + sign * step).mean(axis=0) for sign in (1.0, -1.0)]
        columns.append((ends[0] - ends[1]) / (2.0 * step[axis]))
    return np.column_stack(columns)
