"""LMMVAE: a variational autoencoder with random effects on the features."""

from intertwine.reproduce.design import Paper
from intertwine.reproduce.lmmvae.simulated import (
    Categorical,
    LongitudinalFuture,
    LongitudinalRandom,
    SpatialRandom,
    SpatialUnknown,
    TwoLatents,
)

__all__ = ["PAPER"]

PAPER = Paper(
    name="lmmvae",
    title="LMMVAE: random effects in variational autoencoders",
    source="arXiv 2412.16899. Its own test loss re-estimates the random effects of a test row from that row, and its "
    "bound depends on what stands in a batch; neither is so here, nor in the columns that are set beside it.",
    designs=(Categorical, TwoLatents, LongitudinalRandom, LongitudinalFuture, SpatialRandom, SpatialUnknown),
)
