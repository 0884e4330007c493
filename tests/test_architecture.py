"""The house rules a reader relies on: who imports whom, how long a file gets, how fast the package opens."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import intertwine

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "intertwine"

# What stands lower may be imported by what stands higher, never the other way round, and neighbours in a
# line do not know each other. A unit is a module or a subpackage directly below `intertwine`.
LAYERS = (
    ("frames", "resources"),
    ("io",),
    ("validation",),
    ("losses", "penalties", "structures", "effects"),
    ("covariance", "mixed_effects"),
    ("projection",),
    ("newton_system",),
    ("mixed_model", "objective", "restricted_problem", "basis", "tables", "latent_errors"),
    ("coefficients", "pair_problem", "preparation", "elbo", "latent_prior", "networks", "likelihoods"),
    ("dense_pair_problem", "architectures"),
    ("minimize", "risk"),
    ("solvers",),
    ("sparse_path",),
    ("fitting",),
    ("distributed",),
    ("estimators", "datasets", "pipelines"),
    ("__init__",),
    ("plots",),
    ("compare",),
    ("report",),
    ("reproduce",),
    ("cli",),
    ("__main__",),
)
RANK = {unit: rank for rank, units in enumerate(LAYERS) for unit in units}

MAX_LINES = 400
IMPORT_SECONDS = 0.5


def unit_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_units(path):
    """Yield the units of this package that a file imports, wherever in the file it does."""
    package = ("intertwine", *path.relative_to(PACKAGE).parent.parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            modules = (
                [f"{module}.{alias.name}" for alias in node.names] if module == "intertwine" else [module]
            )
        else:
            continue
        for module in modules:
            parts = module.split(".")
            if parts[0] == "intertwine":
                is_unit = len(parts) > 1 and any(
                    (PACKAGE / name).exists() for name in (parts[1], f"{parts[1]}.py")
                )
                yield parts[1] if is_unit else "__init__"


def repository_files():
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        paths = [ROOT / line for line in listed.stdout.splitlines()]
    else:  # a source archive: whatever lies in its own folders
        folders = ("src", "tests", "docs", "examples", "benchmarks", ".ci")
        paths = [path for folder in folders for path in (ROOT / folder).rglob("*")] + list(ROOT.glob("*.*"))
    return [path for path in paths if path.is_file() and "__pycache__" not in path.parts]


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_imports_run_one_way(path):
    unit = unit_of(path)
    assert unit in RANK, f"give {unit} a line in LAYERS"
    for other in set(imported_units(path)) - {unit}:
        assert RANK[other] < RANK[unit], f"{unit} must not import {other}"


def test_the_direction_test_sees_every_kind_of_import(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    for unit in ("io", "losses", "plots", "solvers"):
        (tmp_path / unit).mkdir()
    source = tmp_path / "losses" / "base.py"
    source.write_text(
        "import intertwine.io\n"
        "from intertwine import plots, __version__\n"
        "def late():\n    from intertwine.solvers.base import AbstractSolver\n"
        "from ..io import save_state\n"
        "from .squared import SquaredLoss\n"
        "import numpy\n"
    )
    assert set(imported_units(source)) == {"io", "plots", "__init__", "solvers", "losses"}


def test_no_file_is_too_long():
    too_long = {
        str(path.relative_to(ROOT)): count
        for path in repository_files()
        if path.suffix == ".py" and (count := len(path.read_text(encoding="utf-8").splitlines())) > MAX_LINES
    }
    assert not too_long


# Spelled in pieces, so that this file does not contain them.
MACHINE_PATHS = ["/" + name + "/" for name in ("work", "farm", "root", "tmp/bash_jobs")]
REGISTRIES = [".".join(parts) for parts in (("pypi", "org"), ("registry", "npmjs"), ("deb", "debian", "org"))]
REGISTRIES.append("files." + "pythonhosted")
FORBIDDEN = re.compile("|".join(map(re.escape, MACHINE_PATHS + REGISTRIES)))


def test_no_file_names_a_machines_path_or_a_package_registry():
    found = {}
    for path in repository_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        if match := FORBIDDEN.search(text):
            found[str(path.relative_to(ROOT))] = match.group()
    assert not found


def in_a_new_process(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_package_opens_quickly():
    code = "import time; t = time.perf_counter(); import intertwine; print(time.perf_counter() - t)"
    assert min(float(in_a_new_process(code)) for _ in range(4)) < IMPORT_SECONDS


@pytest.mark.parametrize(
    ("statement", "unwanted"),
    [
        ("import intertwine", ["jax", "matplotlib", "pandas", "sklearn", "numba", "scipy"]),
        ("from intertwine import InteractionRegressor", ["jax", "matplotlib", "jinja2", "typer"]),
        ("from intertwine import datasets", ["jax", "matplotlib", "numba"]),
        ("from intertwine.io import load_state", ["jax", "matplotlib", "sklearn"]),
    ],
)
def test_nothing_heavy_is_imported_before_it_is_needed(statement, unwanted):
    code = f"import sys; {statement}; print([name for name in {unwanted} if name in sys.modules])"
    assert in_a_new_process(code) == "[]"


@pytest.mark.parametrize("name", intertwine.__all__)
def test_every_public_name_is_there_and_described(name):
    assert getattr(intertwine, name).__doc__
    assert name in dir(intertwine)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'intertwine' has no attribute 'InteractionRegresor'"):
        _ = intertwine.InteractionRegresor
