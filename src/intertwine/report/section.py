"""What every section of the report shows, whatever the family of its model."""

from __future__ import annotations

import hashlib
import platform
from abc import ABC
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy
import sklearn

import intertwine
from intertwine.report.cautions import Caution
from intertwine.report.picture import Picture
from intertwine.report.study import Study
from intertwine.report.tables import Table
from intertwine.report.words import compact, plus_minus

__all__ = ["AbstractSection", "fit_settings", "headline_of"]


@dataclass(frozen=True, kw_only=True)
class AbstractSection(ABC):
    """The opening and the end of a section; a family adds what stands between them, and the template that shows it.

    What is empty is left out.

    Attributes
    ----------
    study : Study
    id : str
        Of the section on the page.
    facts : list of (label, value)
        At the top.
    headline, strongest : str
        For the list of studies at the top of the page.
    verdict : list of str
    scores : Table or None
        On rows held out.
    sureness : list of str
    sureness_pictures : sequence of Picture
    cautions : list of Caution
    code : str
    fit : list of (label, value)
        What the search picked, and how the fit ended.
    """

    template: ClassVar[str]
    no_scores: ClassVar[str] = (
        "No cross-validation against other models was run to its end here; `intertwine compare` does that."
    )

    study: Study
    id: str
    facts: list[tuple[str, str]]
    headline: str
    strongest: str
    verdict: list[str]
    scores: Table | None
    sureness: list[str]
    sureness_pictures: Sequence[Picture] = ()
    cautions: list[Caution]
    code: str
    fit: list[tuple[str, str]]

    @property
    def title(self) -> str:
        """Of the study."""
        return self.study.title

    @property
    def about(self) -> str:
        """Where the data come from."""
        return self.study.about

    @property
    def settings(self) -> list[list[tuple[str, str]]]:
        """Of the fit, and of the packages that made it."""
        return [self.fit, _versions_of(self.study)]


def headline_of(study: Study) -> str:
    """The score with its standard error."""
    comparison = study.comparison
    if comparison is None:
        return ""
    return f"{comparison.task.metric} {plus_minus(float(comparison.mean[0]), float(comparison.std_error[0]))}"


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


def _versions_of(study: Study) -> list[tuple[str, str]]:
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
