"""What each effect adds to the latents of the visits of a fit, drawn from the posterior; and shares of variance.

Shares are realised ones: variances over visits of what was drawn, not those that the prior expects. They are Shapley
values of v(S) = Var of what is made of the effects in S alone, the others at zero, so that they add up to the whole
whatever effects have in common. Of latents, which are sums, that is in closed form Cov(effect, latent).

Source: Shapley (1953); Owen, Sobol' indices and Shapley value (2014); Castro, Gómez & Tejada (2009) for sampling.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from intertwine.estimators.longitudinal.visits import SeenVisits

if TYPE_CHECKING:
    from intertwine.fitting.longitudinal.model import AbstractLongitudinalModel

__all__ = ["ObservedShares", "drawn_contributions", "latent_shares", "observed_shares"]

Array = NDArray[np.float64]


def drawn_contributions(
    model: AbstractLongitudinalModel, visits: SeenVisits, rng: np.random.Generator, n_draws: int
) -> tuple[Array, Array]:
    """Draw what effects add to latents.

    Parameters
    ----------
    model : AbstractLongitudinalModel
    visits : SeenVisits
        Of subjects of the fit.
    rng : Generator
    n_draws : int

    Returns
    -------
    mean : ndarray of shape (n_draws, K)
        That of all visits.
    parts : ndarray of shape (n_draws, effects + 1, n, K)
        In the order of the effects; last is the noise of visits.
    """
    effects, rows = model.latents.effects, visits.rows(model.latents)
    drawn = model.draw_parts(rows, visits.sites, n_draws, rng)
    parts, mean = [], np.zeros((n_draws, drawn.noise.shape[2]))
    for place in effects.places:
        at = place.columns
        if place.flat:
            mean = mean + drawn.shared[:, at].sum(axis=1)
        elif place.place == "shared":
            parts.append(np.einsum("nj,sjk->snk", rows.shared[:, at], drawn.shared[:, at]))
        elif place.place == "own":
            parts.append(np.einsum("nj,snjk->snk", rows.own[:, at], drawn.own[:, :, at]))
        else:
            parts.append(drawn.trends[:, at].sum(axis=1))
    return mean, np.stack([*parts, drawn.noise], axis=1)


def latent_shares(parts: Array) -> tuple[Array, Array]:
    """Variances over visits of what effects add, and shares of the latents' variance, (effects + 1, K) each.

    Examples
    --------
    >>> first = np.array([1.0, -1.0, 1.0, -1.0])
    >>> parts = np.stack([first, 2 * first, np.array([1.0, 1.0, -1.0, -1.0])])[None, :, :, None]
    >>> variances, shares = latent_shares(parts)
    >>> variances.ravel().tolist(), shares.ravel().round(2).tolist()
    ([1.0, 4.0, 1.0], [0.3, 0.6, 0.1])
    """
    centred = parts - parts.mean(axis=2, keepdims=True)
    total = centred.sum(axis=1)
    common = np.einsum("scnk,snk->ck", centred, total)
    whole = np.maximum(np.square(total).sum(axis=(0, 1)), 1e-300)
    return np.square(centred).mean(axis=(0, 2)), common / whole


class ObservedShares(NamedTuple):
    """Parts of the variance over visits of what is observed.

    Attributes
    ----------
    variance : ndarray of shape (effects + 1, p)
        Shapley values; their sum over effects is the variance of expected values.
    pairs : ndarray of shape (permutations / 2, effects + 1, p)
        What each pair of an order of the effects and its reverse says: their spread is the error of sampling.
    noise : ndarray of shape (p,)
        Mean variance of values given latents.
    """

    variance: Array
    pairs: Array
    noise: Array


def observed_shares(
    model: AbstractLongitudinalModel, mean: Array, parts: Array, rng: np.random.Generator
) -> ObservedShares:
    """Shapley values of the variance of decoded latents, one draw for each pair of orders.

    Parameters
    ----------
    model : AbstractLongitudinalModel
    mean, parts : ndarray
        As of `drawn_contributions`.
    rng : Generator
    """
    n_draws, n_parts, n, n_axes = parts.shape
    pairs: list[Array] = []
    noise: list[Array] = []
    for draw in range(n_draws):
        order = rng.permutation(n_parts)
        found = np.zeros((n_parts, 0))
        for path in (order, order[::-1]):
            latents = mean[draw] + np.cumsum(parts[draw][path], axis=0)
            values = model.decode(latents.reshape(-1, n_axes)).reshape(n_parts, n, -1)
            variances = values.var(axis=1)
            steps = np.empty_like(variances)
            steps[path] = np.diff(variances, axis=0, prepend=0.0)
            found = steps if not found.size else found + steps
        pairs.append(0.5 * found)
        outputs = model.outputs(mean[draw] + parts[draw].sum(axis=0))
        noise.append(model.noise_variance(outputs).mean(axis=0))
    every = np.stack(pairs)
    return ObservedShares(every.mean(axis=0), every, np.mean(noise, axis=0))
