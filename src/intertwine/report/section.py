"""What a section of the report holds, and what it says of any model: facts, code, settings, versions."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy
import sklearn

import intertwine
from intertwine.report.cautions import Caution
from intertwine.report.picture import Picture
from intertwine.report.study import Study
from intertwine.report.tables import Table
from intertwine.report.words import compact, plus_minus
from intertwine.validation.values import is_reserved

__all__ = ["Section", "code_of", "facts_of", "fit_settings", "headline_of", "unit_of", "versions_of"]

_CODE_WIDTH = 70


@dataclass(frozen=True)
class Section:
    """Everything that the template shows of one study; what is empty is left out.

    Attributes
    ----------
    id, title, about : str
    facts : list of (label, value)
    headline, strongest : str
        For the list of studies at the top.
    verdict : list of str
    scores : Table or None
    fit_pictures : list of Picture
    interactions : Table
    interaction_pictures, pair_pictures : list of Picture
    main_effects : Table or None
    experts : list of str
        Who answers where, in words; empty for models of one expert.
    expert_pictures : list of Picture
    sureness : list of str
    sureness_pictures : list of Picture
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
    fit_pictures: list[Picture]
    interactions: Table
    interaction_pictures: list[Picture]
    sureness: list[str]
    cautions: list[Caution]
    code: str
    settings: list[list[tuple[str, str]]]
    pair_pictures: Sequence[Picture] = field(default=())
    main_effects: Table | None = None
    experts: Sequence[str] = field(default=())
    expert_pictures: Sequence[Picture] = field(default=())
    sureness_pictures: Sequence[Picture] = field(default=())
    no_scores: str = "No cross-validation against other models was run; `intertwine compare` does that."
    kind: str = "pairs"


def facts_of(study: Study, n_pairs: int) -> list[tuple[str, str]]:
    """The facts that stand at the top."""
    facts = [("Target", study.target)]
    if study.y is not None:
        facts.append(("Rows", f"{len(study.y):,}"))
        if study.task.name == "survival":
            facts.append(("Events", f"{int(np.sum(study.y['event'])):,}"))
        if study.task.name == "classification":
            labels, sizes = np.unique(study.y, return_counts=True)
            shown = [f"{size:,} {label}" for label, size in zip(labels[:4], sizes[:4], strict=True)]
            facts.append(("Classes", " · ".join(shown) + (" …" if labels.size > 4 else "")))
    facts += [("Features", f"{len(study.names):,}"), ("Pairs", f"{n_pairs:,}")]
    facts.append(("Model", type(study.estimator).__name__))
    return facts


def headline_of(study: Study) -> str:
    """The score with its standard error."""
    comparison = study.comparison
    if comparison is None:
        return ""
    return f"{comparison.task.metric} {plus_minus(float(comparison.mean[0]), float(comparison.std_error[0]))}"


def unit_of(study: Study) -> str:
    """The unit that effects are in."""
    scale = {
        "regression": f"units of {study.target}",
        "classification": "log odds",
        "survival": "log hazard",
    }[study.task.name]
    if getattr(study.chosen, "scaling", "features") is None:
        return f"{scale} per unit of the features"
    return f"{scale} per standard deviation of the features"


def code_of(study: Study) -> str:
    """The lines that fit the same model again, with the preparation of the table where names tell of it."""
    estimator = study.estimator
    prepared = [name.partition("=")[0] for name in study.names if is_reserved(name)]
    if prepared:
        step = _call(estimator).replace("\n", "\n    ")
        return (
            f"from intertwine import {type(estimator).__name__}, make_interaction_pipeline\n\n"
            f"model = make_interaction_pipeline(\n    {step},\n    categorical={prepared},\n    sparse_output=True,\n"
            '    unseen="column",\n).fit(table, y)'
        )
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


def fit_settings(study: Study) -> list[tuple[str, str]]:
    """What the search picked and how the fit ended."""
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


def versions_of(study: Study) -> list[tuple[str, str]]:
    """Versions of the packages, and a fingerprint of the data."""
    versions = [
        ("intertwine", intertwine.__version__),
        ("Python", platform.python_version()),
        ("numpy", np.__version__),
        ("scipy", scipy.__version__),
        ("scikit-learn", sklearn.__version__),
    ]
    if study.has_data and study.y is not None:
        digest = hashlib.sha256(study.fingerprint)
        target = study.y if study.y.dtype != object else np.array([str(value) for value in study.y])
        digest.update(np.ascontiguousarray(target).tobytes())
        versions.append(("data, SHA-256", digest.hexdigest()[:16]))
    return versions
