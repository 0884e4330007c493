"""The paper's simulations, n = 10⁵ rows of p = 100 features: categorical, longitudinal and spatial effects."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, final

import numpy as np

from intertwine.datasets import (
    simulate_categorical_effects,
    simulate_longitudinal_effects,
    simulate_spatial_effects,
)
from intertwine.effects import Grouped, Longitudinal, Spatial
from intertwine.reproduce.claims import Claim, exceeds, reaches
from intertwine.reproduce.design import AbstractDesign, Job, Reproduced
from intertwine.reproduce.lmmvae import published
from intertwine.reproduce.lmmvae.models import IGNORED, LINEAR, METHODS, NONLINEAR, Task, measure
from intertwine.reproduce.lmmvae.published import Figures
from intertwine.reproduce.measurements import Measurements, mean_and_error, with_error

__all__ = [
    "Categorical",
    "LongitudinalFuture",
    "LongitudinalRandom",
    "SpatialRandom",
    "SpatialUnknown",
    "TwoLatents",
    "categorical",
    "longitudinal",
    "spatial",
]

_DRAWS, _QUICK_DRAWS = 5, 2
_SMALLER = 10  # times, in a quick run: rows, levels
_QUICK_FIT = {"max_iter": 60, "n_init": 1}
#: What a quick run leaves out: no claim is about it.
_FULL_ONLY = ("PCA, one-hot groups", LINEAR)
#: About the seconds of a fit in a quick run.
_SECONDS = {NONLINEAR: 25.0, IGNORED: 6.0}


def categorical(case: str, seed: int, quick: bool, d: int = 1, **settings: Any) -> Task:
    """A draw of three groupings of nominal variances such as ".3, 3, 3"."""
    n, p, of = _size(quick)
    levels = tuple(q // of for q in (1000, 3000, 5000))
    truth = simulate_categorical_effects(
        n, p, d=d, n_levels=levels, variances=_numbers(case), random_state=seed
    )
    return Task(truth, tuple(Grouped(column) for column in range(3)), d, seed, _fit(quick) | settings)


def longitudinal(case: str, seed: int, quick: bool, split: Any = "random", **settings: Any) -> Task:
    """A draw of parabolas in time."""
    n, p, of = _size(quick)
    truth = simulate_longitudinal_effects(
        n,
        p,
        n_subjects=1000 // of,
        variances=_numbers(case),
        split=split,
        random_state=seed,
    )
    return Task(truth, (Longitudinal(degree=2),), 1, seed, _fit(quick) | settings)


def spatial(case: str, seed: int, quick: bool, split: Any = "random", **settings: Any) -> Task:
    """A draw of fields with l² = .3, whose kernel the model knows and whose length scale it learns."""
    n, p, of = _size(quick)
    truth = simulate_spatial_effects(
        n,
        p,
        n_sites=10_000 // of,
        variance=float(case),
        split=split,
        random_state=seed,
    )
    return Task(truth, (Spatial(kernel="rbf"),), 1, seed, _fit(quick) | settings)


def _size(quick: bool) -> tuple[int, int, int]:
    return (10_000, 100, _SMALLER) if quick else (100_000, 100, 1)


def _fit(quick: bool) -> dict[str, Any]:
    return dict(_QUICK_FIT) if quick else {}


def _numbers(case: str) -> tuple[float, ...]:
    return tuple(float(part) for part in case.split(","))


class _Simulated(AbstractDesign):
    """What the designs share."""

    title: str
    about: str
    published: Figures
    draw: Callable[..., Task]

    @property
    def _cases(self) -> tuple[str, ...]:
        """In a quick run those whose comparison with a VAE without effects is printed: figures are of another size."""
        return tuple(case for case, figures in self.published.items() if IGNORED in figures or not self.quick)

    @property
    def _draws(self) -> int:
        return _QUICK_DRAWS if self.quick else _DRAWS

    @property
    def _methods(self) -> list[str]:
        return [method for method in METHODS if not (self.quick and method in _FULL_ONLY)]

    def jobs(self) -> list[Job]:
        return [
            Job(
                case,
                method,
                seed,
                partial(_measure, type(self).draw, method, case, seed, self.quick),
                _SECONDS.get(method, 1.0) * (1.0 if self.quick else 20.0),
            )
            for case in self._cases
            for seed in range(self._draws)
            for method in self._methods
        ]

    def read(self, measurements: Measurements) -> Reproduced:
        cases = self._cases
        names = dict.fromkeys(name for figures in self.published.values() for name in figures)
        size = (
            "10,000 rows, 100 features, a tenth of the levels, and few epochs: harder than the paper's 100,000 rows"
            if self.quick
            else "100,000 rows, 100 features"
        )
        return Reproduced(
            title=self.title,
            about=f"{self.about} {size}, noise variance 1, a fifth of the rows to judge on, {self._draws} "
            f"draw{'s' * (self._draws > 1)}. What is known of effects comes from training rows alone, latents from "
            "the test rows. The oracle knows the signal of each test row, the refitted oracle the way from latents to "
            "signals; both know all variances.",
            header=("test MSE", *cases),
            published=[
                (f"paper: {name}", *(_figure(self.published[case].get(name)) for case in cases))
                for name in names
            ],
            ours=[
                (
                    f"ours: {method}",
                    *(
                        with_error(measurements.values(self.name, case, method), 3, self._draws)
                        for case in cases
                    ),
                )
                for method in self._methods
            ],
            claims=[claim for case in self.published for claim in self._claims(measurements, case)],
            findings=[text for case in cases for text in self._findings(measurements, case)],
        )

    def _claims(self, measurements: Measurements, case: str) -> list[Claim]:
        """The figure, and what is gained by not ignoring the effects."""
        printed = self.published[case]
        at = f"{self.title[0].lower()}{self.title[1:]}, σ_b² = {case}"
        absent = "" if case in self._cases else "not in the quick run"
        claims = [
            reaches(
                f"Test MSE of LMMVAE: {at}",
                printed["LMMVAE"],
                measurements.values(self.name, case, NONLINEAR),
                lower_is_better=True,
                places=2,
                incomparable="smaller than the paper's design" if self.quick else "",
                absent=absent,
            )
        ]
        if IGNORED in printed:
            claims.append(
                exceeds(
                    f"LMMVAE beats a VAE that ignores the effects: {at}",
                    measurements.differences(self.name, case, IGNORED, NONLINEAR),
                    published=printed[IGNORED] - printed["LMMVAE"],
                    places=2,
                    comparable=not self.quick,  # a VAE that sees less is worse by itself
                    absent=absent,
                )
            )
        return claims

    def _findings(self, measurements: Measurements, case: str) -> list[str]:
        mean = {
            method: mean_and_error(measurements.values(self.name, case, method))[0]
            for method in self._methods
        }
        if np.isnan(mean[NONLINEAR]):
            return []
        said = [
            f"σ_b² = {case}: {NONLINEAR} is {mean[NONLINEAR] - mean['oracle']:+.3f} from the oracle, "
            f"{mean[NONLINEAR] - mean['refitted oracle']:+.3f} from the refitted one; a VAE without effects is "
            f"{mean[IGNORED] - mean['oracle']:+.3f}."
        ]
        if mean.get(LINEAR, np.inf) < mean[NONLINEAR]:
            said.append(f"The linear model wins here ({mean[LINEAR]:.3f} against {mean[NONLINEAR]:.3f}).")
        return [*said, *self._of_the_fit(measurements, case)]

    def _of_the_fit(self, measurements: Measurements, case: str) -> list[str]:
        """Latents and variances beside the truth."""
        facts = [row.facts for row in measurements.select(self.name, case, NONLINEAR)]
        ratios = {
            name: [fact["variance_ratios"][name] for fact in facts] for name in facts[0]["variance_ratios"]
        }
        spread = ", ".join(f"{name} {np.mean(values):.3f}" for name, values in ratios.items())
        correlation = np.array([fact["latent_correlation"] for fact in facts])
        return [
            f"Its latents and the true ones have rank correlations from {correlation.min():.3f} to "
            f"{correlation.max():.3f}; variances found, as parts of the true ones: {spread}."
        ]


def _measure(
    draw: Callable[..., Task], method: str, case: str, seed: int, quick: bool
) -> tuple[float, dict[str, Any]]:
    return measure(method, draw(case, seed, quick))


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:g}"


@final
class Categorical(_Simulated):
    """Three groupings of 1000, 3000 and 5000 levels."""

    name = "categorical"
    title = "Three groupings"
    about = "Effects of 1000, 3000 and 5000 levels whose labels are sorted alike, by nominal variances σ_b²."
    published = published.CATEGORICAL
    draw = staticmethod(categorical)


@final
class TwoLatents(_Simulated):
    """The groupings with two latent coordinates."""

    name = "categorical, d = 2"
    title = "Three groupings, two latent coordinates"
    about = "The same design with d = 2."
    published = published.CATEGORICAL_2
    draw = staticmethod(partial(categorical, d=2))


@final
class LongitudinalRandom(_Simulated):
    """Parabolas of 1000 subjects, random visits held out."""

    name = "longitudinal, random"
    title = "Parabolas in time, random visits held out"
    about = (
        "1000 subjects with coefficients of 1, t and t² of variances σ_b², correlated by .3 with the first."
    )
    published = published.LONGITUDINAL_RANDOM
    draw = staticmethod(longitudinal)


@final
class LongitudinalFuture(_Simulated):
    """The same with the latest visits held out."""

    name = "longitudinal, future"
    title = "Parabolas in time, the latest fifth of the visits held out"
    about = LongitudinalRandom.about
    published = published.LONGITUDINAL_FUTURE
    draw = staticmethod(partial(longitudinal, split="future"))


@final
class SpatialRandom(_Simulated):
    """Fields over 10,000 sites, random rows held out."""

    name = "spatial, random"
    title = "Fields in space, random rows held out"
    about = "A Gaussian random field over 10,000 sites of a square for every feature, by nominal variance, l² = .3."
    published = published.SPATIAL_RANDOM
    draw = staticmethod(spatial)


@final
class SpatialUnknown(_Simulated):
    """The same with a fifth of the sites held out."""

    name = "spatial, unknown"
    title = "Fields in space, a fifth of the sites held out"
    about = SpatialRandom.about
    published = published.SPATIAL_UNKNOWN
    draw = staticmethod(partial(spatial, split="unknown"))
