"""The section of local factorization machines."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from intertwine.compare import FACTORIZATION
from intertwine.report.figures import held_out_predictions
from intertwine.report.findings import Findings
from intertwine.report.fit_code import code_of
from intertwine.report.machine_cautions import local_cautions
from intertwine.report.machine_figures import (
    picture_of_experts,
    picture_of_trace,
    pictures_of_held_out,
    pictures_of_surfaces,
)
from intertwine.report.machine_findings import find_strongest
from intertwine.report.machine_section import machine_verdict, scale_of_scores
from intertwine.report.pair_section import PairSection, facts_of
from intertwine.report.section import fit_settings, headline_of
from intertwine.report.study import Study
from intertwine.report.tables import interaction_table, score_table
from intertwine.report.verdict import gain_over
from intertwine.report.words import count, number, signed

__all__ = ["local_section"]


def local_section(study: Study, identifier: str, on_step: Callable[[str], None]) -> PairSection:
    """The section of machines that each answer for a part of the feature space."""
    on_step(f"{study.title}: held-out predictions")
    predictions = held_out_predictions(study)
    on_step(f"{study.title}: pictures")
    findings = find_strongest(study)
    sentences = [*machine_verdict(study, predictions), *_do_experts_help(study), _strongest(findings)]
    estimator = study.estimator
    settings = [("experts", str(estimator.n_anchors)), ("components", str(estimator.n_components))]
    return PairSection(
        study=study,
        id=identifier,
        facts=[*facts_of(study, findings.n_pairs), ("Experts", f"{estimator.n_anchors}")],
        headline=headline_of(study),
        strongest=sentences[-1],
        verdict=sentences,
        scores=score_table(study.comparison),
        fit_pictures=[] if predictions is None else pictures_of_held_out(study, predictions),
        interactions=interaction_table(findings, scale_of_scores(study)),
        pair_pictures=pictures_of_surfaces(study, findings),
        experts=_experts(study),
        expert_pictures=picture_of_experts(study) if study.has_data else [],
        sureness=[
            "A descent gives one set of coefficients and no standard errors. How sure predictions are is told by the "
            "held-out rows; how sure the reading is, by fitting again with other seeds."
        ],
        sureness_pictures=picture_of_trace(study),
        cautions=local_cautions(study, predictions),
        code=code_of(study),
        fit=[*settings, *fit_settings(study)],
    )


def _do_experts_help(study: Study) -> list[str]:
    if study.comparison is None or FACTORIZATION not in study.comparison.names:
        return []
    return [gain_over(study.comparison, FACTORIZATION, "Local experts", "one machine for all rows")]


def _strongest(findings: Findings) -> str:
    top = findings.interactions[0]
    return f"The strongest pair of any expert is {top.term} ({signed(top.estimate, 3)}, expert {top.expert})."


def _experts(study: Study) -> list[str]:
    estimator = study.estimator
    space = {"features": "all features", "latent": "a latent space that was learnt"}
    measured = space.get(estimator.space) if isinstance(estimator.space, str) else "some of the columns"
    text = f"Each row is answered by a blend of the experts whose anchors are near, where near is told by {measured}."
    if not study.has_data:
        return [text]
    neighbors = estimator.effective_neighbors(study.X, study.first_class)
    low, middle, high = np.quantile(neighbors, [0.05, 0.5, 0.95])
    answering = np.unique(estimator.responsible_expert(study.X, study.first_class)).size
    return [
        text,
        f"In effect a row is answered by {number(float(middle), 2)} experts (from {number(float(low), 2)} to "
        f"{number(float(high), 2)} for nine rows in ten); {count(answering, 'expert')} "
        f"{'is' if answering == 1 else 'are'} the first to answer for some rows.",
    ]
