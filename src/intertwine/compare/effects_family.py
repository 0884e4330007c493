"""What families with random effects share: which columns say the group, the time and the place of a row."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans

from intertwine.compare.alike import Units
from intertwine.compare.family import AbstractFamily
from intertwine.compare.from_table import Beside

__all__ = ["AbstractEffectsFamily", "AbstractUnitsFamily", "named"]

_PLACES_A_FOLD = 4  # regions of the map that are held out together


class AbstractUnitsFamily(AbstractFamily):
    """A family that may be asked about units, such as groups or subjects, that it has not seen."""

    @property
    @abc.abstractmethod
    def units(self) -> str:
        """What these are called."""

    @abc.abstractmethod
    def _units_of(self, X: pd.DataFrame, n_splits: int, random_state: int) -> Any:
        """Say the unit of each row."""

    def posed(self, **changed: Any) -> Self:
        """The same with other settings."""
        return type(self)(**(self.settings() | changed))

    def units_in(self, X: pd.DataFrame, n_splits: int, random_state: int) -> Units:
        """Say which rows are of one unit, where units are to be held out in so many folds.

        Raises
        ------
        ValueError
            Where there are fewer units than folds.
        """
        units = Units(np.unique(self._units_of(X, n_splits, random_state), return_inverse=True)[1])
        n_units = int(units.codes.max()) + 1
        if n_units < n_splits:
            raise ValueError(f"{n_units} {self.units} cannot be held out in {n_splits} folds")
        return units


class AbstractEffectsFamily(AbstractUnitsFamily):
    """A family whose rows share groups, times or places.

    A final class supplies ``settings`` with at least these.

    Parameters
    ----------
    groups : sequence of str
        Columns of labels: every level has an intercept of its own and, with `time`, the first one's levels a slope.
    coords : sequence of str
        Columns of coordinates.
    time : str, optional
        Column of times; filled in when a problem is posed.
    """

    groups: list[str]
    coords: list[str]
    time: str | None

    @property
    def beside(self) -> Beside:
        """Columns that go beside the features."""
        return Beside(tuple(self.groups), self.time, tuple(self.coords))

    def effects(self) -> list[Any]:
        """One for what each column says: groups, the course of the first group's levels, places."""
        from intertwine.effects import Grouped

        found: list[Any] = [Grouped(name) for name in self.groups]
        if self.time is not None:
            from intertwine.effects import Longitudinal

            found[0] = Longitudinal(self.groups[0])
        if self.coords:
            from intertwine.effects import Spatial

            found.append(Spatial())
        return found

    @property
    def units(self) -> str:
        """Levels of the first group; without groups, regions of the map."""
        return f"levels of {self.groups[0]}" if self.groups else "regions"

    def _units_of(self, X: pd.DataFrame, n_splits: int, random_state: int) -> Any:
        if self.groups:
            return pd.factorize(X[self.groups[0]])[0]
        places = X[self.coords].to_numpy(dtype=float)
        regions = min(_PLACES_A_FOLD * n_splits, len(np.unique(places, axis=0)))
        return KMeans(regions, n_init=1, random_state=random_state).fit_predict(places)


def named(columns: Sequence[str] | None) -> list[str]:
    """A list of its own."""
    return [] if columns is None else list(columns)
