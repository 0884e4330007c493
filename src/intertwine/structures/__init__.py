"""Structures: parameters to scores, with formula, derivatives and compiled loops (`_*`) of each on a page.

============================ =====================================================================
what a structure is          `base`; as a function of a flat vector `linearization`
interactions                 `latent` targets by name (`registry`), `third_order`; columns of pairs `pairwise`,
                             `columns`
factorization machines       `fm`; its sweeps `fm_sweep`, `fm_running`, `fm_short`, `fm_patterns`, `_fm_*`
local machines               `local_fm`, `coding`, `_local_fm_kernels` in vectors of eight numbers (`_lanes`)
latent factors               `latent_factors`, `factor_moments`, `mapping`, `ratings`, `_factor_*`, `_latent_kernels`
============================ =====================================================================
"""
