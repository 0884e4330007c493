"""What a factorization machine found, and what the columns of its table are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from intertwine.plots._results import columns_of
from intertwine.report.findings import Findings, InteractionRow
from intertwine.report.study import Study
from intertwine.validation.values import is_reserved

__all__ = ["FEW_ROWS", "Levels", "find_strongest", "levels_of", "one_inside_the_other"]


FEW_ROWS = 5  # of a level, or of a pair
_CANDIDATES = 300
_NOTHING = 0.01  # of the largest: not worth a row where there are no errors to judge by


@final
@dataclass(frozen=True)
class Levels:
    """The levels of one column of labels: their names, and how many rows have each."""

    column: str
    names: list[str]
    n_rows: NDArray[np.int_]


def find_strongest(study: Study, k: int = 15) -> Findings:
    """Read the strongest pairs of a machine, or of all experts of a local one.

    Where rows and posterior draws are at hand, the surest of the strongest pairs that several rows have together come
    first: a product of factors is large as well for levels that hardly met.
    """
    columns = study.columns if study.has_data else None
    top = columns_of(study.estimator.top_interactions(_CANDIDATES, **_among(study, columns)))
    place = {name: j for j, name in enumerate(study.names)}
    rows = [_row(top, i, columns, place) for i in range(len(top["term"]))]
    has_errors = any(math.isfinite(row.std_error) for row in rows)
    rows.sort(key=lambda row: (_hardly_met(row), -abs(row.z if has_errors else row.estimate)))
    largest = max((abs(row.estimate) for row in rows), default=0.0)
    rows = [row for row in rows[:k] if has_errors or abs(row.estimate) >= _NOTHING * largest]
    return Findings(
        interactions=rows,
        main_effects=[],
        n_pairs=_n_pairs(study),
        n_clear=sum(abs(row.z) > 1.96 for row in rows),
        has_errors=has_errors,
        has_bootstrap=False,
        no_bootstrap="",
    )


def _among(study: Study, columns: sparse.csc_array | None) -> dict[str, Any]:
    """Look among features that several rows have, where there are enough of them and one machine for all rows."""
    if columns is None or hasattr(study.estimator, "responsible_expert"):
        return {}
    frequent = np.flatnonzero(np.diff(columns.indptr) >= 2 * FEW_ROWS)
    return {"features": frequent} if frequent.size >= 2 * FEW_ROWS else {}


def _row(
    top: dict[str, NDArray[Any]], i: int, columns: sparse.csc_array | None, place: dict[str, int]
) -> InteractionRow:
    first, second = str(top["feature_1"][i]), str(top["feature_2"][i])
    return InteractionRow(
        term=str(top["term"][i]),
        first=first,
        second=second,
        label=top["class"][i] if "class" in top else None,
        estimate=float(top["estimate"][i]),
        std_error=float(top["std_error"][i]) if "std_error" in top else math.nan,
        z=float(top["z"][i]) if "z" in top else math.nan,
        target_share=math.nan,
        std_error_bootstrap=math.nan,
        lower=math.nan,
        upper=math.nan,
        rank_stability=math.nan,
        expert=int(top["expert"][i]) if "expert" in top else None,
        # numbers are there in every row
        n_rows=None
        if columns is None or "=" not in top["term"][i]
        else _together(columns, place[first], place[second]),
    )


def _hardly_met(row: InteractionRow) -> bool:
    return row.n_rows is not None and row.n_rows < FEW_ROWS


def levels_of(study: Study) -> list[Levels]:
    """The 0/1 columns of a table by the column of labels that they came from, as their names tell."""
    if not study.has_data:
        return []
    columns = study.columns
    count = np.diff(columns.indptr)
    groups: dict[str, list[int]] = {}
    for j, name in enumerate(study.names):
        column, is_level, _ = name.partition("=")
        values = columns.data[columns.indptr[j] : columns.indptr[j + 1]]
        if is_level and not is_reserved(name) and np.all(values == 1):
            groups.setdefault(column, []).append(j)
    return [
        Levels(column, [study.names[j] for j in places], count[places]) for column, places in groups.items()
    ]


def one_inside_the_other(study: Study, findings: Findings) -> list[tuple[str, str]]:
    """Pairs of levels among the strongest of which one never occurs without the other: (the rarer, the other)."""
    if not study.has_data:
        return []
    columns, place = study.columns, {name: j for j, name in enumerate(study.names)}
    count = np.diff(columns.indptr)
    found = []
    for row in findings.interactions:
        rarer, other = sorted((row.first, row.second), key=lambda name: count[place[name]])
        alone = count[place[rarer]]
        if 0 < alone < study.columns.shape[0] and row.n_rows == alone and "=" in rarer and "=" in other:
            found.append((rarer, other))
    return list(dict.fromkeys(found))


def _together(columns: sparse.csc_array, first: int, second: int) -> int:
    """Rows in which both columns are not zero."""
    a, b = (columns.indices[columns.indptr[j] : columns.indptr[j + 1]] for j in (first, second))
    return int(np.intersect1d(a, b, assume_unique=True).size)


def _n_pairs(study: Study) -> int:
    """Pairs of columns that can occur together, times the classes that have their own."""
    names = [name for name in study.names if not is_reserved(name)]
    groups: dict[str, int] = {}
    for name in names:
        column, is_level, _ = name.partition("=")
        key = column if is_level else name
        groups[key] = groups.get(key, 0) + 1
    p = len(names)
    pairs = p * (p - 1) // 2 - sum(size * (size - 1) // 2 for size in groups.values())
    return pairs * _n_sets(study.estimator)


def _n_sets(estimator: Any) -> int:
    classes = len(getattr(estimator, "classes_", ()))
    return classes if classes > 2 and not getattr(estimator, "ordinal", False) else 1
