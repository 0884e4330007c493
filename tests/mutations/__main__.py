"""Break formulas one at a time, and list those that no test noticed.

make mutations                                 # all of them: hours; what was tried is not tried again
make mutations MUTATIONS='--signs'             # plus and minus alone
make mutations MUTATIONS='--sample 100 --seed 1'
make mutations MUTATIONS='--only losses.* --only penalties'
"""

from __future__ import annotations

import argparse
import ast
import json
import random
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Sequence
from fnmatch import fnmatch
from itertools import zip_longest
from pathlib import Path

from .held_by import core_modules, files_holding
from .reach import LIMITS, digest
from .session import Result, Trial
from .signs import Mutant, mutants
from .trial import Laboratory

_CHECKOUT = Path(__file__).parents[2]
_EQUIVALENT = Path(__file__).with_name("equivalent.toml")


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
    """What was tried: a line of JSON each.

    A verdict stays while the module is the same: of a test that noticed, while that test reads the same; of nobody,
    while the test files do, and the time that a test is given.
    """

    def __init__(self, path: Path, laboratory: Laboratory) -> None:
        self._path, self._laboratory = path, laboratory
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = path.read_text().splitlines() if path.exists() else []
        self._known = {entry["key"]: entry for entry in map(json.loads, lines)}

    def _read(self, mutant: Mutant, tests: Sequence[str], result: Result) -> dict[str, str]:
        """Digests of what a verdict is about."""
        folder, package = self._laboratory.folder, self._laboratory.package
        file, _, name = result.test.partition("::")
        noticed = result.outcome == "failed" and name and (folder / file).exists()
        texts = function_source(folder / file, name) if noticed else b"".join(
            (folder / "tests" / test).read_bytes() for test in tests
        )  # fmt: skip
        slowest = b"" if noticed else repr(LIMITS).encode()  # tests that were too slow may be no longer
        return {"module": digest((package / mutant.path).read_bytes()), "tests": digest(texts, slowest)}

    def get(self, mutant: Mutant, tests: Sequence[str]) -> Result | None:
        entry = self._known.get(mutant.key)
        if entry is None:
            return None
        result = Result(*entry["result"])
        return result if entry["read"] == self._read(mutant, tests, result) else None

    def put(self, mutant: Mutant, tests: Sequence[str], result: Result) -> None:
        entry = {"key": mutant.key, "read": self._read(mutant, tests, result), "result": result}
        self._known[mutant.key] = entry
        with self._path.open("a") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")


def function_source(file: Path, name: str) -> bytes:
    """Text of a test, with what its name has in brackets."""
    text = file.read_text()
    bare = name.partition("[")[0].split("::")[-1]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and node.name == bare:
            return (name + (ast.get_source_segment(text, node) or "")).encode()
    return text.encode()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="mutations", description=__doc__.split("\n")[0])
    parser.add_argument("--signs", action="store_true", help="only signs: + for −, and the other way round")
    parser.add_argument("--sample", type=int, metavar="N", help="so many, of all modules alike")
    parser.add_argument("--seed", type=int, default=0, metavar="S")
    parser.add_argument(
        "--only", action="append", metavar="PATTERN", help="modules, as losses.* or penalties"
    )
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so long by the clock")
    parser.add_argument("--folder", type=Path, default=_CHECKOUT / "build" / "mutations")
    options = parser.parse_args(arguments)

    laboratory = Laboratory(_CHECKOUT, options.folder)  # the checkout may change meanwhile
    found = all_mutants(laboratory.package, options.only or ["*"])
    if options.signs:
        found = {name: [mutant for mutant in some if mutant.is_sign] for name, some in found.items()}
    chosen = [(name, mutant) for name, some in found.items() for mutant in some]
    if options.sample is not None:
        chosen = sample(found, options.sample, options.seed)
    record = Record(options.folder / "record.jsonl", laboratory)
    end = time.monotonic() + options.seconds
    results: list[tuple[Mutant, Result]] = []
    untried: dict[bool, list[Trial]] = {False: [], True: []}
    for name, mutant in chosen:
        trial = Trial(mutant, files_holding(name))
        known = record.get(*trial)
        if known is not None:
            results.append((mutant, known))
        else:
            untried[b"njit" in (laboratory.package / mutant.path).read_bytes()].append(trial)
    for interpreted, trials in untried.items():
        for trial, result in laboratory.judge(trials, interpreted, end):
            mutant = trial.mutant
            record.put(*trial, result)
            results.append((mutant, result))
            print(
                f"{result.outcome:8s}{result.seconds:6.1f} s  {mutant.path}:{mutant.line}  {mutant.after}",
                flush=True,
            )
    return _reported(len(chosen), results)


def _reported(n_chosen: int, results: Sequence[tuple[Mutant, Result]]) -> int:
    counts = Counter(result.outcome for _, result in results)
    survivors = [(mutant, result) for mutant, result in results if result.outcome in {"passed", "missed"}]
    print(
        f"\n{len(results)} of {n_chosen} formulas broken: {counts['failed']} noticed by a test, "
        f"{counts['timeout']} by a run that did not end, {len(survivors)} by nobody, "
        f"{counts['unjudged']} without a verdict"
    )
    for mutant, result in survivors:
        executed = "" if result.outcome == "passed" else ", which no test executes"
        print(f"\n{mutant.path}:{mutant.line} in {mutant.where}{executed}\n-  {mutant.before}\n+  {mutant.after}\n"
              f"   key = {json.dumps(mutant.key, ensure_ascii=False)}")  # fmt: skip
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
