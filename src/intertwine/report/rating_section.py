"""The section of a model of ratings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from intertwine.report.figures import held_out_predictions
from intertwine.report.fit_code import code_of
from intertwine.report.picture import Picture
from intertwine.report.rating_cautions import rating_cautions
from intertwine.report.rating_figures import picture_of_convergence, pictures_of_maps, pictures_of_ratings
from intertwine.report.rating_findings import Ratings, idle_factors, level_table, neighbour_table, what_moves
from intertwine.report.rating_verdict import headline, rating_verdict
from intertwine.report.section import AbstractSection, fit_settings
from intertwine.report.study import Study
from intertwine.report.tables import Table, error_or_score_table
from intertwine.report.words import count, number

__all__ = ["RatingSection", "rating_section"]


@final
@dataclass(frozen=True, kw_only=True)
class RatingSection(AbstractSection):
    """What users and items share.

    Attributes
    ----------
    fit_pictures : list of Picture
    moves : list of str
        What ratings hang on.
    levels, neighbours : Table or None
    no_tastes : str
        Said where factors do too little to be read.
    maps : list of Picture
    """

    template: ClassVar[str] = "ratings.html"

    fit_pictures: list[Picture]
    moves: list[str]
    levels: Table | None
    neighbours: Table | None
    no_tastes: str
    maps: list[Picture]


def rating_section(study: Study, identifier: str, on_step: Callable[[str], None]) -> RatingSection:
    """The section of a latent-factor model."""
    on_step(f"{study.title}: held-out predictions")
    predictions = held_out_predictions(study)
    on_step(f"{study.title}: pictures")
    ratings = Ratings.of(study)
    levels = level_table(study, ratings)
    highest = [row["item"] for row in levels.rows[:3]] if levels else []
    sentences = rating_verdict(study, predictions, highest)
    return RatingSection(
        study=study,
        id=identifier,
        facts=_facts(study, ratings),
        headline=headline(study, predictions),
        strongest=sentences[-1] if sentences else "",
        verdict=sentences,
        scores=error_or_score_table(study.comparison),
        fit_pictures=[] if predictions is None else pictures_of_ratings(study, ratings, predictions),
        moves=what_moves(study, ratings),
        levels=levels,
        neighbours=neighbour_table(study, ratings),
        no_tastes=idle_factors(study.estimator),
        maps=pictures_of_maps(study),
        sureness=_sureness(study, predictions),
        sureness_pictures=picture_of_convergence(study),
        cautions=rating_cautions(study, ratings, predictions),
        code=code_of(study),
        fit=[("components", str(study.estimator.n_components)), *fit_settings(study)],
    )


def _facts(study: Study, ratings: Ratings) -> list[tuple[str, str]]:
    estimator = study.estimator
    facts = [("Target", study.target), ("Ratings", f"{ratings.n:,.0f}")]
    if study.y is not None:
        facts.append(("Scale", f"{study.y.min():g} to {study.y.max():g}"))
    facts += [
        ("Users", f"{ratings.user_counts.size:,}"),
        ("Items", f"{ratings.item_counts.size:,}"),
        ("Pairs rated", f"{ratings.density:.2%}"),
        ("Factors", f"{estimator.item_factors_.shape[1]}"),
        ("Model", type(estimator).__name__),
    ]
    return facts


def _sureness(study: Study, predictions: dict[str, NDArray[Any]] | None) -> list[str]:
    estimator = study.estimator
    how = {
        "variational": "The posterior of levels and factors was approximated by independent Gaussians, one for each "
        "user and item; strengths and noise were learnt from the ratings.",
        "gibbs": "Levels and factors were drawn from their posterior, with their strengths and the noise.",
    }.get(estimator.solver_)
    if how is None:
        text = (
            f"The solver ({estimator.solver_}) finds one set of coefficients, and no spread to tell how sure they are: "
            "solver='variational' and 'gibbs' give one."
        )
        return [text, _noise(study)]
    if predictions is None or "std" not in predictions:
        return [how, _noise(study)]
    low, high = np.quantile(predictions["std"], [0.05, 0.95])
    return [
        f"{how} {_noise(study)}",
        f"The standard deviation of a rating that is to come was between {number(float(low), 3)} and "
        f"{number(float(high), 3)} for nine in ten held-out ratings: the less is known of a user and an item, the "
        "larger it is.",
    ]


def _noise(study: Study) -> str:
    iterations = count(study.estimator.n_iter_, "iteration")
    return (
        f"After {iterations}, ratings that were fitted deviate by {number(study.estimator.noise_, 3)} from what the "
        "model says of them."
    )
