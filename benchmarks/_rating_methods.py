"""The factorization machines of the ratings benchmark, by the name that its table prints."""

from __future__ import annotations

from collections.abc import Callable

import _our_ratings
from _methods import Method
from baselines.myfm_peer import MyFM
from baselines.rating_peer import RatingPeer, rmse, tiny_ratings
from baselines.sgd_peers import VowpalWabbit, XLearn


def _method(make: Callable[[], RatingPeer], from_registry: bool = False) -> Method:
    return Method(make, from_registry=from_registry, measure=rmse, tiny=tiny_ratings)


METHODS: dict[str, Method] = {
    "intertwine, Gibbs": _method(_our_ratings.Gibbs),
    "myFM, Gibbs": _method(MyFM, from_registry=True),
    "intertwine, Gibbs, ordinal": _method(_our_ratings.Ordinal),
    "intertwine, ALS": _method(_our_ratings.LeastSquares),
    "intertwine, AdaGrad": _method(_our_ratings.AdaGrad),
    "intertwine, local FM in a latent space, 5 experts": _method(_our_ratings.Local),
    "intertwine, the same with 1 expert": _method(_our_ratings.OneExpert),
    "xLearn, AdaGrad": _method(XLearn, from_registry=True),
    "Vowpal Wabbit, --rank": _method(VowpalWabbit, from_registry=True),
}
