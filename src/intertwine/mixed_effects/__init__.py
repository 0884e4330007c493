"""The exact engine of random effects: posterior, evidence and variance components of several outputs at once.

Begin with `base`: what every system answers. `choose` picks the algebra that the design allows:

============================ =====================================================================
no effects                   `least_squares`
levels that share nothing    `block`, `block_design`, `level_rows`, `_block_*`
one dense covariance         `spectral`, `_spectral_kernels`, `patterned` (where entries are missing)
any sum of effects           `sparse`, on `henderson`, `sparse_cholesky`, `_henderson_kernels`,
                             `_elimination_kernels`, `_sparse_cholesky_kernels`; many small factors at once:
                             `batched_cholesky`, `_batched_cholesky_kernels`
too many for a factor        `iterative`, `scaled_equations`, `conjugate_gradients`
these two share              `row_design`, `gram`, `located_rows`, `henderson_means`; rows that know the same:
                             `row_cells`, `met_levels`, `_row_cell_kernels`
latents of visits            `subject_system`: `subjects`, `subject_*`, `shared_coefficients`, `own_factor`,
                             `_subject_kernels`, `_trend_kernels`; `mean_field`, to compare with
variances and shapes         `variances`, `variance_search`, `shapes`; of latents `latent_*`, `coefficient_priors`
residuals of single columns  `serial_residuals`
how they are searched        `lockstep`, `_lockstep_kernels`, `accelerated_steps`, `scalar_search`
all                          `factors`, `predicted_mean`, `row_sample`
============================ =====================================================================
"""
