"""Which tests hold which module: those that are quick first. A test has to fail when a formula there is wrong."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path

# Layers whose modules are formulas; every module of them, and of these files, has a line in TESTS or in WITHOUT.
LAYERS = (
    "losses", "structures", "effects", "mixed_effects", "likelihoods", "latent_prior", "architectures",
    "solvers", "sparse_path", "fitting",
)  # fmt: skip
FILES = (
    "penalties", "objective", "risk", "elbo", "mixed_model", "newton_system", "covariance", "projection", "basis",
    "coefficients", "dense_pair_problem", "pair_problem", "restricted_problem", "networks", "minimize", "preparation",
)  # fmt: skip

# The first pattern that fits, as a shell reads it; in a layer's name a dot.
TESTS = {
    "losses._risk_kernels": "cox losses",
    "losses.concordance": "cox parity_r",
    "losses.cox*": "cox losses parity_r",
    "losses.event_times": "cox losses",
    "losses.risk_sets": "cox losses",
    "losses.working": "working_responses fm_gibbs",
    "losses.*": "losses mixed_model",
    "penalties": "penalties coordinate",
    "likelihoods.local_*": "local_bounds",
    "likelihoods.*": "likelihoods",
    "architectures.*": "architectures",
    "networks": "architectures vae_parts",
    "elbo": "elbo",
    "objective": "latent_objective joint_search",
    "risk": "gauss_newton",
    "minimize": "minimize",
    "mixed_model": "mixed_model exact_path joint_search",
    "newton_system": "mixed_model exact_path",
    "covariance": "mixed_model exact_path joint_search",
    "projection": "mixed_model exact_path",
    "basis": "preparation",
    "preparation": "preparation exact_path",
    "coefficients": "coefficients estimators",
    "*pair_problem": "pair_solvers sparse_problem exact_path",
    "restricted_problem": "pair_solvers sparse_problem heredity",
    "latent_prior.*": "longitudinal_fit",
    "structures._factor_moments": "factors_variational latent_factors_memory",
    "structures.factor_moments": "factors_variational latent_factors_memory",
    "structures._factor_sgd": "latent_factors latent_factors_edges",
    "structures._fm_kernels": "fm_structure fm_adagrad gauss_newton fm_gibbs",
    "structures._fm_patterns": "fm_structure fm_gibbs",
    "structures.fm_patterns": "fm_structure fm_gibbs",
    "structures._fm_repeated": "fm_structure fm_gibbs",
    "structures._fm_short": "fm_structure fm_gibbs",
    "structures._fm_sgd_kernels": "fm_adagrad fm_adagrad_stopping",
    "structures.fm*": "fm_structure gauss_newton fm_gibbs",
    "structures._latent_kernels": "latent_structure gauss_newton factors_gauss_newton",
    "structures.latent_factors": "latent_structure gauss_newton factors_gauss_newton",
    "structures.*local_fm*": "local_fm_structure local_fm_descent",
    "structures.coding": "local_fm_structure local_fm_descent",
    "structures.columns": "pairwise_structure pair_solvers sparse_problem",
    "structures.pairwise": "pairwise_structure sparse_problem",
    "structures.latent": "latent_targets latent_objective joint_search",
    "structures.registry": "latent_targets joint_search",
    "structures.third_order": "latent_targets latent_objective",
    "structures.linearization": "latent_structure gauss_newton",
    "structures.mapping": "latent_structure gauss_newton",
    "structures.base": "latent_structure",
    "structures.ratings": "latent_structure held_out_ratings factors_gauss_newton",
    "effects.ar1": "effects_series_and_graphs latent_shapes shapes",
    "effects.correlated": "correlated_effects",
    "effects.graph": "effects_series_and_graphs",
    "effects.features": "effects exact_path",
    "effects.grouped": "effects_grouped mixed_model_estimator",
    "effects.exchangeable": "effects_longitudinal effects_grouped mixed_model_estimator",
    "effects.longitudinal": "effects_longitudinal mixed_model_estimator",
    "effects.random": "effects_grouped",
    "effects.s[ip]*": "effects_spatial shapes mixed_model_estimator",
    "effects.stationary_kernels": "effects_spatial covariate_terms",
    "effects.*": "covariate_terms latent_effects latent_length_scales longitudinal_explain",
    "mixed_effects._block*": "block_system block_laws variances",
    "mixed_effects.block*": "block_system block_laws variances",
    "mixed_effects.factors": "block_system",
    "mixed_effects.level_rows": "block_system",
    "mixed_effects.gram": "sparse_system iterative_system",
    "mixed_effects._henderson_kernels": "sparse_system iterative_system",
    "mixed_effects.henderson*": "sparse_system iterative_system",
    "mixed_effects.row_design": "sparse_system iterative_system",
    "mixed_effects.located_rows": "sparse_system iterative_system effects_spatial",
    "mixed_effects._elimination_kernels": "sparse_cholesky sparse_system",
    "mixed_effects._sparse_cholesky_kernels": "sparse_cholesky sparse_system",
    "mixed_effects.sparse_cholesky": "sparse_cholesky sparse_system",
    "mixed_effects.sparse*": "sparse_system patterned_system effects_series_and_graphs",
    "mixed_effects.iterative": "iterative_system",
    "mixed_effects.scaled_equations": "iterative_system",
    "mixed_effects.conjugate_gradients": "iterative_system",
    "mixed_effects.spectral": "spectral_system patterned_system effects_spatial",
    "mixed_effects.patterned": "patterned_system",
    "mixed_effects.least_squares": "least_squares_system",
    "mixed_effects.predicted_mean": "mixed_model_estimator",
    "mixed_effects.choose": "shapes iterative_system patterned_system mixed_model_estimator",
    "mixed_effects.scalar_search": "shapes variances",
    "mixed_effects.serial_residuals": "serial_residuals",
    "mixed_effects.shapes": "shapes latent_shapes",
    "mixed_effects.variance*": "variances shapes",
    "mixed_effects.lockstep": "variances latent_variances shapes",
    "mixed_effects.accelerated_steps": "latent_variances",
    "mixed_effects.coefficient_priors": "latent_variances",
    "mixed_effects.latent_variance_search": "latent_variances correlated_effects",
    "mixed_effects.latent_axes": "latent_axes correlated_effects",
    "mixed_effects.latent_effects": "latent_effects covariate_data correlated_effects",
    "mixed_effects.latent_length_scales": "latent_length_scales",
    "mixed_effects.mean_field": "mean_field longitudinal_mean_field",
    "mixed_effects.own_factor": "subject_system correlated_effects latent_variances",
    "mixed_effects.subject_parts": "subject_parts longitudinal_predictions",
    "mixed_effects.*": "subject_system subject_parts mean_field latent_variances",
    "solvers._block_kernels": "gauss_newton factors_gauss_newton",
    "solvers.preconditioners": "gauss_newton factors_gauss_newton",
    "solvers.gauss_newton": "newton_steps gauss_newton factors_gauss_newton",
    "solvers.sharpness": "gauss_newton",
    "solvers.lbfgs": "minimize gauss_newton latent_objective",
    "solvers.adagrad": "fm_adagrad fm_adagrad_stopping",
    "solvers.als": "minimize fm_gibbs fm_robustness",
    "solvers.gibbs": "fm_draws fm_gibbs",
    "solvers.alternating_factors": "factors_variational",
    "solvers.feature_ridge": "factors_variational",
    "solvers.variational": "factors_variational",
    "solvers.coordinate": "coordinate sparse_problem",
    "solvers.gram_descent": "coordinate sparse_problem",
    "solvers.row_adam": "local_fm_descent",
    "solvers.sgd": "minimize latent_factors_edges resumable",
    "solvers.*": "pair_solvers sparse_problem",
    "sparse_path.*": "all_coordinates sparse_path sparse_problem heredity",
    "fitting.factor_rows": "random_effects_pca_exact",
    "fitting.mini_batches": "vae_parts longitudinal_fit",
    "fitting.kept_epochs": "vae_parts longitudinal_fit",
    "fitting.resumable": "resumable resumable_machines",
    "fitting.mixed_model": "mixed_model_lme4 mixed_model_estimator",
    "fitting.interactions.bootstrap": "progress selection",
    "fitting.interactions.relevance": "preparation",
    "fitting.interactions.joint_search": "joint_search",
    "fitting.interactions.written_search": "latent_objective",
    "fitting.interactions.latent_search": "joint_search selection",
    "fitting.interactions.exact": "exact_path latent_objective joint_search",
    "fitting.interactions.fields": "exact_path latent_objective joint_search",
    "fitting.interactions.fit_*": "exact_path latent_objective selection",
    "fitting.interactions.model": "exact_path selection",
    "fitting.interactions.prepare_rows": "preparation exact_path selection",
    "fitting.interactions.feature_pairs": "selection estimators",
    "fitting.interactions.*": "selection",
    "fitting.latent_factors.early_stopping": "gauss_newton",
    "fitting.latent_factors.gauss_newton": "factors_gauss_newton",
    "fitting.latent_factors.model": "factors_gauss_newton factors_variational",
    "fitting.latent_factors.sgd": "latent_factors_edges resumable",
    "fitting.latent_factors.gibbs": "factors_variational resumable",
    "fitting.latent_factors.fold_in": "factors_variational latent_factors",
    "fitting.latent_factors.top_k*": "top_k_index latent_factors",
    "fitting.latent_factors.*rat*": "held_out_ratings factors_gauss_newton latent_factors latent_factors_edges",
    "fitting.latent_factors.side_features": "latent_factors_edges latent_factors",
    "fitting.latent_factors.principal_factors": "latent_factors latent_factors_edges",
    "fitting.latent_factors.*": "factors_variational resumable",
    "fitting.fm.adagrad": "fm_adagrad fm_adagrad_stopping fm_streams fm_robustness",
    "fitting.fm.pairs": "fm_robustness fm_gibbs",
    "fitting.fm.units": "fm_draws fm_adagrad",
    "fitting.fm.[cpsu]*": "fm_adagrad fm_adagrad_stopping fm_robustness fm_streams",
    "fitting.fm.*": "fm_draws fm_gibbs fm_robustness",
    "fitting.local_fm.*": "local_fm_descent resumable_machines",
    "fitting.longitudinal.mean_field*": "longitudinal_mean_field longitudinal_mean_field_fit",
    "fitting.longitudinal.model": "latent_axes longitudinal_fit",
    "fitting.longitudinal.epochs": "longitudinal_vae",
    "fitting.longitudinal.refinement": "longitudinal_refinement",
    "fitting.longitudinal.noise": "longitudinal_spread",
    "fitting.longitudinal.points": "longitudinal_spread longitudinal_predictions",
    "fitting.longitudinal.widening": "longitudinal_widening",
    "fitting.longitudinal.*": "longitudinal_fit longitudinal_vae",
    "fitting.random_effects.joint_levels": "joint_levels",
    "fitting.random_effects.open_latents": "joint_levels",
    "fitting.random_effects.told_levels": "random_effects_condition",
    "fitting.random_effects.pca_missing": "random_effects_pca_missing",
    "fitting.random_effects.pca*": "random_effects_pca_exact random_effects_pca random_effects_pca_missing",
    "fitting.random_effects.factor_steps": "random_effects_pca random_effects_pca_missing",
    "fitting.random_effects.fixed_point": "random_effects_pca",
    "fitting.random_effects.rotated_rows": "random_effects_pca_exact random_effects_pca",
    "fitting.random_effects.latent": "random_effects_base",
    "fitting.random_effects.latent_shapes": "latent_shapes",
    "fitting.random_effects.vae_effects": "elbo vae_parts",
    "fitting.random_effects.vae_amortised*": "vae_parts random_effects_vae",
    "fitting.random_effects.vae": "random_effects_vae",
    "fitting.random_effects.vae_model": "random_effects_vae",
    "fitting.random_effects.vae_local_*": "local_bounds random_effects_vae_kinds",
    "fitting.random_effects.vae_*": "vae_parts random_effects_vae",
}  # fmt: skip

# Code without a formula: registries, names, records, what watches a fit.
WITHOUT = frozenset({"fitting.watch", "fitting.compiled_steps"})


def core_modules(package: Path) -> dict[str, Path]:
    """Names of the modules whose formulas are broken, in the package, and their files."""
    files = [package / f"{name}.py" for name in FILES]
    files += [path for layer in LAYERS for path in sorted((package / layer).rglob("*.py"))]
    names = {".".join(path.relative_to(package).with_suffix("").parts): path for path in files}
    return {
        name: path for name, path in names.items() if not name.endswith("__init__") and name not in WITHOUT
    }


def files_holding(name: str) -> tuple[str, ...]:
    """Files in ``tests`` that hold a module.

    Raises
    ------
    LookupError
        When no line of the table fits the name.
    """
    for pattern, tests in TESTS.items():
        if fnmatch(name, pattern):
            return tuple(f"test_{stem}.py" for stem in tests.split())
    raise LookupError(f"no test holds {name}: it needs a line in tests/mutations/held_by.py")
