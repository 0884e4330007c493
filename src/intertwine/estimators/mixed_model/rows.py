"""From what a user passes to a mixed model to outcomes, columns of fixed effects, and rows of random effects."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import _num_samples

from intertwine.effects.random import AbstractRandomEffect, EffectRows, GroupCodes
from intertwine.estimators.effect_rows.inputs import EffectInputs
from intertwine.estimators.mixed_model.formula_design import FormulaDesign, formula_table
from intertwine.validation import check_features, check_unpenalized_rank
from intertwine.validation.caller import depth_of_caller
from intertwine.validation.columns import eager_frame
from intertwine.validation.wording import counted, listed

__all__ = [
    "FixedColumns",
    "MixedRows",
    "check_determined",
    "read_fit_rows",
    "read_fixed",
    "read_rows",
    "take_rows",
]

Array = NDArray[np.float64]


class FixedColumns(NamedTuple):
    """How columns of fixed effects are made of X.

    Attributes
    ----------
    intercept : bool
    kept : ndarray of int
        Columns of X; constant ones are left out where there is an intercept.
    names : list of str
        Of the fixed effects.
    """

    intercept: bool
    kept: NDArray[np.int64]
    names: list[str]

    def matrix(self, X: Array | None, n_rows: int) -> Array:
        """Columns (n, c)."""
        columns = np.ones((n_rows, 1 if self.intercept else 0))
        return columns if X is None else np.hstack([columns, X[:, self.kept]])


class MixedRows(NamedTuple):
    """Rows as they were read.

    Attributes
    ----------
    fixed : ndarray of shape (n, c)
    inputs : EffectInputs
    """

    fixed: Array
    inputs: EffectInputs


def read_fit_rows(
    estimator: Any,
    X: Any,
    y: Any,
    groups: Any,
    time: Any,
    coords: Any,
    effects: Sequence[AbstractRandomEffect],
) -> tuple[MixedRows, FixedColumns | FormulaDesign, Any]:
    """Read the rows of a fit; set ``n_features_in_`` and ``feature_names_in_``.

    Parameters
    ----------
    estimator : MixedModel
    X, y, groups, time, coords
        As the user passed them.
    effects : sequence of AbstractRandomEffect
        Those beside a formula's.

    Returns
    -------
    rows : MixedRows
    columns : FixedColumns or FormulaDesign
        How to read other rows alike.
    y
        As it was passed; what a formula says where it was not.
    """
    if estimator.formula is not None:
        table = formula_table(X)
        design = FormulaDesign(estimator.formula, table)
        estimator.n_features_in_ = len(design.variables)
        estimator.feature_names_in_ = np.array(design.variables, dtype=object)
        y = design.outcome_in(X) if y is None else y
        named = _keys([*design.effects, *effects])
        inputs = _formula_inputs(design, named, table, X, groups, time, coords)
        return MixedRows(design.fixed, inputs._replace(features=design.slopes)), design, y
    features, n_rows, rows, name = _features(estimator, X, y, (groups, time, coords), reset=True)
    names = _names(estimator, features)
    kept = np.arange(len(names))
    if features is not None and estimator.fit_intercept:
        constant = features.min(axis=0) == features.max(axis=0)
        if constant.any():
            warnings.warn(
                f"X is constant in {listed([n for n, c in zip(names, constant, strict=True) if c])}, as the intercept "
                "is; their coefficients are 0",
                UserWarning,
                stacklevel=depth_of_caller(),
            )
        kept = np.flatnonzero(~constant)
    intercept = bool(estimator.fit_intercept)
    columns = FixedColumns(intercept, kept, ["intercept"] * intercept + [names[j] for j in kept])
    inputs = EffectInputs(rows, n_rows, groups, time, coords, features, names, name)
    return MixedRows(columns.matrix(features, n_rows), inputs), columns, y


def read_rows(
    estimator: Any,
    columns: FixedColumns | FormulaDesign,
    X: Any,
    groups: Any,
    time: Any,
    coords: Any,
    effects: Sequence[AbstractRandomEffect],
) -> MixedRows:
    """Read other rows, as those of the fit were."""
    if isinstance(columns, FormulaDesign):
        table = formula_table(X)
        fixed, slopes = columns.at(table)
        inputs = _formula_inputs(columns, _keys(effects), table, X, groups, time, coords)
        return MixedRows(fixed, inputs._replace(features=slopes))
    features, n_rows, rows, name = _features(estimator, X, None, (groups, time, coords), reset=False)
    names = _names(estimator, features)
    inputs = EffectInputs(rows, n_rows, groups, time, coords, features, names, name)
    return MixedRows(columns.matrix(features, n_rows), inputs)


def read_fixed(
    estimator: Any, columns: FixedColumns | FormulaDesign, X: Any, groups: Any, time: Any, coords: Any
) -> Array:
    """Columns of fixed effects of other rows; where X is None, the others say how many rows there are."""
    if isinstance(columns, FormulaDesign):
        return columns.fixed_at(formula_table(X))
    features, n_rows, _, _ = _features(estimator, X, None, (groups, time, coords), reset=False)
    return columns.matrix(features, n_rows)


def check_determined(
    fixed: Array, names: Sequence[str], observed: NDArray[np.bool_], random_effects: bool
) -> None:
    """Refuse fixed effects that the rows cannot tell apart.

    Parameters
    ----------
    fixed : ndarray of shape (n, c)
    names : sequence of str of length c
    observed : ndarray of bool, shape (n, p)
        Which outcomes are there.
    random_effects : bool
        Whether there are any.

    Raises
    ------
    ValueError
        Not more rows than fixed effects.
    LinAlgError
        Names the columns that repeat one another.

    Warns
    -----
    UserWarning
        Least squares with as many rows as fixed effects.
    """
    patterns = {column.tobytes(): column for column in observed.T}  # of which outcomes are observed together
    for pattern in patterns.values():
        n_rows = int(pattern.sum())
        if n_rows <= len(names):
            have = (
                f"{counted(len(names), 'fixed effect', 'fixed effects')} and {counted(n_rows, 'row', 'rows')}"
            )
            what = f"{have} with an outcome: nothing is left to tell the noise"
            if random_effects or n_rows < len(names):
                raise ValueError(what)
            warnings.warn(
                f"{what}, and standard errors mean nothing", UserWarning, stacklevel=depth_of_caller()
            )
        columns = fixed[pattern]
        if "intercept" in names:
            at = list(names).index("intercept")
            constant = columns.min(axis=0) == columns.max(axis=0)
            columns = columns - columns.mean(axis=0)
            columns[:, constant] = 0.0  # a mean may round
            columns[:, at] = 0.0
            idle = ~np.any(columns, axis=0)
            idle[at] = False
            if idle.any():
                raise np.linalg.LinAlgError(
                    f"{listed([n for n, i in zip(names, idle, strict=True) if i])} are constant in the {n_rows} rows "
                    "where an outcome is observed; drop the other rows, or leave these columns out"
                )
        check_unpenalized_rank(columns, names, "combine them")


def take_rows(rows: EffectRows, kept: Any) -> EffectRows:
    """Some of the rows; levels stay as they are."""
    return EffectRows(
        len(np.arange(rows.n_rows)[kept]),
        {key: GroupCodes(codes[kept], n_levels) for key, (codes, n_levels) in rows.groups.items()},
        None if rows.time is None else rows.time[kept],
        None if rows.coords is None else rows.coords[kept],
        {key: column[kept] for key, column in rows.covariates.items()},
    )


def _features(
    estimator: Any, X: Any, y: Any, others: Sequence[Any], *, reset: bool
) -> tuple[Array | None, int, Any, str]:
    """X as numbers, the number of rows, and the input that says so."""
    if X is not None:
        matrix = np.asarray(check_features(estimator, X, reset=reset, dtype=np.float64, idle=None))
        return matrix, len(matrix), X, "X"
    if reset:
        estimator.n_features_in_ = 0
    elif estimator.n_features_in_:
        raise ValueError(
            f"X is None, but the model was fitted with {counted(estimator.n_features_in_, 'feature', 'features')}"
        )
    given = {"y": y, **dict(zip(("groups", "time", "coords"), others, strict=True))}
    for name, values in given.items():
        if isinstance(values, Mapping):
            values = next(iter(values.values()), None)
        if values is not None:
            return None, _num_samples(values), values, name
    raise ValueError("X, groups, time and coords are all None: nothing says how many rows there are")


def _names(estimator: Any, features: Array | None) -> list[str]:
    return [] if features is None else list(estimator._features)


def _formula_inputs(
    design: FormulaDesign,
    named: Sequence[Any],
    table: Mapping[str, Any],
    X: Any,
    groups: Any,
    time: Any,
    coords: Any,
) -> EffectInputs:
    """Groups that are columns of X, beside those that are passed."""
    own = [key for effect in design.effects for key in effect.group_keys]
    given = {name: table[name].to_native() for name in named if name in table}
    if absent := [name for name in own if name not in given]:
        raise ValueError(f"the formula names {listed(absent)}, but X has columns {listed(list(table))}")
    if groups is not None:
        frame = eager_frame(groups, name="groups")
        if frame is not None:
            groups = {name: frame[name].to_native() for name in frame.columns}
        elif not isinstance(groups, Mapping):
            groups = {getattr(groups, "name", None) or "group": groups}
        given = {**given, **groups}
    return EffectInputs(X, _num_samples(X), given or None, time, coords, None, design.slope_names)


def _keys(effects: Sequence[AbstractRandomEffect]) -> list[Any]:
    return list(dict.fromkeys(key for effect in effects for key in effect.group_keys))
