"""Break formulas one at a time, and list those that no test noticed.

make mutations                                 # all of them: hours; what was tried is not tried again
make mutations MUTATIONS='--sample 100 --seed 1'
make mutations MUTATIONS='--only losses.* --only penalties'
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sys
import time
import tomllib
from collections import Counter
from fnmatch import fnmatch
from itertools import zip_longest
from pathlib import Path

from .held_by import core_modules, files_holding
from .signs import Mutant, mutants
from .trial import Laboratory, Result

_CHECKOUT = Path(__file__).parents[2]
_EQUIVALENT = Path(__file__).with_name("equivalent.toml")
_LIMIT = 150.0  # seconds of processor time that the tests of a module may take


def equivalent_keys() -> dict[str, str]:
    """Mutants that change nothing that can be observed, and why."""
    entries = tomllib.loads(_EQUIVALENT.read_text()).get("mutant", [])
    return {entry["key"]: entry["why"] for entry in entries}


def all_mutants(package: Path, patterns: list[str]) -> dict[str, list[Mutant]]:
    """Mutants of the core modules whose names fit a pattern, without those known to change nothing."""
    known = equivalent_keys()
    found = {}
    for name, path in core_modules(package).items():
        if any(fnmatch(name, pattern) for pattern in patterns):
            relative = str(path.relative_to(package))
            found[name] = [m for m in mutants(relative, path.read_bytes()) if m.key not in known]
    return found


def sample(found: dict[str, list[Mutant]], size: int, seed: int) -> list[tuple[str, Mutant]]:
    """Draw from all modules alike: one of each before the second of any."""
    rng = random.Random(seed)
    names = sorted(found)
    rng.shuffle(names)
    drawn = {name: rng.sample(found[name], len(found[name])) for name in names}
    rounds = zip_longest(*([(name, mutant) for mutant in drawn[name]] for name in names))
    return [pair for pairs in rounds for pair in pairs if pair is not None][:size]


class Record:
    """What was tried: a line of JSON each, valid while the module and the tests that judged it are the same."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = path.read_text().splitlines() if path.exists() else []
        self._known = {tuple(entry["key"]): Result(*entry["result"]) for entry in map(json.loads, lines)}

    def get(self, key: tuple[str, ...]) -> Result | None:
        return self._known.get(key)

    def put(self, key: tuple[str, ...], result: Result) -> Result:
        self._known[key] = result
        with self._path.open("a") as file:
            file.write(json.dumps({"key": key, "result": result}) + "\n")
        return result


def _digest(*paths: Path) -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()[:16]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="mutations", description=__doc__.split("\n")[0])
    parser.add_argument(
        "--sample", type=int, default=10**9, metavar="N", help="so many, of all modules alike"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S")
    parser.add_argument(
        "--only", action="append", metavar="PATTERN", help="modules, as losses.* or penalties"
    )
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so long by the clock")
    parser.add_argument("--folder", type=Path, default=_CHECKOUT / "build" / "mutations")
    options = parser.parse_args(arguments)

    laboratory = Laboratory(_CHECKOUT, options.folder)  # the checkout may change meanwhile
    chosen = sample(all_mutants(laboratory.package, options.only or ["*"]), options.sample, options.seed)
    record = Record(options.folder / "record.jsonl")
    end = time.monotonic() + options.seconds
    counts: Counter[str] = Counter()
    survivors: list[Mutant] = []
    for name, mutant in chosen:
        if time.monotonic() > end:
            break
        result = _tried(laboratory, record, name, mutant)
        counts[result.outcome] += 1
        print(
            f"{result.outcome:8s}{result.seconds:6.1f} s  {mutant.path}:{mutant.line}  {mutant.after}",
            flush=True,
        )
        if result.outcome == "passed":
            survivors.append(mutant)
    print(
        f"\n{counts.total()} of {len(chosen)} formulas broken: {counts['failed']} noticed by a test, "
        f"{counts['timeout']} by a run that did not end, {len(survivors)} by nobody, "
        f"{counts['unjudged']} without a verdict"
    )
    for mutant in survivors:
        print(f"\n{mutant.path}:{mutant.line} in {mutant.where}\n-  {mutant.before}\n+  {mutant.after}\n"
              f"   key = {json.dumps(mutant.key, ensure_ascii=False)}")  # fmt: skip
    return 1 if survivors else 0


def _tried(laboratory: Laboratory, record: Record, name: str, mutant: Mutant) -> Result:
    """Run the tests of a module with one formula broken; no verdict where they fail when none is."""
    tests, module = files_holding(name), laboratory.package / mutant.path
    judged = _digest(module, *(laboratory.folder / "tests" / test for test in tests))
    known = record.get((mutant.key, judged))
    if known is not None:
        return known
    with laboratory.broken(mutant.path, mutant.apply(module.read_bytes())):
        result = laboratory.run(tests, _LIMIT)
    for test in tests if result.outcome == "timeout" else [t for t in tests if t in result.test]:
        key = (test, _digest(laboratory.folder / "tests" / test))
        whole = record.get(key) or record.put(key, laboratory.run([test], _LIMIT))
        if whole.outcome != "passed":
            print(f"{test} does not pass on whole formulas: {whole.test}", file=sys.stderr)
            return result._replace(outcome="unjudged")
    return record.put((mutant.key, judged), result)


if __name__ == "__main__":
    sys.exit(main())
