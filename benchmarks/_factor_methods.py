"""The latent-factor models of the ratings benchmark, by the name that its table prints."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from _methods import Method
from _our_factors import OurFactors, PlainConjugateGradients
from baselines import factor_libraries
from baselines.factor_peer import FactorPeer, tiny_table
from baselines.rating_peer import rmse


def _method(make: Callable[[], FactorPeer], from_registry: bool = False) -> Method:
    return Method(make, from_registry=from_registry, measure=rmse, tiny=tiny_table)


_OURS = {
    "intertwine, variational": {"solver": "variational"},
    "intertwine, Gibbs, 100 sweeps": {"solver": "gibbs", "max_iter": 100, "n_samples": 80},
    "intertwine, Gibbs": {"solver": "gibbs"},
    "intertwine, Gauss-Newton": {"solver": "gauss_newton"},
    "intertwine, ALS": {"solver": "als"},
    "intertwine, SGD": {"solver": "sgd"},
    "intertwine, variational + who rated what": {"solver": "variational", "implicit": True},
    "intertwine, Gibbs + who rated what": {"solver": "gibbs", "implicit": True},
    "intertwine, Gauss-Newton + who rated what": {"solver": "gauss_newton", "implicit": True},
    "intertwine, ALS + who rated what": {"solver": "als", "implicit": True},
}
_SHARP = ("perturbed", "perturbed_gradient", "injected")
_OURS |= {
    f"intertwine, Gauss-Newton, {form.replace('_', ' ')}, ρ = .5": {
        "solver": "gauss_newton",
        "rho": 0.5,
        "sharpness": form,
    }
    for form in _SHARP
}
_PEERS = {
    "Surprise SVD, defaults": factor_libraries.Surprise,
    "Surprise SVD, tuned": factor_libraries.SurpriseTuned,
    "cmfrec": factor_libraries.Cmfrec,
    "cmfrec + who rated what": factor_libraries.CmfrecImplicit,
    "LIBMF": factor_libraries.Libmf,
    "cornac MF": factor_libraries.Cornac,
    "myFM, Gibbs, 100 sweeps": factor_libraries.MyFM,
}

METHODS: dict[str, Method] = {
    **{name: _method(partial(OurFactors, **settings)) for name, settings in _OURS.items()},
    "second order, plain CG (the authors' settings)": _method(PlainConjugateGradients),
    **{name: _method(make, from_registry=True) for name, make in _PEERS.items()},
}
