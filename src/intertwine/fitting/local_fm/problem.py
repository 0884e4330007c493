"""What a local factorization machine minimises.

L(offset + f) + ½ alpha (‖intercepts‖² + ‖experts‖² + ‖P − P₀‖²) + ½ alpha_anchors ‖Z − Z₀‖²
"""

from __future__ import annotations

from copy import copy
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from intertwine.losses import AbstractLoss
from intertwine.structures.local_fm import LocalFM, LocalFMParams

__all__ = ["LocalFMProblem"]


@final
class LocalFMProblem:
    """Smooth problem over the parameters that are learnt, as one vector.

    Smooth as far as the coding is: with anchors that move, Gaussian weights jump where one enters or leaves a row's
    list, and a line search does not get past a jump.

    Parameters
    ----------
    loss : AbstractLoss
    X : scipy.sparse.csr_array of shape (n, p)
    machine : LocalFM
    start : LocalFMParams
        Values of what is not learnt; projection and anchors are pulled toward their start.
    alpha, alpha_anchors : float
        Strengths of the penalties.
    learns_anchors, learns_projection : bool
    """

    def __init__(
        self,
        loss: AbstractLoss,
        X: Any,
        machine: LocalFM,
        start: LocalFMParams,
        alpha: float,
        alpha_anchors: float,
        learns_anchors: bool,
        learns_projection: bool,
    ) -> None:
        self.loss = loss
        self.X = X
        self.machine = machine
        self.alpha = alpha
        self.alpha_anchors = alpha_anchors
        self.learns_anchors = learns_anchors
        self.learns_projection = learns_projection
        self.offset = loss.start_score()
        self.start = start

    @property
    def jumps(self) -> bool:
        """Whether the objective has jumps."""
        return self.machine.coding.jumps and self.learns_anchors

    def with_fixed_anchors(self, params: LocalFMParams) -> LocalFMProblem:
        """The smooth problem of the experts that is left where ``params`` have the anchors."""
        fixed = copy(self)
        fixed.start = params
        fixed.learns_anchors = fixed.learns_projection = False
        return fixed

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
            like = getattr(self.start, name)
            found[name] = vector[begin : begin + like.size].reshape(like.shape)
            begin += like.size
        return self.start._replace(**found)

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
        drift, shift = params.projection - self.start.projection, params.anchors - self.start.anchors
        squares = sum(float((part**2).sum()) for part in (params.intercepts, params.experts, drift))
        penalty = 0.5 * self.alpha * squares + 0.5 * self.alpha_anchors * float((shift**2).sum())
        pulled = self.machine.pull_back(params, self.X, rows, blend, self.loss.gradient(scores))
        gradient = pulled._replace(
            intercepts=pulled.intercepts + self.alpha * params.intercepts,
            experts=pulled.experts + self.alpha * params.experts,
            anchors=pulled.anchors + self.alpha_anchors * shift,
            projection=pulled.projection + self.alpha * drift,
        )
        return self.loss.value(scores) + penalty, self.pack(gradient)
