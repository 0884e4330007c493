"""Tables of visits with covariates, as :class:`~intertwine.LongitudinalVAE` takes them."""

from __future__ import annotations

from inspect import cleandoc

import numpy as np
from sklearn.utils import Bunch

from intertwine.datasets.clustered_files import read_columns
from intertwine.datasets.clustered_tables import CLUSTERED

__all__ = ["fetch_pbc2"]

_SKEWED = {
    "bili": "bilirubin",
    "chol": "cholesterol",
    "alk.phos": "alkaline_phosphatase",
    "ast": "ast",
    "platelet": "platelets",
    "protime": "prothrombin_time",
}
_SIGNS = {"ascites": "ascites", "hepato": "hepatomegaly", "spiders": "spiders"}
_DAYS_OF_A_YEAR = 365.25


def fetch_pbc2(*, standardize: bool = True, download_if_missing: bool = True) -> Bunch:
    """Load the visits of 312 patients with primary biliary cirrhosis, with signs and stages in their own units.

    The visits are those of :func:`fetch_pbcseq`, as a model of several kinds of features takes them.

    Parameters
    ----------
    standardize : bool, default=True
        Laboratory values have mean 0 and variance 1; the numbers are kept as ``center`` and ``scale``.
    download_if_missing : bool, default=True

    Returns
    -------
    sklearn.utils.Bunch
        ``X`` (1945, 12), NaN where something was not measured; ``feature_names``, and ``likelihood`` by name:
        "gaussian" of laboratory values (of those that are skewed the logarithm), "bernoulli" of three signs,
        "ordinal" of edema (0 … 2) and of the stage (0 … 3). ``subject``; ``time``: years since the first
        visit; ``covariates``: "age" at the first visit, "sex", "drug". ``died`` and ``follow_up`` (years), (1945,).

    Raises
    ------
    FileNotFoundError
        When the table cannot be had; the message says what to do.
    ValueError
        When the file on this machine holds something else.

    Notes
    -----
    Source: Mayo clinic trial, by way of T. Therneau's R package survival, LGPL; known as pbc2 in D. Rizopoulos' JM.

    Examples
    --------
    Where the table is at hand, or can be downloaded::

        visits = fetch_pbc2()
        visits.X[visits.subject == 1]
    """
    columns = read_columns(CLUSTERED["pbcseq"], download_if_missing=download_if_missing)
    laboratory = {f"log_{name}": np.log(columns[key]) for key, name in _SKEWED.items()}
    laboratory["albumin"] = columns["albumin"]
    features = {
        **laboratory,
        **{name: columns[key] for key, name in _SIGNS.items()},
        "edema": 2.0 * columns["edema"],
        "stage": columns["stage"] - 1.0,
    }
    names = list(features)
    X = np.column_stack(list(features.values()))
    center, scale = np.zeros(len(names)), np.ones(len(names))
    if standardize:
        part = slice(len(laboratory))
        center[part], scale[part] = np.nanmean(X[:, part], axis=0), np.nanstd(X[:, part], axis=0)
    kinds = ["gaussian"] * len(laboratory) + ["bernoulli"] * len(_SIGNS) + ["ordinal"] * 2
    return Bunch(
        X=(X - center) / scale,
        feature_names=np.array(names, dtype=object),
        likelihood=dict(zip(names, kinds, strict=True)),
        subject=columns["id"].astype(np.int64),
        time=columns["day"] / _DAYS_OF_A_YEAR,
        covariates={
            "age": columns["age"],
            "sex": columns["sex"],
            "drug": np.where(columns["trt"] == 1.0, "D-penicillamine", "placebo").astype(object),
        },
        died=columns["status"] == 2.0,
        follow_up=columns["futime"] / _DAYS_OF_A_YEAR,
        center=center,
        scale=scale,
        DESCR=cleandoc(fetch_pbc2.__doc__ or ""),
    )
