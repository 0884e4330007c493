"""Model files: one safetensors file for the arrays, with the rest of the state as JSON in its header.

The layout is safetensors' own, so other tools can look inside: eight bytes with the length of the header,
the header (JSON: type, shape and place of every array, and ``__metadata__``), the arrays' bytes. Our
``__metadata__`` holds

==================  ==================================================================================
``format``          always ``"intertwine"``
``format_version``  a whole number; files of older versions are upgraded when they are read
``state``           the state as JSON; each array in it is a reference to a tensor of the file
``checksum``        SHA-256 of everything else that carries meaning: the version, the state, the arrays
==================  ==================================================================================

A file is judged before anything of a size it claims is allocated, and nothing in it is ever executed.

References
----------
The safetensors format: https://huggingface.co/docs/safetensors
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save as to_safetensors

from intertwine.io.atomic_write import write_atomically
from intertwine.io.state_json import decode_state, encode_state

__all__ = ["FORMAT_VERSION", "load_state", "save_state"]

FORMAT_VERSION = 2

_FORMAT = "intertwine"
_LENGTH_BYTES = 8
_MAX_HEADER_BYTES = 100_000_000  # safetensors' own limit
_DTYPES = {
    "BOOL": "|b1",
    "U8": "|u1",
    "I8": "|i1",
    "U16": "<u2",
    "I16": "<i2",
    "F16": "<f2",
    "U32": "<u4",
    "I32": "<i4",
    "F32": "<f4",
    "U64": "<u8",
    "I64": "<i8",
    "F64": "<f8",
}
_NAMES = {np.dtype(code): name for name, code in _DTYPES.items()}
# How other files begin; a pickle with its protocol and an opcode, where a header of 640 to 1,408 bytes has a zero.
_FOREIGN = {
    rb"\x80[\x02-\x05][^\x00]": "it looks like a pickle, which can run code, so intertwine never opens one",
    rb"PK\x03\x04": "it is a zip archive",
    rb"\x1f\x8b": "it is compressed with gzip",
    rb"\x93NUMPY": "it is a numpy array",
}


def save_state(path: str | os.PathLike[str], state: Mapping[str, Any], *, finite: bool = True) -> None:
    """Write a nested state to one file, all or nothing.

    The file is written beside its destination and moved there when it is complete and on the disk:
    whatever happens, `path` holds the old file or the new one.

    Parameters
    ----------
    path : str or path-like
        Any name; ``.safetensors`` tells other tools what is inside.
    state : mapping
        Nested dicts (str keys), lists and tuples of None, bool, int, float (inf and nan included), str,
        numpy scalars, and numpy arrays of bool, integers, float16/32/64 or str.
    finite : bool, default=True
        Refuse arrays of floats that are not finite: no fitted model has them. Work in progress may.

    Raises
    ------
    ValueError
        When an array holds NaN or infinity.
    TypeError
        When something else is in the state.
    PermissionError
        When the folder or the existing file may not be written.
    OSError
        When the folder is absent or the disk is full. Nothing is left behind.

    Examples
    --------
    >>> import tempfile, pathlib, numpy as np
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name) / "model.safetensors"
    >>> save_state(path, {"class": "Line", "params": {"tie": float("inf")}, "coef_": np.array([1.0, 2.0])})
    >>> load_state(path)
    {'class': 'Line', 'params': {'tie': inf}, 'coef_': array([1., 2.])}
    >>> folder.cleanup()
    """
    text, arrays = encode_state(state)
    for name, array in arrays.items():
        if finite and array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"cannot save a model whose {name.removeprefix('/')} holds NaN or infinity")
    version = str(FORMAT_VERSION)
    metadata = {
        "format": _FORMAT,
        "format_version": version,
        "state": text,
        "checksum": _checksum(version, text, arrays),
    }
    write_atomically(path, to_safetensors(arrays, metadata))


def load_state(path: str | os.PathLike[str], *, finite: bool = True) -> dict[str, Any]:
    """Read what :func:`save_state` wrote.

    Parameters
    ----------
    path : str or path-like
    finite : bool, default=True
        As in :func:`save_state`.

    Returns
    -------
    dict
        The state; arrays are writable and equal to the saved ones to the bit.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When the file is empty, truncated, damaged, of another format, of a newer version, or holds weights
        that are not finite.
    """
    path = Path(path)
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        header = _read_header(path, file.read(_LENGTH_BYTES), size, file.read)
        version, text, checksum = _read_metadata(path, header.pop("__metadata__", None))
        places = dict(_places(path, header, size - file.tell()))
        content = bytearray(size - file.tell())
        if file.readinto(content) != len(content):
            _refuse(path, "is truncated")
    try:
        arrays = {name: _array(content, place) for name, place in places.items()}
    except (ValueError, OverflowError):
        _refuse(path, "is corrupted: an array has an impossible shape")
    if _checksum(version, text, arrays) != checksum:
        _refuse(path, "is corrupted: its checksum does not match its content")
    for name, array in arrays.items():
        if finite and array.dtype.kind == "f" and not np.isfinite(array).all():
            _refuse(path, f"holds NaN or infinite weights in {name.removeprefix('/')}")
    try:
        # Arrays are copied out, so that keeping one does not keep the whole file in memory.
        state = decode_state(text, {name: array.copy() for name, array in arrays.items()})
    except (ValueError, RecursionError) as error:
        _refuse(path, f"has a state that cannot be read ({error})")
    for older in range(int(version), FORMAT_VERSION):
        state = _UPGRADES[older](state)
    return state


def _class_was_called_estimator(state: dict[str, Any]) -> dict[str, Any]:
    return {"class" if key == "estimator" else key: value for key, value in state.items()}


def _history_knew_one_start(state: dict[str, Any]) -> dict[str, Any]:
    for model in state.get("models", []):
        diagnostics = model["diagnostics"]
        rows, spread = diagnostics["history"], diagnostics["spread"]
        start = np.full((len(rows), 1), spread.index(min(spread)) + 1 if spread else 0.0)
        diagnostics["history"] = np.hstack([start, rows])
    return state


#: What turns the state of a file of each older version into that of the next.
_UPGRADES: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {
    0: _class_was_called_estimator,
    1: _history_knew_one_start,
}


def _read_header(path: Path, prefix: bytes, size: int, read: Callable[[int], bytes]) -> dict[str, Any]:
    if not size:
        _refuse(path, "is empty")
    length = int.from_bytes(prefix, "little")
    if len(prefix) == _LENGTH_BYTES and length > _MAX_HEADER_BYTES:
        _refuse_foreign(path, prefix, f"it claims a header of {length:,} bytes")
    if size < _LENGTH_BYTES + length:
        _refuse_foreign(path, prefix, "it is truncated")
    try:
        header = json.loads(read(length))
    except (ValueError, RecursionError):
        _refuse_foreign(path, prefix, "its header cannot be read")
    if not isinstance(header, dict):
        _refuse_foreign(path, prefix, "its header is not an object")
    return header


def _refuse_foreign(path: Path, prefix: bytes, reason: str) -> NoReturn:
    """Refuse what does not begin like a model file, by its name where it has one."""
    names = [name for beginning, name in _FOREIGN.items() if re.match(beginning, prefix, re.DOTALL)]
    _refuse(path, f"is corrupted or no model file: {names[0] if names else reason}")


def _read_metadata(path: Path, metadata: Any) -> tuple[str, str, str]:
    if not isinstance(metadata, dict) or metadata.get("format") != _FORMAT:
        _refuse(path, "is no intertwine model file")
    version, text, checksum = (metadata.get(key) for key in ("format_version", "state", "checksum"))
    if not (isinstance(version, str) and isinstance(text, str) and isinstance(checksum, str)):
        _refuse(path, "is corrupted: its header lacks the version, the state or the checksum")
    if not (version.isascii() and version.isdigit() and len(version) < 10):
        _refuse(path, f"is corrupted: format version {version!r}")
    if int(version) > FORMAT_VERSION:
        _refuse(
            path,
            f"has format version {version}, but this intertwine reads up to {FORMAT_VERSION}; "
            "it was written by a newer intertwine: upgrade, then load it again",
        )
    return version, text, checksum


_Place = tuple[np.dtype[Any], tuple[int, ...], int, int]


def _places(path: Path, header: Mapping[str, Any], n_bytes: int) -> Iterator[tuple[str, _Place]]:
    """Give type, shape and range of bytes of every array.

    Together the ranges must fill the file, without gap or overlap.
    """
    expected = 0
    try:
        entries = sorted(header.items(), key=lambda item: item[1]["data_offsets"])
        for name, entry in entries:
            dtype, shape = np.dtype(_DTYPES[entry["dtype"]]), tuple(entry["shape"])
            start, stop = entry["data_offsets"]
            if not all(type(number) is int and number >= 0 for number in (*shape, start, stop)):
                raise ValueError
            if start != expected or stop - start != math.prod(shape) * dtype.itemsize:
                raise ValueError
            expected = stop
            yield name, (dtype, shape, start, stop)
    except (KeyError, TypeError, ValueError):
        _refuse(path, "is corrupted: its header does not describe its arrays")
    if expected > n_bytes:
        _refuse(path, f"is truncated: {n_bytes:,} of {expected:,} bytes of arrays")
    if expected < n_bytes:
        _refuse(path, f"is corrupted: {n_bytes - expected:,} bytes after the last array")


def _array(content: bytearray, place: _Place) -> NDArray[Any]:
    dtype, shape, start, stop = place
    return np.frombuffer(memoryview(content)[start:stop], np.uint8).view(dtype).reshape(shape)


def _checksum(version: str, text: str, arrays: Mapping[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256(f"{_FORMAT} {version}\n{text}\n".encode(errors="surrogatepass"))
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {_NAMES[array.dtype]} {array.shape}\n".encode(errors="surrogatepass"))
        digest.update(array.data if array.size else b"")
    return digest.hexdigest()


def _refuse(path: Path, reason: str) -> NoReturn:
    raise ValueError(f"{path} {reason}")
