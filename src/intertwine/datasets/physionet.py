"""Stays in intensive care: what was measured of patients over two days, each at times of its own."""

from __future__ import annotations

import hashlib
from inspect import cleandoc
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from intertwine.datasets.published_file import PublishedFile, read_published

__all__ = ["fetch_physionet2012"]

Array = NDArray[np.float64]

_UNITS = {1: "coronary care", 2: "cardiac surgery recovery", 3: "medical", 4: "surgical"}
_SEX = {0: "female", 1: "male"}
_LONG = ("a_row", "a_min", "a_par", "a_val")
_TABLES = ("params", "static_names", "outcome_names", "a_static", "a_outcome")


def fetch_physionet2012(*, every: float = 60.0, download_if_missing: bool = True) -> Bunch:
    """Load 4000 stays of the PhysioNet challenge 2012 (set a): 37 series of the first 48 hours, most of them gaps.

    A visit is a period of a stay in which something was measured; periods without a measurement are no rows.

    Parameters
    ----------
    every : float, default=60
        Minutes of a period; what was measured several times in it is averaged. 1: every minute of its own.
    download_if_missing : bool, default=True
        There for all loaders; this file is not downloaded, the error says how to make it.

    Returns
    -------
    sklearn.utils.Bunch
        ``X`` (visits, 37), NaN where nothing was measured; ``feature_names``; ``subject`` (visits,): the record's
        number; ``time`` (visits,): hours, the mean time of what was measured. ``covariates``, dict of (visits,): "age",
        "height" and "admission_weight", NaN where unknown, "sex" and "unit", "" where unknown. ``stays``: the
        outcomes, dict of (4000,) arrays, NaN where unknown, with "subject"; among them "in_hospital_death".

    Raises
    ------
    FileNotFoundError
        When the file is not on this machine.
    ValueError
        When it is damaged or holds something else, or a period has no length.

    Notes
    -----
    Urine and MechVent are sums and switches, yet averaged like the others. Values are as published, with what was
    mistyped at the bedside; a robust scale or a logarithm helps.

    Source: Silva, Moody, Scott, Celi, Mark (2012), PhysioNet, Open Data Commons Attribution License 1.0.

    Examples
    --------
    Where the file is at hand::

        stays = fetch_physionet2012()
        stays.X[stays.subject == 132539]
    """
    if not every > 0:
        raise ValueError(f"every must be positive, got {every}")
    kept = read_published(_FILE, download_if_missing=download_if_missing)
    stay, minute, series = kept["a_row"].astype(np.int64), kept["a_min"].astype(np.float64), kept["a_par"]
    period = np.floor(minute / every).astype(np.int64)
    n_periods = int(period.max()) + 1
    key = stay * n_periods + period
    there = np.zeros(int(key.max()) + 1, dtype=bool)
    there[key] = True
    visit = (np.cumsum(there) - 1)[key]
    keys = np.flatnonzero(there)
    n, p = len(keys), len(kept["params"])
    cell = visit * p + series
    counts = np.bincount(cell, minlength=n * p)
    sums = np.bincount(cell, weights=kept["a_val"].astype(np.float64), minlength=n * p)
    with np.errstate(invalid="ignore"):
        X = (sums / np.where(counts > 0, counts, np.nan)).reshape(n, p)
    time = np.bincount(visit, weights=minute, minlength=n) / np.bincount(visit, minlength=n) / 60.0
    static = _known(kept["a_static"])
    of_visit = keys // n_periods
    own = dict(zip(kept["static_names"].tolist(), static.T, strict=True))
    return Bunch(
        X=X,
        feature_names=kept["params"].astype(object),
        subject=own["RecordID"].astype(np.int64)[of_visit],
        time=time,
        covariates={
            "age": own["Age"][of_visit],
            "height": own["Height"][of_visit],
            "admission_weight": own["Weight"][of_visit],
            "sex": _words(own["Gender"], _SEX)[of_visit],
            "unit": _words(own["ICUType"], _UNITS)[of_visit],
        },
        stays=_outcomes(kept),
        DESCR=cleandoc(fetch_physionet2012.__doc__ or ""),
    )


def _known(table: NDArray[Any]) -> Array:
    """The publisher writes −1 where something is not known."""
    values = table.astype(np.float64)
    return np.where(values < 0, np.nan, values)


def _words(codes: Array, words: dict[int, str]) -> NDArray[np.object_]:
    return np.array(["" if np.isnan(code) else words[int(code)] for code in codes], dtype=object)


def _outcomes(kept: dict[str, NDArray[Any]]) -> dict[str, Array]:
    names = [name.lower().replace("-", "_") for name in kept["outcome_names"].tolist()]
    columns = dict(zip(names, _known(kept["a_outcome"]).T, strict=True))
    return {"subject": columns.pop("recordid"), **columns}


def _read(path: Path) -> dict[str, NDArray[Any]]:
    with np.load(path, allow_pickle=False) as kept:
        try:
            return {name: kept[name] for name in (*_LONG, *_TABLES)}
        except KeyError as error:
            raise ValueError(str(error)) from None


def _digest(kept: dict[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    for name, values in kept.items():
        written = values.astype(str) if values.dtype.kind == "U" else values.astype("<f4")
        digest.update(f"{name}{values.shape}".encode())
        digest.update("\t".join(written.ravel()).encode() if written.dtype.kind == "U" else written.tobytes())
    return digest.hexdigest()


_FILE: PublishedFile[dict[str, NDArray[Any]]] = PublishedFile(
    family="longitudinal",
    names=("physionet2012_a.npz",),
    url=None,
    read=_read,
    digest_of=_digest,
    digest="0ce6e50fca2f98f32c58520f9cce55e155324760c73e15925e4409125e450aab",
    how_to_make="of set-a.tar.gz and Outcomes-a.txt of the challenge 2012 on physionet.org: the stays in the order of "
    "their numbers; a_row, a_min, a_par and a_val, a measurement each: number of the stay, minute, number of the "
    "series in params, value; a_static and a_outcome, tables of stays, with static_names and outcome_names",
)
