"""What names of columns say: ids, and times."""

from __future__ import annotations

import re

__all__ = ["TIMES", "is_id", "is_time", "words"]

TIMES = ("time", "obstime", "visit", "day", "days", "week", "month", "year")
_IDS = ("id", "ids", "code", "uuid", "key")


def words(name: str) -> list[str]:
    """Parts of a name: ``patientID``, ``patient_id`` and ``Patient.Id`` read the same.

    Examples
    --------
    >>> words("patientID"), words("alk.phos")
    (['patient', 'id'], ['alk', 'phos'])
    """
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return [word.lower() for word in re.split(r"[^0-9A-Za-z]+", apart) if word]


def is_id(name: str) -> bool:
    """Whether a column is called as ids are.

    Examples
    --------
    >>> is_id("patientID"), is_id("idea")
    (True, False)
    """
    return bool(words(name)) and words(name)[-1] in _IDS


def is_time(name: str) -> bool:
    """Whether a column is called as times are.

    Examples
    --------
    >>> is_time("visit_day"), is_time("timely")
    (True, False)
    """
    return bool(words(name)) and words(name)[-1] in TIMES
