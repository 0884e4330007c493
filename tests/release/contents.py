"""What is in the wheel and in the source distribution, and what must not be."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path, PurePosixPath

__all__ = ["sdist_faults", "wheel_faults"]

_DATA = {".csv", ".gz", ".parquet", ".npz", ".npy", ".safetensors", ".intertwine", ".pkl", ".joblib", ".zip"}
_MADE = {"__pycache__", ".hypothesis", ".pytest_cache", "_build", "build", "dist", ".venv", "site"}
_LARGEST = 150_000  # bytes of one file
_MOST = {"wheel": 2_000_000, "sdist": 4_000_000}  # bytes of the whole
_NEEDED_IN_SDIST = (
    "LICENSE", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "Makefile", "constraints.txt",
    "pyproject.toml", "PKG-INFO", "docs/build.py", "tests/conftest.py", "tests/mutations/equivalent.toml",
)  # fmt: skip


def _faults(sizes: dict[str, int]) -> list[str]:
    """Files that nobody wrote, data, and files that are too large."""
    faults = []
    for name, size in sizes.items():
        path = PurePosixPath(name)
        if path.suffix in _DATA and path.parts[:2] != ("tests", "fixtures"):
            faults.append(f"{name} is data")
        if _MADE & set(path.parts) or path.suffix in {".pyc", ".so", ".nbi", ".nbc"}:
            faults.append(f"{name} was made, not written")
        if size > _LARGEST:
            faults.append(f"{name} has {size} bytes")
    return faults


def _size_fault(path: Path, kind: str) -> list[str]:
    size = path.stat().st_size
    return [f"the {kind} has {size} bytes"] if size > _MOST[kind] else []


def wheel_faults(wheel: Path, checkout: Path) -> list[str]:
    """What is wrong with a wheel, beside the package it was made of."""
    with zipfile.ZipFile(wheel) as archive:
        sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
    package = {name for name in sizes if not PurePosixPath(name).parts[0].endswith(".dist-info")}
    source = checkout / "src"
    written = {
        str(path.relative_to(source))
        for path in (source / "intertwine").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    faults = [f"{name} is not in the wheel" for name in sorted(written - package)]
    faults += [f"{name} is in the wheel, and not in the package" for name in sorted(package - written)]
    names = {PurePosixPath(name).name for name in set(sizes) - package}
    faults += [f"{name} is missing" for name in {"METADATA", "LICENSE", "entry_points.txt"} - names]
    return faults + _faults(sizes) + _size_fault(wheel, "wheel")


def sdist_faults(sdist: Path, checkout: Path) -> list[str]:
    """What is wrong with a source distribution: its tests have to run."""
    with tarfile.open(sdist) as archive:
        files = [entry for entry in archive.getmembers() if entry.isfile()]
    sizes = {entry.name.split("/", 1)[1]: entry.size for entry in files}
    needed = {str(path.relative_to(checkout)) for path in (checkout / "tests").rglob("*.py")}
    needed |= {str(path.relative_to(checkout)) for path in (checkout / "src").rglob("*.py")}
    faults = [f"{name} is missing" for name in sorted((needed | set(_NEEDED_IN_SDIST)) - set(sizes))]
    return faults + _faults(sizes) + _size_fault(sdist, "sdist")
