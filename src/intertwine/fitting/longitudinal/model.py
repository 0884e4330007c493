"""A fitted longitudinal variational autoencoder: what visits say of their latents, and what latents say of visits.

Axes of the latents have the order, the sign and the scale of `intertwine.mixed_effects.latent_axes`; the networks keep
those that they were trained with.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from intertwine.architectures.base import AbstractArchitecture
from intertwine.architectures.choose import architecture_from_state, architecture_to_state
from intertwine.effects.covariate import AbstractCovariateEffect
from intertwine.fitting.longitudinal.sites import (
    all_sites,
    column_moments,
    decoded_outputs,
    log_densities,
    precisions_at,
    refined_latents,
    shifts_to,
)
from intertwine.fitting.longitudinal.steps import Networks
from intertwine.io.gaps import with_gaps, without_gaps
from intertwine.likelihoods.columns import ColumnLikelihood
from intertwine.mixed_effects.latent_axes import AxisConvention
from intertwine.mixed_effects.latent_effects import LatentEffects
from intertwine.mixed_effects.subject_parts import DrawnParts, draw_parts, recalled_subjects
from intertwine.mixed_effects.subject_prediction import draw_subjects, predict_subjects
from intertwine.mixed_effects.subjects import LatentVariances, Marginals, SharedPosterior, Sites, SubjectRows
from intertwine.networks import Autoencoder

__all__ = ["AbstractLongitudinalModel", "FittedLatents", "LongitudinalModel"]

Array = NDArray[np.float64]

_VARIANCES = (
    "noise",
    "shared",
    "own",
    "trends",
)  # the fields of `LatentVariances` with a number for each axis


class FittedLatents(NamedTuple):
    """The latent mixed model of a fit, in the axes that are reported.

    Attributes
    ----------
    effects : LatentEffects
    shape : ndarray of shape (s,)
        Length scales.
    variances : LatentVariances
    shared : SharedPosterior
        Given all sites of the fit.
    sites : Sites
        Of the visits of the fit.
    """

    effects: LatentEffects
    shape: Array
    variances: LatentVariances
    shared: SharedPosterior
    sites: Sites

    def turned(self, convention: AxisConvention) -> FittedLatents:
        """In the axes of a convention."""
        spread = self.shared.covariance[convention.order] / (convention.scale**2)[:, None, None]
        return self._replace(
            variances=convention.variances(self.variances),
            shared=SharedPosterior(convention.latents(self.shared.mean), spread),
            sites=convention.sites(self.sites),
        )


class AbstractLongitudinalModel(abc.ABC):
    """What an estimator asks; X (n, p) is in the units of the table, NaN where not observed."""

    n_components: int
    latents: FittedLatents
    bound: float
    converged: bool
    history: dict[str, list[Any]]

    @abc.abstractmethod
    def check(self, X: Array, names: NDArray[Any] | None = None) -> None:
        """Refuse values that are not of their column's kind: a ValueError that names the columns."""

    @abc.abstractmethod
    def sites(self, X: Array) -> Sites:
        """What visits say of their latents; infinite variances where nothing was observed."""

    @abc.abstractmethod
    def refine(self, X: Array, known: Marginals, sites: Sites, n_steps: int) -> Array:
        """Latents (n, K) nearer to the most likely ones than ``known``, which the sites of visits X have given."""

    @abc.abstractmethod
    def precision(self, X: Array, Z: Array, known: Marginals, sites: Sites) -> Array:
        """Precisions (n, K, K) of the latents of visits about Z, which `refine` has given of ``known``."""

    def decode(self, Z: Array) -> Array:
        """Expected values (n, p) of visits that have been seen, given their latents (n, K)."""
        return self.expected(self.outputs(Z))

    @abc.abstractmethod
    def outputs(self, Z: Array) -> Array:
        """A decoder's outputs (n, p) for visits that have been seen, given their latents (n, K)."""

    @abc.abstractmethod
    def decode_predicted(self, Z: Array) -> Array:
        """Expected values (n, p) of visits whose latents were predicted from other visits."""

    @abc.abstractmethod
    def expected(self, outputs: Array) -> Array:
        """Expected values (n, p) given outputs (n, p)."""

    @abc.abstractmethod
    def noise_variance(self, outputs: Array) -> Array:
        """Variances (n, p) of values of visits that have been seen, given outputs."""

    @abc.abstractmethod
    def noise_ahead(self, outputs: Array) -> Array:
        """Variances (n, p) of values of visits that are predicted, given outputs."""

    @abc.abstractmethod
    def shift_to(self, outputs: Array, mean: Array) -> Array:
        """What to add to outputs (n, s, p) so that the mean of expected values over their s is ``mean``, (n, p)."""

    @abc.abstractmethod
    def sample(self, outputs: Array, rng: np.random.Generator) -> Array:
        """One draw of the values of each visit that is predicted, (n, p), given outputs."""

    @abc.abstractmethod
    def log_density(self, X: Array, outputs: Array) -> Array:
        """Σ log p(x | outputs) over the entries of visits that are predicted and then observed, (n,)."""

    @abc.abstractmethod
    def to_state(self) -> dict[str, Any]:
        """Arrays, numbers and text for a file."""

    @abc.abstractmethod
    def marginals(self, rows: SubjectRows, sites: Sites, met: bool = False) -> Marginals:
        """Latents of visits of subjects, each given the fit and its own sites.

        Where the fit has ``met`` the subjects, shared coefficients have been learnt from them already.
        """

    @abc.abstractmethod
    def draw(
        self,
        rows: SubjectRows,
        sites: Sites,
        n_draws: int,
        rng: np.random.Generator,
        noise: bool = True,
        met: bool = False,
    ) -> Array:
        """Joint draws of the latents of subjects' visits, (n_draws, n, K); without ``noise`` of A φ alone."""

    @abc.abstractmethod
    def draw_parts(
        self, rows: SubjectRows, sites: Sites, n_draws: int, rng: np.random.Generator
    ) -> DrawnParts:
        """Joint draws of all that the latents of subjects of the fit are the sum of."""


@final
class LongitudinalModel(AbstractLongitudinalModel):
    """A fitted model.

    Parameters
    ----------
    architecture : AbstractArchitecture
    likelihood : ColumnLikelihood
    networks : Networks
    predictor : tuple
        Layers of the decoder that was trained on predicted latents.
    widening : ndarray of shape (p,)
        What comes to the noise of columns at visits that are predicted, see `forecast_widening`.
    convention : AxisConvention
        From the axes of the networks to those that are reported.
    latents : FittedLatents
    bound : float
    converged : bool
    history : dict of str to list
    """

    def __init__(
        self,
        architecture: AbstractArchitecture,
        likelihood: ColumnLikelihood,
        networks: Networks,
        predictor: Any,
        widening: Array,
        convention: AxisConvention,
        latents: FittedLatents,
        bound: float,
        converged: bool,
        history: dict[str, list[Any]],
    ) -> None:
        self.architecture, self.likelihood, self.networks = architecture, likelihood, networks
        self.predictor, self.convention, self.latents = predictor, convention, latents
        self.widening, self._ahead = widening, networks.likelihood
        if widening.any():
            noise = self.noise_variance(np.zeros((1, len(widening))))[0] + widening
            ones = np.ones(len(widening), dtype=np.int64)
            self._ahead = likelihood.with_misfit(networks.likelihood, noise, ones)
        self.bound, self.converged, self.history = bound, converged, history
        self.n_components = architecture.n_components

    def check(self, X, names=None):
        self.likelihood.check(X, names)

    def sites(self, X):
        X = np.asarray(X, dtype=np.float32)
        found = all_sites(self.architecture, self.likelihood, self.networks.autoencoder, X)
        return self.convention.sites(Sites(*(part.astype(np.float64) for part in found)))

    def refine(self, X, known, sites, n_steps):
        decoder, columns = self.networks.autoencoder.decoder, self.networks.likelihood
        axes = self.convention.undone(np.eye(self.n_components))
        network = self.architecture, self.likelihood, decoder, columns, axes
        return refined_latents(*network, np.asarray(X), known, sites, n_steps)

    def precision(self, X, Z, known, sites):
        decoder, columns = self.networks.autoencoder.decoder, self.networks.likelihood
        axes = self.convention.undone(np.eye(self.n_components))
        network = self.architecture, self.likelihood, decoder, columns, axes
        return precisions_at(*network, np.asarray(X), Z, known, sites)

    def _outputs(self, Z: Array, decoder: Any) -> NDArray[Any]:
        return decoded_outputs(self.architecture, Autoencoder((), decoder), self.convention.undone(Z))

    def outputs(self, Z):
        return self._outputs(Z, self.networks.autoencoder.decoder)

    def decode_predicted(self, Z):
        outputs = self._outputs(Z, self.predictor)
        return column_moments(self.likelihood, self.networks.predicted, outputs, "mean")

    def expected(self, outputs):
        return column_moments(self.likelihood, self.networks.likelihood, outputs, "mean")

    def noise_variance(self, outputs):
        return column_moments(self.likelihood, self.networks.likelihood, outputs, "variance")

    def noise_ahead(self, outputs):
        return column_moments(self.likelihood, self._ahead, outputs, "variance")

    def shift_to(self, outputs, mean):
        return shifts_to(self.likelihood, self.networks.likelihood, outputs, mean)

    def sample(self, outputs, rng):
        return self.likelihood.sample(rng, self._ahead, outputs)

    def log_density(self, X, outputs):
        return log_densities(self.likelihood, self._ahead, np.asarray(X), outputs)

    def marginals(self, rows, sites, met=False):
        known = self.latents.shared, self.latents.variances, rows, sites
        return recalled_subjects(*known).marginals() if met else predict_subjects(*known)

    def draw(self, rows, sites, n_draws, rng, noise=True, met=False):
        known = self.latents.shared, self.latents.variances, rows, sites
        if met:
            return recalled_subjects(*known).draw(rng, n_draws, noise)
        return draw_subjects(*known, rng, n_draws, noise)

    def draw_parts(self, rows, sites, n_draws, rng):
        return draw_parts(self.latents.shared, self.latents.variances, rows, sites, rng, n_draws)

    def to_state(self):
        latents, networks = self.latents, self.networks
        return {
            "architecture": architecture_to_state(self.architecture),
            "likelihood": self.likelihood.to_state(networks.likelihood),
            "predicted": self.likelihood.to_state(networks.predicted),
            "networks": networks.autoencoder.to_state(),
            "predictor": Autoencoder((), self.predictor).to_state(),
            "widening": self.widening,
            "convention": self.convention._asdict(),
            "effects": latents.effects.state(),
            "has_mean": latents.effects.has_mean,
            "shape": latents.shape,
            "variances": _variances_to_state(latents.variances),
            "shared": latents.shared._asdict(),
            "sites": _without_gaps(latents.sites),
            "bound": self.bound,
            "converged": self.converged,
            "history": {
                name: values if isinstance(values[0], str) else without_gaps(values)
                for name, values in self.history.items()
            },
        }

    @classmethod
    def from_state(
        cls, state: Mapping[str, Any], effects: Sequence[AbstractCovariateEffect]
    ) -> LongitudinalModel:
        """The model that ``to_state`` wrote; ``effects`` are those of `LatentEffects.effects`."""
        likelihood, seen = ColumnLikelihood.from_state(state["likelihood"])
        bound = LatentEffects.restore(effects, state["effects"], state["has_mean"])
        latents = FittedLatents(
            bound,
            state["shape"],
            _variances_from_state(state["variances"], bound),
            SharedPosterior(**state["shared"]),
            Sites(**_with_gaps(state["sites"])),
        )
        return cls(
            architecture_from_state(state["architecture"]),
            likelihood,
            Networks(
                Autoencoder.from_state(state["networks"]),
                seen,
                ColumnLikelihood.from_state(state["predicted"])[1],
            ),
            Autoencoder.from_state(state["predictor"]).decoder,
            state.get("widening", np.zeros(len(likelihood.outputs.scale))),  # older files have none
            AxisConvention(**state["convention"]),
            latents,
            state["bound"],
            state["converged"],
            {
                name: with_gaps(values).tolist() if isinstance(values, Mapping) else list(values)
                for name, values in state["history"].items()
            },
        )


def _without_gaps(fields: Any) -> dict[str, Any]:
    """Fields of a named tuple in which infinity has a meaning: a flat prior, a visit that says nothing."""
    return {name: without_gaps(values) for name, values in fields._asdict().items()}


def _with_gaps(state: Mapping[str, Any]) -> dict[str, Any]:
    return {name: with_gaps(values) for name, values in state.items()}


def _variances_to_state(variances: LatentVariances) -> dict[str, Any]:
    matrices = [matrix for _, matrix in variances.correlations]
    state = {name: without_gaps(getattr(variances, name)) for name in _VARIANCES}
    return state | ({"correlations": matrices} if matrices else {})  # older files have none


def _variances_from_state(state: Mapping[str, Any], effects: LatentEffects) -> LatentVariances:
    noise, shared, own, trends = (with_gaps(state[name]) for name in _VARIANCES)
    variances = LatentVariances(noise, shared, own, trends)
    return effects.with_correlations(variances, state.get("correlations", ()))
