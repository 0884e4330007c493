"""The command ``intertwine``: fit, predict, compare, report, demo, reproduce."""

from __future__ import annotations

import sys

__all__ = ["app"]


def app() -> None:
    """Run the command line; without the packages it needs, say which extra brings them."""
    try:
        from intertwine.cli.commands import run
    except ImportError as error:
        if error.name and error.name.split(".")[0] == "intertwine":
            raise
        print(
            f"intertwine needs {error.name} for its command line: pip install 'intertwine[cli,report]'",
            file=sys.stderr,
        )
        sys.exit(1)
    run()
