"""Passes of AdaGrad over the rows of a factorization machine: where they start, and how they are judged."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from intertwine.fitting.fm.chunks import Chunk, widened
from intertwine.fitting.fm.units import AbstractRowLoss, Seen, Units
from intertwine.solvers.adagrad import Point
from intertwine.structures._fm_sgd_kernels import Blocks, Rows, Squares
from intertwine.structures.fm import FactorizationMachine, FMParams

__all__ = ["AdaGradSettings", "Passes"]

_FIRST_SQUARE = 0.1  # G before the first row, in squared gradients of a row that is wrong by one unit
_FAR_WORSE = 2.0  # than a constant, as a multiple of its loss: passes that exceed it diverge
_FIRST_SHARE = 0.01  # of the spread of the scores that factors make up before the first row


class AdaGradSettings(NamedTuple):
    """Hyperparameters, in terms of the objective.

    Attributes
    ----------
    learning_rate : float
        Length of the first steps, in the units of `units.py`.
    strengths : tuple of three floats
        Penalties of linear weights, factors of pairs and factors of triples.
    rates : tuple of four floats
        Multiples of the learning rate for the intercept and these blocks; zero leaves one out.
    validation_fraction : float
        Share of the rows held out to say when to stop; zero: none, and the objective says it.
    max_iter, patience : int
        Most passes; passes in a row that together gain next to nothing.
    tol : float
        What is next to nothing, relative to the loss.
    shuffle : bool
        Visit the rows of a table, or within each chunk, in random order.
    n_threads : int
        With more than one, threads visit rows at the same time and now and then overwrite one another's steps
        (Hogwild): the result differs a little from run to run.
    """

    learning_rate: float = 0.1
    strengths: tuple[float, float, float] = (1e-4, 1e-4, 1e-4)
    rates: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    validation_fraction: float = 0.0
    max_iter: int = 100
    patience: int = 3
    tol: float = 1e-3
    shuffle: bool = True
    n_threads: int = 1


@final
class Passes:
    """The problem that AdaGrad solves: passes over rows, judged by rows held out or by the objective.

    Parameters
    ----------
    loss : AbstractRowLoss
    training : iterable of Chunk
        Iterated once a pass.
    held_out : Chunk or None
    structure : FactorizationMachine
    settings : AdaGradSettings
    seed : int
    seen : Seen
        Sums over the training rows, from which units and penalties come.
    window : int or None
        Rows that are visited in random order before the next as many are; None: all of a chunk.
    """

    def __init__(
        self,
        loss: AbstractRowLoss,
        training: Iterable[Chunk],
        held_out: Chunk | None,
        structure: FactorizationMachine,
        settings: AdaGradSettings,
        seed: int,
        seen: Seen,
        window: int | None,
    ) -> None:
        self._loss, self._training, self._held_out = loss, training, held_out
        self._structure, self._settings, self._seed = structure, settings, seed
        self._seen, self._window = seen, window
        self._intercept = settings.rates[0] != 0.0
        self._units = Units.of(seen, loss, self._intercept)
        self._strengths = np.array(settings.strengths)
        self.judges = held_out is not None
        self.constant_value = self._value_of_constant()
        # a few rows held out may all lie near the constant: then the training rows say what is usual
        self.far_worse = _FAR_WORSE * max(self.constant_value, loss.constant(seen, self._intercept))

    def start(self, before: Point | None, was_met: NDArray[np.bool_]) -> Point:
        """Where an earlier fit ended; near zero for features (or all) that it has not met.

        Parameters
        ----------
        before : Point or None
        was_met : ndarray of bool
            Features that it met.
        """
        settings, seen, units = self._settings, self._seen, self._units
        p, k, k3 = seen.counts.size, self._structure.n_components, self._structure.n_triple_components
        n_passes = 0 if before is None else before.n_passes
        noise = np.random.default_rng([self._seed, n_passes, 1]).standard_normal((p, k + k3))
        noise[seen.counts == 0] = 0.0  # what no row has, has no effect
        pair, triple = units.small_factors(_FIRST_SHARE, k, k3)
        uses = np.array(settings.rates) != 0.0
        params = FMParams(
            self._loss.start(seen, self._intercept),
            np.zeros(p),
            uses[2] * pair[:, None] * noise[:, :k],
            uses[3] * triple[:, None] * noise[:, k:],
        )
        first = _FIRST_SQUARE * units.squared_slopes()
        squares = Squares(np.array([_FIRST_SQUARE * units.loss**2]), first)
        if before is None:
            return Point(params, squares, 0)
        met = np.flatnonzero(was_met)
        for ours, theirs in zip(params[1:], before.params[1:], strict=True):
            ours[met] = theirs[met]
        squares.blocks[met] = before.squares.blocks[met]
        params = params._replace(intercept=before.params.intercept)
        return Point(params, squares._replace(intercept=before.squares.intercept), n_passes)

    def first_value(self, point: Point) -> float:
        """Judge the start; without rows held out, by what a constant would do: that takes no pass."""
        return self.constant_value if self._held_out is None else self._judged(point.params, self._held_out)

    def visit(self, point: Point, learning_rate: float) -> tuple[Point, float]:
        """Pass over all rows once."""
        settings, number = self._settings, point.n_passes + 1
        theta = Blocks(
            np.array([point.params.intercept]), *(np.array(block, order="C") for block in point.params[1:])
        )
        squares = Squares(*(block.copy() for block in point.squares))
        steps = self._units.steps(learning_rate, np.array(settings.rates), self._strengths)
        total, n_rows = 0.0, 0
        for place, chunk in enumerate(self._training):
            rows = Rows(
                chunk.X.indptr.astype(np.int64, copy=False),
                chunk.X.indices.astype(np.int32, copy=False),
                chunk.X.data,
                chunk.y,
                chunk.weight / self._seen.mean_weight,
            )
            orders = np.array_split(self._order(chunk.y.size, number, place), settings.n_threads)
            total += _visit(self._loss, orders, (rows, theta, squares, steps))
            n_rows += chunk.y.size
            if not np.isfinite(total):
                break
        params = FMParams(float(theta.intercept[0]), *theta[1:])
        if not (np.isfinite(total) and all(np.isfinite(block).all() for block in params)):
            raise ValueError(f"overflow at epoch {number}; lower learning_rate")
        penalty = self._units.penalty(self._strengths, params[1:])
        value = total / n_rows + penalty if self._held_out is None else self._judged(params, self._held_out)
        return Point(params, squares, number), value

    def _value_of_constant(self) -> float:
        loss, rows, seen = self._loss, self._held_out, self._seen
        if rows is None:
            return loss.constant(seen, self._intercept)
        constant = np.full(rows.y.size, loss.start(seen, self._intercept))
        return float(loss.bind(rows.y, rows.weight).value(constant))

    def _judged(self, params: FMParams, rows: Chunk) -> float:
        scores = self._structure.score(params, widened(rows.X, params.linear.size))
        return self._loss.bind(rows.y, rows.weight).value(scores)

    def _order(self, n_rows: int, number: int, place: int) -> NDArray[np.int64]:
        if not self._settings.shuffle:
            return np.arange(n_rows)
        rng = np.random.default_rng([self._seed, number, place, 2])
        if self._window is None:
            return rng.permutation(n_rows)
        window = rng.permutation(self._window)  # the same in every window: rows were shuffled beforehand
        first = self._window * rng.permutation(-(-n_rows // self._window))
        order = (first[:, None] + window).ravel()
        return order[order < n_rows]


def _visit(loss: AbstractRowLoss, orders: list[NDArray[np.int64]], arguments: tuple) -> float:
    """Let as many threads as there are ``orders`` visit their rows; the kernels release the lock."""
    if len(orders) == 1:
        return loss.visit(orders[0], *arguments)
    with ThreadPoolExecutor(len(orders)) as pool:
        return sum(pool.map(lambda order: loss.visit(order, *arguments), orders))
