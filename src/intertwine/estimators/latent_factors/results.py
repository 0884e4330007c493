"""What a fitted latent-factor model can be asked: recommendations, neighbours, factors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from intertwine.estimators.latent_factors.predictions import FactorPredictions
from intertwine.estimators.results import check_count
from intertwine.fitting.latent_factors.principal_factors import principal_factors
from intertwine.fitting.latent_factors.top_k import top_k
from intertwine.fitting.latent_factors.top_k_index import ProductIndex
from intertwine.frames import make_frame
from intertwine.resources import require_memory, thread_limit
from intertwine.structures.mapping import MAPPINGS
from intertwine.validation.ratings import id_values
from intertwine.validation.wording import listed

__all__ = ["FactorResults"]

Hidden = Callable[[int, int], tuple[np.ndarray, np.ndarray]]

_BYTES_OF_A_PLACE = 80  # found, with its product, and as a row of the frame
_FEW_LEFT_OUT = 256  # items that a filter may leave out of a search by index


class FactorResults(FactorPredictions):
    """Readings of a fitted model."""

    _seen: tuple[np.ndarray, np.ndarray] | None
    _counts: tuple[np.ndarray, np.ndarray]
    n_jobs: int | None

    def recommend(
        self,
        users=None,
        k: int = 10,
        *,
        exclude_seen: bool = True,
        items=None,
        exclude=(),
        search: str = "exact",
    ) -> Any:
        """The items that users will rate highest.

        Parameters
        ----------
        users : sequence of ids, default=None
            None: all.
        k : int, default=10
        exclude_seen : bool, default=True
            Leave out what a user has rated.
        items : sequence of ids, default=None
            Recommend among these only; None: all.
        exclude : sequence of ids, default=()
            Recommend none of these.
        search : {"exact", "index"}, default="exact"
            "index" looks only at items near the user and finds nearly all of the best ten (needs faiss:
            ``pip install 'intertwine[index]'``). It pays from about 100,000 items on, where it answers twice
            as fast, and more so beyond. Where filters leave out many items, the search is exact all the same.

        Returns
        -------
        frame
            User, rank (from 1), item, prediction; fewer than k rows where fewer items are left.

        Raises
        ------
        ValueError
            For ids that are not in the fit; and where ``fit_distributed`` left behind what was seen.
        ImportError
            For an index without faiss.
        MemoryError
            Before a frame too large is made.
        """
        check_is_fitted(self, "_model")
        check_count(k, "k")
        if search not in ("exact", "index"):
            raise ValueError(f"search={search!r} must be 'exact' or 'index'")
        of_users = self._known(0, users)
        among = np.setdiff1d(self._known(1, items), self._known(1, exclude))
        n_found = len(of_users) * min(k, len(among))
        require_memory(
            _BYTES_OF_A_PLACE * n_found,
            f"{n_found:,} recommendations",
            "fewer users at a time, or a smaller k",
        )
        queries, candidates = self._stacked()
        queries, n_items = queries[of_users], len(candidates)
        by_index = search == "index" and n_items - len(among) <= _FEW_LEFT_OUT
        offered = np.arange(n_items) if by_index else among
        place = np.full(n_items, -1)
        place[offered] = np.arange(len(offered))
        hidden = self._seen_positions(of_users, place) if exclude_seen else None
        with thread_limit(1 if self.n_jobs is None else self.n_jobs) as n_threads:
            if by_index:
                left_out = np.setdiff1d(offered, among)
                found, products = self._item_index(candidates).top_k(
                    queries, min(k, len(among)), _also(hidden, left_out), n_threads
                )
            else:
                found, products = top_k(queries, candidates[among], k, hidden, n_threads > 1)
        kept = found >= 0
        prediction = self._clipped(self._center + self._spread * products[kept])
        user_name, item_name = self._column_names()
        table = {
            user_name: self._sides[0].ids.labels[np.repeat(of_users, kept.sum(axis=1))],
            "rank": (np.nonzero(kept)[1] + 1),
            item_name: self._sides[1].ids.labels[offered[found[kept]]],
            "prediction": prediction,
        }
        return make_frame(table, self._frame_library)

    def similar_items(self, items, k: int = 10) -> Any:
        """The items whose factors point the same way.

        Parameters
        ----------
        items : sequence of ids
        k : int, default=10

        Returns
        -------
        frame
            Item, rank (from 1), similar (its id), similarity: the cosine of the factors.

        Raises
        ------
        ValueError
            For ids that are not in the fit, and for a fit without factors.
        """
        return self._similar(1, items, k)

    def similar_users(self, users, k: int = 10) -> Any:
        """The `k` users whose factors point the same way as those of `users`; see ``similar_items``."""
        return self._similar(0, users, k)

    def activity(self, X) -> Any:
        """How much is known of the user and of the item of each row.

        Parameters
        ----------
        X : array-like or frame (n, p)
            Columns as in fit.

        Returns
        -------
        frame
            User, item, and the number of ratings of each in the fit: none for ids that were not in it.
        """
        check_is_fitted(self, "_model")
        pairs = self._read(X)
        table = {}
        for side, codes in enumerate((pairs.user_codes, pairs.item_codes)):
            known = self._counts[side]
            name = self._column_names()[side]
            table[name] = (pairs.users, pairs.items)[side].ids.labels[codes]
            table[f"{name}_ratings"] = np.append(known, 0.0)[np.minimum(codes, len(known))]
        return make_frame(table, self._frame_library)

    def _similar(self, side: int, labels, k: int) -> Any:
        check_is_fitted(self, "_model")
        check_count(k, "k")
        if self._settings.n_components == 0:
            raise ValueError("n_components=0: there are no factors to compare, levels alone were fitted")
        codes = self._known(side, labels)
        factors = self._mean_factors(side)
        length = np.linalg.norm(factors, axis=1, keepdims=True)
        unit = np.divide(factors, length, out=np.zeros_like(factors), where=length > 0)
        found, cosine = top_k(
            unit[codes], unit, k, lambda begin, end: (np.arange(end - begin), codes[begin:end])
        )
        kept = found >= 0
        ids = self._sides[side].ids.labels
        table = {
            self._column_names()[side]: ids[np.repeat(codes, kept.sum(axis=1))],
            "rank": np.nonzero(kept)[1] + 1,
            "similar": ids[found[kept]],
            "similarity": np.clip(cosine[kept], -1.0, 1.0),
        }
        return make_frame(table, self._frame_library)

    def _known(self, side: int, labels) -> np.ndarray:
        """Codes of ids, all of which must be in the fit; of all ids for None."""
        ids = self._sides[side].ids
        if labels is None:
            return np.arange(len(ids))
        if isinstance(labels, str | bytes) or np.ndim(labels) != 1:
            raise ValueError(f"{ids.name}s must be a sequence of ids, such as [{labels!r}]")
        values = np.asarray(labels)
        if values.size == 0:
            return np.empty(0, dtype=np.intp)
        codes = ids.codes(id_values(values, ids.name))
        if (codes < 0).any():
            raise ValueError(f"{ids.name} ids {listed(values[codes < 0])} are not in the fit; see fold_in")
        return codes

    def _seen_positions(self, users: np.ndarray, place: np.ndarray):
        """A function to the positions of what a block of users has rated."""
        if self._seen is None:
            raise ValueError(
                "who rated what stayed on the cluster: recommend with exclude_seen=False (--seen), or fit with "
                "keep_seen=True"
            )
        starts, item_of = self._seen

        def positions(begin: int, end: int):
            mine = users[begin:end]
            counts = starts[mine + 1] - starts[mine]
            rows = np.repeat(np.arange(len(mine)), counts)
            offsets = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
            columns = place[item_of[np.repeat(starts[mine], counts) + offsets]]
            return rows[columns >= 0], columns[columns >= 0]

        return positions

    def _item_index(self, candidates: np.ndarray) -> ProductIndex:
        """Of all items; kept until the model changes."""
        model, index = getattr(self, "_index", (None, None))
        if model is not self._model or index is None:
            index = ProductIndex(candidates)
            self._index = self._model, index
        return index

    def _stacked(self) -> tuple[np.ndarray, np.ndarray]:
        """Vectors whose inner products are the scores, averaged over all draws."""
        model, first = self._model, int(self._settings.biases)
        mapping = MAPPINGS[self._settings.mapping]
        parts = [
            np.concatenate(list(mapping.value(table[:, :, first:].astype(float))), axis=1)
            for table in (model.users, model.items)
        ]
        user_level, item_level = (self._levels(side)[:, None] for side in (0, 1))
        ones = [np.ones_like(level) for level in (user_level, item_level)]
        mean = float(np.mean(model.intercepts))
        queries = np.hstack([user_level + mean, ones[0], parts[0] / model.n_draws])
        return queries, np.hstack([ones[1], item_level, parts[1]])

    def _levels(self, side: int) -> np.ndarray:
        table = (self._model.users, self._model.items)[side]
        if not self._settings.biases:
            return np.zeros(table.shape[1])
        return table[:, :, 0].mean(axis=0, dtype=float)

    def _mean_factors(self, side: int) -> np.ndarray:
        check_is_fitted(self, "_model")
        first = int(self._settings.biases)
        tables = [table[:, :, first:] for table in (self._model.users, self._model.items)]
        if self._settings.mapping != "identity":  # the mapped factors have axes of their own
            return MAPPINGS[self._settings.mapping].value(tables[side][0].astype(float))
        return principal_factors(*tables)[side] * np.sqrt(self._spread)

    def _column_names(self) -> tuple[str, str]:
        """Of users and items in the user's table, where it has names that no column of a result has."""
        names = getattr(self, "feature_names_in_", None)
        if names is None:
            return "user", "item"
        user, item = (str(names[side.column]) for side in self._sides)
        return (
            ("user", "item")
            if {user, item} & {"rank", "prediction", "similar", "similarity"}
            else (user, item)
        )

    @property
    def users_(self) -> np.ndarray:
        """Ids of users (n_users,)."""
        check_is_fitted(self, "_model")
        return self._sides[0].ids.labels

    @property
    def items_(self) -> np.ndarray:
        """Ids of items (n_items,)."""
        check_is_fitted(self, "_model")
        return self._sides[1].ids.labels

    @property
    def user_counts_(self) -> np.ndarray:
        """Ratings of each user (n_users,): their weights, added up."""
        check_is_fitted(self, "_model")
        return self._counts[0]

    @property
    def item_counts_(self) -> np.ndarray:
        """Ratings of each item (n_items,): their weights, added up."""
        check_is_fitted(self, "_model")
        return self._counts[1]

    @property
    def user_factors_(self) -> np.ndarray:
        """Factors of users (n_users, k)."""
        return self._mean_factors(0)

    @property
    def item_factors_(self) -> np.ndarray:
        """Factors of items (n_items, k)."""
        return self._mean_factors(1)

    @property
    def user_biases_(self) -> np.ndarray:
        """Levels of users (n_users,), in units of the ratings."""
        check_is_fitted(self, "_model")
        return self._spread * self._levels(0)

    @property
    def item_biases_(self) -> np.ndarray:
        """Levels of items (n_items,), in units of the ratings."""
        check_is_fitted(self, "_model")
        return self._spread * self._levels(1)

    @property
    def intercept_(self) -> float:
        """Rating of an average user for an average item."""
        check_is_fitted(self, "_model")
        return self._center + self._spread * float(np.mean(self._model.intercepts))

    @property
    def noise_(self) -> float:
        """Residual standard deviation, in units of the ratings."""
        check_is_fitted(self, "_model")
        return self._spread * self._model.noise


def _also(hidden: Hidden | None, everywhere: np.ndarray) -> Hidden | None:
    """Hide some candidates from every query, besides what is hidden from each."""
    if not everywhere.size:
        return hidden

    def positions(begin: int, end: int) -> tuple[np.ndarray, np.ndarray]:
        rows, columns = np.divmod(np.arange((end - begin) * len(everywhere)), len(everywhere))
        pairs = [(rows, everywhere[columns])] + ([] if hidden is None else [hidden(begin, end)])
        both = np.unique(np.concatenate([np.stack(pair) for pair in pairs], axis=1), axis=1)
        return both[0], both[1]

    return positions
