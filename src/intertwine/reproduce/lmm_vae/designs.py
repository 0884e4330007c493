"""Health MNIST, rotating MNIST, and simulated visits: what is missing, what comes next, and which covariate does it."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar, final

import numpy as np

from intertwine.datasets.mnist import read_digits
from intertwine.reproduce.claims import Claim, exceeds, reaches
from intertwine.reproduce.design import AbstractDesign, Job, Reproduced
from intertwine.reproduce.lmm_vae import published
from intertwine.reproduce.lmm_vae.models import OURS, OurVAE, answered, simple_methods
from intertwine.reproduce.lmm_vae.simple import AbstractMethod
from intertwine.reproduce.lmm_vae.tasks import health_mnist, rotating_mnist, simulated
from intertwine.reproduce.lmm_vae.visits import Task
from intertwine.reproduce.measurements import Measurements, mean_and_error, with_error

__all__ = ["SETTINGS", "HealthMNIST", "RotatingMNIST", "Simulated"]

_DRAWS = 5
_NO_ANSWER = float("nan")
_RIVAL = "PCA, exact mixed model"  # the strongest of what is simpler, everywhere
_IRRELEVANT = "location"

#: Parameters of the estimator for each design.
SETTINGS: Mapping[str, dict[str, Any]] = {
    # chosen on held-out training subjects: plain epochs, joint ones with mixtures of subjects, a long last phase
    "health-mnist": {
        "n_components": 32,
        "noise": "shared",
        "n_given": 5,
        "warm_up": 12,
        "max_iter": 12,
        "decoder_iter": 8,
        "mixup": 0.5,
        "beta": 5.0,
        "gsnn_weight": 0.4,
        "learning_rate": 1.5e-3,
    },
    "rotating-mnist": {
        "n_components": 32,
        "noise": "shared",
        "warm_up": 20,
        "max_iter": 60,
        "decoder_iter": 60,
    },
    "simulated": {"n_components": 4},
}

#: What a quick run has in their place: rotating digits need all threes, and so fewer epochs.
_QUICK_SETTINGS: Mapping[str, dict[str, Any]] = {
    "rotating-mnist": {"warm_up": 8, "max_iter": 25, "decoder_iter": 25},
}


class AbstractTaskDesign(AbstractDesign):
    """What the designs share: methods × questions, a draw for each seed; ``rank`` is that of principal components."""

    title: ClassVar[str]
    about: ClassVar[str]
    questions: ClassVar[tuple[str, ...]]
    relevant: ClassVar[tuple[str, ...]] = ()  #: effects that are there, beside one that is not
    rank: ClassVar[int]
    left_out: ClassVar[tuple[str, ...]] = ()
    seconds: ClassVar[float]  #: about what ours takes in a quick run
    quick_draws: ClassVar[int] = 3

    @property
    def _methods(self) -> dict[str, Callable[[], AbstractMethod]]:
        simple = {name: make for name, make in simple_methods(self.rank).items() if name not in self.left_out}
        settings = SETTINGS[self.name] | (_QUICK_SETTINGS.get(self.name, {}) if self.quick else {})
        return {**simple, OURS: partial(OurVAE, **settings)}

    @property
    def _draws(self) -> int:
        return self.quick_draws if self.quick else _DRAWS

    @staticmethod
    @abc.abstractmethod
    def draw(seed: int, quick: bool) -> Task:
        """The visits of a seed."""

    @abc.abstractmethod
    def absent(self) -> list[str]:
        """What keeps the design from being measured here."""

    @abc.abstractmethod
    def published(self) -> dict[str, float]:
        """By method, of the first question."""

    @final
    def jobs(self) -> list[Job]:
        if self.absent():
            return []
        first = self.questions[0]
        return [
            Job(
                first,
                method,
                seed,
                partial(_measure, type(self).draw, make, seed, self.quick, self.questions),
                (self.seconds if method == OURS else 0.1 * self.seconds) * (1.0 if self.quick else 8.0),
            )
            for seed in range(self._draws)
            for method, make in self._methods.items()
        ]

    @final
    def read(self, measurements: Measurements) -> Reproduced:
        found = {method: self._by_question(measurements, method) for method in self._methods}
        return Reproduced(
            title=self.title,
            about=f"{self.about} Mean squared errors, {self._draws} draw{'s' * (self._draws > 1)}.",
            header=("MSE", *self.questions),
            published=[
                (f"published: {name}", f"{value:.4f}", *("–" for _ in self.questions[1:]))
                for name, value in self.published().items()
            ],
            ours=[
                (f"ours: {method}", *(with_error(values, 4, self._draws) for values in cells.values()))
                for method, cells in found.items()
                if any(len(values) for values in cells.values())
            ],
            claims=self._claims(measurements),
            findings=self._findings(found, measurements),
            absent=self.absent(),
        )

    def _by_question(self, measurements: Measurements, method: str) -> dict[str, np.ndarray]:
        rows = measurements.select(self.name, self.questions[0], method)
        cells = {question: [row.facts["errors"].get(question) for row in rows] for question in self.questions}
        return {
            question: np.array([value for value in values if value is not None])
            for question, values in cells.items()
        }

    def _findings(self, found: dict[str, dict[str, np.ndarray]], measurements: Measurements) -> list[str]:
        said = []
        for question in self.questions:
            means = {
                method: mean_and_error(cells[question])[0]
                for method, cells in found.items()
                if len(cells[question])
            }
            if OURS not in means or len(means) < 2:
                continue
            other = min((method for method in means if method != OURS), key=means.__getitem__)
            word = "best" if means[OURS] < means[other] else f"not ahead of {other}"
            said.append(
                f"{question.capitalize()}: {OURS} {means[OURS]:.4f} is {word}"
                + (f"; next is {other}, {means[other]:.4f}." if word == "best" else f", {means[other]:.4f}.")
            )
        return [*said, *self._shares(measurements)]

    def _claims(self, measurements: Measurements) -> list[Claim]:
        rows = {
            method: {row.seed: row.facts for row in measurements.select(self.name, self.questions[0], method)}
            for method in (OURS, _RIVAL)
        }
        ours, rival = rows[OURS], rows[_RIVAL]
        absent = "the digits are absent" if self.absent() else ""
        claims = [
            exceeds(
                f"LMM-VAE beats a mixed model of principal components: {question} ({self.title}, MSE)",
                [
                    rival[seed]["errors"][question] - facts["errors"][question]
                    for seed, facts in ours.items()
                    if seed in rival
                ],
                places=4,
                absent=absent,
            )
            for question in self.questions
        ]
        figures = self.published()
        if figures:
            best = min(figures, key=figures.__getitem__)
            claims.append(
                reaches(
                    f"LMM-VAE is as good as {best}, the best of those that it is set beside ({self.title}, "
                    f"{self.questions[0]}, MSE)",
                    figures[best],
                    [facts["errors"][self.questions[0]] for facts in ours.values()],
                    lower_is_better=True,
                    places=4,
                    absent=absent,
                )
            )
        if self.relevant:
            claims.append(
                exceeds(
                    f"Effects are told apart: the irrelevant covariate has a smaller share of the latents than any of "
                    f"{', '.join(self.relevant)} ({self.title})",
                    [
                        min(facts["shares"][name] for name in self.relevant) - facts["shares"][_IRRELEVANT]
                        for facts in ours.values()
                    ],
                    places=3,
                    absent=absent,
                )
            )
        return claims

    def _shares(self, measurements: Measurements) -> list[str]:
        """Which effect makes what of the latents."""
        rows = measurements.select(self.name, self.questions[0], OURS)
        if not rows:
            return []
        shares = {
            name: float(np.mean([row.facts["shares"][name] for row in rows]))
            for name in rows[0].facts["shares"]
        }
        parts = ", ".join(f"{name} {share:.3f}" for name, share in shares.items())
        return [f"Shares of the variance of latents: {parts}."]


def _measure(
    draw: Callable[[int, bool], Task],
    make: Callable[[], AbstractMethod],
    seed: int,
    quick: bool,
    questions: tuple[str, ...],
) -> tuple[float, dict[str, Any]]:
    said = answered(make, draw(seed, quick), seed)
    errors = {question: said.pop(question) for question in questions if question in said}
    return errors.get(questions[0], _NO_ANSWER), {"errors": errors, **said}


def _digits_absent() -> list[str]:
    try:
        read_digits(download_if_missing=False)
    except FileNotFoundError as absent:
        return [str(absent)]
    return []


@final
class HealthMNIST(AbstractTaskDesign):
    """Digits that turn when they are sick."""

    name = "health-mnist"
    title = "Health MNIST"
    about = (
        "Threes and sixes that drift as they age and turn when they are sick, 20 visits each, a quarter of the pixels "
        "missing. Imputation: the missing pixels of the training subjects. Future: visits 6 to 20 of new subjects by "
        "their first five. Answers of all methods are cut to the range of pixels, 0 to 1."
    )
    questions = ("imputation", "future")
    relevant = ("sex", "age", "disease_time", "subject")
    rank = 32
    seconds = 40.0

    @staticmethod
    def draw(seed: int, quick: bool) -> Task:
        return health_mnist(seed, quick)

    def absent(self) -> list[str]:
        return _digits_absent()

    def published(self) -> dict[str, float]:
        return {}


@final
class RotatingMNIST(AbstractTaskDesign):
    """Threes at sixteen angles."""

    name = "rotating-mnist"
    title = "Rotating MNIST"
    about = "Threes at fifteen angles; the sixteenth, at which none was ever seen, is to be drawn for 270 of them."
    questions = ("held-out angle",)
    rank = 32
    seconds = 60.0
    quick_draws = 2
    left_out = ("last value carried",)

    @staticmethod
    def draw(seed: int, quick: bool) -> Task:
        return rotating_mnist(seed, quick)

    def absent(self) -> list[str]:
        return _digits_absent()

    def published(self) -> dict[str, float]:
        return published.ROTATING


@final
class Simulated(AbstractTaskDesign):
    """Visits with a known truth; no files are needed."""

    name = "simulated"
    title = "Simulated visits"
    about = (
        "Three latent axes that are sums of effects of every kind, 30 features, four to twelve visits at irregular "
        "times, a fifth of the entries missing; errors are those of the signal, without its noise. True shares: sex "
        ".15, age .15, sex × age .10, disease time .15, dose .10, subject .20, subject × age .10, noise .05."
    )
    questions = ("imputation", "future")
    relevant = ("sex", "age", "sex × age", "disease_time", "dose", "subject", "subject × age")
    rank = 3
    seconds = 15.0

    @staticmethod
    def draw(seed: int, quick: bool) -> Task:
        return simulated(seed, quick)

    def absent(self) -> list[str]:
        return []

    def published(self) -> dict[str, float]:
        return {}
