"""The report says what the model says, to everyone, from one file that asks for nothing else."""

import base64
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from intertwine import (
    InteractionClassifier,
    InteractionCoxPH,
    InteractionRegressor,
    InteractionRegressorCV,
    survival_target,
)
from intertwine.compare import MAIN_EFFECTS, OURS, RegressionTask, compare_models
from intertwine.report import Study, build_report, write_report
from intertwine.report.findings import tie_trial
from intertwine.report.words import signed

VOID = {"meta", "img", "source", "br"}
NAMES = ["age", "dose", "weight", "flow <mL/s>"]


class Page(HTMLParser):
    """Pictures, links, text and whether tags are balanced."""

    def __init__(self, path):
        super().__init__()
        self.images, self.addresses, self.open, self.texts, self.headings = [], [], [], [], []
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        self.text = " ".join(" ".join(self.texts).split())

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag not in VOID:
            self.open.append(tag)
        if tag == "img":
            self.images.append(given)
        self.addresses += [given[name] for name in ("src", "href", "srcset") if name in given]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "title"):
            self.texts.append(data)
        if self.open and self.open[-1] in ("h1", "h2", "h3", "h4"):
            self.headings.append(data)


def data(n=100):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.standard_normal((n, 4)), columns=NAMES)
    y = X["age"] + 1.5 * X["dose"] * X["flow <mL/s>"] - X["age"] * X["weight"] + 0.3 * rng.standard_normal(n)
    return X, y.to_numpy()


@pytest.fixture(scope="module")
def model():
    X, y = data()
    return InteractionRegressorCV(
        n_knots=(0,), relevances=(0.0,), squares=(False,), latents=("low_rank",), cv=3, random_state=0
    ).fit(X, y)


@pytest.fixture(scope="module")
def study(model):
    X, y = data()
    models = {OURS: model.best_estimator_, MAIN_EFFECTS: Ridge()}
    comparison = compare_models(models, X, y, RegressionTask(), n_splits=3)
    return Study(model, X, y, title="Flow", target="pressure", comparison=comparison, n_bootstrap=5)


@pytest.fixture(scope="module")
def page(study, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report([study], path, title="What interacts in <tests>")
    assert path.stat().st_size < 5e6 / 3  # three studies stay below 5 MB
    return Page(path)


def test_the_page_is_whole(page):
    assert page.open == []
    assert page.source.startswith("<!DOCTYPE html>")
    assert page.headings[0] == "What interacts in <tests>"
    for heading in ("How well it predicts", "What interacts", "How sure we are", "What to be careful about"):
        assert heading in page.headings


def test_nothing_is_loaded_from_elsewhere(page):
    assert page.addresses
    assert all(address.startswith(("data:image/svg+xml;base64,", "#")) for address in page.addresses)
    assert not re.search(r"https?://|@import|<script|url\(", page.source)
    for svg in pictures(page):
        known = "http://www.w3.org/"
        assert all(found.startswith(known) for found in re.findall(r"https?://[^\"'\s<]+", svg))
        assert "<script" not in svg


def pictures(page):
    return [base64.b64decode(a.split(",", 1)[1]).decode() for a in page.addresses if a.startswith("data:")]


def test_every_picture_is_described_and_has_a_dark_version(page):
    assert len(page.images) >= 6
    for image in page.images:
        assert len(image["alt"]) > 30
        assert int(image["width"]) < 800
        assert int(image["height"]) > 50
    assert page.source.count("prefers-color-scheme: dark") >= len(page.images)
    assert len(set(pictures(page))) == 2 * len(page.images)


def test_the_strongest_pair_stands_there_with_its_figures(page, model):
    top = model.top_interactions(1)
    assert top["term"][0] == "dose × flow <mL/s>"
    row = re.search(r"<tr><td class=\"rank\">1</td>.*?</tr>", page.source, re.DOTALL).group()
    assert "dose × flow &lt;mL/s&gt;" in row
    decimals = len(re.search(r"[+−]\d+\.(\d+)", row).group(1))
    assert signed(float(top["estimate"][0]), decimals) in row
    assert f"{float(top['std_error'][0]):.{decimals}f}" in row
    assert "The largest interaction is dose × flow <mL/s>" in page.text


def test_the_scores_stand_there_with_their_errors(page, study):
    for i, name in enumerate(study.comparison.names):
        assert name in page.text
        assert f"{study.comparison.mean[i]:.3f}" in page.text
        assert f"{study.comparison.std_error[i]:.3f}" in page.text
    assert "Pairs of features help" in page.text


def test_what_was_fitted_is_said(page):
    for fact in ("pressure", "100", "InteractionRegressorCV", "6"):
        assert fact in page.text
    assert "from intertwine import InteractionRegressorCV, InteractionRegressor" in page.text


def test_the_tie_is_reported_as_the_search_found_it(page, model):
    trial = tie_trial(model)
    results = model.cv_results_
    tied = results["stage"] == "latent target"
    assert trial.loss_with == np.min(results["mean_test_loss"][tied])
    assert trial.accepted == model.target_accepted_ == bool(np.any(results["chosen"] & tied))
    assert ("The latent tie was accepted" in page.text) is trial.accepted
    assert ("The latent tie was not accepted" in page.text) is not trial.accepted


def test_the_same_model_gives_the_same_bytes(model, tmp_path):
    for name in ("a", "b"):
        build_report(model, path=tmp_path / name, n_bootstrap=2)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_without_rows_what_needs_them_is_left_out(model, tmp_path):
    build_report(model, path=tmp_path / "r.html", n_bootstrap=0)
    page = Page(tmp_path / "r.html")
    assert "dose × flow <mL/s>" in page.text
    assert 1 <= len(page.images) < 6
    assert "No cross-validation" in page.text


def test_survival_is_told_in_its_own_words(tmp_path):
    X, y = data()
    rng = np.random.default_rng(1)
    times = survival_target(rng.exponential(np.exp(-y)), rng.random(100) < 0.8)
    cox = InteractionCoxPH(alpha=0.05, latent=None).fit(X, times)
    build_report(cox, X, times, path=tmp_path / "r.html", n_bootstrap=0, time_unit="years", target="death")
    page = Page(tmp_path / "r.html")
    assert "Kaplan–Meier" in page.text
    assert "proportional" in page.text.lower()
    assert f"{int(times['event'].sum())}" in page.text
    assert any("years" in svg for svg in pictures(page))


def test_surfaces_have_no_sign(tmp_path):
    X, y = data()
    model = InteractionRegressor(alpha=0.05, latent=None, basis="spline", n_knots=3).fit(X, y)
    build_report(model, X, y, path=tmp_path / "r.html", n_bootstrap=0)
    page = Page(tmp_path / "r.html")
    row = re.search(r"<tr><td class=\"rank\">1</td>.*?</tr>", page.source, re.DOTALL).group()
    assert f"{float(model.top_interactions(1)['z'][0]):.1f}" in row
    assert not re.search(r"[+−]\d", row)
    assert "Colour is size" in page.text
    assert any("interaction is size " in image["alt"] for image in page.images)


def test_several_classes_and_a_sparse_fit(tmp_path):
    X, y = data()
    labels = np.array(["low", "middle", "high"])[np.digitize(y, [-1, 1])]
    many = InteractionClassifier(alpha=0.05, latent=None).fit(X, labels)
    sparse = InteractionRegressor(alpha=0.1, l1_ratio=1.0, latent=None).fit(X, y)
    studies = [Study(many, X, labels, title="Levels", n_bootstrap=2), Study(sparse, title="Sparse")]
    write_report(studies, tmp_path / "r.html", title="Two")
    page = Page(tmp_path / "r.html")
    assert page.open == []
    for label in ("low", "middle", "high"):
        assert f"Calibration of the probability of {label}" in page.source
    assert "no standard errors" in page.text
    assert len(re.findall(r"<a href=\"#study-", page.source)) == 2
