"""What the terminal shows of a comparison across families: who applies and why, and how models stand."""

from __future__ import annotations

from collections.abc import Sequence

from intertwine.cli.show import Screen, plain, table_of
from intertwine.compare.candidates import OTHER, Candidate, Contested
from intertwine.compare.ranking import Ranking
from intertwine.report.ranking_words import advice
from intertwine.report.words import number, plus_minus, signed

__all__ = ["show_candidates", "show_contested"]


def show_candidates(candidates: Sequence[Candidate], screen: Screen) -> None:
    """Print which families apply, and why; of those with another question, what runs them."""
    table = table_of("Which families apply")
    table.add_column("family", no_wrap=True)
    table.add_column("applies")
    table.add_column("why", overflow="fold", ratio=1)
    for one in candidates:
        table.add_row(one.family, one.applies, plain(one.why), style="bold" if one.applies == "yes" else None)
    screen.output.print(table)
    for one in candidates:
        if one.applies == OTHER:
            screen.say(f"  {one.command}")


def show_contested(contested: Contested, screen: Screen) -> None:
    """Print how models stand on rows and on units that were held out, and which to use."""
    for held_out, ranking in contested.rankings:
        _show_ranking(contested.asks, held_out, ranking, screen)
        for what in (ranking.failed, ranking.given_up):
            for name, why in what.items():
                screen.note(f"{name}{' failed' if what is ranking.failed else ' was given up'}: {why}")
        for name, texts in ranking.said.items():
            for text in texts if held_out == "rows" else ():  # that new units are new was known
                screen.note(f"{name}: {text}")
        for sentence in advice(ranking, held_out):
            screen.say(sentence)
    for caution in contested.cautions:
        screen.note(caution)


def _show_ranking(asks: str, held_out: str, ranking: Ranking, screen: Screen) -> None:
    comparison = ranking.comparison
    if comparison is None:
        return
    of = held_out if held_out == "rows" else f"new {held_out}"
    metric, folds = comparison.task.metric, comparison.scores.shape[1]
    table = table_of(f"{asks}: {folds} folds of {of}")
    table.add_column("model", overflow="fold")
    for name in (metric, "to the best", "seconds"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for i, name in enumerate(comparison.names):
        apart = f"{signed(float(comparison.difference[i]), 3)} ± {comparison.difference_std_error[i]:.3f}"
        table.add_row(
            plain(name),
            plus_minus(float(comparison.mean[i]), float(comparison.std_error[i])),
            "" if i == 0 else apart,
            number(float(comparison.seconds[i].mean()), 2),
            ranking.word(i) + (" ← use" if name == ranking.choice else ""),
            style="bold" if name in ranking.families else None,
        )
    screen.output.print(table)
    screen.errors(comparison)
