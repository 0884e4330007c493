"""A fitted variational autoencoder with random effects: what rows, old and new, are told."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from intertwine.effects.random import (
    AbstractRandomEffect,
    EffectRows,
    GroupCodes,
    IndependentPrior,
    Located,
    require_same_functions,
)
from intertwine.fitting.random_effects.joint_levels import JointLevels
from intertwine.fitting.random_effects.latent import AbstractLatentModel, EffectTerms, RowEffects
from intertwine.fitting.random_effects.open_latents import variances_beside_latents
from intertwine.fitting.random_effects.vae_amortised import AmortisedEffects
from intertwine.fitting.random_effects.vae_fit import FittedVAE
from intertwine.fitting.random_effects.vae_latents import (
    GaussianRows,
    decoder_slopes,
    encoded,
    expected,
    log_densities,
    most_probable,
    prior_points,
)
from intertwine.fitting.random_effects.vae_local_rows import LocalRows
from intertwine.likelihoods.local_columns import LocalColumns
from intertwine.mixed_effects.base import AbstractPosterior, VarianceComponents
from intertwine.mixed_effects.choose import system_for
from intertwine.networks import Autoencoder, decode, n_latents

__all__ = ["VAEModel"]

Array = NDArray[np.float64]

_PRIOR_DRAWS = 4096
# latents and effects of further rows in turn, until effects move by less noise than this
_ROUNDS, _SETTLED = 50, 1e-3
_SLOPES = 20_000  # rows that tell what latents explain


@final
class VAEModel(AbstractLatentModel):
    """A fitted model.

    It keeps the residuals of the rows that it was fitted to: from them, effects and their covariance are solved for
    when they are first asked for, also in a later process.

    Parameters
    ----------
    found : FittedVAE
    effects : sequence of AbstractRandomEffect
    rows : EffectRows
        Of the fit.
    shapes : sequence of ndarray
        Of each effect.
    observed : ndarray of bool, shape (n, p), or None
    beta : float
        Weight of the effects' divergence in the fit.
    refine : bool
        Whether latents are the most probable ones, or the encoder's means.
    guessed : AmortisedEffects, optional
        What a second encoder says of the effects; its latents' encoder is shown rows as they are.
    columns : LocalColumns, optional
        Where some are not Gaussian.
    """

    converged: bool

    def __init__(
        self,
        found: FittedVAE,
        effects: Sequence[AbstractRandomEffect],
        rows: EffectRows,
        shapes: Sequence[Array],
        observed: NDArray[np.bool_] | None,
        beta: float,
        refine: bool,
        guessed: AmortisedEffects | None = None,
        columns: LocalColumns | None = None,
    ) -> None:
        self.found, self.rows, self.observed = found, rows, observed
        self.beta, self.refine, self.guessed, self.columns = beta, refine, guessed, columns
        self.bound_effects = tuple(effect.bind(rows) for effect in effects)
        self.shape_values = tuple(shapes)
        self.variances, self.noise = found.variances, found.variances.noise
        if columns is not None:
            self.noise = np.where(columns.local, 0.0, self.noise)
        self.variances.require_effects(self.bound_effects, shapes)
        self.history, self.converged = found.history, found.converged
        self.basis_names = tuple(effect.basis_names for effect in self.bound_effects)
        self.shapes = tuple(
            dict(zip(effect.shape_names, np.asarray(shape).tolist(), strict=True))
            for effect, shape in zip(self.bound_effects, shapes, strict=True)
        )

    @cached_property
    def posterior(self) -> AbstractPosterior | None:
        """Of the effects given the rows of the fit; None without effects."""
        if not self.bound_effects:
            return None
        system = system_for(
            self.bound_effects, self.shape_values, None, self._weights, len(self.noise), restricted=False
        )
        return system.posterior(self.found.residual.astype(np.float64), self._tempered)

    @cached_property
    def joint(self) -> JointLevels | None:
        """Levels beside latents that are open, too, where there is one effect and its levels are independent."""
        if self.found.latents is None or self.guessed is not None or len(self.bound_effects) != 1:
            return None
        independent = isinstance(self.bound_effects[0].prior(self.shape_values[0]), IndependentPrior)
        return self._alone(0) if independent else None

    def _alone(self, t: int) -> JointLevels:
        assert self.found.latents is not None
        weights = np.ones_like(self.noise) if self._weights is None else self._weights
        weight = np.broadcast_to(weights / self._tempered.noise, self.found.residual.shape)
        rows = self.found.residual, self.found.latents, self._slopes_at, weight
        effect = self.bound_effects[t]
        return JointLevels(*rows, effect.level, effect.n_levels, effect.basis, self.variances.effects[t])

    @cached_property
    def _level_means(self) -> Array | None:
        return None if self.joint is None else self.joint.means()

    @property
    def _weights(self) -> Array | None:
        if self.found.precision is not None:
            return self.found.precision.astype(np.float64)
        return None if self.observed is None else self.observed.astype(np.float64)

    @property
    def _tempered(self) -> VarianceComponents:
        return self.variances._replace(noise=self.beta * self.variances.noise)

    def _slopes_at(self, rows: NDArray[np.int64]) -> Array:
        assert self.found.latents is not None
        slopes = decoder_slopes(self.found.params, self.found.latents[rows.ravel()])
        return (self.found.spread[:, None] * slopes).reshape(*rows.shape, *slopes.shape[1:])

    def row_effects(self, rows: EffectRows) -> RowEffects:
        located = [
            effect.locate(rows, shape)
            for effect, shape in zip(self.bound_effects, self.shape_values, strict=True)
        ]
        if self.guessed is not None:
            return RowEffects(*self.guessed.predict(located, self.variances.effects))
        if self.posterior is None:
            nothing = np.zeros((rows.n_rows, len(self.noise)))
            return RowEffects(nothing, nothing)
        mean, variance = self.posterior.predict(located, None)
        return RowEffects(mean if self.joint is None else self._means_at(located), variance)

    def latent(self, X: Array, at: RowEffects) -> Array:
        if self.guessed is not None:
            return encoded(self.found.params, self._gaussian_rows(X, at))
        find = most_probable if self.refine else encoded
        return find(self.found.params, self._rows(X, at))

    def decode(self, U: Array) -> Array:
        decoded = np.asarray(decode(self.found.params, np.asarray(U, dtype=np.float32)), dtype=np.float64)
        return decoded * self.found.spread

    def expected(self, X: Array, at: RowEffects) -> Array:
        if self.guessed is not None or not self.refine:
            return self.decode(self.latent(X, at))
        return expected(self.found.params, self._rows(X, at)) * self.found.spread

    def log_density(self, X: Array, at: RowEffects) -> Array:
        density = log_densities(self.found.params, self._rows(X, at))
        return density - np.isfinite(X) @ np.log(self.found.spread)

    def decoded_variance(self) -> Array:
        return np.var(
            self.decode(prior_points(_PRIOR_DRAWS, n_latents(self.found.params)).astype(np.float64)), axis=0
        )

    def effect_terms(self) -> tuple[EffectTerms, ...]:
        if self.guessed is not None:
            return self.guessed.terms([effect.n_basis for effect in self.bound_effects])
        if self.posterior is None:
            return ()
        if self.joint is not None and self._level_means is not None:
            return (EffectTerms(self._level_means, self.joint.variances_beside_means()),)
        means = self.posterior.effects
        if self.found.latents is None:  # of a file that does not have them
            known = [self.posterior.level_covariance(t) for t in range(len(means))]
            return tuple(EffectTerms(m, np.einsum("qmaa->qam", v)) for m, v in zip(means, known, strict=True))
        some = np.linspace(0, self.rows.n_rows - 1, min(self.rows.n_rows, _SLOPES)).astype(np.int64)
        explained = np.mean(np.sum(self._slopes_at(some) ** 2, axis=2), axis=0)
        at = self.bound_effects, self.shape_values, self._weights, self._tempered
        return tuple(map(EffectTerms, means, variances_beside_latents(*at, explained, self._alone)))

    def conditioned(self, X: Array, rows: EffectRows, effects: Sequence[AbstractRandomEffect]) -> VAEModel:
        if self.guessed is not None or self.columns is not None:
            raise ValueError(
                "condition is for Gaussian columns and inference='collapsed': fit all rows together"
            )
        if self.found.latents is None:
            raise ValueError("the file of this model is from before condition: fit it again")
        there, joined = np.isfinite(X), self.rows.joined(rows)
        both = np.concatenate(
            [np.ones_like(self.found.residual, bool) if self.observed is None else self.observed, there]
        )
        observed = None if both.all() else both
        mean = np.zeros(X.shape)
        variance = sum((np.einsum("maa->m", Sigma) for Sigma in self.variances.effects), np.zeros(X.shape[1]))
        for _ in range(_ROUNDS):
            at = RowEffects(mean, np.broadcast_to(variance, X.shape))
            latents = most_probable(self.found.params, self._rows(X, at))
            residual = np.where(there, X - self.decode(latents), 0.0)
            found = self.found._replace(
                residual=np.concatenate([self.found.residual, residual.astype(np.float32)]),
                latents=np.concatenate([self.found.latents, latents.astype(np.float32)]),
            )
            model = VAEModel(found, effects, joined, self.shape_values, observed, self.beta, self.refine)
            require_same_functions(self.bound_effects, model.bound_effects)
            last, mean, variance = mean, model._effects_at(rows), np.zeros(X.shape[1])
            moved = float(np.max(np.abs(mean - last) / np.sqrt(self.noise)))
            if moved < _SETTLED:
                break
        else:
            warnings.warn(
                f"effects of these rows still moved by {moved:.2g} noise deviations after {_ROUNDS} rounds; "
                "fit all rows together where that matters",
                ConvergenceWarning,
                stacklevel=3,
            )
        return model

    def _effects_at(self, rows: EffectRows) -> Array:
        """Means of the effects at rows (n, p)."""
        located = [
            e.locate(rows, shape) for e, shape in zip(self.bound_effects, self.shape_values, strict=True)
        ]
        return self._means_at(located)

    def _means_at(self, located: Sequence[Located]) -> Array:
        if self._level_means is not None:
            return _at_rows(self._level_means, located[0])
        assert self.posterior is not None
        return self.posterior.predict(located, None)[0]

    def _rows(self, X: Array, at: RowEffects) -> GaussianRows | LocalRows:
        """Rows in the units of the networks, beside what is known of their effects."""
        if self.columns is None:
            return self._gaussian_rows(X - at.mean, at)
        there, local, spread = np.isfinite(X), self.columns.local, self.found.spread
        weight = np.where(local, 1.0, spread**2 / np.where(local, 1.0, self.noise + at.variance)) * there
        parts = (
            np.where(there, X, 0.0) / spread,
            self.columns.center + at.mean / spread,
            weight,
            np.where(local, at.variance, 0.0),
        )
        return LocalRows(self.columns, *(part.astype(np.float32) for part in parts))

    def _gaussian_rows(self, X: Array, at: RowEffects) -> GaussianRows:
        weight = np.where(np.isfinite(X), self.found.spread**2 / (self.noise + at.variance), 0.0)
        weight = weight.astype(np.float32)
        return GaussianRows(np.where(weight > 0, X / self.found.spread, 0.0).astype(np.float32), weight)

    def to_state(self) -> dict[str, Any]:
        found = self.found
        return {
            "networks": found.params.to_state(),
            "spread": found.spread,
            "noise": self.variances.noise,
            "variances": list(self.variances.effects),
            "residual": found.residual,
            "bound": found.bound,
            "start": found.start,
            "bounds": list(found.bounds),
            "history": {name: np.asarray(values) for name, values in found.history.items()},
            "converged": self.converged,
            "rows": _rows_to_state(self.rows),
            "shapes": [np.asarray(shape, dtype=float) for shape in self.shape_values],
            "observed": None if self.observed is None else self.observed.astype(np.uint8),
            "beta": self.beta,
            "refine": self.refine,
            "guessed": None if self.guessed is None else self.guessed.to_state(),
            **({} if found.latents is None else {"latents": found.latents}),
            **({} if self.columns is None else self._local_state(self.columns)),
        }

    def _local_state(self, columns: LocalColumns) -> dict[str, Any]:
        return {
            "columns": {"kinds": list(columns.kinds), "center": columns.center},
            "precision": self.found.precision,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any], effects: Sequence[AbstractRandomEffect]) -> VAEModel:
        """The model that ``to_state`` wrote."""
        found = FittedVAE(
            Autoencoder.from_state(state["networks"]),
            state["spread"],
            VarianceComponents(state["noise"], tuple(state["variances"])),
            state["residual"],
            state["bound"],
            state["start"],
            tuple(tuple(pair) for pair in state["bounds"]),
            {name: values.tolist() for name, values in state["history"].items()},
            state["converged"],
            state.get("precision"),
            state.get("latents"),
        )
        columns = None
        if ("columns" in state) != ("precision" in state):
            raise ValueError("a model has either columns and precision, or neither")
        if "columns" in state:
            columns = LocalColumns(tuple(state["columns"]["kinds"]), state["columns"]["center"])
        observed = None if state["observed"] is None else state["observed"].astype(bool)
        return cls(
            found,
            effects,
            _rows_from_state(state["rows"]),
            state["shapes"],
            observed,
            state["beta"],
            state["refine"],
            None if state["guessed"] is None else AmortisedEffects(**state["guessed"]),
            columns,
        )


def _at_rows(means: Array, where: Located) -> Array:
    """Effects at rows (n, p) of the means of levels (q, r, p); zero of those that were not in the fit."""
    known = (where.level >= 0) & (where.level < len(means))
    own = np.where(known[:, None, None], means[np.where(known, where.level, 0)], 0.0)
    return own[:, 0] if where.basis is None else np.einsum("ia,iam->im", where.basis, own)


def _rows_to_state(rows: EffectRows) -> dict[str, Any]:
    return {
        "n_rows": rows.n_rows,
        "keys": [list(key) if isinstance(key, tuple) else key for key in rows.groups],
        "groups": [group._asdict() for group in rows.groups.values()],
        "time": rows.time,
        "coords": rows.coords,
    }


def _rows_from_state(state: Mapping[str, Any]) -> EffectRows:
    keys = [tuple(key) if isinstance(key, list) else key for key in state["keys"]]
    groups = [GroupCodes(**group) for group in state["groups"]]
    return EffectRows(state["n_rows"], dict(zip(keys, groups, strict=True)), state["time"], state["coords"])
