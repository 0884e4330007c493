"""The latent prior of a batch of subjects, conditioned in closed form and in single precision, in JAX."""

from intertwine.latent_prior.batch import LatentBatch, PriorValues, TrendSteps
from intertwine.latent_prior.conditioning import Smoothed, site_divergence, smoothed
from intertwine.latent_prior.state_space import trend_steps

__all__ = [
    "LatentBatch",
    "PriorValues",
    "Smoothed",
    "TrendSteps",
    "site_divergence",
    "smoothed",
    "trend_steps",
]
