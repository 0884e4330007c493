"""Two tables that mixed models are known by: one response, rows that share groups."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from intertwine.datasets.clustered_files import Columns, read_columns
from intertwine.datasets.clustered_tables import CLUSTERED
from intertwine.datasets.grouped_bunch import described_bunch

__all__ = ["fetch_insteval", "fetch_sleepstudy"]


def fetch_insteval(
    *, as_frame: bool = False, return_X_y: bool = False, download_if_missing: bool = True
) -> Any:
    """Load what students thought of lectures: marks from 1 to 5 by 2972 students of 1128 lecturers. 73,421 × 3.

    Parameters
    ----------
    as_frame, return_X_y, download_if_missing : bool
        See :mod:`intertwine.datasets.real`.

    Returns
    -------
    sklearn.utils.Bunch
        Features: the student's semester, semesters since the lecture, and whether it was for another department.
        ``groups``: "student", "lecturer" and "department", which are crossed; ``target``: the mark.

    Notes
    -----
    Source: ETH Zurich, by way of D. Bates' R package lme4, GPL.

    Examples
    --------
    Where the table is at hand, or can be downloaded::

        marks = fetch_insteval()
    """
    columns = read_columns(CLUSTERED["InstEval"], download_if_missing=download_if_missing)
    groups = {"student": columns["s"], "lecturer": columns["d"], "department": columns["dept"]}
    return _regression(
        {name: columns[name] for name in ("studage", "lectage", "service")},
        columns["y"],
        {name: label.astype(np.int64) for name, label in groups.items()},
        fetch_insteval.__doc__,
        as_frame,
        return_X_y,
    )


def fetch_sleepstudy(
    *, as_frame: bool = False, return_X_y: bool = False, download_if_missing: bool = True
) -> Any:
    """Load reaction times of 18 drivers over ten days with three hours of sleep. 180 × 1.

    Parameters
    ----------
    as_frame, return_X_y, download_if_missing : bool
        See :mod:`intertwine.datasets.real`.

    Returns
    -------
    sklearn.utils.Bunch
        Feature: days without sleep, which is also ``time`` (n,). ``groups``: "subject"; ``target``: milliseconds.

    Notes
    -----
    Source: G. Belenky et al. (2003), by way of D. Bates' R package lme4, GPL.

    Examples
    --------
    Where the table is at hand, or can be downloaded::

        study = fetch_sleepstudy()
    """
    columns = read_columns(CLUSTERED["sleepstudy"], download_if_missing=download_if_missing)
    return _regression(
        {"Days": columns["Days"]},
        columns["Reaction"],
        {"subject": columns["Subject"].astype(np.int64)},
        fetch_sleepstudy.__doc__,
        as_frame,
        return_X_y,
        time=columns["Days"],
    )


def _regression(
    features: Columns,
    target: NDArray[np.float64],
    groups: Columns,
    description: str | None,
    as_frame: bool,
    return_X_y: bool,
    **extra: Any,
) -> Any:
    values = np.column_stack(list(features.values()))
    bunch = described_bunch(features, values, groups, description, as_frame, target=target, **extra)
    return (bunch.data, bunch.target) if return_X_y else bunch
