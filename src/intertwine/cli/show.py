"""What the terminal shows: tables, notes, progress."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from sklearn.exceptions import ConvergenceWarning

from intertwine.compare import Comparison
from intertwine.plots._results import columns_of, gives_sizes, variance_shares
from intertwine.report.longitudinal_findings import covariance_rows
from intertwine.report.words import count, decimals_of, number, plus_minus, signed, unsigned

__all__ = ["Screen", "plain", "table_of"]

_SECONDS_BETWEEN_LINES = 10.0
_LONGEST_NAME = 40
_NO_GLYPH = "the font of the pictures lacks letters of some names, which stand there as boxes"


class Screen:
    """Results on standard output, progress and notes on standard error; both plain where they are not a terminal.

    Parameters
    ----------
    output, remarks : Console, optional
    """

    def __init__(self, output: Console | None = None, remarks: Console | None = None) -> None:
        self.output = output or Console(soft_wrap=False, highlight=False)
        self.remarks = remarks or Console(stderr=True, highlight=False)

    def say(self, text: str) -> None:
        """Print a line of results."""
        self.output.print(plain(text), soft_wrap=True)

    def note(self, text: str) -> None:
        """Print a remark."""
        self.remarks.print(f"[dim]note:[/dim] {plain(text)}", soft_wrap=True)

    def fail(self, text: str) -> None:
        """Print the one line of a mistake."""
        self.remarks.print(f"[bold red]error:[/bold red] {plain(text)}", soft_wrap=True)

    @contextmanager
    def working(self, text: str) -> Iterator[Callable[[str], None]]:
        """Show a spinner with the time while something runs; yields a function that changes the text.

        Where nobody watches (a log, a pipe) the text is one plain line.
        """
        if not self.remarks.is_terminal:
            self._line(f"{text} …")
            yield lambda _: None
            return
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with Progress(*columns, console=self.remarks, transient=True) as progress:
            line = progress.add_task(plain(text))
            yield lambda new: progress.update(line, description=plain(new))

    @contextmanager
    def counting(self, text: str, total: int) -> Iterator[Callable[[str], None]]:
        """Show a bar; yields a function that names the step that was just done.

        Where nobody watches it is a plain line every ten seconds.
        """
        if not self.remarks.is_terminal:
            yield self._occasionally(text, total)
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self.remarks, transient=True) as progress:
            line = progress.add_task(plain(text), total=total)

            def step(name: str) -> None:
                progress.update(line, description=plain(f"{text}: {name}"), advance=1)

            yield step

    def _occasionally(self, text: str, total: int) -> Callable[[str], None]:
        self._line(f"{text} …")
        done, last = 0, time.monotonic()

        def step(name: str) -> None:
            nonlocal done, last
            done += 1
            if time.monotonic() - last > _SECONDS_BETWEEN_LINES:
                last = time.monotonic()
                self._line(f"{text}: {done} of {total}")

        return step

    def _line(self, text: str) -> None:
        self.remarks.print(f"[dim]{plain(text)}[/dim]", soft_wrap=True)

    @contextmanager
    def collecting_warnings(self) -> Iterator[None]:
        """Print each different warning about the data once, as a note, after the work.

        That a search was cut short is left to the report, which says how far from the optimum the model is.
        """
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
        for text in dict.fromkeys(
            _NO_GLYPH if str(warning.message).startswith("Glyph ") else " ".join(str(warning.message).split())
            for warning in caught
            if issubclass(warning.category, UserWarning)
            and not issubclass(warning.category, ConvergenceWarning)
        ):
            self.note(text)

    def findings(self, estimator: Any) -> None:
        """Print what a fitted model found, in a table: its strongest interactions, or the levels of items."""
        if hasattr(type(estimator), "item_factors_"):
            self.levels(estimator)
        elif hasattr(type(estimator), "fixed_effects_"):
            self.mixed(estimator)
        elif hasattr(type(estimator), "covariate_effect"):
            self.visits(estimator)
        elif hasattr(type(estimator), "reconstruct"):
            self.latents(estimator)
        else:
            self.interactions(estimator)

    def levels(self, estimator: Any, k: int = 10) -> None:
        """Print the items that are rated highest, other things being equal."""
        level, counts = estimator.item_biases_, estimator.item_counts_
        factors = int(estimator.item_factors_.shape[1])
        self.say(
            f"{count(factors, 'factor')}, by {estimator.solver_} in "
            f"{count(int(estimator.n_iter_), 'iteration')}; average rating "
            f"{number(estimator.intercept_, 3)}, deviation from the prediction {number(estimator.noise_, 3)}"
        )
        if not estimator.biases:
            return
        table = table_of("The items rated highest, users being equal")
        for name in ("item", "level", "ratings"):
            table.add_column(name, justify="left" if name == "item" else "right", overflow="fold")
        for i in np.argsort(-level, kind="stable")[:k]:
            table.add_row(
                plain(_shortened(str(estimator.items_[i]))), signed(float(level[i]), 2), f"{counts[i]:,.0f}"
            )
        self.output.print(table)

    def mixed(self, estimator: Any, k: int = 15) -> None:
        """Print fixed effects and variances of a mixed model."""
        fixed, variances = columns_of(estimator.fixed_effects_), columns_of(estimator.variance_components_)
        outputs = ["output"] if "output" in fixed else []
        table = table_of("Fixed effects")
        for name in ("term", *outputs):
            table.add_column(name, overflow="fold")
        for name in ("estimate", "s.e.", "z"):
            table.add_column(name, justify="right", no_wrap=True)
        for i in range(min(k, len(fixed["term"]))):
            names = [plain(str(fixed[name][i])) for name in ("term", *outputs)]
            estimate, error = float(fixed["estimate"][i]), float(fixed["std_error"][i])
            decimals = decimals_of([error], [estimate])
            table.add_row(
                *names, signed(estimate, decimals), unsigned(error, decimals), signed(float(fixed["z"][i]), 1)
            )
        self.output.print(table)
        if len(fixed["term"]) > k:
            self.say(f"and {len(fixed['term']) - k} more")
        table = table_of("Variances, and their share of all that is not fixed")
        for name in ("component", "term", *outputs):
            table.add_column(name, overflow="fold")
        for name in ("variance", "sd", "correlation", "share"):
            table.add_column(name, justify="right", no_wrap=True)
        for i in range(len(variances["component"])):
            alone = variances["term"][i] == variances["other_term"][i]
            term = (
                str(variances["term"][i])
                if alone
                else f"{variances['term'][i]}, {variances['other_term'][i]}"
            )
            names = [str(variances["component"][i]), term, *(str(variances[name][i]) for name in outputs)]
            values = (
                number(float(variances["variance"][i])),
                *(
                    number(float(variances["sd"][i])) if alone else "",
                    "" if alone else signed(float(variances["correlation"][i]), 2),
                    f"{float(variances['share'][i]):.0%}",
                ),
            )
            table.add_row(*map(plain, names), *values)
        self.output.print(table)

    def latents(self, estimator: Any, k: int = 15) -> None:
        """Print how the variance of each feature is shared out between latents, effects and noise."""
        features, components, shares = variance_shares(columns_of(estimator.variance_components_))
        table = table_of("Shares of the variance of the features")
        table.add_column("feature", overflow="fold")
        for name in components:
            table.add_column(plain(name), justify="right", no_wrap=True)
        for name, row in list(zip(features, shares, strict=True))[:k]:
            table.add_row(plain(name), *(f"{share:.0%}" for share in row))
        table.add_row("average", *(f"{share:.0%}" for share in shares.mean(axis=0)), style="bold")
        self.output.print(table)

    def visits(self, estimator: Any) -> None:
        """Print what of the variance of visits each effect is behind."""
        columns = columns_of(estimator.explain())
        rank, axes = int(estimator.rank_), int(estimator.n_components)
        self.say(
            f"effects tell {rank} of {count(axes, 'latent')} from noise; {count(int(estimator.n_iter_), 'epoch')}"
        )
        table = table_of("Shares of the variance of visits by effect")
        table.add_column("effect", overflow="fold")
        for name in ("of latents", "of what is measured", "± s.e."):
            table.add_column(name, justify="right", no_wrap=True)
        shown = zip(
            *(columns[n] for n in ("effect", "latent", "observed", "observed_std_error")), strict=True
        )
        for effect, latent, observed, error in shown:
            cells = ["" if np.isnan(latent) else _percent(latent), _percent(observed), _percent(error)]
            table.add_row(plain(str(effect)), *cells)
        self.output.print(table)
        self._correlations(estimator)

    def _correlations(self, estimator: Any) -> None:
        """Print how coefficients of a subject go together, where they are correlated."""
        rows = covariance_rows(columns_of(estimator.own_covariances_), columns_of(estimator.axes_))
        if not rows:
            return
        table = table_of("Correlations of a subject's coefficients, and their standard deviations")
        table.add_column("latent", justify="right", no_wrap=True)
        for name in ("first", "second"):
            table.add_column(name, overflow="fold")
        table.add_column("correlation", justify="right", no_wrap=True)
        for row in rows:
            cells = (row["axis"], plain(row["first"]), plain(row["second"]), row["correlation"])
            table.add_row(*cells)
        self.output.print(table)

    def interactions(self, estimator: Any, k: int = 10) -> None:
        """Print the largest interactions."""
        columns = columns_of(estimator.top_interactions(k))
        if "expert" in columns:  # the strongest of all experts
            order = np.argsort(-np.abs(columns["estimate"].astype(float)), kind="stable")
            columns = {name: values[order] for name, values in columns.items()}
        estimates = columns["estimate"].astype(float)
        errors = columns.get("std_error", np.full(len(estimates), np.nan)).astype(float)
        decimals = decimals_of(errors.tolist(), estimates.tolist())
        # a spline surface has a size and no sign
        value = unsigned if gives_sizes(estimator) else signed
        table = table_of("The largest interactions")
        table.add_column("pair", overflow="fold")
        groups = [group for group in ("class", "expert") if group in columns]
        for group in groups:
            table.add_column(group)
        shown: dict[str, Callable[[int], str]] = {
            "estimate": lambda i: value(estimates[i], decimals),
            "s.e.": lambda i: unsigned(errors[i], decimals),
            "z": lambda i: value(float(columns["z"][i]), 1),
            "latent share": lambda i: f"{float(columns['target_share'][i]):.0%}",
        }
        source = {"s.e.": "std_error", "latent share": "target_share"}
        shown = {name: cell for name, cell in shown.items() if source.get(name, name) in columns}
        for name in shown:
            table.add_column(name, justify="right", no_wrap=True)
        for i, term in enumerate(columns["term"][:k]):
            names = [_shortened(str(term))] + [str(columns[name][i]) for name in groups]
            table.add_row(*map(plain, names), *(cell(i) for cell in shown.values()))
        self.output.print(table)

    def scores(self, comparison: Comparison | None, of: str = "") -> None:
        """Print a comparison, the best model first; `of` says what was held out, where it was no rows at random."""
        if comparison is None:
            return
        folds = f"{comparison.scores.shape[1]} {f'folds of {of}' if of else 'held-out folds'}"
        table = table_of(f"{comparison.task.metric} on {folds}, ± standard error")
        table.add_column("model", no_wrap=True)
        for name in (comparison.task.metric, "difference", "settings", "seconds"):
            table.add_column(name, justify="right", no_wrap=True)
        for i in sorted(range(len(comparison.names)), key=lambda i: -comparison.mean[i]):
            mine = i == 0
            difference = (
                f"{signed(float(comparison.difference[i]), 3)} ± {comparison.difference_std_error[i]:.3f}"
            )
            table.add_row(
                comparison.names[i],
                plus_minus(float(comparison.mean[i]), float(comparison.std_error[i])),
                "" if mine else difference,
                f"{comparison.settings[i]:,}",
                number(float(comparison.seconds[i].mean()), 2),
                style="bold" if mine else None,
            )
        self.output.print(table)
        self.errors(comparison)

    def errors(self, comparison: Comparison) -> None:
        """Print how far predictions are off, the best model first, where the target has a unit."""
        if not comparison.errors:
            return
        table = table_of("How far off, in the unit of the target, ± standard error")
        table.add_column("model", no_wrap=True)
        for name in comparison.errors:
            table.add_column(name, justify="right", no_wrap=True)
        mean = {name: values.mean(axis=1) for name, values in comparison.errors.items()}
        error = {
            name: values.std(axis=1, ddof=1) / np.sqrt(values.shape[1])
            for name, values in comparison.errors.items()
        }
        decimals = {name: max(3, decimals_of(error[name].tolist(), mean[name].tolist())) for name in mean}
        for i in sorted(range(len(comparison.names)), key=lambda i: -comparison.mean[i]):
            cells = [plus_minus(float(mean[name][i]), float(error[name][i]), decimals[name]) for name in mean]
            table.add_row(comparison.names[i], *cells, style="bold" if i == 0 else None)
        self.output.print(table)


def table_of(title: str) -> Table:
    """A table without lines, under its title."""
    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
        header_style="dim",
        min_width=len(title),  # or it would be broken over the columns
    )


def _shortened(term: str) -> str:
    """A name or a pair of names, of which long ones lose their middle.

    Examples
    --------
    >>> _shortened("user=4 × film=" + "x" * 90)
    'user=4 × film=xxxxxxxxxxxxxx…xxxxxxxxxxxxxxxxxxxx'
    """
    names = term.split(" × ")
    return " × ".join(
        name
        if len(name) <= _LONGEST_NAME
        else f"{name[: _LONGEST_NAME // 2 - 1]}…{name[-(_LONGEST_NAME // 2) :]}"
        for name in names
    )


def _percent(share: float) -> str:
    return f"{share:.1%}".replace("-0.0%", "0.0%").replace("-", "−")


def plain(text: str) -> str:
    """Keep square brackets in names from being read as markup."""
    return text.replace("[", "\\[")
