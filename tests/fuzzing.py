"""What the fuzzing tests share: how long they run, and what may come out of a damaged file."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path

from hypothesis import HealthCheck, settings

_ROOM = 2 * 2**30  # bytes beyond what the process has: a damaged file of kilobytes needs none of them
_SECONDS = 120  # a compilation on a busy machine takes some of them, a loop without end all


def examples(number: int) -> settings:
    """So many cases, always the same; `make fuzz` draws others, and more of them."""
    asked = os.environ.get("FUZZ_EXAMPLES")
    return settings(
        max_examples=int(asked or number),
        derandomize=not asked,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


@contextlib.contextmanager
def refusals(*documented: type[Exception]) -> Iterator[None]:
    """Nothing else comes out of a block, which is over soon and takes little memory.

    A TypeError is documented where this package raises it: labels of another type. So is memory that is refused.
    """
    with _bounded(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except (ValueError, *documented):
            pass
        except TypeError as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            if not (f"{os.sep}intertwine{os.sep}" in last.filename and (last.line or "").startswith("raise")):
                raise
        except MemoryError as error:
            if "instead" not in str(error):
                raise


@contextlib.contextmanager
def _bounded() -> Iterator[None]:
    def too_long(*_):
        raise AssertionError(f"more than {_SECONDS} seconds")

    before, limits = signal.signal(signal.SIGALRM, too_long), resource.getrlimit(resource.RLIMIT_AS)
    pages = (
        int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else None
    )
    if pages is not None:
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + _ROOM, limits[1]))
    signal.alarm(_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        resource.setrlimit(resource.RLIMIT_AS, limits)
