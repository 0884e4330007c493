"""Labels of rows, and what a mixed model says of them, as the displays of random effects read them."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from intertwine.plots._results import require_method

__all__ = ["group_labels", "require_mixed_model", "shown_levels", "single_outcome"]


def require_mixed_model(estimator: Any) -> None:
    """Refuse what is no mixed model.

    Raises
    ------
    TypeError
    """
    require_method(estimator, "fixed_effects_", "MixedModel (of a pipeline its last step, pipeline[-1])")


def group_labels(groups: Any, column: Any = None) -> NDArray[Any]:
    """Labels of rows: of an array, a series, or the first (or named) column of a table.

    Raises
    ------
    ValueError
        For a column that is not there.

    Examples
    --------
    >>> group_labels(["a", "b"]).tolist(), group_labels({"school": [1, 2], "town": [3, 3]}, "town").tolist()
    (['a', 'b'], [3, 3])
    """
    if isinstance(groups, dict):
        columns = {str(name): np.asarray(values) for name, values in groups.items()}
    else:
        native = nw.from_native(groups, pass_through=True, allow_series=True)
        if not hasattr(native, "columns"):
            array = np.asarray(nw.to_native(native, pass_through=True))
            return array[:, 0 if column is None else column] if array.ndim == 2 else array
        columns = {str(name): native[name].to_numpy() for name in native.columns}
    if column is not None and str(column) not in columns:
        raise ValueError(f"groups has no column {column!r}; it has {list(columns)}")
    return columns[next(iter(columns)) if column is None else str(column)]


def single_outcome(values: Any, outputs: Any, output: Any) -> NDArray[np.float64]:
    """One column of what a model says of its outcomes; `output` is a position or, with `outputs`, a name.

    Raises
    ------
    ValueError
    """
    array = np.asarray(values, dtype=float)
    if array.ndim == 1:
        return array
    if output is None:
        return array[:, 0]
    names = list(outputs)
    if output in names:
        return array[:, names.index(output)]
    raise ValueError(f"no outcome {output!r}; there are {names}")


def shown_levels(labels: NDArray[Any], levels: Any, n_levels: int) -> list[Any]:
    """Which levels a picture shows: those that were named, or the ones with the most rows, in order.

    Raises
    ------
    ValueError
        For levels that are not there.
    """
    known, counts = np.unique(np.asarray(labels), return_counts=True)
    if levels is None:
        busiest = np.argsort(-counts, kind="stable")[:n_levels]
        return known[np.sort(busiest)].tolist()
    wanted = list(levels)
    if absent := [one for one in wanted if one not in set(known.tolist())]:
        raise ValueError(f"levels {absent[:5]} have no rows")
    return wanted
