"""The documentation: its code runs, its links lead somewhere, and everything public is described."""

import html.parser
import re
import sys
from pathlib import Path

import pytest

import intertwine
import intertwine.cli.commands

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from docs import build as docs_build
from docs.markdown_page import render_page
from docs.menu import menu_of
from docs.reference import MODULES, public_names, reference_file, reference_pages

ROOT = docs_build.ROOT


class Links(html.parser.HTMLParser):
    """Ids and addresses of a page."""

    def __init__(self):
        super().__init__()
        self.ids, self.hrefs, self.images_without_text = [], [], 0
        self.tables, self.scrolling, self.title, self._last = 0, 0, "", ""

    def handle_data(self, data):
        if self._last == "title":
            self.title += data

    def handle_endtag(self, tag):
        self._last = ""

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if tag == "table":
            self.tables += 1
            self.scrolling += self._last == "div.scroll"
        self._last = ".".join([tag, *filter(None, [found.get("class")])])
        if "id" in found:
            self.ids.append(found["id"])
        if tag in ("a", "link") and found.get("href"):
            self.hrefs.append(found["href"])
        if tag == "img" and not found.get("alt"):
            self.images_without_text += 1


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The whole site with its code run, and what is in each page."""
    folder = tmp_path_factory.mktemp("site")
    pages = docs_build.build(folder, run_gallery=False, say=lambda name: None)  # test_gallery.py runs that
    parsed = {}
    for path in pages:
        parsed[path.name] = Links()
        parsed[path.name].feed(path.read_text(encoding="utf-8"))
    return folder, parsed


def test_the_worked_examples_run_and_show_what_the_text_says(site):
    folder, _ = site
    text = (folder / "interactions.html").read_text(encoding="utf-8")
    assert "a latent target was refused" in text
    assert "<td>ascites × edema</td>" in text
    assert text.count("<img ") == 2
    z = re.search(r"<td>ascites × edema</td><td>([^<]+)</td><td>([^<]+)</td>.*?<td>([^<]+)</td></tr>", text)
    assert float(z[1]) / float(z[2]) > 2.5
    assert float(z[3]) > 0.5  # rank stability: "in most refits"
    diabetes = re.findall(
        r"<td>([\d.]+)</td><td>([\d.]+)</td>(?:<td>[^<]*</td>){3}<td>([\d.]+)</td></tr>", text
    )
    assert all(
        float(estimate) < float(error) and float(stable) < 0.5 for estimate, error, stable in diabetes[:5]
    )


def shown(site, page):
    """What the code of a page printed."""
    text = (site[0] / f"{page}.html").read_text(encoding="utf-8")
    return html.unescape(
        "\n".join(re.findall(r'<pre class="output"[^>]*>(.*?)</pre>', text, flags=re.DOTALL))
    )


def test_factorization_machines_do_what_their_page_says(site):
    text = shown(site, "factorization_machines")
    losses = dict(re.findall(r"k = (\d): log loss ([\d.]+)", text))
    assert float(losses["5"]) < float(losses["0"]) - 0.05  # persons differ in what they do
    errors = dict(re.findall(r"k = (\d): RMSE ([\d.]+)", text))
    assert 0.001 < 1 - float(errors["3"]) / float(errors["0"]) < 0.01  # "half a percent"
    assert all(0.75 < float(share) < 0.85 for share in re.findall(r"inside ([\d.]+)", text))
    mean, probable = re.findall(r"RMSE of the .*: ([\d.]+)", text)
    assert float(mean) < float(probable)
    single, *local = (float(value) for value in re.findall(r"R² (-?[\d.]+)", text))
    assert single < 0.1 < 0.8 < min(local)
    assert float(re.search(r"men rather than women: ([-+][\d.]+)", text)[1]) > 0.2
    assert "the same to the bit: True" in text


def test_latent_factors_do_what_their_page_says(site):
    text = shown(site, "latent_factors")
    levels, factors, genres = (
        float(re.search(rf"{name}: RMSE ([\d.]+)", text)[1])
        for name in ("levels alone", "five factors", "and genres")
    )
    assert levels - 0.01 > factors > genres + 0.005
    assert 0.77 < float(re.search(r"inside ([\d.]+)", text)[1]) < 0.83
    before, after = re.search(
        r"nobody knows: RMSE ([\d.]+); after ten ratings of each: ([\d.]+)", text
    ).groups()
    assert float(after) < float(before) - 0.02
    marks = dict(re.findall(r"(ids.*, k = \d): RMSE ([\d.]+)", text))
    alone, told = (
        1 - float(marks[f"{name}, k = 3"]) / float(marks[f"{name}, k = 0"])
        for name in ("ids", "ids and semesters")
    )
    assert alone < 0.001  # "alone, factors gain nothing"
    assert told > 0.003
    errors = [float(error) for error in re.findall(r"'n_components': \d} RMSE ([\d.]+)", text)]
    assert errors == sorted(errors, reverse=True)
    assert "the same to the bit: True" in text
    assert (site[0] / "latent_factors.html").read_text(encoding="utf-8").count("<img ") >= 2


def test_mixed_models_do_what_their_page_says(site):
    text = shown(site, "mixed_models")
    mine, by_formula = re.search(r"log-likelihood (\S+) and (\S+)", text).groups()
    assert mine == by_formula
    assert 0.1 < float(re.search(r"(\d+)% of the plain means", text)[1]) / 100 < 0.3
    known, new = (
        [
            float(value)
            for value in re.search(rf"{name}: RMSE (\S+), .* (\S+), inside 95% (\S+)", text).groups()
        ]
        for name in ("further days", "new people")
    )
    assert known[0] < 0.7 * new[0]
    assert known[1] < 0.7 * new[1]
    assert all(0.9 < inside < 0.99 for *_, inside in (known, new))
    page = (site[0] / "mixed_models.html").read_text(encoding="utf-8")
    for cell in ("612", "35.1", "655", "10.5", "0.785"):
        assert f"<td>{cell}</td>" in page
    assert page.count("<img ") == 2


def test_latents_beside_random_effects_do_what_their_page_says(site):
    text = shown(site, "random_effects_vae")
    found = {
        name: [
            float(value) for value in re.search(rf"{name}: R² (\S+), mean log density (\S+)", text).groups()
        ]
        for name in ("linear", "network")
    }
    assert found["network"][0] > found["linear"][0] > 0.5
    errors = dict(re.findall(r"(\w+): root mean square error ([\d.]+)", text))
    assert float(errors["linear"]) < float(errors["network"]) < 0.8 * float(errors["means"])
    page = (site[0] / "random_effects_vae.html").read_text(encoding="utf-8")
    bilirubin = [
        float(one)
        for one in re.search(r"<td>bili</td>((?:<td>[\d.]+</td>){3})", page)[1][4:-5].split("</td><td>")
    ]
    assert bilirubin[0] > 0.5  # "most of bilirubin is the patient's"
    assert page.count("<img ") == 1


def test_longitudinal_latents_do_what_their_page_says(site):
    text = shown(site, "longitudinal_vae")
    assert float(re.search(r"location: ([\d.]+)%", text)[1]) < 1.0
    ahead, means = re.search(r"mean squared error ([\d.]+); of the means ([\d.]+)", text).groups()
    assert float(ahead) < 0.6 * float(means)
    assert 90 <= float(re.search(r"95% interval: (\d+)%", text)[1]) <= 99
    assert (site[0] / "longitudinal_vae.html").read_text(encoding="utf-8").count("<img ") == 5


def test_who_comes_from_another_tool_gets_its_numbers(site):
    text = shown(site, "migration")
    assert float(re.search(r"difference of predictions: (\S+)", text)[1]) < 1e-6  # scikit-learn's elastic net
    assert "log-likelihood -871.814 (lme4: -871.814)" in text
    page = (site[0] / "migration.html").read_text(encoding="utf-8")
    for row in ("<td>edema</td><td>0.248</td><td>0.0926</td>", "<td>age</td><td>0.365</td><td>0.105</td>"):
        assert row in page  # R's coxph


def test_the_first_page_finds_what_it_says(site):
    text = (site[0] / "index.html").read_text(encoding="utf-8")
    found = re.findall(r"<td>(x\d+ × x\d+)</td><td>([^<]+)</td>", text)
    assert [name for name, _ in found[:2]] == [name for name, _ in found[4:6]] == ["x1 × x2", "x3 × x7"]
    assert float(found[4][1]) > 1.4
    assert len(found) == 6  # an L1 penalty leaves no other pair


def test_the_guide_says_what_its_code_shows(site):
    text = shown(site, "choosing")
    by_row, by_person = (
        float(re.search(rf"by {what}: R² (-?[\d.]+)", text)[1]) for what in ("row", "person")
    )
    assert by_row > by_person + 0.3
    assert 0.8 < float(re.search(r"concordance ([\d.]+)", text)[1]) < 0.9
    assert shown(site, "how_it_works").count("True") == 2


def test_every_internal_link_resolves(site):
    folder, parsed = site
    broken = []
    for name, page in parsed.items():
        for href in page.hrefs:
            if "://" in href:
                continue
            target, _, fragment = href.partition("#")
            if not (folder / (target or name)).exists() or (
                fragment and fragment not in parsed[target or name].ids
            ):
                broken.append((name, href))
    assert not broken


def test_pages_are_whole(site):
    folder, parsed = site
    stems = {name.removesuffix(".html") for name in parsed}
    stems = {stem for stem in stems if not stem.startswith(("reference.", "gallery."))}
    named = {stem for section in menu_of(stems) for stem in section.pages}
    assert named == stems
    for name, page in parsed.items():
        text = (folder / name).read_text(encoding="utf-8")
        assert len(page.ids) == len(set(page.ids)), f"{name} has an id twice"
        assert page.images_without_text == 0, name
        assert page.title.endswith("intertwine"), name
        assert page.tables == page.scrolling, f"{name} has a table that does not scroll in its own box"
        assert "{{" not in text, name
        assert "<script" not in text, name
        assert not re.search(r'(src|href)="http', text.replace('href="https://', "")), name


def test_no_page_is_wider_than_its_screen_by_construction():
    style = (docs_build.DOCS / "theme" / "style.css").read_text(encoding="utf-8")
    for selector, rule in {
        "pre": "overflow-x: auto",
        ".scroll": "overflow-x: auto",
        "main": "overflow-wrap: break-word",
        "figure img, main p > img": "max-width: 100%",
        ".columns": "minmax(0, 1fr)",
    }.items():
        assert re.search(rf"^{re.escape(selector)} {{[^}}]*{re.escape(rule)}", style, flags=re.MULTILINE), (
            selector
        )


def test_every_public_name_can_be_reached_from_the_reference(site):
    _, parsed = site
    reached = {href for href in parsed["reference.html"].hrefs if href.startswith("reference.")}
    for name, value in public_names().items():
        file = f"reference.{name}.html" if callable(value) else f"reference.plots.{type(value).__name__}.html"
        assert file in reached, name
    assert {file for file in parsed if file.startswith("reference.")} == reached


PROSE = [
    ROOT / "README.md",
    *sorted(docs_build.DOCS.glob("pages/*.md")),
    *sorted(docs_build.DOCS.glob("gallery/*.md")),
]


@pytest.mark.parametrize("path", PROSE, ids=lambda path: path.stem)
def test_what_a_page_imports_is_in_the_reference(path):
    known = set(public_names()) | {name for name in intertwine.__all__ if name not in MODULES}
    for module, names in re.findall(
        r"^from intertwine(?:\.(\w+))? import (.+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE
    ):
        for name in (one.strip() for one in names.split(",")):
            assert f"{module}.{name}".lstrip(".") in known or name in known, (
                f"{name} of {module or 'intertwine'}"
            )


def test_names_in_a_text_lead_to_their_page_once():
    text = "# `MixedModel`\n\n`MixedModel`, `MixedModel`, [`FMRegressor`](a.md), `load()` and `nothing`.\n"
    shown = render_page(text, run=False, link=reference_file).html
    assert shown.count('href="reference.MixedModel.html"') == 1
    assert '<h1 id="mixedmodel"><code>' in shown
    assert shown.count('href="reference.load.html"') == 1
    assert "FMRegressor.html" not in shown


def test_a_table_of_a_docstring_is_a_table_of_its_page():
    from intertwine import LongitudinalVAE

    shown = reference_pages_of(LongitudinalVAE)
    assert "====" not in shown
    assert "<td>transform, reconstruct, impute</td>" in shown


def reference_pages_of(cls):
    return next(page.html for page in reference_pages() if page.name == f"reference.{cls.__name__}")


def test_a_page_that_the_menu_does_not_name_is_seen():
    with pytest.raises(ValueError, match="names \\['lost'\\]"):
        menu_of(["index", "lost"])


def test_every_table_of_the_benchmarks_is_included(site):
    folder, _ = site
    text = (folder / "benchmarks.html").read_text(encoding="utf-8")
    for path in (ROOT / "benchmarks" / "results").glob("*.md"):
        assert (f"benchmarks/{path.stem}.py" in text) == (not path.stem.endswith("_quick"))
    text = (folder / "factorization_machines.html").read_text(encoding="utf-8")
    assert "benchmarks/fm_ratings.py" in text
    assert "benchmarks/litlvm" not in text


def test_code_that_fails_stops_the_build():
    with pytest.raises(ZeroDivisionError):
        render_page("# Page\n\n```python\n1 / 0\n```\n", run=True)
    assert "1" in render_page("# Page\n\n```python no-run\n1 / 0\n```\n", run=True).html


def test_the_version_has_its_lines_in_the_changelog():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## Unreleased" in text or f"## {intertwine.__version__}" in text
