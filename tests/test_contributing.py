"""The recipes of CONTRIBUTING.md: their code is run, and what it builds is held to the laws of its kind."""

import inspect
import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import test_effects
import test_latent_targets
import test_losses
from dense_mixed_model import DenseSystem, assert_same_posterior, random_variances

import intertwine
import intertwine.effects
import intertwine.losses
from intertwine.effects.random import EffectRows, GroupCodes
from intertwine.mixed_effects.choose import system_for
from intertwine.structures import registry

TEXT = (Path(__file__).resolve().parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
RECIPES = dict(re.findall(r"in `(\w+(?:/\w+)+\.py)`:\n\n```python\n(.*?)```", TEXT, flags=re.DOTALL))
LINES = dict(re.findall(r'^"([\w -]+)": (.*),(?:  # .*)?$', TEXT, flags=re.MULTILINE))


@pytest.fixture
def cook(monkeypatch):
    """Run a recipe as the module it says it is."""

    def run(where):
        name = "intertwine." + where.removesuffix(".py").replace("/", ".")
        module = types.ModuleType(name)
        module.__package__ = name.rpartition(".")[0]
        monkeypatch.setitem(sys.modules, name, module)
        exec(compile(RECIPES[where], where, "exec"), module.__dict__)
        return module

    return run


def hold_to_laws(tests, table):
    """Call every law of a module of tests that runs over all of a table and asks for nothing but a name and a seed."""
    held = 0
    for law in [value for title, value in vars(tests).items() if title.startswith("test_")]:
        marks = getattr(law, "pytestmark", [])
        asked = set(inspect.signature(law).parameters)
        if any(mark.args[1] is table for mark in marks) and asked <= {"name", "seed"}:
            law(**({"name": "recipe", "seed": 0} if "seed" in asked else {"name": "recipe"}))
            held += 1
    return held


def test_a_loss(cook, monkeypatch):
    module = cook("losses/pseudo_huber.py")
    monkeypatch.setitem(test_losses.LOSSES, "recipe", eval(LINES["pseudo-Huber"], module.__dict__))
    assert hold_to_laws(test_losses, test_losses.LOSSES) >= 10


def test_a_loss_takes_less_than_thirty_lines():
    assert len(RECIPES["losses/pseudo_huber.py"].splitlines()) < 30


def test_an_effect(cook, monkeypatch):
    module = cook("effects/own_squares.py")
    monkeypatch.setitem(test_effects.EFFECTS, "recipe", eval(LINES["own squares"], module.__dict__))
    assert hold_to_laws(test_effects, test_effects.EFFECTS) >= 3


def test_a_random_effect(cook, monkeypatch, tmp_path):
    module = cook("effects/seasonal.py")
    monkeypatch.setitem(intertwine.effects._MODULES, "Seasonal", "seasonal")
    monkeypatch.setattr(intertwine.effects, "__all__", list(intertwine.effects._MODULES))
    assert "Seasonal" in TEXT.split("`_MODULES` of `effects/__init__.py`")[0]
    rng = np.random.default_rng(0)
    town, time = np.repeat(np.arange(12), 20), rng.uniform(0, 36, 240)
    effect = module.Seasonal("town", period=12)
    rows = EffectRows(240, {"town": GroupCodes(town, 12)}, time)
    bound, fixed = effect.bind(rows), np.ones((240, 1))
    y, variances = rng.standard_normal((240, 2)), random_variances(rng, (3,), 2)
    got, expected = (
        make([bound], None, fixed, None, 2).posterior(y, variances) for make in (system_for, DenseSystem)
    )
    assert_same_posterior(got, expected, 1)
    new = EffectRows(2, {"town": GroupCodes(np.array([3, -1]), 12)}, np.array([1.0, 2.0]))
    here, there = (one.locate(new, np.empty(0)) for one in (bound, effect.restore(bound.state())))
    assert here.level.tolist() == there.level.tolist() == [3, 12]
    np.testing.assert_array_equal(here.basis, there.basis)
    sizes = [1.0, 3.0, 0.5] * rng.standard_normal((12, 3))
    outcome = np.sum(bound.basis * sizes[town], axis=1) + 0.5 * rng.standard_normal(240)
    model = intertwine.MixedModel([effect]).fit(None, outcome, groups={"town": town}, time=time)
    found = model.variance_components_.set_index(["term", "other_term"])["sd"]
    assert found["cosine", "cosine"] > 3 * found["sine", "sine"]
    model.save(tmp_path / "model")
    given = {"groups": {"town": town}, "time": time}
    loaded = intertwine.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict(None, **given), model.predict(None, **given))


def test_a_structure(cook, monkeypatch):
    module = cook("structures/additive.py")
    target = eval(LINES["additive"], vars(test_latent_targets) | {"Additive": module.Additive})
    monkeypatch.setattr(
        test_latent_targets, "_pair_formula", lambda target, a: lambda j, k: float(a[j] + a[k])
    )
    tables = (test_latent_targets.PAIR_TARGETS, test_latent_targets.ALL_TARGETS)
    for table in tables:
        monkeypatch.setitem(table, "recipe", target)
    monkeypatch.setitem(registry._BUILDERS, "additive", module.Additive)
    assert sum(hold_to_laws(test_latent_targets, table) for table in tables) >= 3
    assert registry.rebuild(target.signature(), target.n_features).size == target.size


def test_an_estimator(cook, monkeypatch, tmp_path):
    loss = cook("losses/pseudo_huber.py").PseudoHuberLoss
    monkeypatch.setattr(intertwine.losses, "PseudoHuberLoss", loss, raising=False)
    made = cook("estimators/interactions/robust.py").InteractionRobustRegressor
    monkeypatch.setitem(intertwine._ESTIMATORS, made.__name__, made.__module__)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((150, 5))
    y = X[:, 1] * X[:, 2] + 0.3 * rng.standard_t(1.5, 150)
    model = made(alpha=0.05, latent=None).fit(X, y)
    assert model.top_interactions(1)["term"][0] == "x1 × x2"
    assert model.bootstrap_interactions(5, 1)["rank_stability"][0] == 1.0
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(intertwine.load(tmp_path / "model").predict(X), model.predict(X))


def test_what_is_named_is_there():
    """Files that the table of registries points to, and the tables in them."""
    root = Path(__file__).resolve().parents[1]
    named = re.findall(
        r"`(\w+)`, `(tests/\w+\.py|intertwine/__init__\.py|reproduce/run\.py|docs/build\.py)`", TEXT
    )
    assert len(named) >= 7
    for registry_name, path in named:
        folder = root / "src" / "intertwine" if path.startswith("reproduce") else root
        folder = root / "src" if path.startswith("intertwine/") else folder
        assert re.search(
            rf"^{registry_name}\b", (folder / path).read_text(encoding="utf-8"), flags=re.MULTILINE
        )
