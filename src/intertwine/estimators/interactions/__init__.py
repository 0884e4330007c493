"""Linear predictors with all pairwise interactions: what users import.

============================ =====================================================================
what users import            `models`, and `models_cv`, which choose their hyperparameters
what these inherit           `base`, `cv_base`
before a fit                 `solver_choice`: exact or sparse; `cv_parameters`
after it                     `survival`: curves and concordance; `cv_table`: what was tried
files                        `state`, `layout`
============================ =====================================================================
"""
