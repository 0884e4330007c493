"""The watch of a fit: its progress, and its journal where a checkpoint was asked for."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from intertwine.estimators.progress import progress
from intertwine.fitting.watch import Watch
from intertwine.io import Journal, NoJournal

__all__ = ["digest_of", "seed_of", "watched"]

# What changes nothing about the result; the seed of a fit is on its record.
_WITHOUT_EFFECT = ("checkpoint", "verbose", "n_jobs")


@contextmanager
def watched(estimator: BaseEstimator, data: Any, outer: Watch | None = None) -> Iterator[Watch]:
    """Watch a fit; inside another fit (``outer``), as part of that.

    Parameters
    ----------
    estimator : estimator
        Its ``verbose`` and ``checkpoint`` say how.
    data : nested tuples and lists of ndarray, objects that hold them, or None
        Everything that the result depends on besides the parameters.
    outer : Watch, optional
    """
    if outer is not None:
        yield outer
        return
    name = type(estimator).__name__
    journal = (
        NoJournal()
        if estimator.checkpoint is None
        else Journal(estimator.checkpoint, _prints(estimator, data))
    )
    with progress(estimator.verbose, name) as shown:
        if isinstance(journal, NoJournal):
            yield Watch(shown, journal)
            return
        with journal:
            yield Watch(shown, journal)


def seed_of(estimator: BaseEstimator, watch: Watch) -> int:
    """A seed drawn as ``random_state`` says; a resumed fit has that of the interrupted one."""
    seed = check_random_state(estimator.random_state).randint(2**31)
    return watch.journal.step("seed", lambda: {"seed": int(seed)})["seed"]


def _prints(estimator, data) -> dict[str, str]:
    params = {k: v for k, v in estimator.get_params(deep=False).items() if k not in _WITHOUT_EFFECT}
    return {
        "class of estimator": type(estimator).__name__,
        "version of intertwine": sys.modules["intertwine"].__version__,  # loaded before any of its modules
        "parameters": digest_of(params),
        "data": digest_of(data),
    }


def digest_of(value: Any) -> str:
    """Tell values apart, in a few letters: what `watched` takes as data, of which not all need be in memory at once."""
    digest = hashlib.sha256()
    _add(digest, value)
    return digest.hexdigest()


def _add(digest, value) -> None:
    """Feed a value, in a form that two processes agree on."""
    if isinstance(value, np.generic):
        value = value.item()
    elif hasattr(value, "__array__"):
        value = np.asarray(value)
    if isinstance(value, np.ndarray) and value.dtype != object:
        digest.update(f"{value.dtype} {value.shape}".encode())
        digest.update(np.ascontiguousarray(value).data if value.size else b"")
    elif value is None or isinstance(value, bool | int | float | str):
        digest.update(f"{type(value).__name__} {value!r};".encode())
    elif isinstance(value, dict):
        _add(digest, [item for key in sorted(value) for item in (key, value[key])])
    elif isinstance(value, list | tuple | np.ndarray):
        digest.update(f"{len(value)} items;".encode())
        for item in value:
            _add(digest, item)
    elif isinstance(value, np.random.RandomState | np.random.Generator) or not hasattr(value, "__dict__"):
        digest.update(f"{type(value).__name__};".encode())
    else:
        # a sparse matrix of one more column without entries is another
        digest.update(f"{type(value).__name__} {getattr(value, 'shape', None)};".encode())
        _add(digest, {name: item for name, item in vars(value).items() if not name.startswith("_")})
