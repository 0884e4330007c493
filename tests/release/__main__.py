"""Install what ``make dist`` made in empty folders, and use it there.

The wheel alone: every family that needs no extra fits, predicts, saves and loads; the others say which extra they
need. With all extras: the demonstration. The source distribution: it has what its tests need.
"""

from __future__ import annotations

import argparse
import sys
import tarfile
import tempfile
from pathlib import Path

from .contents import sdist_faults, wheel_faults
from .installed import Environment

_HERE = Path(__file__).parent
_CHECKOUT = _HERE.parents[1]
_QUICK_TESTS = (
    "test_losses.py", "test_penalties.py", "test_mixed_model.py", "test_block_system.py", "test_fm_structure.py",
    "test_latent_structure.py", "test_likelihoods.py", "test_io.py", "test_io_damage.py", "test_release.py",
)  # fmt: skip


def main() -> None:
    """Check all of it, or stop at the first that fails."""
    parser = argparse.ArgumentParser(prog="release", description=__doc__.split("\n")[0])
    parser.add_argument("--dist", type=Path, default=Path("dist"))
    parser.add_argument("--constraint", type=Path)
    parser.add_argument("--python", default=sys.executable, help="interpreter of the environments")
    options = parser.parse_args()
    constraint = options.constraint and options.constraint.resolve()
    (wheel,), (sdist,) = (list(options.dist.resolve().glob(kind)) for kind in ("*.whl", "*.tar.gz"))
    faults = wheel_faults(wheel, _CHECKOUT) + sdist_faults(sdist, _CHECKOUT)
    if faults:
        sys.exit("\n".join(faults))
    print(
        f"{wheel.name}: {wheel.stat().st_size / 1e6:.2f} MB; {sdist.name}: {sdist.stat().st_size / 1e6:.2f} MB"
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        alone = Environment(folder / "alone", options.python, [str(wheel)], constraint)
        alone.run("-W", "ignore", _HERE / "core_families.py")
        whole = Environment(folder / "whole", options.python, [f"{wheel}[all]"], constraint)
        whole.run("-m", "release.dependencies", path=_HERE.parent)
        whole.run("-m", "intertwine", "demo")
        with tarfile.open(sdist) as archive:
            archive.extractall(folder / "source", filter="data")
        (source,) = (folder / "source").iterdir()
        whole.run("-m", "pytest", "-q", *(f"tests/{test}" for test in _QUICK_TESTS), folder=source)
    print("the wheel and the source distribution work")


if __name__ == "__main__":
    main()
