"""Real rows that share groups, time or place, as the methods of random_effects_vae get them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.utils import Bunch


@dataclass(frozen=True)
class Table:
    """A real table.

    Attributes
    ----------
    fetch : callable
        A loader of ``intertwine.datasets``.
    splits : tuple of str
    groupings : tuple of str
        Those that models are told of, in this order.
    effects : callable
        Returns the effects that may go with them, by name; which do is chosen inside the training part.
    """

    fetch: Callable[..., Bunch]
    splits: tuple[str, ...]
    groupings: tuple[str, ...]
    effects: Callable[[], dict[str, tuple]]


def tables() -> dict[str, Table]:
    """By name; imports what they need."""
    from intertwine import datasets
    from intertwine.effects import AR1, Grouped, Longitudinal, Spatial

    def courses(who: str) -> dict[str, tuple]:
        return {
            "levels": (Grouped(who),),
            "lines": (Longitudinal(who, degree=1),),
            "curves": (Longitudinal(who, degree=2),),
            "levels that drift": (Grouped(who), AR1(who)),
        }

    songs = ("artist", "album", "playlist", "subgenre")
    return {
        "counties": Table(
            datasets.fetch_counties,
            ("random", "unknown"),
            ("state",),
            lambda: {"state, place": (Grouped("state"), Spatial(kernel="matern32"))},
        ),
        "spotify": Table(
            datasets.fetch_spotify,
            ("random", "unknown", "future"),
            songs,
            lambda: {", ".join(songs): tuple(Grouped(name) for name in songs)},
        ),
        "baseball": Table(
            datasets.fetch_baseball,
            ("random", "unknown", "future"),
            ("player",),
            lambda: courses("player"),
        ),
        "pbcseq": Table(
            datasets.fetch_pbcseq,
            ("random", "unknown", "future"),
            ("patient",),
            lambda: courses("patient"),
        ),
    }


def rows_of(table: Table, split: str, seed: int, hidden: float = 0.1) -> Bunch:
    """Standardised rows of a split; a part of the observed entries of the test rows is hidden from every method.

    Returns
    -------
    Bunch
        As loaded, with ``data`` after hiding, ``whole`` before, and ``hidden``: which entries are hidden.

    Raises
    ------
    FileNotFoundError
        When the table is absent.
    """
    bunch = table.fetch(split=split, random_state=seed, download_if_missing=False)
    rng = np.random.default_rng(seed)
    whole = bunch.data
    mask = np.zeros(whole.shape, dtype=bool)
    mask[bunch.test] = rng.random((len(bunch.test), whole.shape[1])) < hidden
    mask &= np.isfinite(whole)
    bunch.update(data=np.where(mask, np.nan, whole), whole=whole, hidden=mask, split=split)
    bunch["groups"] = {name: bunch.groups[name] for name in table.groupings}
    return bunch
