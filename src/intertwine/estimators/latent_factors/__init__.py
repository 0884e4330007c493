"""Latent factors of ratings: what users import.

============================ =====================================================================
what users import            `model`
before a fit                 `parameters`, `rating_data`
the fit                      `solvers`: which one; `distributed`: on a cluster
after it                     `predictions`, `results`; `updates`: new ids, new ratings
files                        `state`
============================ =====================================================================
"""
