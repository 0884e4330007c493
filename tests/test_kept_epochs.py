"""Epochs on the journal: what an interrupted run gives is what an uninterrupted one does."""

from typing import NamedTuple

import numpy as np
import pytest

from intertwine.fitting.kept_epochs import kept_epochs
from intertwine.io import Journal, NoJournal


class Point(NamedTuple):
    position: np.ndarray
    best: tuple


def run(journal, stop_at=None, first=0):
    rng, seen = np.random.default_rng(0), []

    def advance(point, epoch, history):
        if epoch == stop_at:
            raise KeyboardInterrupt
        seen.append(epoch)
        position = 0.9 * point.position + rng.standard_normal(3)
        history.append({"iteration": epoch + 1, "size": float(position @ position)})
        return Point(position, (np.float32(epoch),))

    start = Point(np.zeros(3), (np.float32(-1),))
    return kept_epochs("walk", start, range(first, 7), advance, rng, journal), rng.random(), seen


@pytest.mark.parametrize("first", [0, 2])
def test_an_interrupted_run_goes_on_to_the_same_result(tmp_path, first):
    whole, drawn, _ = run(NoJournal(), first=first)
    with pytest.raises(KeyboardInterrupt), Journal(tmp_path / "run", {}) as journal:
        run(journal, stop_at=5, first=first)
    with Journal(tmp_path / "run", {}) as journal:
        again, drawn_again, seen = run(journal, first=first)
    assert seen == [5, 6]
    assert drawn_again == drawn
    assert again[1] == whole[1]
    np.testing.assert_array_equal(again[0].position, whole[0].position)
    assert again[0].best == (6.0,)
