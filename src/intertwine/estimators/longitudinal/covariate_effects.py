"""The effects of covariates that a user's ``effects`` stands for."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import narwhals as nw
import numpy as np

from intertwine.effects.by_subject import BySubject
from intertwine.effects.covariate import AbstractCovariateEffect
from intertwine.effects.covariate_terms import Categorical, Linear
from intertwine.effects.smooth import Smooth
from intertwine.estimators.effect_rows.group_labels import GroupTable, missing_labels
from intertwine.estimators.longitudinal.covariate_columns import (
    categories_of,
    covariate_table,
    holds_labels,
    numbers_of,
)
from intertwine.estimators.longitudinal.covariate_data import TIME, CovariateInputs, time_of
from intertwine.validation.caller import depth_of_caller
from intertwine.validation.columns import eager_frame, is_categorical
from intertwine.validation.wording import listed

__all__ = ["chosen_covariate_effects"]


def chosen_covariate_effects(effects: Any, inputs: CovariateInputs) -> list[AbstractCovariateEffect]:
    """The effects that a user named; by default what can be read.

    By default: a level of each subject, and of time a smooth course of all and one of each subject, where these are
    given; a straight line for every column of numbers and a level for every category of the others. Columns that
    explain nothing are left out with a word: constants, labels that are another one in every row.

    Parameters
    ----------
    effects : AbstractCovariateEffect, sequence of them, or None
    inputs : CovariateInputs

    Raises
    ------
    TypeError
        Something that is no effect.

    Warns
    -----
    UserWarning
        With the columns that are left out.

    Examples
    --------
    >>> inputs = CovariateInputs([[0.0]] * 4, 4, {"sex": list("fmfm")}, subject=[1, 1, 2, 2])
    >>> [effect.title for effect in chosen_covariate_effects(None, inputs)]
    ['subject', 'sex']
    """
    if effects is None:
        table = None
        if inputs.covariates is not None:
            table = covariate_table(inputs.covariates, inputs.rows, inputs.rows_name)
        time = None if inputs.time is None else time_of(inputs)
        if time is None and table is not None and table.names is not None and TIME in table.names:
            time = table.values(table.names.index(TIME))
        return _of_subjects(inputs, time) + _of_columns(inputs, table)
    if isinstance(effects, AbstractCovariateEffect):
        return [effects]
    if isinstance(effects, str) or not isinstance(effects, Sequence):
        raise TypeError(f"effects={effects!r} is no list of effects such as [Smooth('age'), BySubject()]")
    for effect in effects:
        if not isinstance(effect, AbstractCovariateEffect):
            raise TypeError(
                f"effects holds {effect!r}, which is no effect of covariates such as Smooth('age')"
            )
    return list(effects)


def _of_subjects(inputs: CovariateInputs, time: Any) -> list[AbstractCovariateEffect]:
    n_times = 0 if time is None else len(np.unique(time))
    course: list[AbstractCovariateEffect] = []
    if n_times > 1:
        course = [Smooth(TIME) if n_times > 2 else Linear(TIME)]
    if inputs.subject is None:
        return course
    labels = GroupTable(inputs.subject, inputs.rows, inputs.rows_name, "subject").values(0).tolist()
    n_subjects = len(set(labels))
    if n_subjects in (1, len(labels)):
        what = "there is one subject" if n_subjects == 1 else "every subject has one visit"
        warnings.warn(
            f"{what}: nothing can be said of how subjects vary, and no effect is of each subject",
            UserWarning,
            stacklevel=depth_of_caller(),
        )
        return course
    return [BySubject(), *course, *([BySubject(Smooth(TIME))] if n_times > 2 else [])]


def _of_columns(inputs: CovariateInputs, table: GroupTable | None) -> list[AbstractCovariateEffect]:
    if table is None:
        return []
    frame = eager_frame(inputs.covariates, name="covariates")
    labelled = {} if frame is None else {key: _is_of_labels(dtype) for key, dtype in frame.schema.items()}
    chosen: list[AbstractCovariateEffect] = []
    idle, names = [], []
    for position, key in enumerate(table.names or range(len(table))):
        if key == TIME and table.names is not None:
            continue  # its effects are those of time=
        values = table.values(position)
        if labelled.get(key, False) or holds_labels(values) or values.dtype.kind == "b":
            n_levels = len(categories_of(values, key, table.names is not None).ids)
            n_given = int(np.count_nonzero(~missing_labels(values)))
            if n_levels < 2:
                idle.append(key)
            elif n_levels == n_given:
                names.append(key)
            else:
                chosen.append(Categorical(key))
        else:
            numbers = numbers_of(values, key)
            numbers = numbers[~np.isnan(numbers)]
            if len(numbers) == 0 or numbers.min() == numbers.max():
                idle.append(key)
            else:
                chosen.append(Linear(key))
    for keys, why in ((idle, "constant or missing throughout"), (names, "another label in every row")):
        if keys:
            warnings.warn(
                f"covariates {listed(keys)} are {why}: they have no effect",
                UserWarning,
                stacklevel=depth_of_caller(),
            )
    return chosen


def _is_of_labels(dtype: Any) -> bool:
    return is_categorical(dtype) or isinstance(dtype, nw.Boolean)
