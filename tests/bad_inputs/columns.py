"""The columns of the table: every public estimator, small and quick, with good input and what it can be asked.

A column says by its traits which rows are for it:

``numbers``     X is a matrix of numbers (else: ids)
``complete``    ... without gaps; the others take NaN for what was not observed
``dense``, ``sparse``   whether X may be a sparse matrix
``regression``, ``classification``, ``survival``, ``ratings``   what y is; ``target`` where there is one
``weights``     fit takes sample_weight
``pairs``       it has a coefficient for every pair of features
``penalty``     ... and a penalty that can be zero
``FM``, ``LocalFM``   factorization machines, and blends of them
``groups``      fit takes groups, time and coords
``subjects``    fit takes subjects, time and covariates
``search``      it tries many settings
``networks``    it compiles networks, for seconds: what is read is looked at before that
``checkpoint``  a fit can be resumed
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import pandas as pd
from sklearn.base import clone

import intertwine
from intertwine import survival_target

N_ROWS = 30
NAMES = ["age", "dose", "bmi"]


class Given(NamedTuple):
    """What is handed to an estimator: X, y, what stands beside them, and settings."""

    X: Any
    y: Any = None
    beside: dict[str, Any] = {}  # noqa: RUF012 - never written to
    params: dict[str, Any] = {}  # noqa: RUF012

    def with_(self, **beside: Any) -> Given:
        """Further arguments beside X."""
        return self._replace(beside={**self.beside, **beside})

    def set(self, **params: Any) -> Given:
        """Other settings of the estimator."""
        return self._replace(params={**self.params, **params})


class Stopped(BaseException):
    """A fit got as far as its work: all input had been read."""


class Column(NamedTuple):
    """An estimator of the table.

    Attributes
    ----------
    estimator : estimator
        Unfitted.
    traits : frozenset of str
    good : function of the number of rows
        Good input.
    work : str
        The function in which a fit does its work, when all has been read: its module and name.
    ask : str
        The method that answers rows.
    """

    estimator: Any
    traits: frozenset[str]
    good: Callable[[int], Given]
    work: str
    ask: str = "predict"

    @property
    def name(self) -> str:
        return type(self.estimator).__name__

    def has(self, traits: str) -> bool:
        """Whether it has all of some traits, and none of those that are marked with a dash."""
        return all((t[1:] not in self.traits) if t[:1] == "-" else (t in self.traits) for t in traits.split())

    def model(self, given: Given) -> Any:
        """Unfitted, with the settings."""
        return clone(self.estimator).set_params(**given.params)

    def fit(self, given: Given, model: Any = None) -> Any:
        model = self.model(given) if model is None else model
        return model.fit(given.X, given.y, **given.beside)

    def answer(self, model: Any, given: Given) -> np.ndarray:
        """What a fitted model says of rows."""
        known = ("groups", "time", "coords", "covariates", "subject")
        beside = {name: part for name, part in given.beside.items() if name in known}
        return np.asarray(getattr(model, self.ask)(given.X, **beside))

    def result(self, given: Given) -> list[np.ndarray]:
        """What a fit comes to; of networks what they would be trained with."""
        if not self.has("networks"):
            return [self.answer(self.fit(given), self.good(N_ROWS))]
        with self.stopped() as seen, contextlib.suppress(Stopped):
            self.fit(given)
        return list(_arrays_of(seen[0]))

    @contextlib.contextmanager
    def stopped(self, error: BaseException | None = None) -> Iterator[list[Any]]:
        """Stop fits where they would start to work."""
        module, name = self.work.split(":")
        owner, seen = importlib.import_module(module), []
        if "." in name:
            name, attribute = name.split(".")
            owner, name = getattr(owner, name), attribute

        def stop(*arguments: Any, **keywords: Any) -> Any:
            seen.append((arguments, keywords))
            raise error if error is not None else Stopped

        with patch.object(owner, name, stop):
            yield seen


def _arrays_of(value: Any) -> Iterator[np.ndarray]:
    """All arrays in what a function was called with."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _arrays_of(part)
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _arrays_of(part)
    elif type(value).__module__.startswith("intertwine.") and hasattr(value, "__dict__"):
        yield from _arrays_of(vars(value))


@cache
def fitted(column: Column) -> Any:
    """A model fitted to good input: once, for all that is asked later."""
    return column.fit(column.good(N_ROWS))


@cache
def fitted_to_frame(column: Column) -> Any:
    """A model that knows the names of its columns."""
    return column.fit(in_frame(column, column.good(N_ROWS)))


def in_frame(column: Column, given: Given) -> Given:
    """The same rows as a frame."""
    return given._replace(X=pd.DataFrame(given.X, columns=names_of(column)))


def names_of(column: Column) -> list[str]:
    return ["user", "item"] if column.has("ratings") else NAMES


def features(n_rows: int = N_ROWS, n_features: int = 3) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(n_rows, n_features))


def _regression(n: int) -> Given:
    return Given(features(n), np.random.default_rng(1).normal(size=n))


def _classification(n: int) -> Given:
    return Given(features(n), np.array(["no", "yes"])[np.arange(n) % 2])


def _survival(n: int) -> Given:
    time, event = np.random.default_rng(1).exponential(size=n), np.arange(n) % 3 > 0
    return Given(features(n), survival_target(time, event) if n > 1 else np.zeros(n, "f8,?"))


def _ratings(n: int) -> Given:
    pairs = np.column_stack(np.divmod(np.arange(n), 5)) + 1
    return Given(pairs, np.random.default_rng(1).integers(1, 6, n).astype(float))


def _groups_of(n: int) -> np.ndarray:
    return np.array(["ann", "bob", "cleo", "dan", "eve", "fay"])[np.arange(n) % 6]


def _grouped_outcome(n: int) -> Given:
    given = _regression(n)
    return given._replace(y=given.y + np.arange(n) % 6).with_(groups=_groups_of(n))


def _grouped_rows(n: int) -> Given:
    return Given(features(n) + np.arange(n)[:, None] % 6).with_(groups=_groups_of(n))


def _visits(n: int) -> Given:
    return Given(features(n) + np.arange(n)[:, None] % 6).with_(subject=_groups_of(n), time=np.arange(n) // 6)


_SEARCH = {
    "scalings": ("features",),
    "n_knots": (0,),
    "relevances": (0.0,),
    "squares": (False,),
    "latents": (),
    "cv": 2,
}
_NET = {"hidden_layer_sizes": (2,), "max_iter": 1, "random_state": 0}
_QUICK: dict[str, dict[str, Any]] = {
    "FM": {"n_components": 1, "solver": "als", "random_state": 0},
    "LocalFM": {"n_anchors": 2, "n_components": 1, "alpha": 0.1, "random_state": 0},
}
_TARGETS = {"Regressor": "regression", "Classifier": "classification", "CoxPH": "survival"}
_GOOD = {"regression": _regression, "classification": _classification, "survival": _survival}


def _column(name: str, traits: str, work: str, good: Any, ask: str = "predict", **params: Any) -> Column:
    """A column; every public estimator must have one."""
    estimator = getattr(intertwine, name)(**params)
    return Column(estimator, frozenset(traits.split()), good, work, ask)


def _of_three_targets(suffix: str, traits: str, work: str, **params: Any) -> list[Column]:
    return [
        _column(f"Interaction{kind}{suffix}", f"{traits} {target}", work, _GOOD[target], **params)
        for kind, target in _TARGETS.items()
    ]


def _of_two_targets(family: str, traits: str, work: str) -> list[Column]:
    return [
        _column(f"{family}{kind}", f"{traits} {target}", work, _GOOD[target], **_QUICK[family])
        for kind, target in _TARGETS.items()
        if kind != "CoxPH"
    ]


_TABLE = "numbers complete target weights"
_ESTIMATORS = "intertwine.estimators"

COLUMNS: list[Column] = [
    *_of_three_targets(
        "",
        f"{_TABLE} dense pairs penalty checkpoint",
        f"{_ESTIMATORS}.interactions.base:fit_exact",
        latent=None,
    ),
    *_of_three_targets(
        "CV",
        f"{_TABLE} dense pairs search checkpoint",
        f"{_ESTIMATORS}.interactions.cv_base:select",
        **_SEARCH,
    ),
    *_of_two_targets("FM", f"{_TABLE} FM sparse pairs checkpoint", f"{_ESTIMATORS}.fm.base:_guarded"),
    *_of_two_targets(
        "LocalFM", f"{_TABLE} LocalFM sparse checkpoint", f"{_ESTIMATORS}.local_fm.base:fit_local_fm"
    ),
    _column(
        "LatentFactorModel",
        "ratings target weights checkpoint",
        f"{_ESTIMATORS}.latent_factors.model:require_factor_memory",
        _ratings,
        n_components=1,
        solver="als",
        random_state=0,
    ),
    _column(
        "MixedModel",
        f"{_TABLE} dense regression groups penalty",
        f"{_ESTIMATORS}.mixed_model.model:fit_mixed_model",
        _grouped_outcome,
    ),
    _column(
        "RandomEffectsPCA",
        "numbers gaps dense groups checkpoint",
        f"{_ESTIMATORS}.random_effects.pca:fit_random_effects_pca",
        _grouped_rows,
        "transform",
        n_components=1,
    ),
    _column(
        "RandomEffectsVAE",
        "numbers gaps dense groups networks checkpoint",
        "intertwine.fitting.random_effects.vae:fit_vae",
        _grouped_rows,
        "transform",
        n_components=1,
        n_init=1,
        refine=False,
        **_NET,
    ),
    _column(
        "LongitudinalVAE",
        "numbers gaps dense subjects networks checkpoint",
        "intertwine.fitting.longitudinal.fit:fit_longitudinal_vae",
        _visits,
        "transform",
        n_components=1,
        warm_up=1,
        decoder_iter=1,
        **_NET,
    ),
]
