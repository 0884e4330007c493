"""What the package brings along, by extra: which distributions, of what size, under which licences."""

from __future__ import annotations

import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

__all__ = ["RUNTIME", "brought", "copyleft", "installed_size", "licences"]

# What a fit, a table, a report or the command line may need; the other extras are for examples and development.
RUNTIME = ("", "deep", "report", "cli", "scale", "index", "formula")
_COPYLEFT = re.compile(r"\b(A?GPL|GNU (Affero )?General Public)", re.IGNORECASE)


def _name(text: str) -> str:
    return re.sub(r"[-_.]+", "-", text).lower()


def brought(extra: str, package: str = "intertwine") -> dict[str, Distribution]:
    """All installed distributions that an extra needs, directly or not; "" is the package alone, itself left out."""
    found: dict[str, Distribution] = {}
    seen = set()
    todo = [(package, extra)]
    while todo:
        name, wanted = todo.pop()
        if (name, wanted) in seen:
            continue
        seen.add((name, wanted))
        try:
            here = distribution(name)
        except PackageNotFoundError:
            if (package, extra) == (name, wanted):
                raise
            continue  # of another platform, or an extra that is not installed
        found[_name(name)] = here
        for line in here.requires or ():
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": wanted}):
                todo += [(_name(needed.name), one) for one in ("", *needed.extras)]
    return {name: found[name] for name in sorted(found) if name != _name(package)}


def installed_size(distributions: dict[str, Distribution]) -> int:
    """Bytes on disk, compiled modules left out."""
    paths = [Path(str(file.locate())) for here in distributions.values() for file in here.files or ()]
    return sum(path.stat().st_size for path in paths if path.exists())


def licences(here: Distribution) -> str:
    """What a distribution says of its licence, in one line."""
    data = here.metadata
    classifiers = [line for line in data.get_all("Classifier", []) if line.startswith("License ::")]
    text = (data.get("License") or "").strip().split("\n")[0]
    return data.get("License-Expression") or "; ".join(classifiers) or text


def copyleft(distributions: dict[str, Distribution]) -> dict[str, str]:
    """Those under the GNU GPL or AGPL; the lesser licence is none of them."""
    said = {name: licences(here) for name, here in distributions.items()}
    return {name: text for name, text in said.items() if _COPYLEFT.search(text)}


def main() -> None:
    """Print what each extra brings, beside the package itself."""
    for extra in (*RUNTIME, "all"):
        parts = brought(extra)
        print(
            f"{extra or 'without extras':15s}{len(parts):4d} packages {installed_size(parts) / 1e6:6.0f} MB"
        )


if __name__ == "__main__":
    main()
