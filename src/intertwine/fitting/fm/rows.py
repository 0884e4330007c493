"""Which way of sweeping suits a table of rows."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from intertwine.fitting.fm.model import FMShape
from intertwine.structures.fm_running import RunningSums
from intertwine.structures.fm_short import MOST_ENTRIES, ShortRows
from intertwine.structures.fm_sweep import AbstractFMSweep

__all__ = ["sweep_over"]


def sweep_over(rows: sparse.csr_array, shape: FMShape, groups, n_threads: int) -> AbstractFMSweep:
    """Sweeps over the features of ``rows``."""
    if shape.n_triple_components == 0 and np.diff(rows.indptr).max(initial=0) <= MOST_ENTRIES:
        return ShortRows(rows, shape.n_components, shape.linear, groups, n_threads)
    return RunningSums(rows, shape.n_components, shape.n_triple_components, shape.linear, groups, n_threads)
