"""The tables of the benchmarks, as the last run of each left them."""

from __future__ import annotations

import base64
import re
from pathlib import Path

#: Script, and what its table is about.
TITLES = {
    "litlvm_simulation": "The paper's simulation",
    "litlvm_real": "Real tables",
    "litlvm_speed": "Time, beside what one would use instead",
    "litlvm_scale": "Growth with rows and features",
    "litlvm_optimiser": "Against the paper's optimiser",
    "litlvm_compatibility": "A map of compatible donors and recipients",
    "fm_ratings": "Ratings: MovieLens 100k",
    "fm_side_information": "Ratings with all that is known of users, films and dates",
    "fm_fields": "Factors for every field: field-aware machines",
    "fm_speed": "Factorization machines: time of an iteration, and how it grows",
    "latent_factors": "Latent factors: MovieLens 1M, beside the libraries people use",
    "latent_sharpness": "Latent factors: what could make sharpness help",
    "latent_scale": "Latent factors: up to 10⁸ ratings, and the best items of everybody",
    "latent_distributed": "Latent factors on a Dask cluster, beside the local fit",
    "mixed_models": "Mixed models, beside lme4 and statsmodels",
    "random_effects_vae": "Latent models with random effects: simulations with a known truth, and real rows",
    "longitudinal_vae": "Longitudinal latent models: images, stays in intensive care, exact coefficients",
    "fm_local": "Local factorization machines: Banana and IJCNN1",
    "source_papers": "Designs of the source papers that no other benchmark measures",
}
#: Picture, and what it shows.
PICTURES = {
    "litlvm_simulation_tie": "AUC by strength of the latent tie at p = 100, everything else tuned: the best is "
    "neither none nor infinite.",
    "litlvm_simulation_transition": "RMSE by number of features: without a tie the error jumps where the parameters, "
    "1 + p + p(p−1)/2, come to outnumber the 2000 rows; with it, it grows.",
    "litlvm_scale_growth": "Seconds of a fit by number of features and of rows.",
    "fm_speed_growth": "Seconds of an iteration of factorization machines by rows, entries of a row, factors, and "
    "anchors of local machines; one thread.",
    "latent_scale_growth": "Latent factors: nanoseconds of a pass for each rating, by number of ratings; one thread.",
    "mixed_models_growth": "Mixed models: seconds of a fit by rows, levels and sites; one thread.",
    "litlvm_compatibility_maps": "Maps of antigens: the truth, principal components, the latent distance model, and "
    "principal components of untied pairs.",
}


def benchmark_tables(root: Path, family: str = "") -> str:
    """Markdown with every ``benchmarks/results/*.md``, each under a heading and with its command.

    With a family only those whose name begins with it, a level lower: they are a part of its page.
    """
    parts = []
    folder = root / "benchmarks" / "results"
    found = {
        path.stem: path for path in sorted(folder.glob(f"{family}*.md")) if not path.stem.endswith("_quick")
    }
    for name in [
        *(name for name in TITLES if name in found),
        *(name for name in found if name not in TITLES),
    ]:
        text = re.sub(r"^#+ ", "### ", found[name].read_text(encoding="utf-8").strip(), flags=re.MULTILINE)
        text = text.replace(" ± ", "\u00a0±\u00a0")  # stay on one line
        title = TITLES.get(name, name.replace("_", " "))
        level = "###" if family else "##"
        parts.append(f"{level} {title}\n\n`python benchmarks/{name}.py`\n\n{text}")
        parts += [_picture(path) for path in sorted(folder.glob(f"{name}_*.png")) if path.stem in PICTURES]
    return "\n\n".join(parts) or "No benchmark has been run in this copy."


def _picture(path: Path) -> str:
    """A picture inside the page, with what it shows."""
    shown = PICTURES[path.stem]
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    return f"![{shown}](data:image/png;base64,{data})\n\n*{shown}*"
