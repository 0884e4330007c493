"""Solvers: one step of an algorithm each. They know a problem's values, gradients and proximal maps, nothing else."""
