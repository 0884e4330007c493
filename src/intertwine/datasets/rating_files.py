"""Ratings that nobody may download for us, read from files that the user made: Yelp's core and Jester."""

from __future__ import annotations

import os
from dataclasses import dataclass
from inspect import cleandoc
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from intertwine.datasets.published_file import DAMAGE
from intertwine.datasets.store import places
from intertwine.frames import make_frame

__all__ = ["fetch_jester5k", "fetch_yelp_core40"]

_FAMILY = "ratings"


def fetch_yelp_core40(
    path: str | os.PathLike[str] | None = None, *, as_frame: bool = False, return_X_y: bool = False
) -> Any:
    """Read a core of Yelp's stars: users and businesses with at least 40 ratings of one another.

    The file that our figures are of has 100,409 ratings of 1355 users and 1272 businesses. Yelp lets nobody pass its
    data on, and a later edition has another core: what is read is checked for its form alone.

    Parameters
    ----------
    path : str, path-like or None, default=None
        A file that numpy.savez wrote, with arrays u, i (codes from 0 on of user and item), r (1 to 5 stars), and, where
        there are ids, user_ids and item_ids (those of the codes). None: ``ratings/yelp_core40.npz`` in the folder that
        INTERTWINE_DATA names, or in the cache.
    as_frame, return_X_y : bool
        See :mod:`intertwine.datasets.real`.

    Returns
    -------
    sklearn.utils.Bunch
        ``data`` (n, 2): the ids of user and item; ``target``: stars.

    Raises
    ------
    FileNotFoundError
        When there is no such file; the message says how to make it.
    ValueError
        When the file is damaged, is no table of ratings, or somebody has fewer than 40.

    Notes
    -----
    Source: Yelp Open Dataset, https://www.yelp.com/dataset, under Yelp's own terms: for academic use, no
    redistribution.

    Examples
    --------
    Where the file is at hand::

        X, stars = fetch_yelp_core40(return_X_y=True)
    """
    return _loaded(_YELP, path, as_frame, return_X_y, fetch_yelp_core40.__doc__)


def fetch_jester5k(
    path: str | os.PathLike[str] | None = None, *, as_frame: bool = False, return_X_y: bool = False
) -> Any:
    """Read Jester5k: how funny are 100 jokes? 363,209 ratings from −10 to 10 of 5000 users with at least 36 each.

    Ratings are continuous. Ten jokes were shown to everybody, so what is missing is not missing at random.

    Parameters
    ----------
    path : str, path-like or None, default=None
        A file that numpy.savez wrote, with arrays u, i (codes from 0 on of user and joke) and r. None:
        ``ratings/jester5k.npz`` in the folder that INTERTWINE_DATA names, or in the cache.
    as_frame, return_X_y : bool
        See :mod:`intertwine.datasets.real`.

    Returns
    -------
    sklearn.utils.Bunch
        ``data`` (363209, 2): user from 1 to 5000 in the order of the file, and the joke's published number from 1 to
        100; ``target``: from −10 to 10.

    Raises
    ------
    FileNotFoundError
        When there is no such file; the message says how to make it.
    ValueError
        When the file is damaged or holds something else.

    Notes
    -----
    Source: K. Goldberg, T. Roeder, D. Gupta and C. Perkins, Eigentaste, Information Retrieval 4(2), 2001; drawn by M.
    Hahsler for the R package recommenderlab. For research only.

    Examples
    --------
    Where the file is at hand::

        X, laughs = fetch_jester5k(return_X_y=True)
    """
    return _loaded(_JESTER, path, as_frame, return_X_y, fetch_jester5k.__doc__)


@final
@dataclass(frozen=True)
class _RatingFile:
    """What a file of ratings must hold, and how somebody who has the source makes it."""

    name: str
    scale: tuple[float, float]
    how_to_make: str
    fewest: int = 1
    shape: tuple[int, int, int] | None = None  # ratings, users, items, where there is one edition only


_YELP = _RatingFile(
    name="yelp_core40",
    scale=(1.0, 5.0),
    how_to_make="ask Yelp for its Open Dataset (https://www.yelp.com/dataset), take each user's last stars for a "
    "business, and leave out users and businesses with fewer than 40 ratings until all that are left have as many",
    fewest=40,
)
_JESTER = _RatingFile(
    name="jester5k",
    scale=(-10.0, 10.0),
    how_to_make="in R, library(recommenderlab); data(Jester5k); as(Jester5k, 'data.frame') lists user, joke and rating",
    fewest=36,
    shape=(363_209, 5000, 100),
)


def _loaded(
    kind: _RatingFile,
    path: str | os.PathLike[str] | None,
    as_frame: bool,
    return_X_y: bool,
    description: str | None,
) -> Any:
    ids, target = _read(_found(kind, path), kind)
    given: Any = make_frame({"user": ids[:, 0], "item": ids[:, 1]}) if as_frame else ids
    if return_X_y:
        return given, target
    return Bunch(
        data=given,
        target=target,
        feature_names=np.array(["user", "item"], dtype=object),
        DESCR=cleandoc(description or ""),
    )


def _found(kind: _RatingFile, path: str | os.PathLike[str] | None) -> Path:
    candidates = places(_FAMILY, f"{kind.name}.npz") if path is None else [Path(path)]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    here = " or ".join(str(candidate) for candidate in candidates)
    raise FileNotFoundError(
        f"{kind.name} is not at {here}, and may not be passed on, so it is not downloaded. To make it: "
        f"{kind.how_to_make}; number users and items from 0 on; numpy.savez(file, u=..., i=..., r=...), put it there, "
        f"or set INTERTWINE_DATA to the folder that holds {_FAMILY}/{kind.name}.npz"
    )


def _read(path: Path, kind: _RatingFile) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    try:
        with np.load(path, allow_pickle=False) as kept:
            arrays = {name: kept[name] for name in kept.files}
        codes = [arrays[name] for name in ("u", "i")]
        target = np.round(arrays["r"].astype(np.float64), 6)  # -1.6 in single precision is not -1.6
    except PermissionError:
        raise
    except DAMAGE as error:
        raise ValueError(f"{path} is damaged or has no arrays u, i, r ({error})") from error
    _check(codes, target, kind, path)
    columns = []
    for name, code in zip(("user_ids", "item_ids"), codes, strict=True):
        known = arrays.get(name)
        if known is not None and (known.ndim != 1 or len(known) <= code.max()):
            raise ValueError(f"{path}: {name} has shape {known.shape}, for {code.max() + 1} codes")
        columns.append(code + 1 if known is None else known[code])
    return np.column_stack(columns).astype(np.int64), target


def _check(codes: list[NDArray], target: NDArray[np.float64], kind: _RatingFile, path: Path) -> None:
    shapes = {array.shape for array in (*codes, target)}
    if len(shapes) > 1 or target.ndim != 1 or not len(target):
        raise ValueError(f"{path}: u, i and r must be as long as one another, got shapes {sorted(shapes)}")
    if any(code.dtype.kind not in "iu" or code.min() < 0 or code.max() >= 2**31 for code in codes):
        raise ValueError(f"{path}: u and i must be whole numbers from 0 on, below 2³¹")
    low, high = kind.scale
    if not np.all((target >= low) & (target <= high)):
        raise ValueError(f"{path}: ratings are not from {low:g} to {high:g}")
    pairs = codes[0].astype(np.int64) * (int(codes[1].max()) + 1) + codes[1]
    if len(np.unique(pairs)) < len(pairs):
        raise ValueError(f"{path}: somebody rates something twice")
    counts = [np.unique(code, return_counts=True)[1] for code in codes]
    found = (len(target), len(counts[0]), len(counts[1]))
    if kind.shape is not None and found != kind.shape:
        raise ValueError(f"{path} has {found} ratings, users and items, but {kind.name} has {kind.shape}")
    if min(count.min() for count in counts) < kind.fewest:
        raise ValueError(f"{path}: some user or item has fewer than {kind.fewest} ratings")
