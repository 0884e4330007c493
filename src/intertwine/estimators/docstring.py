"""One description of the parameters that several estimators share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

__all__ = ["with_parameters"]

_Class = TypeVar("_Class", bound=type)


def with_parameters(text: str) -> Callable[[_Class], _Class]:
    """Put `text` where a class's docstring says ``{parameters}``.

    Examples
    --------
    >>> @with_parameters("alpha : float")
    ... class Ridge:
    ...     '''Least squares with a penalty; {parameters}.'''
    >>> Ridge.__doc__
    'Least squares with a penalty; alpha : float.'
    """

    def fill(cls: _Class) -> _Class:
        if cls.__doc__ is not None:  # python -OO drops docstrings
            cls.__doc__ = cls.__doc__.replace("{parameters}", text.strip())
        return cls

    return fill
