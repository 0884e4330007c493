"""What fits mixed models, by structure: "TOOL, STRUCTURE" in the registry, TOOL in the tables."""

from __future__ import annotations

from functools import partial

from _methods import Method
from _our_mixed import OurMixedModel, OurSpatialModel
from baselines.lme4_r import Lme4
from baselines.mixed_peer import STRUCTURES, tiny_problem
from baselines.statsmodels_peer import StatsmodelsMixedLM


def nothing(score, y) -> dict[str, float]:
    """A mixed model is judged by its likelihood and variances, not by rows held out."""
    return {}


def tiny_sites():
    """Rows at a few places."""
    X, y, folds = tiny_problem("intercepts")
    return X.repeat(2, axis=1)[:, [0, 0, 2]] / 12.0, y, folds


TOOLS = {
    "intertwine": OurMixedModel,
    "lme4": Lme4,
    "lme4, no final derivatives": partial(Lme4, check=False),
    "statsmodels": StatsmodelsMixedLM,
}

METHODS: dict[str, Method] = {
    f"{tool}, {structure}": Method(
        partial(make, structure),
        measure=nothing,
        tiny=partial(tiny_problem, structure),
        also_tiny=(partial(tiny_problem, structure, n_outcomes=2),) if tool == "intertwine" else (),
    )
    for tool, make in TOOLS.items()
    for structure in STRUCTURES
} | {
    f"intertwine, sites, {method}": Method(partial(OurSpatialModel, method), measure=nothing, tiny=tiny_sites)
    for method in ("auto", "exact", "hilbert", "nystrom")
}
