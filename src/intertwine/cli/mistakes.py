"""What went wrong on the user's side, in one line that says what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

__all__ = ["Mistake", "did_you_mean", "one_line", "quoted"]


class Mistake(Exception):
    """Something only the user can put right; its text is all that is shown."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Suggest the nearest of the known names, or list them.

    Examples
    --------
    >>> did_you_mean("diagnosys", ["age", "diagnosis"])
    "did you mean 'diagnosis'?"
    >>> did_you_mean("y", ["age", "dose"])
    'there are age, dose'
    """
    names = list(known)
    lowered = {candidate.lower(): candidate for candidate in names}
    near = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.6)
    if near:
        return f"did you mean {lowered[near[0]]!r}?"
    shown = ", ".join(names[:12])
    return f"there are {shown}" + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def quoted(name: str) -> str:
    """A name as one types it on a command line.

    Examples
    --------
    >>> quoted("dose"), quoted("blood pressure")
    ('dose', "'blood pressure'")
    """
    return f"'{name}'" if " " in name else name


@contextmanager
def one_line() -> Iterator[None]:
    """Turn the errors that bad input raises into a :class:`Mistake`.

    The library says in a ValueError or TypeError what is wrong with data and settings, in a MemoryError what
    does not fit, in an ImportError which extra is missing, and in an OSError which file.
    """
    try:
        yield
    except (Mistake, BrokenPipeError):  # whoever reads our output has enough
        raise
    except OSError as error:
        raise Mistake(
            f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error)
        ) from error
    except (ValueError, TypeError, MemoryError, ImportError) as error:
        raise Mistake(" ".join(str(error).split()) or type(error).__name__) from error
