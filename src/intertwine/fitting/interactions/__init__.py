"""All pairwise interactions: the exact path, the sparse path, and the choice among many settings.

============================ =====================================================================
begin with                   `fit_exact`, `fit_sparse`: from rows to a `model`
one exact problem            `exact`, its effects `fields`, its target `latent_search`, `joint_search`, `written_search`
before it                    `settings`, `prepare_rows`, `relevance`
the choice by folds          `selection`: `strength_search`, `tie_search`, `l1_search`
after it                     `feature_pairs`, `bootstrap`
============================ =====================================================================
"""
