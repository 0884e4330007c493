"""Progress of long work whose parts differ in length: how many are done, and how long the rest will take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

__all__ = ["counting_seconds", "in_words", "time_left"]

_SECONDS_BETWEEN_LINES = 15.0

Step = Callable[[str, float], None]


def time_left(elapsed: float, done: float, left: float) -> float | None:
    """Seconds that the rest will take, if it keeps to expectations as what is done did; None before anything is.

    Parameters
    ----------
    elapsed : float
        Seconds since the beginning.
    done, left : float
        Seconds that what is done, and what is not, were expected to take.

    Examples
    --------
    >>> time_left(30.0, done=20.0, left=40.0)
    60.0
    """
    return elapsed * left / done if done > 0 else None


def in_words(seconds: float | None) -> str:
    """As a person would say it.

    Examples
    --------
    >>> in_words(40.0), in_words(130.0), in_words(2 * 3600.0), in_words(None)
    ('under a minute left', 'about 2 minutes left', 'about 2 hours left', '')
    """
    if seconds is None:
        return ""
    if seconds < 60.0:
        return "under a minute left"
    for unit, size, most in (("minute", 60.0, 100.0), ("hour", 3600.0, float("inf"))):
        number = round(seconds / size)
        if number < most:
            return f"about {number} {unit}{'s' * (number != 1)} left"
    raise AssertionError("some unit is large enough")


@contextmanager
def counting_seconds(console: Console, text: str, n: int, seconds: float) -> Iterator[Step]:
    """Show a bar that grows with the expected seconds; yields what is told each part that is done, and its seconds.

    Where nobody watches it is a plain line now and then.

    Parameters
    ----------
    console : Console
    text : str
    n : int
        Parts.
    seconds : float
        That all of them are expected to take.
    """
    began = last = time.monotonic()
    parts, done = 0, 0.0

    def told() -> str:
        return in_words(time_left(time.monotonic() - began, done, seconds - done))

    if not console.is_terminal:
        console.print(f"[dim]{text}: {n} measurement{'s' * (n != 1)} …[/dim]", soft_wrap=True)

        def line(name: str, expected: float) -> None:
            nonlocal parts, done, last
            parts, done = parts + 1, done + expected
            if time.monotonic() - last > _SECONDS_BETWEEN_LINES:
                last = time.monotonic()
                console.print(f"[dim]{text}: {parts} of {n}, {told()}[/dim]", soft_wrap=True)

        yield line
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task(text, total=seconds, left="")

        def step(name: str, expected: float) -> None:
            nonlocal parts, done
            parts, done = parts + 1, done + expected
            shown = f"{parts} of {n}: {name}".replace("[", "\\[")
            progress.update(bar, description=shown, advance=expected, left=told())

        yield step
