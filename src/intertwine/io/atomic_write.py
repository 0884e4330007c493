"""Write a file so that its name always stands for something whole."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

__all__ = ["replaced_atomically", "write_atomically"]


def write_atomically(path: str | os.PathLike[str], content: bytes) -> None:
    """Put `content` under `path`, all or nothing.

    The bytes go to a temporary file in the same folder, and from there to the disk; only then does the
    file take its name. An interruption at any moment leaves the old file or the new one.

    Parameters
    ----------
    path : str or path-like
        A symbolic link is followed.
    content : bytes

    Raises
    ------
    PermissionError
        When the folder or the existing file may not be written.
    FileNotFoundError
        When the folder is absent.
    OSError
        When the disk is full, ... The temporary file is removed.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_atomically(f"{folder}/note", b"done")
    ...     Path(folder, "note").read_bytes(), len(os.listdir(folder))
    (b'done', 1)
    """
    with replaced_atomically(path) as temporary:
        temporary.write_bytes(content)


@contextlib.contextmanager
def replaced_atomically(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a new file to write, which takes the place of `path` when the block is through, all or nothing.

    Its name ends as that of `path`, for writers that go by it. Raises what `write_atomically` raises, and removes the
    new file whatever happens in the block.

    Parameters
    ----------
    path : str or path-like

    Yields
    ------
    pathlib.Path
        Of a file that is there and empty.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replaced_atomically(f"{folder}/note.txt") as new:
    ...         _ = new.write_text("done")
    ...     Path(folder, "note.txt").read_text(), len(os.listdir(folder))
    ('done', 1)
    """
    path = Path(path).resolve()
    if path.exists() and not os.access(path, os.W_OK):
        # The folder alone decides whether a name can be replaced; a read-only file should stay all the same.
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    temporary = path.with_name(f".tmp-{secrets.token_hex(8)}-{path.name}")
    try:
        temporary.touch(exist_ok=False)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    # Makes the new name survive a power cut; not every system can open a folder.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
