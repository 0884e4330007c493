"""Numbers and lists in running text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

__all__ = ["compact", "count", "decimals_of", "listed", "number", "plus_minus", "signed", "unsigned"]


def number(value: float, digits: int = 3) -> str:
    """Write `value` with `digits` significant digits and a true minus sign.

    Examples
    --------
    >>> number(0.012345), number(-1234.5), number(0.0), number(0.5)
    ('0.0123', '−1,234', '0', '0.500')
    """
    if not math.isfinite(value):
        return "∞" if value == math.inf else "−∞" if value == -math.inf else "–"
    if value == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(value)))
    style = f".{digits - 1}e" if magnitude < -4 else f",.{max(0, digits - 1 - magnitude)}f"
    return f"{value:{style}}".replace("-", "−")


def compact(value: float) -> str:
    """Write a setting the way one would type it.

    Examples
    --------
    >>> compact(0.1), compact(1e-05), compact(float("inf"))
    ('0.1', '1e-05', '∞')
    """
    return "∞" if value == math.inf else f"{value:.3g}"


def signed(value: float, decimals: int) -> str:
    """Write `value` with its sign and a fixed number of decimals.

    Examples
    --------
    >>> signed(0.25, 2), signed(-0.1, 1)
    ('+0.25', '−0.1')
    """
    return f"{value:+,.{decimals}f}".replace("-", "−") if math.isfinite(value) else "–"


def unsigned(value: float, decimals: int) -> str:
    """Write `value`, which cannot be negative, with a fixed number of decimals.

    Examples
    --------
    >>> unsigned(1234.5, 2), unsigned(math.nan, 1)
    ('1,234.50', '–')
    """
    return f"{value:,.{decimals}f}" if math.isfinite(value) else "–"


def plus_minus(value: float, error: float, decimals: int = 3) -> str:
    """Write an estimate with its standard error.

    Examples
    --------
    >>> plus_minus(0.4821, 0.0312)
    '0.482 ± 0.031'
    """
    text = f"{value:.{decimals}f}".replace("-", "−")
    return f"{text} ± {error:.{decimals}f}" if math.isfinite(error) else text


def count(n: int, one: str, many: str | None = None) -> str:
    """Write how many there are.

    Examples
    --------
    >>> count(1, "row"), count(1200, "row"), count(0, "entry", "entries")
    ('1 row', '1,200 rows', 'no entries')
    """
    noun = one if n == 1 else many or one + "s"
    return f"{'no' if n == 0 else f'{n:,}'} {noun}"


def listed(items: Sequence[str], limit: int = 6) -> str:
    """Join items with commas and a final "and", cut after `limit`.

    Examples
    --------
    >>> listed(["a", "b", "c"]), listed(["a", "b", "c"], limit=1)
    ('a, b and c', 'a and 2 more')
    """
    shown = list(items[:limit])
    if len(items) > limit:
        shown.append(f"{len(items) - limit:,} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}" if shown else ""


def decimals_of(errors: Sequence[float], estimates: Sequence[float]) -> int:
    """Decimals that show two digits of the typical standard error.

    Examples
    --------
    >>> decimals_of([0.031, 0.042], [0.5, 0.1]), decimals_of([math.nan], [250.0])
    (3, 0)
    """
    sizes = [abs(float(e)) for e in errors if math.isfinite(e) and e != 0] or [
        abs(float(e)) / 10 for e in estimates if e != 0
    ]
    if not sizes:
        return 2
    return min(max(1 - math.floor(math.log10(median(sizes))), 0), 8)
