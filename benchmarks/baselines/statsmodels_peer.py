"""statsmodels' MixedLM. It knows one grouping; crossed ones are variance components of a single group of all rows."""

from __future__ import annotations

import numpy as np
from baselines.mixed_peer import MixedPeer


class StatsmodelsMixedLM(MixedPeer):
    """MixedLM with its defaults, outcome by outcome."""

    def __init__(self, structure: str) -> None:
        import statsmodels.api  # noqa: F401  (absent: said before anything is measured)

        super().__init__(structure)

    def fit(self, X: np.ndarray, y: np.ndarray, folds: np.ndarray) -> StatsmodelsMixedLM:
        fixed, codes = self.split(X)
        found = [self._one(fixed, codes, column) for column in y.reshape(len(X), -1).T]
        self._chosen = {name: [one[name] for one in found] for name in found[0]}
        return self

    def chosen(self) -> dict:
        return self._chosen

    def _one(self, fixed: np.ndarray, codes: np.ndarray, y: np.ndarray) -> dict:
        from statsmodels.regression.mixed_linear_model import MixedLM

        seen = np.isfinite(y)
        design = np.column_stack([np.ones(seen.sum()), fixed[seen]])
        if self.structure.n_groupings == 1:
            random = design[:, :2] if self.structure.slope else design[:, :1]
            model = MixedLM(y[seen], design, codes[seen, 0], exog_re=random)
        else:
            model = self._crossed(y[seen], design, codes[seen])
        result = model.fit(reml=True)
        if self.structure.n_groupings == 1:
            covariance = np.asarray(result.cov_re)
            variances = covariance[np.tril_indices(len(covariance))]
        else:
            variances = result.vcomp
        return {
            "log_likelihood": float(result.llf),
            "noise": float(result.scale),
            "variances": np.asarray(variances, dtype=float).tolist(),
        }

    @staticmethod
    def _crossed(y: np.ndarray, design: np.ndarray, codes: np.ndarray):
        import pandas as pd
        from statsmodels.regression.mixed_linear_model import MixedLM

        table = pd.DataFrame(design[:, 1:], columns=[f"x{index + 1}" for index in range(design.shape[1] - 1)])
        names = [f"g{index + 1}" for index in range(codes.shape[1])]
        for name, code in zip(names, codes.T, strict=True):
            table[name] = code
        table["y"], table["all"] = y, 0
        fixed = " + ".join(table.columns[: design.shape[1] - 1]) or "1"
        components = {name: f"0 + C({name})" for name in names}
        return MixedLM.from_formula(
            f"y ~ {fixed}", table, groups="all", re_formula="0", vc_formula=components
        )
