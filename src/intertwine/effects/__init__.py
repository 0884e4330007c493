"""Gaussian effects: what rows share, and how it varies. Each is loaded when it is first named."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .ar1 import AR1 as AR1
    from .by_subject import BySubject as BySubject
    from .correlated import Correlated as Correlated
    from .covariate_terms import Categorical as Categorical
    from .covariate_terms import Linear as Linear
    from .graph import Graph as Graph
    from .grouped import Grouped as Grouped
    from .interaction import Interaction as Interaction
    from .longitudinal import Longitudinal as Longitudinal
    from .smooth import Smooth as Smooth
    from .spatial import Spatial as Spatial

_MODULES = {
    "AR1": "ar1",
    "BySubject": "by_subject",
    "Categorical": "covariate_terms",
    "Correlated": "correlated",
    "Graph": "graph",
    "Grouped": "grouped",
    "Interaction": "interaction",
    "Linear": "covariate_terms",
    "Longitudinal": "longitudinal",
    "Smooth": "smooth",
    "Spatial": "spatial",
}

__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
