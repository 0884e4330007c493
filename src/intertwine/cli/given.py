"""What was given on the command line: roles of columns, the family, the table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from intertwine.cli.mistakes import Mistake, did_you_mean

__all__ = ["family_of", "pose_file", "require_folder", "roles_of", "spread"]

# Settings of families, and the options that give them.
_FLAGS = {
    "n_components": "--components",
    "ordinal": "--ordinal",
    "max_iter": "--sweeps",
    "user": "--user",
    "item": "--item",
    "user_features": "--user-features",
    "item_features": "--item-features",
    "implicit": "--implicit",
    "solver": "--solver",
    "rating_scale": "--scale",
    "duplicates": "--duplicates",
    "groups": "--groups",
    "coords": "--coords",
    "formula": "--formula",
    "subject": "--subject",
    "covariates": "--covariates",
    "measurements": "--measurements",
    "smooth": "--smooth",
}
_VISITS = ("covariates", "measurements", "smooth")
_CHOICES = {
    "solver": ("auto", "variational", "gibbs", "als", "gauss_newton", "sgd"),
    "duplicates": ("mean", "last", "keep", "error"),
}


def roles_of(
    target: str | None,
    time: str | None,
    event: str | None,
    entry: str | None,
    task: str,
    drop: list[str] | None,
    categorical: list[str] | None,
) -> dict[str, Any]:
    """Roles of the columns, kept with a model so that a report can read the table again."""
    return {
        "target": target,
        "time": time,
        "event": event,
        "entry": entry,
        "task": task,
        "drop": spread(drop),
        "categorical": spread(categorical),
    }


def family_of(model: str, **given: Any) -> Any:
    """The family called `model` with the settings that were given.

    Raises
    ------
    Mistake
        For names that are none, and settings of another family.
    """
    from intertwine.compare import FAMILIES
    from intertwine.report.words import listed

    if model not in FAMILIES:
        raise Mistake(f"no model {model!r}; {did_you_mean(model, FAMILIES)}")
    settings = {name: value for name, value in given.items() if value is not None}
    for name in settings:
        able = [family.name for family in FAMILIES.values() if name in family().settings()]
        if model not in able:
            raise Mistake(f"{_FLAGS[name]} is for --model {listed(able)}, not for {model}")
    for name in ("user_features", "item_features", "groups", "coords", *_VISITS):
        if name in settings:
            settings[name] = spread(settings[name])
    for name in _CHOICES.keys() & settings.keys():
        if settings[name] not in _CHOICES[name]:
            raise Mistake(
                f"no {_FLAGS[name]} {settings[name]!r}; {did_you_mean(settings[name], _CHOICES[name])}"
            )
    if "rating_scale" in settings:
        settings["rating_scale"] = _scale(settings["rating_scale"])
    return FAMILIES[model](**settings)


def _scale(text: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise Mistake(f"--scale {text!r} is not LOW,HIGH, such as 1,5") from None
    if not low < high:
        raise Mistake(f"--scale {text!r}: the first must be below the second")
    return low, high


def pose_file(data: Path, roles: dict[str, Any], family: Any) -> Any:
    """Read a table and pose the problem in it, in the manner of the family."""
    from intertwine.cli.preparations import pose_table
    from intertwine.cli.reading import read_table_file

    return pose_table(read_table_file(data), roles, family)


def spread(names: list[str] | None) -> list[str]:
    """Names given one by one or with commas between them."""
    return [part.strip() for name in names or [] for part in name.split(",") if part.strip()]


def require_folder(path: Path | None) -> None:
    """Fail before the work, not after it."""
    if path is not None and not path.resolve().parent.is_dir():
        raise Mistake(f"there is no folder {path.parent}")
    if path is not None and path.is_dir():
        raise Mistake(f"{path} is a folder; name a file in it")
