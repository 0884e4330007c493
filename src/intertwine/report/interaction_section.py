"""The section of a model in which every pair of features has an interaction of its own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from intertwine.report.cautions import cautions
from intertwine.report.figures import (
    held_out_predictions,
    picture_of_fit,
    picture_of_tie,
    pictures_of_interactions,
    pictures_of_pairs,
)
from intertwine.report.findings import Findings, InteractionRow, find
from intertwine.report.fit_code import code_of
from intertwine.report.pair_section import PairSection, facts_of, unit_of
from intertwine.report.section import fit_settings, headline_of
from intertwine.report.study import Study
from intertwine.report.tables import interaction_table, main_effect_table, score_table
from intertwine.report.verdict import verdict
from intertwine.report.words import number

__all__ = ["interaction_section"]


def interaction_section(study: Study, identifier: str, on_step: Callable[[str], None]) -> PairSection:
    """The section of an interaction estimator."""
    on_step(f"{study.title}: bootstrap" if study.n_bootstrap else study.title)
    findings = find(study)
    on_step(f"{study.title}: held-out predictions")
    predictions = held_out_predictions(study)
    on_step(f"{study.title}: pictures")
    unit = unit_of(study)
    sentences = verdict(study, findings)
    return PairSection(
        study=study,
        id=identifier,
        facts=facts_of(study, findings.n_pairs),
        headline=headline_of(study),
        strongest=sentences[-1],
        verdict=sentences,
        scores=score_table(study.comparison),
        fit_pictures=([] if predictions is None else picture_of_fit(study, predictions)),
        interactions=interaction_table(findings, unit, curved=study.curved),
        interaction_pictures=pictures_of_interactions(study, findings) + picture_of_tie(study),
        pair_pictures=pictures_of_pairs(study, findings),
        main_effects=main_effect_table(findings, unit, curved=study.curved),
        sureness=_sureness(study, findings),
        cautions=cautions(study, findings, predictions),
        code=code_of(study),
        fit=fit_settings(study),
    )


def _of_latent_vectors(rows: list[InteractionRow]) -> str:
    """What fitting the latent vectors has done to standard errors; nothing where there are none."""
    wider = [row.std_error / row.std_error_conditional for row in rows if row.std_error_conditional > 0]
    tied = any(row.std_error > row.std_error_conditional for row in rows)
    if not tied:
        return ""
    if not wider:
        return "They allow for the latent vectors, to first order, and for nothing else: pairs have no other freedom."
    return (
        "They allow for the latent vectors, which were fitted, to first order: with these held fixed, too, they would "
        f"be smaller by a factor of {number(float(np.median(wider)), 3)} (median)."
    )


def _sureness(study: Study, findings: Findings) -> list[str]:
    rows = [row for row in findings.interactions if np.isfinite(row.std_error) and row.std_error > 0]
    curved = study.curved
    if not rows and any(row.std_error_conditional > 0 for row in findings.interactions):
        return [
            "The standard errors of this model hold its latent vectors fixed, and are left out: they say too little. "
            "top_interactions() has them as std_error_conditional."
        ]
    if not rows and getattr(study.chosen, "solver_", None) == "exact":
        return [
            "The file of this model is too large to hold what standard errors are computed from: fit it again."
        ]
    if not rows:
        return [
            "The sparse solver gives no standard errors: an L1 penalty sets most pairs to exactly "
            "zero, and what is left is biased towards it."
        ]
    text = [
        "The standard errors and z in the table hold the hyperparameters fixed: they are the least that one should "
        f"allow. {_of_latent_vectors(rows)}".strip()
    ]
    if findings.no_bootstrap:
        text.append(findings.no_bootstrap)
    if findings.has_bootstrap:
        ratio = float(np.nanmedian([row.std_error_bootstrap / row.std_error for row in rows]))
        stable = sum(row.rank_stability >= 0.8 for row in rows)
        apart = sum(row.lower > 0 or row.upper < 0 for row in rows)
        text.append(
            "The bootstrap draws new targets from the fitted model and refits everything but the hyperparameters. "
            f"Over the {len(rows)} largest pairs its standard errors are {_compared(ratio)} "
            # a size is never negative, so its interval says nothing about zero
            + ("" if curved else f"{_of(apart, len(rows))} of their intervals stay clear of zero. ")
            + f"{_of(stable, len(rows))} of the pairs remain among the largest in at least 80% of the refits."
        )
    return text


def _of(n: int, total: int) -> str:
    return "All" if n == total else "None" if n == 0 else f"{n} of {total}"


def _compared(ratio: float) -> str:
    """What the size of the bootstrap's errors, relative to those in the table, means."""
    if ratio > 1.05:
        return (
            f"{number(ratio, 2)} times those in the table, on median: that is what fixed latent vectors hide."
        )
    if ratio > 0.7:
        return "about as large as those in the table."
    return (
        f"only {number(ratio, 2)} times those in the table, on median: the penalty holds the estimates near zero in "
        "every sample. The errors in the table also count what these rows cannot tell, so go by those."
    )
