"""What came out of one paper, as markdown and as one static page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import resources
from typing import Any

import intertwine
from intertwine.report.picture import take_picture
from intertwine.reproduce.claims import RULE, Claim
from intertwine.reproduce.design import Chapter

__all__ = ["as_html", "as_markdown", "claims_table", "filled_template", "in_a_word"]

_QUICK = "A quick run: smaller cases and few seeds, so standard errors are rough or missing."


def as_markdown(chapter: Chapter, *, quick: bool) -> str:
    """Tables, claims and findings as text."""
    paper = chapter.paper
    parts = [f"# {paper.title}", paper.source] + ([_QUICK] if quick else [])
    for one in chapter.found:
        parts += [f"## {one.title}", one.about]
        if one.ours:
            parts.append(_table([one.header, *one.published, *one.ours]))
        parts += [claims_table(one.claims)] if one.claims else []
        if one.findings or one.absent:
            parts.append("\n".join(f"- {text}" for text in [*one.findings, *one.absent]))
    if paper.claims:
        parts += ["## What no design here measures", claims_table(paper.claims)]
    if chapter.failed:
        parts += ["## What ended in an error", "\n".join(f"- {text}" for text in chapter.failed)]
    return "\n\n".join([*parts, "## How verdicts are reached", *RULE]) + "\n"


def claims_table(claims: Iterable[Claim]) -> str:
    """Claims as a table in markdown."""
    rows = [
        (claim.statement, claim.published, claim.ours, str(claim.n_seeds or "–"), in_a_word(claim))
        for claim in claims
    ]
    return _table([("claim", "paper", "ours", "seeds", "verdict"), *rows])


def in_a_word(claim: Claim) -> str:
    """The verdict, in bold, its reason, and what measured it where this run did not."""
    recorded = f"recorded, not measured now: `{claim.recorded}`" if claim.recorded else ""
    told = "; ".join(text for text in (claim.why, recorded) if text)
    return f"**{claim.verdict}**" + (f" ({told})" if told else "")


def _table(rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    lines.insert(1, "|" + "---|" * len(rows[0]))
    return "\n".join(lines)


def as_html(chapter: Chapter, *, quick: bool) -> str:
    """One page, for light and dark screens, that loads nothing.

    Raises
    ------
    ImportError
        If jinja2 or matplotlib is not installed.
    """
    sections = [
        (
            one,
            None
            if one.display is None
            else take_picture(one.display, title="", alt=one.alt, caption=one.caption),
        )
        for one in chapter.found
    ]
    return filled_template(
        "page.html",
        chapter=chapter,
        paper=chapter.paper,
        sections=sections,
        counts=chapter.counts,
        rule=RULE,
        quick=_QUICK if quick else "",
    )


def filled_template(name: str, **values: Any) -> str:
    """A page of this package; it looks as the reports do.

    Raises
    ------
    ImportError
        If jinja2 is not installed.
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
    style = resources.files("intertwine.report").joinpath("templates/style.css").read_text(encoding="utf-8")
    return environment.get_template(name).render(
        style=markupsafe.Markup(style), version=intertwine.__version__, **values
    )
