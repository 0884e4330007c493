"""Solvers: one step of an algorithm each. They know a problem's values, gradients and proximal maps, nothing else.

============================ =====================================================================
what a solver is             `base`
smooth problems              `lbfgs`, `gauss_newton` with `preconditioners` and `sharpness`
L1                           `proximal`, `proximal_newton`, `support_newton`, `coordinate`, `gram_descent`,
                             `working_set`
multilinear models           `als`, `gibbs`, `adagrad`
users and items              `alternating_factors`, `variational`, `sgd`, with `rated_sides`, `feature_ridge`,
                             `_block_kernels`
mini-batches                 `row_adam`
============================ =====================================================================
"""
