"""What a fitted local factorization machine can be asked: who answers where, and what the experts hold."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils.validation import check_is_fitted

from intertwine.estimators.effects_table import pair_terms
from intertwine.estimators.model_head import NamedFeatures
from intertwine.estimators.results import check_count
from intertwine.fitting.fm.pairs import largest_products
from intertwine.fitting.local_fm.feature_scaling import FeatureScaling
from intertwine.fitting.local_fm.fit import LocalFMFit
from intertwine.frames import make_frame
from intertwine.validation import check_features

__all__ = ["LocalFMResults"]


class LocalFMResults(NamedFeatures):
    """Readings of ``_machines``: for each class contrast (one otherwise), a list of fitted machines.

    The machines of an ensemble are numbered one after the other: expert ``i`` of machine ``e`` is ``e · m + i``.
    """

    _machines: list[tuple[Any, list[LocalFMFit]]]
    _scaling: FeatureScaling
    _runs: np.ndarray
    _frame_library: str | None
    _unit: float = 1.0
    n_features_in_: int

    def _fits(self, label) -> list[LocalFMFit]:
        check_is_fitted(self, "_machines")
        if len(self._machines) == 1:
            return self._machines[0][1]
        known = [name for name, _ in self._machines]
        if label not in known:
            raise ValueError(f"every class has experts of its own: give label, one of {known}")
        return self._machines[known.index(label)][1]

    def codes(self, X, label=None) -> sparse.csr_array:
        """Weights of the experts for every row, summing to one.

        Parameters
        ----------
        X : array-like or frame (n, p)
        label : class label, default=None
            Whose experts, where there are more than two classes.

        Returns
        -------
        scipy.sparse.csr_array (n, n_experts)
            Only the experts that a row uses are stored.
        """
        fits = self._fits(label)
        rows = self._scaling.apply(check_features(self, X, reset=False, allow_sparse=True))
        return sparse.csr_array(
            sparse.hstack([_weights(fit, rows) for fit in fits], format="csr") / len(fits)
        )

    def coordinates(self, X, label=None) -> Any:
        """Where rows lie in the space that distances are measured in.

        Parameters
        ----------
        X : array-like or frame (n, p)
        label : class label, default=None
            As in `codes`; of an ensemble, those of its first machine.

        Returns
        -------
        frame (n, q)
            The features that are used, in their own units, or the coordinates ``latent 1``, ``latent 2``, ….
        """
        fit = self._fits(label)[0]
        rows = check_features(self, X, reset=False, allow_sparse=True)
        if fit.params.projection.shape[1] > 0:
            values = fit.machine.coordinates(self._scaling.apply(rows), fit.params.projection)
            names = [f"latent {d + 1}" for d in range(values.shape[1])]
        else:
            columns = fit.machine.columns
            chosen = np.arange(rows.shape[1]) if columns is None else np.asarray(columns)
            values, names = rows[:, chosen], [self._features[j] for j in chosen]
        values = values.toarray() if sparse.issparse(values) else np.asarray(values)
        return make_frame(dict(zip(names, values.T, strict=True)), self._frame_library)

    def responsible_expert(self, X, label=None) -> np.ndarray:
        """The expert with the largest weight for every row (n,).

        Parameters
        ----------
        X : array-like or frame (n, p)
        label : class label, default=None
            As in `codes`.

        Returns
        -------
        ndarray of int (n,)
        """
        return np.asarray(self.codes(X, label).argmax(axis=1)).ravel()

    def effective_neighbors(self, X, label=None) -> np.ndarray:
        """How many experts every row uses in effect, 1 / Σγ²: as many as weights if these are equal (n,).

        Parameters
        ----------
        X : array-like or frame (n, p)
        label : class label, default=None
            As in `codes`.

        Returns
        -------
        ndarray (n,)
            The number of those with any weight is ``np.diff(codes(X).indptr)``.
        """
        weights = self.codes(X, label)
        return 1.0 / np.asarray(weights.multiply(weights).sum(axis=1)).ravel()

    def top_interactions(self, k: int = 10, expert: int | None = None) -> Any:
        """The strongest interactions of each expert.

        Parameters
        ----------
        k : int, default=10
            Number of pairs of each expert.
        expert : int, default=None
            Only this one; None: all.

        Returns
        -------
        frame
            expert, rank, term, feature_1, feature_2, estimate (⟨v_j, v_k⟩ per unit of both scaled features); class in
            multiclass problems. Pairs that never occur together (two levels of one category) are left out.

        Raises
        ------
        TypeError, ValueError
            For a ``k`` that is no positive integer, or an ``expert`` that does not exist.
        """
        check_is_fitted(self, "_machines")
        check_count(k, "k")
        tables = []
        for label, fits in self._machines:
            factors = np.concatenate([fit.params.factors for fit in fits])
            if expert is not None and not 0 <= expert < len(factors):
                raise ValueError(f"expert {expert} is out of range for {len(factors)} experts")
            for i in range(len(factors)) if expert is None else [expert]:
                table = _strongest(factors[i] * np.sqrt(self._unit), k, self._features, self._runs)
                table = {"expert": np.full(len(table["rank"]), i), **table}
                if len(self._machines) > 1:
                    table["class"] = np.full(len(table["rank"]), label)
                tables.append(table)
        return make_frame(
            {name: np.concatenate([table[name] for table in tables]) for name in tables[0]},
            self._frame_library,
        )

    @property
    def anchors_(self) -> np.ndarray:
        """Anchors (n_experts, q) in the units of the features (or of the latent space); those of all classes."""
        check_is_fitted(self, "_machines")
        anchors = []
        for _, fits in self._machines:
            for fit in fits:
                scaling, columns = self._scaling, fit.machine.columns
                latent = fit.params.projection.shape[1] > 0
                chosen = slice(None) if columns is None else columns
                own = fit.params.anchors
                anchors.append(own if latent else scaling.center[chosen] + own * scaling.scale[chosen])
        return np.concatenate(anchors)

    @property
    def gamma_(self) -> float:
        """Factor of the squared distances between scaled rows and anchors (mean over the machines)."""
        check_is_fitted(self, "_machines")
        return float(np.mean([float(fit.params.gamma) for _, fits in self._machines for fit in fits]))

    @property
    def converged_(self) -> bool:
        """Whether every descent ended by itself, not at its last iteration."""
        check_is_fitted(self, "_machines")
        return all(fit.converged for _, fits in self._machines for fit in fits)

    @property
    def n_iter_(self) -> int:
        """Iterations of the longest fit, epochs of mini-batches included."""
        check_is_fitted(self, "_machines")
        return max(fit.history[-1].iteration for _, fits in self._machines for fit in fits)

    @property
    def history_(self) -> Any:
        """Iterations of every machine: machine, iteration, value, optimality, seconds; class if there are several."""
        check_is_fitted(self, "_machines")
        columns: dict[str, list] = {
            "machine": [],
            "iteration": [],
            "value": [],
            "optimality": [],
            "seconds": [],
        }
        classes = []
        for label, fits in self._machines:
            for number, fit in enumerate(fits):
                for row in fit.history:
                    for name, value in zip(columns, (number, *row), strict=True):
                        columns[name].append(value)
                    classes.append(label)
        table = {name: np.array(values) for name, values in columns.items()}
        if len(self._machines) > 1:
            table["class"] = np.array(classes)
        return make_frame(table, self._frame_library)


def _weights(fit: LocalFMFit, rows) -> sparse.csr_array:
    nearest, _, weights, _ = fit.machine.codes(fit.params, rows)
    n, size = nearest.shape
    shape = n, fit.machine.n_anchors
    table = sparse.csr_array((weights.ravel(), nearest.ravel(), np.arange(n + 1) * size), shape=shape)
    table.eliminate_zeros()
    table.sort_indices()
    return table


def _strongest(factors, k: int, features, runs) -> dict[str, np.ndarray]:
    """The k pairs with the largest |⟨v_j, v_k⟩|."""
    first, second = largest_products(factors, runs, k)
    values = np.einsum("ic,ic->i", factors[first], factors[second])
    names = np.array(features, dtype=object)
    return {
        "rank": np.arange(1, len(values) + 1),
        "term": pair_terms(features, first, second),
        "feature_1": names[first],
        "feature_2": names[second],
        "estimate": values,
    }
