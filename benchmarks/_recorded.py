"""What of all results is a measurement of a source paper's own design, packed into a file that the package holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from _results import all_rows

PACKED = Path(__file__).parents[1] / "src" / "intertwine" / "reproduce" / "recorded.json"

#: Facts that the designs read beside a number.
FACTS = ("latent", "variance_ratios", "latent_correlation", "train_loss", "accuracy", "times_fm")
Row = tuple[str, str, str, str, int, float, dict[str, Any]]  # paper, design, case, method, seed, value, facts


def of_simulations() -> Iterator[Row]:
    """RMSE and AUC of the tied model, which that benchmark tunes in folds shared with its peers."""
    for row in all_rows("litlvm_simulation"):
        if row["method"] == "intertwine" and row["part"] in ("regression", "classification"):
            design = f"simulated {row['part']}"
            yield "lit-lvm", design, f"p = {row['p']}", row["method"], row["seed"], row["value"], {}


def of_random_effects() -> Iterator[Row]:
    """Test MSE of the designs, job by job."""
    for row in all_rows("random_effects_vae"):
        if row["section"] == "simulated":
            design, _, case = row["case"].partition(": ")
            yield "lmmvae", design, case, row["method"], row["seed"], row["mse"], row


def of_local_machines() -> Iterator[Row]:
    """Losses on the engine's rows, whose settings were chosen in stretches of the rows to fit."""
    for row in all_rows("fm_local"):
        if row["data"] == "ijcnn1" and row["stage"] == "test" and row["method"] in ("FM", "DO", "APL", "JO"):
            facts = {
                "train_loss": row["train_logloss"],
                "accuracy": row["accuracy"] / 100.0,
                "times_fm": row["predict_ratio"],
            }
            yield "llfm", "IJCNN1", "full", row["method"], row["seed"], row["logloss"], facts


def of_source_papers() -> Iterator[Row]:
    """What was measured for this file alone."""
    for row in all_rows("source_papers"):
        yield (
            *(row[name] for name in ("paper", "design", "case", "method", "seed", "value")),
            row["facts"],
        )  # type: ignore[misc]


SOURCES = {
    "litlvm_simulation": of_simulations,
    "random_effects_vae": of_random_effects,
    "fm_local": of_local_machines,
    "source_papers": of_source_papers,
}


def packed() -> str:
    """The file as text: for each benchmark its command, and rows in their order."""
    rows = [
        {"benchmark": name, "rows": sorted(_short(row) for row in read())} for name, read in SOURCES.items()
    ]
    lines = ",\n".join(
        f'{{"command": "python -m benchmarks.{one["benchmark"]}", "rows": [\n'
        + ",\n".join(json.dumps(row, ensure_ascii=False) for row in one["rows"])
        + "\n]}"
        for one in rows
    )
    return f"[\n{lines}\n]\n"


def _short(row: Row) -> list[Any]:
    *where, value, facts = row
    return [*where, value, {name: facts[name] for name in FACTS if name in facts}]


def pack() -> None:
    """Write the file."""
    PACKED.write_text(packed(), encoding="utf-8")
