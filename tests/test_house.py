"""The house as a newcomer meets it: where a family lies, and that its map is true."""

import ast
import itertools
import re
from fnmatch import fnmatchcase
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from test_architecture import RANK

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "intertwine"
FAMILIES = sorted(folder for folder in (PACKAGE / "fitting").iterdir() if (folder / "__init__.py").exists())
ESTIMATORS = sorted(
    folder for folder in (PACKAGE / "estimators").iterdir() if (folder / "__init__.py").exists()
)
LARGE = ("estimators", "mixed_effects", "report", "solvers", "structures")
MAPPED = [*FAMILIES, *ESTIMATORS, *(PACKAGE / name for name in LARGE)]
# What a family of `fitting` may use of another one.
NEIGHBOURS = {("latent_factors", "fm")}


def docstring(path):
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""


@pytest.mark.parametrize("folder", MAPPED, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_the_map_of_a_package_names_all_its_files(folder):
    named = set(re.findall(r"`(\w+\*?)`", docstring(folder / "__init__.py")))
    there = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    missing = {stem for stem in there if not any(fnmatchcase(stem, name) for name in named)}
    assert not missing, f"give {missing} a place in the map at the top of {folder.name}/__init__.py"
    gone = {name for name in named if not any(fnmatchcase(stem, name) for stem in there)}
    assert not gone, f"{folder.name}/__init__.py names {gone}, which is no file"


@pytest.mark.parametrize("folder", FAMILIES, ids=lambda folder: folder.name)
def test_families_of_fits_do_not_know_each_other(folder):
    families = {family.name for family in FAMILIES} - {folder.name}
    for path in folder.glob("*.py"):
        used = set(re.findall(r"intertwine\.fitting\.(\w+)", path.read_text(encoding="utf-8"))) & families
        assert {(folder.name, other) for other in used} <= NEIGHBOURS, path.name


@pytest.mark.parametrize("folder", ESTIMATORS, ids=lambda folder: folder.name)
def test_families_of_estimators_do_not_know_each_other(folder):
    families = {family.name for family in ESTIMATORS} - {folder.name, "effect_rows"}
    for path in folder.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not families & set(re.findall(r"intertwine\.estimators\.(\w+)", text)), path.name


def test_what_all_estimators_share_knows_no_family():
    families = {family.name for family in ESTIMATORS}
    for path in (PACKAGE / "estimators").glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not families & set(re.findall(r"intertwine\.estimators\.(\w+)", text)), path.name


def imports_between_modules(package):
    """Which modules each module of a package imports, wherever in the file and for whatever reason."""
    modules = {}
    for path in package.rglob("*.py"):
        parts = path.relative_to(package.parent).with_suffix("").parts
        modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    found = {}
    for name, path in modules.items():
        own = name if path.name == "__init__.py" else name.rpartition(".")[0]
        named = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                named |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                above = own.split(".")[: len(own.split(".")) - node.level + 1] if node.level else []
                base = ".".join([*above, *([node.module] if node.module else [])])
                each = {f"{base}.{alias.name}" for alias in node.names}
                named |= (each & set(modules)) or {base}
        found[name] = (named & set(modules)) - {name}
    return found


def test_no_imports_go_round_in_a_circle(tmp_path):
    tuple(TopologicalSorter(imports_between_modules(PACKAGE)).static_order())
    # and the test would see one: a module, a late import, one for types alone
    for name, text in {
        "__init__": "",
        "a": "from pkg.b import x",
        "b": "def late():\n    from . import c",
        "c": "if TYPE_CHECKING:\n    import pkg.a",
    }.items():
        (tmp_path / "pkg").mkdir(exist_ok=True)
        (tmp_path / "pkg" / f"{name}.py").write_text(text)
    with pytest.raises(CycleError) as raised:
        TopologicalSorter(imports_between_modules(tmp_path / "pkg")).prepare()
    assert set(raised.value.args[1]) == {"pkg.a", "pkg.b", "pkg.c"}


ARCHITECTURE = (PACKAGE.parents[1] / "docs" / "pages" / "architecture.md").read_text(encoding="utf-8")


def imported_files(path):
    """Files of the package that a file imports, by their own name or through the face of their folder."""
    imports = [
        node
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
    ]
    for node in imports:
        place = node.module.removeprefix("intertwine.").replace(".", "/")
        if (PACKAGE / f"{place}.py").exists():
            yield f"{place}.py"
        elif (face := PACKAGE / place / "__init__.py").exists() and face != path:
            yield from (f"{place}/{alias.name}.py" for alias in node.names)
            yield from imported_files(face)


HOPS = re.findall(r"^\| ([\w ,1]+) \| (`[^|]*→[^|]*`) \|$", ARCHITECTURE, flags=re.MULTILINE)


def test_every_file_that_the_page_on_the_architecture_names_is_there():
    named = re.findall(r"`((?:tests/)?(?:\w+/)*\w+(?:\.py|/))`", ARCHITECTURE)
    assert len(named) > 80
    roots = (PACKAGE, PACKAGE.parents[1])
    assert [name for name in named if not any((root / name).exists() for root in roots)] == []


@pytest.mark.parametrize(("family", "hops"), HOPS, ids=[family for family, _ in HOPS])
def test_each_hop_from_fit_to_the_kernel_is_an_import(family, hops):
    files = re.findall(r"`([\w/]+\.py)`", hops)
    assert len(files) <= 5
    for path, then in itertools.pairwise(files):
        assert then in imported_files(PACKAGE / path), f"{path} does not import {then}"


def test_all_families_have_hops():
    assert len(HOPS) == 9 + 1  # and the command line


def test_the_layers_on_the_page_are_those_that_are_held():
    block = ARCHITECTURE.split("## Layers")[1].split("```")[1]
    lines = [re.split(r"\s{2,}", line)[0].split(", ") for line in block.strip().splitlines()]
    places = [{RANK[unit] for unit in units} for units in lines]
    assert all(max(before) <= min(after) for before, after in itertools.pairwise(places))
    assert {unit for units in lines for unit in units} == set(RANK) - {"__init__", "__main__"}


CLASS = re.compile(
    r"^class (\w+)(?:\(([^)]*)\))?:|^    def (\w+)\(|^(    @\w*\.?abstractmethod|\S)", re.MULTILINE
)


def classes_of_the_package():
    """Bases and methods of every class as written, and whether a method is abstract."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        if "reproduce" in path.parts:  # designs of its own
            continue
        name, is_abstract = None, False
        for match in CLASS.finditer(path.read_text(encoding="utf-8")):
            title, bases, method, other = match.groups()
            if title:
                name = (path.stem, title)
                found[name] = re.findall(r"\w+", (bases or "").replace("abc.", "")), {}
            elif method and name:
                found[name][1][method] = is_abstract
                is_abstract = False
            elif other:
                is_abstract = "abstract" in other
                name = name if is_abstract else None
    return found


def test_nothing_concrete_is_overridden():
    classes = classes_of_the_package()
    by_title = {title: methods_of for (_, title), methods_of in classes.items()}

    def concrete(title):
        bases, methods = by_title.get(title, ([], {}))
        inherited = set().union(*map(concrete, bases)) if bases else set()
        return inherited | {method for method, is_abstract in methods.items() if not is_abstract}

    assert "save" in concrete("AbstractFM")
    assert "_to_state" not in concrete("AbstractSaved")
    overridden = {
        f"{title}.{method}": base
        for (_, title), (bases, methods) in classes.items()
        for base in bases
        for method in set(methods) & concrete(base)
        if not method.startswith("__")
    }
    assert overridden == {}
