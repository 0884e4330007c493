"""Curves of expected values along one covariate, drawn from the posterior of the shared coefficients."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Real
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from intertwine.effects.by_subject import AbstractSubjectEffect
from intertwine.effects.covariate import Covariates
from intertwine.effects.random import GroupCodes
from intertwine.estimators.longitudinal.covariate_data import CovariateData
from intertwine.estimators.longitudinal.visits import SeenVisits
from intertwine.fitting.factor_rows import row_blocks
from intertwine.mixed_effects.shared_coefficients import covariance_root
from intertwine.validation.wording import listed

if TYPE_CHECKING:
    from intertwine.fitting.longitudinal.model import AbstractLongitudinalModel, FittedLatents

__all__ = ["Curve", "drawn_curves"]

Array = NDArray[np.float64]


class Curve(NamedTuple):
    """What is asked.

    Attributes
    ----------
    covariate : str or int
    values : array-like or None
        Where; None: over the range, or all categories.
    n_values : int
    at : dict
        Values of other covariates.
    by : str, int or None
        Another covariate, a category.
    """

    covariate: Any
    values: Any
    n_values: int
    at: dict[Any, Any]
    by: Any


def drawn_curves(
    model: AbstractLongitudinalModel,
    data: CovariateData,
    visits: SeenVisits,
    curve: Curve,
    rng: np.random.Generator,
    n_draws: int,
    max_visits: int,
) -> Iterator[tuple[Any, NDArray[Any], Array]]:
    """Yield for each curve its label, its values (m,) and draws (n_draws, m, p)."""
    latents = model.latents
    _check_keys(latents, data, curve)
    columns = _set(visits.columns, data, curve.at)
    grid, coded = _grid(columns, data, curve)
    labels = [None] if curve.by is None else list(data.category_labels(curve.by))
    shared = _drawn_shared(latents, rng, n_draws)
    rows = _reference(columns, curve.covariate, max_visits, rng)
    for label in labels:
        here = columns if label is None else _set(columns, data, {curve.by: label})
        few = here.take(rows)
        drawn = []
        for value in coded:
            point = _replaced(few, curve.covariate, value)
            features = latents.effects.rows(point, np.arange(len(rows)), len(rows), latents.shape).shared
            latent = np.einsum("nj,sjk->snk", features, shared)
            drawn.append(_mean_values(model, latent))
        yield label, grid, np.stack(drawn, axis=1)


def _check_keys(latents: FittedLatents, data: CovariateData, curve: Curve) -> None:
    numbers, categories = list(data.numbers), [key for key, _ in data.categories]
    shared = [effect for effect in latents.effects.effects if not isinstance(effect, AbstractSubjectEffect)]
    read = [key for effect in shared for key in (*effect.number_keys, *effect.category_keys)]
    if curve.covariate not in [*numbers, *categories]:
        raise ValueError(
            f"no effect reads {curve.covariate!r}; effects read {listed(sorted({*numbers, *categories}, key=str))}"
        )
    if curve.covariate not in read:
        raise ValueError(
            f"only effects of single subjects read {curve.covariate!r}, so there is no curve that they share; see "
            "forecast"
        )
    if both := [key for key in (curve.covariate, *curve.at) if key in numbers and key in categories]:
        raise ValueError(
            f"effects read {listed(both)} as numbers and as categories: give the category a column of its own"
        )
    if curve.by is not None and curve.by not in categories:
        raise ValueError(
            f"by={curve.by!r} is no category that an effect reads; these are {listed(categories)}"
        )
    if curve.covariate == curve.by or {curve.covariate, curve.by} & set(curve.at):
        raise ValueError(
            f"a curve runs along {curve.covariate!r}, with by={curve.by!r} and at={curve.at!r}: these must be "
            "different covariates"
        )
    if unknown := [key for key in curve.at if key not in [*numbers, *categories]]:
        raise ValueError(f"at holds {listed(unknown)}, which no effect reads")


def _grid(columns: Covariates, data: CovariateData, curve: Curve) -> tuple[NDArray[Any], list[Any]]:
    """Values as the user reads them, and as effects do."""
    key = curve.covariate
    if key in columns.categories:
        labels = data.category_labels(key)
        chosen = labels if curve.values is None else np.asarray(curve.values, dtype=object)
        return np.asarray(chosen, dtype=object), [_code(data, key, label) for label in chosen]
    if curve.values is None:
        there = columns.numbers[key][~np.isnan(columns.numbers[key])]
        values = np.linspace(there.min(), there.max(), curve.n_values)
    else:
        try:
            values = np.atleast_1d(np.asarray(curve.values, dtype=np.float64))
        except (TypeError, ValueError):
            values = np.empty(0)
        if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
            raise ValueError(f"values of {key!r} must be a list of finite numbers, got {curve.values!r}")
    return values, list(values)


def _code(data: CovariateData, key: Any, label: Any) -> int:
    labels = data.category_labels(key).tolist()
    if label not in labels:
        raise ValueError(f"{label!r} is no category of {key!r} in the fit; these are {listed(labels)}")
    return labels.index(label)


def _set(columns: Covariates, data: CovariateData, values: dict[Any, Any]) -> Covariates:
    """All rows with some covariates at a value each."""
    for key, value in values.items():
        coded = _code(data, key, value) if key in columns.categories else value
        if key in columns.numbers and (not isinstance(coded, Real) or not np.isfinite(float(coded))):
            raise ValueError(f"at holds {value!r} for {key!r}, which is a number: give a finite one")
        columns = _replaced(columns, key, coded)
    return columns


def _replaced(columns: Covariates, key: Any, value: Any) -> Covariates:
    numbers, categories = dict(columns.numbers), dict(columns.categories)
    if key in categories:
        codes, n_levels = categories[key]
        categories[key] = GroupCodes(np.full_like(codes, value), n_levels)
    if key in numbers:
        numbers[key] = np.full(columns.n_rows, float(value))
    return Covariates(columns.n_rows, numbers, categories)


def _reference(columns: Covariates, key: Any, max_visits: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Visits over which curves are averaged: those where the covariate applies."""
    applies = np.ones(columns.n_rows, dtype=bool)
    if key in columns.numbers:
        applies &= ~np.isnan(columns.numbers[key])
    if key in columns.categories:
        applies &= columns.categories[key].codes >= 0
    rows = np.flatnonzero(applies)
    return rows if len(rows) <= max_visits else np.sort(rng.choice(rows, max_visits, replace=False))


def _drawn_shared(latents: FittedLatents, rng: np.random.Generator, n_draws: int) -> Array:
    """Coefficients (n_draws, p, K)."""
    mean, covariance = latents.shared
    unit = rng.standard_normal((len(covariance), n_draws, len(mean)))
    roots = [covariance_root(part) for part in covariance]
    return np.stack([unit[k] @ root.T + mean[:, k] for k, root in enumerate(roots)], axis=-1)


def _mean_values(model: AbstractLongitudinalModel, latent: Array) -> Array:
    """Decoded (s, n, K), in the mean over n: (s, p)."""
    n = latent.shape[1]
    parts = []
    for draws in row_blocks(len(latent), n * 1000):
        chosen = latent[draws]
        values = model.decode(chosen.reshape(-1, chosen.shape[2]))
        parts.append(values.reshape(len(chosen), n, -1).mean(axis=1))
    return np.concatenate(parts)
