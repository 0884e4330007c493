"""The event indicator: boolean or 0/1, and a diagnosis of every other coding that is met."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from intertwine.validation.vectors import finite_numbers
from intertwine.validation.wording import listed

# More distinct values than this are no causes of an event but measurements.
_MOST_CAUSES = 10


def check_event(values: Any, time: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Read the event indicator.

    Parameters
    ----------
    values : array-like or Series of shape (n,)
        Booleans, or 0 and 1 as ints or floats.
    time : ndarray of shape (n,)
        Checked times; only to tell whether the two were swapped.

    Returns
    -------
    ndarray of shape (n,), bool

    Raises
    ------
    ValueError
        No event; any coding but these; missing values with their rows.

    Examples
    --------
    >>> check_event([1.0, 0.0], np.array([3.0, 4.0]))
    array([ True, False])
    >>> check_event([0, 1, 2], np.array([3.0, 4.0, 5.0]))
    Traceback (most recent call last):
    ...
    ValueError: event holds [0, 1, 2]: competing risks are not supported; pass event == k for one ...
    """
    if np.asarray(values).dtype.kind in "USO" and _is_text(values):
        raise ValueError("event holds text; compare it with the label of the event, e.g. status == 'dead'")
    codes = finite_numbers(values, "event")
    held = np.unique(codes)
    if not np.isin(held, (0, 1)).all():
        raise ValueError(_diagnosis(held, time))
    event = codes == 1
    if not event.any():
        raise ValueError("y has no events: every row is censored, so nothing can be learnt")
    return event


def _is_text(values: Any) -> bool:
    return any(isinstance(value, str | bytes) for value in np.asarray(values).flat)


def _diagnosis(held: NDArray[np.float64], time: NDArray[np.float64]) -> str:
    whole = (held == held.round()).all()
    codes = held.astype(int) if whole else held
    if np.isin(time, (0, 1)).all():
        return f"event holds {listed(codes)} and time only 0 and 1: are time and event swapped?"
    if whole and set(codes) == {1, 2}:
        return "event holds [1, 2], the coding of censored and dead rows as 1 and 2: pass status == 2"
    if whole and {1, 2} <= set(codes) and codes[0] >= 0 and codes.size <= _MOST_CAUSES:
        return (
            f"event holds {listed(codes)}: competing risks are not supported; pass event == k for one "
            "cause k, which treats rows that met another as censored"
        )
    return f"event holds {listed(codes)}, expected booleans or 0 (censored) and 1 (event)"
