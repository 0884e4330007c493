"""What all families know of themselves: the names of their features, and what their model files begin with."""

from __future__ import annotations

import abc
from pathlib import Path
from typing import Any, Self, final

import numpy as np

from intertwine.io import save_state
from intertwine.io.layout import anything, count, either, items, labels, optional, table_of, text, whole

__all__ = [
    "CLASSES",
    "HEAD",
    "AbstractSaved",
    "NamedFeatures",
    "classes_from_state",
    "classes_to_state",
    "head_of",
    "take_features",
    "with_params",
]

#: What `head_of` writes.
HEAD = {
    "class": text,
    "params": table_of(anything),
    "n_features_in_": count("p"),
    "feature_names_in_": optional(items(text, "p")),
    "frame_library": optional(text),
}
#: What `classes_to_state` writes.
CLASSES = either(
    labels("classes"), items(anything, "classes"), {"dtype": text, "values": whole("classes", least=-(2**63))}
)


class NamedFeatures:
    """Names of the features of a fitted estimator: those of its frame, or x0, x1, … without one."""

    n_features_in_: int

    @property
    def _features(self) -> list:
        names = getattr(self, "feature_names_in_", None)
        return [f"x{j}" for j in range(self.n_features_in_)] if names is None else list(names)


class AbstractSaved(abc.ABC):
    """A fitted estimator can be written to a file, and read again by `intertwine.load`."""

    @final
    def save(self, path: str | Path) -> None:
        """Write the fitted model to one file: arrays and JSON, nothing that could be executed.

        Parameters
        ----------
        path : str or path-like

        Raises
        ------
        NotFittedError, PermissionError, OSError
        """
        save_state(path, self._to_state())

    @abc.abstractmethod
    def _to_state(self) -> dict[str, Any]:
        """What `_from_state` builds the same estimator from; begins with `head_of`."""

    @classmethod
    @abc.abstractmethod
    def _from_state(cls, state: dict[str, Any]) -> Self:
        """The estimator that `_to_state` told of; it answers the same to the bit."""


def head_of(estimator: Any, **replaced: Any) -> dict[str, Any]:
    """First entries of a fitted estimator's state.

    Parameters
    ----------
    estimator : estimator
        With ``n_features_in_`` and ``_frame_library``.
    **replaced
        Parameters in a form that a file can hold.

    Returns
    -------
    dict
        A generator of random numbers is left out, and so is the place of a checkpoint: both belong to this machine.
    """
    params = estimator.get_params(deep=False) | replaced
    if isinstance(params["random_state"], np.random.RandomState):
        params["random_state"] = None
    if "checkpoint" in params:
        params["checkpoint"] = None
    names = getattr(estimator, "feature_names_in_", None)
    return {
        "class": type(estimator).__name__,
        "params": params,
        "n_features_in_": int(estimator.n_features_in_),
        "feature_names_in_": None if names is None else [str(name) for name in names],
        "frame_library": estimator._frame_library,
    }


def with_params(kind: type, params: dict[str, Any]) -> Any:
    """A new estimator with the hyperparameters of a file.

    Raises
    ------
    ValueError
        For one that it does not have, and for values that no fit would take.
    """
    known = kind._get_param_names()  # type: ignore[attr-defined]
    if unknown := [name for name in params if name not in known]:
        raise ValueError(f"{kind.__name__} has no parameter {unknown[0]!r}")
    estimator = kind(**params)
    estimator._validate_params()
    return estimator


def classes_to_state(classes: np.ndarray) -> Any:
    """Class labels in a form that a file can hold."""
    if classes.dtype.kind in "mM":  # as text that names the unit: numbers alone would lose it
        return {"dtype": str(classes.dtype), "values": classes.astype(np.int64)}
    return np.asarray(classes) if classes.dtype != object else classes.tolist()


def classes_from_state(state: Any) -> np.ndarray:
    """The labels that `classes_to_state` wrote.

    Examples
    --------
    >>> days = np.array(["2020-02-29", "2021-03-01"], dtype="datetime64[D]")
    >>> classes_from_state(classes_to_state(days))
    array(['2020-02-29', '2021-03-01'], dtype='datetime64[D]')
    """
    if isinstance(state, dict):
        classes = state["values"].astype(state["dtype"])
    elif isinstance(state, np.ndarray):
        classes = state
    else:
        classes = np.array(state, dtype=object)
    if classes.ndim != 1 or len(classes) < 2:
        raise ValueError(f"classes have shape {classes.shape}, expected two labels or more")
    return classes


def take_features(estimator: Any, state: dict[str, Any]) -> None:
    """Set on a new estimator what `head_of` wrote of the features."""
    estimator.n_features_in_ = state["n_features_in_"]
    if state["feature_names_in_"] is not None:
        estimator.feature_names_in_ = np.array(state["feature_names_in_"], dtype=object)
    estimator._frame_library = state["frame_library"]
