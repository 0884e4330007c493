"""The commands of ``intertwine``."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from intertwine.cli.given import pose_file, require_folder
from intertwine.cli.mistakes import Mistake, one_line
from intertwine.cli.options import AsGiven, Data, Folds, Jobs, Minutes, Model, Models, Quick, Scheduler, Seed
from intertwine.cli.plan import Plan, minutes_of
from intertwine.cli.recommend import recommend
from intertwine.cli.reproduce import reproduce
from intertwine.cli.show import Screen
from intertwine.cli.table_options import TableOptions, spread, with_table_options

__all__ = ["application", "run"]

application = typer.Typer(
    name="intertwine",
    help="What interacts in a table, what groups share, where subjects go next: how much, and how sure it is.\n\n"
    "To begin with: intertwine compare TABLE --target COLUMN says which models suit a table; intertwine demo "
    "needs no table.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

_MISTAKE, _INTERRUPTED = 2, 130  # as the shell and typer have them


def run() -> None:
    """Run the command line."""
    application()


def _friendly(command: Callable[..., None]) -> Callable[..., None]:
    """Show a user's mistake as one line and leave with exit code 2; let true faults through with a traceback."""

    @functools.wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> None:
        try:
            with one_line():
                command(*args, **kwargs)
        except Mistake as mistake:
            Screen().fail(str(mistake))
            raise typer.Exit(_MISTAKE) from None
        except KeyboardInterrupt:
            Screen().fail("interrupted")
            raise typer.Exit(_INTERRUPTED) from None

    return guarded


@application.callback(invoke_without_command=True)
def _main(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    if version:
        import intertwine

        Screen().say(intertwine.__version__)
        raise typer.Exit


@application.command()
@with_table_options
@_friendly
def fit(
    data: Data,
    *,
    model: Model = "interactions",
    given: TableOptions,
    scheduler: Scheduler = None,
    output: Annotated[Path, typer.Option(help="Model file to write.")] = Path("model.intertwine"),
    report: Annotated[
        Path | None,
        typer.Option(
            help="HTML page to write on the model, with its scores beside those of simpler ones.",
            show_default=False,
        ),
    ] = None,
    cv: Folds = 5,
    quick: Quick = False,
    minutes: Minutes = None,
    seed: Seed = 0,
    jobs: Jobs = -1,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            help="File for unfinished work: after an interruption the same command goes on from there.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Fit one model to a table and save it; say what it found.

    For example: intertwine fit patients.csv --target glucose --report report.html
    """
    from intertwine.cli.scoring import score_problem
    from intertwine.cli.work import describe, fit_problem, heading, study_of, write_studies

    screen = Screen()
    require_folder(output)
    require_folder(report)
    roles, family = given.roles, given.family(model)
    if scheduler is not None:
        from intertwine.cli.cluster_fit import fit_on_cluster

        if report is not None or checkpoint is not None:
            raise Mistake("--report and --checkpoint need the table here: leave them out with --scheduler")
        fit_on_cluster(data, scheduler, roles, family, seed, screen).save(output)
        screen.say(f"model: {output}")
        return
    plan = Plan(cv, quick, seed, jobs, minutes_of(minutes, quick))
    problem = pose_file(data, roles, family)
    describe(problem, screen)
    fitted = fit_problem(problem, screen, roles=roles, cv=cv, plan=plan, checkpoint=checkpoint)
    screen.findings(fitted.estimator)
    fitted.save(output)  # before anything else can fail
    if report is not None:
        scores = score_problem(problem, screen, plan)
        fitted.take(scores.on_rows, scores.on_units, scores.notes)
        screen.scores(fitted.comparison)
        if fitted.by_unit is not None:
            screen.scores(fitted.by_unit, f"new {problem.family.units}")
        fitted.save(output)
    screen.say(f"model: {output}")
    if report is not None:
        study = study_of(fitted, problem, title=data.stem, plan=plan)
        write_studies([study], report, screen, title=heading(fitted, data))


@application.command()
@_friendly
def predict(
    model: Annotated[Path, typer.Argument(help="Model file that fit wrote.", show_default=False)],
    data: Data,
    output: Annotated[
        Path | None, typer.Option(help="Table to write; standard output by default.", show_default=False)
    ] = None,
    at: Annotated[
        list[float] | None,
        typer.Option(
            help="Survival: time at which to give the probability of being event-free; can be repeated.",
            show_default=False,
        ),
    ] = None,
    impute: Annotated[
        bool,
        typer.Option(
            "--impute", help="Write the table with its gaps filled: models of latents and of visits."
        ),
    ] = False,
) -> None:
    """Predict the rows of a table with a saved model.

    What is written hangs on the model: values, classes with probabilities, hazards; of random-effects-pca and
    random-effects-vae the latents of each row; of longitudinal-vae all that was not measured at a visit.
    """
    from intertwine.cli.reading import read_table_file, write_table_file
    from intertwine.cli.table_model import TableModel

    screen = Screen()
    fitted = TableModel.load(model)
    if at and fitted.task.name != "survival":
        raise Mistake(f"--at is for survival models; this one is for {fitted.task.name}")
    notes: list[str] = []
    table = read_table_file(data, notes)
    for note in notes:
        screen.note(note)
    with screen.collecting_warnings():
        table = table.rename(columns=str)
        predictions = fitted.impute(table) if impute else fitted.predict(table, at or [])
    write_table_file(predictions, output)
    if output is not None:
        what = "rows without gaps" if impute or fitted.task.name == "forecast" else "predictions"
        screen.say(f"{len(predictions):,} {what}: {output}")


@application.command()
@with_table_options
@_friendly
def compare(
    data: Data,
    *,
    model: Models = None,
    given: TableOptions,
    output: Annotated[
        Path | None,
        typer.Option(help="Table to write, with the score of each model on each fold.", show_default=False),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            help="HTML page to write on all models, and on what the best of ours found.", show_default=False
        ),
    ] = None,
    cv: Folds = 5,
    quick: Quick = False,
    minutes: Minutes = None,
    as_given: AsGiven = False,
    seed: Seed = 0,
    jobs: Jobs = -1,
) -> None:
    """Say which families of models suit a table, and score them, and what one would use instead, on the same rows.

    For example: intertwine compare patients.csv --target glucose --report compare.html
    """
    from intertwine.cli.compare import compare_file

    screen = Screen()
    require_folder(output)
    require_folder(report)
    plan = Plan(cv, quick, seed, jobs, minutes_of(minutes, quick))
    compare_file(data, given, spread(model), screen, plan, output, report, propose=not as_given)


@application.command()
@_friendly
def report(
    model: Annotated[Path, typer.Argument(help="Model file that fit wrote.", show_default=False)],
    data: Annotated[
        Path | None,
        typer.Argument(
            help="The table it was fitted on; without it, pictures that show rows are left out.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[Path, typer.Option(help="HTML file to write.")] = Path("report.html"),
) -> None:
    """Write an HTML page on a saved model: what it found, how sure that is, what to be careful about."""
    from intertwine.cli.table_model import TableModel
    from intertwine.cli.work import heading, study_of, write_studies

    screen = Screen()
    require_folder(output)
    fitted = TableModel.load(model)
    problem = None if data is None else pose_file(data, fitted.roles, fitted.family)
    study = study_of(fitted, problem, title=model.stem if data is None else data.stem, plan=Plan())
    write_studies([study], output, screen, title=heading(fitted, model if data is None else data))


application.command()(_friendly(recommend))


@application.command()
@_friendly
def demo(
    output: Annotated[Path, typer.Option(help="Folder for the report and the models.")] = Path(
        "intertwine-demo"
    ),
    full: Annotated[
        bool, typer.Option("--full", help="Try as many settings as fit and compare do; minutes more.")
    ] = False,
    minutes: Minutes = None,
    seed: Seed = 0,
    jobs: Jobs = -1,
) -> None:
    """Fit three data sets that come with Python packages, and write one report on them."""
    from intertwine.cli.demo import run_demo

    run_demo(output, Screen(), Plan(5, not full, seed, jobs, minutes_of(minutes, not full)))


application.command()(_friendly(reproduce))
