"""Work on a Dask cluster: one task for each part of the rows, sums up a tree, and what travels counted.

Every task is told all it needs, so whatever was on a worker that dies is made again by the others: parts from the files
they were read from, what was derived from them from the parameters that their tasks were given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, final

import numpy as np

__all__ = ["Cluster", "Held", "is_light", "n_bytes_of"]

_BRANCHES = 8  # results that are added at once
_LIGHT = 2**20  # bytes: below, messages cost more than what is in them


@final
class Held:
    """A value that stays on its worker, with its size: the scheduler must not take it for something light.

    Parameters
    ----------
    value : object
    n_bytes : int
    """

    def __init__(self, value: Any, n_bytes: int) -> None:
        self.value, self.n_bytes = value, n_bytes

    def __sizeof__(self) -> int:
        return self.n_bytes


@final
class Cluster:
    """A client, and how much it has sent and received.

    Parameters
    ----------
    client : distributed.Client, optional
        The current one by default.

    Attributes
    ----------
    rounds : int
        Times that the client waited for results.
    sent, received : int
        Bytes of arrays that left the client, and came back to it.

    Raises
    ------
    ImportError
        Without Dask.
    ValueError
        Without a client.
    """

    def __init__(self, client: Any = None) -> None:
        try:
            import distributed
        except ImportError as error:
            raise ImportError("a cluster needs Dask: pip install 'intertwine[scale]'") from error
        if client is None:
            try:
                client = distributed.get_client()
            except ValueError:
                raise ValueError(
                    "there is no Dask client: pass client=distributed.Client(ADDRESS), or make one before"
                ) from None
        self.client = client
        self.rounds, self.sent, self.received = 0, 0, 0

    @property
    def n_threads(self) -> int:
        """Of all workers."""
        return max(1, sum(self.client.nthreads().values()))

    def each(self, function: Callable[..., Any], *columns: Sequence[Any]) -> list[Any]:
        """One task for each part: ``function`` of the first of every column, of the second, and so on.

        Returns
        -------
        list of distributed.Future
        """
        self.sent += sum(n_bytes_of(value) for column in columns for value in column)
        return self._told(lambda: self.client.map(function, *columns, pure=False))

    def one(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """A single task."""
        self.sent += sum(n_bytes_of(value) for value in arguments)
        return self._told(lambda: self.client.submit(function, *arguments, pure=False))

    def tell_all(self, value: Any, n_tasks: int) -> list[Any]:
        """One value for many tasks: in each of them, or where it is large, sent once and handed on by the workers."""
        if is_light(n_bytes_of(value) * n_tasks):
            return [value] * n_tasks
        return [self.one(_same, value)] * n_tasks

    def tree(self, add: Callable[[list[Any]], Any], futures: Sequence[Any]) -> Any:
        """Add results up a tree, on the workers."""
        futures = list(futures)
        while len(futures) > 1:
            groups = [futures[k : k + _BRANCHES] for k in range(0, len(futures), _BRANCHES)]
            futures = self.each(add, groups)
        return futures[0]

    def fetch(self, futures: Any) -> Any:
        """Results of one future, or of nested lists of them: never of rows, only of sums."""
        results = self.client.gather(futures)
        self.rounds += 1
        self.received += n_bytes_of(results)
        return results

    def _told(self, send: Callable[[], Any]) -> Any:
        """Send without the advice to keep large vectors out of tasks: in a task, one outlives any worker."""
        import dask

        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1TB"}):
            return send()


def is_light(n_bytes: float) -> bool:
    """Whether so few bytes had better come directly than up a tree."""
    return n_bytes <= _LIGHT


def n_bytes_of(value: Any) -> int:
    """Bytes of the arrays in nested lists, tuples and dictionaries.

    Examples
    --------
    >>> n_bytes_of([np.zeros(3), (np.zeros(1, np.int8), "text")])
    25
    """
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, dict):
        value = list(value.values())
    return sum(n_bytes_of(part) for part in value) if isinstance(value, list | tuple) else 0


def _same(value: Any) -> Any:
    return value
