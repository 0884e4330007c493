"""What a user sees of a fit: silence, lines, a live line; its history; what to do when it did not converge."""

from __future__ import annotations

import io
import re
import sys
import warnings

import numpy as np
import pytest
from long_fits import (
    FITS,
    Interrupted,
    every_fit,
    features,
    target_of,
)
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from intertwine import InteractionRegressor
from intertwine.estimators import progress as progress_module


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown(estimator, monkeypatch, stream, patience=0.0):
    monkeypatch.setattr(progress_module, "_PATIENCE", patience)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        clone(estimator).fit(features(), target_of(estimator))
    return stream.getvalue()


@every_fit
@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_silence_by_default(name, stream, monkeypatch, capsys):
    assert shown(FITS[name], monkeypatch, stream()) == ""
    assert capsys.readouterr().out == ""


def test_plain_lines_of_a_latent_search(monkeypatch, capsys):
    text = shown(clone(FITS["regressor"]).set_params(verbose=True), monkeypatch, io.StringIO())
    assert re.search(
        r"InteractionRegressor \[\d+\.\d s\] start 2 of 3, iteration \d+, objective .*, optimality", text
    )
    assert "\r" not in text
    assert "\x1b" not in text
    assert capsys.readouterr().out == ""


def test_a_quick_fit_prints_no_iterations(monkeypatch):
    estimator = clone(FITS["regressor"]).set_params(verbose=True)
    assert shown(estimator, monkeypatch, io.StringIO(), patience=60.0) == ""
    lines = shown(estimator.set_params(verbose=3), monkeypatch, io.StringIO(), patience=60.0).splitlines()
    assert len(lines) > 20


def test_classes_have_their_names(monkeypatch):
    text = shown(clone(FITS["three classes"]).set_params(verbose=3), monkeypatch, io.StringIO())
    assert {f"class {c}, start 1 of 3" in text for c in range(3)} == {True}


def test_candidates_are_counted_with_the_best_so_far(monkeypatch):
    estimator = clone(FITS["Cox CV"]).set_params(verbose=True)
    text = shown(estimator, monkeypatch, io.StringIO(), patience=60.0)
    assert re.search(r"\] 1\. preparation: knots 0, .*held-out loss", text)
    assert "latent target" in text
    assert "screening of ties" not in text
    assert "screening of ties" in shown(estimator.set_params(verbose=2), monkeypatch, io.StringIO(), 60.0)
    impatient = shown(estimator.set_params(verbose=1), monkeypatch, io.StringIO())
    assert re.search(r"refinement, candidate 2, best held-out loss \d\.\d+", impatient)
    assert "final fit" in impatient


def test_refits_of_the_bootstrap_are_counted(monkeypatch):
    for name in ("regressor", "Cox CV"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = clone(FITS[name]).fit(features(), target_of(FITS[name]))
        with monkeypatch.context() as patch:
            patch.setattr(progress_module, "_PATIENCE", 0.0)
            patch.setattr(sys, "stderr", io.StringIO())
            model.bootstrap_interactions(2, 1)
            assert sys.stderr.getvalue() == ""
            found = model.set_params(verbose=True).bootstrap_interactions(2, 1)
            assert found["rank_stability"][0] == 1.0
            assert "refit 2 of 2" in sys.stderr.getvalue()


def test_one_live_line_in_a_terminal(monkeypatch):
    pytest.importorskip("rich", reason="the live line is rich's")
    text = shown(clone(FITS["regressor CV"]).set_params(verbose=True), monkeypatch, Terminal())
    assert "\x1b" in text
    assert "best held-out loss" in text
    assert "held-out loss 0" not in re.sub(r"best held-out loss \S+", "", text)
    assert "1. preparation" in shown(
        clone(FITS["regressor CV"]).set_params(verbose=2), monkeypatch, Terminal()
    )


def test_a_quick_fit_shows_nothing_in_a_terminal(monkeypatch):
    text = shown(clone(FITS["heredity"]).set_params(verbose=True), monkeypatch, Terminal(), patience=60.0)
    assert text.strip() == ""


def test_plain_lines_where_rich_is_absent_or_the_terminal_is_dumb(monkeypatch):
    estimator = clone(FITS["regressor"]).set_params(verbose=True)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "rich.console", None)
        text = shown(estimator, patch, Terminal())
    assert "start 2 of 3" in text
    assert "\x1b" not in text


def test_ctrl_c_gives_the_terminal_back(monkeypatch):
    pytest.importorskip("rich", reason="the live line is rich's")
    stream = Terminal()
    with monkeypatch.context() as patch:
        patch.setattr(progress_module, "_PATIENCE", 0.0)
        patch.setattr(sys, "stderr", stream)
        patch.setenv("TERM", "xterm")
        Interrupted(patch, 20)
        with pytest.raises(KeyboardInterrupt):
            clone(FITS["regressor"]).set_params(verbose=True).fit(features(), target_of(FITS["regressor"]))
    if "\x1b[?25l" in stream.getvalue():  # the cursor was hidden
        assert stream.getvalue().rindex("\x1b[?25h") > stream.getvalue().rindex("\x1b[?25l")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_history_holds_every_start():
    model = clone(FITS["regressor"]).fit(features(), target_of(FITS["regressor"]))
    history = model.history_
    assert list(history) == ["start", "iteration", "value", "optimality", "seconds", "best"]
    assert sorted(set(history["start"])) == [1, 2, 3]
    for _, rows in history.groupby("start"):
        assert rows["iteration"].tolist() == list(range(len(rows)))
        assert (np.diff(rows["value"]) <= 1e-12).all()
        assert (np.diff(rows["seconds"]) >= 0).all()
    best = history[history["best"]]
    assert best["start"].nunique() == 1
    assert best["value"].min() == history["value"].min() == model.objective_
    assert model.n_iter_ == best["iteration"].max()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_history_of_the_sparse_path_begins_without_a_target():
    history = clone(FITS["sparse with a tie"]).fit(features(), target_of(FITS["regressor"])).history_
    assert sorted(set(history["start"])) == [0, 1, 2]
    classes = clone(FITS["sparse classes"]).fit(features(), target_of(FITS["sparse classes"]))
    assert sorted(set(classes.history_["class"])) == [0, 1, 2]
    assert set(classes.history_["start"]) == {0}
    assert classes.n_iter_ == classes.history_["iteration"].max()
    plain = InteractionRegressor(latent=None).fit(features(), target_of(FITS["regressor"]))
    assert len(plain.history_) == 0
    assert plain.n_iter_ == 1


def test_a_fit_that_did_not_converge_says_what_to_do_where_the_user_called_it():
    model = InteractionRegressor(random_state=0, alpha=0.1, tie=1.0, max_iter=3)
    with pytest.warns(
        ConvergenceWarning, match=r"after 3 iterations .* raise max_iter above 3, or tol"
    ) as caught:
        model.fit(features(), target_of(model))
    assert caught[0].filename == __file__
    search = clone(FITS["regressor CV"]).set_params(max_iter=2)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search.fit(features(), target_of(search))
    unconverged = [warning for warning in caught if warning.category is ConvergenceWarning]
    assert len(unconverged) == search.target_accepted_
    assert {warning.filename for warning in unconverged} <= {__file__}
