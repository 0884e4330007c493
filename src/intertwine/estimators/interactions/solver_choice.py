"""Exact or sparse: which path can fit the settings, and which one does."""

from __future__ import annotations

import numpy as np

from intertwine.fitting.interactions.fit_exact import exact_bytes, exact_operations
from intertwine.fitting.interactions.settings import ModelSettings
from intertwine.resources import available_memory

__all__ = ["choose_solver"]

_OPERATIONS = 2e11  # of a factorization: beyond, a fit takes minutes; a wide table is worth them all the same
_WIDE = 7


def choose_solver(asked: str, settings: ModelSettings, n_rows: int, n_columns: int) -> tuple[str, str]:
    """Return (solver, reason).

    Raises
    ------
    ValueError
        If the settings exclude each other, or the solver that was asked for.
    """
    tie = settings.pair_strengths.tie
    if settings.heredity is not None and tie > 0:
        raise ValueError("heredity excludes a tie to a latent target; set latent=None (or tie=0)")
    if settings.heredity is not None and settings.l1_ratio == 0:
        raise ValueError("heredity keeps pairs out, and without L1 none ever leaves; set l1_ratio > 0")
    needs_sparse = _first(
        ("l1_ratio > 0", settings.l1_ratio > 0),
        ("scaling='products'", settings.scaled_products),
        ("heredity", settings.heredity is not None),
    )
    needs_exact = _first(("order=3", settings.order == 3), ("tie=inf", np.isinf(tie)))
    if needs_sparse and needs_exact:
        raise ValueError(f"{needs_exact} needs the exact path, which excludes {needs_sparse}")
    if asked == "exact" and needs_sparse:
        raise ValueError(f"solver='exact' excludes {needs_sparse}; use solver='sparse' or 'auto'")
    if asked == "sparse" and needs_exact:
        raise ValueError(f"solver='sparse' excludes {needs_exact}; use solver='exact' or 'auto'")
    if asked != "auto":
        return asked, "asked for"
    if needs_sparse:
        return "sparse", f"{needs_sparse} needs explicit coefficients"
    if needs_exact:
        return "exact", f"{needs_exact} needs the pair kernel"
    size = n_rows, n_columns, settings.order
    few = exact_operations(*size) <= _OPERATIONS or n_rows <= _WIDE * n_columns
    if few and exact_bytes(*size) + 16 * n_rows * n_columns < available_memory():
        return "exact", f"no L1, and {n_rows} rows with {n_columns} columns: all pairs are integrated out"
    return "sparse", f"{n_rows} rows with {n_columns} columns are too many to integrate pairs out"


def _first(*reasons: tuple[str, bool]) -> str | None:
    return next((reason for reason, holds in reasons if holds), None)
