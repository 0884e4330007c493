"""New ids, and new ratings of known ones, without a refit: what was known is the prior of what comes.

The past of an id is a Gaussian around its coefficients. Where the fit has no posterior, its precision is rebuilt from
the number n of ratings behind it: the prior's, plus n times the mean of h hᵀ over the other side (see `fold_in`).
Where the fit is draws from a posterior, new ids are draws as well.
"""

from __future__ import annotations

from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from intertwine.fitting.latent_factors.fold_in import Batch, OtherSide, fold_in
from intertwine.fitting.latent_factors.model import FactorModel, FactorSettings, NewIdPrior
from intertwine.structures.mapping import MAPPINGS

__all__ = ["NewRatings", "absorbed", "variance_of_new", "with_new_ids"]


class NewRatings(NamedTuple):
    """Ratings that come after a fit.

    Attributes
    ----------
    users, items : ndarray of int, shape (n,)
        Codes; those of new ids stand behind all known.
    target, weight : ndarray of shape (n,)
        In the units of the fit.
    """

    users: NDArray[np.intp]
    items: NDArray[np.intp]
    target: NDArray[np.float64]
    weight: NDArray[np.float64]


class _Half(NamedTuple):
    """One side of a model."""

    table: NDArray[Any]
    covariance: NDArray[Any] | None
    weights: NDArray[np.float64]
    prior: NewIdPrior


def _halves(model: FactorModel) -> tuple[_Half, _Half]:
    return (
        _Half(model.users, model.user_covariance, model.user_weights, model.user_prior),
        _Half(model.items, model.item_covariance, model.item_weights, model.item_prior),
    )


def _joined(model: FactorModel, users: _Half, items: _Half) -> FactorModel:
    return model._replace(
        users=users.table,
        items=items.table,
        user_covariance=users.covariance,
        item_covariance=items.covariance,
    )


def with_new_ids(model: FactorModel, counts: tuple[int, int], features: tuple[Any, Any]) -> FactorModel:
    """The model with rows for ids that have no ratings yet: the prior's mean, and what their features say.

    Parameters
    ----------
    model : FactorModel
    counts : (int, int)
        New users, new items.
    features : (csr_array or None, csr_array or None)
        Of the new users and items: the first columns of those of the fit.
    """
    grown = [
        _grown(half, n, S, model.noise) for half, n, S in zip(_halves(model), counts, features, strict=True)
    ]
    return _joined(model, *grown)


def _grown(half: _Half, n_new: int, features: Any, noise: float) -> _Half:
    if n_new == 0:
        return half
    rows = np.repeat(half.prior.mean[:, None], n_new, axis=1)
    if features is not None:
        rows += np.stack([features @ own[: features.shape[1]] for own in half.weights])
    table = np.concatenate([half.table, rows.astype(half.table.dtype)], axis=1)
    covariance = half.covariance
    if covariance is not None:
        fresh = noise**2 * np.linalg.inv(half.prior.precision)
        covariance = np.concatenate([covariance, np.tile(fresh.astype(covariance.dtype), (n_new, 1, 1))])
    return half._replace(table=table, covariance=covariance)


def variance_of_new(
    model: FactorModel,
    codes: tuple[NDArray[Any], NDArray[Any]],
    known: tuple[int, int],
    settings: FactorSettings,
) -> NDArray[np.float64]:
    """Variance of the scores of some pairs because nothing is known of a user or item but the population.

    Parameters
    ----------
    model : FactorModel
        With rows for all ids (see `with_new_ids`).
    codes : (ndarray of int (n,), ndarray of int (n,))
        Of users and items.
    known : (int, int)
        Number of users and items that have ratings: codes from there on are new.
    settings : FactorSettings

    Returns
    -------
    ndarray of shape (n,)
    """
    first = int(settings.biases)
    halves = _halves(model)
    spreads = [model.noise**2 * np.linalg.inv(half.prior.precision) for half in halves]
    new = [own >= count for own, count in zip(codes, known, strict=True)]
    variance = np.zeros(len(codes[0]))
    for side, spread in enumerate(spreads):
        partners, place = np.unique(codes[1 - side][new[side]], return_inverse=True)
        slopes = halves[1 - side].table[:, partners].astype(float)
        slopes[:, :, :first] = 1.0
        variance[new[side]] += (np.einsum("snd,de,sne->n", slopes, spread, slopes) / len(slopes))[place]
    variance[new[0] & new[1]] += (spreads[0][first:, first:] * spreads[1][first:, first:]).sum()
    return variance


def absorbed(
    model: FactorModel,
    ratings: NewRatings,
    settings: FactorSettings,
    past: tuple[NDArray[np.float64], NDArray[np.float64]],
    moving: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    n_sweeps: int,
) -> FactorModel:
    """The model after more ratings.

    Parameters
    ----------
    model : FactorModel
        With rows for all ids (see `with_new_ids`).
    ratings : NewRatings
    settings : FactorSettings
    past : (ndarray (n_users,), ndarray (n_items,))
        Number of ratings behind each id; zero for new ones.
    moving : (ndarray of bool (n_users,), ndarray of bool (n_items,))
        Which ids may move.
    n_sweeps : int
        Rounds over users and items; one where one side stays.
    """
    users, items = _halves(model)
    codes = ratings.users, ratings.items
    before = (users, items)
    plans = [
        _Plan(
            codes[s],
            codes[1 - s],
            moving[s],
            ratings,
            before[s],
            before[1 - s],
            past,
            s,
            settings,
            model.noise,
        )
        for s in (0, 1)
    ]
    for _ in range(n_sweeps):
        users = plans[0].moved(users, items, model.intercepts)
        items = plans[1].moved(items, users, model.intercepts)
    return _joined(model, users, items)


@final
class _Plan:
    """What the ids of one side are to be moved by, and what was known of them."""

    def __init__(self, own, partners, moving, ratings, half, other, past, side, settings, noise) -> None:
        order = np.argsort(own, kind="stable")
        order = order[moving[own[order]]]
        self._ids, starts = np.unique(own[order], return_index=True)
        self._batch = Batch(
            np.append(starts, len(order)).astype(np.int64),
            partners[order],
            ratings.target[order],
            ratings.weight[order],
        )
        self._settings, self._noise = settings, noise
        if len(self._ids) == 0:
            return
        self._mean = half.table[:, self._ids].astype(float)
        if half.covariance is not None:
            self._precision = noise**2 * np.linalg.inv(half.covariance[self._ids].astype(float))
            return
        behind = past[side][self._ids]
        weight = np.add.reduceat(self._batch.weight, self._batch.starts[:-1])
        power = (behind + weight) ** half.prior.power
        typical = _mean_product(other.table, past[1 - side], settings)
        self._new = behind == 0.0
        self._precision = power[:, None, None] * half.prior.precision + behind[:, None, None] * typical[None]

    def moved(self, half: _Half, other: _Half, intercepts) -> _Half:
        """The side with its ids at the mode of their posterior, given the other side."""
        if len(self._ids) == 0:
            return half
        partners = OtherSide(other.table, other.covariance, intercepts)
        rows, precision = fold_in(self._batch, partners, self._mean, self._precision, self._settings)
        table = half.table.copy()
        table[:, self._ids] = rows
        found = self._noise**2 * np.linalg.inv(precision)
        covariance = half.covariance
        if covariance is not None:
            covariance = covariance.copy()
            covariance[self._ids] = found
        elif len(table) > 1:
            table[:, self._ids[self._new]] += _deviations(found[self._new], len(table))
        return half._replace(table=table, covariance=covariance)


def _deviations(covariance: NDArray[np.float64], n_draws: int) -> NDArray[np.float64]:
    """Draws (n_draws, n_ids, d) of mean zero, the same in every call: modes stay the mean of what is drawn."""
    normal = np.random.default_rng(0).standard_normal((n_draws, *covariance.shape[:2]))
    normal = (normal - normal.mean(axis=0)) * np.sqrt(n_draws / (n_draws - 1.0))
    return np.einsum("nde,sne->snd", np.linalg.cholesky(covariance), normal)


def _mean_product(
    table: NDArray[Any], counts: NDArray[np.float64], settings: FactorSettings
) -> NDArray[np.float64]:
    """Mean of h hᵀ over the ids of a side, weighted by how often they were rated, and over the draws."""
    first = int(settings.biases)
    slopes = np.ones(table.shape, dtype=float)
    slopes[:, :, first:] = MAPPINGS[settings.mapping].value(table[:, :, first:].astype(float))
    known = slopes[:, : len(counts)]
    share = counts / max(float(counts.sum()), 1.0)
    return np.einsum("n,snd,sne->de", share, known, known) / len(table)
