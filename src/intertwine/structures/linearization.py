"""Scores of one table of rows as a function of a flat vector, and their derivatives at a point.

Solvers see vectors; structures have tables, tuples, symmetric matrices. What stands between them is here: how the
parameters of a structure lie in one vector, and what a loss needs to know about scores near a point to have its
gradient, its Gauss-Newton and Hessian products, and its course along a line.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from intertwine.structures.base import AbstractStructure

__all__ = [
    "AbstractLayout",
    "AbstractLinearization",
    "AbstractScoreMap",
    "StackedLayout",
    "StructureScores",
    "SymmetricLayout",
    "packed_diagonal",
    "width_of_packed",
]

Vector = NDArray[np.float64]


class AbstractLayout(ABC):
    """How the parameters of a structure lie in one vector."""

    size: int

    @abstractmethod
    def ravel(self, params: Any) -> Vector:
        """Parameters, or a gradient shaped like them, as a vector (size,)."""

    @abstractmethod
    def unravel(self, vector: Vector) -> Any:
        """The parameters that lie in ``vector``."""


@final
class StackedLayout(AbstractLayout):
    """Entries of a NamedTuple of arrays and numbers, one after the other.

    Parameters
    ----------
    example : NamedTuple
        Parameters of the shapes to come.

    Examples
    --------
    >>> import numpy as np
    >>> from intertwine.structures.fm import FMParams
    >>> layout = StackedLayout(FMParams(0.0, np.zeros(2), np.zeros((2, 1)), np.zeros((2, 0))))
    >>> layout.unravel(np.arange(5.0)).linear
    array([1., 2.])
    """

    def __init__(self, example: Any) -> None:
        self._type = type(example)
        self._shapes = [np.shape(part) for part in example]
        self._cuts = np.cumsum([int(np.prod(shape)) for shape in self._shapes])
        self.size = int(self._cuts[-1])

    def ravel(self, params):
        return np.concatenate([np.ravel(part) for part in params]).astype(float, copy=False)

    def unravel(self, vector):
        parts = np.split(vector, self._cuts[:-1])
        return self._type(
            *(
                part.reshape(shape) if shape else float(part[0])
                for part, shape in zip(parts, self._shapes, strict=True)
            )
        )


@final
class SymmetricLayout(AbstractLayout):
    """Entries above the diagonal of a symmetric matrix with zeros on it, row by row.

    Parameters
    ----------
    n_features : int
    """

    def __init__(self, n_features: int) -> None:
        self._above = np.triu_indices(n_features, 1)
        self._shape = (n_features, n_features)
        self.size = len(self._above[0])

    def ravel(self, params):
        return params[self._above]

    def unravel(self, vector):
        matrix = np.zeros(self._shape)
        matrix[self._above] = vector
        return matrix + matrix.T


class AbstractLinearization(ABC):
    """Scores f near a point θ, with J = ∂f/∂θ there. Vectors v have the size of θ, r and w that of the rows.

    Attributes
    ----------
    scores : ndarray of shape (n,)
        At the point.
    """

    scores: Vector

    @abstractmethod
    def pushforward(self, v: Vector) -> Vector:
        """J v, shape (n,)."""

    @abstractmethod
    def pullback(self, r: Vector) -> Vector:
        """Jᵀ r, shape (size,)."""

    @abstractmethod
    def gram_product(self, w: Vector, v: Vector) -> Vector:
        """Jᵀ diag(w) J v: the Gauss-Newton product, where rows do not interact."""

    @abstractmethod
    def bend_product(self, r: Vector, v: Vector) -> Vector:
        """(Σ_i r_i ∇²f_i) v: what an exact Hessian adds to the Gauss-Newton product."""

    @abstractmethod
    def along(self, v: Vector) -> tuple[Vector, Vector]:
        """(f₁, f₂) with f(θ + t v) = f + t f₁ + t² f₂; only where the scores are of degree two at most."""

    @abstractmethod
    def gram_blocks(self, w: Vector) -> list[NDArray[np.float64]]:
        """Diagonal blocks of Jᵀ diag(w) J, one array (count, d (d + 1) / 2) for each run of blocks of one size d.

        A row is the packed lower triangle of a block: (0, 0), (1, 0), (1, 1), (2, 0), … The blocks cover the vector
        from its first to its last entry in turn.
        """


def width_of_packed(triangles: NDArray[np.float64]) -> int:
    """Size d of the symmetric matrices whose packed triangles are the rows (count, d (d + 1) / 2)."""
    return int(np.sqrt(2 * triangles.shape[1]))


def packed_diagonal(d: int) -> NDArray[np.intp]:
    """Where a packed triangle holds the diagonal of a (d, d) matrix.

    Examples
    --------
    >>> packed_diagonal(3)
    array([0, 2, 5])
    """
    return np.cumsum(np.arange(1, d + 1)) - 1


class AbstractScoreMap(ABC):
    """Scores of one table of rows, as a function of a flat vector.

    Attributes
    ----------
    size : int
        Entries of the vector.
    degree : int or None
        Degree of the scores along a line, where they are polynomials.
    """

    size: int
    degree: int | None

    @abstractmethod
    def score(self, theta: Vector) -> Vector:
        """Scores alone, shape (n,)."""

    @abstractmethod
    def at(self, theta: Vector) -> AbstractLinearization:
        """Scores near ``theta``."""


@final
class StructureScores(AbstractScoreMap):
    """Scores of any structure, from its ``score``, ``pushforward``, ``pullback`` and ``squared_norms``.

    Parameters
    ----------
    structure : AbstractStructure
    X : rows that the structure takes
    layout : AbstractLayout
    """

    def __init__(self, structure: AbstractStructure, X: Any, layout: AbstractLayout) -> None:
        self.structure, self.X, self.layout = structure, X, layout
        self.size, self.degree = layout.size, structure.degree

    def score(self, theta):
        return self.structure.score(self.layout.unravel(theta), self.X)

    def at(self, theta):
        return _StructureLinearization(self, theta)


@final
class _StructureLinearization(AbstractLinearization):
    def __init__(self, of: StructureScores, theta: Vector) -> None:
        self._of, self._theta = of, theta
        self._params = of.layout.unravel(theta)
        self.scores = of.structure.score(self._params, of.X)

    def pushforward(self, v):
        of = self._of
        return of.structure.pushforward(self._params, of.X, of.layout.unravel(v))

    def pullback(self, r):
        return self._of.layout.ravel(self._of.structure.pullback(self._params, self._of.X, r))

    def gram_product(self, w, v):
        return self.pullback(w * self.pushforward(v))

    def bend_product(self, r, v):
        of = self._of
        if of.degree is None:
            raise ValueError(f"{type(of.structure).__name__} offers Gauss-Newton products only")
        # where scores have degree two, their gradients have degree one: a difference is the derivative
        moved = of.structure.pullback(of.layout.unravel(self._theta + v), of.X, r)
        return of.layout.ravel(moved) - self.pullback(r)

    def along(self, v):
        first = self.pushforward(v)
        return first, self._of.score(self._theta + v) - self.scores - first

    def gram_blocks(self, w):
        of = self._of
        norms = of.structure.squared_norms(self._params, of.X, w)  # type: ignore[attr-defined]
        return [of.layout.ravel(norms).reshape(-1, 1)]
