"""Where the rows of a survival table stand among its event times."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .base import FloatArray


class EventTimes(NamedTuple):
    """The K distinct event times, sorted by stratum and time, and the interval of them each row is at risk.

    Row i is at risk at event times first[i] … last[i], so that entry < event time ≤ exit; it is never at risk
    when first[i] > last[i].
    """

    time: FloatArray  # (K,)
    stratum: NDArray[np.int64]  # (K,)
    stratum_start: NDArray[np.int64]  # (K,) first event time of the same stratum
    first: NDArray[np.int64]  # (n,)
    last: NDArray[np.int64]  # (n,)


def find_event_times(
    time: FloatArray, event: NDArray[np.bool_], entry: FloatArray | None, stratum: NDArray[np.int64]
) -> EventTimes:
    """Sort the event times and locate every row among them.

    Times are equal when their floating-point numbers are.
    """
    n = time.size
    # ranks replace times, so that stratum and time together make one integer key
    values, rank = np.unique(time if entry is None else np.concatenate([time, entry]), return_inverse=True)
    offset = stratum * values.size
    exit_key = offset + rank[:n]
    event_key = np.unique(exit_key[event])
    event_stratum = event_key // values.size
    last = np.searchsorted(event_key, exit_key, side="right") - 1
    if entry is None:
        first = np.searchsorted(event_key, offset, side="left")
    else:
        first = np.searchsorted(event_key, offset + rank[n:], side="right")
    return EventTimes(
        time=values[event_key % values.size],
        stratum=event_stratum,
        stratum_start=np.searchsorted(event_stratum, event_stratum, side="left"),
        first=first,
        last=last,
    )
