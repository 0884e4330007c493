"""The architecture that a user named."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

from intertwine.architectures.base import AbstractArchitecture
from intertwine.architectures.convolutional import Convolutional
from intertwine.architectures.dense import Linear, Perceptron
from intertwine.validation.wording import counted

__all__ = ["ARCHITECTURES", "architecture_from_state", "architecture_of", "architecture_to_state"]

ARCHITECTURES: dict[str, type[AbstractArchitecture]] = {
    kind.name: kind for kind in (Perceptron, Linear, Convolutional)
}


def architecture_of(
    name: str,
    n_features: int,
    n_components: int,
    hidden: Sequence[int] | None = None,
    image_shape: Sequence[int] | None = None,
) -> AbstractArchitecture:
    """The networks for a table.

    Parameters
    ----------
    name : {"mlp", "linear", "conv"}
    n_features, n_components : int
    hidden : sequence of int or None
        Widths of the encoder's dense layers; None: what the architecture has by itself. A linear one has none.
    image_shape : sequence of int or None
        (h, w) or (h, w, channels), for "conv".

    Raises
    ------
    ValueError
        For an image that is missing, not wanted, or not as large as the rows are wide.

    Examples
    --------
    >>> architecture_of("conv", 1296, 32, image_shape=(36, 36))
    Convolutional(image_shape=(36, 36), n_components=32, hidden=(300, 30), channels=(16, 32))
    """
    widths = () if hidden is None else (tuple(int(width) for width in hidden),)
    if name == Convolutional.name:
        shape = _valid_shape(image_shape, n_features)
        return Convolutional(shape, n_components, *widths)
    if image_shape is not None:
        raise ValueError(f"image_shape is for architecture='conv', not {name!r}: leave one of the two away")
    if name == Linear.name:
        return Linear(n_features, n_components)
    if name == Perceptron.name:
        return Perceptron(n_features, n_components, *widths)
    raise ValueError(f"architecture {name!r} is not known; choose from {list(ARCHITECTURES)}")


def architecture_to_state(architecture: AbstractArchitecture) -> dict[str, Any]:
    """What a model file holds of it.

    Examples
    --------
    >>> state = architecture_to_state(Perceptron(5, 2, (8, 4)))
    >>> state
    {'name': 'mlp', 'sizes': {'n_features': 5, 'n_components': 2, 'hidden': [8, 4]}}
    >>> architecture_from_state(state)
    Perceptron(n_features=5, n_components=2, hidden=(8, 4))
    """
    sizes = {name: list(v) if isinstance(v, tuple) else v for name, v in vars(architecture).items()}
    return {"name": architecture.name, "sizes": sizes}


def architecture_from_state(state: Mapping[str, Any]) -> AbstractArchitecture:
    """The architecture that gave this state."""
    sizes = {name: tuple(v) if isinstance(v, list) else v for name, v in state["sizes"].items()}
    return ARCHITECTURES[state["name"]](**sizes)


def _valid_shape(image_shape: Sequence[int] | None, n_features: int) -> tuple[int, ...]:
    if image_shape is None:
        raise ValueError("architecture='conv' needs image_shape=(height, width) or (height, width, channels)")
    if odd := [size for size in image_shape if not isinstance(size, Integral)]:
        raise ValueError(f"image_shape holds {odd[0]!r}; every size must be a whole number from 1 on")
    shape = tuple(int(size) for size in image_shape)
    if len(shape) not in (2, 3) or min(shape) < 1:
        raise ValueError(
            f"image_shape must be (height, width) or (height, width, channels), not {image_shape}"
        )
    if (pixels := math.prod(shape)) != n_features:
        raise ValueError(
            f"image_shape {shape} has {pixels} values, but X has {counted(n_features, 'column', 'columns')}"
        )
    return shape
