"""Kaplan–Meier estimate of a survival curve, with delayed entry and Greenwood's standard error."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["kaplan_meier"]


def kaplan_meier(
    time: NDArray[np.float64], event: NDArray[np.bool_], entry: NDArray[np.float64] | None = None
) -> dict[str, NDArray[np.float64]]:
    """Estimate S(t) without a model.

    Parameters
    ----------
    time : (n,) array
        Time of the event or of censoring.
    event : (n,) bool array
        Whether the event was seen.
    entry : (n,) array, optional
        Time from which each row is at risk; from 0 by default.

    Returns
    -------
    dict of arrays
        ``time`` (0 and the distinct event times), ``survival``, ``lower``, ``upper`` (95 % on the log(−log) scale) and
        ``at_risk``.

    Source: Kaplan and Meier (1958); Greenwood (1926); Kalbfleisch and Prentice (2002), section 1.4.

    Examples
    --------
    >>> import numpy as np
    >>> curve = kaplan_meier(np.array([1.0, 2.0, 3.0, 4.0]), np.array([True, False, True, True]))
    >>> curve["survival"].round(3).tolist()
    [1.0, 0.75, 0.375, 0.0]
    """
    time, event = np.asarray(time, dtype=float), np.asarray(event, dtype=bool)
    moments, deaths = np.unique(time[event], return_counts=True)
    leaving = np.sort(time)
    at_risk = time.size - np.searchsorted(leaving, moments, side="left")
    if entry is not None:
        at_risk = at_risk - (
            time.size - np.searchsorted(np.sort(np.asarray(entry, dtype=float)), moments, side="left")
        )
    survival = np.cumprod(1.0 - deaths / at_risk)
    with np.errstate(divide="ignore", invalid="ignore"):
        greenwood = np.cumsum(deaths / (at_risk * (at_risk - deaths).astype(float)))
        spread = 1.96 * np.sqrt(greenwood) / np.abs(np.log(survival))
        lower, upper = survival ** np.exp(spread), survival ** np.exp(-spread)
    known = np.isfinite(lower) & (survival > 0)
    lower, upper = np.where(known, lower, np.nan), np.where(known, upper, np.nan)
    return {
        "time": np.r_[0.0, moments],
        "survival": np.r_[1.0, survival],
        "lower": np.r_[1.0, lower],
        "upper": np.r_[1.0, upper],
        "at_risk": np.r_[float(time.size if entry is None else np.sum(np.asarray(entry) <= 0)), at_risk],
    }
