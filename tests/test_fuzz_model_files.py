"""Model files that somebody changed, with a checksum that is right: refused, or a model that answers.

The checksum tells damage (`test_io_damage.py`); behind it stand the layouts of `intertwine.io.layout`. Here
each family's files are changed as a hostile writer would: fields swapped, arrays of other shapes, types and codes,
numbers out of range.
"""

from __future__ import annotations

import numpy as np
import pytest
from damage import damaged
from fuzzing import examples, refusals
from hypothesis import given
from hypothesis import strategies as st
from quick_fits import quick_fits, saved

import intertwine
from intertwine.estimators.mixed_model.formula_design import FormulaDesign, formula_table
from intertwine.io import load_state, save_state
from intertwine.io.layout import floats, require_layout

FAMILIES = [
    "interactions, tied",
    "interactions, exact",
    "interactions, sparse tie",
    "interactions, two classes",
    "FM, ordered classes",
    "FM, AdaGrad classes",
    "local FM, adaptive",
    "factors, variational",
    "factors, side features",
    "mixed, slopes",
    "mixed, spatial",
    "PCA, gaps",
    "PCA, two effects",
    "VAE",
    "longitudinal, course",
]


@pytest.fixture
def state(request, tmp_path):
    path = tmp_path / "model"
    path.write_bytes(saved(request.param))
    return request.param, load_state(path)


@pytest.mark.parametrize("state", FAMILIES, indirect=True)
def test_a_changed_file_is_refused_or_a_model(state, tmp_path):
    name, whole = state
    quick, path = quick_fits()[name], tmp_path / "changed"

    @examples(60)
    @given(st.data())
    def changed(data):
        other = damaged(whole, lambda n: data.draw(st.integers(0, n - 1)))
        with refusals(TypeError):  # what no file can hold
            save_state(path, other, finite=False)
        with refusals():
            model = intertwine.load(path)
            if type(model) is type(quick.estimator):
                quick.answers(model)

    changed()


@pytest.mark.parametrize("state", ["mixed, slopes"], indirect=True)
def test_codes_beyond_their_levels_never_reach_a_kernel(state, tmp_path):
    """These were written outside of their arrays."""
    _, whole = state
    whole["effects"][0]["fields"]["slopes"] = ()
    save_state(tmp_path / "changed", whole)
    with pytest.raises(ValueError, match=r"the variances of 1 functions, .* have shape \(1, 2, 2\)"):
        intertwine.load(tmp_path / "changed")
    whole["effects"][0]["fields"]["slopes"] = (0,)
    whole["effect_rows"]["groups"][0][1][3] = 10**6
    save_state(tmp_path / "changed", whole)
    with pytest.raises(ValueError, match="holds the code 1000000, but has 10 levels"):
        intertwine.load(tmp_path / "changed")


@pytest.mark.parametrize("state", ["interactions, tied"], indirect=True)
def test_what_is_wrong_is_said_with_its_place(state, tmp_path):
    _, whole = state
    for place, value, words in (
        (("models", 0, "main"), np.zeros(7), r"models/0/main has shape \(7,\), expected \(c,\) with c = 4"),
        (("class",), ["InteractionRegressor"], "does not know"),
        (("params", "alpha"), -1.0, "'alpha' parameter of InteractionRegressor must be"),
        (("params", "colour"), 1, "InteractionRegressor has no parameter 'colour'"),
        (("models", 0, "diagnostics"), {}, "models/0/diagnostics lacks the field 'solver'"),
    ):
        changed = holder = {**whole, "params": dict(whole["params"]), "models": [dict(whole["models"][0])]}
        for key in place[:-1]:
            holder = holder[key]
        holder[place[-1]] = value
        save_state(tmp_path / "changed", changed)
        with pytest.raises(ValueError, match=words):
            intertwine.load(tmp_path / "changed")


FORMULA_PARTS = [
    "x",
    "log",
    "np.exp",
    "center",
    "bs",
    "__init__",
    "__globals__",
    "clear",
    "g",
    "1",
    "2",
    "'a'",
]
FORMULA_SIGNS = ["(", ")", "+", "*", ":", "|", "~", ".", ",", "[", "]", "{", "}", "`", " ", "-", "/", "="]


@examples(120)
@given(st.lists(st.sampled_from(FORMULA_PARTS + FORMULA_SIGNS), max_size=12).map("".join))
def test_a_formula_is_read_or_refused(formula):
    """It may come from a file."""
    pytest.importorskip("formulae")
    import formulae.transforms
    import pandas as pd

    known = set(vars(formulae.transforms))
    table = formula_table(pd.DataFrame({"x": np.arange(9.0), "g": list("abc") * 3}))
    with refusals(np.linalg.LinAlgError):
        FormulaDesign(formula, table)
    assert set(vars(formulae.transforms)) == known


def test_numbers_of_half_precision_are_refused():
    require_layout({"weights": np.zeros(3, dtype=np.float32)}, {"weights": floats(3)})
    with pytest.raises(ValueError, match="weights is float16, expected an array of float32 or float64"):
        require_layout({"weights": np.zeros(3, dtype=np.float16)}, {"weights": floats(3)})
