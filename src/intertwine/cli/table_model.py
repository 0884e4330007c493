"""A fitted estimator with its table's preprocessing: what ``intertwine fit`` writes and ``predict`` reads."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

import numpy as np
import pandas as pd

import intertwine
from intertwine.cli.longitudinal_preparation import LongitudinalPreparation, filled_visits
from intertwine.cli.mistakes import Mistake
from intertwine.cli.preparation import AbstractPreparation
from intertwine.cli.preparations import preparation_kind
from intertwine.cli.problem import TASKS, Problem
from intertwine.cli.reading import is_named_like_a_table
from intertwine.compare import (
    FAMILIES,
    AbstractFamily,
    AbstractLatentEffectsFamily,
    AbstractTask,
    Comparison,
    InteractionsFamily,
    MixedModelFamily,
)
from intertwine.io import load_state, save_state

__all__ = ["TableModel"]

_KIND = "TableModel"


@final
class TableModel:
    """Preprocessing and estimator, fitted.

    Attributes
    ----------
    preparation : AbstractPreparation
        How tables are read.
    estimator : fitted interaction estimator
    task : AbstractTask
    target : str
        Name of the target.
    roles : dict
        Columns and settings given on the command line, so that a report can pose the same problem again.
    family : AbstractFamily
    notes : list of str
        What was done to the table.
    comparison : Comparison or None
        On rows held out.
    by_unit : Comparison or None
        On groups or regions held out.
    """

    def __init__(
        self,
        preparation: AbstractPreparation,
        estimator: Any,
        task: AbstractTask,
        target: str,
        roles: dict[str, Any],
        family: AbstractFamily,
        notes: list[str],
        comparison: Comparison | None = None,
        by_unit: Comparison | None = None,
    ) -> None:
        self.preparation = preparation
        self.estimator = estimator
        self.task = task
        self.target = target
        self.roles = roles
        self.family = family
        self.notes = notes
        self.comparison = comparison
        self.by_unit = by_unit

    @classmethod
    def fit(cls, problem: Problem, estimator: Any, roles: dict[str, Any]) -> TableModel:
        """Fit the preparation of the problem's table, and `estimator`, which its family may wrap in a search."""
        family = problem.family
        preparation, fitted = preparation_kind(family).fitted(problem, estimator)
        return cls(preparation, fitted, problem.task, problem.target, roles, family, problem.notes)

    def take(self, on_rows: Comparison | None, on_units: Comparison | None, notes: Sequence[str]) -> None:
        """Take up how the model stands beside others, and what is to be said of that."""
        self.comparison, self.by_unit = on_rows, on_units
        self.notes = [*self.notes, *notes]

    def features(self, table: pd.DataFrame) -> Any:
        """What the estimator saw, of a table as it stands in a file."""
        return self.preparation.features(table)

    def predict(self, table: pd.DataFrame, times: list[float]) -> pd.DataFrame:
        """Predictions for every row: a value, classes with probabilities, or a risk with survival at `times`."""
        X = self.features(table)
        self.preparation.warn_of_gaps(table)
        if isinstance(self.family, MixedModelFamily):
            return self._outcomes(X, table)
        if isinstance(self.preparation, LongitudinalPreparation):
            return self._visits(X, table)
        if isinstance(self.family, AbstractLatentEffectsFamily):
            latents = np.asarray(self.estimator.transform(X, **self.preparation.beside(table)))
            names = [f"latent_{k + 1}" for k in range(latents.shape[1])]
            return pd.DataFrame(latents, index=table.index, columns=names)
        with warnings.catch_warnings():
            # that levels are new was said by their names
            warnings.filterwarnings("ignore", r".* features that were zero in every row of fit")
            return self._predictions(X, table, times)

    def impute(self, table: pd.DataFrame) -> pd.DataFrame:
        """The table with the gaps of its features filled; visits without any measurement are foretold.

        Raises
        ------
        Mistake
            For models that do not explain their features.
        """
        if isinstance(self.preparation, LongitudinalPreparation):
            found = self._visits(self.features(table), table)
            return table.assign(**{name: found[name] for name in self.preparation.columns.measurements})
        if not isinstance(self.family, AbstractLatentEffectsFamily):
            raise Mistake(
                "--impute is for --model random-effects-pca, random-effects-vae and longitudinal-vae, not "
                f"{self.family.name}"
            )
        X = self.features(table)
        filled = self.estimator.impute(X, **self.preparation.beside(table))
        return table.assign(**dict(zip(X.columns, np.asarray(filled).T, strict=True)))

    def _outcomes(self, X: Any, table: pd.DataFrame) -> pd.DataFrame:
        """Predictions of a mixed model with their standard deviations, of each outcome."""
        found = self.estimator.predict(X, return_std=True, **self.preparation.beside(table))
        mean, std = (np.asarray(part).reshape(len(table), -1) for part in found)
        names = list(self.family.settings()["outcomes"])
        ends = [f"_{name}" for name in names] if len(names) > 1 else [""]
        columns = {f"prediction{end}": mean[:, m] for m, end in enumerate(ends)}
        columns |= {f"std{end}": std[:, m] for m, end in enumerate(ends)}
        return pd.DataFrame(columns, index=table.index)

    def _visits(self, X: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
        """All measurements, and standard deviations of those at visits that are foretold."""
        assert isinstance(self.preparation, LongitudinalPreparation)
        columns = self.preparation.columns
        mean, std = filled_visits(self.estimator, columns, X, self.preparation.visits(table))
        found = dict(zip(columns.measurements, mean.T, strict=True))
        if X.isna().all(axis=1).any():
            found |= {f"std_{name}": part for name, part in zip(columns.measurements, std.T, strict=True)}
        return pd.DataFrame(found, index=table.index)

    def _predictions(self, X: Any, table: pd.DataFrame, times: list[float]) -> pd.DataFrame:
        if self.task.name == "regression":
            prediction = self.task.predict(self.estimator, X, np.empty(0))
            columns = {"prediction": prediction["mean"]}
            if "std" in prediction:
                columns["std"] = prediction["std"]
            return pd.DataFrame(columns, index=table.index)
        if self.task.name == "classification":
            probability = self.estimator.predict_proba(X)
            columns = {"prediction": self.estimator.predict(X)}
            columns |= {
                f"probability_{label}": probability[:, i] for i, label in enumerate(self.estimator.classes_)
            }
            return pd.DataFrame(columns, index=table.index)
        columns = {"log_relative_hazard": np.asarray(self.estimator.predict(X))}
        if times:
            from intertwine.plots.survival import survival_at

            survival = survival_at(self.estimator, X, np.sort(np.asarray(times, dtype=float)))
            columns |= {f"survival_at_{time:g}": survival[:, i] for i, time in enumerate(sorted(times))}
        return pd.DataFrame(columns, index=table.index)

    def save(self, path: Path) -> None:
        """Write one model file; nothing in it can be executed."""
        save_state(
            path,
            {
                "class": _KIND,
                "version": intertwine.__version__,
                "preprocessor": self.preparation.to_state(),
                "estimator": _state_of(self.estimator),
                "task": self.task.name,
                "target": self.target,
                "roles": self.roles,
                "family": {"name": self.family.name, "settings": self.family.settings()},
                "notes": self.notes,
                "comparison": _comparison_to_state(self.comparison),
                "by_unit": _comparison_to_state(self.by_unit),
            },
        )

    @classmethod
    def load(cls, path: Path) -> TableModel:
        """Read a file that :meth:`save` wrote.

        Raises
        ------
        Mistake
            When the file is absent, damaged, or holds something else.
        """
        if not path.exists():
            raise Mistake(f"no file {path}")
        try:
            state = load_state(path)
        except ValueError as error:
            if is_named_like_a_table(path):
                raise Mistake(f"{path} is no model file; are the arguments swapped?") from error
            raise
        if state.get("class") != _KIND:
            raise Mistake(
                f"{path} holds an estimator without its table's preprocessing; read it in Python with intertwine.load"
            )
        task = TASKS[state["task"]]
        family = state.get(
            "family", {"name": InteractionsFamily.name, "settings": {}}
        )  # older files have no other
        known = FAMILIES[family["name"]](**family["settings"])
        return cls(
            preparation_kind(known).from_state(state["preprocessor"], known),
            _estimator_from(state["estimator"]),
            task,
            state["target"],
            state["roles"],
            known,
            list(state["notes"]),
            _comparison_from_state(state["comparison"], task),
            _comparison_from_state(state.get("by_unit"), task),
        )


def _state_of(estimator: Any) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "estimator"
        estimator.save(path)
        return load_state(path)


def _estimator_from(state: dict[str, Any]) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "estimator"
        save_state(path, state)
        return intertwine.load(path)


def _comparison_to_state(comparison: Comparison | None) -> dict[str, Any] | None:
    if comparison is None:
        return None
    return {
        "names": comparison.names,
        "scores": comparison.scores,
        "seconds": comparison.seconds,
        "test_share": comparison.test_share,
        "settings": comparison.settings,
        "errors": comparison.errors,
        "out": comparison.out,
    }


def _comparison_from_state(state: dict[str, Any] | None, task: AbstractTask) -> Comparison | None:
    if state is None:
        return None
    return Comparison(
        task,
        list(state["names"]),
        state["scores"],
        state["seconds"],
        test_share=state["test_share"],
        settings=state["settings"],
        errors=state.get("errors"),
        out=state.get("out"),
    )
