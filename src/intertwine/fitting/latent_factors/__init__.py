"""Latent factors of ratings.

============================ =====================================================================
begin with                   `als`, `variational`, `gibbs`, `sgd`, `gauss_newton`: ratings to a `model`
sweeps and descents          `sweeps`, `early_stopping`, `held_out_ratings`
ratings and ids              `rating_ids`, `rating_rows`, `squared_ratings`, `duplicate_ratings`, `side_features`
more of them, without a fit  `fold_in`, `more_ratings`
after it                     `top_k`, `top_k_index`, `principal_factors`
============================ =====================================================================
"""
