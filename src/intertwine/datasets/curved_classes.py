"""Two classes with a curved border: Banana, and the ignitions of an engine (IJCNN 2001)."""

from __future__ import annotations

from functools import partial
from inspect import cleandoc
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils import Bunch

from intertwine.datasets.published_file import PublishedFile, read_published
from intertwine.datasets.store import content_digest, read_table
from intertwine.datasets.tables import TABLES
from intertwine.frames import make_frame
from intertwine.io import LibsvmFile

__all__ = ["fetch_banana", "fetch_ijcnn1"]

_N_POSITIVE = 2376  # of Banana: archives number the classes as they like, the smaller one is ours


def fetch_banana(
    *,
    split: str | None = None,
    as_frame: bool = False,
    return_X_y: bool = False,
    download_if_missing: bool = True,
) -> Any:
    """Load Banana: two classes in the plane, one bent around the other. 5300 × 2, 2376 of the second class.

    Parameters
    ----------
    split : {"llfm"} or None, default=None
        "llfm": rows in the order of the authors of locally linear factorization machines, with their 3533 rows to fit
        and 1767 to judge on. It needs their files, ``fm/banana_llfm_train.csv.gz`` and ``fm/banana_llfm_test.csv.gz``
        (x1, x2, label), which no public archive keeps.
    as_frame, return_X_y, download_if_missing : bool
        See :mod:`intertwine.datasets.real`.

    Returns
    -------
    sklearn.utils.Bunch
        Features x1 and x2. With `split` also ``train`` and ``test``: positions of rows. The public archives print
        three significant digits, the authors' files eight.

    Raises
    ------
    FileNotFoundError
        When the table is not on this machine and cannot be downloaded.
    ValueError
        When the file on this machine holds something else, or for an unknown split.

    Notes
    -----
    Source: IDA benchmark repository (G. Rätsch), by way of OpenML and PMLB; public.

    Examples
    --------
    Where the table is at hand, or can be downloaded::

        X, y = fetch_banana(return_X_y=True)
    """
    if split not in (None, "llfm"):
        raise ValueError(f"split must be 'llfm' or None, got {split!r}")
    names = ("banana",) if split is None else ("banana_llfm_train", "banana_llfm_test")
    parts = [read_table(TABLES[name], download_if_missing=download_if_missing) for name in names]
    rows = np.concatenate(parts)
    _, of_row, counts = np.unique(rows[:, 2], return_inverse=True, return_counts=True)
    if sorted(counts) != [_N_POSITIVE, len(rows) - _N_POSITIVE]:
        raise ValueError(f"banana has classes of {counts.tolist()} rows, not 2924 and {_N_POSITIVE}")
    target = (counts[of_row] == _N_POSITIVE).astype(np.int64)
    X = rows[:, :2]
    data = make_frame({"x1": X[:, 0], "x2": X[:, 1]}) if as_frame else X
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        feature_names=np.array(["x1", "x2"], dtype=object),
        target_names=np.array(["larger class", "smaller class"], dtype=object),
        DESCR=cleandoc(fetch_banana.__doc__ or ""),
        **({} if split is None else _positions(len(parts[0]), len(rows))),
    )


def fetch_ijcnn1(*, return_X_y: bool = False, download_if_missing: bool = True) -> Any:
    """Load IJCNN1: does an engine misfire? 141,691 × 22, sparse; 49,990 rows to fit on; a tenth is positive.

    Features 1 to 10 mark the place in the engine's cycle, 11 to 22 are measurements around it, as the winner of the
    challenge prepared them.

    Parameters
    ----------
    return_X_y, download_if_missing : bool
        See :mod:`intertwine.datasets.real`.

    Returns
    -------
    sklearn.utils.Bunch
        ``data``: :class:`scipy.sparse.csr_array` (141691, 22); ``target``: 0 or 1; ``train`` and ``test``: positions of
        the 49,990 and 91,701 rows of the challenge, in their order.

    Raises
    ------
    FileNotFoundError
        When the files are not on this machine and cannot be downloaded.
    ValueError
        When a file on this machine holds something else.

    Notes
    -----
    Source: IJCNN 2001 neural network competition (D. Prokhorov), in the form of LIBSVM's collection (C.-C. Chang and
    C.-J. Lin); public for research.

    Examples
    --------
    Where the files are at hand, or can be downloaded::

        engine = fetch_ijcnn1()
        X, y = engine.data[engine.train], engine.target[engine.train]
    """
    parts = [read_published(part, download_if_missing=download_if_missing) for part in _IJCNN1]
    data = sparse.csr_array(sparse.vstack([X for X, _ in parts], format="csr"))
    target = (np.concatenate([y for _, y in parts]) > 0).astype(np.int64)
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        feature_names=np.array([f"f{index}" for index in range(1, data.shape[1] + 1)], dtype=object),
        target_names=np.array(["normal firing", "misfire"], dtype=object),
        DESCR=cleandoc(fetch_ijcnn1.__doc__ or ""),
        **_positions(parts[0][0].shape[0], data.shape[0]),
    )


def _positions(n_train: int, n: int) -> dict[str, NDArray[np.int64]]:
    return {"train": np.arange(n_train), "test": np.arange(n_train, n)}


Rows = tuple[sparse.csr_array, NDArray[np.float64]]


def _read_rows(path: Path, n_features: int) -> Rows:
    chunks = list(LibsvmFile(path, n_features=n_features))
    X = sparse.csr_array(sparse.vstack([X for X, _ in chunks], format="csr"))
    X.eliminate_zeros()  # some copies write zeros, others leave them out
    return X, np.concatenate([y for _, y in chunks])


def _digest(rows: Rows) -> str:
    return content_digest(np.column_stack([rows[0].toarray(), np.sign(rows[1])]))


_COLLECTION = "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/binary/"
_IJCNN1 = tuple(
    PublishedFile(
        family="fm",
        names=names,
        url=_COLLECTION + names[-1],
        read=partial(_read_rows, n_features=22),
        digest_of=_digest,
        digest=digest,
    )
    for names, digest in (
        (
            ("ijcnn1.trn.bz2", "ijcnn1.bz2"),
            "cbb5ded9e10ccbfc96eac4261a824a321a96283925bad20689204e58ba425885",
        ),
        (
            ("ijcnn1.tst.bz2", "ijcnn1.t.bz2"),
            "ded1c174e19da8cc25d7c98a089f227ea8310c7acccb9cfc71b969c2245654b7",
        ),
    )
)
