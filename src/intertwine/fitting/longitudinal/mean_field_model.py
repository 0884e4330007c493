"""A fitted model of the paper's objective: latents as its encoder says them, coefficients independent of each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from intertwine.effects.covariate import AbstractCovariateEffect
from intertwine.fitting.longitudinal.model import AbstractLongitudinalModel, LongitudinalModel
from intertwine.mixed_effects.mean_field import MeanField
from intertwine.mixed_effects.subject_parts import DrawnParts
from intertwine.mixed_effects.subjects import Marginals, Sites, SubjectRows
from intertwine.resources import require_memory

__all__ = ["MeanFieldModel"]

Array = NDArray[np.float64]


@final
class MeanFieldModel(AbstractLongitudinalModel):
    """A fitted model.

    Its ``sites`` are not evidence that a prior is multiplied with, but q(z | x) of visits that were seen. Coefficients
    of subjects are the best independent ones given their visits' means, for subjects of the fit and for new ones alike.

    Parameters
    ----------
    parts : LongitudinalModel
        Networks, variances and shared coefficients, whose covariances are diagonal.
    """

    def __init__(self, parts: LongitudinalModel) -> None:
        self.parts, self.latents, self.n_components = parts, parts.latents, parts.n_components
        self.bound, self.converged, self.history = parts.bound, parts.converged, parts.history

    def check(self, X, names=None):
        self.parts.check(X, names)

    def sites(self, X):
        return self.parts.sites(X)

    def refine(self, X, known, sites, n_steps):
        return known.mean  # what the encoder says is q(z | x) itself

    def precision(self, X, Z, known, sites):
        return (1.0 / known.variance)[:, :, None] * np.eye(self.n_components)

    def outputs(self, Z):
        return self.parts.outputs(Z)

    def decode_predicted(self, Z):
        return self.parts.decode_predicted(Z)

    def expected(self, outputs):
        return self.parts.expected(outputs)

    def noise_variance(self, outputs):
        return self.parts.noise_variance(outputs)

    def noise_ahead(self, outputs):
        return self.parts.noise_ahead(outputs)

    def shift_to(self, outputs, mean):
        return self.parts.shift_to(outputs, mean)

    def sample(self, outputs, rng):
        return self.parts.sample(outputs, rng)

    def log_density(self, X, outputs):
        return self.parts.log_density(X, outputs)

    def _field(self, rows: SubjectRows, sites: Sites) -> tuple[MeanField, NDArray[np.bool_]]:
        """Coefficients of subjects, and which visits were seen."""
        seen: NDArray[np.bool_] = np.isfinite(sites.variance[:, 0])  # of all axes or of none
        shared, variances = self.latents.shared, self.latents.variances
        variance = np.einsum("kpp->pk", shared.covariance)
        nobody = np.empty((0, *variances.own.shape))
        field = MeanField(shared.mean, variance, nobody, nobody)
        return field.of_new_subjects(rows, sites.mean, seen, variances), seen

    def marginals(self, rows, sites, met=False):
        field, seen = self._field(rows, sites)
        linear, spread = field.linear(rows)
        there, noise = seen[:, None], self.latents.variances.noise
        return Marginals(
            linear,
            spread,
            np.where(there, sites.mean, linear),
            np.where(there, sites.variance, spread + noise),
        )

    def draw(self, rows, sites, n_draws, rng, noise=True, met=False):
        return self._draw(rows, sites, n_draws, rng)[2 if noise else 1]

    def draw_parts(self, rows, sites, n_draws, rng):
        (shared, own), linear, latents = self._draw(rows, sites, n_draws, rng)
        n, K = sites.mean.shape
        no_trends = np.empty((n_draws, 0, n, K))
        return DrawnParts(shared, own[:, rows.subject], no_trends, latents - linear)

    def _draw(
        self, rows: SubjectRows, sites: Sites, n_draws: int, rng: np.random.Generator
    ) -> tuple[tuple[Array, Array], Array, Array]:
        """Coefficients that are shared and those of subjects, A φ, and latents."""
        field, seen = self._field(rows, sites)
        n, K = sites.mean.shape
        require_memory(
            8.0 * n_draws * (2 * n * K + field.own_mean.size),
            f"{n_draws:,} draws of {n:,} visits and {K} axes",
            "fewer draws",
        )
        shared, own = (
            mean + np.sqrt(variance) * rng.standard_normal((n_draws, *mean.shape))
            for mean, variance in (field[:2], field[2:])
        )
        linear = rows.shared @ shared + np.einsum("nq,dnqk->dnk", rows.own, own[:, rows.subject])
        there = seen[:, None]
        spread = np.where(there, sites.variance, self.latents.variances.noise)
        mean = np.where(there, sites.mean, linear)
        return (shared, own), linear, mean + np.sqrt(spread) * rng.standard_normal(linear.shape)

    def to_state(self):
        return self.parts.to_state()

    @classmethod
    def from_state(
        cls, state: Mapping[str, Any], effects: Sequence[AbstractCovariateEffect]
    ) -> MeanFieldModel:
        """The model that ``to_state`` wrote."""
        return cls(LongitudinalModel.from_state(state, effects))
