"""A damaged, foreign or hostile file is refused with a reason, before it can cost memory, and never executed."""

import contextlib
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_files import STATE, forge, same

from intertwine.io import FORMAT_VERSION, load_state, save_state


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "model.safetensors"
    save_state(path, STATE)
    return path


class Bomb:
    """Unpickling this writes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.write_text, (Path(self.path), "executed")


def test_a_pickle_is_named_and_not_executed(tmp_path):
    marker, path = tmp_path / "executed", tmp_path / "model.pkl"
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        path.write_bytes(pickle.dumps(Bomb(marker), protocol))
        with pytest.raises(ValueError, match="looks like a pickle" if protocol >= 2 else "no model file"):
            load_state(path)
    assert not marker.exists()


def test_a_zip_with_a_member_outside_is_refused_and_not_unpacked(tmp_path):
    folder = tmp_path / "inner"
    folder.mkdir()
    with zipfile.ZipFile(folder / "model", "w") as archive:
        archive.writestr("../outside", "x")
    with pytest.raises(ValueError, match="it is a zip archive"):
        load_state(folder / "model")
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize("name", ["../outside", "/../outside", "coef_"])
def test_an_array_the_state_does_not_mention_is_refused(tmp_path, name):
    path = forge(tmp_path / "m", arrays={"/coef_": np.ones(3), name: np.ones(1)})
    with pytest.raises(ValueError, match="arrays that the state does not mention"):
        load_state(path)
    assert sorted(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\x10", "truncated"),
        (b"\x10" + bytes(7) + b"{}", "truncated"),
        (b"\xff" * 8 + b"{}", "claims a header of 18,446,744,073,709,551,615 bytes"),
        (b"time,event\n1,0\n", "claims a header"),
        (b"\x02" + bytes(7) + b"{}", "is no intertwine model file"),
        (b"\x02" + bytes(7) + b"[]", "not an object"),
        (b"\x04" + bytes(7) + b'{"a"', "header cannot be read"),
        (b"\x50\xc3" + bytes(6) + b"[" * 50_000, "header cannot be read"),
        (b"\x93NUMPY\x01\x00v\x00", "it is a numpy array"),
    ],
)
def test_what_is_no_model_file_is_refused(tmp_path, content, message):
    (tmp_path / "m").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load_state(tmp_path / "m")


def test_a_file_of_another_program_is_refused(tmp_path):
    safetensors.numpy.save_file({"weight": np.ones(3)}, tmp_path / "m")
    with pytest.raises(ValueError, match="is no intertwine model file"):
        load_state(tmp_path / "m")


def test_a_newer_format_is_refused_with_advice(tmp_path):
    with pytest.raises(ValueError, match="written by a newer intertwine: upgrade"):
        load_state(forge(tmp_path / "m", version=str(FORMAT_VERSION + 1)))


@pytest.mark.parametrize("version", ["-1", "1.0", "one", "²", "9" * 5000, ""])
def test_a_version_that_is_none_is_refused(tmp_path, version):
    with pytest.raises(ValueError, match="format version"):
        load_state(forge(tmp_path / "m", version=version))


def test_weights_that_are_not_finite_are_not_loaded(tmp_path):
    path = forge(tmp_path / "m", arrays={"/coef_": np.array([1.0, np.nan])})
    with pytest.raises(ValueError, match="NaN or infinite weights in coef_"):
        load_state(path)


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "nonsense",
        '{"a":NaN,"coef_":{"$array":"/coef_"}}',
        '{"a":{"$array":"/other"},"coef_":{"$array":"/coef_"}}',
        '{"a":{"$array":"/coef_"},"coef_":{"$array":"/coef_"}}',
        '{"a":{"$float":"__import__"},"coef_":{"$array":"/coef_"}}',
        '{"a":{"$tuple":1},"coef_":{"$array":"/coef_"}}',
        '{"a":{"$strings":["x"],"shape":[2],"dtype":"str"},"coef_":{"$array":"/coef_"}}',
        '{"a":{"$strings":[1],"shape":[1],"dtype":"str"},"coef_":{"$array":"/coef_"}}',
        '{"a":{"$strings":["x"],"shape":[1],"dtype":"V8"},"coef_":{"$array":"/coef_"}}',
        '{"a":{"$call":"os.system"},"coef_":{"$array":"/coef_"}}',
        '{"a":' + "[" * 50_000 + "]" * 50_000 + ',"coef_":{"$array":"/coef_"}}',
    ],
)
def test_a_state_that_makes_no_sense_is_refused(tmp_path, text):
    with pytest.raises(ValueError, match="state that cannot be read"):
        load_state(forge(tmp_path / "m", text=text))


HEADER_ONLY = '"__metadata__":{"format":"intertwine","format_version":"1","state":"{}","checksum":""}'


@pytest.mark.parametrize(
    "entry",
    [
        '"dtype":"F64","shape":[1000000000000],"data_offsets":[0,8000000000000]',
        '"dtype":"F64","shape":[1],"data_offsets":[8,16]',
        '"dtype":"F64","shape":[2],"data_offsets":[0,8]',
        '"dtype":"F64","shape":[1],"data_offsets":[0,8]},"b":{"dtype":"F64","shape":[1],"data_offsets":[0,8]',
        '"dtype":"F64","shape":[-1],"data_offsets":[0,8]',
        '"dtype":"F64","shape":[1.0],"data_offsets":[0,8]',
        '"dtype":"F64","shape":[true],"data_offsets":[0,8]',
        '"dtype":"F64","shape":1,"data_offsets":[0,8]',
        '"dtype":"F64","shape":[1],"data_offsets":"ab"',
        '"dtype":"OBJ","shape":[1],"data_offsets":[0,8]',
        '"dtype":["F64"],"shape":[1],"data_offsets":[0,8]',
        '"dtype":"F64","shape":[0,100000000000000000000],"data_offsets":[0,0]',
    ],
)
def test_claims_of_the_header_are_checked_before_anything_is_allocated(tmp_path, entry):
    header = f'{{{HEADER_ONLY},"a":{{{entry}}}}}'.encode()
    padding = b"" if entry.endswith("[0,0]") else bytes(8)
    (tmp_path / "m").write_bytes(len(header).to_bytes(8, "little") + header + padding)
    with pytest.raises(ValueError, match="truncated|does not describe its arrays|impossible shape"):
        load_state(tmp_path / "m")


def test_text_that_is_no_unicode_is_corrupt(tmp_path):
    header = b'{"__metadata__":{"format":"intertwine","format_version":"1","state":"\\ud800","checksum":""}}'
    (tmp_path / "m").write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(ValueError, match="m is corrupted: its checksum"):
        load_state(tmp_path / "m")


@pytest.mark.parametrize("lost", [1, 8, 100])
def test_a_truncated_file_says_so(saved, lost):
    saved.write_bytes(saved.read_bytes()[:-lost])
    with pytest.raises(ValueError, match="truncated"):
        load_state(saved)


def test_bytes_behind_the_end_are_refused(saved):
    saved.write_bytes(saved.read_bytes() + b"x")
    with pytest.raises(ValueError, match="1 bytes after the last array"):
        load_state(saved)


def test_one_flipped_bit_in_the_weights_is_seen(saved):
    content = bytearray(saved.read_bytes())
    content[-1] ^= 1
    saved.write_bytes(content)
    with pytest.raises(ValueError, match="checksum"):
        load_state(saved)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    damage=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4
    ),
    kept=st.sampled_from([1.0, 1.0, 1.0, 0.5, 0.9]),
)
def test_random_damage_is_refused_or_harmless(saved, damage, kept):
    """A blank of the header's padding may become another: such a file is still the same model."""
    save_state(saved, STATE)
    content = bytearray(saved.read_bytes())
    content = content[: int(kept * len(content))]
    for place, value in damage:
        content[int(place * len(content))] = value
    saved.write_bytes(content)
    with contextlib.suppress(ValueError):
        assert same(STATE, load_state(saved))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300))
def test_random_bytes_are_refused(tmp_path, content):
    (tmp_path / "m").write_bytes(content)
    with pytest.raises(ValueError, match="m (is|has)"):
        load_state(tmp_path / "m")


def test_the_length_of_a_header_does_not_make_it_a_pickle(tmp_path):
    path = tmp_path / "model"
    path.write_bytes((1408).to_bytes(8, "little") + b'{"a"')  # begins with 0x80 0x05, as pickles do
    with pytest.raises(ValueError, match="truncated"):
        load_state(path)
    path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(ValueError, match="looks like a pickle"):
        load_state(path)
