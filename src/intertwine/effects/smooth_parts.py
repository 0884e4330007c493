"""The smooth parts of effects: how each is represented, for diagnostics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from intertwine.effects.by_subject import BoundBySubject, BoundCourse
from intertwine.effects.covariate import AbstractBoundCovariateEffect
from intertwine.effects.interaction import BoundInteraction
from intertwine.effects.smooth import BoundSmooth

__all__ = ["SmoothPart", "smooth_parts"]


class SmoothPart(NamedTuple):
    """A smooth function of one covariate.

    Attributes
    ----------
    covariate : str or int
    kernel : str
    method : {"basis", "state-space"}
    length_scale : float
    n_functions : int
        Waves; 0 by state space.
    half_range : float
        Of the covariate over the rows of the fit, in its unit; NaN by state space.
    boundary : float
        Half width of the box, in half ranges of the covariate; NaN by state space.
    missing_variance : float
        The largest share of the prior's variance, over the rows of the fit, that the waves do not carry. It is left
        to the noise, and matters where a course is known much better than that: then more functions are wanted, or
        a state space.
    """

    covariate: Any
    kernel: str
    method: str
    length_scale: float
    n_functions: int
    half_range: float
    boundary: float
    missing_variance: float


def smooth_parts(bound: AbstractBoundCovariateEffect, shape: NDArray[np.float64]) -> Iterator[SmoothPart]:
    """All smooth functions that an effect is made of.

    Examples
    --------
    >>> from intertwine.effects import BySubject, Linear, Smooth
    >>> from intertwine.effects.covariate import Covariates
    >>> rows = Covariates(9, {"age": np.arange(9.0), "dose": np.arange(9.0) ** 2}, {})
    >>> bound = BySubject(Smooth("age") * Linear("dose")).bind(rows)
    >>> [part] = smooth_parts(bound, np.array([4.0]))
    >>> part.covariate, part.n_functions, round(part.boundary, 2), round(part.missing_variance, 3)
    ('age', 11, 2.52, 0.01)
    """
    if isinstance(bound, BoundBySubject) and bound.inner is not None:
        yield from smooth_parts(bound.inner, shape)
    elif isinstance(bound, BoundInteraction):
        for factor, its_shape in zip(bound.factors, bound.shapes(shape), strict=True):
            yield from smooth_parts(factor, its_shape)
    elif isinstance(bound, BoundCourse):
        yield SmoothPart(bound.key, bound.kernel, "state-space", float(shape[0]), 0, np.nan, np.nan, 0.0)
    elif isinstance(bound, BoundSmooth):
        length_scale = float(shape[0])
        effect, half_range = bound.effect, 0.5 * (bound.high - bound.low)
        yield SmoothPart(
            covariate=effect.key,
            kernel=effect.kernel,
            method="basis",
            length_scale=length_scale,
            n_functions=bound.n_waves,
            half_range=half_range,
            boundary=bound.half_width(length_scale) / half_range,
            missing_variance=bound.missing_variance(shape),
        )
