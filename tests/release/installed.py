"""A folder of its own with an interpreter, packages, and nothing of this checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path


class Environment:
    """A virtual environment with a wheel and some packages.

    Parameters
    ----------
    folder : path
    python : str
        Interpreter to make it with.
    requirements : sequence of str
    constraint : path, optional
    """

    def __init__(
        self, folder: Path, python: str, requirements: Sequence[str], constraint: Path | None = None
    ) -> None:
        self.python = folder / "bin" / "python"
        self.empty = folder / "empty"
        start = time.monotonic()
        subprocess.run([python, "-m", "venv", folder], check=True)
        self.empty.mkdir()
        pinned = ["--constraint", str(constraint)] if constraint else []
        quiet = ["--quiet", "--quiet", "--disable-pip-version-check", "--no-input"]
        self.run("-m", "pip", "install", *quiet, *pinned, *requirements)
        print(
            f"installed {', '.join(map(str, requirements))} in {time.monotonic() - start:.0f} s", flush=True
        )

    def run(self, *arguments: str | Path, folder: Path | None = None, path: Path | None = None) -> None:
        """Run the interpreter in the empty folder, or another; ``path`` holds further modules.

        Raises
        ------
        SystemExit
            When the command fails.
        """
        here = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        if path is not None:
            here["PYTHONPATH"] = str(path)
        command = [self.python, *arguments]
        done = subprocess.run(command, cwd=folder or self.empty, env=here, check=False)
        if done.returncode:
            sys.exit(f"{' '.join(map(str, command))} failed with {done.returncode}")
