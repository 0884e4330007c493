"""The section of a mixed model."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, final

import narwhals as nw
import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from intertwine.compare import RegressionTask
from intertwine.report.fit_code import effects_code
from intertwine.report.mixed_cautions import mixed_cautions
from intertwine.report.mixed_figures import pictures_of_effects, pictures_of_fit
from intertwine.report.mixed_findings import MixedFindings, fixed_table, variance_table
from intertwine.report.mixed_verdict import mixed_headline, mixed_verdict
from intertwine.report.picture import Picture
from intertwine.report.section import AbstractSection, fit_settings
from intertwine.report.study import Study
from intertwine.report.tables import Table, error_or_score_table
from intertwine.report.words import count, listed, number

__all__ = ["MixedSection", "mixed_section"]

_FOLDS = 5
_BESIDE = ("groups", "time", "coords")


@final
@dataclass(frozen=True, kw_only=True)
class MixedSection(AbstractSection):
    """Variances between groups, times and places, and fixed effects.

    Attributes
    ----------
    unit_scores : Table or None
        On whole groups or regions.
    unit : str
        What the groups are called.
    fit_pictures : list of Picture
    variances : Table
    shapes : str
        Length scales and the like, in words.
    fixed : Table or None
    effect_pictures : list of Picture
    """

    template: ClassVar[str] = "mixed.html"

    unit_scores: Table | None
    unit: str
    fit_pictures: list[Picture]
    variances: Table
    shapes: str
    fixed: Table | None
    effect_pictures: list[Picture]


def mixed_section(study: Study, identifier: str, on_step: Callable[[str], None]) -> MixedSection:
    """The section of a mixed model."""
    on_step(f"{study.title}: held-out predictions")
    predictions = _held_out(study)
    on_step(f"{study.title}: pictures")
    findings = MixedFindings.of(study)
    sentences = mixed_verdict(study, findings)
    return MixedSection(
        study=study,
        id=identifier,
        facts=_facts(study, findings),
        headline=mixed_headline(study),
        strongest=sentences[-1] if sentences else "",
        verdict=sentences,
        scores=error_or_score_table(study.comparison),
        unit_scores=error_or_score_table(study.by_unit),
        unit=study.unit,
        fit_pictures=[] if predictions is None else pictures_of_fit(study, predictions),
        variances=variance_table(findings, study.target),
        shapes=_shapes(study),
        fixed=fixed_table(findings, study.target),
        effect_pictures=pictures_of_effects(study, findings),
        sureness=_sureness(study, predictions),
        cautions=mixed_cautions(study, findings, predictions),
        code=effects_code(study),
        fit=_settings(study),
    )


def _held_out(study: Study) -> dict[str, NDArray[Any]] | None:
    """Predict every row by a model that did not see it; of the comparison where there is one."""
    if study.comparison is not None and study.comparison.out_of_fold is not None:
        return study.comparison.out_of_fold
    if study.y is None:
        return None
    y, task = study.y, RegressionTask()
    mean, std = np.empty(y.shape), np.empty(y.shape)
    for train, test in task.splits(y, _FOLDS, 0):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the whole table they were heard when the model was fitted
            model = clone(study.estimator).fit(_rows(study.X, train), y[train], **_beside(study, train))
            mean[test], std[test] = model.predict(
                _rows(study.X, test), return_std=True, **_beside(study, test)
            )
    return {"mean": mean, "std": std}


def _beside(study: Study, rows: NDArray[np.intp]) -> dict[str, Any]:
    given = {name: getattr(study, name) for name in _BESIDE}
    return {name: _rows(values, rows) for name, values in given.items() if values is not None}


def _rows(values: Any, rows: NDArray[np.intp]) -> Any:
    if values is None:
        return None
    native = nw.from_native(values, pass_through=True, allow_series=True)
    return np.asarray(values)[rows] if native is values else native[rows].to_native()


def _facts(study: Study, findings: MixedFindings) -> list[tuple[str, str]]:
    facts = [("To predict", study.target)]
    if study.y is not None:
        facts.append(("Rows", f"{len(study.y):,}"))
    facts += [(f"Levels of {name}", f"{findings.n_levels(name):,}") for name in findings.effects]
    n_fixed = int(np.unique(findings.fixed["term"].astype(str)).size)
    facts += [("Fixed effects", f"{n_fixed}"), ("Model", type(study.estimator).__name__)]
    return facts


def _shapes(study: Study) -> str:
    told = [
        f"{what.replace('_', ' ')} {number(value)} ({name})"
        for name, shapes in study.estimator.shapes_.items()
        for what, value in shapes.items()
    ]
    return f"Learnt with the variances: {listed(told)}." if told else ""


def _sureness(study: Study, predictions: dict[str, NDArray[Any]] | None) -> list[str]:
    estimator = study.estimator
    how = {
        "reml": "Variances are those of the greatest restricted likelihood, which knows that fixed effects are "
        "estimates",
        "ml": "Variances are those of the greatest likelihood",
    }[estimator.method]
    ended = "settled" if np.all(estimator.converged_) else "did not settle"
    told = [
        f"{how}; the search {ended} after {count(estimator.n_iter_, 'iteration')}. Given these variances, random "
        "effects are integrated out exactly, so fixed effects, levels and predictions have exact standard errors; how "
        "sure the variances themselves are is not in them."
    ]
    if predictions is not None and "std" in predictions:
        low, high = np.nanquantile(
            predictions["std"].reshape(len(predictions["std"]), -1)[:, 0], [0.05, 0.95]
        )
        told.append(
            f"The standard deviation of a row to come was between {number(float(low), 3)} and "
            f"{number(float(high), 3)} for nine in ten held-out rows: the less is known of its group, the larger it is."
        )
    return told


def _settings(study: Study) -> list[tuple[str, str]]:
    estimator = study.estimator
    shown = [("method", estimator.method)]
    for label, value in (
        ("log-likelihood", estimator.log_likelihood_),
        ("AIC", estimator.aic_),
        ("BIC", estimator.bic_),
    ):
        shown.append((label, ", ".join(f"{one:,.2f}".replace("-", "−") for one in np.atleast_1d(value)[:3])))
    return [*shown, *fit_settings(study)]
