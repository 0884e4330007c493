"""How long fits on a large table will take, from fits on parts of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from intertwine.compare.base import AbstractTask
from intertwine.compare.contender import Contender, Unfinished, attempt

__all__ = ["estimate_seconds", "extrapolated"]

_FIRST, _STEP = 300, 4  # rows of the smallest part, and how the next one grows
_TEST_SHARE = 0.25
_MOST_PATIENCE = 5  # times what is foreseen for a fit, before it is ended
_EXPONENTS = (0.3, 2.2)  # between which the cost grows with the rows
_ASSUMED = 1.0  # exponent where one part was all there was time for


def estimate_seconds(
    contenders: Sequence[Contender],
    y: NDArray[Any],
    task: AbstractTask,
    n_train: int,
    *,
    patience: float,
    random_state: int = 0,
    n_jobs: int | None = None,
    on_step: Callable[[str], None] | None = None,
) -> dict[str, float]:
    """Seconds that a fit on `n_train` rows will take, by the name of the model.

    Each is fitted on 300 rows, twice, because the first fit of a process compiles; then on four times as many, and so
    on up to half of them, as long as a fit will take less than `patience` seconds if its cost grows in proportion. A
    model that fails on a part has no estimate: the comparison itself will tell. One whose fit on the smallest part was
    ended, because it took five times `patience`, has an infinite one.

    Parameters
    ----------
    contenders : sequence of Contender
    y : (n,) array
    task : AbstractTask
    n_train : int
    patience : float
    random_state : int, default=0
        Of the parts.
    n_jobs : int, optional
    on_step : callable, optional
        Called with the name of a model that is estimated.
    """
    order = np.random.default_rng(random_state).permutation(len(y))
    jobs = (delayed(_measured)(one, y, task, order, n_train, patience) for one in contenders)
    found: dict[str, float] = {}
    for name, sizes, seconds in Parallel(n_jobs, return_as="generator")(jobs):
        if sizes:
            found[name] = extrapolated(sizes, seconds, n_train) if seconds else np.inf
        if on_step is not None:
            on_step(name)
    return found


def extrapolated(sizes: Sequence[int], seconds: Sequence[float], size: int) -> float:
    """Seconds at `size` rows, by the power of the rows that the last two parts show.

    Examples
    --------
    >>> extrapolated([300, 1200], [1.0, 4.0], 12_000), extrapolated([400], [1.0], 1600)
    (40.0, 4.0)
    """
    power = _ASSUMED
    if len(sizes) > 1:
        rise = np.log(seconds[-1] / max(seconds[-2], 1e-3)) / np.log(sizes[-1] / sizes[-2])
        power = float(np.clip(rise, *_EXPONENTS))
    return float(seconds[-1] * (size / sizes[-1]) ** power)


def _measured(
    contender: Contender,
    y: NDArray[Any],
    task: AbstractTask,
    order: NDArray[np.intp],
    n_train: int,
    patience: float,
) -> tuple[str, list[int], list[float]]:
    """Seconds of fits on parts of growing size."""
    sizes: list[int] = []
    seconds: list[float] = []
    size, is_warm = _FIRST, False
    while size <= n_train / 2 and (not seconds or seconds[-1] * _STEP < patience):
        rows = order[: int(size * (1 + _TEST_SHARE))]
        started = time.perf_counter()
        limit = (_MOST_PATIENCE * patience, np.inf)
        _, outcome = attempt(contender, y, rows[:size], rows[size:], task, None, limit)
        if isinstance(outcome, Unfinished) and not seconds:
            return contender.name, [size], []
        if isinstance(outcome, str | Unfinished):
            break
        taken = time.perf_counter() - started
        if not is_warm and taken < patience:
            is_warm = True
            continue
        sizes.append(size)
        seconds.append(taken)
        size *= _STEP
    return contender.name, sizes, seconds
