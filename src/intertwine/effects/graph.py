"""Effects on a graph: neighbours are alike, by a conditional autoregression or the Laplacian."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal, final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import SuperLU, splu

from intertwine.effects.exchangeable import Grouping, group_name, keys_of
from intertwine.effects.random import (
    AbstractBoundEffect,
    AbstractNamedLevelsEffect,
    EffectRows,
    Located,
    PrecisionPrior,
)
from intertwine.validation.wording import counted

__all__ = ["BoundGraph", "Graph"]

Array = NDArray[np.float64]

_START = 0.9
_BOUNDS = 0.01, 0.9999  # of rho: at 1 the mean of a connected part is not determined
_PROBES = 64  # for the mean variance of a node, which only a node outside the graph needs


@final
@dataclass(frozen=True, eq=False)
class Graph(AbstractNamedLevelsEffect):
    """Values on the nodes of a graph, alike where nodes are neighbours.

    With the adjacency A and D = diag(A 1), the precision of the values is

    * "car": (D − ρ A) / τ, the proper conditional autoregression: given the others, a node has the mean ρ times the
      weighted mean of its neighbours and the variance τ / D_jj;
    * "laplacian": ((1 − ρ) I + ρ (D − A)) / τ, which leads from independent values at ρ = 0 to differences of
      neighbours only at ρ → 1, and allows nodes without neighbours (Leroux, Lei & Breslow, 2000).

    τ, which is what variance components report, is the variance of a node with one neighbour, or with none, given all
    others, not that of a node by itself.

    Parameters
    ----------
    group : str, int or tuple of them, optional
        As of `Grouped`: what has a node. None is the only column.
    adjacency : array or sparse array of shape (nodes, nodes)
        Symmetric weights, not negative; what stands on the diagonal is not read. Row j is the j-th of ``nodes``.
    nodes : sequence of str or int, optional
        Labels of the nodes. Those that no row has are predicted from their neighbours. Where they are not given, row
        j of ``adjacency`` is the j-th of the labels that rows have, in sorted order.
    kind : {"car", "laplacian"}, default="car"
    rho : float, optional
        Strength of the dependence, from 0 to below 1. Learnt, one for all outputs, where it is not given.

    Examples
    --------
    >>> import numpy as np
    >>> from intertwine.effects.random import EffectRows, GroupCodes
    >>> path = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    >>> rows = EffectRows(4, {None: GroupCodes(np.array([0, 0, 1, 2]), 3)})
    >>> bound = Graph(adjacency=path, rho=0.5).bind(rows)
    >>> bound.prior(bound.start_shape()).precision.toarray().tolist()
    [[1.0, -0.5, 0.0], [-0.5, 2.0, -0.5], [0.0, -0.5, 1.0]]
    """

    group: Any = None
    adjacency: Any = None
    nodes: Any = None
    kind: Literal["car", "laplacian"] = "car"
    rho: float | None = None

    @property
    def needs(self) -> tuple[str, ...]:
        return ("groups",)

    @property
    def group_keys(self) -> tuple[Any, ...]:
        return keys_of(self.group)

    @property
    def covariate_keys(self) -> tuple[Any, ...]:
        return ()

    def named_levels(self) -> tuple[Any, ...]:
        return () if self.nodes is None else tuple(np.asarray(self.nodes).tolist())

    def bind(self, rows: EffectRows) -> BoundGraph:
        grouping = Grouping.of(rows, self.group)
        bound = BoundGraph(self, grouping, self._weights(grouping.n_levels), grouping.levels(rows))
        if bound.weights.nnz == 0:
            raise ValueError(f"adjacency of {group_name(self.group)} has no edges: use Grouped")
        if len(np.unique(bound.level)) < 2:
            raise ValueError(
                f"all rows are of one node of {group_name(self.group)}, so its variance is not identified: leave the "
                "effect out, or give rows of several nodes"
            )
        return bound

    def restore(self, state: dict[str, Any]) -> BoundGraph:
        grouping = Grouping.restore(self.group, state)
        return BoundGraph(self, grouping, self._weights(grouping.n_levels), np.empty(0, np.int64))

    def _check_nodes(self, nodes: tuple[Any, ...], shape: tuple[int, ...], n_levels: int) -> None:
        name = group_name(self.group)
        if len(keys_of(self.group)) > 1:
            raise ValueError(f"nodes name the labels of one column, but {name} combines several")
        if len(set(nodes)) < len(nodes) or shape != (len(nodes), len(nodes)):
            raise ValueError(f"adjacency of {name} has shape {shape}, for {len(set(nodes))} different nodes")
        if n_levels != len(nodes):
            raise ValueError(
                f"{name} has {n_levels} labels, and its graph {len(nodes)} nodes: every label must be a node"
            )

    def _weights(self, n_levels: int) -> sparse.csr_array:
        """The adjacency without its diagonal, checked."""
        name = group_name(self.group)
        if self.kind not in ("car", "laplacian"):
            raise ValueError(f"kind={self.kind!r} of {name}: choose 'car' or 'laplacian'")
        rho = self.rho
        if rho is not None and not (isinstance(rho, Real) and 0.0 <= rho < 1.0):
            raise ValueError(f"rho of {name} must be at least 0 and below 1, or None, got {rho!r}")
        if self.adjacency is None:
            raise ValueError(f"Graph({name!r}) needs adjacency=, who is whose neighbour")
        A = sparse.coo_array(self.adjacency, dtype=np.float64)
        nodes = self.named_levels()
        if nodes:
            self._check_nodes(nodes, A.shape, n_levels)
            order = np.array(sorted(range(len(nodes)), key=nodes.__getitem__))  # as codes are
            A = sparse.coo_array(sparse.csr_array(A)[order][:, order])
        if A.shape != (n_levels, n_levels):
            raise ValueError(
                f"adjacency has shape {A.shape}, but {name} has {n_levels} levels: give one row and one column for "
                "each label, in sorted order"
            )
        if not np.isfinite(A.data).all() or (A.data < 0).any():
            raise ValueError(f"adjacency of {name} has negative or missing weights")
        off = A.coords[0] != A.coords[1]
        out = sparse.csr_array(sparse.coo_array((A.data[off], (A.coords[0][off], A.coords[1][off])), A.shape))
        out.eliminate_zeros()
        if abs(out - out.T).max() > 1e-12 * max(1.0, out.max()):
            raise ValueError(f"adjacency of {name} is not symmetric: who is whose neighbour must be mutual")
        lonely = np.flatnonzero(out.sum(axis=1) == 0)
        if self.kind == "car" and len(lonely):
            raise ValueError(
                f"{counted(len(lonely), f'node of {name} has', f'nodes of {name} have')} no neighbours (the "
                f"first is number {lonely[0]}): drop them, or "
                "use kind='laplacian'"
            )
        return out


@final
class BoundGraph(AbstractBoundEffect):
    """Nodes, all of them levels, whether rows have them or not."""

    basis = None
    basis_names = ("intercept",)
    shape_names = ("rho",)
    correlated = True

    def __init__(
        self, effect: Graph, grouping: Grouping, weights: sparse.csr_array, level: NDArray[np.int64]
    ) -> None:
        self.grouping, self.weights, self.level = grouping, weights, level
        self.n_levels = weights.shape[0]
        self._kind, self._given = effect.kind, effect.rho

    def start_shape(self) -> Array:
        return np.array([_START if self._given is None else float(self._given)])

    def shape_bounds(self) -> Array:
        return np.array([_BOUNDS]) if self._given is None else np.full((1, 2), float(self._given))

    def _precision(self, rho: float) -> sparse.csr_array:
        degrees = np.asarray(self.weights.sum(axis=1)).ravel()
        diagonal = degrees if self._kind == "car" else (1.0 - rho) + rho * degrees
        return sparse.csr_array(sparse.diags_array(diagonal) - rho * self.weights)

    def _factor(self, precision: sparse.csr_array) -> SuperLU:
        # Symmetric and diagonally dominant: no pivoting is needed, and the diagonal of U is that of LDLᵀ.
        options = {"SymmetricMode": True}
        return splu(precision.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options)

    def prior(self, shape: Array) -> PrecisionPrior:
        precision = self._precision(shape[0])
        return PrecisionPrior(precision, float(np.log(np.abs(self._factor(precision).U.diagonal())).sum()))

    def locate(self, rows: EffectRows, shape: Array) -> Located:
        level, q = self.grouping.levels(rows), self.n_levels
        if not np.any(level < 0):
            return Located(level, None, None, None)
        # One more node without neighbours stands for all that are not in the graph: it has the variance of the others.
        signs = np.where(np.random.default_rng(0).random((q, _PROBES)) < 0.5, -1.0, 1.0)
        mean_variance = (signs * self._factor(self._precision(shape[0])).solve(signs)).sum() / signs.size
        projection = sparse.csr_array(sparse.eye_array(q + 1, q, format="csr"))
        extra = np.append(np.zeros(q), mean_variance)
        return Located(np.where(level < 0, q, level), None, projection, extra)

    def state(self) -> dict[str, Any]:
        return self.grouping.state()
