"""What a search tried and chose, in public parameters."""

from __future__ import annotations

import numpy as np
from sklearn.model_selection import KFold, StratifiedKFold, check_cv

from intertwine.fitting.selection import Selection
from intertwine.fitting.settings import ModelSettings

__all__ = ["candidate_params", "cv_table", "partition_folds", "print_candidate"]


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


def print_candidate(candidate) -> None:
    """One line about a candidate that was just scored."""
    s = candidate.settings
    latent = "no target" if s.latent is None else f"{s.latent.name}({s.latent.n_components}), tie {s.tie:.2g}"
    print(
        f"{candidate.stage}: knots {s.preparation.spline_knots}, relevance {s.preparation.relevance}, "
        f"quantile {s.preparation.quantile}, squares {s.preparation.squares}, order {s.order}, {latent}, "
        f"l1_ratio {s.l1_ratio}: held-out loss {candidate.mean:.4f} ± {candidate.std_error:.4f}",
        flush=True,
    )


def partition_folds(cv, X, strata, groups, rng):
    """(train, test) index arrays; ``strata`` are class or event codes, or None.

    Raises
    ------
    ValueError
        If some row is not tested exactly once.
    """
    if isinstance(cv, int | np.integer):
        splitter = (KFold if strata is None else StratifiedKFold)(
            cv, shuffle=True, random_state=int(rng.integers(2**31))
        )
    else:
        splitter = check_cv(cv, strata, classifier=strata is not None)
    labels = np.zeros(len(X)) if strata is None else strata
    folds = [(np.asarray(a), np.asarray(b)) for a, b in splitter.split(X, labels, groups)]
    if not np.array_equal(np.sort(np.concatenate([test for _, test in folds])), np.arange(len(X))):
        raise ValueError("cv must test every row exactly once")
    return folds
