"""Longitudinal images made of MNIST's digits, whose covariates are known: what they show depends on them alone.

Each returns a :class:`sklearn.utils.Bunch` with

* ``X`` (visits, pixels), float32 on [0, 1] with NaN where a pixel was not observed, ``X_complete``, the same without
  NaN, and ``image_shape``,
* ``subject`` (visits,), where the design has it ``time`` (visits,), and ``covariates``, a dict of (visits,): numbers,
  NaN where they do not apply, and text,
* ``train`` and ``test``, and what else the design names: positions of visits,
* ``DESCR``.

They need MNIST's threes and sixes, which are looked for as :mod:`intertwine.datasets.store` tells; FileNotFoundError
says what to do when they cannot be had.
"""

from __future__ import annotations

from inspect import cleandoc

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import expit
from sklearn.utils import Bunch, check_random_state

from intertwine.datasets.mnist import SIDE, read_digits
from intertwine.resources import require_memory

__all__ = ["make_health_mnist", "make_rotating_mnist"]

Seed = int | np.random.RandomState | None
Images = NDArray[np.float32]

_PADDING = 4
_ONSET = 9  # the visit of sick subjects at which disease time is zero
_N_VISITS = 20
_N_ANGLES = 16
_HARMONICS = (1, 2, 3)


def make_health_mnist(
    n_train: int = 1000,
    n_test: int = 100,
    *,
    missing: float = 0.25,
    n_given: int = 5,
    random_state: Seed = None,
    download_if_missing: bool = True,
) -> Bunch:
    """Draw Health MNIST: subjects that are handwritten digits, which turn when they are sick and drift as they age.

    A subject is a three or a six, its sex, padded to 36 × 36. At visit t = 0 … 19 it is rotated by N(0, 2²) degrees,
    plus 45 / (1 + exp(−s)) at disease time s = −9 … 10 if it is sick, plus 5 if not; then it is moved by t / 10 pixels
    along both axes. Half of the subjects are sick. Pixels are missing at random.

    Parameters
    ----------
    n_train, n_test : int, default=1000 and 100
        Subjects, each of 20 visits; no digit is used twice, and those of the test are MNIST's test digits.
    missing : float, default=0.25
        Part of the pixels that are not observed.
    n_given : int, default=5
        First visits of the test subjects that are given; the later ones are to be predicted.
    random_state : int, RandomState or None, default=None
    download_if_missing : bool, default=True

    Returns
    -------
    sklearn.utils.Bunch
        See :mod:`intertwine.datasets.longitudinal_images`. ``covariates``: "age" (0 … 19, which is ``time`` too),
        "disease_time" (−9 … 10, NaN for the healthy), "sex", "sick" and "location", which has no effect. ``train``
        and ``test`` are the visits of the training and the test subjects, ``given`` and ``future`` the two parts of
        ``test``; ``angle`` (visits,) in degrees.

    Raises
    ------
    ValueError
        When there are not as many digits, or a part is none.

    Notes
    -----
    Source: the design of the longitudinal variational autoencoder, arXiv 2006.09763, which arXiv 2409.11008 uses;
    digits of MNIST (LeCun, Cortes, Burges), CC BY-SA 3.0.

    Examples
    --------
    Where the digits are at hand::

        health = make_health_mnist(100, 10, random_state=0)
        health.X[health.train]
    """
    _check_part("missing", missing)
    if not 0 < n_given < _N_VISITS:
        raise ValueError(f"n_given must be between 1 and {_N_VISITS - 1}, got {n_given}")
    n_subjects, side = n_train + n_test, SIDE + 2 * _PADDING
    require_memory(
        3 * 4 * n_subjects * _N_VISITS * side**2, f"the images of {n_subjects:,} subjects", "fewer"
    )
    digits = read_digits(download_if_missing=download_if_missing)
    rng = np.random.default_rng(check_random_state(random_state).randint(2**31))

    is_six = np.concatenate([_halves(rng, n_train), _halves(rng, n_test)])
    is_sick, is_remote = (np.concatenate([_halves(rng, n_train), _halves(rng, n_test)]) for _ in range(2))
    faces = np.empty((n_subjects, SIDE, SIDE), dtype=np.float32)
    for part, subjects in (("train", np.arange(n_train)), ("test", np.arange(n_train, n_subjects))):
        for digit, chosen in ((3, ~is_six), (6, is_six)):
            these = subjects[chosen[subjects]]
            faces[these] = _distinct(rng, digits[f"{part}_{digit}"], len(these), f"{part} subjects")

    subject = np.repeat(np.arange(n_subjects), _N_VISITS)
    age = np.tile(np.arange(_N_VISITS, dtype=np.float64), n_subjects)
    disease_time = np.where(is_sick[subject], age - _ONSET, np.nan)
    turned = np.where(is_sick[subject], 45.0 * expit(disease_time), 5.0)
    angle = turned + rng.normal(0.0, 2.0, len(subject))
    padded = np.pad(faces / np.float32(255), ((0, 0), (_PADDING, _PADDING), (_PADDING, _PADDING)))
    complete = np.empty((len(subject), side**2), dtype=np.float32)
    for row, (who, degrees, moved) in enumerate(zip(subject, angle, age / 10.0, strict=True)):
        complete[row] = _moved(_rotated(padded[who], degrees), moved).ravel()
    given = age < n_given
    is_test = subject >= n_train
    return Bunch(
        X=_with_missing(rng, complete, missing),
        X_complete=complete,
        image_shape=(side, side),
        subject=subject,
        time=age,
        covariates={
            "age": age,
            "disease_time": disease_time,
            "sex": _words(is_six[subject], "three", "six"),
            "sick": _words(is_sick[subject], "no", "yes"),
            "location": _words(is_remote[subject], "near", "far"),
        },
        angle=angle,
        train=np.flatnonzero(~is_test),
        test=np.flatnonzero(is_test),
        given=np.flatnonzero(is_test & given),
        future=np.flatnonzero(is_test & ~given),
        DESCR=cleandoc(make_health_mnist.__doc__ or ""),
    )


def make_rotating_mnist(
    n_digits: int = 400,
    *,
    held_out: int = 7,
    random_state: Seed = None,
    download_if_missing: bool = True,
) -> Bunch:
    """Draw rotating MNIST: handwritten threes seen at sixteen angles, of which one is never shown.

    A tenth of the digits is set apart. Of the others a quarter of the images is dropped at every angle; those that are
    left are given, save those at the angle that is held out, which are to be predicted. With 400 digits that is 4050
    images to learn from, 640 of the digits set apart, and 270 to predict.

    Parameters
    ----------
    n_digits : int, default=400
    held_out : int, default=7
        Number of the angle that is held out, 0 … 15.
    random_state : int, RandomState or None, default=None
    download_if_missing : bool, default=True

    Returns
    -------
    sklearn.utils.Bunch
        See :mod:`intertwine.datasets.longitudinal_images`; nothing is missing in ``X``. ``subject`` is the digit.
        ``covariates``: "angle" in degrees, and as an angle has no end, "cos1", "sin1" … "cos3", "sin3" of it and its
        multiples. ``train`` and ``test`` as said, ``evaluation``: the digits that were set apart, at all angles.

    Raises
    ------
    ValueError
        When there are not as many digits, or fewer than ten are asked for, or no angle has that number.

    Notes
    -----
    Source: the design of arXiv 1810.11738, with the counts of arXiv 2010.13472; digits as in
    :func:`make_health_mnist`.

    Examples
    --------
    Where the digits are at hand::

        rotating = make_rotating_mnist(40, random_state=0)
        rotating.X[rotating.train]
    """
    if n_digits < 10:
        raise ValueError(f"n_digits must be at least 10, for a tenth is set apart, got {n_digits}")
    if not 0 <= held_out < _N_ANGLES:
        raise ValueError(f"held_out must be between 0 and {_N_ANGLES - 1}, got {held_out}")
    digits = read_digits(download_if_missing=download_if_missing)
    rng = np.random.default_rng(check_random_state(random_state).randint(2**31))
    faces = _distinct(rng, digits["train_3"], n_digits, "digits") / np.float32(255)
    n_apart = n_digits // 10
    is_apart = rng.permutation(n_digits) < n_apart
    others = np.flatnonzero(~is_apart)
    seen = np.zeros((n_digits, _N_ANGLES), dtype=bool)
    seen[is_apart] = True
    for angle in range(_N_ANGLES):
        seen[rng.choice(others, round(0.75 * len(others)), replace=False), angle] = True
    subject, number = np.nonzero(seen)
    degrees = number * (360.0 / _N_ANGLES)
    images = np.stack(
        [_rotated(faces[who], turned).ravel() for who, turned in zip(subject, degrees, strict=True)]
    )
    apart, unseen = is_apart[subject], number == held_out
    return Bunch(
        X=images,
        X_complete=images,
        image_shape=(SIDE, SIDE),
        subject=subject,
        covariates={
            "angle": degrees,
            **{
                f"{name}{times}": function(np.deg2rad(times * degrees))
                for times in _HARMONICS
                for name, function in (("cos", np.cos), ("sin", np.sin))
            },
        },
        train=np.flatnonzero(~apart & ~unseen),
        evaluation=np.flatnonzero(apart),
        test=np.flatnonzero(~apart & unseen),
        DESCR=cleandoc(make_rotating_mnist.__doc__ or ""),
    )


def _check_part(name: str, part: float) -> None:
    if not 0 <= part < 1:
        raise ValueError(f"{name} must be at least 0 and less than 1, got {part}")


def _halves(rng: np.random.Generator, n: int) -> NDArray[np.bool_]:
    """Mark each with probability one half."""
    return rng.random(n) < 0.5


def _distinct(rng: np.random.Generator, images: NDArray[np.uint8], n: int, of_what: str) -> NDArray[np.uint8]:
    if n > len(images):
        raise ValueError(
            f"{n:,} {of_what} of one sex, but MNIST has {len(images):,} such digits; ask for fewer"
        )
    return images[rng.choice(len(images), n, replace=False)]


def _rotated(image: Images, degrees: float) -> Images:
    """Turn an image about its middle by cubic splines, black where nothing was; splines overshoot a little."""
    return np.clip(ndimage.rotate(image, degrees, order=3, reshape=False), 0.0, 1.0)


def _moved(image: Images, pixels: float) -> Images:
    return np.clip(ndimage.shift(image, pixels, order=3), 0.0, 1.0)


def _with_missing(rng: np.random.Generator, complete: Images, part: float) -> Images:
    observed = complete.copy()
    observed[rng.random(complete.shape, dtype=np.float32) < part] = np.nan
    return observed


def _words(chosen: NDArray[np.bool_], no: str, yes: str) -> NDArray[np.object_]:
    return np.where(chosen, yes, no).astype(object)
