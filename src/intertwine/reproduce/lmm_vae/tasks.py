"""Health MNIST, rotating MNIST, and simulated visits that need no files."""

from __future__ import annotations

import numpy as np

from intertwine.datasets import make_health_mnist, make_rotating_mnist, simulate_longitudinal
from intertwine.effects import BySubject, Categorical, Linear, Smooth
from intertwine.effects.covariate import AbstractCovariateEffect
from intertwine.reproduce.lmm_vae.visits import Question, Task, Visits

__all__ = ["health_mnist", "rotating_mnist", "simulated"]

_PIXELS = (0.0, 1.0)


def health_mnist(seed: int, quick: bool) -> Task:
    """1000 subjects to learn from, whose missing pixels are wanted; visits 6–20 of 100 others, by their first five."""
    drawn = make_health_mnist(
        *((100, 30) if quick else (1000, 100)), random_state=seed, download_if_missing=False
    )
    train = Visits.of(drawn, drawn.train)
    gaps = np.where(np.isnan(train.X), drawn.X_complete[drawn.train], np.nan)
    future = Visits.of(drawn, drawn.future)
    return Task(
        train,
        {
            "imputation": Question(None, None, gaps),
            "future": Question(Visits.of(drawn, drawn.given), future, drawn.X_complete[drawn.future]),
        },
        _health_effects,
        drawn.image_shape,
        _PIXELS,
    )


def _health_effects() -> list[AbstractCovariateEffect]:
    return [
        Categorical("sex"),
        Smooth("age"),
        Categorical("sex") * Smooth("age"),
        Categorical("sick"),
        Categorical("sex") * Categorical("sick"),
        Smooth("disease_time"),
        Categorical("sex") * Smooth("disease_time"),
        Categorical("location"),
        BySubject(),
        BySubject(Smooth("age")),
    ]


def rotating_mnist(seed: int, quick: bool) -> Task:
    """400 threes at fifteen angles, the sixteenth is wanted of 270; a quick run fits fewer epochs to as many."""
    drawn = make_rotating_mnist(random_state=seed, download_if_missing=False)
    return Task(
        Visits.of(drawn, drawn.train),
        {"held-out angle": Question(None, Visits.of(drawn, drawn.test), drawn.X[drawn.test])},
        _rotating_effects,
        drawn.image_shape,
        _PIXELS,
    )


def _rotating_effects() -> list[AbstractCovariateEffect]:
    waves = [Linear(f"{name}{times}") for times in (1, 2, 3) for name in ("cos", "sin")]
    return [*waves, BySubject(), *(BySubject(wave) for wave in waves)]


def simulated(seed: int, quick: bool) -> Task:
    """Visits of 200 subjects with 30 features; gaps, and the later visits of 50 others."""
    n_subjects, n_new = (60, 20) if quick else (200, 50)
    drawn = simulate_longitudinal(n_subjects, 30, n_new=n_new, random_state=seed)
    train = Visits.of(drawn, drawn.train)
    gaps = np.where(np.isnan(train.X), drawn.signal[drawn.train], np.nan)
    future = Visits.of(drawn, drawn.future)
    return Task(
        train,
        {
            "imputation": Question(None, None, gaps),
            "future": Question(Visits.of(drawn, drawn.given), future, drawn.signal[drawn.future]),
        },
        _simulated_effects,
    )


def _simulated_effects() -> list[AbstractCovariateEffect]:
    return [
        Categorical("sex"),
        Smooth("age"),
        Categorical("sex") * Smooth("age"),
        Smooth("disease_time"),
        Linear("dose"),
        Categorical("location"),
        BySubject(),
        BySubject(Linear("age")),
    ]
