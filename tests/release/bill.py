"""Read a CycloneDX bill of materials: it names what users install, and nothing of the machine that wrote it."""

from __future__ import annotations

import json
import platform
import re
import sys
from pathlib import Path

from .dependencies import _COPYLEFT


def bill_faults(text: str) -> list[str]:
    """Paths and names of this machine, copyleft licences, and components without a version."""
    faults = [f"a path of this machine: {path}" for path in set(re.findall(r'file:[^"]*|/home/[^"]*', text))]
    own = {str(Path.home()), str(Path.cwd()), platform.node()} - {"", "/", "localhost"}
    faults += [
        f"of this machine: {name}" for name in own if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text)
    ]
    for component in json.loads(text)["components"]:
        said = json.dumps(component.get("licenses", []))
        if _COPYLEFT.search(said):
            faults.append(f"{component['name']} is under {said}")
        if not component.get("version"):
            faults.append(f"{component['name']} has no version")
    return faults


def main(path: str) -> None:
    """Say how many components there are, or what is wrong."""
    text = Path(path).read_text(encoding="utf-8")
    faults = bill_faults(text)
    if faults:
        sys.exit("\n".join(faults))
    bill = json.loads(text)
    print(f"{path}: {bill['bomFormat']} {bill['specVersion']}, {len(bill['components'])} components")


if __name__ == "__main__":
    main(*sys.argv[1:])
