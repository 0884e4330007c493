"""Latent models with random effects as the contents of a model file, and back."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from intertwine.estimators.effect_rows.choice import effects_from_state, effects_to_state
from intertwine.estimators.effect_rows.data import EffectData
from intertwine.estimators.effects_layout import (
    DATA,
    EFFECTS,
    NETWORKS,
    ROWS,
    require_known_levels,
    require_layers,
)
from intertwine.estimators.model_head import HEAD, head_of, take_features, with_params
from intertwine.estimators.random_effects.units import FeatureUnits, LinkedUnits
from intertwine.io.layout import (
    anything,
    choice,
    count,
    either,
    flag,
    flags,
    floats,
    items,
    number,
    optional,
    positive,
    require_layout,
    table_of,
    text,
    whole,
)

__all__ = ["random_effects_from_state", "random_effects_to_state"]

_HISTORY = table_of(either(floats("iterations"), whole("iterations")))
_LEVELS = {
    "kind": choice("levels"),
    "covariance": floats("kinds", "p", "basis", "basis"),
    "shared": floats("kinds", "p", "basis", "*"),
    "level_kind": whole("levels+1", below="kinds"),
    "mean": floats("levels+1", "basis", "p"),
    "from_mean?": floats("kinds", "p", "basis", least=0.0),
}
_MODES = {
    "kind": choice("modes"),
    "mean": floats("modes", "p"),
    "variance": floats("modes", "p"),
    "modes": floats("*", "modes"),
    "level_modes": floats("levels", "modes"),
    "prior": floats("p"),
    "from_mean?": floats("levels", "p", least=0.0),
}
_POSTERIOR = {
    "kind": choice("posterior"),
    "left": floats("n", "p"),
    "observed": flags("n", "p"),
    "rows": ROWS,
}
_PCA = {
    "params": {
        "mean": floats("p"),
        "loadings": floats("p", "*"),
        "noise": floats("p", least=0.0),
        "effects": items(floats("p", "*", "*")),
    },
    "known": either({"kind": choice("none")}, _LEVELS, _MODES, _POSTERIOR),
    "bound": items(table_of(anything)),
    "shapes": items(floats("*")),
    "history": _HISTORY,
    "converged": flag,
    "objective": text,
}
_VAE_ROWS = {
    "n_rows": count("n"),
    "keys": items(anything, "groupings"),
    "groups": items({"codes": whole("n"), "n_levels": count()}, "groupings"),
    "time": optional(floats("n")),
    "coords": optional(floats("n", "*")),
}
_VAE = {
    "networks": NETWORKS,
    "spread": floats("p", above=0.0),
    "noise": floats("p", least=0.0),
    "variances": items(floats("p", "*", "*")),
    "rows": _VAE_ROWS,
    "residual": either(floats("n", "p"), floats(0, "p")),
    "bound": number,
    "start": text,
    "bounds": items([text, number]),
    "history": _HISTORY,
    "converged": flag,
    "shapes": items(floats("*")),
    "observed": optional(whole("n", "p", below=2)),
    "beta": positive,
    "refine": flag,
    "guessed": optional(
        {"means": items(floats("*", "p"), "guesses"), "variances": items(floats("*", "p"), "guesses")}
    ),
    "columns?": {"kinds": items(choice("gaussian", "bernoulli", "poisson"), "p"), "center": floats("p")},
    "precision?": floats("n", "p", least=0.0),
    "latents?": floats("n", "*"),
}
_LAYOUT = HEAD | {
    "units": {"center": floats("p"), "spread": floats("p", above=0.0)},
    "log_units": number,
    "chosen": EFFECTS,
    "data": DATA,
    "model": either(_PCA, _VAE),
}


def random_effects_to_state(estimator: Any) -> dict[str, Any]:
    """State of a fitted estimator."""
    replaced = {"effects": effects_to_state(estimator.effects)}
    if isinstance(likelihood := getattr(estimator, "likelihood", None), Mapping):
        replaced["likelihood"] = {"columns": [[column, kind] for column, kind in likelihood.items()]}
    elif likelihood is not None:
        replaced["likelihood"] = likelihood if isinstance(likelihood, str) else list(likelihood)
    return head_of(estimator, **replaced) | {
        "units": {"center": estimator._units.center, "spread": estimator._units.spread},
        "log_units": estimator._log_units,
        "chosen": effects_to_state(list(estimator._effects)),
        "data": estimator._data.to_state(),
        "model": estimator._model.to_state(),
    }


def random_effects_from_state(cls: type, state: dict[str, Any]) -> Any:
    """The estimator that `random_effects_to_state` wrote; it answers the same to the bit."""
    require_layout(state, _LAYOUT)
    params = dict(state["params"])
    params["effects"] = effects_from_state(params["effects"])
    if isinstance(params.get("likelihood"), Mapping):
        params["likelihood"] = dict(params["likelihood"]["columns"])
    estimator = with_params(cls, params)
    take_features(estimator, state)
    estimator._log_units = state["log_units"]
    estimator._effects = tuple(effects_from_state(state["chosen"]))
    groups = _groups_of(state["model"])
    require_known_levels(state["data"], estimator._effects, groups, state["n_features_in_"])
    _require_networks(state["model"], state["n_features_in_"], estimator.n_components)
    estimator._data = EffectData.from_state(state["data"])
    estimator._model = estimator._model_from_state(state["model"])
    columns = getattr(estimator._model, "columns", None)
    units = FeatureUnits(**state["units"])
    estimator._units = units if columns is None else LinkedUnits(*units, columns)
    return estimator


def _require_networks(model: dict[str, Any], n_features: int, n_components: int) -> None:
    """Of an autoencoder: layers that fit each other, the data and the latents."""
    if "networks" not in model:
        return
    if "latents" in model and model["latents"].shape[1] != n_components:
        raise ValueError(f"rows have {model['latents'].shape[1]} latents, but n_components is {n_components}")
    for name, ends in (("encoder", (None, 2 * n_components)), ("decoder", (n_components, n_features))):
        layers = model["networks"][name]
        widths = [layer["weight"].shape[0] for layer in layers] + [
            layer["bias"].size for layer in layers[-1:]
        ]
        if name == "encoder" and widths[:1] not in ([n_features], [2 * n_features]):
            raise ValueError(f"the encoder takes {widths[:1]} numbers, of {n_features} features")
        require_layers(layers, list(itertools.pairwise([ends[0] or widths[0], *widths[1:-1], ends[1]])))


def _groups_of(model: dict[str, Any]) -> list[Any]:
    """Key, codes and number of levels of every grouping whose rows the file holds."""
    if "networks" not in model:
        return model["known"]["rows"]["groups"] if model["known"]["kind"] == "posterior" else []
    rows = model["rows"]
    return [[key, *group.values()] for key, group in zip(rows["keys"], rows["groups"], strict=True)]
