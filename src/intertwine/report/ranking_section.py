"""The report on families compared: which apply, how they stand, and which to use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from intertwine.compare.candidates import OTHER, Candidate, Contested, TableComparison
from intertwine.compare.ranking import Ranking
from intertwine.report.cautions import Caution
from intertwine.report.ranking_words import advice
from intertwine.report.tables import Table, marks
from intertwine.report.words import listed, number, plus_minus, signed

__all__ = ["RankingSection", "ranking_section"]

_FAR_BELOW = -0.5  # R² and the like below which a mark would squeeze the others together


@final
@dataclass(frozen=True)
class Standing:
    """One table of models, what was held out for it, and which of them are out."""

    title: str
    about: str
    advice: list[str]
    scores: Table | None
    errors: bool
    folds: Table | None
    out: list[tuple[str, str]]


@final
@dataclass(frozen=True)
class RankingSection:
    """Everything that the template shows of a comparison across families."""

    template: ClassVar[str] = "ranking.html"

    id: str
    title: str
    about: str
    facts: list[tuple[str, str]]
    headline: str
    strongest: str
    verdict: list[str]
    candidates: list[Candidate]
    proposals: list[tuple[str, str, str]]
    standings: list[Standing]
    others: list[Candidate]
    notes: list[str]
    cautions: list[Caution]
    code: str


def ranking_section(found: TableComparison, identifier: str) -> RankingSection:
    """The section of a comparison."""
    standings = [
        _standing(contested, held_out, ranking)
        for contested in found.contests
        for held_out, ranking in contested.rankings
    ]
    asked = listed([contested.asks for contested in found.contests])
    verdict = [" ".join(standing.advice) for standing in standings]
    first = found.contests[0].on_rows
    return RankingSection(
        id=identifier,
        title="All models on the same folds",
        about="",
        facts=[("Asked for", asked), *found.facts],
        headline=_headline(first),
        strongest=standings[0].advice[0],
        verdict=verdict,
        candidates=list(found.candidates),
        proposals=list(found.proposals),
        standings=standings,
        others=[one for one in found.candidates if one.applies == OTHER],
        notes=list(dict.fromkeys(note for contested in found.contests for note in contested.notes)),
        cautions=_cautions(found),
        code=found.command,
    )


def _headline(ranking: Ranking) -> str:
    comparison = ranking.comparison
    if comparison is None:
        return ""
    score = plus_minus(float(comparison.mean[0]), float(comparison.std_error[0]))
    return f"{comparison.names[0]}: {comparison.task.metric} {score}"


def _standing(contested: Contested, held_out: str, ranking: Ranking) -> Standing:
    by_row = held_out == "rows"
    what = "further rows" if by_row else f"new {held_out}"
    out = [(name, f"failed: {why}") for name, why in ranking.failed.items()]
    out += [(name, f"was given up: {why}") for name, why in ranking.given_up.items()]
    out += [(name, f"was left out: {why}") for name, why in contested.skipped.items()] if by_row else []
    return Standing(
        title=f"{contested.asks[0].upper()}{contested.asks[1:]}: {what}",
        about="Rows were held out at random."
        if by_row
        else f"All rows of a level were held out together: {held_out} in a fold are new to the models.",
        advice=advice(ranking, held_out),
        scores=None if ranking.comparison is None else _scores(ranking),
        errors=ranking.comparison is not None and "RMSE" in ranking.comparison.errors,
        folds=None if ranking.comparison is None else _folds(ranking),
        out=out,
    )


def _scores(ranking: Ranking) -> Table:
    """Models from the best to the worst, with marks where they are on one scale with the best."""
    comparison = ranking.comparison
    assert comparison is not None
    mean, error = comparison.mean, comparison.std_error
    shown = mean >= min(_FAR_BELOW, float(mean[0]))
    low, high, found = marks(mean[shown], error[shown])
    places = iter(found)
    rows = []
    for i, name in enumerate(comparison.names):
        off = comparison.errors["RMSE"][i].mean() if "RMSE" in comparison.errors else np.nan
        rows.append(
            {
                "name": name,
                "family": ranking.families.get(name, ""),
                "use": name == ranking.choice,
                "score": f"{mean[i]:.3f}".replace("-", "−"),
                "std_error": f"{error[i]:.3f}",
                "difference": "" if i == 0 else signed(float(comparison.difference[i]), 3),
                "difference_std_error": "" if i == 0 else f"{comparison.difference_std_error[i]:.3f}",
                "rmse": number(float(off), 4),
                "seconds": number(float(comparison.seconds[i].mean()), 2),
                "word": ranking.word(i),
                **(next(places) if shown[i] else {"at": ""}),
            }
        )
    caption = (
        f"{comparison.task.metric} on {comparison.scores.shape[1]} held-out folds, mean and standard error; the same "
        "folds for all. Every model chose its settings inside each training part. Differences are to the first line, "
        "paired by fold, their standard error corrected for overlapping training parts. “As good”: within one standard "
        "error; “unsteady”: so too, but far behind on average; “worse”: beyond two. "
        "Families of intertwine are in bold; seconds are those of one fit with its search."
    )
    return Table(
        caption=caption, rows=rows, low=number(low, 3), high=number(high, 3), metric=comparison.task.metric
    )


def _folds(ranking: Ranking) -> Table:
    comparison = ranking.comparison
    assert comparison is not None
    rows = [
        {"name": name, "scores": [f"{score:.3f}".replace("-", "−") for score in scores]}
        for name, scores in zip(comparison.names, comparison.scores, strict=True)
    ]
    return Table(caption=f"{comparison.task.metric} of every fold.", rows=rows, metric=comparison.task.metric)


def _cautions(found: TableComparison) -> list[Caution]:
    told = [Caution("Read with care", text) for contested in found.contests for text in contested.cautions]
    told.append(
        Caution(
            "The best of many",
            "The model with the highest of many scores was also lucky: on other rows it will do a little less well. "
            "A difference within its standard error is none.",
        )
    )
    told += [
        Caution(name, text)
        for contested in found.contests
        for name, texts in contested.on_rows.said.items()
        for text in texts
    ]
    return told
