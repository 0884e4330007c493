"""How columns and rows are spelled in messages: short, exact, never a wall of text."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SHOWN = 10


def listed(items: Sequence[Any] | NDArray[Any], limit: int = _SHOWN) -> str:
    """Spell a list, cut after `limit` items.

    Examples
    --------
    >>> listed(["age", "dose"])
    "['age', 'dose']"
    >>> listed(range(100), limit=3)
    '[0, 1, 2, and 97 more]'
    """
    shown = [repr(item.item() if isinstance(item, np.generic) else item) for item in items[:limit]]
    if len(items) > limit:
        shown.append(f"and {len(items) - limit} more")
    return f"[{', '.join(shown)}]"


def counted(n: int, one: str, many: str) -> str:
    """Spell how many there are, with the words for one or for many.

    Examples
    --------
    >>> counted(1, "row has", "rows have"), counted(3, "row has", "rows have")
    ('1 row has', '3 rows have')
    """
    return f"{n} {one if n == 1 else many}"


def rows_where(mask: NDArray[np.bool_]) -> str:
    """Spell the positions (counted from 0) of the rows where `mask` holds.

    Examples
    --------
    >>> import numpy as np
    >>> rows_where(np.array([False, True, True]))
    'rows [1, 2]'
    """
    return f"rows {listed(np.flatnonzero(mask))}"


def columns_where(mask: NDArray[np.bool_], names: NDArray[Any] | None) -> str:
    """Spell the columns where `mask` holds: by name, or by position when there are no names.

    Examples
    --------
    >>> import numpy as np
    >>> columns_where(np.array([False, True]), np.array(["age", "dose"]))
    "['dose']"
    >>> columns_where(np.array([False, True]), None)
    'columns [1]'
    """
    if names is None:
        return f"columns {listed(np.flatnonzero(mask))}"
    return listed(names[mask])
