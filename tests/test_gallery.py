"""The gallery: every example runs without a warning, shows a picture, and says what its code finds."""

import html
import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from docs.gallery_pages import FAMILIES, FOLDER, QUESTIONS, Example, gallery_page, related

NAMES = [name for names in QUESTIONS.values() for name in names]


def figures(text, pattern):
    """Groups of the first match as numbers."""
    found = re.search(pattern, text)
    assert found, f"{pattern} is not in:\n{text}"
    return [float(one.replace("−", "-").replace("+", "")) for one in found.groups()]


def each(text, pattern):
    """The only group of every match as numbers."""
    return [float(one.replace("−", "-")) for one in re.findall(pattern, text)]


def titanic(text):
    main, pairs = each(text, r"left out ([\d.]+)")
    assert pairs < main - 0.04
    assert figures(text, r"woman × 3rd class \| \S+ \| \S+ \| (\S+) \|")[0] < -3
    for line in re.findall(r"^[01] \| [01] \| .*$", text, flags=re.MULTILINE):
        *_, observed, model = (float(one) for one in line.strip(" |").split(" | "))
        assert abs(observed - model) < 0.05


def concrete(text):
    lines, curves, surfaces = each(text, r"new recipes ([\d.]+)")
    assert lines + 0.2 < curves < surfaces - 0.02
    pair, error = figures(text, r"blast furnace slag × age \| (\S+) \| (\S+) \|")
    assert pair > 4 * error  # "five times its standard error"
    (without, gain), (with_slag, more) = (
        figures(text, rf"slag {kilograms} kg: (\d+) MPa after a week, (\d+) more") for kilograms in (0, 200)
    )
    assert with_slag > without + 10
    assert more > gain + 8


def laser(text):
    juvenile, adult = each(text, r"treated eye × ([\d.]+)")
    assert 0.45 < juvenile < 0.65
    assert 0.15 < adult < 0.25
    assert figures(text, r"laser × adult \| \S+ \| \S+ \| (\S+) \|")[0] < -2


def films(text):
    levels, factors = each(text, r"RMSE ([\d.]+)")
    assert 0.02 < 1 - factors / levels < 0.04  # "three percent"
    action, romance = figures(text, r"Blade Runner \| (\S+) \| \S+ \| (\S+) \|")
    assert action > romance + 1.5
    action, romance = figures(text, r"Dirty Dancing \| (\S+) \| \S+ \| (\S+) \|")
    assert romance > action + 0.8


def personality(text):
    none, two, five, eight = each(text, r"kept back ([\d.]+)")
    assert none > two + 0.1 > five + 0.1
    assert abs(eight - five) < 0.01
    assert figures(text, r"(\d+) of 25 questions")[0] >= 22


def yogurt(text):
    alone, factors = each(text, r"bought in (\d+)%")
    assert alone < 55  # "hardly half"
    assert 76 < factors < 86  # "four in five"
    price, error = figures(text, r"price \| (\S+) \| (\S+) \|")
    assert price < -4 * error
    assert figures(text, r"advertised \| (\S+) \|")[0] > 0.5


def vaccines(text):
    additive, factors = each(text, r"kept back ([\d.]+)")
    assert factors > additive + 0.15
    for disease in ("Measles", "Polio"):
        counted, without, with_factors = figures(text, rf"{disease} \| (\S+) \| (\S+) \| (\S+) \|")
        assert without < 0.5 * counted
        assert with_factors > 2 * without


def volcano(text):
    r2 = each(text, r"R² of the other points ([\d.]+)")
    assert r2 == sorted(r2)
    assert r2[0] < 0.3
    assert each(text, r"off by ([\d.]+) m")[-1] < 3.5


def schools(text):
    public, catholic = figures(text, r"standing: ([\d.]+) points in public schools,\s+([\d.]+) in Catholic")
    assert 0.4 < catholic / public < 0.6
    average, own = (figures(text, rf"\n{name} \| (\S+) \|")[0] for name in ("school average", "family"))
    assert average > own
    assert figures(text, r"noise \|  \| \S+ \| \S+ \| (\S+) \|")[0] > 0.9


def football(text):
    early, late = figures(text, r"average teams: ([\d.]+) in 1963, ([\d.]+) in 2008")
    assert late < 0.5 * early
    best, second = each(text, r"\| \S+ \| \S+ \| ([\d.]+) \| \d{3,} \|")[:2]
    assert best > 1 > second + 0.3
    assert re.search(r"games \|\s+Bayern Muenchen", text)


def pigs(text):
    alike, own = each(text, r"off by ([\d.]+) kg")
    assert 0.25 < 1 - own / alike < 0.42  # "a third better"
    assert 93 <= figures(text, r"limits: (\d+)%")[0] <= 99
    assert all(abs(z) < 2 for z in each(text, r"× week \| \S+ \| \S+ \| (\S+) \|"))


def wheat(text):
    blocks, soil = each(text, r"log-likelihood (-[\d.]+)")
    assert 75 < soil - blocks < 90  # "eighty"
    assert "a variance of 'variety' is zero" in text
    assert figures(text, r"plain_rank \|\s+BUCKSKIN \| \S+ \| \S+ \| \S+ \| (\d+) \|")[0] > 20


def states(text):
    size, cycle = figures(text, r"employment is ([\d.]+)(?s:.*)unemployment: ([\d.]+)")
    assert min(size, cycle) > 0.9
    gsp, emp, unemp = figures(text, r"unemp \|\s+first \| (?:\S+ \| ){5}(\S+) \| (\S+) \| (\S+) \|")
    assert unemp > 0.8
    assert -0.06 < gsp < -0.02
    assert -0.06 < emp < -0.02
    early, middle, high, low, last = each(text, r"19\d\d ([+−-][\d.]+)")
    assert min(middle, high) > 0 > max(early, low, last)


def development(text):
    line, curve = each(text, r"kept back (−?-?[\d.]+)")
    assert curve > line + 0.25
    rows = re.findall(r"^(\d+) \| (\d+) \| ([\d.]+) \| (\d+) \|", text, flags=re.MULTILINE)
    deaths, years, children, income = (list(map(float, column)) for column in zip(*rows, strict=True))
    assert (
        deaths[1] < 0.62 * deaths[0]
    )  # "nearly halved while families are still large and incomes hardly rise"
    assert children[1] > 4
    assert income[1] < 1.3 * income[0]
    assert children[2] < 0.7 * children[1]  # "then families become small"
    assert income[3] > 1.7 * income[2]
    assert years == sorted(years)
    early, late = figures(text, r"1960 (\S+), \d+ \S+, 2010 (\S+)")
    assert early < 0 < late


def liver(text):
    mean, last, model = each(text, r"off by ([\d.]+) standard")
    assert model < 0.92 * last < 0.98 * mean
    assert 93 <= figures(text, r"limits: (\d+)%")[0] <= 99


def pipeline(text):
    known, new = each(text, r"without schools ([\d.]+)")
    (level, level_new), (slope, slope_new) = (
        figures(text, rf"{name} \| (\S+) \| (\S+) \|") for name in ("a level", "and a slope of reading")
    )
    assert slope > level > known + 0.04
    assert max(level_new, slope_new) < new + 0.01
    assert "slopes=('standLRT',)" in text


def fair_comparison(text):
    lines, trees = (
        figures(text, rf"{name} \| \S+ \| \S+ \| (\S+) \| (\S+) \|")
        for name in ("main effects", "boosted trees")
    )
    assert lines[0] < -3 * lines[1]
    assert abs(trees[0]) < trees[1]


def saving(text):
    assert text.count(": True") == 2
    assert "its checksum does not match" in text
    assert "mean radius" in text
    pairs, main = each(text, r"log loss ([\d.]+)")
    assert abs(pairs - main) < 0.02  # "as good"


def what_is_shown(page):
    """Text of a page without its code, cells of tables apart."""
    text = re.sub(r'<pre class="code".*?</pre>', "", page.html, flags=re.DOTALL)
    text = re.sub(r"</t[dh]>", " | ", text)
    text = re.sub(r"</(tr|p|pre|figure|div)>", "\n", text)
    return html.unescape(re.sub(r"<[^>]+>", "", text))


@pytest.mark.parametrize("name", NAMES)
def test_an_example_finds_what_its_text_says(name):
    example = Example.read(name, run=True)
    globals()[name](what_is_shown(example.page))
    files, thumbnail = example.thumbnail()
    assert len(files) == 2
    assert all(b"<svg" in content[:200] for content in files.values())
    alts = re.findall(r'<img [^>]*alt="([^"]*)"', example.page.html)
    assert all(len(alt) > 20 for alt in alts)
    assert 'alt="' in thumbnail


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_told_as_a_story(name):
    text = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == ["In words", "Be careful"]
    assert len(Example.read(name, run=False).classes) >= 1
    words = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    assert max(len(line) for line in words.splitlines()) <= 120


def test_every_file_of_the_gallery_is_asked_for_once():
    assert sorted(NAMES) == sorted(path.stem for path in FOLDER.glob("*.md"))


def test_the_gallery_shows_a_card_for_every_example():
    page, files = gallery_page([Example.read(name, run=False) for name in NAMES])
    assert files == {}
    assert re.findall(r'class="card" href="gallery\.(\w+)\.html"', page.html) == NAMES
    assert len(page.contents) == len(QUESTIONS)


def test_the_page_of_a_family_ends_with_its_examples():
    found = [Example.read(name, run=False) for name in NAMES]
    shown = re.findall(r'class="card" href="gallery\.(\w+)\.html"', related("mixed_models", found))
    assert shown == ["schools", "football", "pigs", "wheat", "pipeline"]
    assert related("index", found) == ""
    covered = {name for page in FAMILIES for name in NAMES if f"gallery.{name}.html" in related(page, found)}
    assert covered == set(NAMES)
