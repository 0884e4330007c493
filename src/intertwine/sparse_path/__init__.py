"""The sparse path: elastic nets over a linear block and all pairs, with certificates, paths and heredity."""

from intertwine.sparse_path.heredity import StrongHeredity, WeakHeredity, solve_with_heredity
from intertwine.sparse_path.path import geometric_factors, iterate_blocks, iterate_path
from intertwine.sparse_path.problem import SparsePairProblem
from intertwine.sparse_path.quadratic_path import PathBlock
from intertwine.sparse_path.solution import SparseSolution

__all__ = [
    "PathBlock",
    "SparsePairProblem",
    "SparseSolution",
    "StrongHeredity",
    "WeakHeredity",
    "geometric_factors",
    "iterate_blocks",
    "iterate_path",
    "solve_with_heredity",
]
