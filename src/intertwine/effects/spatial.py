"""Spatial effects: sites that are near have similar coefficients."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Literal, final

import numpy as np
from numpy.typing import NDArray

from intertwine.effects.random import (
    AbstractApproximateEffect,
    AbstractRandomEffect,
    BasisPrior,
    EffectRows,
    Located,
)
from intertwine.effects.sites import as_places, distinct_sites, extent, nearest_spacing
from intertwine.effects.spatial_fields import (
    AbstractField,
    ExactField,
    HilbertField,
    NystromField,
    choose_landmarks,
)
from intertwine.effects.stationary_kernels import KERNELS

__all__ = ["BoundSpatial", "Spatial"]

Array = NDArray[np.float64]

_METHODS = ("auto", "exact", "hilbert", "nystrom")
_ALWAYS_EXACT = 200  # sites: nothing is gained by functions
_EXACT_SITES = 2000  # an eigendecomposition of so many takes seconds, at every length scale that is tried
_MOST_FUNCTIONS = 600
_UNSEEN_VARIANCE = 1e-6  # of a site, times its rows, that functions may leave out
_VISIBLE_ERROR = 0.05  # of a correlation
_START = 0.15  # length scale to begin from, in diagonals of the sites' box
_LONGEST = 3.0  # the same; beyond, the field is a plane within any noise


@final
@dataclass(frozen=True)
class Spatial(AbstractRandomEffect):
    """A smooth field over the coordinates of rows: g(row) = field(coords), Cov = τ · correlation(distance / ℓ).

    Rows with the same coordinates share a site. Predictions at other places are kriged, with the variance that is left.

    Parameters
    ----------
    kernel : {"rbf", "matern12", "matern32", "matern52"}, default="rbf"
        How the correlation of two sites falls with their distance; matern12 gives the roughest fields, rbf the
        smoothest: exp(−d² / 2ℓ²).
    length_scale : float, optional
        ℓ, in the units of the coordinates (kilometres where these are geographic). Learnt, one for all outputs, where
        it is not given.
    method : {"auto", "exact", "nystrom", "hilbert"}, default="auto"
        "exact" works with the covariance of all sites, q² numbers and q³ operations for every length scale tried:
        for up to thousands. "nystrom" (the field at landmarks) and "hilbert" (waves in a box) use few functions.
        "auto" takes landmarks wherever these lose nothing that could be seen, as for an rbf kernel; else the exact
        covariance up to 2000 sites, and 600 landmarks beyond.
    n_functions : int, optional
        How many functions to use at most; found by what they leave out, up to 600, where it is not given.
    geographic : bool, default=False
        The coordinates are latitude and longitude in degrees. Distances are chords through the globe, which keep every
        kernel positive definite.

    Examples
    --------
    >>> import numpy as np
    >>> from intertwine.effects.random import EffectRows
    >>> coords = np.random.default_rng(0).uniform(size=(500, 2))
    >>> effect = Spatial("matern52").bind(EffectRows(n_rows=500, groups={}, coords=coords))
    >>> effect.n_levels, effect.shape_names
    (500, ('length_scale',))
    >>> smooth = Spatial(length_scale=0.5).bind(EffectRows(n_rows=500, groups={}, coords=coords))
    >>> smooth.prior(np.array([0.5])).loadings.shape[1] < 50
    True
    """

    kernel: Literal["rbf", "matern12", "matern32", "matern52"] = "rbf"
    length_scale: float | None = None
    method: Literal["auto", "exact", "hilbert", "nystrom"] = "auto"
    n_functions: int | None = None
    geographic: bool = False

    @property
    def needs(self) -> tuple[str, ...]:
        return ("coords",)

    @property
    def group_keys(self) -> tuple[Any, ...]:
        return ()

    @property
    def covariate_keys(self) -> tuple[Any, ...]:
        return ()

    def bind(self, rows: EffectRows) -> BoundSpatial:
        self._check()
        sites, level = distinct_sites(as_places(rows.coords, self.geographic))
        if len(sites) < 2:
            raise ValueError(
                "all rows have the same coordinates: the variance of a spatial effect is not identified; drop it"
            )
        counts = np.bincount(level, minlength=len(sites)).astype(np.float64)
        return BoundSpatial(self, sites, counts, level)

    def restore(self, state: dict[str, Any]) -> BoundSpatial:
        none = np.empty(0, dtype=np.int64)
        bound = BoundSpatial(self, np.asarray(state["sites"]), np.asarray(state["counts"]), none)
        if "landmarks" in state:
            bound.keep_landmarks(float(state["length_scale"]), np.asarray(state["landmarks"]))
        return bound

    def _check(self) -> None:
        for name, value, allowed in (("kernel", self.kernel, KERNELS), ("method", self.method, _METHODS)):
            if value not in allowed:
                raise ValueError(f"{name} of Spatial must be one of {list(allowed)}, got {value!r}")
        scale, most = self.length_scale, self.n_functions
        if scale is not None and not (isinstance(scale, Real) and 0 < scale < np.inf):
            raise ValueError(f"length_scale of Spatial must be a positive number or None, got {scale!r}")
        whole = isinstance(most, Integral) and not isinstance(most, bool)
        if most is not None and not (whole and most >= 1):
            raise ValueError(f"n_functions of Spatial must be a positive integer or None, got {most!r}")
        if most is not None and self.method == "exact":
            raise ValueError("n_functions has no meaning for Spatial(method='exact'); leave it out")


@final
class BoundSpatial(AbstractApproximateEffect):
    """A field with the sites of the rows that it was fitted to.

    Parameters
    ----------
    effect : Spatial
    sites : ndarray (q, d)
        Distinct places, of which distances are taken.
    counts : ndarray (q,)
        Rows of each.
    level : ndarray (n,)
    """

    basis = None
    basis_names = ("intercept",)
    shape_names = ("length_scale",)

    def __init__(self, effect: Spatial, sites: Array, counts: Array, level: NDArray[np.int64]) -> None:
        self.effect, self.sites, self.counts, self.level = effect, sites, counts, level
        self.n_levels = len(sites)
        self._last: tuple[float, AbstractField] | None = None

    def start_shape(self) -> Array:
        if self.effect.length_scale is not None:
            return np.array([self.effect.length_scale], dtype=np.float64)
        low, high = self.shape_bounds()[0]
        return np.array([np.clip(_START * extent(self.sites), low, high)])

    def shape_bounds(self) -> Array:
        if self.effect.length_scale is not None:
            return np.full((1, 2), float(self.effect.length_scale))
        high = _LONGEST * extent(self.sites)
        return np.array([[min(self._shortest(), 0.1 * high), high]])

    def _shortest(self) -> float:
        """Below the spacing of the sites, or of what functions can tell apart, no length scale is identified."""
        shortest = 0.5 * nearest_spacing(self.sites)
        if self._is_exact_when_rough:
            return shortest
        spread = np.ptp(self.sites, axis=0)
        cell = np.prod(spread[spread > 0]) / self._most
        return max(shortest, 2.0 * float(cell ** (1.0 / np.count_nonzero(spread))))

    @property
    def _most(self) -> int:
        return min(self.effect.n_functions or _MOST_FUNCTIONS, self.n_levels)

    @property
    def _is_exact_when_rough(self) -> bool:
        effect = self.effect
        few = effect.n_functions is None and self.n_levels <= _EXACT_SITES
        return effect.method == "exact" or (effect.method == "auto" and few)

    def prior(self, shape):
        return self.field(shape).prior

    def field(self, shape: Array) -> AbstractField:
        """The field at this length scale; the last one is kept, since it is asked for again to predict."""
        length_scale = float(np.asarray(shape).reshape(-1)[0])
        if self._last is None or self._last[0] != length_scale:
            self._last = None  # the earlier one's matrices go before new ones come
            self._last = (length_scale, self._new_field(length_scale))
        return self._last[1]

    def caution(self, shape):
        field = self.field(shape)
        if field.error <= _VISIBLE_ERROR:
            return None
        used = field.prior.loadings.shape[1] if isinstance(field.prior, BasisPrior) else self.n_levels
        kernel = self.effect.kernel
        return (
            f"{used:,} functions miss up to {field.error:.0%} of the covariance of a {kernel} field of length scale "
            f"{field.length_scale:.3g} at {self.n_levels:,} sites; raise n_functions, or take method='exact' where "
            "there is time and memory for it"
        )

    def _new_field(self, length_scale: float) -> AbstractField:
        effect = self.effect
        given = (effect.kernel, length_scale, self.sites)
        if effect.method == "exact" or (self._is_exact_when_rough and self.n_levels <= _ALWAYS_EXACT):
            return ExactField(*given)
        if effect.method == "hilbert":
            return HilbertField(*given, _MOST_FUNCTIONS, effect.n_functions)
        # where the exact covariance is at hand, functions must be few to be worth their while
        most = self.n_levels // 4 if self._is_exact_when_rough else self._most
        landmarks, enough = choose_landmarks(*given, self.counts, most, _UNSEEN_VARIANCE)
        if self._is_exact_when_rough and not enough:
            return ExactField(*given)
        return NystromField(*given, landmarks)

    def locate(self, rows, shape):
        points, level = distinct_sites(as_places(rows.coords, self.effect.geographic))
        if points.shape[1] != self.sites.shape[1]:
            raise ValueError(
                f"coords has {points.shape[1]} columns, expecting {self.sites.shape[1]} as in fit"
            )
        known = _positions(points, self.sites)
        if (known >= 0).all():
            return Located(known[level], None, None, None)
        projection, extra = self.field(shape).project(points)
        extra[known >= 0] = 0.0
        return Located(level, None, projection, extra)

    def state(self):
        state: dict[str, Any] = {"sites": self.sites, "counts": self.counts}
        if self._last is not None and isinstance(self._last[1], NystromField):
            # chosen again in a later process, rounding might choose others, whose coefficients are not those found
            state |= {"length_scale": self._last[0], "landmarks": self._last[1].landmarks}
        return state

    def keep_landmarks(self, length_scale: float, landmarks: NDArray[np.int64]) -> None:
        """Use these landmarks at this length scale, as an earlier process did."""
        field = NystromField(self.effect.kernel, length_scale, self.sites, landmarks)
        self._last = (length_scale, field)


def _positions(points: Array, sites: Array) -> NDArray[np.int64]:
    """Where each of some distinct points stands among distinct sites; −1 for those that are not there."""
    together, place = np.unique(np.vstack([sites, points]), axis=0, return_inverse=True)
    position = np.full(len(together), -1, dtype=np.int64)
    place = np.asarray(place).reshape(-1)
    position[place[: len(sites)]] = np.arange(len(sites))
    return position[place[len(sites) :]]
