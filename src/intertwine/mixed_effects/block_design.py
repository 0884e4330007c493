"""Weights and fixed columns as a block-diagonal system wants them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from intertwine.mixed_effects.base import Array

__all__ = ["orthogonal_columns", "require_rank", "weight_columns"]


def weight_columns(weights: Array | None, n_rows: int, n_outputs: int) -> tuple[Array, NDArray[np.int64]]:
    """Distinct columns of weights (n, k), and which of them each output has."""
    if weights is None:
        return np.ones((n_rows, 1)), np.zeros(n_outputs, dtype=np.int64)
    weights = np.asarray(weights, dtype=np.float64)
    if weights.ndim == 1:
        return np.ascontiguousarray(weights[:, None]), np.zeros(n_outputs, dtype=np.int64)
    seen: dict[bytes, int] = {}
    pattern = np.array([seen.setdefault(column.tobytes(), len(seen)) for column in weights.T], dtype=np.int64)
    first = np.unique(pattern, return_index=True)[1]
    return np.ascontiguousarray(weights[:, first]), pattern


def orthogonal_columns(fixed: Array | None, n_rows: int) -> tuple[Array, Array]:
    """Fixed columns with the Gram matrix n I, and the R (c, c) that gives them back: C = columns @ R."""
    if fixed is None or np.shape(fixed)[1] == 0:
        return np.empty((n_rows, 0)), np.empty((0, 0))
    columns, triangle = np.linalg.qr(np.asarray(fixed, dtype=np.float64))
    sizes = np.linalg.norm(triangle, axis=0)
    if len(triangle) < triangle.shape[1] or np.any(np.abs(np.diag(triangle)) <= 1e-11 * sizes):
        raise ValueError("fixed columns are linearly dependent: leave out the columns that others give")
    scale = np.sqrt(n_rows)
    return np.ascontiguousarray(columns * scale), triangle / scale


def require_rank(square: Array, pattern: NDArray[np.int64]) -> None:
    """Refuse outputs whose observed entries do not tell the fixed columns apart."""
    if not square.shape[1]:
        return
    values = np.linalg.eigvalsh(square)
    lost = np.flatnonzero((values[:, 0] <= 1e-11 * values[:, -1])[pattern])
    if len(lost):
        named = ", ".join(str(m) for m in lost[:5]) + (", …" if len(lost) > 5 else "")
        raise ValueError(
            f"fixed columns are linearly dependent over the observed entries of outputs {named}, or weights are too "
            "uneven to tell them apart: leave out columns, or these outputs, or rescale sample_weight"
        )
