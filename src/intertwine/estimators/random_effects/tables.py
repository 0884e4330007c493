"""What a fitted latent model with random effects can be read for: variances, effects, history."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from intertwine.effects.random import AbstractRandomEffect
from intertwine.estimators.effect_rows.data import EffectData
from intertwine.estimators.effect_rows.names import effect_names
from intertwine.estimators.model_head import NamedFeatures
from intertwine.estimators.random_effects.units import FeatureUnits, LinkedUnits
from intertwine.fitting.random_effects.latent import AbstractLatentModel
from intertwine.frames import make_frame

__all__ = ["RandomEffectsTables"]


class RandomEffectsTables(NamedFeatures):
    """Frames of a fitted model, in the user's units."""

    _model: AbstractLatentModel
    _data: EffectData
    _effects: tuple[AbstractRandomEffect, ...]
    _units: FeatureUnits | LinkedUnits
    _frame_library: str | None

    @property
    def variance_components_(self) -> Any:
        """Variances of every feature, in its squared units.

        Returns
        -------
        frame
            feature; component: "latent" (variance of the decoded latents), the name of an effect, or "noise"; term
            and other_term (of an effect; alike for a variance, different for a covariance); variance.
        """
        check_is_fitted(self, "_model")
        model, features = self._model, np.array(self._features, dtype=object)
        names = self._effect_names()
        parts = [("latent", "", "", model.decoded_variance())]
        for name, terms, covariance in zip(names, model.basis_names, model.variances.effects, strict=True):
            for r, term in enumerate(terms):
                parts += [(name, other, term, covariance[:, s, r]) for s, other in enumerate(terms[: r + 1])]
        parts.append(("noise", "", "", model.noise))
        n_features, n_parts = len(features), len(parts)
        values = np.stack([values for *_, values in parts]) * self._units.spread**2
        columns = {
            "feature": np.repeat(features, n_parts),
            **{
                title: np.tile(np.array([part[c] for part in parts], dtype=object), n_features)
                for c, title in enumerate(("component", "term", "other_term"))
            },
            "variance": values.T.ravel(),
        }
        return make_frame(columns, self._frame_library)

    @property
    def random_effects_(self) -> Any:
        """Coefficients of every effect, level and feature: means given the fit, with standard errors.

        Returns
        -------
        frame
            effect, level, term, feature, estimate, std_error; in the units of the features. Standard errors count that
            latents and means are not known.
        """
        check_is_fitted(self, "_model")
        features = np.array(self._features, dtype=object)
        parts: dict[str, list[Any]] = {
            name: [] for name in ("effect", "level", "term", "feature", "estimate", "std_error")
        }
        for t, (name, found) in enumerate(zip(self._effect_names(), self._model.effect_terms(), strict=True)):
            n_levels, n_terms, n_features = found.mean.shape
            terms = np.array(self._model.basis_names[t], dtype=object)
            parts["effect"].append(np.full(found.mean.size, name, dtype=object))
            parts["level"].append(np.repeat(self._levels(t, n_levels), n_terms * n_features))
            parts["term"].append(np.tile(np.repeat(terms, n_features), n_levels))
            parts["feature"].append(np.tile(features, n_levels * n_terms))
            parts["estimate"].append((found.mean * self._units.spread).ravel())
            parts["std_error"].append((np.sqrt(found.variance) * self._units.spread).ravel())
        columns = {name: np.concatenate(part) if part else np.empty(0) for name, part in parts.items()}
        return make_frame(columns, self._frame_library)

    @property
    def shapes_(self) -> dict[str, dict[str, float]]:
        """What the covariance between the levels of each effect depends on: length scale, autocorrelation."""
        check_is_fitted(self, "_model")
        found = zip(self._effect_names(), self._model.shapes, strict=True)
        return {name: dict(shape) for name, shape in found if shape}

    @property
    def history_(self) -> Any:
        """One row per iteration of the fit."""
        check_is_fitted(self, "_model")
        columns = {name: np.asarray(values) for name, values in self._model.history.items()}
        return make_frame(columns, self._frame_library)

    def _effect_names(self) -> list[str]:
        return effect_names(self._effects, self._data)

    def _levels(self, t: int, n_levels: int) -> np.ndarray:
        """Labels of the levels of an effect; numbers where they have none."""
        keys = self._effects[t].group_keys
        if len(keys) == 1 and keys[0] in dict(self._data.column_of):
            labels = self._data.labels(keys[0])
            if len(labels) == n_levels:
                return np.asarray(labels, dtype=object)
        return np.arange(n_levels, dtype=object)
