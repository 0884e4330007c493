"""Longitudinal designs and tables are what they are said to be; only an absent file leaves a test out."""

import numpy as np
import pytest

from intertwine import datasets
from intertwine.datasets import mnist, physionet


def fetched(loader, **options):
    try:
        return loader(download_if_missing=False, **options)
    except FileNotFoundError as absent:
        pytest.skip(f"dataset absent: {absent}")


def test_health_mnist_is_drawn_as_it_is_said():
    health = fetched(datasets.make_health_mnist, n_train=12, n_test=4, random_state=0)
    assert health.X.shape == health.X_complete.shape == (320, 36 * 36)
    assert health.image_shape == (36, 36)
    assert np.isnan(health.X).mean() == pytest.approx(0.25, abs=0.01)
    np.testing.assert_array_equal(health.X[~np.isnan(health.X)], health.X_complete[~np.isnan(health.X)])
    assert health.X_complete.min() >= 0
    assert health.X_complete.max() <= 1
    np.testing.assert_array_equal(np.r_[health.train, health.given, health.future][:240], np.arange(240))
    np.testing.assert_array_equal(np.sort(np.r_[health.given, health.future]), health.test)
    assert health.time[health.given].max() == 4
    assert len(health.future) == 4 * 15
    sick = health.covariates["sick"] == "yes"
    np.testing.assert_array_equal(np.isnan(health.covariates["disease_time"]), ~sick)
    np.testing.assert_array_equal(health.covariates["disease_time"][sick], health.time[sick] - 9)
    assert health.angle[sick & (health.time > 15)].mean() == pytest.approx(45, abs=2)
    assert health.angle[~sick].mean() == pytest.approx(5, abs=1)
    for name in ("sex", "sick", "location"):
        words = health.covariates[name].reshape(16, 20)
        assert (words == words[:, :1]).all()
        assert len(set(words.ravel())) == 2


def test_health_mnist_turns_and_moves_the_digit_it_shows():
    health = fetched(datasets.make_health_mnist, n_train=8, n_test=1, missing=0, random_state=1)
    assert not np.isnan(health.X).any()
    images = health.X.reshape(-1, 20, 36, 36)
    mass = images.sum((2, 3))
    rows, columns = (
        (images * np.arange(36)[shape]).sum((2, 3)) / mass for shape in ((slice(None), None), (slice(None),))
    )
    healthy = (health.covariates["sick"] == "no").reshape(-1, 20)[:, 0]
    np.testing.assert_allclose((rows[:, 19] - rows[:, 0])[healthy], 1.9, atol=0.3)
    np.testing.assert_allclose((columns[:, 19] - columns[:, 0])[healthy], 1.9, atol=0.3)


def test_subjects_of_the_test_show_digits_of_the_test():
    digits = fetched(mnist.read_digits)
    assert {name: len(images) for name, images in digits.items()} == {
        "train_3": 6131,
        "train_6": 5918,
        "test_3": 1010,
        "test_6": 958,
    }
    with pytest.raises(ValueError, match=r"but MNIST has 1,010 such digits|but MNIST has 958"):
        datasets.make_health_mnist(2, 2500)


def test_all_ten_digits_serve_as_well(tmp_path, monkeypatch):
    digits = fetched(mnist.read_digits)
    parts = {}
    for part in ("train", "test"):
        images = np.concatenate([digits[f"{part}_3"], digits[f"{part}_6"], digits[f"{part}_3"][:5]])
        n_threes, n_sixes = len(digits[f"{part}_3"]), len(digits[f"{part}_6"])
        parts |= {
            f"x_{part}": images,
            f"y_{part}": np.repeat([3, 6, 8], [n_threes, n_sixes, 5]).astype(np.uint8),
        }
    (tmp_path / "longitudinal").mkdir()
    np.savez(tmp_path / "longitudinal" / "mnist.npz", **parts)
    monkeypatch.setenv("INTERTWINE_DATA", str(tmp_path))
    read = mnist.read_digits(download_if_missing=False)
    np.testing.assert_array_equal(read["test_6"], digits["test_6"])
    parts["y_test"][0] = 8
    np.savez(tmp_path / "longitudinal" / "mnist.npz", **parts)
    with pytest.raises(ValueError, match="checksum differs"):
        mnist.read_digits(download_if_missing=False)


def test_rotating_mnist_has_the_counts_of_its_design():
    rotating = fetched(datasets.make_rotating_mnist, n_digits=40, held_out=3, random_state=0)
    assert [len(rotating[name]) for name in ("train", "evaluation", "test")] == [
        405,
        64,
        27,
    ]  # 4050, 640, 270
    angle, subject = rotating.covariates["angle"], rotating.subject
    assert set(angle[rotating.test]) == {67.5}
    assert 67.5 not in angle[rotating.train]
    assert set(subject[rotating.test]).isdisjoint(subject[rotating.evaluation])
    assert set(subject[rotating.test]) <= set(subject[rotating.train])
    np.testing.assert_allclose(rotating.covariates["sin2"], np.sin(np.deg2rad(2 * angle)), atol=1e-12)


def test_rotating_mnist_turns_by_its_angle():
    rotating = fetched(datasets.make_rotating_mnist, n_digits=10, random_state=1)
    images = rotating.X.reshape(-1, 28, 28)
    for angle, quarter_turns in ((90.0, 1), (180.0, 2), (270.0, 3)):
        for row in np.flatnonzero(rotating.covariates["angle"] == angle):
            upright = (rotating.subject == rotating.subject[row]) & (rotating.covariates["angle"] == 0)
            for image in images[upright]:
                np.testing.assert_allclose(images[row], np.rot90(image, quarter_turns), atol=1e-3)


def test_stays_have_the_gaps_they_have():
    stays = fetched(datasets.fetch_physionet2012)
    assert stays.X.shape == (180_419, 37)
    assert len(set(stays.subject)) == 3997  # of three nothing was measured
    assert np.isfinite(stays.X).any(axis=1).all()
    assert np.isfinite(stays.X).sum() / (4000 * 48 * 37) == pytest.approx(0.2026, abs=1e-4)
    assert np.nanmedian(stays.X[:, list(stays.feature_names).index("HR")]) == 86
    assert len(stays.stays["subject"]) == 4000
    assert stays.stays["in_hospital_death"].mean() == pytest.approx(0.1385, abs=1e-4)


def test_what_is_measured_twice_in_a_period_is_averaged(monkeypatch):
    names = np.array(["RecordID", "Age", "Gender", "Height", "ICUType", "Weight"])
    kept = {
        "params": np.array(["HR", "pH"]),
        "a_row": np.array([0, 0, 0, 1, 1]),
        "a_min": np.array([10, 40, 70, 5, 5]),
        "a_par": np.array([0, 0, 0, 1, 0]),
        "a_val": np.array([80.0, 90.0, 100.0, 7.4, 60.0]),
        "static_names": names,
        "a_static": np.array([[7.0, 61, 0, -1, 4, 70], [9.0, 50, -1, 170, 1, -1]]),
        "outcome_names": np.array(["RecordID", "In-hospital_death"]),
        "a_outcome": np.array([[7.0, 0], [9.0, 1]]),
    }
    monkeypatch.setattr(physionet, "read_published", lambda file, download_if_missing: kept)
    stays = datasets.fetch_physionet2012()
    np.testing.assert_array_equal(stays.X, [[85.0, np.nan], [100.0, np.nan], [60.0, 7.4]])
    np.testing.assert_array_equal(stays.subject, [7, 7, 9])
    np.testing.assert_allclose(stays.time * 60, [25.0, 70.0, 5.0])
    assert stays.covariates["sex"].tolist() == ["female", "female", ""]
    assert stays.covariates["unit"].tolist() == ["surgical", "surgical", "coronary care"]
    assert np.isnan(stays.covariates["height"][:2]).all()
    assert len(datasets.fetch_physionet2012(every=1).X) == 4
    assert len(datasets.fetch_physionet2012(every=120).X) == 2
    with pytest.raises(ValueError, match="every must be positive"):
        datasets.fetch_physionet2012(every=0)


def test_visits_of_patients_name_the_kind_of_every_feature():
    visits = fetched(datasets.fetch_pbc2)
    assert visits.X.shape == (1945, 12)
    assert len(set(visits.subject)) == 312
    for column, (name, kind) in enumerate(visits.likelihood.items()):
        assert visits.feature_names[column] == name
        values = visits.X[np.isfinite(visits.X[:, column]), column]
        if kind == "gaussian":
            assert (values.mean(), values.std()) == (pytest.approx(0, abs=1e-9), pytest.approx(1))
        else:
            assert set(values) == set(range({"bernoulli": 2, "ordinal": 3 + (name == "stage")}[kind]))
    assert visits.covariates["sex"].tolist().count("f") == 1708


def test_simulated_visits_are_the_sum_of_their_effects():
    drawn = datasets.simulate_longitudinal(40, 6, n_components=2, noise=0.0, missing=0.3, random_state=0)
    np.testing.assert_allclose(sum(drawn.parts.values()), drawn.latent)
    np.testing.assert_allclose(drawn.X_complete, drawn.signal)
    assert (np.isfinite(drawn.X).sum(axis=1) >= 1).all()
    assert np.isnan(drawn.X).mean() == pytest.approx(0.25, abs=0.03)  # one entry of six always stays
    healthy = np.isnan(drawn.covariates["disease_time"])
    assert not drawn.parts["disease_time"][healthy].any()
    assert drawn.parts["disease_time"][~healthy].all()
    np.testing.assert_array_equal(np.sort(np.r_[drawn.given, drawn.future]), drawn.test)
    assert len(drawn.given) == 3 * 20
    for name in ("sex", "subject"):
        of_subject = [drawn.parts[name][drawn.subject == who] for who in range(60)]
        assert all((rows == rows[0]).all() for rows in of_subject)


def test_a_linear_decoder_is_linear():
    options = {"n_components": 2, "noise": 0.0, "missing": 0.0, "random_state": 0}
    for decoder, rank in (("linear", 2), ("nonlinear", 6)):
        drawn = datasets.simulate_longitudinal(40, 6, decoder=decoder, **options)
        signal = drawn.signal[drawn.train]
        assert np.linalg.matrix_rank(signal - signal.mean(axis=0), tol=1e-8) == rank


def test_features_of_every_kind():
    kinds = ["gaussian", "bernoulli", "ordinal", "poisson"]
    drawn = datasets.simulate_longitudinal(60, 4, likelihood=kinds, random_state=0)
    assert drawn.likelihood == kinds
    assert [set(drawn.X_complete[:, column]) for column in (1, 2)] == [{0, 1}, {0, 1, 2, 3}]
    counts = drawn.X_complete[:, 3]
    assert (counts == np.round(counts)).all()
    for column in range(4):
        assert np.corrcoef(drawn.X_complete[:, column], drawn.signal[:, column])[0, 1] > 0.3
    for options, message in (
        ({"likelihood": ["gaussian"]}, "names 1 features"),
        ({"likelihood": "normal"}, "must be among"),
        ({"n_given": 4}, "n_given <"),
        ({"decoder": "conv"}, "decoder must be"),
        ({"missing": -0.1}, "missing must be"),
    ):
        with pytest.raises(ValueError, match=message):
            datasets.simulate_longitudinal(10, 4, **options)


def test_parts_that_are_none_are_refused():
    with pytest.raises(ValueError, match="missing must be"):
        datasets.make_health_mnist(missing=1.0)
    with pytest.raises(ValueError, match="n_given must be"):
        datasets.make_health_mnist(n_given=20)
    with pytest.raises(ValueError, match="n_digits must be"):
        datasets.make_rotating_mnist(5)
    with pytest.raises(ValueError, match="held_out must be"):
        datasets.make_rotating_mnist(held_out=16)
