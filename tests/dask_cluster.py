"""A small Dask cluster for tests, in this process unless workers have to die."""

from contextlib import contextmanager

import pytest


@contextmanager
def dask_client(**settings):
    """A client of a cluster of its own: two workers of one thread each."""
    distributed = pytest.importorskip("distributed")
    settings = {"processes": False, "n_workers": 2, "threads_per_worker": 1} | settings
    with (
        distributed.LocalCluster(dashboard_address=":0", **settings) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client
