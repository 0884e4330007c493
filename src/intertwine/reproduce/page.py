"""What came out, as markdown and as one static page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import resources

import intertwine
from intertwine.report.picture import take_picture
from intertwine.reproduce.design import Paper, Reproduced

__all__ = ["as_html", "as_markdown"]

_QUICK = "A quick run: the smaller cases and one or two seeds, so standard errors are rough or missing."


def as_markdown(paper: Paper, found: Iterable[Reproduced], *, quick: bool) -> str:
    """Tables and findings as text."""
    parts = [f"# {paper.title}", paper.source] + ([_QUICK] if quick else [])
    for one in found:
        rows = [one.header, *one.published, *one.ours]
        lines = [_line(row) for row in rows]
        lines.insert(1, "|" + "---|" * len(one.header))
        parts += [f"## {one.title}", one.about]
        if one.ours:
            parts.append("\n".join(lines))
        if one.findings or one.absent:
            parts.append("\n".join(f"- {text}" for text in [*one.findings, *one.absent]))
    return "\n\n".join(parts) + "\n"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def as_html(paper: Paper, found: Iterable[Reproduced], *, quick: bool) -> str:
    """One page, for light and dark screens, that loads nothing.

    Raises
    ------
    ImportError
        If jinja2 or matplotlib is not installed.
    """
    try:
        import jinja2
        import markupsafe
    except ImportError as error:
        raise ImportError("the page needs jinja2: pip install 'intertwine[report]'") from error
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("intertwine.reproduce"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # the page looks as the reports do
    style = resources.files("intertwine.report").joinpath("templates/style.css").read_text(encoding="utf-8")
    sections = [
        (
            one,
            None
            if one.display is None
            else take_picture(one.display, title="", alt=one.alt, caption=one.caption),
        )
        for one in found
    ]
    return environment.get_template("page.html").render(
        paper=paper,
        sections=sections,
        quick=_QUICK if quick else "",
        style=markupsafe.Markup(style),
        version=intertwine.__version__,
    )
