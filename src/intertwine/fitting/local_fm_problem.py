"""What a local factorization machine minimises: L(offset + f) + ½ alpha (‖intercepts‖² + ‖experts‖² + ‖P − P₀‖²)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from intertwine.losses import AbstractLoss
from intertwine.structures.local_fm import LocalFM, LocalFMParams

__all__ = ["LocalFMProblem"]


class LocalFMProblem:
    """Smooth problem over the parameters that are learnt, as one vector.

    Smooth as far as the coding is: Gaussian weights jump where an anchor enters or leaves a row's list.

    Parameters
    ----------
    loss : AbstractLoss
    X : scipy.sparse.csr_array of shape (n, p)
    machine : LocalFM
    start : LocalFMParams
        Values of what is not learnt; the projection is pulled toward its start.
    alpha : float
        Strength of the penalty.
    learns_anchors, learns_projection : bool
    """

    def __init__(
        self,
        loss: AbstractLoss,
        X: Any,
        machine: LocalFM,
        start: LocalFMParams,
        alpha: float,
        learns_anchors: bool,
        learns_projection: bool,
    ) -> None:
        self.loss = loss
        self.X = X
        self.machine = machine
        self.alpha = alpha
        self.learns_anchors = learns_anchors
        self.learns_projection = learns_projection
        self.offset = loss.start_score()
        self.projection_start = start.projection
        self._start = start

    @property
    def n_rows(self) -> int:
        """Number of rows n."""
        return self.X.shape[0]

    @property
    def _learnt(self) -> list[str]:
        names = ["intercepts", "experts"]
        names += ["anchors"] if self.learns_anchors else []
        return names + (["projection"] if self.learns_projection else [])

    def pack(self, params: LocalFMParams) -> NDArray:
        """The learnt parameters as one vector."""
        return np.concatenate([getattr(params, name).ravel() for name in self._learnt])

    def unpack(self, vector: NDArray) -> LocalFMParams:
        """The parameters that a vector stands for."""
        found, begin = {}, 0
        for name in self._learnt:
            like = getattr(self._start, name)
            found[name] = vector[begin : begin + like.size].reshape(like.shape)
            begin += like.size
        return self._start._replace(**found)

    def scores(self, params: LocalFMParams) -> NDArray:
        """Scores of all rows, offset included."""
        return self.offset + self.machine.score(params, self.X)

    def value_and_gradient(self, vector: NDArray) -> tuple[float, NDArray]:
        """Objective and gradient.

        Raises
        ------
        FloatingPointError
            Where scores overflow.
        """
        params = self.unpack(vector)
        rows, coordinates = self.machine.rows_of(params, self.X)
        with np.errstate(over="ignore", invalid="ignore"):
            blend = self.machine.blend(params, rows, coordinates)
        scores = self.offset + blend.scores
        if not np.isfinite(scores).all():
            raise FloatingPointError("scores overflow")
        drift = params.projection - self.projection_start
        squares = sum(float((part**2).sum()) for part in (params.intercepts, params.experts, drift))
        pulled = self.machine.pull_back(params, self.X, rows, blend, self.loss.gradient(scores))
        gradient = pulled._replace(
            intercepts=pulled.intercepts + self.alpha * params.intercepts,
            experts=pulled.experts + self.alpha * params.experts,
            projection=pulled.projection + self.alpha * drift,
        )
        return self.loss.value(scores) + 0.5 * self.alpha * squares, self.pack(gradient)
