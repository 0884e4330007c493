"""What was given on the command line beside roles and settings: files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from intertwine.cli.mistakes import Mistake

__all__ = ["pose_file", "require_folder"]


def pose_file(data: Path, roles: dict[str, Any], family: Any) -> Any:
    """Read a table and pose the problem in it, in the manner of the family."""
    from intertwine.cli.preparations import pose_table
    from intertwine.cli.reading import read_table_file

    notes: list[str] = []
    problem = pose_table(read_table_file(data, notes), roles, family)
    return replace(problem, notes=[*notes, *problem.notes])


def require_folder(path: Path | None) -> None:
    """Fail before the work, not after it."""
    if path is not None and not path.resolve().parent.is_dir():
        raise Mistake(f"there is no folder {path.parent}")
    if path is not None and path.is_dir():
        raise Mistake(f"{path} is a folder; name a file in it")
