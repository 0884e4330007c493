"""Factorization machines: what users import.

============================ =====================================================================
what users import            `models`
what these inherit           `base`, `parameters`; `streams`: rows that come in `chunks`
after a fit                  `results`
files                        `state`
============================ =====================================================================
"""
