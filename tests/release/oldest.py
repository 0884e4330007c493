"""Run quick tests at the oldest versions that ``pyproject.toml`` allows, with the oldest Python that is at hand."""

from __future__ import annotations

import argparse
import sys
import tempfile
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

from .dependencies import RUNTIME
from .installed import Environment

_HERE = Path(__file__).parent
_TESTS = _HERE.parent
_CORE_TESTS = (
    "test_losses.py", "test_penalties.py", "test_mixed_model.py", "test_block_system.py", "test_fm_structure.py",
    "test_latent_structure.py", "test_io.py", "test_pairwise_structure.py", "test_sparse_system.py", "test_frames.py",
    "test_estimators.py", "test_mixed_model_estimator.py", "test_coordinate.py",
)  # fmt: skip
_DEEP_TESTS = ("test_likelihoods.py", "test_elbo.py", "test_architectures.py", "test_vae_parts.py")


def oldest(project: dict, extras: tuple[str, ...]) -> list[str]:
    """Requirements of the package and of some extras, at the lower bounds."""
    lines = list(project["dependencies"])
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    bounds: dict[str, list[str]] = {}
    for needed in map(Requirement, lines):
        for bound in needed.specifier:  # one, and none of an extra of our own
            bounds.setdefault(needed.name, []).append(bound.version)
    highest = {name: max(found, key=_parts) for name, found in bounds.items()}
    return [f"{name}=={version}" for name, version in highest.items()]


def _parts(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def main() -> None:
    """Install and test: the core first, then everything that users install."""
    parser = argparse.ArgumentParser(prog="release.oldest", description=__doc__)
    parser.add_argument("--dist", type=Path, default=Path("dist"))
    parser.add_argument("--python", default=sys.executable, help="interpreter of the environments")
    options = parser.parse_args()
    (wheel,) = options.dist.resolve().glob("*.whl")
    project = tomllib.loads((_TESTS.parent / "pyproject.toml").read_text())["project"]
    with tempfile.TemporaryDirectory() as temporary:
        for name, extras, tests in (
            ("core", (), ()),
            ("all", (*(extra for extra in RUNTIME if extra), "test"), _CORE_TESTS + _DEEP_TESTS),
        ):
            here = Environment(Path(temporary, name), options.python, [str(wheel), *oldest(project, extras)])
            here.run("-W", "ignore", _HERE / "core_families.py") if not extras else None
            if tests:
                here.run("-m", "pytest", "-q", *(f"tests/{test}" for test in tests), folder=_TESTS.parent)


if __name__ == "__main__":
    main()
