"""Symmetric matrices from their packed lower triangles."""

import numpy as np


def full_blocks(run):
    """Rows of packed triangles (count, d (d + 1) / 2) as matrices (count, d, d)."""
    d = next(d for d in range(1, run.shape[1] + 1) if d * (d + 1) // 2 == run.shape[1])
    rows, columns = np.tril_indices(d)
    full = np.empty((len(run), d, d))
    full[:, rows, columns] = full[:, columns, rows] = run
    return full
