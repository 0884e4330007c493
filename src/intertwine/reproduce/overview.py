"""One page over all papers: every claim with its verdict, as HTML, markdown and JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import intertwine
from intertwine.io import write_atomically
from intertwine.reproduce.claims import RULE, Claim, Verdict, tally
from intertwine.reproduce.design import Chapter
from intertwine.reproduce.page import claims_table, filled_template
from intertwine.reproduce.run import stem

__all__ = ["all_claims", "summary", "write_overview"]

_NAME = "all"
_TITLE = "The source papers' claims, measured"
_VERBS: dict[Verdict, tuple[str, str]] = {
    "holds": ("holds", "hold"),
    "better": ("is surpassed", "are surpassed"),
    "does not hold": ("does not hold", "do not hold"),
    "not measured here": ("is not measured here", "are not measured here"),
}


def summary(claims: Sequence[Claim]) -> str:
    """How many claims came out how, in a sentence.

    Examples
    --------
    >>> from intertwine.reproduce.claims import exceeds, unmeasured
    >>> summary([exceeds("One.", [1.0, 1.1], places=1), exceeds("Two.", [1.0, -1.0], places=1)])
    'Of 2 claims 1 holds, 0 are surpassed, 1 does not hold (1 lost in noise), 0 are not measured here.'
    """
    counts, in_noise = tally(claims), sum(claim.in_noise for claim in claims)
    parts = {verdict: f"{n} {_VERBS[verdict][n != 1]}" for verdict, n in counts.items()}
    if in_noise:
        parts["does not hold"] += f" ({in_noise} lost in noise)"
    told = f"Of {sum(counts.values())} claims {', '.join(parts.values())}."
    n = n_recorded(claims)
    if n:
        told += f" {n} of the verdicts {'is' if n == 1 else 'are'} by recorded measurements, not by this run."
    return told


def n_recorded(claims: Sequence[Claim]) -> int:
    """How many were judged by recorded rows."""
    return sum(bool(claim.recorded) for claim in claims)


def all_claims(chapters: Sequence[Chapter]) -> list[Claim]:
    """Of all papers."""
    return [claim for chapter in chapters for claim in chapter.claims]


def write_overview(chapters: Sequence[Chapter], folder: Path, *, quick: bool, command: str) -> Path:
    """Write ``all.html``, ``all.md`` and ``all.json`` beside the papers' own pages (``all-quick`` of a quick run).

    Parameters
    ----------
    chapters : sequence of Chapter
    folder : Path
    quick : bool
    command : str
        What makes the page anew.

    Returns
    -------
    Path
        Of the page.
    """
    path = folder / stem(_NAME, quick=quick)
    pages = {
        ".md": _markdown(chapters, quick, command),
        ".html": _html(chapters, quick, command),
        ".json": _json(chapters, quick, command),
    }
    for ending, text in pages.items():
        write_atomically(path.with_suffix(ending), text.encode())
    return path.with_suffix(".html")


def _markdown(chapters: Sequence[Chapter], quick: bool, command: str) -> str:
    parts = [
        f"# {_TITLE}",
        f"**{summary(all_claims(chapters))}**",
        f"`{command}`, intertwine {intertwine.__version__}.",
    ]
    for chapter in chapters:
        paper = chapter.paper
        parts += [f"## {paper.title}", paper.source, summary(chapter.claims)]
        for one in chapter.found:
            if one.claims:
                parts += [f"### {one.title}", one.about, claims_table(one.claims)]
            if one.absent:
                parts.append("\n".join(f"- {text}" for text in one.absent))
        if paper.claims:
            parts += ["### What no design here measures", claims_table(paper.claims)]
        if chapter.failed:
            parts.append("\n".join(f"- ended in an error: {text}" for text in chapter.failed))
        parts.append(f"Tables and findings: [{paper.name}]({stem(paper.name, quick=quick)}.md)")
    return "\n\n".join([*parts, "## How verdicts are reached", *RULE]) + "\n"


def _html(chapters: Sequence[Chapter], quick: bool, command: str) -> str:
    claims = all_claims(chapters)
    return filled_template(
        "overview.html",
        title=_TITLE,
        chapters=[
            (
                chapter,
                chapter.counts,
                n_recorded(chapter.claims),
                f"{stem(chapter.paper.name, quick=quick)}.html",
            )
            for chapter in chapters
        ],
        counts=tally(claims),
        recorded=n_recorded(claims),
        summary=summary(claims),
        rule=RULE,
        command=command,
    )


def _json(chapters: Sequence[Chapter], quick: bool, command: str) -> str:
    state = {
        "intertwine": intertwine.__version__,
        "command": command,
        "quick": quick,
        "rule": list(RULE),
        "counts": tally(all_claims(chapters)),
        "recorded": n_recorded(all_claims(chapters)),
        "papers": [
            {
                "name": chapter.paper.name,
                "title": chapter.paper.title,
                "counts": chapter.counts,
                "claims": [
                    {"design": title, **claim.to_dict()}
                    for title, claims in (
                        *((one.title, one.claims) for one in chapter.found),
                        ("", chapter.paper.claims),
                    )
                    for claim in claims
                ],
                "absent": [text for one in chapter.found for text in one.absent],
                "failed": chapter.failed,
            }
            for chapter in chapters
        ],
    }
    return json.dumps(state, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
