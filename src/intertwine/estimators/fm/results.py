"""What every fitted factorization machine can be asked about its features."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from intertwine.estimators.model_head import NamedFeatures
from intertwine.estimators.results import check_count
from intertwine.fitting.fm.model import FMModel
from intertwine.fitting.fm.pairs import Categories, aligned_factors, pair_moments, strongest_pairs
from intertwine.frames import make_frame

__all__ = ["FMResults"]


class FMResults(NamedFeatures):
    """Readings of ``_models``: one fitted machine for each class contrast (one otherwise)."""

    _models: list
    _categories: Categories
    _scale: np.ndarray
    _varies: np.ndarray
    _frame_library: str | None
    n_components: int
    n_features_in_: int

    @property
    def components_(self) -> np.ndarray:
        """Factors (p, k) in principal axes, averaged over the draws; of the first class contrast.

        Where every row has one level of a category, about the mean of its levels, as in ``top_interactions``.
        """
        check_is_fitted(self, "_models")
        return aligned_factors(self._models[0][1], self._categories)

    def top_interactions(self, k: int = 20, features=None) -> Any:
        """The strongest interactions ⟨v_j, v_k⟩.

        Parameters
        ----------
        k : int, default=20
        features : sequence of names or positions, default=None
            Look among these only. By default among all that were not the same in every row, which compares p²/2 pairs.

        Returns
        -------
        frame
            rank, term, feature_1, feature_2, estimate (what the score gains when both features are one; mean over
            the draws), std_error (standard deviation over the draws; NaN where there is one set of coefficients), z.
            Ranked by the size of the effect at typical values of both features. Pairs that never occur together
            (two levels of one category) are left out; class in multiclass problems. Where every row has one level of a
            category, estimates are deviations from what all its levels share.

        Raises
        ------
        ValueError
            For an unknown feature, or a model without pairs.
        """
        check_is_fitted(self, "_models")
        check_count(k, "k")
        if self.n_components == 0:
            raise ValueError("n_components=0: the model has no interactions")
        chosen = np.flatnonzero(self._varies) if features is None else self._positions(features)
        tables = []
        for label, model in self._models:
            first, second = strongest_pairs(model, chosen, self._categories, self._scale, k)
            tables.append(self._pair_table(model, first, second, label))
        joined = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
        return make_frame(joined, self._frame_library)

    def main_effects(self) -> Any:
        """Linear weights of the features: term, estimate, std_error, z [, class].

        Per unit of the feature. The standard error is the deviation over the draws, NaN where there is one set of
        coefficients.

        Raises
        ------
        ValueError
            For a model without linear weights.
        """
        check_is_fitted(self, "_models")
        if not self._models[0][1].shape.linear:
            raise ValueError("linear=False: the model has no main effects")
        tables = []
        for label, model in self._models:
            weights = model.spread * model.tables[:, :, 0].astype(np.float64)
            table = {"term": np.array([str(name) for name in self._features], dtype=object)}
            table |= estimates(weights.mean(axis=0), weights.std(axis=0), model.n_draws)
            if len(self._models) > 1:
                table["class"] = np.full(len(table["term"]), label)
            tables.append(table)
        joined = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
        return make_frame(joined, self._frame_library)

    def _pair_table(self, model: FMModel, first, second, label) -> dict:
        estimate, spread = pair_moments(model, self._categories, first, second)
        names = np.array(self._features, dtype=object)
        table = {
            "rank": np.arange(1, len(first) + 1),
            "term": np.array(
                [f"{names[a]} × {names[b]}" for a, b in zip(first, second, strict=True)], object
            ),
            "feature_1": names[first],
            "feature_2": names[second],
        } | estimates(estimate, spread, model.n_draws)
        if len(self._models) > 1:
            table["class"] = np.full(len(first), label)
        return table

    def _positions(self, features) -> np.ndarray:
        names = {name: j for j, name in enumerate(self._features)}
        found = []
        for feature in features:
            if isinstance(feature, bool | np.bool_) or not isinstance(feature, str | Integral):
                raise TypeError(f"features holds {feature!r}, which is neither a name nor a position")
            position = names.get(feature) if isinstance(feature, str) else int(feature)
            if position is None or not 0 <= position < self.n_features_in_:
                raise ValueError(f"{feature!r} is not a feature")
            found.append(int(position))
        if len(set(found)) < 2:
            raise ValueError("features names fewer than two features, which have no pair")
        return np.unique(np.array(found, dtype=np.intp))


def estimates(estimate: np.ndarray, spread: np.ndarray, n_draws: int) -> dict[str, np.ndarray]:
    """Columns estimate, std_error and z; the last two NaN where there is one set of coefficients."""
    errors = spread if n_draws > 1 else np.full(len(estimate), np.nan)
    z = np.divide(estimate, errors, out=np.full(len(estimate), np.nan), where=errors > 0)
    return {"estimate": estimate, "std_error": errors, "z": z}
