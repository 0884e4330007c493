"""What every test may count on."""

from __future__ import annotations

import signal

import pytest


@pytest.fixture(autouse=True)
def interrupts_arrive():
    """Ctrl-C is an exception: processes in the background, and those that run tests side by side, ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
