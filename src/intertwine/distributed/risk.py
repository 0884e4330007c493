"""A risk whose rows lie on workers: value, gradient, products and blocks are sums over their parts.

Coefficients come in two kinds. *Shared* ones (items, features, levels) are needed by every part: they are sent to all
workers, and what comes back is added up a tree. *Own* ones (users) belong to the part that has their rows: only their
part is sent them, and what comes back is put in place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from intertwine.distributed.cluster import Cluster, Held, is_light
from intertwine.risk import AbstractExpansion, AbstractRisk, Line
from intertwine.structures.linearization import width_of_packed

__all__ = ["DistributedRisk", "OwnRows", "fetch_sums"]

Vector = NDArray[np.float64]


class OwnRows(NamedTuple):
    """Which of the coefficients at the front of the vector are whose.

    Attributes
    ----------
    n_ids, width : int
        The first ``n_ids · width`` coefficients are own ones.
    of_parts : sequence of ndarray of int
        Ids of each part, in the order of the part's own vector.
    """

    n_ids: int
    width: int
    of_parts: Sequence[NDArray[Any]]

    @property
    def size(self) -> int:
        """Number of own coefficients."""
        return self.n_ids * self.width

    def split(self, vector: Vector) -> list[Vector]:
        """Own coefficients of each part."""
        rows = vector[: self.size].reshape(self.n_ids, self.width)
        return [rows[ids].ravel() for ids in self.of_parts]

    def join(self, parts: Sequence[NDArray[Any]], tail: tuple[int, ...]) -> NDArray[np.float64]:
        """Sum of rows (·, *tail) that the parts give for each of their ids."""
        joined = np.zeros((self.n_ids, *tail))
        for ids, own in zip(self.of_parts, parts, strict=True):
            joined[ids] += own.reshape(len(ids), *tail)
        return joined


def fetch_sums(
    cluster: Cluster, results: Sequence[Any], n_bytes: int, with_own: bool = True
) -> tuple[Any, list[Any], Any]:
    """Parts' (numbers, own, shared): the numbers added, what is their own, the shared ones added.

    Parameters
    ----------
    cluster : Cluster
    results : sequence of distributed.Future
    n_bytes : int
        Of all results together: unless they are light, workers add them up a tree.
    with_own : bool, default=True
        Whether anything is a part's own.
    """
    if is_light(n_bytes):
        fetched = cluster.fetch(list(results))
        numbers, shared = _add([_without_own(result) for result in fetched])
        return numbers, [_own(result) for result in fetched], shared
    total = cluster.tree(_add, cluster.each(_without_own, results))
    own = cluster.each(_own, results) if with_own else []
    (numbers, shared), own = cluster.fetch([total, own])
    return numbers, own, shared


@final
class DistributedRisk(AbstractRisk):
    """Sum of the risks of all parts.

    Parameters
    ----------
    cluster : Cluster
    parts : sequence of distributed.Future
        Each of a `Held` risk, of the part's own coefficients followed by the shared ones.
    size : int
    own : OwnRows, optional
        None: all coefficients are shared.
    """

    def __init__(self, cluster: Cluster, parts: Sequence[Any], size: int, own: OwnRows | None = None) -> None:
        self.cluster, self.parts, self.size = cluster, list(parts), size
        self.own = OwnRows(0, 1, [np.empty(0, np.intp)] * len(parts)) if own is None else own

    def expand(self, theta):
        return _DistributedExpansion(self, theta)

    def _vectors(self, v: Vector) -> tuple[list[Vector], list[Any]]:
        """What each part has to be told of a vector."""
        return self.own.split(v), self.cluster.tell_all(v[self.own.size :], len(self.parts))

    def _n_bytes(self, entries: int = 1) -> int:
        """What all parts' sums take, for so many entries for each coefficient."""
        return 8 * entries * (self.own.size + (self.size - self.own.size) * len(self.parts))

    def _sum(self, results: list[Any]) -> tuple[float, Vector]:
        """Sum of parts' (number, own, shared): the number, and the vector."""
        number, own, shared = fetch_sums(self.cluster, results, self._n_bytes(), self.own.size > 0)
        if not self.own.size:
            return number, shared
        return number, np.concatenate([self.own.join(own, (self.own.width,)).ravel(), shared])


@final
class _DistributedExpansion(AbstractExpansion):
    def __init__(self, of: DistributedRisk, theta: Vector) -> None:
        self._of, self.theta = of, theta
        self._near = of.cluster.each(_expand, of.parts, *of._vectors(theta))
        sizes = [len(ids) * of.own.width for ids in of.own.of_parts]
        self.value, self.gradient = of._sum(of.cluster.each(_value_and_gradient, self._near, sizes))

    def product(self, v):
        return self._apply(_product, v)

    def hessian_product(self, v):
        return self._apply(_hessian_product, v)

    def _apply(self, task, v):
        return self._of._sum(self._of.cluster.each(task, self._near, *self._of._vectors(v)))[1]

    def blocks(self):
        of, has_own = self._of, self._of.own.size > 0
        parts = of.cluster.each(_blocks, self._near, [has_own] * len(self._near))
        _, own, shared = fetch_sums(of.cluster, parts, of._n_bytes(of.own.width), has_own)
        if not has_own:
            return shared
        entries = own[0].shape[1]
        joined = of.own.join(own, (of.own.width // width_of_packed(own[0]), entries))
        return [joined.reshape(-1, entries), *shared]

    def line(self, direction):
        of, cluster = self._of, self._of.cluster
        lines = cluster.each(_line, self._near, *of._vectors(direction))
        told = cluster.fetch(cluster.each(_told_of_line, lines))
        if all(one.polynomial for one in told):
            return sum((Line(one.coefficients) for one in told), start=Line([0.0]))

        def evaluated(t: float) -> float:
            return float(sum(cluster.fetch(cluster.each(_at, lines, [t] * len(lines)))))

        return Line([0.0], [evaluated], sum(one.start for one in told), max(one.passes for one in told))


class _ToldOfLine(NamedTuple):
    coefficients: Vector
    polynomial: bool
    start: float
    passes: float


# What is run on the workers. A part's vector is its own coefficients, then the shared ones.


def _expand(part: Held, own: Vector, shared: Vector) -> Held:
    near = part.value.expand(np.concatenate([own, shared]))
    return Held(near, 2 * part.n_bytes)


def _value_and_gradient(near: Held, n_own: int) -> tuple[float, Vector, Vector]:
    gradient = near.value.gradient
    return near.value.value, gradient[:n_own], gradient[n_own:]


def _product(near: Held, own: Vector, shared: Vector) -> tuple[float, Vector, Vector]:
    product = near.value.product(np.concatenate([own, shared]))
    return 0.0, product[: own.size], product[own.size :]


def _hessian_product(near: Held, own: Vector, shared: Vector) -> tuple[float, Vector, Vector]:
    product = near.value.hessian_product(np.concatenate([own, shared]))
    return 0.0, product[: own.size], product[own.size :]


def _blocks(near: Held, first_is_own: bool) -> tuple[float, Any, list[NDArray[np.float64]]]:
    blocks = near.value.blocks()
    return (0.0, blocks[0], blocks[1:]) if first_is_own else (0.0, None, blocks)


def _line(near: Held, own: Vector, shared: Vector) -> Held:
    return Held(near.value.line(np.concatenate([own, shared])), near.n_bytes)


def _told_of_line(line: Held) -> _ToldOfLine:
    own = line.value
    return _ToldOfLine(own.coefficients, not own.functions, own(0.0), own.passes)


def _at(line: Held, t: float) -> float:
    return line.value(t)


def _own(result: tuple[float, Any, Any]) -> Any:
    return result[1]


def _without_own(result: tuple[float, Any, Any]) -> tuple[float, Any]:
    return result[0], result[2]


def _add(results: list[tuple[float, Any]]) -> tuple[float, Any]:
    numbers, values = zip(*results, strict=True)
    if isinstance(values[0], list):
        return sum(numbers), [np.sum(same, axis=0) for same in zip(*values, strict=True)]
    return sum(numbers), np.sum(values, axis=0)
