"""The handwritten threes and sixes of MNIST, which designs of longitudinal images are made from."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from intertwine.datasets.published_file import PublishedFile, read_published

__all__ = ["SIDE", "Digits", "read_digits"]

Digits = dict[str, NDArray[np.uint8]]

SIDE = 28  # pixels
_PARTS = ("train", "test")
_DIGITS = (3, 6)


def read_digits(*, download_if_missing: bool = True) -> Digits:
    """Read all threes and sixes, in MNIST's order.

    Parameters
    ----------
    download_if_missing : bool, default=True

    Returns
    -------
    dict of str to ndarray of shape (n, 28, 28), uint8
        "train_3", "train_6", "test_3" and "test_6".

    Raises
    ------
    FileNotFoundError
        When they are nowhere to be had. The message says how to get them.
    ValueError
        When the file on this machine is damaged or holds something else.
    """
    return read_published(_FILE, download_if_missing=download_if_missing)


def _read(path: Path) -> Digits:
    with np.load(path, allow_pickle=False) as kept:
        try:
            if "x_train" in kept:  # all ten digits
                return {
                    f"{part}_{digit}": kept[f"x_{part}"][kept[f"y_{part}"] == digit]
                    for part in _PARTS
                    for digit in _DIGITS
                }
            return {f"{part}_{digit}": kept[f"{part}_{digit}"] for part in _PARTS for digit in _DIGITS}
        except KeyError as error:
            raise ValueError(str(error)) from None


def _digest(digits: Digits) -> str:
    digest = hashlib.sha256()
    for name, images in digits.items():
        digest.update(f"{name}{images.shape}{images.dtype}".encode())
        digest.update(np.ascontiguousarray(images).tobytes())
    return digest.hexdigest()


_FILE: PublishedFile[Any] = PublishedFile(
    family="longitudinal",
    names=("mnist_3_6.npz", "mnist.npz"),
    url="https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",
    read=_read,
    digest_of=_digest,
    digest="d8ab0eadbd1c1fa8a9a69fe63fe2e503255942eee53b198ca7c36ef7a4d0ff6f",
)
