"""Figures that others print for the designs of the LMM-VAE paper.

The tables of arXiv 2409.11008 itself are not among them: we could not obtain them. Those of rotating MNIST are of the
same design, as it stands in the papers on Gaussian-process priors that it compares with.
"""

from __future__ import annotations

__all__ = ["ROTATING"]

#: Mean squared error of pixels at the angle that was held out, from arXiv 2010.13472.
ROTATING = {"CVAE": 0.0796, "GPPVAE": 0.0370, "SVGP-VAE": 0.0251}
