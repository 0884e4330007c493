"""Write the documentation as a static site: `python -m docs.build [FOLDER]`, by default docs/_build.

Code blocks marked ``python`` are run while a page is built, and what they give is shown below them, so that a page
cannot promise what the library does not do. A page is a file docs/pages/NAME.md with a line in docs/menu.py.
"""

from __future__ import annotations

import sys
from pathlib import Path

import jinja2
import markupsafe

import intertwine
from docs.gallery_pages import examples, gallery_page, onwards, related
from docs.markdown_page import render_page
from docs.menu import NOT_RUN, menu_of
from docs.reference import reference_file, reference_pages
from docs.results import benchmark_tables

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent


def markdown_sources() -> dict[str, str]:
    """Text of every page that is written by hand."""
    sources = {path.stem: path.read_text(encoding="utf-8") for path in sorted((DOCS / "pages").glob("*.md"))}
    for page, family in (("benchmarks", ""), ("factorization_machines", "fm"), ("latent_factors", "latent")):
        sources[page] = sources[page].replace("{{ tables }}", benchmark_tables(ROOT, family))
    for page in ("CONTRIBUTING", "CHANGELOG", "SECURITY"):
        if (path := ROOT / f"{page}.md").exists():
            sources[page.lower()] = path.read_text(encoding="utf-8")
    return sources


def build(folder: Path, *, run: bool = True, run_gallery: bool = True, say=print) -> list[Path]:
    """Write the site.

    Parameters
    ----------
    folder : Path
        Made where it is not there.
    run : bool, default=True
        Run the code of the pages.
    run_gallery : bool, default=True
        And that of the gallery, which has no pictures otherwise.
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
    sources = markdown_sources()
    menu = menu_of([*sources, "gallery", "reference"])
    written = []

    def write(name: str, title: str, body: str, contents: list[tuple[str, str]], under: str) -> None:
        path = folder / f"{name}.html"
        html = template.render(
            title=title, body=markupsafe.Markup(body), contents=contents, menu=menu, current=under,
            version=intertwine.__version__,
        )  # fmt: skip
        path.write_text(html, encoding="utf-8")
        written.append(path)

    shown = []
    for example in examples(run=run and run_gallery):
        say(f"{example.file}.html")
        shown.append(example)
    for example in shown:
        body = example.page.html + onwards(shown)[example.name]
        write(example.file, example.page.title, body, example.page.contents, "gallery")
    for name, text in sources.items():
        say(f"{name}.html")
        page = render_page(text, run=run and name not in NOT_RUN, link=reference_file)
        cards = related(name, shown)
        contents = [*page.contents, ("in-the-gallery", "In the gallery")] if cards else page.contents
        write(name, page.title, page.html + cards, contents, name)
    gallery, pictures = gallery_page(shown)
    write("gallery", gallery.title, gallery.html, gallery.contents, "gallery")
    for name, picture in pictures.items():
        (folder / name).write_bytes(picture)
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


if __name__ == "__main__":
    main()
