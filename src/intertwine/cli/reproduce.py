"""The command that repeats the papers' experiments."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from intertwine.cli.mistakes import Mistake, did_you_mean
from intertwine.cli.options import Jobs
from intertwine.cli.show import Screen
from intertwine.cli.time_left import counting_seconds

__all__ = ["reproduce"]

_ALL = "all"


def reproduce(
    name: Annotated[
        str,
        typer.Argument(
            help="The paper: lit-lvm (interactions), llfm (local factorization machines), sslf (latent factors), "
            "lmmvae (latents beside random effects), lmm-vae (longitudinal latents); or all.",
            show_default=False,
        ),
    ],
    quick: Annotated[
        bool, typer.Option("--quick", help="Minutes in place of hours: fewer repetitions, smaller tables.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the page and all that was measured; by default intertwine-NAME.",
            show_default=False,
        ),
    ] = None,
    jobs: Jobs = -1,
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="End a single measurement that takes longer, and go on with the next; by default none is.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Repeat the experiments of the papers that the models come from, and judge each of their claims.

    What was measured is kept: the same command goes on where an earlier one was interrupted.
    """
    from intertwine.reproduce import PAPERS, Plan, load_paper, reproduce_papers, stem, write_overview
    from intertwine.reproduce.overview import all_claims, summary
    from intertwine.reproduce.page import as_markdown

    if name not in (*PAPERS, _ALL):
        raise Mistake(f"no paper {name!r}; {did_you_mean(name, [*PAPERS, _ALL])}")
    screen = Screen()
    papers = [load_paper(each) for each in (PAPERS if name == _ALL else [name])]
    folder = output or Path(f"intertwine-{name}")
    with ExitStack() as shown:

        def on_plan(plan: Plan) -> Callable[[str, float], None]:
            if plan.kept:
                screen.note(f"{plan.kept} measurements of an earlier run in {folder} are kept")
            return shown.enter_context(
                counting_seconds(screen.remarks, f"measuring for {name}", plan.left, plan.seconds)
            )

        seconds = None if minutes is None else 60.0 * minutes
        chapters = reproduce_papers(papers, folder, quick=quick, n_jobs=jobs, limit=seconds, on_plan=on_plan)
    if name == _ALL:
        command = f"intertwine reproduce {_ALL}{' --quick' * quick}"
        page = write_overview(chapters, folder, quick=quick, command=command)
        for chapter in chapters:
            screen.say(f"{chapter.paper.name}: {summary(chapter.claims)}")
        screen.say(summary(all_claims(chapters)))
    else:
        screen.say(as_markdown(chapters[0], quick=quick))
        page = (folder / stem(name, quick=quick)).with_suffix(".html")
    failed = [text for chapter in chapters for text in chapter.failed]
    for text in failed:
        screen.note(f"ended in an error: {text}")
    screen.say(f"page: {page}")
    if failed:
        raise typer.Exit(1)
