"""A state that is saved comes back to the bit, from files of older versions too; what a file cannot hold is named."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from model_files import STATE, forge, same

from intertwine.io import FORMAT_VERSION, load_state, model_file, save_state


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "model.safetensors"
    save_state(path, STATE)
    return path


def test_a_state_comes_back_to_the_bit(saved):
    loaded = load_state(saved)
    assert same(STATE, loaded)
    coef = loaded["fitted"]["coef_"]
    assert coef.flags.writeable
    assert coef.flags.aligned
    assert coef.flags.owndata  # a view would keep the whole file in memory


dtypes = st.sampled_from(
    [np.bool_, np.int8, np.uint16, np.int32, np.int64, np.uint64, np.float16, np.float32, float]
)
arrays = dtypes.flatmap(
    lambda dtype: hnp.arrays(
        dtype,
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
        elements=(
            {"allow_nan": False, "allow_infinity": False} if np.issubdtype(dtype, np.floating) else None
        ),
    )
)
texts = hnp.arrays(st.sampled_from([object]), hnp.array_shapes(max_dims=2), elements=st.text(max_size=5))
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
keys = st.text(max_size=4).filter(lambda key: not key.startswith("$"))
values = st.recursive(
    scalars | arrays | texts,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(keys, inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(state=st.dictionaries(keys, values, max_size=4))
def test_every_state_comes_back(state):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model")
        save_state(path, state)
        assert same(state, load_state(path))


def test_layouts_and_numpy_scalars_are_normalised(tmp_path):
    wide = np.arange(12.0).reshape(3, 4)
    save_state(
        tmp_path / "m",
        {
            "fortran": np.asfortranarray(wide),
            "every_other": wide[:, ::2],
            "big_endian": wide.astype(">f4"),
            "text": np.array([["ab"], ["c"]]),
            "with/slash": np.zeros(1),
            "with~1slash": np.ones(1),
            "lone surrogate": "\ud800",
            "alpha": np.float64(0.1),
            "flag": np.bool_(True),
        },
    )
    state = load_state(tmp_path / "m")
    np.testing.assert_array_equal(state["fortran"], wide)
    np.testing.assert_array_equal(state["every_other"], wide[:, ::2])
    np.testing.assert_array_equal(state["big_endian"], wide.astype(np.float32), strict=True)
    np.testing.assert_array_equal(state["text"], [["ab"], ["c"]])
    assert (state["with/slash"], state["with~1slash"]) == (0.0, 1.0)
    assert state["lone surrogate"] == "\ud800"
    assert state["alpha"] == 0.1
    assert state["flag"] is True


def test_other_tools_can_open_the_file(saved):
    tensors = safetensors.numpy.load_file(saved)
    np.testing.assert_array_equal(tensors["/fitted/coef_"], STATE["fitted"]["coef_"])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_not_saved(tmp_path, bad):
    with pytest.raises(ValueError, match="fitted/coef_ holds NaN or infinity"):
        save_state(tmp_path / "m", {"fitted": {"coef_": np.array([1.0, bad])}})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (object(), r"cannot save a object \(at /params/value\)"),
        (np.random.RandomState(0), "cannot save a RandomState"),
        (1j, "cannot save a complex"),
        (np.array([1j]), "cannot save an array of complex128"),
        (np.array([1], dtype=object), "Python objects other than str"),
        (np.array(["2020-01-01"], dtype="datetime64[D]"), "cannot save an array of datetime64"),
        ({1: 2}, "keys of a state are strings"),
        ({"$array": "/x"}, "is reserved"),
    ],
)
def test_what_a_file_cannot_hold_is_named_with_its_place(tmp_path, value, message):
    with pytest.raises(TypeError, match=message):
        save_state(tmp_path / "m", {"params": {"value": value}})
    assert not list(tmp_path.iterdir())


def test_a_file_of_version_0_still_loads(tmp_path):
    text = '{"estimator":"InteractionRegressor","coef_":{"$array":"/coef_"}}'
    state = load_state(forge(tmp_path / "m", version="0", text=text))
    assert list(state) == ["class", "coef_"]
    assert state["class"] == "InteractionRegressor"
    np.testing.assert_array_equal(state["coef_"], np.ones(3))


def test_there_is_an_upgrade_from_every_older_version():
    assert sorted(model_file._UPGRADES) == list(range(FORMAT_VERSION))
