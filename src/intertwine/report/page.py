"""One static HTML file from one or several studies."""

from __future__ import annotations

import hashlib
import os
import platform
import re
from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any

import numpy as np
import scipy
import sklearn

import intertwine
from intertwine.io import write_atomically
from intertwine.report.cautions import cautions
from intertwine.report.figures import (
    held_out_predictions,
    picture_of_fit,
    picture_of_tie,
    pictures_of_interactions,
    pictures_of_pairs,
)
from intertwine.report.findings import Findings, find
from intertwine.report.study import Study
from intertwine.report.tables import interaction_table, main_effect_table, score_table
from intertwine.report.verdict import verdict
from intertwine.report.words import compact, number, plus_minus

__all__ = ["build_report", "write_report"]

_CODE_WIDTH = 70


def build_report(
    estimator: Any,
    X: Any = None,
    y: Any = None,
    *,
    path: str | os.PathLike[str],
    title: str = "What interacts",
    comparison: Any = None,
    **details: Any,
) -> None:
    """Write a report on one fitted estimator.

    Parameters
    ----------
    estimator : fitted interaction estimator
    X : frame or (n, p) array, optional
        The features that it was fitted on.  Without data, pictures that need rows are left out.
    y : (n,) array, optional
        The target.
    path : str or path-like
        Where the HTML file goes.
    title : str
    comparison : Comparison, optional
        From :func:`intertwine.compare.compare_models`, this model first.
    **details
        Further fields of :class:`Study`: ``target``, ``about``, ``time_unit``, ``notes``, ``n_bootstrap``.

    Raises
    ------
    ImportError
        If matplotlib or jinja2 is not installed.

    Examples
    --------
    A report needs a fitted model and, for its pictures, the data::

        model = InteractionRegressorCV().fit(X, y)
        build_report(model, X, y, path="report.html", title="Diabetes", target="progression")
    """
    study = Study(
        estimator, X, None if y is None else np.asarray(y), title=title, comparison=comparison, **details
    )
    write_report([study], path, title=title)


def write_report(
    studies: Sequence[Study],
    path: str | os.PathLike[str],
    *,
    title: str,
    date: str = "",
    on_step: Callable[[str], None] | None = None,
) -> None:
    """Write several studies into one HTML file.

    Parameters
    ----------
    studies : sequence of Study
    path : str or path-like
    title : str
    date : str, default ""
        Shown as given; without one, the same models give the same file.
    on_step : callable, optional
        Called with a few words before each longer step.

    Raises
    ------
    ImportError
        If matplotlib or jinja2 is not installed.
    """
    environment = _environment()
    sections = [_section(study, f"study-{i + 1}", on_step or _ignore) for i, study in enumerate(studies)]
    import markupsafe

    style = resources.files("intertwine.report").joinpath("templates/style.css").read_text(encoding="utf-8")
    html = environment.get_template("report.html").render(
        title=title,
        date=date,
        version=intertwine.__version__,
        style=markupsafe.Markup(style),
        sections=sections,
    )
    write_atomically(path, re.sub(r"\n\s*\n+", "\n", html).lstrip().encode())


def _environment() -> Any:
    from intertwine.plots._style import require_matplotlib

    require_matplotlib()
    try:
        import jinja2
    except ImportError as error:
        raise ImportError("a report needs jinja2: pip install 'intertwine[report]'") from error
    return jinja2.Environment(
        loader=jinja2.PackageLoader("intertwine.report"),
        autoescape=jinja2.select_autoescape(["html"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _section(study: Study, identifier: str, on_step: Callable[[str], None]) -> dict[str, Any]:
    """Everything that the template shows of one study."""
    on_step(f"{study.title}: bootstrap" if study.n_bootstrap else study.title)
    findings = find(study)
    on_step(f"{study.title}: held-out predictions")
    predictions = held_out_predictions(study)
    on_step(f"{study.title}: pictures")
    unit = _unit(study)
    sentences = verdict(study, findings)
    return {
        "id": identifier,
        "title": study.title,
        "about": study.about,
        "facts": _facts(study, findings),
        "headline": _headline(study),
        "strongest": sentences[-1],
        "verdict": sentences,
        "scores": None if study.comparison is None else score_table(study.comparison),
        "no_scores": "No cross-validation against other models was run; `intertwine compare` does that.",
        "fit_pictures": ([] if predictions is None else picture_of_fit(study, predictions)),
        "interactions": interaction_table(findings, unit, curved=study.curved),
        "interaction_pictures": pictures_of_interactions(study, findings) + picture_of_tie(study),
        "pair_pictures": pictures_of_pairs(study, findings),
        "main_effects": main_effect_table(findings, unit, curved=study.curved),
        "sureness": _sureness(study, findings),
        "cautions": cautions(study, findings, predictions),
        "code": _code(study),
        "settings": [_fit_settings(study), _versions(study)],
    }


def _facts(study: Study, findings: Findings) -> list[tuple[str, str]]:
    facts = [("Target", study.target)]
    if study.y is not None:
        facts.append(("Rows", f"{len(study.y):,}"))
        if study.task.name == "survival":
            facts.append(("Events", f"{int(np.sum(study.y['event'])):,}"))
        if study.task.name == "classification":
            labels, sizes = np.unique(study.y, return_counts=True)
            shown = [f"{size:,} {label}" for label, size in zip(labels[:4], sizes[:4], strict=True)]
            facts.append(("Classes", " · ".join(shown) + (" …" if labels.size > 4 else "")))
    facts += [("Features", f"{len(study.names):,}"), ("Pairs", f"{findings.n_pairs:,}")]
    facts.append(("Model", type(study.estimator).__name__))
    return facts


def _headline(study: Study) -> str:
    comparison = study.comparison
    if comparison is None:
        return ""
    return f"{comparison.task.metric} {plus_minus(float(comparison.mean[0]), float(comparison.std_error[0]))}"


def _unit(study: Study) -> str:
    scale = {
        "regression": f"units of {study.target}",
        "classification": "log odds",
        "survival": "log hazard",
    }[study.task.name]
    if getattr(study.chosen, "scaling", "features") is None:
        return f"{scale} per unit of the features"
    return f"{scale} per standard deviation of the features"


def _sureness(study: Study, findings: Findings) -> list[str]:
    rows = [row for row in findings.interactions if np.isfinite(row.std_error) and row.std_error > 0]
    curved = study.curved
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
        "The standard errors and z in the table hold the hyperparameters, and the latent vectors where there are "
        "any, fixed: they are the least that one should allow."
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


def _code(study: Study) -> str:
    estimator = study.estimator
    name = type(estimator).__name__
    lines = [f"from intertwine import {name}", "", f"model = {_call(estimator)}.fit(X, y)"]
    if study.chosen is not estimator:
        lines += [
            "",
            "# what cross-validation picked, fitted directly:",
            f"model = {_call(study.chosen)}.fit(X, y)",
        ]
    return "\n".join(lines).replace(
        f"import {name}\n",
        f"import {name}{'' if study.chosen is estimator else ', ' + type(study.chosen).__name__}\n",
        1,
    )


def _call(estimator: Any) -> str:
    """The constructor call with the settings that differ from the defaults."""
    defaults = type(estimator)().get_params(deep=False)
    changed = {
        key: value
        for key, value in estimator.get_params(deep=False).items()
        if not _same(value, defaults[key])
    }
    arguments = [f"{key}={_literal(value)}" for key, value in changed.items()]
    name, line = type(estimator).__name__, ", ".join(arguments)
    if len(name) + len(line) < _CODE_WIDTH:
        return f"{name}({line})"
    return "\n    ".join([f"{name}(", *(f"{argument}," for argument in arguments)]) + "\n)"


def _same(a: Any, b: Any) -> bool:
    return a is b or (type(a) is type(b) and repr(a) == repr(b))


def _literal(value: Any) -> str:
    if isinstance(value, np.generic):
        value = value.item()
    return 'float("inf")' if value == float("inf") else repr(value)


def _fit_settings(study: Study) -> list[tuple[str, str]]:
    estimator = study.estimator
    settings: list[tuple[str, str]] = []
    for key, value in (getattr(estimator, "best_params_", None) or {}).items():
        settings.append((key, compact(float(value)) if isinstance(value, float) else str(value)))
    for label, attribute in (("solver", "solver_"), ("because", "solver_reason_"), ("iterations", "n_iter_")):
        if hasattr(estimator, attribute):
            settings.append((label, str(getattr(estimator, attribute))))
    if getattr(estimator, "optimality_", None) is not None:
        settings.append(("optimality violation", f"{np.max(estimator.optimality_):.1e}"))
    return settings


def _versions(study: Study) -> list[tuple[str, str]]:
    versions = [
        ("intertwine", intertwine.__version__),
        ("Python", platform.python_version()),
        ("numpy", np.__version__),
        ("scipy", scipy.__version__),
        ("scikit-learn", sklearn.__version__),
    ]
    if study.has_data and study.y is not None:
        digest = hashlib.sha256(np.ascontiguousarray(study.table).tobytes())
        target = study.y if study.y.dtype != object else np.array([str(value) for value in study.y])
        digest.update(np.ascontiguousarray(target).tobytes())
        versions.append(("data, SHA-256", digest.hexdigest()[:16]))
    return versions


def _ignore(_: str) -> None:
    return None
