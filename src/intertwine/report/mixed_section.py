"""The section of a mixed model."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from intertwine.compare import RegressionTask
from intertwine.report.cautions import Caution
from intertwine.report.mixed_cautions import mixed_cautions
from intertwine.report.mixed_figures import pictures_of_effects, pictures_of_fit
from intertwine.report.mixed_findings import MixedFindings, fixed_table, variance_table
from intertwine.report.mixed_verdict import mixed_headline, mixed_verdict
from intertwine.report.picture import Picture
from intertwine.report.section import fit_settings, versions_of
from intertwine.report.study import Study
from intertwine.report.tables import Table, error_table, score_table
from intertwine.report.words import count, listed, number

__all__ = ["MixedSection", "effects_code", "mixed_section"]

_BESIDE = ("groups", "time", "coords")
_OF_VISITS = ("covariates", "subject")


@dataclass(frozen=True)
class MixedSection:
    """Everything that the template shows of a study of groups, times and places; what is empty is left out.

    Attributes
    ----------
    id, title, about : str
    facts : list of (label, value)
    headline, strongest : str
        For the list of studies at the top.
    verdict : list of str
    scores, unit_scores : Table or None
        On rows held out, and on whole groups or regions.
    has_errors : bool
        Whether these are errors in the unit of the outcome.
    unit : str
        What the groups are called.
    fit_pictures : list of Picture
    variances : Table
    shapes : str
        Length scales and the like, in words.
    fixed : Table or None
    effect_pictures : list of Picture
    sureness : list of str
    sureness_pictures : sequence of Picture
    cautions : list of Caution
    code : str
    settings : list of lists of (label, value)
    no_scores : str
        Said where there are no scores.
    kind : str
        Which template shows it.
    """

    id: str
    title: str
    about: str
    facts: list[tuple[str, str]]
    headline: str
    strongest: str
    verdict: list[str]
    scores: Table | None
    unit_scores: Table | None
    has_errors: bool
    unit: str
    fit_pictures: list[Picture]
    variances: Table
    shapes: str
    fixed: Table | None
    effect_pictures: list[Picture]
    sureness: list[str]
    cautions: list[Caution]
    code: str
    settings: list[list[tuple[str, str]]]
    sureness_pictures: Sequence[Picture] = ()
    no_scores: str = "No cross-validation against other models was run; `intertwine compare` does that."
    kind: str = "mixed"


def mixed_section(study: Study, identifier: str, on_step: Callable[[str], None]) -> MixedSection:
    """The section of a mixed model."""
    on_step(f"{study.title}: held-out predictions")
    predictions = _held_out(study)
    on_step(f"{study.title}: pictures")
    findings = MixedFindings.of(study)
    sentences = mixed_verdict(study, findings)
    comparison = study.comparison
    has_errors = comparison is not None and "RMSE" in comparison.errors
    table_of = error_table if has_errors else score_table
    return MixedSection(
        id=identifier,
        title=study.title,
        about=study.about,
        facts=_facts(study, findings),
        headline=mixed_headline(study),
        strongest=sentences[-1] if sentences else "",
        verdict=sentences,
        scores=None if comparison is None else table_of(comparison),
        unit_scores=None if study.by_unit is None else table_of(study.by_unit),
        has_errors=has_errors,
        unit=study.unit,
        fit_pictures=[] if predictions is None else pictures_of_fit(study, predictions),
        variances=variance_table(findings, study.target),
        shapes=_shapes(study),
        fixed=fixed_table(findings, study.target),
        effect_pictures=pictures_of_effects(study, findings),
        sureness=_sureness(study, predictions),
        cautions=mixed_cautions(study, findings, predictions),
        code=effects_code(study),
        settings=[_settings(study), versions_of(study)],
    )


def _held_out(study: Study, n_splits: int = 5) -> dict[str, NDArray[Any]] | None:
    """Predict every row by a model that did not see it; of the comparison where there is one."""
    if study.comparison is not None and study.comparison.out_of_fold is not None:
        return study.comparison.out_of_fold
    if study.y is None:
        return None
    y, task = study.y, RegressionTask()
    mean, std = np.empty(y.shape), np.empty(y.shape)
    for train, test in task.splits(y, n_splits, 0):
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


def effects_code(study: Study) -> str:
    """The lines that fit the same model again."""
    estimator = study.estimator
    name = type(estimator).__name__
    effects = estimator.effects or ()
    effects = [effects] if not isinstance(effects, list | tuple) else list(effects)
    kinds = sorted({type(effect).__name__ for effect in effects})
    defaults = type(estimator)().get_params(deep=False)
    first = "effects=" if "n_components" in defaults else ""
    settings = [f"{first}[{', '.join(map(_effect_code, effects))}]"] if effects else []
    settings += [
        f"{key}={value!r}"
        for key, value in estimator.get_params(deep=False).items()
        if key != "effects" and repr(value) != repr(defaults[key])
    ]
    given = ["X", *(["y"] if _takes_y(estimator) else [])]
    given += [f"{one}={one}" for one in (*_BESIDE, *_OF_VISITS) if getattr(study, one) is not None]
    lines = [f"from intertwine import {name}"]
    if kinds:
        lines.append(f"from intertwine.effects import {', '.join(kinds)}")
    return "\n".join([*lines, "", f"model = {name}({', '.join(settings)})", f"model.fit({', '.join(given)})"])


def _takes_y(estimator: Any) -> bool:
    return hasattr(type(estimator), "predict") and getattr(estimator, "formula", None) is None


def _effect_code(effect: Any) -> str:
    """An effect with what differs from its defaults."""
    said = []
    for place, field in enumerate(dataclasses.fields(effect)):
        value = getattr(effect, field.name)
        if not isinstance(value, np.ndarray) and repr(value) == repr(field.default):
            continue
        if dataclasses.is_dataclass(value):
            shown = _effect_code(value)
        elif field.name == "factors":
            return " * ".join(map(_effect_code, value))
        else:
            shown = repr(value) if isinstance(value, str | int | float | tuple | bool) else "…"
        said.append(shown if place == 0 else f"{field.name}={shown}")
    return f"{type(effect).__name__}({', '.join(said)})"


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
