"""Netflix5K5K: ratings that may not be passed on, read from the user's own file."""

from __future__ import annotations

import os
import re
from inspect import cleandoc
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from intertwine.frames import make_frame

__all__ = ["load_netflix5k5k"]

_SEPARATORS = re.compile(r"::|[,;|\s]+")
_LARGEST_SIZE = 5000
_BEYOND_IDS = 2.0**53


def load_netflix5k5k(
    path: str | os.PathLike[str], *, as_frame: bool = False, return_X_y: bool = False
) -> Any:
    r"""Read Netflix5K5K, or another file of ratings: at most 5000 users and 5000 items, 1 to 5 stars.

    Netflix never allowed its ratings to be passed on, so there is nothing to download here, and no checksum that a file
    could be held to: what is read is checked for its form alone.

    Parameters
    ----------
    path : str or path-like
        Text with a line for each rating: user, item, rating, and whatever may follow, separated by blanks, commas,
        semicolons, bars or "::". Ids are whole numbers.
    as_frame, return_X_y : bool
        See :mod:`intertwine.datasets.real`.

    Returns
    -------
    sklearn.utils.Bunch
        ``data`` (n, 2): the ids of user and item; ``target``: stars.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When a line is no rating, a user rates an item twice, or there are more users or items than there should be.

    Notes
    -----
    How 5000 users and 5000 items were drawn from the Netflix Prize is described by W. Pan and L. Chen, GBPR: Group
    preference based Bayesian personalized ranking (IJCAI 2013). That paper's own files keep only the pairs with more
    than three stars, without the stars: these hold no ratings and are refused.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "ratings.txt")
    ...     _ = path.write_text("1 7 4\n1 9 2\n3 7 5\n")
    ...     X, y = load_netflix5k5k(path, return_X_y=True)
    >>> X.tolist(), y.tolist()
    ([[1, 7], [1, 9], [3, 7]], [4.0, 2.0, 5.0])
    """
    rows = []
    with open(path, encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                rows.append(_rating(line.strip(), f"{path}, line {number}"))
    if not rows:
        raise ValueError(f"{path} is empty")
    table = np.array(rows)
    data = table[:, :2].astype(np.int64)
    for column, name in enumerate(("users", "items")):
        size = len(np.unique(data[:, column]))
        if size > _LARGEST_SIZE:
            raise ValueError(f"{path} has {size} {name}, but Netflix5K5K has at most {_LARGEST_SIZE}")
    pairs, counts = np.unique(data, axis=0, return_counts=True)
    if counts.max() > 1:
        user, item = pairs[np.argmax(counts)]
        raise ValueError(f"{path}: user {user} rates item {item} {counts.max()} times")
    given: Any = make_frame({"user": data[:, 0], "item": data[:, 1]}) if as_frame else data
    if return_X_y:
        return given, table[:, 2]
    return Bunch(
        data=given,
        target=table[:, 2],
        feature_names=np.array(["user", "item"], dtype=object),
        DESCR=cleandoc(load_netflix5k5k.__doc__ or ""),
    )


def _rating(line: str, where: str) -> tuple[float, float, float]:
    words = _SEPARATORS.split(line)
    if len(words) == 2:
        raise ValueError(f"{where}: {line!r} has no rating; files of liked pairs alone are not enough")
    try:
        user, item, stars = (float(word) for word in words[:3])
    except ValueError:
        raise ValueError(f"{where}: {line!r} is not 'user item rating'") from None
    if not all(one % 1 == 0 and 0 <= one < _BEYOND_IDS for one in (user, item)):
        raise ValueError(f"{where}: ids of {line!r} are not whole numbers from 0 on")
    if not 1 <= stars <= 5:
        raise ValueError(f"{where}: the rating of {line!r} is not from 1 to 5")
    return user, item, stars
