"""Docstrings in numpydoc style, taken apart."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, field

__all__ = ["Docstring", "Entry", "parse"]

#: Sections that list entries; the others are prose.
ENTRIES = ("Parameters", "Attributes", "Returns", "Yields", "Raises", "Warns")
SECTIONS = (*ENTRIES, "Notes", "References", "Examples", "See Also")


@dataclass(frozen=True)
class Entry:
    """``name : type`` and what it is."""

    name: str
    kind: str
    text: str


@dataclass
class Docstring:
    """Summary and further prose, and the sections by name."""

    summary: str
    prose: str
    entries: dict[str, list[Entry]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)

    def __contains__(self, section: str) -> bool:
        return bool(self.entries.get(section) or self.texts.get(section))


def parse(text: str | None) -> Docstring:
    """Take a docstring apart.

    Raises
    ------
    ValueError
        For a section that numpydoc does not know or whose underline is too short or too long.
    """
    lines = inspect.cleandoc(text or "").splitlines()
    starts = [i for i in range(len(lines) - 1) if re.fullmatch(r"-{3,}", lines[i + 1]) and lines[i].strip()]
    for start in starts:
        if lines[start] not in SECTIONS or len(lines[start]) != len(lines[start + 1]):
            raise ValueError(f"not a section: {lines[start]!r} over {lines[start + 1]!r}")
    opening = "\n".join(lines[: starts[0]] if starts else lines).strip()
    summary, _, prose = opening.partition("\n\n")
    found = Docstring(" ".join(summary.split()), prose)
    for start, stop in zip(starts, [*starts, len(lines)][1:], strict=True):
        body = lines[start + 2 : stop]
        if lines[start] in ENTRIES:
            # prose at the end of a list of parameters, by accident or by a shared description, is an entry too
            found.entries[lines[start]] = _entries(body)
        else:
            found.texts[lines[start]] = "\n".join(body).strip("\n")
    return found


def _entries(lines: list[str]) -> list[Entry]:
    found: list[Entry] = []
    for line in lines:
        if line and not line.startswith(" "):
            name, _, kind = line.partition(" : ")
            found.append(Entry(name.strip(), kind.strip(), ""))
        elif found:
            last = found[-1]
            found[-1] = Entry(last.name, last.kind, f"{last.text}\n{line}" if last.text else line)
    return [Entry(one.name, one.kind, inspect.cleandoc(one.text)) for one in found]
