"""What every test may count on."""

from __future__ import annotations

import signal

import hypothesis
import numpy as np
import pytest

# The same examples on every run: a suite that fails once in fifty runs says nothing about the change it ran on.
# New ones are looked for by `make fuzz`.
hypothesis.settings.register_profile(
    "suite", parent=hypothesis.settings.default, derandomize=True, database=None, deadline=None
)
hypothesis.settings.load_profile("suite")


@pytest.fixture(autouse=True)
def same_draws():
    """What random_state=None draws from starts anew for each test, whichever ran before it in this process."""
    np.random.seed(0)  # noqa: NPY002 - the generator that scikit-learn's check_random_state(None) gives


@pytest.fixture(autouse=True)
def interrupts_arrive():
    """Ctrl-C is an exception: processes in the background, and those that run tests side by side, ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
