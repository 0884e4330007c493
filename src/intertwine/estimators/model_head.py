"""What all families know of themselves: the names of their features, and what their model files begin with."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["NamedFeatures", "classes_from_state", "classes_to_state", "head_of", "take_features"]


class NamedFeatures:
    """Names of the features of a fitted estimator: those of its frame, or x0, x1, … without one."""

    n_features_in_: int

    @property
    def _features(self) -> list:
        names = getattr(self, "feature_names_in_", None)
        return [f"x{j}" for j in range(self.n_features_in_)] if names is None else list(names)


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
        return state["values"].astype(state["dtype"])
    return state if isinstance(state, np.ndarray) else np.array(state, dtype=object)


def take_features(estimator: Any, state: dict[str, Any]) -> None:
    """Set on a new estimator what `head_of` wrote of the features."""
    estimator.n_features_in_ = state["n_features_in_"]
    if state["feature_names_in_"] is not None:
        estimator.feature_names_in_ = np.array(state["feature_names_in_"], dtype=object)
    estimator._frame_library = state["frame_library"]
