"""Factorization machines.

============================ =====================================================================
begin with                   `als`, `gibbs`, `adagrad`: from rows to a `model`, a solver each
rows that no memory holds    `stream`, its `chunks`, `passes` over them, `units` of its steps
kernels                      `rows` says which way of sweeping suits a table
after it                     `pairs`: how strong a pair of features is, how sure
============================ =====================================================================
"""
