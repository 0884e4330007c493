"""Fitted principal components with random effects: what rows, old and new, are told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from intertwine.effects.exchangeable import AbstractExchangeableEffect, with_more_levels
from intertwine.effects.random import AbstractBoundEffect, AbstractRandomEffect, EffectRows
from intertwine.fitting.factor_rows import factor_posterior
from intertwine.fitting.random_effects.latent import AbstractLatentModel, EffectTerms, RowEffects
from intertwine.fitting.random_effects.pca_exact import PCAParameters
from intertwine.fitting.random_effects.pca_known import (
    AbstractKnownEffects,
    LevelEffects,
    ModeEffects,
    NoEffects,
    PosteriorEffects,
)
from intertwine.fitting.random_effects.told_levels import ToldLevels
from intertwine.mixed_effects.base import VarianceComponents

__all__ = ["PCAModel"]

Array = NDArray[np.float64]


@final
class PCAModel(AbstractLatentModel):
    """A fitted model.

    Parameters
    ----------
    params : PCAParameters
    known : AbstractKnownEffects
    bound : sequence of AbstractBoundEffect
    shapes : sequence of ndarray
        At which the effects are bound.
    history : dict
    converged : bool
    objective : str
        "exact", or "bound".
    """

    def __init__(
        self,
        params: PCAParameters,
        known: AbstractKnownEffects,
        bound: Sequence[AbstractBoundEffect],
        shapes: Sequence[Array],
        history: dict[str, list[float]],
        converged: bool,
        objective: str,
    ) -> None:
        self.params, self.known, self.bound = params, known, tuple(bound)
        self.shape_values = tuple(shapes)
        self.history, self.converged, self.objective = history, converged, objective
        self.noise = params.noise
        self.variances = VarianceComponents(params.noise, params.effects)
        self.basis_names = tuple(effect.basis_names for effect in bound)
        self.shapes = tuple(
            dict(zip(effect.shape_names, shape.tolist(), strict=True))
            for effect, shape in zip(bound, shapes, strict=True)
        )

    @classmethod
    def from_state(cls, state: dict[str, Any], effects: Sequence[AbstractRandomEffect]) -> PCAModel:
        """The model that `to_state` wrote; it answers the same to the bit."""
        params = PCAParameters(**state["params"] | {"effects": tuple(state["params"]["effects"])})
        shapes, known = tuple(state["shapes"]), dict(state["known"])
        bound = [effect.restore(own) for effect, own in zip(effects, state["bound"], strict=True)]
        VarianceComponents(params.noise, params.effects).require_effects(bound, shapes)
        kind = known.pop("kind")
        if kind == "posterior":
            rows = EffectRows.restore(known["rows"])
            bound = [effect.bind(rows) for effect in effects]
            variances = VarianceComponents(params.noise, params.effects)
            found: AbstractKnownEffects = PosteriorEffects.from_state(
                known, bound, shapes, variances, params.loadings
            )
        else:
            found = _KINDS[kind](**known)
            known_levels = [] if kind == "none" else [found.n_levels]
            if known_levels != [effect.n_levels for effect in bound]:
                raise ValueError(f"{found.n_levels} levels are known, but effects have others")
        history = {name: values.tolist() for name, values in state["history"].items()}
        return cls(params, found, bound, shapes, history, state["converged"], state["objective"])

    def row_effects(self, rows: EffectRows) -> RowEffects:
        located = [
            effect.locate(rows, shape) for effect, shape in zip(self.bound, self.shape_values, strict=True)
        ]
        return self.known.at(located, rows.n_rows, len(self.noise))

    def latent(self, X: Array, at: RowEffects) -> Array:
        return self._posterior(X - at.mean, at).mean[:, : self.params.loadings.shape[1]]

    def decode(self, U: Array) -> Array:
        return self.params.mean + U @ self.params.loadings.T

    def expected(self, X: Array, at: RowEffects) -> Array:
        return self.decode(self.latent(X, at))

    def log_density(self, X: Array, at: RowEffects) -> Array:
        return self._posterior(X - at.mean, at).log_density

    def decoded_variance(self) -> Array:
        return np.sum(self.params.loadings**2, axis=1)

    def effect_terms(self) -> tuple[EffectTerms, ...]:
        return self.known.terms()

    def conditioned(self, X: Array, rows: EffectRows, effects: Sequence[AbstractRandomEffect]) -> PCAModel:
        if not isinstance(self.known, LevelEffects):
            raise ValueError(
                "condition of RandomEffectsPCA is for one effect with independent levels, such as Grouped or "
                "Longitudinal: fit all rows together, or take RandomEffectsVAE"
            )
        assert isinstance(self.bound[0], AbstractExchangeableEffect)
        bound, place = with_more_levels(effects[0], self.bound[0], rows)
        told = ToldLevels.of(
            X - self.params.mean, bound.grouping.levels(rows), bound.basis_at(rows), self.params
        )
        known = self.known.updated(told, place, bound.n_levels)
        found = (self.history, self.converged, self.objective)
        return PCAModel(self.params, known, [bound], self.shape_values, *found)

    def to_state(self) -> dict[str, Any]:
        return {
            "params": self.params._asdict() | {"effects": list(self.params.effects)},
            "known": self.known.to_state(),
            "bound": [effect.state() for effect in self.bound],
            "shapes": list(self.shape_values),
            "history": {name: np.asarray(values) for name, values in self.history.items()},
            "converged": self.converged,
            "objective": self.objective,
        }

    def _posterior(self, X: Array, at: RowEffects) -> Any:
        W = self.params.loadings
        noise = self.noise + at.variance
        if at.loadings is None:
            return factor_posterior(X - self.params.mean, noise, W)
        wide = np.concatenate([np.broadcast_to(W, (len(at.loadings), *W.shape)), at.loadings], axis=2)
        return factor_posterior(X - self.params.mean, noise, wide[at.kind])


_KINDS: dict[str, Any] = {"none": NoEffects, "levels": LevelEffects, "modes": ModeEffects}
