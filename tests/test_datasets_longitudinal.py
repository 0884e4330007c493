"""Longitudinal designs and tables are what they are said to be; only an absent file leaves a test out."""

import numpy as np
import pytest

from intertwine import datasets
from intertwine.datasets import mnist


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


def test_parts_that_are_none_are_refused():
    with pytest.raises(ValueError, match="missing must be"):
        datasets.make_health_mnist(missing=1.0)
    with pytest.raises(ValueError, match="n_given must be"):
        datasets.make_health_mnist(n_given=20)
