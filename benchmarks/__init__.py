"""Benchmarks: ``python -m benchmarks.NAME [--quick]`` from the root of the repository.

The scripts import each other by their bare names, because the same files also run where no package is installed around
them: as workers under the interpreter of the peers (requirements.txt).
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
