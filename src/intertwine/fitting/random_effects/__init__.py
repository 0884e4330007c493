"""Latents beside random effects: principal components, and networks.

============================ =====================================================================
begin with                   `pca`, `vae`: from rows to a `pca_model` (and `pca_known`), a `vae_model`
what both answer             `latent`
likelihoods of components    `pca_exact`, `pca_missing`, `pca_bound`; their EM: `factor_steps`, `rotated_rows`,
                             `latent_shapes`, `fixed_point`
a fit of networks            `vae_fit`: `vae_problem`, `vae_start`, `vae_epochs`, `vae_steps`, `vae_effects`,
                             `_other_rows_kernels`
its latents                  `vae_latents`
effects beside open latents  `joint_levels`, `open_latents`; of further rows `told_levels`
columns of 0 and 1, counts   `vae_local_effects`, `vae_local_rows`
the paper's estimator        `vae_amortised_fit`, `vae_amortised`
============================ =====================================================================
"""
