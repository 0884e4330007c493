"""Visits of subjects whose latents follow a linear mixed model, with all that they were made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.utils import Bunch, check_random_state

from intertwine.resources import require_memory

__all__ = ["simulate_longitudinal"]

Array = NDArray[np.float64]
Kind = Literal["gaussian", "bernoulli", "ordinal", "poisson"]
Seed = int | np.random.RandomState | None

_SHARES = {
    "sex": 0.15,
    "age": 0.15,
    "sex × age": 0.10,
    "disease_time": 0.15,
    "dose": 0.10,
    "subject": 0.20,
    "subject × age": 0.10,
    "noise": 0.05,
}  # of the variance of latents
_KINDS = ("gaussian", "bernoulli", "ordinal", "poisson")
_CUTS = (-1.0, 0.0, 1.0)  # between the categories of an ordinal feature
_WAVES = 3  # of a curve in age or disease time


def simulate_longitudinal(
    n_subjects: int = 100,
    p: int = 20,
    *,
    n_components: int = 3,
    n_visits: tuple[int, int] = (4, 12),
    n_new: int = 20,
    n_given: int = 3,
    decoder: Literal["linear", "nonlinear"] = "nonlinear",
    likelihood: Kind | Sequence[Kind] = "gaussian",
    noise: float = 0.1,
    missing: float = 0.2,
    random_state: Seed = None,
) -> Bunch:
    """Draw visits at irregular times whose latents are sums of effects of every kind.

    A latent axis is a level of sex, a curve in age that differs between the sexes, a curve in disease time that only
    the sick have, a line in dose, a level and a slope of each subject, and noise; features are functions of the
    latents. The location of a subject has no effect.

    Parameters
    ----------
    n_subjects, p : int, default=100 and 20
        Subjects to learn from, and features.
    n_components : int, default=3
        Latent axes.
    n_visits : (int, int), default=(4, 12)
        Fewest and most visits of a subject.
    n_new : int, default=20
        Further subjects, to be met after the fit.
    n_given : int, default=3
        First visits of these that are given; the later ones are to be predicted. Less than ``n_visits[0]``.
    decoder : {"linear", "nonlinear"}, default="nonlinear"
        W z, or W z + V tanh(U z).
    likelihood : {"gaussian", "bernoulli", "ordinal", "poisson"} or a sequence of p of them, default="gaussian"
        Of each feature given its signal η: N(η, noise); a coin with logit η; 0 … 3 by a cumulative logit cut at −1, 0
        and 1; counts with mean log(1 + exp(η)).
    noise : float, default=0.1
        Variance of Gaussian features beside their signal, whose variance is one.
    missing : float, default=0.2
        Part of the entries that are not observed; every visit keeps one.
    random_state : int, RandomState or None, default=None

    Returns
    -------
    sklearn.utils.Bunch
        ``X`` (visits, p) with NaN where missing, ``X_complete``, ``feature_names``, ``likelihood`` (p,); ``subject``,
        ``time`` (years since the first visit), ``covariates``: "age", "dose", "disease_time" (NaN for the healthy),
        "sex", "location"; ``train``, ``test``, and ``given`` and ``future``, the two parts of ``test``. The truth:
        ``latent`` (visits, n_components), ``signal`` (visits, p), which is η, ``parts``: what each effect adds to the
        latents, and ``shares``: its part of their variance over the training visits, in the mean over axes.

    Raises
    ------
    ValueError
        When a part is none, visits are fewer than are given, or a likelihood is not known.

    Examples
    --------
    >>> drawn = simulate_longitudinal(30, 8, random_state=0)
    >>> drawn.X.shape[1], round(float(np.isnan(drawn.X).mean()), 1), len(set(drawn.subject[drawn.test]))
    (8, 0.2, 20)
    >>> max(drawn.shares, key=drawn.shares.get), drawn.shares["sex"] > drawn.shares["noise"]
    ('subject', True)
    """
    kinds = _kinds(likelihood, p)
    if not 0 <= missing < 1:
        raise ValueError(f"missing must be at least 0 and less than 1, got {missing}")
    if not 0 < n_given < n_visits[0] <= n_visits[1]:
        raise ValueError(f"n_given < n_visits[0] <= n_visits[1] must hold, got {n_given} and {n_visits}")
    if decoder not in ("linear", "nonlinear"):
        raise ValueError(f"decoder must be 'linear' or 'nonlinear', got {decoder!r}")
    total = n_subjects + n_new
    require_memory(4 * 8 * total * n_visits[1] * p, f"the visits of {total:,} subjects", "fewer subjects")
    rng = np.random.default_rng(check_random_state(random_state).randint(2**31))
    subject = np.repeat(np.arange(total), rng.integers(n_visits[0], n_visits[1] + 1, total))
    n = len(subject)
    first = np.flatnonzero(np.r_[True, np.diff(subject) > 0])
    waits = rng.gamma(4.0, 0.25, n)
    waits[first] = 0.0
    time = np.cumsum(waits) - np.cumsum(waits)[first][subject]
    is_man, is_sick, is_far = (rng.random(total) < 0.5 for _ in range(3))
    age = rng.uniform(40.0, 60.0, total)[subject] + time
    disease_time = np.where(is_sick[subject], time - rng.uniform(0.0, 5.0, total)[subject], np.nan)
    dose = rng.integers(0, 4, n).astype(np.float64)
    is_train = subject < n_subjects

    sign = np.where(is_man[subject], 1.0, -1.0)[:, None]
    of_subject = rng.standard_normal((2, total, n_components))[:, subject]
    drawn = {
        "sex": sign * rng.standard_normal(n_components),
        "age": _curve(rng, age, n_components),
        "sex × age": sign * _curve(rng, age, n_components),
        "disease_time": _curve(rng, disease_time, n_components),
        "dose": (dose - dose[is_train].mean())[:, None] * rng.standard_normal(n_components),
        "subject": of_subject[0],
        "subject × age": of_subject[1] * (age - age[is_train].mean())[:, None],
        "noise": rng.standard_normal((n, n_components)),
    }
    parts = {
        name: part * np.sqrt(_SHARES[name] / np.mean(part[is_train] ** 2)) for name, part in drawn.items()
    }
    latent = np.sum(list(parts.values()), axis=0)
    signal = _signal(rng, latent, is_train, p, decoder)
    complete = _observed(rng, signal, kinds, noise)
    hidden = rng.random((n, p)) < missing
    hidden[np.arange(n), rng.integers(0, p, n)] = False
    place = np.arange(n) - first[subject]
    spread = {name: float(part[is_train].var(axis=0).mean()) for name, part in parts.items()}
    return Bunch(
        X=np.where(hidden, np.nan, complete),
        X_complete=complete,
        feature_names=np.array([f"x{index}" for index in range(p)], dtype=object),
        likelihood=kinds,
        subject=subject,
        time=time,
        covariates={
            "age": age,
            "dose": dose,
            "disease_time": disease_time,
            "sex": np.where(is_man, "m", "f").astype(object)[subject],
            "location": np.where(is_far, "far", "near").astype(object)[subject],
        },
        train=np.flatnonzero(is_train),
        test=np.flatnonzero(~is_train),
        given=np.flatnonzero(~is_train & (place < n_given)),
        future=np.flatnonzero(~is_train & (place >= n_given)),
        latent=latent,
        signal=signal,
        parts=parts,
        shares={name: value / sum(spread.values()) for name, value in spread.items()},
    )


def _kinds(likelihood: Kind | Sequence[Kind], p: int) -> list[Kind]:
    kinds: list[Kind] = [likelihood] * p if isinstance(likelihood, str) else list(likelihood)
    if len(kinds) != p:
        raise ValueError(f"likelihood names {len(kinds)} features, but there are {p}")
    unknown = sorted({str(kind) for kind in kinds if kind not in _KINDS})
    if unknown:
        raise ValueError(f"likelihood must be among {list(_KINDS)}, got {unknown}")
    return kinds


def _curve(rng: np.random.Generator, values: Array, n_components: int) -> Array:
    """A few waves over the range of the values, centred; zero where these are NaN."""
    low, high = np.nanmin(values), np.nanmax(values)
    phase = np.pi * (values - low) / (high - low)
    waves = np.cos(np.outer(np.where(np.isnan(values), 0.0, phase), np.arange(1, _WAVES + 1)))
    waves /= np.arange(1, _WAVES + 1)
    curve = waves @ rng.standard_normal((_WAVES, n_components))
    applies = np.isfinite(values)[:, None]
    return np.where(applies, curve - curve.mean(axis=0, where=applies), 0.0)


def _signal(rng: np.random.Generator, latent: Array, is_train: Any, p: int, decoder: str) -> Array:
    """η, of mean zero and variance one over the training visits."""
    k = latent.shape[1]
    signal = latent @ rng.standard_normal((k, p))
    if decoder == "nonlinear":
        signal += (
            2.0 * np.tanh(2.0 * latent @ rng.standard_normal((k, 2 * k))) @ rng.standard_normal((2 * k, p))
        )
    return (signal - signal[is_train].mean(axis=0)) / signal[is_train].std(axis=0)


def _observed(rng: np.random.Generator, signal: Array, kinds: Sequence[Kind], noise: float) -> Array:
    values = np.empty_like(signal)
    for column, kind in enumerate(kinds):
        eta = signal[:, column]
        if kind == "gaussian":
            values[:, column] = eta + np.sqrt(noise) * rng.standard_normal(len(eta))
        elif kind == "bernoulli":
            values[:, column] = rng.random(len(eta)) < expit(eta)
        elif kind == "ordinal":
            exceeds = expit(eta[:, None] - np.array(_CUTS))
            values[:, column] = (rng.random(len(eta))[:, None] < exceeds).sum(axis=1)
        else:
            values[:, column] = rng.poisson(np.logaddexp(0.0, eta))
    return values
