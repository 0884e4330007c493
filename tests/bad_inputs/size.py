"""What is too large is refused before it is allocated, with what to call instead; what is large is right."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest
from scipy import sparse

import intertwine.resources as resources
from bad_inputs.cases import free, quiet, refused_where_memory_is_short, same
from bad_inputs.columns import N_ROWS, Column, Given, fitted
from intertwine.effects import Spatial

_WIDE = 70_000  # features: their pairs are beyond int32


def _dense_pairs(column: Column) -> None:
    good = column.good(N_ROWS)
    with quiet():
        model = column.fit(good._replace(X=np.random.default_rng(0).normal(size=(N_ROWS, 20_000))))
    with (
        patch.object(resources, "available_memory", lambda: 2**30),
        pytest.raises(
            MemoryError, match=r"pairs of 20,?000 features needs 8\.94 GiB.*use top_interactions\(k\)"
        ),
    ):
        model.interaction_matrix()


def _at_distant_places(given: Given) -> Given:
    places = np.random.default_rng(0).uniform(size=(len(given.X), 2))
    return given.with_(groups=None, coords=places).set(effects=[Spatial("matern12", method="exact")])


def _last_pair_as_the_first(column: Column) -> None:
    good = column.good(N_ROWS)
    X = np.random.default_rng(0).normal(size=(N_ROWS, _WIDE))
    with quiet():
        last, first = column.fit(good._replace(X=X)), column.fit(good._replace(X=X[:, ::-1]))
    found = [
        model.interaction(*pair).estimate for model, pair in ((last, (_WIDE - 2, _WIDE - 1)), (first, (0, 1)))
    ]
    np.testing.assert_allclose(*found, rtol=1e-6)
    assert found[0] != 0.0


def _last_pair_is_found(column: Column) -> None:
    rng = np.random.default_rng(0)
    signs = rng.choice([-1.0, 1.0], (N_ROWS, 2))
    X = sparse.csr_array(
        (signs.ravel(), np.tile([_WIDE - 2, _WIDE - 1], N_ROWS), 2 * np.arange(N_ROWS + 1)), (N_ROWS, _WIDE)
    )
    product = signs.prod(axis=1)
    y = np.where(product > 0, "yes", "no") if column.has("classification") else product
    with quiet():
        model = column.fit(Given(X, y).set(max_iter=10))
    assert model.top_interactions(1)["term"][0] == f"x{_WIDE - 2} × x{_WIDE - 1}"


def _many_rows(column: Column) -> None:
    """A hundred thousand rows are answered as thirty are."""
    good, times = column.good(N_ROWS), 3_000 if column.has("ratings numbers") else 2_000
    beside = {name: np.tile(part, times) for name, part in good.beside.items()}
    if column.has("subjects"):  # visits of the same subjects would count again
        beside["subject"] = np.char.add(
            np.tile(good.beside["subject"], times), np.repeat(np.arange(times), N_ROWS).astype(str)
        )
    many = good._replace(X=np.tile(good.X, (times, 1)), beside=beside)
    with quiet():
        answer = column.answer(fitted(column), many)
        few = column.answer(
            fitted(column),
            many._replace(X=many.X[-N_ROWS:], beside={name: part[-N_ROWS:] for name, part in beside.items()}),
        )
    same([answer[-N_ROWS:]], [few], 1e-5)
    assert len(answer) == N_ROWS * times


SIZE = {
    "all pairs of p = 20,000 as a dense matrix": [free("all pairs", _dense_pairs, "pairs -FM")],
    "n = 10⁵ pairwise distances": [
        refused_where_memory_is_short(
            "between sites", 100_000, _at_distant_places, r"100,000 sites.* needs 373 GiB.*use Spatial\(method='nystrom'\) instead", "groups"
        ),
    ],
    "pair index beyond int32": [
        free("the last pair", _last_pair_as_the_first, "pairs dense"),
        free("the last pair is found", _last_pair_is_found, "sparse"),
    ],
    "huge predict": [free("many rows", _many_rows)],
}  # fmt: skip
