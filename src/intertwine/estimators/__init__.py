"""Estimators: validate, assemble, minimise, publish.

``FAMILY.py`` has the classes that users import, and ``FAMILY_*.py`` their parts: what is read (rows, visits,
parameters), answered (predictions), shown (results, tables) and filed (state).

============================ =====================================================================
interactions                 `interactions`, `interactions_*`, `survival`; what they inherit: `base`, `cv_base`,
                             `state`, `solver_choice`, `cv_parameters`, `cv_table`
factorization machines       `fm`, `fm_*`, `chunks`; local ones `local_fm`, `local_fm_*`
latent factors of ratings    `latent_factors`, `latent_factors_*`, `rating_data`
mixed models                 `mixed_model`, `mixed_model_*`, `formula_*`
latents beside effects       `random_effects_*`
latents of visits            `longitudinal_*`, and the columns beside them: `covariate_*`
random effects of rows       `effect_*`, `group_labels` (of the last three)
all                          `model_head`, `long_work`, `progress`, `docstring`, `results`, `effects_*`, `extras`
============================ =====================================================================
"""
