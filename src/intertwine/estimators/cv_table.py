"""What a search tried and chose, in public parameters."""

from __future__ import annotations

import numpy as np

from intertwine.fitting.selection import Selection
from intertwine.fitting.settings import ModelSettings

__all__ = ["candidate_params", "cv_table"]


def candidate_params(settings: ModelSettings, row_share: float = 1.0) -> dict:
    """Parameters of the public estimator.

    ``row_share`` is the share of rows that the strengths were tuned on: ridges and ties of a mean loss carry over in
    proportion, an L1 with its square root.
    """
    preparation, latent = settings.preparation, settings.latent
    factor = row_share if settings.l1_ratio == 0.0 else row_share**0.5
    return {
        "alpha": settings.alpha * factor,
        "alpha_pairs": settings.alpha_pairs * factor,
        "l1_ratio": settings.l1_ratio,
        "latent": None if latent is None else latent.name,
        "n_components": 1 if latent is None else latent.n_components,
        "tie": settings.tie * factor,
        "order": settings.order,
        "squares": preparation.squares,
        "relevance": "evidence" if preparation.relevance is None else preparation.relevance,
        "basis": "spline" if preparation.spline_knots else None,
        "n_knots": preparation.spline_knots or 5,
        "scaling": "quantile" if preparation.quantile else "features",
    }


def cv_table(selection: Selection) -> dict[str, np.ndarray]:
    """One row for every candidate."""
    rows = [candidate_params(candidate.settings) for candidate in selection.tried]
    table = {"stage": np.array([candidate.stage for candidate in selection.tried], dtype=object)}
    for name in rows[0]:
        column = [row[name] for row in rows]
        plain = all(isinstance(value, int | float) for value in column)
        table[name] = np.array(column) if plain else np.array([str(value) for value in column], dtype=object)
    table["mean_test_loss"] = np.array([candidate.mean for candidate in selection.tried])
    table["std_error"] = np.array([candidate.std_error for candidate in selection.tried])
    table["chosen"] = np.array([candidate is selection.best for candidate in selection.tried])
    return table
