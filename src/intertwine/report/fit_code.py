"""The lines that fit the same model again."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from intertwine.report.study import Study
from intertwine.validation.values import is_reserved

__all__ = ["code_of", "effects_code"]

_CODE_WIDTH = 70
_BESIDE = ("groups", "time", "coords", "covariates", "subject")


def code_of(study: Study) -> str:
    """Of a model of features, with the preparation of the table where names tell of it."""
    estimator = study.estimator
    prepared = [name.partition("=")[0] for name in study.names if is_reserved(name)]
    if prepared:
        step = _call(estimator).replace("\n", "\n    ")
        return (
            f"from intertwine import {type(estimator).__name__}, make_interaction_pipeline\n\n"
            f"model = make_interaction_pipeline(\n    {step},\n    categorical={prepared},\n    sparse_output=True,\n"
            '    unseen="column",\n).fit(table, y)'
        )
    name = type(estimator).__name__
    lines = [f"from intertwine import {name}", "", f"model = {_call(estimator)}.fit(X, y)"]
    if study.chosen is not estimator:
        lines += [
            "",
            "# what cross-validation picked, fitted directly:",
            f"model = {_call(study.chosen)}.fit(X, y)",
        ]
    return "\n".join(lines).replace(
        f"import {name}\n",
        f"import {name}{'' if study.chosen is estimator else ', ' + type(study.chosen).__name__}\n",
        1,
    )


def _call(estimator: Any) -> str:
    """The constructor call with the settings that differ from the defaults."""
    defaults = type(estimator)().get_params(deep=False)
    changed = {
        key: value
        for key, value in estimator.get_params(deep=False).items()
        if not _same(value, defaults[key])
    }
    arguments = [f"{key}={_literal(value)}" for key, value in changed.items()]
    name, line = type(estimator).__name__, ", ".join(arguments)
    if len(name) + len(line) < _CODE_WIDTH:
        return f"{name}({line})"
    return "\n    ".join([f"{name}(", *(f"{argument}," for argument in arguments)]) + "\n)"


def _same(a: Any, b: Any) -> bool:
    return a is b or (type(a) is type(b) and repr(a) == repr(b))


def _literal(value: Any) -> str:
    if isinstance(value, np.generic):
        value = value.item()
    return 'float("inf")' if value == float("inf") else repr(value)


def effects_code(study: Study) -> str:
    """Of a model with effects."""
    estimator = study.estimator
    name = type(estimator).__name__
    effects = estimator.effects or ()
    effects = [effects] if not isinstance(effects, list | tuple) else list(effects)
    kinds = sorted({kind for effect in effects for kind in _kinds(effect)})
    defaults = type(estimator)().get_params(deep=False)
    first = "effects=" if "n_components" in defaults else ""
    settings = [f"{first}[{', '.join(map(_effect_code, effects))}]"] if effects else []
    settings += [
        f"{key}={value!r}"
        for key, value in estimator.get_params(deep=False).items()
        if key != "effects" and repr(value) != repr(defaults[key])
    ]
    given = ["X", *(["y"] if _takes_y(estimator) else [])]
    given += [f"{one}={one}" for one in _BESIDE if getattr(study, one) is not None]
    lines = [f"from intertwine import {name}"]
    if kinds:
        lines.append(f"from intertwine.effects import {', '.join(kinds)}")
    return "\n".join([*lines, "", f"model = {name}({', '.join(settings)})", f"model.fit({', '.join(given)})"])


def _takes_y(estimator: Any) -> bool:
    return hasattr(type(estimator), "predict") and getattr(estimator, "formula", None) is None


def _kinds(effect: Any) -> Iterator[str]:
    """Names of the classes that the code of an effect needs: of a product those of its factors."""
    inner = [getattr(effect, field.name) for field in dataclasses.fields(effect)]
    if not hasattr(effect, "factors"):
        yield type(effect).__name__
    for value in inner:
        parts = value if isinstance(value, tuple) else (value,)
        for part in parts:
            if dataclasses.is_dataclass(part):
                yield from _kinds(part)


def _effect_code(effect: Any) -> str:
    """An effect with what differs from its defaults."""
    said = []
    for place, field in enumerate(dataclasses.fields(effect)):
        value = getattr(effect, field.name)
        if not isinstance(value, np.ndarray) and repr(value) == repr(field.default):
            continue
        if dataclasses.is_dataclass(value):
            shown = _effect_code(value)
        elif field.name == "factors":
            return " * ".join(map(_effect_code, value))
        elif isinstance(value, tuple) and any(map(dataclasses.is_dataclass, value)):
            shown = f"[{', '.join(map(_effect_code, value))}]"
        else:
            shown = repr(value) if isinstance(value, str | int | float | tuple | bool) else "…"
        said.append(shown if place == 0 else f"{field.name}={shown}")
    return f"{type(effect).__name__}({', '.join(said)})"
