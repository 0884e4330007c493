"""Files that are kept as their publisher wrote them: found on this machine or downloaded, used only when right.

The places are those of :mod:`intertwine.datasets.store`; what counts is a digest of the content, so that a file that
somebody packed anew is as good as the original.
"""

from __future__ import annotations

import struct
import tempfile
import urllib.request
import warnings
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, final

from intertwine.datasets.store import keep_in_cache, places

__all__ = ["DAMAGE", "PublishedFile", "read_limited", "read_published"]

Content = TypeVar("Content")
_TIMEOUT_SECONDS = 60
#: What archives and tables raise where their bytes make no sense, or claim more than there is, or are encrypted.
DAMAGE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


@final
@dataclass(frozen=True)
class PublishedFile(Generic[Content]):
    """A file, how it is read, and what it must hold.

    Parameters
    ----------
    family : str
        Folder of the file.
    names : tuple of str
        Of files that hold it, in the order they are looked for; a download is kept under the last.
    url : str or None
        The publisher's own copy; None where nobody may or can download it for us.
    read : callable
        Path to content; what it raises where that is damaged becomes a ValueError.
    digest_of : callable
        Content to SHA-256.
    digest : str
    how_to_make : str, default=""
        For somebody who has the source, where there is no url.
    """

    family: str
    names: tuple[str, ...]
    url: str | None
    read: Callable[[Path], Content]
    digest_of: Callable[[Content], str]
    digest: str
    how_to_make: str = ""


def read_published(file: PublishedFile[Content], *, download_if_missing: bool = True) -> Content:
    """Read a file from this machine, or from its publisher when it is not here.

    Parameters
    ----------
    file : PublishedFile
    download_if_missing : bool, default=True

    Returns
    -------
    content
        As ``file.read`` gave it.

    Raises
    ------
    FileNotFoundError
        When the file is nowhere to be had. The message says how to get it.
    ValueError
        When the file on this machine is damaged or holds something else.
    """
    for path in (path for name in file.names for path in places(file.family, name)):
        if path.is_file():
            try:
                return _read(path, file)
            except ValueError as error:
                raise ValueError(f"{path} {error}; delete it to have the right one downloaded") from error
    if not download_if_missing or file.url is None:
        raise FileNotFoundError(_how_to_get(file, ""))
    try:
        return _download(file, file.url)
    except (OSError, ValueError) as error:
        raise FileNotFoundError(_how_to_get(file, f" Tried: {error}.")) from error


def read_limited(stream: Any, name: str, largest: int) -> bytes:
    """Content of an archive's member; what claims to be far larger than the original is not read.

    Parameters
    ----------
    stream : file
        Closed afterwards.
    name : str
    largest : int
        Bytes.

    Returns
    -------
    bytes

    Raises
    ------
    ValueError
        When there are more bytes than that.
    """
    with stream:
        text = stream.read(largest + 1)
    if len(text) > largest:
        raise ValueError(f"{name} is too large")
    return text


def _read(path: Path, file: PublishedFile[Content]) -> Content:
    try:
        content = file.read(path)
    except PermissionError:
        raise
    except DAMAGE as error:
        raise ValueError(f"is damaged ({error})") from error
    if file.digest_of(content) != file.digest:
        raise ValueError(f"does not hold {file.names[-1]} (its checksum differs)")
    return content


def _download(file: PublishedFile[Content], url: str) -> Content:
    with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as response:
        answer = response.read()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, file.names[-1])
        path.write_bytes(answer)
        content = _read(path, file)
    try:
        keep_in_cache(file.family, file.names[-1], answer)
    except OSError as error:
        message = f"{file.names[-1]} was downloaded but cannot be kept: {error}"
        warnings.warn(message, UserWarning, stacklevel=4)
    return content


def _how_to_get(file: PublishedFile, tried: str) -> str:
    kept = file.names[-1]
    here = " or ".join(str(path) for path in places(file.family, kept))
    named = " or ".join(f"{file.family}/{name}" for name in file.names)
    otherwise = (
        f", or let it be downloaded from {file.url}" if file.url else f". To make it: {file.how_to_make}"
    )
    return (
        f"the dataset {kept} is not on this machine. Put it at {here}, or set INTERTWINE_DATA to the folder that holds "
        f"{named}{otherwise}.{tried}"
    )
