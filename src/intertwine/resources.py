"""What the machine can give: free memory, and a bound on threads."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import joblib
import threadpoolctl

__all__ = ["available_memory", "human_size", "require_memory", "thread_limit"]

_CGROUP_ROOT = Path("/sys/fs/cgroup")
_PROC = Path("/proc")
_NEGLIGIBLE = 16 * 2**20  # bytes not worth asking the system for: its answer takes a millisecond


def require_memory(n_bytes: float, what: str, instead: str) -> None:
    """Refuse an allocation that would not fit, before it is tried.

    Parameters
    ----------
    n_bytes : float
        Size of what is about to be allocated, in bytes.
    what : str
        What it is, as a user knows it.
    instead : str
        What to call instead.

    Raises
    ------
    MemoryError
        When more than what is free is asked for.

    Examples
    --------
    >>> require_memory(8 * 100**2, "the matrix of 100 features", "top_interactions(k)")
    >>> require_memory(8 * 1e7**2, "the matrix of 10,000,000 features", "top_interactions(k)")
    Traceback (most recent call last):
    ...
    MemoryError: the matrix of 10,000,000 features needs 728 TiB, ... free; use top_interactions(k) instead
    """
    if n_bytes <= _NEGLIGIBLE:
        return
    free = available_memory()
    if n_bytes > free:
        raise MemoryError(
            f"{what} needs {human_size(n_bytes)}, {human_size(free)} are free; use {instead} instead"
        )


def available_memory() -> int:
    """Estimate how many bytes this process can still allocate without swapping.

    The smaller of what the machine has free and what the process's control group (a container, a batch
    job) leaves it.

    Returns
    -------
    int
        Bytes. Where the operating system tells only its total memory, half of that.

    Examples
    --------
    >>> available_memory() > 0
    True
    """
    return max(0, min([_machine_memory(), *_control_group_memory()]))


def human_size(n_bytes: float) -> str:
    """Spell a number of bytes with three digits and a binary unit.

    Examples
    --------
    >>> human_size(512), human_size(3.2e9), human_size(8 * 10**10)
    ('512 B', '2.98 GiB', '74.5 GiB')
    """
    size, units = float(n_bytes), ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
    # 999.5 would print as 1e+03 with three digits.
    while size >= 999.5 and len(units) > 1:
        size, units = size / 1024, units[1:]
    return f"{size:,.0f} {units[0]}" if size >= 999.5 else f"{size:.3g} {units[0]}"


@contextmanager
def thread_limit(n_jobs: int | None) -> Iterator[int]:
    """Bound the threads of numba kernels and of the linear algebra libraries inside a block.

    Threads of one library that run inside another's make everything slower, so loops over folds or
    penalties that use threads of their own enter ``thread_limit(1)``.

    Parameters
    ----------
    n_jobs : int or None
        Number of threads; negative counts back from all cores (-1: all); None leaves everything as it is.

    Yields
    ------
    int
        The number of threads in force.

    Raises
    ------
    ValueError
        For ``n_jobs=0``.

    Examples
    --------
    >>> with thread_limit(1) as threads:
    ...     threads
    1
    """
    import numba  # a third of a second, and many users of this module never need it

    before = numba.get_num_threads()
    if n_jobs is None:
        yield before
        return
    if n_jobs == 0:
        raise ValueError(
            "n_jobs must not be 0; use 1 for one thread, -1 for all cores, None to change nothing"
        )
    threads = n_jobs if n_jobs > 0 else max(1, joblib.cpu_count() + 1 + n_jobs)
    # numba cannot be given more threads than it started with; the linear algebra libraries can.
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))  # type: ignore[attr-defined]
    libraries = _linear_algebra()
    try:
        if all(library.num_threads == threads for library in libraries.lib_controllers):
            yield threads  # to set limits, and to lift them, takes longer than to look
        else:
            with libraries.limit(limits=threads):
                yield threads
    finally:
        numba.set_num_threads(before)


@cache
def _linear_algebra() -> threadpoolctl.ThreadpoolController:
    """The libraries that numpy and scipy brought along: looking for them takes as long as a small fit."""
    return threadpoolctl.ThreadpoolController()


def _machine_memory() -> int:
    for measure in (_linux_memory, _windows_memory, _posix_memory):
        free = measure()
        if free is not None:
            return free
    return sys.maxsize  # nothing is known, so nothing is refused


def _linux_memory() -> int | None:
    try:
        for line in (_PROC / "meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return None


def _posix_memory() -> int | None:
    try:
        page = os.sysconf("SC_PAGE_SIZE")
        if "SC_AVPHYS_PAGES" in os.sysconf_names:
            return page * os.sysconf("SC_AVPHYS_PAGES")
        return page * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, OSError, ValueError):
        return None


def _windows_memory() -> int | None:
    import ctypes

    windows = getattr(ctypes, "windll", None)
    if windows is None:
        return None

    class MemoryStatus(ctypes.Structure):
        _fields_ = [
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            *((name, ctypes.c_ulonglong) for name in ("total", "free", "c", "d", "e", "f", "g")),
        ]

    status = MemoryStatus(length=ctypes.sizeof(MemoryStatus))
    if not windows.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
        return None
    return int(status.free)


def _control_group_memory() -> list[int]:
    """Return what each control group around this process leaves free: any of them may be the tightest."""
    try:
        entries = [line.split(":", 2) for line in (_PROC / "self/cgroup").read_text().splitlines()]
    except OSError:
        return []
    free = []
    for _, controllers, path in (entry for entry in entries if len(entry) == 3):
        if controllers == "":
            free += _free_up_the_tree(_CGROUP_ROOT, path, "memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            root = _CGROUP_ROOT / "memory"
            names = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
            free += _free_up_the_tree(root, path, *names)
    return free


def _free_up_the_tree(root: Path, path: str, limit: str, usage: str, reclaimable: str) -> list[int]:
    group = Path(path.strip("/"))
    # Inside a container the path is the host's and may not exist below the mounted root: absent files
    # are skipped.
    folders = [root / group, *(root / parent for parent in group.parents)]
    return [free for folder in folders if (free := _free_in(folder, limit, usage, reclaimable)) is not None]


def _free_in(folder: Path, limit: str, usage: str, reclaimable: str) -> int | None:
    try:
        allowed, used = int((folder / limit).read_text()), int((folder / usage).read_text())
        counts = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        # The kernel gives back the file cache before it refuses memory.
        return allowed - used + int(counts.get(reclaimable, 0))
    except (OSError, ValueError):  # no such group, or "max": no limit
        return None
