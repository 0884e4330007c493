"""Run where the wheel alone is installed: families that need no extra work, the others say which they need."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import intertwine

HEAVY = ("jax", "matplotlib", "pandas", "sklearn.linear_model", "numba")
SLOWEST_IMPORT = 0.5  # seconds


def fitted_models():
    """One model of each family that needs no extra, rows to predict, and their groups where it asks for them."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 4))
    f = X[:, 0] + X[:, 1] * X[:, 2]
    y = f + 0.1 * rng.standard_normal(60)
    town = np.arange(60) % 6
    survival = intertwine.survival_target(rng.exponential(np.exp(-f)), np.arange(60) % 4 > 0)
    yield intertwine.InteractionRegressor(n_init=1, random_state=0).fit(X, y), X, {}
    yield intertwine.InteractionClassifier(latent=None).fit(X, np.where(f > 0, "ill", "well")), X, {}
    yield intertwine.InteractionCoxPH(latent=None).fit(X, survival), X, {}
    yield intertwine.FMRegressor(random_state=0).fit(X, y), X, {}
    yield intertwine.LocalFMRegressor(random_state=0).fit(X, y), X, {}
    pairs = np.column_stack([np.arange(60) % 7, np.arange(60) % 9])
    yield intertwine.LatentFactorModel(n_components=2, random_state=0).fit(pairs, y), pairs, {}
    yield intertwine.MixedModel().fit(X, y, groups=town), X, {"groups": town}
    yield intertwine.RandomEffectsPCA(n_components=2, random_state=0).fit(X, groups=town), X, {"groups": town}


def answer(model, X, keys):
    """What a model says of rows."""
    return model.predict(X, **keys) if hasattr(model, "predict") else model.transform(X, **keys)


def main() -> None:
    """Check, and print what was found."""
    program = (
        "import sys, time; start = time.perf_counter(); import intertwine; "
        f"print(time.perf_counter() - start, *[name for name in {HEAVY} if name in sys.modules])"
    )
    took = []
    for _ in range(5):
        seconds, *loaded = subprocess.check_output([sys.executable, "-c", program], text=True).split()
        assert not loaded, f"import intertwine loads {loaded}"
        took.append(float(seconds))
    print(f"import intertwine: {min(took):.3f} s, median of five {sorted(took)[2]:.3f} s")
    assert min(took) < SLOWEST_IMPORT, took
    with tempfile.TemporaryDirectory() as folder:
        for model, X, keys in fitted_models():
            start = time.perf_counter()
            path = Path(folder, "model.intertwine")
            model.save(path)
            again = intertwine.load(path)
            assert type(again) is type(model)
            np.testing.assert_array_equal(answer(again, X, keys), answer(model, X, keys))
            print(
                f"{type(model).__name__}: fitted, predicted, saved, loaded ({time.perf_counter() - start:.2f} s)"
            )
    X = np.random.default_rng(0).standard_normal((20, 3))
    for name, ids in {"RandomEffectsVAE": "groups", "LongitudinalVAE": "subject"}.items():
        keys = {ids: np.arange(20) % 5} | ({"time": np.arange(20.0)} if ids == "subject" else {})
        try:
            getattr(intertwine, name)().fit(X, **keys)
        except ImportError as error:
            said = str(error)
        else:
            said = "it fitted without JAX: the environment has more than the wheel"
        assert "intertwine[deep]" in said, said
        print(f"{name}: {said}")


if __name__ == "__main__":
    main()
