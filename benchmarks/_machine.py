"""What a number was measured on, in facts that mean something elsewhere: no host names, no paths."""

from __future__ import annotations

import os
import platform
from importlib import metadata

# Some machines pin OpenBLAS to an old kernel; every comparison would be wrong. It must go before numpy is imported.
os.environ.pop("OPENBLAS_CORETYPE", None)

PACKAGES = (
    "numpy", "scipy", "scikit-learn", "numba", "intertwine", "skglm", "adelie", "uniPairs", "interpret-core",
    "lifelines", "scikit-survival", "xlearn", "vowpalwabbit", "myfm",
    "scikit-surprise", "cmfrec", "cornac", "libmf", "implicit", "statsmodels", "jax",
)  # fmt: skip


def processor() -> str:
    """The processor's name as the system tells it."""
    try:
        with open("/proc/cpuinfo") as stream:
            return next(line.split(":", 1)[1].strip() for line in stream if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def facts() -> dict:
    """Cores, threads, linear algebra library, versions and load."""
    import numpy  # noqa: F401  (so that its library shows below)
    from threadpoolctl import threadpool_info

    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    libraries = sorted(
        {
            f"{info['internal_api']} {info.get('version')} {info.get('architecture', '')} × {info['num_threads']}"
            for info in threadpool_info()
            if info["user_api"] == "blas"
        }
    )
    return {
        "cores": os.cpu_count(),
        "processor": processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "blas": libraries,
        "versions": versions,
        "load": round(os.getloadavg()[0], 2),
    }
