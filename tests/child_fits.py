"""Fits in processes of their own: killed in the middle, or asked how much memory they took.

Processes are forked from one that has imported everything and computed nothing, so that a fit more costs its own time.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import resource
import signal
import sys
import warnings
from multiprocessing import forkserver

import numpy as np
import pytest
from quick_fits import quick_fits

from intertwine import LongitudinalVAE, RandomEffectsVAE
from intertwine.io import Journal

# what a fit imports when it begins
for module in ("random_effects.vae", "random_effects.pca", "longitudinal.fit"):
    importlib.import_module(f"intertwine.fitting.{module}")

_UNIT = 1 if sys.platform == "darwin" else 1024  # of the largest resident set
_NET = {"hidden_layer_sizes": (8,), "batch_size": 512, "max_iter": 1, "random_state": 0}
_VAES = {
    "VAE": (RandomEffectsVAE(2, n_init=1, **_NET), "groups"),
    "longitudinal": (LongitudinalVAE(2, warm_up=1, decoder_iter=1, **_NET), "subject"),
}


def in_a_process(target, *arguments):
    """Run a function of this module to its end, whatever that is; its exit code."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    with pytest.MonkeyPatch.context() as patch:  # before Python 3.13 the server looks nowhere else
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
        forkserver.ensure_running()
    process = context.Process(target=target, args=arguments)
    process.start()
    process.join(300)
    return process.exitcode


def fit_until_killed(name, settings, path, at):
    """Fit with a checkpoint, and kill this process once the file was written so many times."""
    write, seen = Journal._write, []

    def written(journal):
        write(journal)
        seen.append(path.exists())
        if sum(seen) == at:
            os.kill(os.getpid(), signal.SIGKILL)

    Journal._note = written
    quick = quick_fits()[name]
    quick._replace(estimator=quick.estimator.set_params(**settings)).fit(random_state=3, checkpoint=path)


def write_peaks(name, n_rows, p, path):
    """Write how many bytes the process held at most after fits of ever more rows, the first of them next to nothing."""
    estimator, grouping = _VAES[name]
    peaks = []
    for n in n_rows:
        X = np.random.default_rng(0).standard_normal((n, p))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            estimator.fit(X, **{grouping: np.arange(n) // 20})
        peaks.append(_UNIT * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    np.savetxt(path, peaks)
