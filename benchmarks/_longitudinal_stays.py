"""Stays in intensive care, as the methods of longitudinal_vae get them."""

from __future__ import annotations

import numpy as np

from intertwine.reproduce.lmm_vae.visits import Question, Task, Visits

_FORECAST_FROM = 36.0  # hours
_STAYS_TO_JUDGE = 0.2
_HIDDEN = 0.1  # of the entries
_EXTREMES = (0.001, 0.999)
_CONSTANT = "MechVent"


def physionet(seed: int, quick: bool) -> Task:
    """Stays in hours; of a fifth of them a tenth of the entries is hidden, or all after 36 hours.

    Values are cut at the .1% and 99.9% quantiles of the stays learnt from, and standardised by them.
    """
    from intertwine.datasets import fetch_physionet2012

    drawn = fetch_physionet2012(download_if_missing=False)
    rng = np.random.default_rng(seed)
    stays = rng.permutation(np.unique(drawn.subject))
    if quick:
        stays = stays[:500]
    judged = stays[: round(_STAYS_TO_JUDGE * len(stays))]
    kept = np.isin(drawn.subject, stays) & (drawn.time < 48.0)
    test, train = (np.flatnonzero(kept & (np.isin(drawn.subject, judged) == is_test)) for is_test in (1, 0))
    columns = drawn.feature_names != _CONSTANT
    X = drawn.X[:, columns]
    X = np.clip(X, *np.nanquantile(X[train], _EXTREMES, axis=0))
    X = (X - np.nanmean(X[train], axis=0)) / np.nanstd(X[train], axis=0)
    drawn["X"] = X
    drawn["covariates"] = {name: drawn.covariates[name] for name in ("age", "sex", "unit")}
    hidden = (rng.random(X[test].shape) < _HIDDEN) & np.isfinite(X[test])
    seen = np.where(hidden, np.nan, X[test])
    given = Visits.of(drawn, test)
    early = given.time < _FORECAST_FROM
    return Task(
        Visits.of(drawn, train),
        {
            "interpolation": Question(_with(given, seen), None, np.where(hidden, X[test], np.nan)),
            "last 12 hours": Question(
                given.take(np.flatnonzero(early)), given.take(np.flatnonzero(~early)), X[test][~early]
            ),
        },
        _stay_effects,
    )


def _with(visits: Visits, X: np.ndarray) -> Visits:
    return Visits(X, visits.covariates, visits.subject, visits.time)


def _stay_effects() -> list:
    from intertwine.effects import BySubject, Categorical, Linear, Smooth

    return [
        Linear("age"),
        Categorical("sex"),
        Categorical("unit"),
        Smooth("time"),
        BySubject(),
        BySubject(Smooth("time", length_scale=6.0)),
    ]
