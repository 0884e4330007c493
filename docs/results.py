"""The tables of the benchmarks, as the last run of each left them."""

from __future__ import annotations

import re
from pathlib import Path

#: Script, and what its table is about.
TITLES = {
    "litlvm_simulation": "The paper's simulation",
    "litlvm_real": "Real tables",
    "litlvm_speed": "Time, beside what one would use instead",
    "litlvm_scale": "Growth with rows and features",
    "litlvm_optimiser": "Against the paper's optimiser",
    "litlvm_compatibility": "A map of compatible donors and recipients",
}


def benchmark_tables(root: Path) -> str:
    """Markdown with every ``benchmarks/results/*.md``, each under a heading and with its command."""
    parts = []
    found = {path.stem: path for path in sorted((root / "benchmarks" / "results").glob("*.md"))}
    for name in [
        *(name for name in TITLES if name in found),
        *(name for name in found if name not in TITLES),
    ]:
        text = re.sub(r"^#+ ", "### ", found[name].read_text(encoding="utf-8").strip(), flags=re.MULTILINE)
        text = text.replace(" ± ", "\u00a0±\u00a0")  # stay on one line
        title = TITLES.get(name, name.replace("_", " "))
        parts.append(f"## {title}\n\n`python benchmarks/{name}.py`\n\n{text}")
    return "\n\n".join(parts) or "No benchmark has been run in this copy."
