"""One static HTML file from one or several studies."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any

import numpy as np

import intertwine
from intertwine.compare.candidates import TableComparison
from intertwine.io import write_atomically
from intertwine.report.interaction_section import interaction_section
from intertwine.report.latent_effects_section import latent_effects_section
from intertwine.report.local_section import local_section
from intertwine.report.longitudinal_section import longitudinal_section
from intertwine.report.machine_section import machine_section
from intertwine.report.mixed_section import mixed_section
from intertwine.report.ranking_section import RankingSection, ranking_section
from intertwine.report.rating_section import rating_section
from intertwine.report.section import AbstractSection
from intertwine.report.study import Study

__all__ = ["build_report", "write_comparison_report", "write_report"]

_Builder = Callable[[Study, str, Callable[[str], None]], AbstractSection]

# What only estimators of a family have, and their section; all others are models of pairs.
_BY_ATTRIBUTE: tuple[tuple[str, _Builder], ...] = (
    ("fixed_effects_", mixed_section),
    ("covariate_effect", longitudinal_section),
    ("reconstruct", latent_effects_section),
    ("item_factors_", rating_section),
    ("responsible_expert", local_section),
    ("components_", machine_section),
)


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
    estimator : fitted estimator
        Of interactions, a factorization machine, latent factors of ratings, a mixed model, latents beside random
        effects, or latents of subjects' visits.
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
        Further fields of :class:`Study`: ``target``, ``about``, ``time_unit``, ``notes``, ``n_bootstrap``, and of
        models with random effects ``groups``, ``time`` and ``coords``, of visits ``covariates``, ``subject`` and
        ``time`` as in ``fit``.

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
    _write(environment, sections, path, title, date)


def write_comparison_report(
    found: TableComparison,
    path: str | os.PathLike[str],
    *,
    studies: Sequence[Study] = (),
    title: str = "",
    date: str = "",
    on_step: Callable[[str], None] | None = None,
) -> None:
    """Write families compared on one table, and studies of single models after them, into one HTML file.

    Parameters
    ----------
    found : TableComparison
        From :func:`intertwine.cli.across.compare_table`.
    path : str or path-like
    studies : sequence of Study
    title : str
    date : str, default ""
        Shown as given.
    on_step : callable, optional
        Called with a few words before each longer step.

    Raises
    ------
    ImportError
        If matplotlib or jinja2 is not installed.
    """
    environment = _environment()
    sections: list[AbstractSection | RankingSection] = [ranking_section(found, "families")]
    sections += [_section(study, f"study-{i + 1}", on_step or _ignore) for i, study in enumerate(studies)]
    _write(environment, sections, path, title or f"Which model for {found.title}", date)


def _write(
    environment: Any,
    sections: Sequence[AbstractSection | RankingSection],
    path: str | os.PathLike[str],
    title: str,
    date: str,
) -> None:
    """Render sections into one file."""
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


def _section(study: Study, identifier: str, on_step: Callable[[str], None]) -> AbstractSection:
    kind = type(study.estimator)
    build = next((build for name, build in _BY_ATTRIBUTE if hasattr(kind, name)), interaction_section)
    return build(study, identifier, on_step)


def _ignore(_: str) -> None:
    return None
