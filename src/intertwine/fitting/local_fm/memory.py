"""What local factorization machines take, asked for before any of it is allocated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from intertwine.fitting.local_fm.fit import LocalFMSettings
from intertwine.resources import require_memory
from intertwine.solvers.lbfgs import LBFGS
from intertwine.structures.local_fm import LocalFM, in_vectors

__all__ = ["require_memory_of_fits", "require_memory_of_scores"]

_ENTRY = 4 * 12  # bytes of a stored entry: scaled, shuffled, and twice on the way there
_DESCENT = 10  # tables as large as the experts: parameters and moments before and after an epoch, gradients, the start


def require_memory_of_fits(X: Any, settings: LocalFMSettings, n_machines: int, n_threads: int) -> None:
    """Refuse fits that would not fit into memory.

    Parameters
    ----------
    X : scipy.sparse.csr_array of shape (n, p)
    settings : LocalFMSettings
    n_machines : int
        All of them are kept.
    n_threads : int
        So many are fitted at the same time.

    Raises
    ------
    MemoryError
        Says what to make smaller.
    """
    (n, p), m, k = X.shape, min(settings.n_anchors, X.shape[0]), settings.n_components
    neighbors, r = min(settings.coding.n_neighbors, m), settings.n_latent
    measured = r or (p if settings.columns is None else len(settings.columns))
    machine = 8 * m * (p * (1 + k) + measured)
    rows = _ENTRY * X.nnz + 8 * n * (r + 4)
    tables = _DESCENT
    if settings.descent.batch is not None:
        # moves and changes of three states: the last two and the one that is being made; scores of all rows at once
        tables = 7 * LBFGS(0.0).memory + _DESCENT
        rows += 8 * n * neighbors * (k + 6)
    require_memory(
        n_machines * machine + n_threads * (tables * machine + rows),
        f"fitting {n_machines:,} machines of {m:,} experts on {p:,} features",
        "fewer anchors, components or threads",
    )


def require_memory_of_scores(
    n_rows: int, n_at_once: float, machines: Sequence[LocalFM], n_threads: int
) -> None:
    """Refuse scores (n, n_machines) that would not fit into memory.

    Parameters
    ----------
    n_rows : int
    n_at_once : float
        Entries of the rows that are scored at a time.
    machines : sequence of LocalFM
    n_threads : int

    Raises
    ------
    MemoryError
        Says what to do instead.
    """
    widest = max(
        one.n_features * (one.n_anchors * in_vectors(2 + one.n_components) + in_vectors(one.n_anchors))
        for one in machines
    )
    require_memory(
        16 * n_rows * len(machines) + n_threads * (16 * widest + _ENTRY * n_at_once),
        f"scoring {n_rows:,} rows by {len(machines):,} machines",
        "a part of the rows at a time",
    )
