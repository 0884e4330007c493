"""What latent models with random effects share: input, units, unseen levels, and what each method conditions on.

x_i = f(u_i) + Σ_t (Z_t B_t)_i + e_i
"""

from __future__ import annotations

import abc
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted

from intertwine.effects.exchangeable import require_distinct_effects
from intertwine.effects.random import AbstractRandomEffect, EffectRows
from intertwine.estimators.effect_rows.choice import chosen_effects
from intertwine.estimators.effect_rows.data import EffectData
from intertwine.estimators.effect_rows.inputs import EffectInputs
from intertwine.estimators.effect_rows.names import effect_names
from intertwine.estimators.long_work import watched
from intertwine.estimators.model_head import AbstractSaved
from intertwine.estimators.random_effects.conditioning import RandomEffectsConditioning
from intertwine.estimators.random_effects.state import random_effects_from_state, random_effects_to_state
from intertwine.estimators.random_effects.tables import RandomEffectsTables
from intertwine.estimators.random_effects.units import FeatureUnits, LinkedUnits, refuse_slopes
from intertwine.fitting.factor_rows import row_blocks
from intertwine.fitting.random_effects.latent import AbstractLatentModel, LatentRows, RowEffects
from intertwine.fitting.watch import Watch
from intertwine.frames import frame_library
from intertwine.resources import thread_limit
from intertwine.validation import check_features, restored_on_failure
from intertwine.validation.caller import depth_of_caller
from intertwine.validation.wording import counted

__all__ = ["AbstractRandomEffectsEstimator"]

_SMALL = 200_000  # entries: fewer gain nothing from threads


class AbstractRandomEffectsEstimator(
    RandomEffectsTables, RandomEffectsConditioning, ClassNamePrefixFeaturesOutMixin, TransformerMixin, AbstractSaved,
    BaseEstimator,
):  # fmt: skip
    """A decoder of few latents, and random effects of groups, time or space on every feature.

    A final class supplies ``__init__`` (with ``n_components``, ``effects``, ``scale``, ``unseen``, ``random_state``,
    ``n_jobs``, ``verbose``, ``checkpoint`` at least) and the fit; input, units, files and tables are here.

    What is conditioned on
    ----------------------
    A fit learns parameters (f, variances) and, given these, what its rows say of the random effects B of every level:
    a mean and a variance. Every method treats the rows that it is given as new ones: what is known of their effects
    comes from the fit alone, whatever else stands in the same call. So a row's answer never depends on its neighbours
    in the call, and nothing of a held-out row, or of held-out rows of its group, can leak into its own score.

    =====================  =============================================================================================
    rows                   effects
    =====================  =============================================================================================
    of a level of the fit  mean and variance given the fit; training rows are no exception, so that ``fit_transform``
                           is ``fit`` and then ``transform``
    of an unseen level     mean zero (between sites: kriging), the variance of the population; a warning, or an error
                           with ``unseen="raise"``
    of both                partly seen: where effects add, each counts as above
    =====================  =============================================================================================

    ``transform`` is E[u_i | x_i]: what is open about the effects counts as noise of the row, feature by feature.
    ``reconstruct`` sees a row through its latents only, f(û_i) + Z_i B̂: it never re-estimates the effects of a row
    from the row itself, through which p numbers would pass the bottleneck. ``impute`` puts the same into entries that
    are missing. ``score`` is the mean over rows of log p(x_i | the fit), u and B being integrated out.
    """

    n_components: int
    effects: Any
    scale: bool
    unseen: str
    random_state: Any
    n_jobs: int | None
    checkpoint: Any
    _model: AbstractLatentModel
    _data: EffectData
    _effects: tuple[AbstractRandomEffect, ...]
    _units: FeatureUnits | LinkedUnits
    _log_units: float  # log |∂(units of the fit) / ∂(units of X)| of all that was observed

    @abc.abstractmethod
    def _units_of(self, values: NDArray[np.float64]) -> FeatureUnits | LinkedUnits:
        """Units of the rows of a fit, which have been checked but for what features of one kind may hold."""

    @abc.abstractmethod
    def _fit_latent(
        self, rows: LatentRows, effects: Sequence[AbstractRandomEffect], watch: Watch
    ) -> AbstractLatentModel:
        """Fit rows in the units of the fit; warnings of convergence are given by the caller."""

    @abc.abstractmethod
    def _model_from_state(self, state: dict[str, Any]) -> AbstractLatentModel:
        """The model that its ``to_state`` wrote."""

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, *, groups=None, time=None, coords=None) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : array-like or frame of shape (n, p)
            Features; NaN where an entry was not observed.
        y : None
            Ignored.
        groups : array-like (n,) or (n, k), Series, frame or dict of columns, optional
            Labels of the groups that effects name.
        time : array-like (n,), optional
        coords : array-like or frame (n, k), optional

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
            When more iterations are needed.
        UserWarning
            Constant features; metadata that no effect reads.
        """
        with restored_on_failure(self):
            values = self._read(X, reset=True)
            effects = chosen_effects(self.effects, groups)
            refuse_slopes(effects)
            inputs = EffectInputs(X, len(values), groups, time, coords)
            data, rows = EffectData.read(effects, inputs)
            data.check_observed(rows, np.any(np.isfinite(values), axis=1))
            if len(effects) > 1:
                require_distinct_effects([e.bind(rows) for e in effects], effect_names(effects, data))
            self._units = self._units_of(values)
            self._data, self._effects = data, tuple(effects)
            self._frame_library = frame_library(X)
            self._log_units = float(np.isfinite(values).sum(axis=0) @ np.log(self._units.spread))
            given = LatentRows(self._units.inside(values), rows, self._units.columns)
            prints = (values, rows.time, rows.coords, [codes.codes for codes in rows.groups.values()])
            threads = 1 if self.n_jobs is None and values.size < _SMALL else self.n_jobs
            with thread_limit(threads), watched(self, prints) as watch:
                self._model = self._fit_latent(given, effects, watch)
        if not self._model.converged:
            warnings.warn(
                f"stopped after {counted(self.n_iter_, 'iteration', 'iterations')} before it had settled; raise "
                "max_iter, or tol",
                ConvergenceWarning,
                stacklevel=depth_of_caller(),
            )
        return self

    def fit_transform(self, X, y=None, *, groups=None, time=None, coords=None):
        """Fit, and then transform the same rows as if they were new; see ``fit`` and ``transform``.

        `y` is ignored; `groups`, `time` and `coords` are those of both.
        """
        return self.fit(X, y, groups=groups, time=time, coords=coords).transform(
            X, groups=groups, time=time, coords=coords
        )

    def transform(self, X, *, groups=None, time=None, coords=None):
        """Latents of rows: E[u_i | x_i], the random effects being integrated out.

        Parameters
        ----------
        X : array-like or frame of shape (n, p)
            NaN where an entry was not observed: a row without any has the latents of the prior, zero.
        groups, time, coords
            As in ``fit``.

        Returns
        -------
        ndarray or frame of shape (n, n_components)
            As ``set_output`` says.
        """

        def latent(values, at):
            return self._model.latent(values, at)

        return self._by_parts(latent, X, groups, time, coords)

    def inverse_transform(
        self, X, *, groups=None, time=None, coords=None, include_effects=True
    ) -> np.ndarray:
        """Features of latents.

        Parameters
        ----------
        X : array-like of shape (n, n_components)
            Latents.
        groups, time, coords
            As in ``fit``.
        include_effects : bool, default=True
            False: of the population's average level, f(u) alone; groups, time and coords are not needed then.

        Returns
        -------
        ndarray of shape (n, p)
        """
        check_is_fitted(self, "_model")
        latents = check_array(X, dtype=np.float64, input_name="X")
        if latents.shape[1] != self._n_features_out:
            raise ValueError(f"X has {latents.shape[1]} latents, but n_components is {self._n_features_out}")
        if not include_effects:
            return self._units.expected(self._model.decode(latents), 0.0)
        rows = self._effect_rows(X, len(latents), groups, time, coords)
        parts = []
        for part in row_blocks(len(latents), self._width):
            at = self._model.row_effects(rows.take(part))
            parts.append(self._units.expected(self._model.decode(latents[part]) + at.mean, at.variance))
        return np.concatenate(parts)

    def reconstruct(self, X, *, groups=None, time=None, coords=None, include_effects=True) -> np.ndarray:
        """Rows as their latents and the fit's effects give them: ``inverse_transform`` of ``transform``.

        Parameters
        ----------
        X, groups, time, coords
            As in ``transform``.
        include_effects : bool, default=True
            False: f(û) alone, the rows as they would be at the population's average level.

        Returns
        -------
        ndarray of shape (n, p)
        """

        def decoded(values, at):
            mean, variance = (at.mean, at.variance) if include_effects else (0.0, 0.0)
            return self._units.expected(self._model.decode(self._model.latent(values, at)) + mean, variance)

        return self._by_parts(decoded, X, groups, time, coords)

    def impute(self, X, *, groups=None, time=None, coords=None) -> np.ndarray:
        """Rows with missing entries as they are expected to be, over all latents that what was observed leaves open.

        Parameters
        ----------
        X, groups, time, coords
            As in ``transform``.

        Returns
        -------
        ndarray of shape (n, p)
        """

        def filled(values, at):
            return self._units.expected(self._model.expected(values, at) + at.mean, at.variance)

        values = self._read(X)
        return np.where(np.isnan(values), self._by_parts(filled, X, groups, time, coords), values)

    def score_samples(self, X, *, groups=None, time=None, coords=None) -> np.ndarray:
        """Log density of each row given the fit, log p(x_i), in the units of X.

        Parameters
        ----------
        X, groups, time, coords
            As in ``transform``; entries that are missing do not count.

        Returns
        -------
        ndarray of shape (n,)
        """

        def density(values, at):
            found = self._model.log_density(values, at)
            return found - np.isfinite(values) @ np.log(self._units.spread)

        return self._by_parts(density, X, groups, time, coords)

    def score(self, X, y=None, *, groups=None, time=None, coords=None) -> float:
        """Mean log density of rows that the fit has not seen; it never conditions on the rows that it scores.

        Parameters
        ----------
        X, groups, time, coords
            As in ``transform``.
        y : None
            Ignored.

        Returns
        -------
        float
            Mean of ``score_samples``: each row given the fit, not given the other rows.
        """
        return float(np.mean(self.score_samples(X, groups=groups, time=time, coords=coords)))

    def sample(self, n_samples=None, *, groups=None, time=None, coords=None, random_state=None) -> np.ndarray:
        """Draw rows from the density that ``score_samples`` evaluates, independently of each other.

        Parameters
        ----------
        n_samples : int, optional
            By default as many as groups, time or coords have rows, or one.
        groups, time, coords
            Where the rows are. Without groups each is of a level of its own that was not in the fit.
        random_state : int, RandomState or None, default=None

        Returns
        -------
        ndarray of shape (n_samples, p)
        """
        check_is_fitted(self, "_model")
        named = next(iter(groups.values()), None) if isinstance(groups, Mapping) else groups
        given = next((part for part in (named, time, coords) if part is not None), None)
        n_rows = (1 if given is None else len(given)) if n_samples is None else n_samples
        if n_rows < 1:
            raise ValueError(f"n_samples={n_rows} must be at least 1")
        if groups is None and self._data.n_group_columns:
            groups = np.full((n_rows, self._data.n_group_columns), None, dtype=object)
        rows = self._effect_rows(np.empty((n_rows, 1)), n_rows, groups, time, coords, unseen="ignore")
        rng = np.random.default_rng(check_random_state(random_state).randint(2**31))
        parts = row_blocks(n_rows, self._width)
        drawn = [self._drawn(self._model.row_effects(rows.take(part)), rng) for part in parts]
        return self._units.drawn(np.concatenate(drawn), rng)

    def _to_state(self) -> dict[str, Any]:
        check_is_fitted(self, "_model")
        return random_effects_to_state(self)

    @classmethod
    def _from_state(cls, state: dict[str, Any]) -> Self:
        return random_effects_from_state(cls, state)

    @property
    def n_iter_(self) -> int:
        """Iterations made."""
        check_is_fitted(self, "_model")
        return len(self._model.history["iteration"])

    @property
    def _n_features_out(self) -> int:
        return self.n_components

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_model")

    def _read(self, X, reset: bool = False) -> NDArray[np.float64]:
        if not reset:
            check_is_fitted(self, "_model")
        idle = "there is nothing to explain"
        values = np.asarray(
            check_features(self, X, reset=reset, dtype=np.float64, allow_missing=True, idle=idle, alone=None)
        )
        if not reset:
            self._units.check(values, self._column_names)
        return values

    @property
    def _column_names(self) -> NDArray[Any] | None:
        return getattr(self, "feature_names_in_", None)

    @property
    def _width(self) -> int:
        """Numbers that a row may take while it is answered."""
        most = max((len(names) for names in self._model.basis_names), default=1)
        return self.n_features_in_ * most * (most + self._n_features_out)

    def _by_parts(self, answer, X, groups, time, coords) -> NDArray[np.float64]:
        """Answer rows in the units of the fit, with what the fit knows of their effects, a part of them at a time."""
        values = self._read(X)
        rows = self._effect_rows(X, len(values), groups, time, coords)
        parts = row_blocks(len(values), self._width)
        inside, at = self._units.inside, self._model.row_effects
        return np.concatenate([answer(inside(values[part]), at(rows.take(part))) for part in parts])

    def _effect_rows(self, X, n_rows: int, groups, time, coords, unseen: str | None = None) -> EffectRows:
        inputs = EffectInputs(X, n_rows, groups, time, coords)
        return self._data.rows(inputs, self.unseen if unseen is None else unseen)

    def _drawn(self, at: RowEffects, rng: np.random.Generator) -> NDArray[np.float64]:
        n_rows, n_features = at.mean.shape
        drawn = self._model.decode(rng.standard_normal((n_rows, self._n_features_out))) + at.mean
        drawn += np.sqrt(self._model.noise + at.variance) * rng.standard_normal((n_rows, n_features))
        if at.loadings is not None:
            shared = rng.standard_normal((n_rows, at.loadings.shape[2]))
            drawn += np.einsum("ipf,if->ip", at.loadings[at.kind], shared)
        return drawn
