"""A longitudinal model whose decoder is linear and whose encoder is exact: everything it says has a closed form.

x = c + W z + e,    e ~ N(0, ψ I),    WᵀW diagonal
"""

from typing import final

import numpy as np

from intertwine.fitting.longitudinal.model import AbstractLongitudinalModel, FittedLatents
from intertwine.mixed_effects.latent_effects import LatentEffects
from intertwine.mixed_effects.subject_parts import draw_parts, recalled_subjects
from intertwine.mixed_effects.subject_prediction import draw_subjects, predict_subjects
from intertwine.mixed_effects.subject_system import SubjectSystem
from intertwine.mixed_effects.subjects import Sites


@final
class LinearModel(AbstractLongitudinalModel):
    """Sites of complete rows are what they say of z; of others what is left of them says so on each axis alone."""

    converged, bound = True, -1.0

    def __init__(self, X, visits, effects, W, psi=0.5, noise=0.2, variance=1.5, shape=None):
        self.W, self.psi, self.center = W, psi, np.nanmean(X, axis=0)
        self.n_components = W.shape[1]
        self.history = {"iteration": [1, 2], "bound": [-2.0, -1.0]}
        bound = LatentEffects.of(effects, visits.columns, visits.subject)
        shape = bound.start_shape() if shape is None else shape
        rows = bound.rows(visits.columns, visits.subject, visits.n_subjects, shape)
        K, n_effects = self.n_components, len([place for place in bound.places if not place.flat])
        by_effect = (
            variance * np.arange(1.0, 1.0 + n_effects * K).reshape(n_effects, K) / max(n_effects * K, 1)
        )
        variances = bound.variances(np.full(K, noise), by_effect)
        sites = self.sites(X)
        shared = SubjectSystem(rows).posterior(sites, variances).shared
        self.latents = FittedLatents(bound, shape, variances, shared, sites)

    def check(self, X, names=None):
        if (X > 1e6).any():
            raise ValueError("X is not of this kind")

    def sites(self, X):
        seen = ~np.isnan(X)
        precision = seen @ self.W**2 / self.psi
        pull = np.where(seen, X - self.center, 0.0) @ self.W / self.psi
        empty = precision == 0.0
        precision = np.where(empty, 1.0, precision)
        return Sites(np.where(empty, 0.0, pull / precision), np.where(empty, np.inf, 1.0 / precision))

    def refine(self, X, known, sites, n_steps):
        return known.mean  # the sites are exact, and so is their posterior

    def precision(self, X, Z, known, sites):
        return (1.0 / known.variance)[:, :, None] * np.eye(self.n_components)

    def outputs(self, Z):
        return Z @ self.W.T

    def decode_predicted(self, Z):
        return self.decode(Z) + 0.25  # so that tests see which decoder was taken

    def expected(self, outputs):
        return self.center + outputs

    def noise_variance(self, outputs):
        return np.full(outputs.shape, self.psi)

    def noise_ahead(self, outputs):
        return self.noise_variance(outputs)

    def shift_to(self, outputs, mean):
        return mean - self.expected(outputs).mean(axis=1)

    def sample(self, outputs, rng):
        return self.expected(outputs) + np.sqrt(self.psi) * rng.standard_normal(outputs.shape)

    def log_density(self, X, outputs):
        misfit = (X - self.expected(outputs)) ** 2 / self.psi + np.log(2 * np.pi * self.psi)
        return -0.5 * np.nansum(misfit, axis=1)

    def _known(self, rows, sites):
        return self.latents.shared, self.latents.variances, rows, sites

    def marginals(self, rows, sites, met=False):
        known = self._known(rows, sites)
        return recalled_subjects(*known).marginals() if met else predict_subjects(*known)

    def draw(self, rows, sites, n_draws, rng, noise=True, met=False):
        known = self._known(rows, sites)
        if met:
            return recalled_subjects(*known).draw(rng, n_draws, noise)
        return draw_subjects(*known, rng, n_draws, noise)

    def draw_parts(self, rows, sites, n_draws, rng):
        return draw_parts(*self._known(rows, sites), rng, n_draws)

    def to_state(self):
        return {}
