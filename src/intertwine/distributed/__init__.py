"""Fits whose rows lie on the workers of a Dask cluster: only sums over them ever come to the client."""
