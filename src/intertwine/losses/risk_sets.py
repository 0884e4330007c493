"""Sums over risk sets, without cancellation and at any range of scores.

For log sizes gᵢ, and row i at risk at the event times k = firstᵢ … lastᵢ, the matrix

    Q[k, i] = exp(gᵢ − peakₖ) if i is at risk at k, else 0,    peakₖ = max of gᵢ over those at risk at k,

has no entry above 1 and a 1 in every line. Q V and Qᵀ C cost O(n + K) per column, O(n + K log K) with late
entry:

* A row that enters before the first event time of its stratum joins a running sum from late to early times.
* A row that enters later is *not* subtracted again: small risk sets would drown in the rounding error of
  large ones. Its interval of event times is cut at the multiple of the highest power of two inside it. The
  right part belongs to a running sum from late to early that starts afresh at every such multiple, the left
  part to one from early to late.

Running sums are kept relative to their running maximum, so nothing overflows and no risk set vanishes.
"""

from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from . import _risk_kernels as kernels
from .base import FloatArray

_Indices = NDArray[np.int64]


class _Scan(NamedTuple):
    """Running sums over event times, side by side: some go down to earlier times, others up to later ones.

    A row joins at its position, or at two positions of different sums.
    """

    rows: _Indices
    position: _Indices
    goes_down: NDArray[np.bool_]  # (K − 1,) whether a sum goes from k + 1 to k
    goes_up: NDArray[np.bool_]  # (K − 1,) whether a sum goes from k to k + 1


class _ScaledScan(NamedTuple):
    """Running sums with the numbers in them: one term of Q."""

    scan: _Scan
    scale: FloatArray  # of the rows, relative to the running maximum where they join
    down: FloatArray  # (K − 1,) from the running maximum at k + 1 to the one at k, zero where no sum goes
    up: FloatArray  # (K − 1,) from the running maximum at k to the one at k + 1
    lift: FloatArray  # (K,) from the running maximum to the maximum of the risk set


@final
class RiskSets:
    """Risk sets as intervals of event times.

    Parameters
    ----------
    first, last : integer arrays of shape (n,)
        Row i is at risk at event times first[i] … last[i]; never when first[i] > last[i].
    stratum_start : integer array of shape (K,)
        First event time of the stratum that each event time is in. Every event time has someone at risk.

    Examples
    --------
    >>> import numpy as np
    >>> sets = RiskSets(first=np.array([0, 0, 1]), last=np.array([0, 1, 1]), stratum_start=np.array([0, 0]))
    >>> sets.scaled(np.zeros(3)).sums(np.ones((3, 1)))
    array([[2.],
           [2.]])
    """

    def __init__(self, first: _Indices, last: _Indices, stratum_start: _Indices) -> None:
        self.n_rows = first.size
        self.n_times = stratum_start.size
        at_risk = first <= last
        early = at_risk.copy()
        early[at_risk] = first[at_risk] == stratum_start[last[at_risk]]
        rows = np.flatnonzero(early)
        same_stratum = stratum_start[1:] == stratum_start[:-1]
        self._scans = [_Scan(rows, last[rows], same_stratum, np.zeros_like(same_stratum))]
        self._scans += _late_scans(np.flatnonzero(at_risk & ~early), first, last, self.n_times)

    def scaled(self, log_size: FloatArray) -> "ScaledRiskSets":
        """Build the matrix Q for log sizes of shape (n,)."""
        peaks = np.empty((len(self._scans), self.n_times))
        downs, ups = np.empty((2, len(self._scans), self.n_times - 1))
        for scan, peak, down, up in zip(self._scans, peaks, downs, ups, strict=True):
            kernels.scan_max(scan.position, log_size[scan.rows], scan.goes_down, scan.goes_up, peak, down, up)
        top = peaks.max(axis=0)
        terms = [
            _ScaledScan(
                scan,
                scale=np.exp(log_size[scan.rows] - peak[scan.position]),
                down=down,
                up=up,
                lift=np.exp(peak - top),
            )
            for scan, peak, down, up in zip(self._scans, peaks, downs, ups, strict=True)
        ]
        return ScaledRiskSets(self.n_rows, top, terms)


@final
class ScaledRiskSets:
    """The matrix Q of this module, with `peak` of shape (K,)."""

    def __init__(self, n_rows: int, peak: FloatArray, terms: list[_ScaledScan]) -> None:
        self.peak = peak
        self._n_rows = n_rows
        self._terms = terms

    def sums(self, vectors: FloatArray) -> FloatArray:
        """Q V of shape (K, m), for V of shape (n, m)."""
        total = np.zeros((self.peak.size, vectors.shape[1]))
        part = np.empty_like(total)
        for scan, scale, down, up, lift in self._terms:
            part.fill(0.0)
            kernels.scatter(scan.rows, scan.position, scale, vectors, part)
            kernels.scan_sum(down, up, part)
            kernels.add_lifted(lift, part, total)
        return total

    def spread(self, sums: FloatArray) -> FloatArray:
        """Qᵀ C of shape (n, m), for C of shape (K, m)."""
        vectors = np.zeros((self._n_rows, sums.shape[1]))
        part = np.empty(sums.shape)
        for scan, scale, down, up, lift in self._terms:
            np.multiply(lift[:, None], sums, out=part)
            # the transpose of a sum that goes down is one that goes up
            kernels.scan_sum(up, down, part)
            kernels.gather(scan.rows, scan.position, scale, part, vectors)
        return vectors

    def squared(self) -> "ScaledRiskSets":
        """Q ∘ Q: every entry of Q is one product of factors in one term, so their squares give its square."""
        terms = [_ScaledScan(scan, *(factor**2 for factor in factors)) for scan, *factors in self._terms]
        return ScaledRiskSets(self._n_rows, 2 * self.peak, terms)


def _late_scans(rows: _Indices, first: _Indices, last: _Indices, n_times: int) -> list[_Scan]:
    """Lay out the running sums of rows that enter after the first event time of their stratum."""
    # the highest bit in which the ends differ belongs to the highest power of two with a multiple inside;
    # an interval of a single event time is all right part
    level = np.maximum(np.frexp(first[rows] ^ last[rows])[1] - 1, 0)
    time = np.arange(n_times - 1)
    scans = []
    for height in np.unique(level):
        right = rows[level == height]
        left = right[first[right] < last[right]]
        goes_on = (time + 1) % (1 << height) != 0
        # the cut is an odd multiple of the power of two: right parts are in odd blocks, left parts in even ones
        odd = (time >> height) % 2 == 1
        scans.append(
            _Scan(
                np.concatenate([right, left]),
                np.concatenate([last[right], first[left]]),
                goes_down=goes_on & odd,
                goes_up=goes_on & ~odd,
            )
        )
    return scans
