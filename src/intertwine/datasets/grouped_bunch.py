"""What loaders of grouped rows give back."""

from __future__ import annotations

from inspect import cleandoc
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch, check_random_state

from intertwine.datasets.clustered_files import Columns
from intertwine.datasets.row_splits import Split, held_out_rows
from intertwine.frames import make_frame

__all__ = ["Request", "Seed", "described_bunch", "split_bunch"]

Seed = int | np.random.RandomState | None


@final
class Request(NamedTuple):
    """What the caller of a loader asked for."""

    split: Split | None
    test_size: float
    standardize: bool
    random_state: Seed
    as_frame: bool


def split_bunch(
    features: Columns,
    groups: Columns,
    description: str | None,
    request: Request,
    *,
    level: str,
    unit: NDArray[Any] | None = None,
    time: NDArray[np.float64] | None = None,
    **extra: Any,
) -> Bunch:
    """Features as they were asked for, with the rows that are held out; ``level`` is the grouping to split by."""
    values = np.column_stack(list(features.values()))
    train = np.ones(len(values), dtype=bool)
    if request.split is not None:
        rng = np.random.default_rng(check_random_state(request.random_state).randint(2**31))
        train = ~held_out_rows(request.split, rng, request.test_size, groups[level], time, unit)
        extra.update(train=np.flatnonzero(train), test=np.flatnonzero(~train))
    if request.standardize:
        center, scale = np.nanmean(values[train], axis=0), np.nanstd(values[train], axis=0)
        values = (values - center) / scale
        extra.update(center=center, scale=scale)
    if time is not None:
        extra["time"] = time
    return described_bunch(features, values, groups, description, request.as_frame, **extra)


def described_bunch(
    features: Columns,
    values: NDArray[np.float64],
    groups: Columns,
    description: str | None,
    as_frame: bool,
    **extra: Any,
) -> Bunch:
    """Put a table, its names and its groups together."""
    return Bunch(
        data=make_frame(dict(zip(features, values.T, strict=True))) if as_frame else values,
        feature_names=np.array(list(features), dtype=object),
        groups=groups,
        DESCR=cleandoc(description or ""),
        **extra,
    )
