"""What a search tried and chose, in public parameters."""

from __future__ import annotations

import numpy as np
from sklearn.model_selection import KFold, StratifiedKFold, check_cv

from intertwine.fitting.interactions.selection import Selection
from intertwine.fitting.interactions.settings import ModelSettings

__all__ = ["candidate_params", "cv_table", "require_usable_folds", "tuning_rows"]


def candidate_params(settings: ModelSettings, row_share: float = 1.0) -> dict:
    """Parameters of the public estimator.

    ``row_share`` is the share of rows that the strengths were tuned on: ridges and ties of a mean loss carry over in
    proportion, an L1 with its square root.
    """
    preparation, latent = settings.preparation, settings.latent
    factor = row_share if settings.l1_ratio == 0.0 else row_share**0.5
    return {
        "alpha": float(settings.alpha * factor),
        "alpha_pairs": float(settings.alpha_pairs * factor),
        "l1_ratio": settings.l1_ratio,
        "latent": None if latent is None else latent.name,
        "n_components": 1 if latent is None else latent.n_components,
        "tie": float(settings.tie * factor),
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
    table["screening_loss"] = np.array([candidate.criterion for candidate in selection.tried])
    table["mean_test_loss"] = np.array([candidate.mean for candidate in selection.tried])
    table["std_error"] = np.array([candidate.std_error for candidate in selection.tried])
    table["chosen"] = np.array([candidate is selection.best for candidate in selection.tried])
    return table


def tuning_rows(cv, X, kept, strata, groups, max_rows, rng):
    """Rows to tune on, and folds of them as (train, test) positions among these rows.

    Folds are made on the rows as the user passed them, so that his indices hold; then rows without weight, and rows
    beyond ``max_rows``, are left out of them.

    Parameters
    ----------
    cv : int, splitter or iterable
    X : ndarray (n, p)
    kept : ndarray of bool (n,)
        Rows with weight.
    strata : ndarray of int (n,) or None
        Class or event codes.
    groups : array-like (n,) or None
    max_rows : int
    rng : numpy.random.Generator

    Raises
    ------
    ValueError
        If some row is not tested exactly once, a fold has no rows to fit, or a group splitter has no groups.
    """
    if isinstance(cv, int | np.integer):
        splitter = (KFold if strata is None else StratifiedKFold)(
            cv, shuffle=True, random_state=int(rng.integers(2**31))
        )
    else:
        splitter = check_cv(cv, strata, classifier=strata is not None)
    labels = np.zeros(len(X)) if strata is None else strata
    try:
        folds = [(np.asarray(a), np.asarray(b)) for a, b in splitter.split(X, labels, groups)]
    except ValueError as error:
        if groups is None and "'groups'" in str(error):  # scikit-learn's words about a parameter of its own
            raise ValueError(f"{type(splitter).__name__} needs groups: pass fit(..., groups=)") from error
        raise
    if not np.array_equal(np.sort(np.concatenate([test for _, test in folds])), np.arange(len(X))):
        raise ValueError("cv must test every row exactly once")
    rows = np.flatnonzero(kept)
    if len(rows) > max_rows:
        rows = np.sort(rng.permutation(rows)[:max_rows])
    position = np.full(len(X), -1)
    position[rows] = np.arange(len(rows))
    inside = [tuple(position[part][position[part] >= 0] for part in fold) for fold in folds]
    inside = [(train, test) for train, test in inside if len(test)]
    if not all(len(train) for train, _ in inside):
        raise ValueError("a fold of cv leaves no row with weight to fit")
    return rows, inside


def require_usable_folds(folds, losses) -> None:
    """Refuse folds that nothing can be fitted to, or judged by: without events, or of one class.

    Parameters
    ----------
    folds : sequence of (train, test)
        Positions among the rows of the losses.
    losses : sequence of AbstractLoss

    Raises
    ------
    ValueError
        With the number of the fold, and what it lacks.
    """
    for number, fold in enumerate(folds):
        for rows, what in zip(fold, ("to fit", "to test"), strict=True):
            try:
                for loss in losses:
                    loss.take(rows)
            except ValueError as error:
                raise ValueError(
                    f"fold {number} of cv has too little {what}: {error}; take fewer folds, or other ones"
                ) from error
