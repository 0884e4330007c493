"""MovieLens 100k: 943 users rate 1682 films, with what is known of both, and the splits everybody reports on."""

from __future__ import annotations

import hashlib
import lzma
import tarfile
import zipfile
import zlib
from inspect import cleandoc
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from intertwine.datasets.published_file import PublishedFile, read_limited, read_published
from intertwine.frames import make_frame

__all__ = ["fetch_movielens_100k"]

_SPLITS = ("u1", "u2", "u3", "u4", "u5", "ua", "ub")
_MEMBERS = (
    *("u.data", "u.genre", "u.item", "u.user"),
    *(f"{split}.{part}" for split in _SPLITS for part in ("base", "test")),
)
_LARGEST_MEMBER = 2**23  # bytes; the ratings take 2 million
_ENCODING = "latin-1"


def fetch_movielens_100k(
    *,
    split: str | None = None,
    as_frame: bool = False,
    return_X_y: bool = False,
    download_if_missing: bool = True,
) -> Any:
    """Load MovieLens 100k: how many stars does a user give a film? 100,000 ratings of 943 users and 1682 films.

    Every user has rated at least 20 films, between September 1997 and April 1998. Ids are numbers without an order:
    encode them one-hot (:class:`sklearn.preprocessing.OneHotEncoder`) before a linear model or a factorization machine
    sees them.

    Parameters
    ----------
    split : {"ua", "ub", "u1", "u2", "u3", "u4", "u5"} or None, default=None
        One of the official splits: "ua" and "ub" keep ten ratings of every user for testing, "u1" to "u5" are five
        folds of all ratings. None: no split.
    as_frame, return_X_y, download_if_missing : bool
        See :mod:`intertwine.datasets.real`.

    Returns
    -------
    sklearn.utils.Bunch
        ``data`` (100000, 2): the ids of user and item, from 1 on; ``target``: 1 to 5 stars; ``timestamp``: seconds
        since 1970; ``user_features``, a frame with user, age, gender, occupation, zip_code; ``item_features``, a frame
        with item, title, release_date and a column of 0 and 1 for each genre; ``genres``: their names. Row i − 1 of the
        frames has id i. With `split` also ``train`` and ``test``: positions of rows of ``data``, in the order of the
        official files.

    Raises
    ------
    FileNotFoundError
        When the data are not on this machine and cannot be downloaded.
    ValueError
        When the file on this machine holds something else, or for an unknown split.

    Notes
    -----
    Source: GroupLens, University of Minnesota (F. M. Harper and J. A. Konstan, The MovieLens Datasets, ACM TiiS 5(4),
    2015). For research only; no commercial use and no redistribution without permission; publications must cite the
    source. Intertwine does not ship the data: it reads ``fm/ml-100k.tar.xz`` or ``fm/ml-100k.zip``, or downloads the
    latter from the publisher.

    Examples
    --------
    Where the data are at hand, or can be downloaded::

        ratings = fetch_movielens_100k(split="ua")
        train, test = ratings.train, ratings.test
    """
    if split is not None and split not in _SPLITS:
        raise ValueError(f"split must be one of {', '.join(_SPLITS)} or None, got {split!r}")
    members = read_published(_ARCHIVE, download_if_missing=download_if_missing)
    rows = _numbers(members["u.data"])
    data, target = rows[:, :2], rows[:, 2].astype(np.float64)
    given: Any = make_frame({"user": data[:, 0], "item": data[:, 1]}) if as_frame else data
    if return_X_y:
        return given, target
    parts = {}
    if split is not None:
        place = np.full((data[:, 0].max() + 1, data[:, 1].max() + 1), -1)
        place[data[:, 0], data[:, 1]] = np.arange(len(data))  # nobody rates a film twice
        for name, ending in (("train", "base"), ("test", "test")):
            user, item = _numbers(members[f"{split}.{ending}"])[:, :2].T
            parts[name] = place[user, item]
    genres = [line.partition("|")[0] for line in _lines(members["u.genre"])]
    return Bunch(
        data=given,
        target=target,
        feature_names=np.array(["user", "item"], dtype=object),
        timestamp=rows[:, 3],
        user_features=_users(members["u.user"]),
        item_features=_items(members["u.item"], genres),
        genres=np.array(genres, dtype=object),
        DESCR=cleandoc(fetch_movielens_100k.__doc__ or ""),
        **parts,
    )


def _numbers(text: bytes) -> NDArray[np.int64]:
    return np.array(text.split(), dtype=np.int64).reshape(-1, 4)


def _lines(text: bytes) -> list[str]:
    return [line for line in text.decode(_ENCODING).split("\n") if line]


def _users(text: bytes) -> Any:
    user, age, *words = zip(*(line.split("|") for line in _lines(text)), strict=True)
    columns = {"user": np.array(user, dtype=np.int64), "age": np.array(age, dtype=np.int64)}
    names = ("gender", "occupation", "zip_code")
    return make_frame(columns | {name: np.array(word) for name, word in zip(names, words, strict=True)})


def _items(text: bytes, genres: list[str]) -> Any:
    item, title, released, _, _, *flags = zip(*(line.split("|") for line in _lines(text)), strict=True)
    columns = {
        "item": np.array(item, dtype=np.int64),
        "title": np.array(title),
        "release_date": np.array(released),
    }
    marks = {genre: np.array(flag, dtype=np.int64) for genre, flag in zip(genres, flags, strict=True)}
    return make_frame(columns | marks)


def _read_archive(path: Path) -> dict[str, bytes]:
    """Contents of the files that count, line ends as on Unix; nothing is unpacked to the disk."""
    opened = _read_zip if path.suffix == ".zip" else _read_tar
    try:
        return {name: text.replace(b"\r\n", b"\n") for name, text in opened(path).items()}
    except (KeyError, zipfile.BadZipFile, tarfile.TarError, lzma.LZMAError, zlib.error) as error:
        raise ValueError(str(error)) from error


def _read_zip(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {
            name: read_limited(archive.open(f"ml-100k/{name}"), name, _LARGEST_MEMBER) for name in _MEMBERS
        }


def _read_tar(path: Path) -> dict[str, bytes]:
    with tarfile.open(path, "r:xz") as archive:  # its members are met in the order they are kept
        found = {}
        for member in archive:
            name = member.name.removeprefix("./").removeprefix("ml-100k/")
            if name in _MEMBERS and member.isfile():
                found[name] = read_limited(archive.extractfile(member), name, _LARGEST_MEMBER)
    return {name: found[name] for name in _MEMBERS}


def _digest(members: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name in sorted(members):
        digest.update(f"{name} {len(members[name])}\n".encode())
        digest.update(members[name])
    return digest.hexdigest()


_ARCHIVE = PublishedFile(
    family="fm",
    names=("ml-100k.tar.xz", "ml-100k.zip"),
    url="https://files.grouplens.org/datasets/movielens/ml-100k.zip",
    read=_read_archive,
    digest_of=_digest,
    digest="aa643fd4899e38349551570cf61e92ebf73e4c75b8a4320e0a69f05fab1dc29f",
)
