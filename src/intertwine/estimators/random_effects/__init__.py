"""Latents beside random effects of rows: what users import.

============================ =====================================================================
what users import            `pca`, `vae`
what these inherit           `base`
before a fit                 `units` of features
after it                     `tables`; `conditioning`: rows taken in without a fit
files                        `state`
============================ =====================================================================
"""
