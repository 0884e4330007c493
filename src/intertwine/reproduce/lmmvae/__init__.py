"""LMMVAE: a variational autoencoder with random effects on the features."""

from intertwine.reproduce.claims import unmeasured
from intertwine.reproduce.design import Paper
from intertwine.reproduce.lmmvae.real import RealTables
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
    designs=(
        Categorical,
        TwoLatents,
        LongitudinalRandom,
        LongitudinalFuture,
        SpatialRandom,
        SpatialUnknown,
        RealTables,
    ),
    claims=(
        unmeasured(
            "LMMVAE takes half the time of SVGPVAE",
            "SVGPVAE is not among the methods that are run here",
            "191 to 229 s against 406 to 499 s",
        ),
        unmeasured(
            "Latents free of the effects serve to tell classes, and effects serve as maps",
            "of these uses we know no figures",
        ),
    ),
)
