"""Write the documentation as a static site: `python -m docs.build [FOLDER]`, by default docs/_build.

Code blocks marked ``python`` are run while a page is built, and what they give is shown below them, so that a page
cannot promise what the library does not do.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import jinja2
import markupsafe

import intertwine
from docs.markdown_page import render_page
from docs.reference import reference_pages
from docs.results import benchmark_tables

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent

#: Pages in reading order: file stem and the name in the menu.
MENU = {
    "index": "Start",
    "interactions": "Interactions",
    "factorization_machines": "Factorization machines",
    "latent_factors": "Latent factors",
    "mixed_models": "Mixed models",
    "random_effects_vae": "Latents and random effects",
    "longitudinal_vae": "Longitudinal latents",
    "data": "Data",
    "benchmarks": "Benchmarks",
    "architecture": "Architecture",
    "contributing": "Contributing",
    "reference": "Reference",
    "changelog": "Changes",
}

#: Pages whose code is run: the others show commands and sketches.
RUN = (
    "index",
    "interactions",
    "factorization_machines",
    "latent_factors",
    "mixed_models",
    "random_effects_vae",
    "longitudinal_vae",
    "data",
)


def markdown_sources() -> dict[str, str]:
    """Text of every page that is written by hand."""
    sources = {path.stem: path.read_text(encoding="utf-8") for path in sorted((DOCS / "pages").glob("*.md"))}
    for page, family in (("benchmarks", ""), ("factorization_machines", "fm"), ("latent_factors", "latent")):
        sources[page] = sources[page].replace("{{ tables }}", benchmark_tables(ROOT, family))
    sources["contributing"] = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    sources["changelog"] = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    return sources


def build(folder: Path, *, run: bool = True, say=print) -> list[Path]:
    """Write the site.

    Parameters
    ----------
    folder : Path
        Made where it is not there.
    run : bool, default=True
        Run the code of the pages.
    say : callable
        Told of every page.

    Returns
    -------
    list of Path
        The pages.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(DOCS / "theme"), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    template = environment.get_template("page.html")
    folder.mkdir(parents=True, exist_ok=True)
    written = []

    def write(name: str, title: str, body: str, contents: list[tuple[str, str]], under: str) -> None:
        path = folder / f"{name}.html"
        html = template.render(
            title=title, body=markupsafe.Markup(body), contents=contents, menu=MENU, current=under,
            version=intertwine.__version__,
        )  # fmt: skip
        path.write_text(html, encoding="utf-8")
        written.append(path)

    for name, text in markdown_sources().items():
        say(f"{name}.html")
        page = render_page(text, run=run and name in RUN)
        write(name, page.title, page.html, page.contents, name)
    for reference in reference_pages():
        say(f"{reference.name}.html")
        write(reference.name, reference.title, reference.html, reference.contents, "reference")
    (folder / "style.css").write_text(
        (DOCS / "theme" / "style.css").read_text(encoding="utf-8"), encoding="utf-8"
    )
    return written


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS / "_build"
    pages = build(folder)
    print(f"{len(pages)} pages: {folder / 'index.html'}")


#: A link between pages, as markdown and HTML have it.
LINK = re.compile(r'href="([^"]+)"')

if __name__ == "__main__":
    main()
