"""What pages say that can be told without building the site: files, options, warnings, measured figures."""

import re
import shlex
from pathlib import Path

import pytest
import typer

import intertwine.cli.commands

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMPARISON, GUIDE = (
    (ROOT / "docs" / "pages" / f"{name}.md").read_text(encoding="utf-8")
    for name in ("comparison", "choosing")
)


def test_the_readme_shows_what_its_code_prints(capsys):
    code, printed = re.search(r"```python\n(.*?)```\n\n```\n(.*?)```", README, flags=re.DOTALL).groups()
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out == printed


def test_the_readme_is_short_and_leads_somewhere():
    assert README.count("\n") < 150
    led = re.findall(r"\]\(([^)#]+)\)|src(?:set)?=\"([^\"]+)\"", README)
    absent = [path for path in (one or other for one, other in led) if not (ROOT / path).exists()]
    assert not absent


def test_files_that_pages_name_are_there():
    pages = [*(ROOT / "docs" / "pages").glob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    named = {
        (path.name, one)
        for path in pages
        for one in re.findall(r"`((?:src|tests|docs|benchmarks)/[\w./-]+)`", path.read_text(encoding="utf-8"))
    }
    assert len(named) > 25
    assert not [pair for pair in named if "NAME" not in pair[1] and not (ROOT / pair[1]).exists()]


def test_warnings_of_the_guide_are_said_somewhere():
    sources = (path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    said = re.sub(r'"\s+f?"', "", "\n".join(sources))  # a sentence may go over several lines
    rows = re.findall(r"^\| (.*?) \|", GUIDE.partition("## Warnings")[2], flags=re.MULTILINE)[2:]
    assert len(rows) > 10
    assert not [part for row in rows for part in row.split("…") if part.strip() not in said]


def commands(text):
    """Lines of a page that call the command line."""
    for line in re.findall(r"^intertwine .*$", text, flags=re.MULTILINE):
        yield shlex.split(line, comments=True)[1:]


def test_commands_of_pages_have_options_that_exist():
    known = typer.main.get_command(intertwine.cli.commands.application).commands
    pages = [*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")]
    asked = [one for path in pages for one in commands(path.read_text(encoding="utf-8"))]
    assert len(asked) > 30
    for name, *rest in asked:
        options = {option for parameter in known[name].params for option in parameter.opts}
        unknown = [word for word in rest if re.match("--?[a-z]", word) and word not in options]
        assert not unknown, (name, rest)


def measured_rows(text):
    """Rows of tables whose last cell names a script of the benchmarks: the script, and what the row says."""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        script = re.fullmatch(r"`(\w+)`", cells[-1])
        if script and (ROOT / "benchmarks" / f"{script[1]}.py").exists():
            yield script[1], " ".join(cells[1:-1])


def numbers(text):
    return re.findall(r"(?<![\w.])-?(?:\d[\d,]*)?\.?\d+", text)


@pytest.mark.parametrize(
    ("script", "said"), [row for text in (README, COMPARISON, GUIDE) for row in measured_rows(text)]
)
def test_a_measured_figure_stands_in_the_results(script, said):
    table = (ROOT / "benchmarks" / "results" / f"{script}.md").read_text(encoding="utf-8")
    found = [float(one.replace(",", "")) for one in numbers(table)]
    unfounded = []
    for one in numbers(said):
        places = len(one.partition(".")[2])
        wanted = float(one.replace(",", ""))
        if not any(abs(wanted - value) < 0.501 * 10.0**-places for value in found):
            unfounded.append(one)
    assert not unfounded
