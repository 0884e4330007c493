"""The command that repeats a paper's experiments."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from intertwine.cli.mistakes import Mistake, did_you_mean
from intertwine.cli.options import Jobs
from intertwine.cli.show import Screen

__all__ = ["reproduce"]


def reproduce(
    name: Annotated[
        str, typer.Argument(help="Which paper: lit-lvm, llfm, lmm-vae, lmmvae or sslf.", show_default=False)
    ],
    quick: Annotated[
        bool, typer.Option("--quick", help="Minutes instead of hours: fewer draws and sizes.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(help="Folder for the page and the measurements; intertwine-NAME.", show_default=False),
    ] = None,
    jobs: Jobs = -1,
) -> None:
    """Repeat a paper's experiments and put our numbers beside its own; run again to go on after an interruption."""
    from intertwine.reproduce import PAPERS, load_paper, reproduce_paper
    from intertwine.reproduce.page import as_markdown

    if name not in PAPERS:
        raise Mistake(f"no paper {name!r}; {did_you_mean(name, PAPERS)}")
    screen, paper = Screen(), load_paper(name)
    folder = output or Path(f"intertwine-{name}")
    with ExitStack() as shown:

        def on_plan(left: int, kept: int) -> Callable[[str], None]:
            if kept:
                screen.note(f"{kept} measurements of an earlier run in {folder} are kept")
            return shown.enter_context(screen.counting(f"measuring for {name}", left))

        found = reproduce_paper(paper, folder, quick=quick, n_jobs=jobs, on_plan=on_plan)
    screen.say(as_markdown(paper, found, quick=quick))
    screen.say(f"page: {folder / name}.html")
