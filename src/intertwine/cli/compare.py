"""The command that compares: the families that apply to a table, or those that are named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from intertwine.cli.across import compare_families
from intertwine.cli.applicable import Entrant
from intertwine.cli.plan import Plan
from intertwine.cli.reading import read_table_file, write_table_file
from intertwine.cli.show import Screen
from intertwine.cli.table_options import TableOptions
from intertwine.cli.work import fit_problem, study_of
from intertwine.compare.candidates import Contested
from intertwine.compare.contender import in_words, told_seconds
from intertwine.compare.time_limit import OutOfTime, at_most
from intertwine.report import Study, write_comparison_report

__all__ = ["compare_file"]

_PATIENCE = 2.0  # times what a fit for the report may take by what folds took, before it is ended


def compare_file(
    data: Path,
    given: TableOptions,
    models: Sequence[str],
    screen: Screen,
    plan: Plan,
    output: Path | None,
    report: Path | None,
    *,
    propose: bool,
) -> None:
    """Score all families that apply, or those of `models` that do, and write what was found."""
    notes: list[str] = []
    table = read_table_file(data, notes)
    found, entrants = compare_families(
        table, given, screen, models=models, data=str(data), plan=plan, propose=propose, notes=notes
    )
    if output is not None:
        write_table_file(found.fold_frame, output)
        screen.say(f"scores: {output}")
    if report is not None:
        studies = [
            study
            for contested in found.contests
            for study in _studies(contested, entrants, data, screen, plan)
        ]
        with screen.collecting_warnings(), screen.working("writing the report") as tell:
            write_comparison_report(
                found, report, studies=studies, on_step=lambda text: tell(f"report: {text}")
            )
        screen.say(f"report: {report}")


def _studies(
    contested: Contested, entrants: Sequence[Entrant], data: Path, screen: Screen, plan: Plan
) -> list[Study]:
    """What the best family of the house found in all rows, unless that takes long or fails."""
    ranking = contested.on_rows
    name = next((name for name in ranking.names if name in ranking.families), None)
    if name is None or ranking.comparison is None:
        return []
    seconds = float(ranking.comparison.seconds[ranking.names.index(name)].mean())
    if seconds > plan.study_seconds:
        screen.note(
            f"the report has no section on {name}, whose fit takes {told_seconds(seconds)}; fit --report has"
        )
        return []
    entrant = next(one for one in entrants if one.candidate.title == name)
    title = f"{entrant.problem.family.asks} {data.name}"
    try:
        with at_most(_PATIENCE * plan.study_seconds):
            fitted = fit_problem(
                entrant.problem,
                screen,
                roles=entrant.options.roles,
                cv=plan.inner,
                plan=plan,
            )
        fitted.comparison = ranking.about(name)
        if contested.on_units is not None and name in contested.on_units.names:
            fitted.by_unit = contested.on_units.about(name)
        return [study_of(fitted, entrant.problem, title=title, plan=plan)]
    except OutOfTime:
        screen.note(
            f"the report has no section on {name}, whose fit was not finished in time; fit --report has"
        )
        return []
    except Exception as error:  # the comparison is not to be lost by it
        screen.note(f"the report has no section on {name}: {in_words(error)}")
        return []
