"""What a variational autoencoder with random effects is fitted to: rows in its units, effects at their start."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from intertwine.fitting.mini_batches import GroupPacks
from intertwine.fitting.random_effects.vae_effects import AbstractCollapsedEffects, OtherRows, Solved
from intertwine.likelihoods.local_columns import LocalColumns
from intertwine.mixed_effects.base import VarianceComponents

__all__ = ["LocalEntries", "VAEProblem", "VAESettings", "in_other_units", "n_epochs_of", "prepared"]

Array = NDArray[np.float64]

_BLUP_STEPS = 15  # of EM before there is a network
_LEAST_STEPS = 6000  # of Adam, where the epochs are not given
_EPOCHS = (30, 300)


class VAESettings(NamedTuple):
    """What a fit is told.

    Attributes
    ----------
    n_components : int
    hidden : tuple of int
        Widths of the encoder's hidden layers.
    max_iter : int or None
        Epochs; None: as many as make 6000 steps, between 30 and 300.
    batch_size : int
    learning_rate : float
        At the beginning; it falls to zero as half a cosine.
    beta_latents, beta_effects : float
        Weights of the two divergences.
    starts : tuple of str
        Keys of `intertwine.fitting.random_effects.vae_start.STARTS`.
    whole_groups : bool
        Whether batches hold whole groups; for one effect with independent levels.
    n_em_steps : int
        For the variances, after every epoch.
    """

    n_components: int
    hidden: tuple[int, ...] = (128, 64)
    max_iter: int | None = None
    batch_size: int = 500
    learning_rate: float = 0.003
    beta_latents: float = 1.0
    beta_effects: float = 1.0
    starts: tuple[str, ...] = ("manifold", "principal")
    whole_groups: bool = False
    n_em_steps: int = 1


class LocalEntries(NamedTuple):
    """Columns that are not Gaussian, and their entries (n, p) as they are; zero elsewhere."""

    columns: LocalColumns
    x: NDArray[np.float32]


class VAEProblem(NamedTuple):
    """Rows in the units of the networks.

    Attributes
    ----------
    x : ndarray of float32, shape (n, p)
        Zero where nothing was observed, and in columns that are not Gaussian.
    spread : ndarray of shape (p,)
        Features were divided by it: what effects leave has variance one.
    observed : ndarray of bool, shape (n, p), or None
    effects : AbstractCollapsedEffects
        The random effects of the rows.
    variances : VarianceComponents
        With f = 0.
    others : OtherRows
        With f = 0.
    sites : Sites or None
        The same, of columns that are not Gaussian.
    settings : VAESettings
    n_epochs : int
    packs : GroupPacks or None
        Where batches hold whole groups,
    basis : ndarray of float32, shape (n, r), or None
        and the effect's basis at the rows.
    log_units : float
        What the change of units adds to a log likelihood.
    entries : LocalEntries or None
        Of columns that are not Gaussian.
    """

    x: NDArray[np.float32]
    spread: Array
    observed: NDArray[np.bool_] | None
    effects: AbstractCollapsedEffects
    variances: VarianceComponents
    others: OtherRows
    sites: Any
    settings: VAESettings
    n_epochs: int
    packs: GroupPacks | None
    basis: NDArray[np.float32] | None
    log_units: float
    entries: LocalEntries | None

    def solve(
        self, residual: Any, variances: VarianceComponents, sites: Any = None, *, improve: bool = False
    ) -> Solved:
        """What residuals x − f(u) say; whatever stands at entries that were not observed."""
        return self.effects.solve(
            self._seen(residual), variances, self.settings.n_em_steps if improve else 0, sites
        )

    def settled(self, residual: Any, variances: VarianceComponents) -> VarianceComponents:
        """Variances that fit residuals at draws of u best, see `AbstractCollapsedEffects.settled`."""
        return self.effects.settled(self._seen(residual), variances)

    def _seen(self, residual: Any) -> Any:
        return residual if self.observed is None else residual * self.observed


def prepared(
    X: Array,
    effects: AbstractCollapsedEffects,
    variances: VarianceComponents,
    settings: VAESettings,
    level: NDArray[np.int64] | None,
    basis: Array | None,
    entries: LocalEntries | None,
) -> VAEProblem:
    """The problem at its start, by BLUP and EM with f = 0; parameters as in `vae_fit.fit_vae`."""
    missing = np.isnan(X)
    observed = ~missing if missing.any() else None
    x = np.where(missing, 0.0, X)
    begun = effects.begun(x, variances, _BLUP_STEPS)
    variances, sites = begun.variances, None if begun.local is None else begun.local.sites
    others = effects.solve(x, variances, sites=sites).others
    left = np.where(missing, 0.0, x - others.offset)
    counts = np.maximum((~missing).sum(axis=0), 1)
    spread = np.sqrt(np.sum(left**2, axis=0) / counts)
    spread[(spread == 0.0) | ~effects.gaussian] = 1.0
    others = OtherRows(
        (others.offset / spread).astype(np.float32), (others.weight * spread**2).astype(np.float32)
    )
    packs = GroupPacks(level, settings.batch_size) if settings.whole_groups and level is not None else None
    columns = np.ones((len(X), 1)) if basis is None else basis
    return VAEProblem(
        (x / spread).astype(np.float32),
        spread,
        observed,
        effects,
        in_other_units(variances, 1.0 / spread),
        others,
        sites,
        settings,
        n_epochs_of(settings, len(X)),
        packs,
        None if packs is None else columns.astype(np.float32),
        -float(counts @ np.log(spread)),
        entries,
    )


def n_epochs_of(settings: VAESettings, n_rows: int) -> int:
    """Epochs that a fit runs for.

    Examples
    --------
    >>> [n_epochs_of(VAESettings(1), n_rows) for n_rows in (100, 20_000, 10**6)]
    [300, 150, 30]
    """
    steps = -(-n_rows // settings.batch_size)
    return settings.max_iter or int(np.clip(-(-_LEAST_STEPS // steps), *_EPOCHS))


def in_other_units(variances: VarianceComponents, factor: Array) -> VarianceComponents:
    """Variances of features that are multiplied by a factor (p,)."""
    square = factor**2
    return VarianceComponents(
        variances.noise * square, tuple(effect * square[:, None, None] for effect in variances.effects)
    )
