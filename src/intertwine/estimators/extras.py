"""Packages that only some models need."""

from __future__ import annotations

from importlib.util import find_spec

__all__ = ["require_deep"]


def require_deep(model: str, otherwise: str = "") -> None:
    """Say which extra brings JAX where it is not installed.

    Parameters
    ----------
    model : str
        What needs it.
    otherwise : str, default=""
        What works without.

    Raises
    ------
    ImportError
    """
    absent = [name for name in ("jax", "optax") if find_spec(name) is None]
    if absent:
        raise ImportError(f"{model} needs {' and '.join(absent)}: pip install 'intertwine[deep]'{otherwise}")
