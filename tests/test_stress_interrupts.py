"""Ctrl-C in every estimator: nothing is half-fitted, an earlier fit answers as before, the next one is the same."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from quick_fits import ONE_OF_EACH, quick_fits
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import intertwine

PACKAGE = str(Path(intertwine.__file__).parent)


class Profile:
    """Counts calls of functions of this package, and presses Ctrl-C at one of them."""

    def __init__(self, at=float("inf")):
        self.calls, self.at = 0, at

    def __call__(self, frame, event, _):
        if event == "call" and frame.f_code.co_filename.startswith(PACKAGE):
            self.calls += 1
            if self.calls == self.at:
                raise KeyboardInterrupt

    def fit(self, quick, model):
        sys.setprofile(self)
        try:
            quick.fitted(model)
        finally:
            sys.setprofile(None)


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_an_interrupted_fit_leaves_what_was_there(name):
    quick = quick_fits()[name]
    fitted, counter = quick.fit(), Profile()  # the first fit compiles and imports, which is not done again
    counter.fit(quick, fitted)
    answers, known = quick.answers(fitted), dict(vars(fitted))
    assert counter.calls > 10
    for share in (0.02, 0.5, 0.75):  # a search in threads makes a tenth more or fewer calls from run to run
        fresh = clone(quick.estimator)
        before = dict(vars(fresh))
        for model in (fresh, fitted):
            with pytest.raises(KeyboardInterrupt):
                Profile(max(2, int(share * counter.calls))).fit(quick, model)
        assert vars(fresh) == before
        assert vars(fitted).keys() == known.keys()
        assert all(vars(fitted)[key] is value for key, value in known.items())
    question = fresh.predict if hasattr(fresh, "predict") else fresh.transform
    with pytest.raises(NotFittedError):
        question(quick.rows[0], **quick.asked)
    for found, expected in zip(quick.answers(fitted), answers, strict=True):
        np.testing.assert_array_equal(found, expected)
    for found, expected in zip(quick.answers(quick.fitted(fitted)), answers, strict=True):
        np.testing.assert_array_equal(found, expected)
