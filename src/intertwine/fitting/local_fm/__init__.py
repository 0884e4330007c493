"""Local factorization machines.

Begin with `fit`: it makes the `problem`, takes a `start`, and goes down by mini-batches (`descent`) or by L-BFGS.
`feature_scaling` puts the coordinates on comparable scales; `memory` says what all of it takes.
"""
