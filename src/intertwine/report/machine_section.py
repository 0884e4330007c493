"""The section of a factorization machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from intertwine.report.figures import held_out_predictions
from intertwine.report.findings import Findings
from intertwine.report.fit_code import code_of
from intertwine.report.machine_cautions import machine_cautions
from intertwine.report.machine_figures import (
    picture_of_trace,
    pictures_of_held_out,
    pictures_of_strongest,
    pictures_of_surfaces,
)
from intertwine.report.machine_findings import FEW_ROWS, find_strongest
from intertwine.report.pair_section import PairSection, facts_of
from intertwine.report.section import fit_settings, headline_of
from intertwine.report.study import Study
from intertwine.report.tables import Table, interaction_table, score_table
from intertwine.report.verdict import gain_over_main_effects, how_well, is_a_rival_better
from intertwine.report.words import number, plus_minus

__all__ = ["machine_section", "machine_verdict", "scale_of_scores"]


def machine_section(study: Study, identifier: str, on_step: Callable[[str], None]) -> PairSection:
    """The section of a machine that answers for all rows."""
    on_step(f"{study.title}: held-out predictions")
    predictions = held_out_predictions(study)
    on_step(f"{study.title}: pictures")
    findings = _findings(study)
    sentences = [*machine_verdict(study, predictions), _strongest(findings)]
    return PairSection(
        study=study,
        id=identifier,
        facts=[*facts_of(study, findings.n_pairs), ("Factors", f"{study.estimator.n_components}")],
        headline=headline_of(study),
        strongest=sentences[-1],
        verdict=sentences,
        scores=score_table(study.comparison),
        fit_pictures=[] if predictions is None else pictures_of_held_out(study, predictions),
        interactions=_table(study, findings),
        interaction_pictures=pictures_of_strongest(study, findings),
        pair_pictures=pictures_of_surfaces(study, findings),
        sureness=_sureness(study, findings),
        sureness_pictures=picture_of_trace(study),
        cautions=machine_cautions(study, findings, predictions),
        code=code_of(study),
        fit=_settings(study),
    )


def _table(study: Study, findings: Findings) -> Table:
    if not findings.has_errors:
        return interaction_table(findings, scale_of_scores(study))
    met = any(row.n_rows is not None and row.n_rows >= FEW_ROWS for row in findings.interactions)
    note = f"Pairs that fewer than {FEW_ROWS} rows have together come last." if met else ""
    return interaction_table(findings, scale_of_scores(study), which="The surest of the strongest", note=note)


def machine_verdict(study: Study, predictions: dict[str, NDArray[Any]] | None) -> list[str]:
    """How well it predicts, whether pairs help, and whether a rival is better."""
    sentences = []
    if study.comparison is not None:
        sentences.append(how_well(study, study.comparison))
    if predictions is not None:
        sentences.append(_against_no_model(study, predictions))
    if study.comparison is not None:
        sentences.append(gain_over_main_effects(study.comparison))
        sentences.append(is_a_rival_better(study.comparison))
    return [sentence for sentence in sentences if sentence]


def _against_no_model(study: Study, predictions: dict[str, NDArray[Any]]) -> str:
    """How far held-out predictions are off, beside those that one makes without a model."""
    assert study.y is not None
    if "mean" in predictions:
        error = float(np.sqrt(np.mean((study.y - predictions["mean"]) ** 2)))
        return (
            f"Predictions of rows it has not seen are off by {number(error)} (root mean square), where the mean alone"
            f" is off by {number(float(np.std(study.y)))}."
        )
    classes, sizes = np.unique(study.y, return_counts=True)
    right = float(np.mean(classes[np.argmax(predictions["probability"], axis=1)] == study.y))
    return (
        f"It names the class of {right:.0%} of the rows it has not seen, where the most frequent class alone"
        f" is right for {sizes.max() / sizes.sum():.0%}."
    )


def scale_of_scores(study: Study) -> str:
    """The unit of effects of two features that are one."""
    scale = f"units of {study.target}"
    if study.task.name == "classification":
        scale = "probits" if study.estimator.solver_ == "gibbs" else "log odds"
    numbers = " (a number: one standard deviation above its mean)" if study.units else ""
    return f"{scale} where both features are one{numbers}"


def _findings(study: Study) -> Findings:
    if study.estimator.n_components == 0:
        return Findings([], [], 0, 0, has_errors=False, has_bootstrap=False, no_bootstrap="")
    return find_strongest(study)


def _strongest(findings: Findings) -> str:
    if not findings.interactions:
        return "The model holds no interactions."
    top = findings.interactions[0]
    label = "" if top.label is None else f" (for “{top.label}”)"
    told = f"The surest strong pair is {top.term}{label}, {plus_minus(top.estimate, top.std_error)}"
    if not findings.has_errors:
        return f"{told}."
    verb, shown = "is" if findings.n_clear == 1 else "are", len(findings.interactions)
    return f"{told}; {_apart(findings).lower()} of the {shown} in the table {verb} clear of zero."


def _apart(findings: Findings) -> str:
    return "None" if findings.n_clear == 0 else f"{findings.n_clear}"


def _sureness(study: Study, findings: Findings) -> list[str]:
    if not findings.has_errors:
        return [
            "There is one set of coefficients, and no spread to tell how sure they are: solver='gibbs' gives one."
        ]
    estimator = study.estimator
    text = (
        f"The s.e. in the table is the standard deviation over {_n_draws(study):,} draws from the posterior, of "
        f"{estimator.n_iter_:,} sweeps less a burn-in of {estimator.n_burn_in_:,}. The draws let everything vary: "
        "coefficients, factors, their strengths and the noise."
    )
    verb, shown = "is" if findings.n_clear == 1 else "are", len(findings.interactions)
    clear = f"{_apart(findings)} of these {shown} {verb} clear of zero."
    chosen = (
        "The pairs in the table were picked as the surest of very many: their estimates are shrunken, but their order "
        f"is not sure. {clear}"
    )
    return [text, chosen]


def _n_draws(study: Study) -> int:
    estimator = study.estimator
    return min(int(estimator.n_samples), int(estimator.n_iter_ - estimator.n_burn_in_))


def _settings(study: Study) -> list[tuple[str, str]]:
    settings = [("components", str(study.estimator.n_components)), *fit_settings(study)]
    reduction = getattr(study.estimator, "scale_reduction_", None)
    return settings if reduction is None else [*settings, ("scale reduction", f"{reduction:.3f}")]
