"""One static HTML file: what interacts, how well it predicts, how sure that is, what to be careful about.

`page` picks a section by the family of the model; each has a template of the same name.

============================ =====================================================================
what is reported             `study`
every section                `section`; in words and figures `words`, `tables`, `picture`, `diagnostics`, `fit_code`
interactions                 `interaction_section`, a `pair_section` as those of machines; `findings`, `figures`,
                             `verdict`, `cautions`
machines, local ones         `machine_*`, `local_section`
ratings                      `rating_*`
mixed models                 `mixed_*`
latents beside effects       `latent_effects_section`
latents of visits            `longitudinal_*`
families compared            `ranking_*`
============================ =====================================================================
"""

from intertwine.report.page import build_report, write_comparison_report, write_report
from intertwine.report.study import Study

__all__ = ["Study", "build_report", "write_comparison_report", "write_report"]
