"""Latents of visits that follow a mixed model of covariates and subjects: what users import.

============================ =====================================================================
what users import            `vae`
before a fit                 covariates: `covariate_columns`, `covariate_data`, `covariate_effects`
the fit                      `fit`
after it                     `predictions`, `density`, `imputation`, `visits`, `subjects`, `courses`
what moves what              `explain`: `contributions` to variances, `curves` along a `covariate_grid`
its tables                   `tables`
files                        `state`
============================ =====================================================================
"""
