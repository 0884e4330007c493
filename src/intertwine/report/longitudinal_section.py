"""The section of a model of subjects' visits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from intertwine.compare import Comparison
from intertwine.plots._groups import group_labels
from intertwine.report.fit_code import effects_code
from intertwine.report.longitudinal_cautions import longitudinal_cautions
from intertwine.report.longitudinal_figures import (
    pictures_of_basis,
    pictures_of_curves,
    pictures_of_latents,
    pictures_of_shares,
    pictures_of_visits,
)
from intertwine.report.longitudinal_findings import (
    LongitudinalFindings,
    axis_table,
    basis_table,
    covariance_table,
    effect_table,
    score_told,
    shares_told,
)
from intertwine.report.picture import Picture
from intertwine.report.section import AbstractSection, fit_settings, headline_of
from intertwine.report.study import Study
from intertwine.report.tables import Table, score_table
from intertwine.report.words import count, number

__all__ = ["LongitudinalSection", "longitudinal_section"]


@final
@dataclass(frozen=True, kw_only=True)
class LongitudinalSection(AbstractSection):
    """Effects on latents of visits, and what they move.

    Attributes
    ----------
    unit_scores : Table or None
        On whole subjects.
    unit : str
        What the subjects are called.
    visit_pictures : list of Picture
    effects : Table
    covariances : Table or None
    share_pictures, curve_pictures : list of Picture
    axes : Table
    latent_pictures : list of Picture
    basis : Table or None
    basis_pictures : list of Picture
    """

    template: ClassVar[str] = "longitudinal.html"

    unit_scores: Table | None
    unit: str
    visit_pictures: list[Picture]
    effects: Table
    covariances: Table | None
    share_pictures: list[Picture]
    curve_pictures: list[Picture]
    axes: Table
    latent_pictures: list[Picture]
    basis: Table | None
    basis_pictures: list[Picture]


def longitudinal_section(
    study: Study, identifier: str, on_step: Callable[[str], None]
) -> LongitudinalSection:
    """The section of a model of subjects' visits."""
    on_step(f"{study.title}: shares of variance")
    findings = LongitudinalFindings.of(study)
    on_step(f"{study.title}: pictures")
    shares = shares_told(findings)
    return LongitudinalSection(
        study=study,
        id=identifier,
        facts=_facts(study, findings),
        headline=headline_of(study),
        strongest=shares,
        verdict=[*_how_well(study), shares, _identified(findings)],
        scores=score_table(study.comparison),
        unit_scores=score_table(study.by_unit),
        unit=study.unit,
        visit_pictures=pictures_of_visits(study, findings),
        effects=effect_table(findings),
        covariances=covariance_table(findings),
        share_pictures=pictures_of_shares(study, findings),
        curve_pictures=pictures_of_curves(study, findings),
        axes=axis_table(findings),
        latent_pictures=pictures_of_latents(study, findings),
        basis=basis_table(findings),
        basis_pictures=list(pictures_of_basis(study, findings)),
        sureness=_sureness(study),
        cautions=longitudinal_cautions(study, findings),
        code=effects_code(study),
        fit=_settings(study),
    )


def _facts(study: Study, findings: LongitudinalFindings) -> list[tuple[str, str]]:
    facts = []
    if study.X is not None:
        facts += [("Visits", f"{len(study.X):,}"), ("Missing entries", f"{np.isnan(study.table).mean():.1%}")]
    if study.subject is not None:
        facts.append(("Subjects", f"{np.unique(group_labels(study.subject).astype(str)).size:,}"))
    facts += [("Measurements", f"{len(findings.features):,}"), ("Effects", str(len(findings.effects)))]
    return [*facts, ("Latents", str(len(findings.axes["axis"]))), ("Model", type(study.estimator).__name__)]


def _how_well(study: Study) -> list[str]:
    told = []
    for comparison, whose in (
        (study.comparison, "visits of known subjects"),
        (study.by_unit, "later visits of new subjects"),
    ):
        if comparison is not None:
            explained = f"{max(float(comparison.mean[0]), 0.0):.0%}"
            told.append(
                f"Of {whose} that were held out, {explained} of the variance is foretold "
                f"({score_told(comparison)}, on average over measurements){_against_best(comparison)}."
            )
    return told


def _against_best(comparison: Comparison) -> str:
    """How far the best rival is off."""
    if len(comparison.names) < 2:
        return ""
    best = 1 + int(np.nanargmax(comparison.mean[1:]))
    gain, error = -float(comparison.difference[best]), float(comparison.difference_std_error[best])
    size = f"{abs(gain):.3f} ± {error:.3f}"
    name = comparison.names[best]
    if abs(gain) <= 2 * error:
        return f"; that cannot be told from {name} ({gain:+.3f} ± {error:.3f})".replace("-", "−")
    if gain > 0:
        return f", {size} more than by {name}, the best of the others"
    return f", {size} less than by {name}: take the simpler model"


def _identified(findings: LongitudinalFindings) -> str:
    n_axes = len(findings.axes["axis"])
    if findings.rank == n_axes:
        return f"Effects can be told from noise in all {count(n_axes, 'direction')} of the latents."
    return (
        f"Effects can be told from noise in {findings.rank} of {count(n_axes, 'direction')} of the latents."
    )


def _sureness(study: Study) -> list[str]:
    estimator = study.estimator
    if estimator.objective == "exact":
        how = (
            "Given what the encoder says of each visit, coefficients of effects and what subjects have of their own "
            "are integrated out exactly; their variances are the most likely ones, by EM. Networks are those that "
            "maximised a lower bound of the likelihood, mixed with predictions of visits from others of their subject."
        )
    else:
        how = (
            "Coefficients have a mean-field posterior, as in the paper: variances of single ones are too small, and "
            "shares with them."
        )
    ended = f"The bound is {number(float(estimator.bound_), 5)} after {count(estimator.n_iter_, 'epoch')}."
    return [how, f"{ended} Another seed gives other networks: effects that matter should come again."]


def _settings(study: Study) -> list[tuple[str, str]]:
    estimator = study.estimator
    shown = [("components", str(estimator.n_components)), ("objective", estimator.objective)]
    shown += [(name.replace("_", " "), number(value, 3)) for name, value in estimator.length_scales_.items()]
    return [*shown, ("bound", number(float(estimator.bound_), 5)), *fit_settings(study)]
