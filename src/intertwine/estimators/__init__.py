"""Estimators: validate, assemble, minimise, publish.

A folder for each family, with the classes that users import and what these are made of; no family knows another.

============================ =====================================================================
interactions                 ``interactions/``: regression, classification, survival
factorization machines       ``fm/``, and local ones ``local_fm/``
latent factors of ratings    ``latent_factors/``
mixed models                 ``mixed_model/``
latents beside effects       ``random_effects/``
latents of visits            ``longitudinal/``
random effects of rows       ``effect_rows/``: what the last three read beside X
what models of pairs say     `results`, `effects_table`
what all share               `model_head`, `long_work`, `progress`, `docstring`, `effects_layout`, `extras`
============================ =====================================================================
"""
