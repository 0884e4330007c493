"""Second-order latent factors beside SGD and Adam, and whether sharpness helps them."""

from intertwine.reproduce.design import Paper
from intertwine.reproduce.sslf.ratings import MovieLens1M, Yelp

__all__ = ["PAPER"]

PAPER = Paper(
    name="sslf",
    title="Sharpness-aware second-order latent factors: the paper's comparison, repeated",
    source="arXiv 2512.16277. The paper sets its second-order method beside SGD and Adam on MovieLens 1M and on Yelp, "
    "and reports a smaller error in far fewer epochs. Its table could not be recovered, so no figure of its own stands "
    "beside ours: the claims are measured anew. An epoch of a second-order method is many passes over the ratings "
    "(products, line search), one of SGD is one: both are counted. With g the gradient and ε = ρ g/‖g‖: mode A takes "
    "gradient and curvature at the perturbed point, B the gradient alone, D adds ρ‖g‖ to the objective, and what "
    "follows for the curvature.",
    designs=(MovieLens1M, Yelp),
)
