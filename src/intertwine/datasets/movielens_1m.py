"""MovieLens 1M: 6040 users rate 3706 films; with what is known of both where the publisher's own file is at hand."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from dataclasses import replace
from inspect import cleandoc
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from intertwine.datasets.published_file import PublishedFile, read_limited, read_published
from intertwine.frames import make_frame

__all__ = ["fetch_movielens_1m"]

_LARGEST_MEMBER = 2**25  # bytes; the ratings take 25 million
_ENCODING = "latin-1"
_ZIP_MD5 = "c4d9eecfca2ab87c1945afe126590906"  # the publisher's own, beside the file
_GENRES = (
    *("Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy"),
    *("Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)


def fetch_movielens_1m(
    *,
    side_features: bool = False,
    as_frame: bool = False,
    return_X_y: bool = False,
    download_if_missing: bool = True,
) -> Any:
    """Load MovieLens 1M: how many stars does a user give a film? 1,000,209 ratings of 6040 users and 3706 films.

    Every user has rated at least 20 films, between April 2000 and February 2003. Ids are the published ones; they are
    numbers without an order.

    Parameters
    ----------
    side_features : bool, default=False
        Insist on the publisher's zip, which alone has the timestamps and what is known of users and films.
    as_frame, return_X_y, download_if_missing : bool
        See :mod:`intertwine.datasets.real`.

    Returns
    -------
    sklearn.utils.Bunch
        ``data`` (1000209, 2): the ids of user and item, sorted by user and then item, whichever file they came from;
        ``target``: 1 to 5 stars. When read from the zip also ``timestamp``: seconds since 1970; ``user_features``, a
        frame with user, gender, age (the youngest of a range of years; 1: under 18), occupation (a code from 0 to 20),
        zip_code; ``item_features``, a frame of 3883 films, 177 of which nobody rated, with item, title and a column of
        0 and 1 for each genre; ``genres``: their names.

    Raises
    ------
    FileNotFoundError
        When the data are not on this machine and cannot be downloaded.
    ValueError
        When the file on this machine holds something else.

    Notes
    -----
    Source: GroupLens, University of Minnesota (F. M. Harper and J. A. Konstan, The MovieLens Datasets, ACM TiiS 5(4),
    2015). For research only; no commercial use and no redistribution without permission; publications must cite the
    source. Intertwine does not ship the data: it reads ``ratings/ml1m.npz`` (arrays u, i: codes; r: stars; user_ids,
    item_ids: the ids of the codes) or ``ratings/ml-1m.zip``, or downloads the latter from the publisher.

    Examples
    --------
    Where the data are at hand, or can be downloaded::

        ratings = fetch_movielens_1m(side_features=True)
        ratings.item_features["title"]
    """
    file = replace(_FILE, names=_FILE.names[-1:]) if side_features else _FILE
    content = read_published(file, download_if_missing=download_if_missing)
    data, target = content.ids, content.stars.astype(np.float64)
    given: Any = make_frame({"user": data[:, 0], "item": data[:, 1]}) if as_frame else data
    if return_X_y:
        return given, target
    known = {}
    if content.timestamp is not None:
        known = {
            "timestamp": content.timestamp,
            "user_features": _users(content.users),
            "item_features": _items(content.items),
            "genres": np.array(_GENRES, dtype=object),
        }
    return Bunch(
        data=given,
        target=target,
        feature_names=np.array(["user", "item"], dtype=object),
        DESCR=cleandoc(fetch_movielens_1m.__doc__ or ""),
        **known,
    )


class _Content(NamedTuple):
    """Ratings in the order of users and items; the rest is in the zip alone."""

    ids: NDArray[np.int64]
    stars: NDArray[np.int8]
    timestamp: NDArray[np.int64] | None = None
    users: bytes = b""
    items: bytes = b""


def _read(path: Path) -> _Content:
    try:
        return _read_zip(path) if path.suffix == ".zip" else _read_arrays(path)
    except (KeyError, IndexError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(str(error)) from error


def _read_arrays(path: Path) -> _Content:
    with np.load(path, allow_pickle=False) as kept:
        ids = np.column_stack([kept["user_ids"][kept["u"]], kept["item_ids"][kept["i"]]])
        return _sorted(ids.astype(np.int64), kept["r"].astype(np.int8))


def _read_zip(path: Path) -> _Content:
    if hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() != _ZIP_MD5:
        raise ValueError("its MD5 checksum is not the publisher's")
    with zipfile.ZipFile(path) as archive:
        ratings, users, items = (
            read_limited(archive.open(f"ml-1m/{name}.dat"), f"{name}.dat", _LARGEST_MEMBER)
            for name in ("ratings", "users", "movies")
        )
    rows = np.fromstring(ratings.replace(b"::", b" ").decode(_ENCODING), dtype=np.int64, sep=" ").reshape(
        -1, 4
    )
    return _sorted(rows[:, :2], rows[:, 2].astype(np.int8), rows[:, 3], users, items)


def _sorted(ids, stars, timestamp=None, users=b"", items=b"") -> _Content:
    """By user, then item: a split drawn with a seed is the same whichever file was read."""
    order = np.lexsort((ids[:, 1], ids[:, 0]))
    when = None if timestamp is None else timestamp[order]
    return _Content(ids[order], stars[order], when, users, items)


def _digest(content: _Content) -> str:
    digest = hashlib.sha256(str(content.ids.shape).encode())
    digest.update(content.ids.astype("<i4").tobytes())
    digest.update(content.stars.tobytes())
    return digest.hexdigest()


def _fields(text: bytes) -> list[tuple[str, ...]]:
    rows = (line.split("::") for line in text.decode(_ENCODING).splitlines() if line)
    return list(zip(*rows, strict=True))


def _users(text: bytes) -> Any:
    user, gender, age, occupation, zip_code = _fields(text)
    return make_frame(
        {
            "user": np.array(user, dtype=np.int64),
            "gender": np.array(gender),
            "age": np.array(age, dtype=np.int64),
            "occupation": np.array(occupation, dtype=np.int64),
            "zip_code": np.array(zip_code),
        }
    )


def _items(text: bytes) -> Any:
    item, title, kinds = _fields(text)
    named = [set(kind.split("|")) for kind in kinds]
    marks = {genre: np.array([genre in names for names in named], dtype=np.int64) for genre in _GENRES}
    return make_frame({"item": np.array(item, dtype=np.int64), "title": np.array(title)} | marks)


_FILE = PublishedFile(
    family="ratings",
    names=("ml1m.npz", "ml-1m.zip"),
    url="https://files.grouplens.org/datasets/movielens/ml-1m.zip",
    read=_read,
    digest_of=_digest,
    digest="0bc3080f2a6ad882c0edda80cef16feb8fd0f710fd4458056aa739805645b544",
)
