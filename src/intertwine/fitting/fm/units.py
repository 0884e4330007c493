"""What rows say about units, so that steps and penalties of AdaGrad have them.

The size of a feature is the root of its mean square over the rows that have it; the unit of a loss is the standard
deviation of the outcome for squared error (without an intercept, its root mean square) and one for log-odds. Linear
weights then have unit c / size with c that of the loss, factors of pairs √c / size and factors of triples ∛c / size.
Steps in these units are the same whether a length is in metres or in micrometres, and nothing has to be rescaled and
scaled back: the model stays in the units of the user.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from intertwine.fitting.fm.chunks import Chunk
from intertwine.losses import AbstractLoss, LogisticLoss, SquaredLoss
from intertwine.structures._fm_sgd_kernels import (
    Steps,
    add_moments,
    count_entries,
    logistic_pass,
    squared_pass,
)

__all__ = ["AbstractRowLoss", "LogisticRows", "Seen", "SquaredRows", "Units"]


class Seen(NamedTuple):
    """Sums over all rows met so far.

    Attributes
    ----------
    n_rows : int
    center : float
        Outcome about which the moments are taken: the first, so that they do not cancel.
    moments : ndarray of shape (3,)
        Σ w, Σ w (y − center), Σ w (y − center)².
    counts : ndarray of int64, shape (p,)
        Rows that have a feature.
    squares : ndarray of shape (p,)
        Sum of the squares of a feature.
    """

    n_rows: int
    center: float
    moments: NDArray[np.float64]
    counts: NDArray[np.int64]
    squares: NDArray[np.float64]

    @classmethod
    def nothing(cls, n_features: int) -> Seen:
        """Before the first row."""
        return cls(0, 0.0, np.zeros(3), np.zeros(n_features, np.int64), np.zeros(n_features))

    def and_then(self, chunks: Iterable[Chunk]) -> Seen:
        """Add the rows of some chunks, in order: cutting them elsewhere changes no bit.

        Examples
        --------
        >>> from intertwine.fitting.fm.chunks import labelled_rows
        >>> seen = Seen.nothing(2).and_then([labelled_rows(np.array([[1.0, 0.0], [3.0, 0.0]]), [5.0, 9.0])])
        >>> seen.counts, seen.squares, seen.mean, seen.spread
        (array([2, 0]), array([10.,  0.]), 7.0, 2.0)
        """
        n_rows, center = self.n_rows, self.center
        moments, counts, squares = self.moments.copy(), self.counts.copy(), self.squares.copy()
        for chunk in chunks:
            if not chunk.y.size:
                continue
            missing = max(chunk.X.shape[1] - counts.size, 0)
            counts, squares = np.pad(counts, (0, missing)), np.pad(squares, (0, missing))
            if n_rows == 0:
                center = float(chunk.y[0])
            n_rows += chunk.y.size
            count_entries(chunk.X.indices, chunk.X.data, counts, squares)
            add_moments(chunk.y, chunk.weight, center, moments)
        return Seen(n_rows, center, moments, counts, squares)

    @property
    def mean_weight(self) -> float:
        """Mean weight of a row."""
        return float(self.moments[0]) / self.n_rows

    @property
    def mean(self) -> float:
        """Weighted mean of the outcome."""
        return self.center + float(self.moments[1] / self.moments[0])

    @property
    def size(self) -> float:
        """Root mean square of the outcome; one where it is zero."""
        shift = self.moments[1] / self.moments[0]
        variance = max(float(self.moments[2] / self.moments[0] - shift * shift), 0.0)
        return float(np.hypot(self.mean, np.sqrt(variance))) or 1.0

    @property
    def spread(self) -> float:
        """Standard deviation of the outcome; one where it is constant."""
        shift = self.moments[1] / self.moments[0]
        variance = float(self.moments[2] / self.moments[0] - shift * shift)
        return float(np.sqrt(variance)) if variance > 1e-14 * self.mean**2 else 1.0


class AbstractRowLoss(ABC):
    """A loss as AdaGrad needs it: a pass over rows, and what is known of it before the first."""

    visit: Callable[..., float]
    bind: Callable[..., AbstractLoss]

    @abstractmethod
    def unit(self, seen: Seen, intercept: bool) -> float:
        """Unit of the scores; ``intercept`` tells whether a constant is fitted, else it is zero."""

    @abstractmethod
    def start(self, seen: Seen, intercept: bool) -> float:
        """Constant score with the smallest loss."""

    @abstractmethod
    def constant(self, seen: Seen, intercept: bool) -> float:
        """Loss of that score."""


@final
class SquaredRows(AbstractRowLoss):
    """Half the squared error."""

    visit = staticmethod(squared_pass)
    bind = SquaredLoss

    def unit(self, seen, intercept):
        return seen.spread if intercept else seen.size

    def start(self, seen, intercept):
        return seen.mean if intercept else 0.0

    def constant(self, seen, intercept):
        return 0.5 * self.unit(seen, intercept) ** 2


@final
class LogisticRows(AbstractRowLoss):
    """Logistic loss of an outcome coded −1 and +1."""

    visit = staticmethod(logistic_pass)
    bind = LogisticLoss

    def unit(self, seen, intercept):
        return 1.0

    def start(self, seen, intercept):
        return float(2.0 * np.arctanh(self._margin(seen))) if intercept else 0.0

    def constant(self, seen, intercept):
        odds = self._margin(seen) if intercept else 0.0
        return float(-0.5 * ((1.0 + odds) * np.log1p(odds) + (1.0 - odds) * np.log1p(-odds)) + np.log(2.0))

    @staticmethod
    def _margin(seen: Seen) -> float:
        """P(+1) − P(−1), short of ±1 also where only one class has come so far."""
        return seen.mean * (1.0 - 1.0 / (seen.n_rows + 1.0))


class Units(NamedTuple):
    """Units of the coefficients.

    Attributes
    ----------
    loss : float
        Unit of the scores, c.
    blocks : ndarray of shape (3,)
        Units of linear weights, factors of pairs and of triples for a feature of size one.
    sizes : ndarray of shape (p,)
        Sizes of the features; one where nothing was seen.
    shares : ndarray of shape (p,)
        Share of the rows that have a feature; one where nothing was seen.
    row_length : float
        Root of the mean number of features in a row.
    """

    loss: float
    blocks: NDArray[np.float64]
    sizes: NDArray[np.float64]
    shares: NDArray[np.float64]
    row_length: float

    @classmethod
    def of(cls, seen: Seen, loss: AbstractRowLoss, intercept: bool = True) -> Units:
        """Take the units from what was seen."""
        unit, met = loss.unit(seen, intercept), np.maximum(seen.counts, 1)
        sizes = np.where(seen.squares > 0.0, np.sqrt(seen.squares / met), 1.0)
        shares = np.where(seen.counts > 0, seen.counts / seen.n_rows, 1.0)
        row_length = float(np.sqrt(max(seen.counts.sum() / seen.n_rows, 1.0)))
        return cls(unit, np.array([unit, np.sqrt(unit), np.cbrt(unit)]), sizes, shares, row_length)

    def steps(self, learning_rate: float, rates: NDArray, strengths: NDArray) -> Steps:
        """Steps of ``learning_rate``: what they change in the score of a row does not grow with its features.

        Parameters
        ----------
        learning_rate : float
        rates : ndarray of shape (4,)
            Multiples of it for the intercept and the blocks; zero keeps a block as it is.
        strengths : ndarray of shape (3,)
            Penalties of the blocks.
        """
        return Steps(
            float(learning_rate * rates[0] * self.loss),
            learning_rate / self.row_length * rates[1:] * self.blocks,
            strengths * (self.loss / self.blocks) ** 2,
            1.0 / self.sizes,
            self.sizes**2 / self.shares,
        )

    def penalty(self, strengths: NDArray, blocks: Iterable[NDArray]) -> float:
        """½ Σ strength ‖coefficient / unit‖², in the unit of the loss."""
        norms = [float(np.sum((self.sizes * block.T) ** 2)) for block in blocks]
        return 0.5 * float(np.sum(strengths * (self.loss / self.blocks) ** 2 * norms))

    def squared_slopes(self) -> NDArray[np.float64]:
        """Squared gradients of a row that is wrong by one unit, for every block of every feature (p, 3)."""
        return (self.loss**2 * self.sizes[:, None] / self.blocks) ** 2

    def small_factors(self, share: float, n_pair: int, n_triple: int) -> tuple[NDArray, NDArray]:
        """Standard deviations of factors (p,) with which pairs (triples) make up a ``share`` of a unit of the score.

        The score of N(0, s²) factors has variance n_pair s⁴ ‖row‖⁴ / 2, or n_triple s⁶ ‖row‖⁶ / 6.
        """
        per_unit = 1.0 / (self.sizes * self.row_length)
        pair = (2.0 * share**2 / max(n_pair, 1)) ** (1 / 4)
        triple = (6.0 * share**2 / max(n_triple, 1)) ** (1 / 6)
        return pair * self.blocks[1] * per_unit, triple * self.blocks[2] * per_unit
