"""A fitted estimator with its table's preprocessing: what ``intertwine fit`` writes and ``predict`` reads."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import Any, final

import numpy as np
import pandas as pd

import intertwine
from intertwine.cli.mistakes import Mistake
from intertwine.cli.preprocessing_state import preprocessor_from_state, preprocessor_to_state, standard_units
from intertwine.cli.problem import TASKS, Problem
from intertwine.cli.reading import is_named_like_a_table
from intertwine.cli.typos import refuse_typos
from intertwine.compare import FAMILIES, AbstractFamily, AbstractTask, Comparison, InteractionsFamily
from intertwine.io import load_state, save_state
from intertwine.pipelines import TablePreprocessor
from intertwine.tables import as_level

__all__ = ["TableModel"]

_KIND = "TableModel"


@final
class TableModel:
    """Preprocessing and estimator, fitted.

    Attributes
    ----------
    preprocessor : TablePreprocessor
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
    """

    def __init__(
        self,
        preprocessor: TablePreprocessor,
        estimator: Any,
        task: AbstractTask,
        target: str,
        roles: dict[str, Any],
        family: AbstractFamily,
        notes: list[str],
        comparison: Comparison | None = None,
    ) -> None:
        self.preprocessor = preprocessor
        self.estimator = estimator
        self.task = task
        self.target = target
        self.roles = roles
        self.family = family
        self.notes = notes
        self.comparison = comparison

    @classmethod
    def fit(cls, problem: Problem, estimator: Any, roles: dict[str, Any]) -> TableModel:
        """Fit the preprocessing of the problem's family, and `estimator`, which the family may wrap in a search."""
        family = problem.family
        preprocessor = family.preprocessor(problem.shape)
        X = preprocessor.fit_transform(problem.X)
        fitted = family.chosen(estimator.fit(X, problem.y))
        return cls(preprocessor, fitted, problem.task, problem.target, roles, family, problem.notes)

    @property
    def units(self) -> dict[str, tuple[float, float]]:
        """Mean and standard deviation of the columns that were standardised."""
        return standard_units(self.preprocessor)

    def features(self, table: pd.DataFrame) -> pd.DataFrame:
        """The columns that the estimator saw, from a table as it stands in a file."""
        wanted = [*self.preprocessor.numeric_, *self.preprocessor.categorical_]
        absent = [name for name in wanted if name not in table.columns]
        if absent:
            raise Mistake(
                f"the table lacks {', '.join(map(repr, absent[:12]))}, which the model was fitted on"
            )
        for name in self.preprocessor.numeric_:
            refuse_typos(table[name], name)
        for name, levels in self.preprocessor.levels_.items():
            unknown = sorted({as_level(level) for level in table[name].dropna()} - set(levels))
            if unknown:
                counts = f"those rows count as {self.family.unseen}"
                warnings.warn(f"{_unseen(name, unknown)}: {counts}", stacklevel=2)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Found unknown categories")  # said above, by name
            return self.preprocessor.transform(table[wanted])

    def predict(self, table: pd.DataFrame, times: list[float]) -> pd.DataFrame:
        """Predictions for every row: a value, classes with probabilities, or a risk with survival at `times`."""
        X = self.features(table)
        self._warn_of_gaps(table)
        with warnings.catch_warnings():
            # that levels are new was said by their names
            warnings.filterwarnings("ignore", r".* features that were zero in every row of fit")
            return self._predictions(X, table, times)

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

    def _warn_of_gaps(self, table: pd.DataFrame) -> None:
        """Say which missing values were replaced, and by what."""
        levels = self.preprocessor.levels_
        missing = {name: int(table[name].isna().sum()) for name in [*self.preprocessor.numeric_, *levels]}
        for by, names in {
            "the median of the rows that the model was fitted on": self.preprocessor.numeric_,
            "a level of its own": [name for name in levels if "missing" in levels[name]],
            self.family.unseen: [name for name in levels if "missing" not in levels[name]],
        }.items():
            gaps = [f"{name} ({missing[name]})" for name in names if missing[name]]
            if gaps:
                warnings.warn(f"missing values count as {by}: {', '.join(gaps[:12])}", stacklevel=3)

    def save(self, path: Path) -> None:
        """Write one model file; nothing in it can be executed."""
        save_state(
            path,
            {
                "class": _KIND,
                "version": intertwine.__version__,
                "preprocessor": preprocessor_to_state(self.preprocessor),
                "estimator": _state_of(self.estimator),
                "task": self.task.name,
                "target": self.target,
                "roles": self.roles,
                "family": {"name": self.family.name, "settings": self.family.settings()},
                "notes": self.notes,
                "comparison": _comparison_to_state(self.comparison),
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
        return cls(
            preprocessor_from_state(state["preprocessor"]),
            _estimator_from(state["estimator"]),
            task,
            state["target"],
            state["roles"],
            FAMILIES[family["name"]](**family["settings"]),
            list(state["notes"]),
            _comparison_from_state(state["comparison"], task),
        )


def _unseen(name: str, levels: list[str]) -> str:
    shown = ", ".join(map(repr, levels[:5])) + (" and others" if len(levels) > 5 else "")
    return f"{name!r} holds {shown}, which the model was not fitted on"


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
    )
