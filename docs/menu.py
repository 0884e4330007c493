"""The menu: sections in reading order, each with its pages."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

__all__ = ["NOT_RUN", "SECTIONS", "Section", "menu_of"]


@dataclass(frozen=True)
class Section:
    """A heading and its pages: file stem and the name in the menu."""

    title: str
    pages: dict[str, str]


#: A page appears once its file is there: docs/pages/STEM.md, or what docs/build.py writes itself.
SECTIONS = (
    Section("Start", {"index": "In five minutes", "choosing": "Which model?", "gallery": "Gallery"}),
    Section(
        "Guide",
        {
            "interactions": "Interactions",
            "factorization_machines": "Factorization machines",
            "latent_factors": "Latent factors",
            "mixed_models": "Mixed models",
            "random_effects_vae": "Latents and random effects",
            "longitudinal_vae": "Longitudinal latents",
            "data": "Data",
        },
    ),
    Section(
        "Background",
        {
            "how_it_works": "How it works",
            "comparison": "Comparison",
            "migration": "Migration",
            "benchmarks": "Benchmarks",
        },
    ),
    Section("Reference", {"reference": "Every public name"}),
    Section(
        "Project",
        {
            "architecture": "Architecture",
            "contributing": "Contributing",
            "security": "Security",
            "changelog": "Changes",
        },
    ),
)

#: Pages whose Python shows commands and sketches. The code of every other page is run.
NOT_RUN = ("architecture", "benchmarks", "changelog", "contributing", "security")


def menu_of(pages: Collection[str]) -> list[Section]:
    """The sections with those of their pages that exist.

    Raises
    ------
    ValueError
        When a page that nobody can reach from the menu is among them.
    """
    named = {stem for section in SECTIONS for stem in section.pages}
    if lost := sorted(set(pages) - named):
        raise ValueError(f"no section of docs/menu.py names {lost}")
    found = [
        Section(section.title, {stem: label for stem, label in section.pages.items() if stem in pages})
        for section in SECTIONS
    ]
    return [section for section in found if section.pages]
