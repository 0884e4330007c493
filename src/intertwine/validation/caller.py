"""Where a user's own line stands, for warnings to point at."""

from __future__ import annotations

import sys

__all__ = ["depth_of_caller"]


def depth_of_caller() -> int:
    """The ``stacklevel`` of the user's own code: above this package and scikit-learn's wrappers."""
    depth, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(
        ("intertwine.", "sklearn.", "contextlib")
    ):
        depth, frame = depth + 1, frame.f_back
    return depth
