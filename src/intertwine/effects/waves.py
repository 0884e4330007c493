"""Gaussian processes of a number as waves in a box, whose prior variances are a kernel's spectrum.

    g(x) = Σ_j a_j √S(ω_j) φ_j(x),   φ_j(x) = L^(−½) sin(ω_j (x − centre + L)),   ω_j = πj / 2L,   a ~ N(0, v I)

so that Cov g(x), g(x') is v times the kernel, but for two errors. A box of half width L mirrors the function at its
boundary: with h the half range of the fit's rows and L = h + aℓ the correlation with the image is at most ε. The
waves above ω_m are left out: with m = b L/ℓ they carry a share ε of the variance. Both constants follow from the
kernel, a = ½ (distance at which it falls to ε) / ℓ and b = (2/π) (frequency · ℓ that ε of its spectrum exceeds):

    ε = .01      rbf (1.517, 1.640)     matern52 (1.794, 2.567)     matern32 (1.916, 3.718)
    ε = .05      matern12 (1.498, 8.089), whose spectrum falls so slowly that .01 would take five times as many

Only at the shortest length scale and at the crest of a wave do the two meet: 2ε. The box follows the length scale, so
that m, which is enough for the shortest one admitted, is enough for all of them: b (h/ℓ_min + a) waves, where one box
for all length scales would take b (h + a ℓ_max)/ℓ_min.

Source: Solin & Särkkä, Hilbert space methods for reduced-rank Gaussian process regression (2020); a rule of this form,
with laxer constants, in Riutort-Mayol et al., Practical Hilbert space approximate Bayesian Gaussian processes (2023).
"""

from __future__ import annotations

from math import pi
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from intertwine.effects.stationary_kernels import distance_at, spectral_density

__all__ = ["WaveRule", "waves"]

Array = NDArray[np.float64]

_ERROR = {"rbf": 0.01, "matern12": 0.05, "matern32": 0.01, "matern52": 0.01}
_DEGREES_OF_FREEDOM = {"matern12": 1.0, "matern32": 3.0, "matern52": 5.0}  # of the spectrum, a t distribution


class WaveRule(NamedTuple):
    """What a kernel needs for an error of ``error``: a box of h + aℓ, and b (h + aℓ)/ℓ waves.

    Examples
    --------
    >>> [round(number, 3) for number in WaveRule.of("matern32")]
    [1.916, 3.718, 0.01]
    """

    a: float
    b: float
    error: float

    @classmethod
    def of(cls, kernel: str) -> WaveRule:
        """The constants of a kernel."""
        error = _ERROR[kernel]
        upper = 1.0 - 0.5 * error
        fastest = ndtri(upper) if kernel == "rbf" else stdtrit(_DEGREES_OF_FREEDOM[kernel], upper)
        return cls(0.5 * distance_at(kernel, error, 1.0), 2.0 / pi * float(fastest), error)


def waves(kernel: str, place: Array, half_width: float, length_scale: float, count: int) -> Array:
    """Values φ_j √S(ω_j) of the slowest waves, (n, count), at places counted from the box's centre; 0 beyond the box.

    Examples
    --------
    >>> line = np.linspace(-1.0, 1.0, 5)
    >>> found = waves("rbf", line, half_width=2.5, length_scale=1.0, count=12)
    >>> (found @ found.T)[0].round(3)  # exp(−d²/2) at distances 0, ½, 1, …
    array([0.989, 0.88 , 0.606, 0.325, 0.135])
    """
    frequency = 0.5 * pi / half_width * np.arange(1.0, count + 1.0)
    out = np.sin(np.outer(place + half_width, frequency))
    out *= np.sqrt(spectral_density(kernel, frequency, length_scale, 1) / half_width)
    out[np.abs(place) > half_width] = 0.0
    return out
