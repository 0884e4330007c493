"""Hyperparameters: refused at fit and never in the constructor; fits that diverge, or stop too early."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import HasMethods, Interval, InvalidParameterError, StrOptions

from bad_inputs.cases import accepted, both, free, refused, settings, trained, warned, y
from bad_inputs.columns import N_ROWS, Column

_OTHERS: dict[type, list[Any]] = {StrOptions: ["nonsense", 5], HasMethods: [5]}
_NAMED: dict[str, list[Any]] = {
    "boolean": ["yes", 2],
    "random_state": ["a", -1],
    "verbose": ["yes", -1],
    "array-like": ["x", 5],
    "cv_object": ["five", 0.5],
}
_LINEAR = "FM", "LatentFactorModel"  # without factors they are linear models


def _wrong(column: Column) -> Iterator[tuple[str, Any]]:
    """Every parameter with values that it must not take, by the kinds that it may have."""
    for name, kinds in type(column.estimator)._parameter_constraints.items():
        if any(isinstance(kind, Interval) for kind in kinds):
            whole = all(kind.type is Integral for kind in kinds if isinstance(kind, Interval))
            yield from ((name, value) for value in (-1, np.nan, *([2.5] if whole else [])))
            yield from [] if str in kinds else [(name, "1")]
            largest = [kind.right for kind in kinds if isinstance(kind, Interval)]
            yield from [] if None in largest else [(name, max(largest) + 1)]
        elif Integral in kinds:
            yield from ((name, value) for value in (1.5, "all"))
        elif str in kinds or (
            "array-like" in kinds and any(isinstance(kind, StrOptions) or kind is str for kind in kinds)
        ):
            yield name, 5
        else:
            for kind in kinds[:1]:
                values = _NAMED[kind] if isinstance(kind, str) else _OTHERS.get(type(kind), [5])
                yield from ((name, value) for value in values)


def _refused_at_fit(column: Column) -> None:
    good = column.good(N_ROWS)
    for name, value in _wrong(column):
        model = column.model(good.set(**{name: value}))  # no word yet
        with (
            column.stopped(),
            pytest.raises(InvalidParameterError, match=f"'{name}' parameter of .* must be"),
        ):
            column.fit(good, model)
        assert not hasattr(model, "n_features_in_")


def _rank_zero(column: Column) -> None:
    kinds = type(column.estimator)._parameter_constraints.get("n_components", ())
    if not kinds:  # MixedModel
        return
    fewest = min(kind.left for kind in kinds if isinstance(kind, Interval))
    assert fewest == (0 if column.name.startswith(_LINEAR) else 1)
    with column.stopped(), pytest.raises(InvalidParameterError, match="'n_components'"):
        column.fit(column.good(N_ROWS).set(n_components=fewest - 1))


def _unknown(column: Column) -> None:
    with pytest.raises(ValueError, match=r"(?s)Invalid parameter 'aplha'.*Valid parameters are: \["):
        column.model(column.good(N_ROWS)).set_params(aplha=1)


def _networks_not_settled(column: Column) -> None:
    with pytest.warns(
        ConvergenceWarning,
        match=r"stopped after \d+ (epochs?|iterations?) before it had settled; raise max_iter",
    ):
        column.fit(column.good(N_ROWS))


def _not_settled(id: str, words: str, to: str, **how: Any):
    return warned(id, settings(**how), words, to, ConvergenceWarning)


_STEPS = {"learning_rate": 1e200}
_LATENT = {"latent": "low_rank", "n_init": 1, "max_iter": 1}

HYPERPARAMETERS = {
    "−1, NaN, '1', rank 0 or 2.5": [
        free("every parameter", _refused_at_fit),
        free("rank", _rank_zero, "-search"),
    ],
    "random_state 'a'; unknown set_params": [
        refused("random_state", settings(random_state="a"), InvalidParameterError, "'random_state' parameter", ""),
        free("unknown", _unknown),
    ],
    "divergence": [
        trained("adagrad", settings(solver="adagrad", **_STEPS), r"overflow at epoch \d+; lower learning_rate", "FM"),
        trained("adam", settings(solver="adam", **_STEPS), r"overflow at epoch \d+; lower learning_rate", "LocalFM"),
        trained("sgd", settings(solver="sgd", **_STEPS), r"overflow.*lower learning_rate", "ratings"),
        trained("networks", settings(learning_rate=1e25, max_iter=3), "lower learning_rate", "networks"),
    ],
    "max_iter reached": [
        _not_settled("latent search", r"stopped after 1 iteration with optimality .*; raise max_iter", "penalty -groups", **_LATENT),
        _not_settled("sweeps", "stopped after max_iter=1 sweeps .*raise max_iter", "FM", max_iter=1, tol=0.0),
        _not_settled("descent", r"stopped after 1 iteration with optimality .*raise max_iter", "LocalFM", max_iter=1, alpha=1e-5),
        _not_settled("ratings", "'als' stopped after 1 iteration .*raise max_iter", "ratings", max_iter=1),
        _not_settled("variances", "stopped after 1 iteration, with .* still to be gained.*raise max_iter", "groups target", max_iter=1),
        free("networks", _networks_not_settled, "networks"),
        _not_settled("EM", r"stopped after \d iterations .*raise max_iter", "groups gaps -networks", max_iter=1),
    ],
    "validation part too small": [
        trained("adagrad", settings(solver="adagrad", validation_fraction=0.001), "validation part has 0 rows; raise validation_fraction", "FM"),
        trained("nothing left", settings(solver="adagrad", validation_fraction=0.9999), "leaves no rows to fit.*lower it", "FM"),
        accepted("one rating at least", settings(solver="gauss_newton", validation_fraction=0.001), "ratings"),
        trained("subjects", settings(validation_fraction=0.01), r"validation_fraction=0\.01 of 6 subjects", "subjects"),
        trained("folds", both(settings(cv=40)), "Cannot have number of splits n_splits=40|n_splits", "search"),
        trained("folds of classes", both(settings(cv=3), y(["no"] + ["yes"] * 29)), r"two rows of every class.*\['no'\]", "search classification"),
    ],
}  # fmt: skip
