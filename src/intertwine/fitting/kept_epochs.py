"""Epochs of networks, a step of the journal: an interrupted run goes on from its last epoch, to the same result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import jax
import numpy as np

from intertwine.io import AbstractJournal

__all__ = ["kept_epochs"]

State = TypeVar("State")
History = list[dict[str, Any]]


def kept_epochs(
    name: str,
    start: State,
    epochs: range,
    advance: Callable[[State, int, History], State],
    rng: np.random.Generator,
    journal: AbstractJournal,
) -> tuple[State, History]:
    """Run epochs.

    Parameters
    ----------
    name : str
        Of the step in the journal.
    start : pytree
        All that an epoch depends on, besides the generator of random numbers.
    epochs : range
        Their numbers.
    advance : callable
        State, number of the epoch and the rows of the history so far to the next state; adds its own rows.
    rng : numpy.random.Generator
        What ``advance`` draws from.
    journal : AbstractJournal

    Returns
    -------
    pytree, list of dict
        State and history at the end.
    """

    def compute() -> dict[str, Any]:
        state, history, first = start, History(), epochs.start
        if (kept := journal.begun()) is not None:
            state, history, first = _restored(start, kept["leaves"]), list(kept["history"]), kept["epoch"]
            rng.bit_generator.state = kept["random"]
        for epoch in range(first, epochs.stop):
            state = advance(state, epoch, history)
            leaves, rows, random = _leaves(state), list(history), rng.bit_generator.state
            journal.keep(partial(dict, leaves=leaves, history=rows, epoch=epoch + 1, random=random))
        return {"leaves": _leaves(state), "history": history}

    found = journal.step(name, compute, rng)
    return _restored(start, found["leaves"]), found["history"]


def _leaves(tree: Any) -> list[Any]:
    """Copies in numpy: a step takes the memory of the parameters that it is given."""
    return [np.array(leaf) for leaf in jax.tree.leaves(tree)]


def _restored(template: Any, leaves: Sequence[Any]) -> Any:
    return jax.tree.unflatten(jax.tree.structure(template), leaves)
