"""One thread or two: the same to the bit. Single precision or double: the same within a stated tolerance."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from quick_fits import ONE_OF_EACH, quick_fits

from intertwine.resources import thread_limit
from intertwine.validation import survival_target

#: What threads are not worth below, here and there.
WORTH = ("WORTH_THREADS", "_WORTH_THREADS")

#: Largest difference of answers, in standard deviations of them, where X (and y) come as float32.
#: Latents of the VAE are searched for by steps in single precision, whatever comes.
TOLERANCES = dict.fromkeys(ONE_OF_EACH, 1e-4) | {"VAE": 0.02}


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_two_threads_give_what_one_gives(name, monkeypatch):
    quick = quick_fits()[name]
    told = {} if "n_jobs" not in quick.estimator.get_params() else {"n_jobs": 1}
    with thread_limit(1):
        one = quick.answers(quick.fit(**told))
    for module in [module for key, module in sys.modules.items() if key.startswith("intertwine.")]:
        for constant in WORTH:
            if hasattr(module, constant):
                monkeypatch.setattr(module, constant, 1)
    with thread_limit(2):
        two = quick.answers(quick.fit(**dict.fromkeys(told, 2)))
    for found, expected in zip(two, one, strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_single_precision(name):
    quick = quick_fits()[name]
    rows = tuple(single(part) for part in quick.rows)
    if name.startswith("factors"):  # ids are no measurements
        rows = (quick.rows[0], *rows[1:])
    double = quick.answers(quick.fit())
    found = quick._replace(rows=rows).answers(quick._replace(rows=rows).fit())
    for one, other in zip(found, double, strict=True):
        if one.dtype.kind == "f":
            assert np.abs(one - other).max() <= TOLERANCES[name] * np.std(other)
        else:
            assert np.mean(one == other) > 0.95


def single(part):
    if getattr(part.dtype, "names", None):
        return survival_target(part["time"].astype(np.float32), part["event"])
    return part.astype(np.float32) if part.dtype.kind == "f" else part
