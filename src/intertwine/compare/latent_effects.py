"""The families of latents beside random effects: many features of rows that share groups, times or places."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any, Self, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.decomposition import PCA

from intertwine.compare.base import AbstractTask, Inner
from intertwine.compare.effects_family import AbstractEffectsFamily, named
from intertwine.compare.family import Contest, Shape
from intertwine.compare.from_table import Beside

__all__ = [
    "CENTRED_PCA",
    "PLAIN_PCA",
    "AbstractLatentEffectsFamily",
    "RandomEffectsPCAFamily",
    "RandomEffectsVAEFamily",
]

#: How rivals are called in every table.
PLAIN_PCA = "PCA"
CENTRED_PCA = "PCA about group means"
FEATURE_MEANS = "means of the features"
_QUICK_EPOCHS = 30


class AbstractLatentEffectsFamily(AbstractEffectsFamily):
    """Latents of rows, and random effects on every feature.

    Parameters
    ----------
    n_components : int, default=2
    groups, coords : sequence of str, default=()
    time : str, optional
    features : sequence of str, default=()
        Columns that are explained; filled in when a problem is posed.
    """

    tasks = ("reconstruction",)
    most_levels = None
    unseen = "an average one"

    def __init__(
        self,
        n_components: int = 2,
        groups: Sequence[str] = (),
        coords: Sequence[str] = (),
        time: str | None = None,
        features: Sequence[str] = (),
    ) -> None:
        self.n_components = n_components
        self.groups, self.coords, self.time = named(groups), named(coords), time
        self.features = named(features)

    def settings(self) -> dict[str, Any]:
        """All of them."""
        return dict(vars(self))

    def preprocessor(self, shape: Shape) -> None:
        """Features are scaled by the model."""
        return

    def estimator(
        self, task: AbstractTask, shape: Shape, *, cv: Inner, quick: bool, random_state: int
    ) -> Any:
        """Build the model, which learns its variances and has nothing to pick."""
        return self._fed(self._model(quick, random_state))

    def remarks(self, fitted: Any) -> list[str]:
        """None: a warning says where more iterations are needed."""
        return []

    def contest(
        self, task: AbstractTask, shape: Shape, *, cv: Inner, quick: bool, random_state: int
    ) -> Contest:
        """Collect the model, principal components with and without group means, and means of the features."""
        models = {self.title: self.estimator(task, shape, cv=cv, quick=quick, random_state=random_state)}
        models |= {name: self._fed(model) for name, model in self._rivals(random_state).items()}
        k = self.n_components
        models[PLAIN_PCA] = ComponentsFromTable(k, self.features)
        if self.groups:
            models[CENTRED_PCA] = ComponentsFromTable(k, self.features, self.groups[0])
        models[FEATURE_MEANS] = ComponentsFromTable(0, self.features)
        return Contest(models, None, [])

    @abc.abstractmethod
    def _model(self, quick: bool, random_state: int) -> Any:
        """Build the estimator itself."""

    @abc.abstractmethod
    def _rivals(self, random_state: int) -> dict[str, Any]:
        """Other models of the house."""

    def _fed(self, model: Any) -> RowsFromTable:
        return RowsFromTable(model, self.features, self.beside)


@final
class RandomEffectsPCAFamily(AbstractLatentEffectsFamily):
    """Linear decoder, fitted exactly.

    Examples
    --------
    >>> RandomEffectsPCAFamily(groups=["school"]).beside.columns
    ['school']
    """

    name = "random-effects-pca"
    title = "random-effects PCA"
    asks = "What rows share in"

    def _model(self, quick: bool, random_state: int) -> Any:
        from intertwine.estimators.random_effects.pca import RandomEffectsPCA

        return RandomEffectsPCA(self.n_components, effects=self.effects() or None, random_state=random_state)

    def _rivals(self, random_state: int) -> dict[str, Any]:
        return {}


@final
class RandomEffectsVAEFamily(AbstractLatentEffectsFamily):
    """Decoder by a network.

    Parameters
    ----------
    n_components, groups, coords, time, features
        As of `AbstractLatentEffectsFamily`.
    counts : sequence of str, default=()
        Features that are counts.
    yes_or_no : sequence of str, default=()
        Features of 0 and 1; filled in when a problem is posed.

    Examples
    --------
    >>> RandomEffectsVAEFamily(3).settings()["n_components"]
    3
    """

    name = "random-effects-vae"
    title = "random-effects VAE"
    asks = "What rows share in"

    def __init__(
        self,
        n_components: int = 2,
        groups: Sequence[str] = (),
        coords: Sequence[str] = (),
        time: str | None = None,
        features: Sequence[str] = (),
        counts: Sequence[str] = (),
        yes_or_no: Sequence[str] = (),
    ) -> None:
        super().__init__(n_components, groups, coords, time, features)
        self.counts, self.yes_or_no = named(counts), named(yes_or_no)

    def _model(self, quick: bool, random_state: int) -> Any:
        from intertwine.estimators.random_effects.vae import RandomEffectsVAE

        return RandomEffectsVAE(
            self.n_components,
            effects=self.effects() or None,
            likelihood=dict.fromkeys(self.yes_or_no, "bernoulli") | dict.fromkeys(self.counts, "poisson"),
            max_iter=_QUICK_EPOCHS if quick else None,
            random_state=random_state,
        )

    def _rivals(self, random_state: int) -> dict[str, Any]:
        linear = RandomEffectsPCAFamily(self.n_components, self.groups, self.coords, self.time, self.features)
        return {linear.title: linear._model(False, random_state)}


@final
class RowsFromTable(BaseEstimator):
    """A latent model that finds features, groups, time and coordinates in the columns of one table.

    Parameters
    ----------
    estimator : RandomEffectsPCA or RandomEffectsVAE
    features : sequence of str
    beside : Beside

    Attributes
    ----------
    estimator_ : estimator
    """

    def __init__(
        self, estimator: Any = None, features: Sequence[str] = (), beside: Beside | None = None
    ) -> None:
        self.estimator = estimator
        self.features = features
        self.beside = beside

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Fit the estimator; `y` is the features again."""
        self.estimator_ = clone(self.estimator).fit(X[list(self.features)], **self._given(X))
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X: pd.DataFrame) -> NDArray[np.float64]:
        """Rows as their latents and the effects of the fit give them."""
        return self.estimator_.reconstruct(X[list(self.features)], **self._given(X))

    def _given(self, X: pd.DataFrame) -> dict[str, Any]:
        return (self.beside or Beside()).of(X)


@final
class ComponentsFromTable(BaseEstimator):
    """Principal components of standardised features, about the means of groups where there are any.

    Parameters
    ----------
    n_components : int
        None are means alone.
    features : sequence of str
    group : str, optional
        Groups that were not in the fit have the overall mean.

    Examples
    --------
    >>> table = pd.DataFrame({"a": [0.0, 1.0, 2.0], "b": [0.0, 2.0, 4.0]})
    >>> bool(np.allclose(ComponentsFromTable(1, ["a", "b"]).fit(table).predict(table), table))
    True
    """

    def __init__(self, n_components: int = 2, features: Sequence[str] = (), group: str | None = None) -> None:
        self.n_components = n_components
        self.features = features
        self.group = group

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Find means, spreads and components; gaps count as means."""
        values = X[list(self.features)].astype(float)
        self.n_features_in_ = X.shape[1]
        self.center_ = values.mean()
        self.means_ = None if self.group is None else values.groupby(X[self.group]).mean()
        rest = values - self._means(X)
        self.spread_ = rest.std(ddof=0).replace(0.0, 1.0).fillna(1.0)
        rank = min(self.n_components, *values.shape)
        scaled = (rest / self.spread_).fillna(0.0).to_numpy()
        self.components_ = PCA(rank).fit(scaled).components_ if rank else np.empty((0, values.shape[1]))
        return self

    def predict(self, X: pd.DataFrame) -> NDArray[np.float64]:
        """Rows as means and components give them."""
        means = self._means(X)
        scaled = ((X[list(self.features)].astype(float) - means) / self.spread_).fillna(0.0).to_numpy()
        return means.to_numpy() + scaled @ self.components_.T @ self.components_ * self.spread_.to_numpy()

    def _means(self, X: pd.DataFrame) -> pd.DataFrame:
        rows = pd.DataFrame(np.tile(self.center_, (len(X), 1)), X.index, list(self.features))
        if self.means_ is None:
            return rows
        of_group = self.means_.reindex(X[self.group]).set_axis(X.index)
        return of_group.where(of_group.notna(), rows)
