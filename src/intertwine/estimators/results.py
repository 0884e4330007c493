"""What every fitted interaction estimator can be asked."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from intertwine.estimators.effects_table import Interaction, main_effects, pair_table, why_no_errors
from intertwine.estimators.model_head import NamedFeatures
from intertwine.fitting.interactions.feature_pairs import pair_estimates, ranked_pairs
from intertwine.fitting.interactions.latent_search import SearchIteration, history_table
from intertwine.frames import make_frame
from intertwine.resources import require_memory

__all__ = ["InteractionResults"]


def check_count(value, name: str) -> None:
    """Refuse what is no positive integer."""
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise TypeError(f"{name} must be a positive integer, got {value!r}")
    if value < 1:
        raise ValueError(f"{name} must be a positive integer, got {value}")


class InteractionResults(NamedFeatures):
    """Tables and coefficients, read from ``_models``: one fitted model for each class contrast (one otherwise).

    A class that mixes this in provides ``_models`` (list of (label, InteractionModel)), ``_frame_library`` and
    scikit-learn's ``n_features_in_`` / ``feature_names_in_``.
    """

    _models: list
    _frame_library: str | None
    n_features_in_: int

    def _position(self, feature) -> int:
        if isinstance(feature, str):
            features = self._features
            if feature not in features:
                raise ValueError(
                    f"{feature!r} is not a feature; features are {', '.join(map(str, features[:10]))} …"
                )
            return features.index(feature)
        if not -self.n_features_in_ <= feature < self.n_features_in_:
            raise ValueError(f"feature {feature} is out of range for {self.n_features_in_} features")
        return int(feature) % self.n_features_in_

    def top_interactions(self, k: int = 20, by: str = "estimate") -> Any:
        """The strongest interactions.

        Parameters
        ----------
        k : int, default=20
            Number of pairs (for every class in multiclass problems).
        by : {"estimate", "z"}, default="estimate"
            Rank by |estimate| or by |estimate| / standard error. All pairs are ranked, in blocks: the p × p array
            is never formed.

        Returns
        -------
        frame
            rank, term, feature_1, feature_2, estimate (per standard deviation of both features; with a spline basis
            the root mean square of the pair's surface), std_error (conditional on weights and hyperparameters,
            without the bias of the penalty; what latent vectors leave open is in it to first order; NaN in the sparse
            path, and where a target has more than 2,000 parameters), z (estimate / std_error; no test where estimates
            are sizes of surfaces), target_share, std_error_conditional (at latent vectors held fixed, a lower bound;
            the same without a target); class in multiclass problems.

        Raises
        ------
        ValueError
            For another ``by``, for ``k`` < 1, and for ``by="z"`` where the model has no standard errors.
        TypeError
            For a ``k`` that is no integer.
        """
        check_is_fitted(self)
        if by not in ("estimate", "z"):
            raise ValueError(f"by={by!r}: choose 'estimate' or 'z'")
        check_count(k, "k")
        if by == "z" and (reason := why_no_errors(self._models[0][1])):
            raise ValueError(f"{reason}; use by='estimate'")
        tables = []
        for label, model in self._models:
            first, second = ranked_pairs(model, k, by)
            table = pair_table(model, self._features, first, second)
            if len(self._models) > 1:
                table["class"] = np.full(len(first), label)
            tables.append(table)
        joined = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
        return make_frame(joined, self._frame_library)

    def interaction(self, first, second) -> Interaction:
        """One interaction (of the first class contrast).

        Parameters
        ----------
        first, second : str or int
            Names or positions of two different features.

        Returns
        -------
        namedtuple
            term, estimate, std_error, z, target_share, std_error_conditional, as in ``top_interactions``.

        Raises
        ------
        ValueError
            For unknown features, or twice the same.
        """
        check_is_fitted(self)
        a, b = sorted((self._position(first), self._position(second)))
        if a == b:
            raise ValueError("an interaction needs two different features")
        table = pair_table(self._models[0][1], self._features, np.array([a]), np.array([b]))
        return Interaction(str(table["term"][0]), *(float(table[n][0]) for n in Interaction._fields[1:]))

    def interaction_matrix(self, features=None) -> np.ndarray:
        """Estimates of all pairs among some features.

        Parameters
        ----------
        features : sequence of names or positions, default=None
            All by default.

        Returns
        -------
        ndarray (q, q)
            Symmetric, zero on the diagonal.

        Raises
        ------
        MemoryError
            If the block would not fit; ask for fewer features or use ``top_interactions``.
        """
        check_is_fitted(self)
        chosen = range(self.n_features_in_) if features is None else features
        positions = np.array([self._position(f) for f in chosen])
        q = len(positions)
        require_memory(
            8 * 3 * q * q, f"all pairs of {q} features", "top_interactions(k) or a list of features"
        )
        model = self._models[0][1]
        out = np.zeros((q, q))
        if model.preparation.spline is None:
            weights = model.preparation.weights[positions]
            out = model.pairs.block(positions, positions) * weights[:, None] * weights
        else:
            a, b = np.triu_indices(q, 1)
            out[a, b] = pair_estimates(model, positions[a], positions[b])
            out += out.T
        np.fill_diagonal(out, 0.0)
        return out

    def main_effects(self) -> Any:
        """Main effects (and own squares), per standard deviation: term, estimate, std_error, z [, class]."""
        check_is_fitted(self)
        tables = []
        for label, model in self._models:
            table = {name: np.asarray(column) for name, column in main_effects(model, self._features).items()}
            if len(self._models) > 1:
                table["class"] = np.full(len(table["term"]), label)
            tables.append(table)
        joined = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
        return make_frame(joined, self._frame_library)

    def latent_frame(self) -> Any:
        """Latent coordinates of the features: feature, z1 … zd (for a basis: the mean over a feature's columns).

        Raises
        ------
        ValueError
            If the model has no latent target.
        """
        check_is_fitted(self)
        model = self._models[0][1]
        if model.coordinates is None:
            raise ValueError(
                "this model has no latent target (latent=None, tie=0, or cross-validation refused it)"
            )
        feature_of = model.preparation.feature_of
        counts = np.bincount(feature_of)
        columns = {
            f"z{d + 1}": np.bincount(feature_of, weights=model.coordinates[:, d]) / counts
            for d in range(model.coordinates.shape[1])
        }
        return make_frame(
            {"feature": np.asarray(self._features, dtype=object), **columns}, self._frame_library
        )

    @property
    def history_(self) -> Any:
        """Iterations of every start of the latent search, and in the sparse path of the fit before it.

        Columns start (0: without a target), iteration, value (objective), optimality, seconds (since the start
        began), best (whether this start's optimum was taken); class in multiclass problems. Empty where the problem was
        solved directly.
        """
        check_is_fitted(self)
        names = SearchIteration._fields
        tables = []
        for label, model in self._models:
            diagnostics = model.diagnostics
            columns = dict(zip(names, history_table(diagnostics.history).T, strict=True))
            columns |= {name: columns[name].astype(int) for name in ("start", "iteration")}
            columns["best"] = columns["start"] == diagnostics.best_start
            if len(self._models) > 1:
                columns["class"] = np.full(len(columns["start"]), label)
            tables.append(columns)
        joined = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
        return make_frame(joined, self._frame_library)

    @property
    def coef_(self) -> np.ndarray:
        """Main effects per standard deviation, (q,) or (n_classes, q); q = p without a basis."""
        check_is_fitted(self)
        rows = [model.main * model.preparation.weights for _, model in self._models]
        return rows[0] if len(rows) == 1 else np.array(rows)

    @property
    def intercept_(self) -> float | np.ndarray:
        """Score of a row whose features are all at their mean."""
        check_is_fitted(self)
        values = [model.intercept for _, model in self._models]
        return values[0] if len(values) == 1 else np.array(values)

    @property
    def latent_(self) -> np.ndarray | None:
        """Latent coordinates of the columns, (q, d), or None."""
        check_is_fitted(self)
        return self._models[0][1].coordinates

    @property
    def solver_(self) -> str:
        """The solver that was used, "exact" or "sparse"."""
        check_is_fitted(self)
        return self._models[0][1].diagnostics.solver

    @property
    def optimality_(self) -> float:
        """Largest relative violation of the optimality conditions at the end."""
        check_is_fitted(self)
        return max(model.diagnostics.optimality for _, model in self._models)

    @property
    def objective_(self) -> float:
        """Objective at the end, summed over class contrasts."""
        check_is_fitted(self)
        return float(sum(model.diagnostics.value for _, model in self._models))

    @property
    def n_iter_(self) -> int:
        """Iterations of the start that was taken, or 1 where the problem was solved directly."""
        check_is_fitted(self)
        return max(model.diagnostics.n_iter for _, model in self._models)

    @property
    def noise_variance_(self) -> float:
        """Residual variance (regression); 1 for other losses."""
        check_is_fitted(self)
        return self._models[0][1].diagnostics.dispersion

    @property
    def log_evidence_(self) -> float:
        """Log evidence given the latent target (Laplace; exact in regression); NaN in the sparse path."""
        check_is_fitted(self)
        return float(sum(model.diagnostics.log_evidence for _, model in self._models))
