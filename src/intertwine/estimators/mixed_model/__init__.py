"""Linear mixed models: what users import.

============================ =====================================================================
what users import            `model`
before a fit                 `rows`; formulas: `formula_terms`, `formula_design`, `formula_bounds`
after it                     `predictions`, `results`; `conditioning`: rows taken in without a fit
files                        `state`
============================ =====================================================================
"""
