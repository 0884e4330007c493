"""Model files: damaged, foreign or hostile ones are refused before anything is allocated, and nothing is executed."""

from __future__ import annotations

import json
import os
import pickle
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from bad_inputs.cases import free, quiet
from bad_inputs.columns import Column, fitted
from intertwine import load
from intertwine.io import FORMAT_VERSION


@contextmanager
def saved(column: Column):
    """The file of a fitted model, in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        with quiet():
            fitted(column).save(path)
        yield path


def _refused(id: str, damage: Callable[[bytes], bytes], words: str, error: type[Exception] = ValueError):
    """A file with other bytes, that cannot be loaded."""

    def run(column: Column) -> None:
        with saved(column) as path:
            path.write_bytes(damage(path.read_bytes()))
            with pytest.raises(error, match=words):
                load(path)

    return free(id, run)


def _header(content: bytes) -> tuple[dict, bytes]:
    size = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + size]), content[8 + size :]


def _with_header(header: dict, arrays: bytes) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + arrays


def _of_format(version: int) -> Callable[[bytes], bytes]:
    def damage(content: bytes) -> bytes:
        header, arrays = _header(content)
        header["__metadata__"]["format_version"] = str(version)
        return _with_header(header, arrays)

    return damage


def _flipped(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


def _with_nan(content: bytes) -> bytes:
    """The largest array of floats filled with NaN; the checksum is that of the weights as they were."""
    header, arrays = _header(content)
    places = [
        part["data_offsets"]
        for name, part in header.items()
        if name != "__metadata__" and part["dtype"] == "F64"
    ]
    first, last = max(places, key=lambda place: place[1] - place[0])
    values = np.full((last - first) // 8, np.nan).tobytes()
    return _with_header(header, arrays[:first] + values + arrays[last:])


class _Bomb:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return Path.write_text, (Path(self.path), "executed")


def _pickle(column: Column) -> None:
    with saved(column) as path:
        marker = path.with_name("executed")
        path.write_bytes(pickle.dumps(_Bomb(str(marker))))
        with pytest.raises(ValueError, match="looks like a pickle"):
            load(path)
        assert not marker.exists()


def _member_outside(column: Column) -> None:
    with saved(column) as path:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("../outside", "x")
        with pytest.raises(ValueError, match="it is a zip archive"):
            load(path)
        assert not (path.parent.parent / "outside").exists()


def _absent(column: Column) -> None:
    with saved(column) as path:
        path.unlink()
        with pytest.raises(FileNotFoundError):
            load(path)
        with pytest.raises(FileNotFoundError):
            fitted(column).save(path / "deeper" / "model")


@contextmanager
def ordinary_user():
    """Root may write anywhere: step down for a moment where the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def _unwritable(column: Column) -> None:
    with saved(column) as path:
        before = path.read_bytes()
        path.parent.chmod(0o555)
        with ordinary_user(), pytest.raises(PermissionError):
            fitted(column).save(path)
        path.parent.chmod(0o755)
        assert path.read_bytes() == before


FILES = {
    "empty, truncated, corrupted, NaN weights": [
        _refused("empty", lambda content: b"", "is empty"),
        _refused("truncated", lambda content: content[:-8], "truncated"),
        _refused("truncated in the header", lambda content: content[:60], "truncated"),
        _refused("a bit flipped", _flipped, "checksum"),
        _refused("NaN weights", _with_nan, "checksum|NaN or infinite weights"),
    ],
    "pickle; newer format; `../` member; huge header": [
        free("pickle", _pickle),
        _refused("newer", _of_format(FORMAT_VERSION + 1), "written by a newer intertwine: upgrade"),
        free("`../`", _member_outside),
        _refused("huge header", lambda content: b"\xff" * 8 + content[8:], "claims a header of 18,446,744,"),
    ],
    "absent; unwritable": [free("absent", _absent), free("unwritable", _unwritable)],
}
