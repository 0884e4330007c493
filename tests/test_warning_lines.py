"""Warnings of models with random effects point at the user's line."""

from __future__ import annotations

import warnings

import numpy as np

from intertwine import MixedModel, RandomEffectsPCA
from intertwine.effects import AR1, Grouped, Spatial


def rows():
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(20), 6)
    X = rng.standard_normal((120, 2))
    return X, X[:, 0] + rng.standard_normal(20)[codes] + rng.standard_normal(120), codes


def test_warnings_name_the_line_of_the_caller():
    X, y, groups = rows()
    with_constant = np.c_[X, np.ones(120)]
    steps = np.arange(120) % 6 // 2
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = MixedModel(Grouped(), max_iter=1).fit(X, y, groups=groups, time=steps)
        model.predict(X[:1], groups=[99])
        MixedModel(Grouped()).fit(
            with_constant, X[:, 0] - y, groups=np.random.default_rng(1).permutation(groups)
        )
        MixedModel(AR1()).fit(X, y, groups=groups, time=steps)
        MixedModel(Spatial()).fit(X, y, coords=np.c_[groups % 2, np.zeros(120)])
        MixedModel([]).fit(X[:3], y[:3])
        latent = RandomEffectsPCA(1, max_iter=1).fit(with_constant, groups=groups)
        latent.transform(with_constant, groups=np.full(120, 99))
    said = [str(warning.message) for warning in caught]
    assert {warning.filename for warning in caught} == {__file__}
    for words in ("no effect reads it", "1 iteration", "1 row has levels", "X is constant in"):
        assert any(words in one for one in said), words
    for words in (
        "boundary fit",
        "repeat",
        "standard errors mean nothing",
        "nothing to explain",
        "before it had",
    ):
        assert any(words in one for one in said), words
