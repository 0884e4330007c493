"""LMM-VAE: a variational autoencoder whose latents follow a linear mixed model."""

from intertwine.reproduce.claims import unmeasured
from intertwine.reproduce.design import Paper
from intertwine.reproduce.lmm_vae.designs import HealthMNIST, RotatingMNIST, Simulated

__all__ = ["PAPER"]

PAPER = Paper(
    name="lmm-vae",
    title="LMM-VAE: a linear mixed model for the latents of a variational autoencoder",
    source="arXiv 2409.11008. Its designs are repeated; its own tables could not be obtained, so that what is set "
    "beside ours are simpler methods on the same draws and, for rotating MNIST, figures of other papers on it.",
    designs=(HealthMNIST, RotatingMNIST, Simulated),
    claims=(
        unmeasured(
            "LMM-VAE fills gaps of series of intensive care (PhysioNet 2012) better than others",
            "of these series we know no figures of the paper, and no design here repeats them",
        ),
        unmeasured(
            "LMM-VAE is as good as VAEs with Gaussian-process priors, and faster",
            "they are not among the methods that are run here",
        ),
    ),
)
