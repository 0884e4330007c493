"""Real tables of the interactions family, each with the task it is known for.

Every loader takes the keyword arguments

* as_frame (default False): give ``data`` as a data frame (pandas where it is installed, else polars),
* return_X_y (default False): give ``(data, target)`` instead of the bunch,
* download_if_missing (default True): ask the public archives for a table that is not on this machine,

and returns a :class:`sklearn.utils.Bunch` with ``data`` (n, p), ``target`` (n,), ``feature_names`` (p,) and
``DESCR``; classification tasks have ``target_names``. It raises FileNotFoundError, saying what to do, when
the table cannot be had, and ValueError when the file on this machine holds something else. Where it looks
is told in :mod:`intertwine.datasets.store`.
"""

from __future__ import annotations

from inspect import cleandoc
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from intertwine.datasets.store import read_table
from intertwine.datasets.tables import TABLES
from intertwine.frames import make_frame

__all__ = [
    "fetch_bodyfat",
    "fetch_clean1",
    "fetch_clean2",
    "fetch_fri_c4",
    "fetch_gametes",
    "fetch_hill_valley",
    "fetch_tecator",
    "fetch_wisconsin",
]

Columns = dict[str, NDArray[np.float64]]
Task = Literal["classification", "regression"]


def fetch_clean1(
    *, as_frame: bool = False, return_X_y: bool = False, download_if_missing: bool = True
) -> Any:
    """Load Musk, version 1: is a molecule's shape that of a musk? 476 × 166, 207 musk rows.

    Each row is one conformation of one of 92 molecules, and not every copy in circulation says of which:
    splits by row leak, so results on them are optimistic. :func:`fetch_clean2` has the molecules.

    Parameters
    ----------
    as_frame, return_X_y, download_if_missing : bool
        See :mod:`intertwine.datasets.real`.

    Returns
    -------
    sklearn.utils.Bunch
        Features f1 … f166 are distances along rays through the molecule's surface, and the place of an
        oxygen.

    Notes
    -----
    Source: UCI Machine Learning Repository, Musk (version 1), CC BY 4.0.

    Examples
    --------
    Where the table is at hand, or can be downloaded::

        X, y = fetch_clean1(return_X_y=True)
    """
    columns = _read("clean1", download_if_missing)
    musk = columns.pop("musk")
    return _classes(columns, musk, ("non-musk", "musk"), fetch_clean1.__doc__, as_frame, return_X_y)


def fetch_clean2(
    *, as_frame: bool = False, return_X_y: bool = False, download_if_missing: bool = True
) -> Any:
    """Load Musk, version 2: the same question for many more conformations. 6598 × 166, 1017 musk rows.

    Parameters
    ----------
    as_frame, return_X_y, download_if_missing : bool
        See :mod:`intertwine.datasets.real`.

    Returns
    -------
    sklearn.utils.Bunch
        Features as in :func:`fetch_clean1`. ``groups`` (n,) numbers the 102 molecules: split by it, since all
        rows of a molecule have its class, and rows of one molecule on both sides of a split leak.

    Notes
    -----
    Source: UCI Machine Learning Repository, Musk (version 2), CC BY 4.0.

    Examples
    --------
    Where the table is at hand, or can be downloaded::

        X, y = fetch_clean2(return_X_y=True)
    """
    columns = _read("clean2", download_if_missing)
    del columns["conformation"]  # a different number in every row
    molecule, musk = columns.pop("molecule"), columns.pop("musk")
    groups = np.unique(molecule, return_inverse=True)[1]
    names = ("non-musk", "musk")
    return _classes(columns, musk, names, fetch_clean2.__doc__, as_frame, return_X_y, groups=groups)


def fetch_fri_c4(
    *,
    task: Task = "classification",
    as_frame: bool = False,
    return_X_y: bool = False,
    download_if_missing: bool = True,
) -> Any:
    """Load fri_c4_1000_100: Friedman's curved function of five of a hundred correlated features. 1000 × 100.

    Parameters
    ----------
    task : {"classification", "regression"}, default="classification"
        Is y below its mean (436 rows are), or how large is y?
    as_frame, return_X_y, download_if_missing : bool
        See :mod:`intertwine.datasets.real`.

    Returns
    -------
    sklearn.utils.Bunch
        Features oz1 … oz100.

    Notes
    -----
    Source: OpenML and PMLB, public; after J. Friedman, Multivariate adaptive regression splines, 1991.

    Examples
    --------
    Where the table is at hand, or can be downloaded::

        X, y = fetch_fri_c4(return_X_y=True)
    """
    columns = _read("fri_c4_1000_100", download_if_missing)
    y = columns.pop("y")
    return _below_mean_or_value(columns, y, "y", task, fetch_fri_c4.__doc__, as_frame, return_X_y)


def fetch_hill_valley(
    *, as_frame: bool = False, return_X_y: bool = False, download_if_missing: bool = True
) -> Any:
    """Load Hill-Valley with noise: do 100 heights in a row show a hill or a valley? 1212 × 100, 606 each.

    Parameters
    ----------
    as_frame, return_X_y, download_if_missing : bool
        See :mod:`intertwine.datasets.real`.

    Returns
    -------
    sklearn.utils.Bunch
        Features V1 … V100. Rows differ in scale by orders of magnitude.

    Notes
    -----
    Source: UCI Machine Learning Repository, Hill-Valley, CC BY 4.0.

    Examples
    --------
    Where the table is at hand, or can be downloaded::

        X, y = fetch_hill_valley(return_X_y=True)
    """
    columns = _read("hill_valley", download_if_missing)
    hill = columns.pop("hill")
    return _classes(columns, hill, ("valley", "hill"), fetch_hill_valley.__doc__, as_frame, return_X_y)


def fetch_tecator(
    *,
    task: Task = "classification",
    as_frame: bool = False,
    return_X_y: bool = False,
    download_if_missing: bool = True,
) -> Any:
    """Load Tecator: infrared spectra of minced meat. 240 × 124.

    Parameters
    ----------
    task : {"classification", "regression"}, default="classification"
        Is there less protein than on average (102 of 240), or how much fat is there, in percent?
    as_frame, return_X_y, download_if_missing : bool
        See :mod:`intertwine.datasets.real`.

    Returns
    -------
    sklearn.utils.Bunch
        Features: 100 absorbances, their 22 principal components, moisture, and the one of fat and protein
        that is not asked for.

    Notes
    -----
    Source: StatLib, H. Thodberg, public.

    Examples
    --------
    Where the table is at hand, or can be downloaded::

        X, y = fetch_tecator(return_X_y=True)
    """
    columns = _read("tecator", download_if_missing)
    name = "protein" if task == "classification" else "fat"
    y = columns.pop(name)
    return _below_mean_or_value(columns, y, name, task, fetch_tecator.__doc__, as_frame, return_X_y)


def fetch_gametes(
    *, as_frame: bool = False, return_X_y: bool = False, download_if_missing: bool = True
) -> Any:
    """Load a GAMETES simulation: cases that two of 20 genotypes explain only together. 1600 × 20, 800 cases.

    Parameters
    ----------
    as_frame, return_X_y, download_if_missing : bool
        See :mod:`intertwine.datasets.real`.

    Returns
    -------
    sklearn.utils.Bunch
        Features N0 … N17 (noise), P1 and P2 (the pair that matters): copies of the minor allele, 0, 1 or 2.

    Notes
    -----
    Source: PMLB, GAMETES Epistasis 2-Way 20atts 0.4H, MIT.

    Examples
    --------
    Where the table is at hand, or can be downloaded::

        X, y = fetch_gametes(return_X_y=True)
    """
    columns = _read("gametes_epistasis_2way", download_if_missing)
    case = columns.pop("case")
    return _classes(columns, case, ("control", "case"), fetch_gametes.__doc__, as_frame, return_X_y)


def fetch_bodyfat(
    *, as_frame: bool = False, return_X_y: bool = False, download_if_missing: bool = True
) -> Any:
    """Load body fat of 252 men, in percent, from age, weight, height and ten circumferences. 252 × 13.

    Parameters
    ----------
    as_frame, return_X_y, download_if_missing : bool
        See :mod:`intertwine.datasets.real`.

    Returns
    -------
    sklearn.utils.Bunch
        Age in years, weight in pounds, height in inches, circumferences in centimetres. The density that the
        percentage was computed from is no feature.

    Notes
    -----
    Source: StatLib, R. Johnson, public.

    Examples
    --------
    Where the table is at hand, or can be downloaded::

        X, y = fetch_bodyfat(return_X_y=True)
    """
    columns = _read("bodyfat", download_if_missing)
    del columns["density"]
    fat = columns.pop("percent_fat")
    return _bunch(columns, fat, fetch_bodyfat.__doc__, as_frame, return_X_y)


def fetch_wisconsin(
    *, as_frame: bool = False, return_X_y: bool = False, download_if_missing: bool = True
) -> Any:
    """Load Wisconsin prognostic breast cancer: months until recurrence or end of follow-up. 194 × 32.

    The copies in circulation lack the indicator of recurrence, so the target mixes both: a regression
    exercise, no survival analysis.

    Parameters
    ----------
    as_frame, return_X_y, download_if_missing : bool
        See :mod:`intertwine.datasets.real`.

    Returns
    -------
    sklearn.utils.Bunch
        Mean, standard error and worst value of ten properties of cell nuclei, tumour size, lymph nodes.

    Notes
    -----
    Source: UCI Machine Learning Repository, Breast Cancer Wisconsin (Prognostic), CC BY 4.0.

    Examples
    --------
    Where the table is at hand, or can be downloaded::

        X, y = fetch_wisconsin(return_X_y=True)
    """
    columns = _read("wisconsin", download_if_missing)
    time = columns.pop("time")
    return _bunch(columns, time, fetch_wisconsin.__doc__, as_frame, return_X_y)


def _read(name: str, download_if_missing: bool) -> Columns:
    table = TABLES[name]
    values = read_table(table, download_if_missing=download_if_missing)
    return dict(zip(table.columns, values.T, strict=True))


def _below_mean_or_value(
    columns: Columns,
    y: NDArray[np.float64],
    name: str,
    task: Task,
    description: str | None,
    as_frame: bool,
    return_X_y: bool,
) -> Any:
    if task == "regression":
        return _bunch(columns, y, description, as_frame, return_X_y)
    if task != "classification":
        raise ValueError(f"task must be 'classification' or 'regression', got {task!r}")
    names = (f"{name} at least average", f"{name} below average")
    return _classes(columns, y < y.mean(), names, description, as_frame, return_X_y)


def _classes(
    columns: Columns,
    positive: NDArray[Any],
    names: tuple[str, str],
    description: str | None,
    as_frame: bool,
    return_X_y: bool,
    **extra: Any,
) -> Any:
    target = positive.astype(np.int64)
    extra["target_names"] = np.array(names, dtype=object)
    return _bunch(columns, target, description, as_frame, return_X_y, **extra)


def _bunch(
    columns: Columns,
    target: NDArray[Any],
    description: str | None,
    as_frame: bool,
    return_X_y: bool,
    **extra: Any,
) -> Any:
    data = make_frame(columns) if as_frame else np.column_stack(list(columns.values()))
    if return_X_y:
        return data, target
    names = np.array(list(columns), dtype=object)
    return Bunch(data=data, target=target, feature_names=names, DESCR=cleandoc(description or ""), **extra)
