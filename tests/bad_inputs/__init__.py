"""Bad input as data: what is handed to an estimator, and the error or warning that must answer.

``CASES`` is the table. A case builds its inputs from ``target(n)``, a good target of n rows for the family
under test, so that one table serves regression, classification and survival::

    @pytest.mark.parametrize("case", cases_for("survival"))
    def test_bad_input(case):
        check_case(InteractionCoxPH(), case, GOOD_TARGETS["survival"])
"""

from __future__ import annotations

from typing import Any

import pytest

from bad_inputs.arrays import ARRAYS
from bad_inputs.cases import GOOD_TARGETS, Case, Inputs, check_case
from bad_inputs.frames import FRAMES
from bad_inputs.hyperparameters import HYPERPARAMETERS
from bad_inputs.survival import SURVIVAL
from bad_inputs.targets import CLASSIFICATION, REGRESSION, ROWS

__all__ = ["CASES", "GOOD_TARGETS", "Case", "Inputs", "cases_for", "check_case"]

CASES: list[Case] = [*ARRAYS, *FRAMES, *ROWS, *REGRESSION, *CLASSIFICATION, *SURVIVAL, *HYPERPARAMETERS]


def cases_for(family: str, *, sparse_supported: bool = False) -> list[Any]:
    """Select the cases that apply to a family ("regression", ...), as pytest parameters."""
    families = {"any", family} | (set() if sparse_supported else {"dense"})
    return [pytest.param(case, id=case.id) for case in CASES if case.family in families]
