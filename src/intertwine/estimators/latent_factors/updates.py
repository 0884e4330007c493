"""New ids and new ratings, without a refit."""

from __future__ import annotations

import abc
import copy
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from intertwine.estimators.latent_factors.rating_data import RatedPairs
from intertwine.estimators.latent_factors.results import FactorResults
from intertwine.fitting.latent_factors.model import FactorModel
from intertwine.fitting.latent_factors.more_ratings import NewRatings, absorbed
from intertwine.fitting.latent_factors.side_features import rated_features
from intertwine.validation import restored_on_failure
from intertwine.validation.wording import listed

__all__ = ["FactorUpdates", "require_finite"]

_ROUNDS = 3  # over users and items, when known ids get more ratings


class FactorUpdates(FactorResults, abc.ABC):
    """Growth of the tables of a fit."""

    solver_: str
    implicit: bool

    @abc.abstractmethod
    def fit(self, X, y=None, sample_weight=None) -> Self:
        """Fit from scratch."""

    @abc.abstractmethod
    def _with_ratings(self, X, y) -> tuple[Any, Any]:
        """X with a row per rating, and the ratings."""

    @abc.abstractmethod
    def _ratings_of(self, X, y, sample_weight, known) -> tuple:
        """Ids; codes, ratings and weights (None where all are one)."""

    def fold_in(self, X, y=None, sample_weight=None) -> Self:
        """Add users or items from their first ratings, without a refit; nobody else's coefficients move.

        Parameters
        ----------
        X : array-like or frame (n, p), or sparse matrix
            Ratings of new users for known items, or of known users for new items.
        y : array-like (n,)
            Left out with a sparse matrix.
        sample_weight : array-like (n,), default=None

        Returns
        -------
        estimator
            Another one; this one stays as it is.

        Raises
        ------
        ValueError
            When both ids of a row are known (see ``partial_fit``), or neither is.
        """
        check_is_fitted(self, "_model")
        ratings = self._ratings_of(*self._with_ratings(X, y), sample_weight, self._sides)
        pairs, users, items = ratings[:3]
        new_user, new_item = users >= len(self._sides[0].ids), items >= len(self._sides[1].ids)
        for at_fault, what, remedy in (
            (~new_user & ~new_item, "known", "partial_fit updates known ids"),
            (new_user & new_item, "new", "fold in one side first, or use partial_fit"),
        ):
            if at_fault.any():
                labels = [
                    side.ids.labels[codes[at_fault]]
                    for side, codes in zip(pairs[1:3], (users, items), strict=True)
                ]
                raise ValueError(
                    f"user and item are both {what}: {listed(list(zip(*labels, strict=True)), 5)}; {remedy}"
                )
        return copy.copy(self)._absorb(*ratings, only_new=True)

    def partial_fit(self, X, y=None, sample_weight=None) -> Self:
        """Take in more ratings, of known and of new ids; the first call is ``fit``.

        What was known of an id is the prior of what comes, so nothing has to be read again. Noise, strengths and what
        side features say stay as they are: refit now and then.

        Parameters
        ----------
        X : array-like or frame (n, p)
        y : array-like (n,)
        sample_weight : array-like (n,), default=None

        Returns
        -------
        self
        """
        if not hasattr(self, "_model"):
            return self.fit(X, y, sample_weight)
        with restored_on_failure(self):
            X, y = self._with_ratings(X, y)
            return self._absorb(*self._ratings_of(X, y, sample_weight, self._sides), only_new=False)

    def _absorb(self, pairs: RatedPairs, users, items, y, weight, *, only_new: bool) -> Self:
        known = [len(side.ids) for side in self._sides]
        sides = pairs.users, pairs.items
        y, weight = y.astype(np.float64), np.ones(len(y)) if weight is None else weight
        past = _padded(self._counts[0], len(sides[0].ids)), _padded(self._counts[1], len(sides[1].ids))
        from_code = known if only_new else [0, 0]
        moving = np.arange(len(past[0])) >= from_code[0], np.arange(len(past[1])) >= from_code[1]
        ratings = NewRatings(users, items, (y - self._center) / self._spread, weight)
        model = self._grown(pairs, warn=False)
        if self.implicit:
            model = self._with_rated(model, users, items, known)
        model = absorbed(model, ratings, self._settings, past, moving, 1 if only_new else _ROUNDS)
        require_finite(model, self.solver_)
        if self._seen is not None:
            self._seen = _more_seen(self._seen, users, items, len(sides[0].ids))
        self._counts = (
            past[0] + np.bincount(users, weight, len(past[0])),
            past[1] + np.bincount(items, weight, len(past[1])),
        )
        self._sides, self._model = sides, model
        return self

    def _with_rated(self, model: FactorModel, users, items, known) -> FactorModel:
        """The rows of new ids moved by who rated what."""
        tables = [model.users.copy(), model.items.copy()]
        weights = model.user_weights, model.item_weights
        for side, (own, partner) in enumerate(((users, items), (items, users))):
            n_partners = self._n_fitted[1 - side]
            kept = (own >= known[side]) & (partner < n_partners)
            n_new = tables[side].shape[1] - known[side]
            if n_new == 0 or not kept.any():
                continue
            codes, partners = own[kept] - known[side], partner[kept]
            order = np.lexsort((partners, codes))
            starts = np.concatenate([[0], np.cumsum(np.bincount(codes, minlength=n_new))])
            rated = rated_features(starts, partners[order], n_partners)
            said = np.stack([rated @ own[-n_partners:] for own in weights[side]])
            tables[side][:, known[side] :] += said
        return model._replace(users=tables[0], items=tables[1])


def _padded(counts: np.ndarray, n_ids: int) -> np.ndarray:
    return np.concatenate([counts, np.zeros(n_ids - len(counts))])


def _more_seen(seen, users, items, n_users: int) -> tuple[np.ndarray, np.ndarray]:
    """Items of each user, those of new ratings added."""
    starts, item_of = seen
    before = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    pairs = np.unique(
        np.stack([np.concatenate([before, users]), np.concatenate([item_of, items])]).astype(np.int64), axis=1
    )
    grown = np.concatenate([[0], np.cumsum(np.bincount(pairs[0], minlength=n_users))])
    return grown, pairs[1].astype(np.int32)


def require_finite(model: FactorModel, solver: str) -> None:
    """Refuse a model that has overflowed.

    Raises
    ------
    ValueError
    """
    if not (np.isfinite(model.users).all() and np.isfinite(model.items).all()):
        raise ValueError(
            f"overflow: coefficients of solver {solver!r} are not finite; rescale y or raise alpha"
        )
