"""Compiled steps are kept on the disk, in a folder of this package: the next process starts at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jax

__all__ = ["cache_folder", "own_compilation_cache"]

_OPTIONS = {
    "jax_enable_compilation_cache": True,
    "jax_persistent_cache_min_compile_time_secs": 0.0,
    "jax_persistent_cache_min_entry_size_bytes": -1,
}


def cache_folder() -> Path:
    """Where compiled code is kept: ``INTERTWINE_CACHE``, or the user's folder for such things.

    Examples
    --------
    >>> cache_folder().name
    'jax'
    """
    if given := os.environ.get("INTERTWINE_CACHE"):
        return Path(given) / "jax"
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "intertwine" / "jax"


@contextmanager
def own_compilation_cache() -> Iterator[None]:
    """Let what is compiled inside be kept; JAX's own configuration is as before afterwards.

    A cache that the user has configured is used instead, and where nothing can be written nothing is kept.
    """
    folder = cache_folder()
    wanted = {"jax_compilation_cache_dir": str(folder), **_OPTIONS}
    before = {name: getattr(jax.config, name) for name in wanted}
    if before["jax_compilation_cache_dir"] is not None or not _writable(folder):
        yield
        return
    from jax.experimental.compilation_cache import compilation_cache

    try:
        for name, value in wanted.items():
            jax.config.update(name, value)
        compilation_cache.reset_cache()  # it reads its folder only once
        yield
    finally:
        for name, value in before.items():
            jax.config.update(name, value)
        compilation_cache.reset_cache()


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)
