"""Which solver fits a latent-factor model, and the public parameters in its terms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from intertwine.fitting.latent_factors.als import fit_als_factors
from intertwine.fitting.latent_factors.gauss_newton import fit_gauss_newton
from intertwine.fitting.latent_factors.gibbs import fit_gibbs_factors
from intertwine.fitting.latent_factors.model import FactorModel, FactorSettings
from intertwine.fitting.latent_factors.sgd import fit_sgd_factors
from intertwine.fitting.latent_factors.variational import fit_variational
from intertwine.resources import require_memory

__all__ = ["SOLVERS", "require_factor_memory", "settings_of", "solver_of"]

SOLVERS: dict[str, Callable[..., FactorModel]] = {
    "variational": fit_variational,
    "gibbs": fit_gibbs_factors,
    "als": fit_als_factors,
    "gauss_newton": fit_gauss_newton,
    "sgd": fit_sgd_factors,
}
# what each solver takes where a parameter is None
_OWN: dict[str, dict[str, Any]] = {
    "variational": {"max_iter": 60, "tol": 1e-4, "init_scale": 0.3},
    "gibbs": {"max_iter": 300, "tol": 0.0},
    "als": {"alpha": 1.0, "frequency_power": 0.5, "max_iter": 100, "tol": 1e-4},
    "gauss_newton": {"alpha_features": 0.1, "max_iter": 100, "tol": 1e-5, "validation_fraction": 0.03},
    "sgd": {"max_iter": 300, "tol": 1e-5, "init_scale": 0.03, "validation_fraction": 0.05},
}
_DEFAULTS = {
    "alpha": 0.04,
    "alpha_features": 1.0,
    "frequency_power": 1.0,
    "init_scale": 0.1,
    "validation_fraction": 0.0,
}
_PLAIN = (
    "n_components",
    "biases",
    "mapping",
    "rho",
    "sharpness",
    "damping",
    "n_samples",
    "learning_rate",
)
_BURN_IN_SHARE = 5  # of the sweeps, one in five


def solver_of(estimator: Any) -> str:
    """The solver asked for.

    Raises
    ------
    ValueError
        For settings that it does not know.
    """
    second_order = estimator.mapping != "identity" or estimator.rho > 0
    solver = estimator.solver
    if solver == "auto":
        solver = "gauss_newton" if second_order else "variational"
    if second_order and solver != "gauss_newton":
        what = f"mapping={estimator.mapping!r}" if estimator.mapping != "identity" else f"rho={estimator.rho}"
        raise ValueError(f"{what} needs solver='gauss_newton', not {solver!r}")
    if solver == "sgd" and _is_described(estimator):
        raise ValueError("solver='sgd' knows ids only: side features and implicit=True need another solver")
    if estimator.n_components == 0 and not estimator.biases:
        raise ValueError("n_components=0 without biases leaves nothing to fit")
    return solver


def _is_described(estimator: Any) -> bool:
    """Whether anything but ids is known of users or items."""
    return bool(estimator.implicit or len(estimator.user_features) or len(estimator.item_features))


def settings_of(estimator: Any, solver: str) -> FactorSettings:
    """The public parameters in the terms of a fit.

    Raises
    ------
    ValueError
        When no draws would be left; for "als" without a ridge, where few ratings leave rows undetermined.
    """
    given = {name: getattr(estimator, name) for name in ("max_iter", "tol", *_DEFAULTS)}
    values = _DEFAULTS | _OWN[solver] | {name: value for name, value in given.items() if value is not None}
    burn_in = values["max_iter"] // _BURN_IN_SHARE if estimator.n_burn_in is None else estimator.n_burn_in
    if solver == "gibbs" and burn_in >= values["max_iter"]:
        raise ValueError(f"n_burn_in={burn_in} leaves no draws of max_iter={values['max_iter']} sweeps")
    if solver == "als" and not values["alpha"] > 0:
        raise ValueError(
            "solver='als' needs alpha > 0: ids of few ratings are undetermined without; try 0.01"
        )
    if estimator.cg_iter is None:
        # blocks of ids are all the curvature there is beside those of the other side; features reach across ids
        values["cg_iter"] = 20 if _is_described(estimator) else 1
    else:
        values["cg_iter"] = estimator.cg_iter
    return FactorSettings(n_burn_in=burn_in, **{name: getattr(estimator, name) for name in _PLAIN}, **values)


def require_factor_memory(
    settings: FactorSettings, solver: str, n_users: int, n_items: int, n_ratings: int
) -> None:
    """Refuse a fit that would not fit into memory.

    Raises
    ------
    MemoryError
    """
    d, n_ids = settings.width, n_users + n_items
    # measured: all but "gibbs" and "sgd" hold a matrix per id
    of_tables = 80 * d + {"variational": 16, "als": 7, "gauss_newton": 12}.get(solver, 0) * d**2
    if solver == "gibbs":
        of_tables += 8 * settings.n_samples * d
    of_ratings = 160 if solver == "gibbs" else 64
    require_memory(
        n_ids * of_tables + n_ratings * of_ratings,
        f"the fit of {n_users} users and {n_items} items",
        "a smaller n_components" + {"gibbs": ", n_samples", "variational": ", solver='als'"}.get(solver, ""),
    )
