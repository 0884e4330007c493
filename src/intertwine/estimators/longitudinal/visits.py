"""Visits that have been seen, and visits that are asked about: what is known of their latents.

What is known of a subject is the sites of its visits. From subjects of the fit the shared coefficients have been learnt
already; from others they are learnt together with what these have of their own, as if the fit had met them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from intertwine.effects.covariate import Covariates
from intertwine.effects.random import GroupCodes
from intertwine.io.gaps import with_gaps, without_gaps
from intertwine.mixed_effects.subjects import Marginals, Sites, SubjectRows

if TYPE_CHECKING:
    from intertwine.fitting.longitudinal.model import AbstractLongitudinalModel, FittedLatents

__all__ = ["SeenVisits", "drawn_latents", "known_latents", "some_subjects"]

Array = NDArray[np.float64]
Rows = NDArray[np.int64]


class SeenVisits(NamedTuple):
    """Visits, whose subjects they are, and what is seen of their latents.

    Attributes
    ----------
    columns : Covariates
    subject : ndarray of int, shape (n,)
        Any codes.
    sites : Sites
        Of infinite variance where nothing was observed.
    """

    columns: Covariates
    subject: Rows
    sites: Sites

    @classmethod
    def ahead(cls, columns: Covariates, subject: Rows, n_axes: int) -> SeenVisits:
        """Visits at which nothing has been seen.

        Examples
        --------
        >>> visits = SeenVisits.ahead(Covariates(2, {"age": np.array([60.0, 61.0])}, {}), np.array([7, 7]), 1)
        >>> visits.sites.variance.ravel().tolist()
        [inf, inf]
        """
        shape = (columns.n_rows, n_axes)
        return cls(columns, subject, Sites(np.zeros(shape), np.full(shape, np.inf)))

    def take(self, rows: Rows) -> SeenVisits:
        """Some of the visits."""
        sites = Sites(self.sites.mean[rows], self.sites.variance[rows])
        return SeenVisits(self.columns.take(rows), self.subject[rows], sites)

    def of_subjects(self, codes: Rows) -> SeenVisits:
        """The visits of some subjects."""
        return self.take(np.flatnonzero(np.isin(self.subject, codes)))

    def followed_by(self, others: SeenVisits) -> SeenVisits:
        """These visits, and then others."""
        mine, theirs = self.columns, others.columns
        columns = Covariates(
            mine.n_rows + theirs.n_rows,
            {key: np.concatenate([values, theirs.numbers[key]]) for key, values in mine.numbers.items()},
            {
                key: GroupCodes(np.concatenate([codes, theirs.categories[key].codes]), n_levels)
                for key, (codes, n_levels) in mine.categories.items()
            },
        )
        sites = Sites(*(np.concatenate(pair) for pair in zip(self.sites, others.sites, strict=True)))
        return SeenVisits(columns, np.concatenate([self.subject, others.subject]), sites)

    def rows(self, latents: FittedLatents) -> SubjectRows:
        """As the mixed model reads them; subjects are numbered anew."""
        present, number = np.unique(self.subject, return_inverse=True)
        return latents.effects.rows(self.columns, number.astype(np.int64), len(present), latents.shape)

    def to_state(self) -> dict[str, Any]:
        """What a file holds of them; their sites are kept by the model."""
        columns = self.columns
        return {
            "n_rows": columns.n_rows,
            "numbers": [[key, without_gaps(values)] for key, values in columns.numbers.items()],
            "categories": [[key, codes, n_levels] for key, (codes, n_levels) in columns.categories.items()],
            "subject": self.subject,
        }

    @classmethod
    def from_state(cls, state: dict[str, Any], sites: Sites) -> SeenVisits:
        """The visits that `to_state` wrote, with their sites."""
        columns = Covariates(
            state["n_rows"],
            {key: with_gaps(values) for key, values in state["numbers"]},
            {key: GroupCodes(codes, n_levels) for key, codes, n_levels in state["categories"]},
        )
        return cls(columns, state["subject"], sites)


def some_subjects(subject: Rows, max_visits: int, rng: np.random.Generator) -> Rows:
    """Rows of subjects drawn until they have as many visits, in their order; all rows where these are no more.

    Examples
    --------
    >>> some_subjects(np.repeat([0, 1, 2], 2), 4, np.random.default_rng(0)).tolist()
    [0, 1, 4, 5]
    """
    if len(subject) <= max_visits:
        return np.arange(len(subject))
    present, number, counts = np.unique(subject, return_inverse=True, return_counts=True)
    drawn = rng.permutation(len(present))
    n_chosen = max(1, int(np.searchsorted(np.cumsum(counts[drawn]), max_visits, side="right")))
    chosen = np.zeros(len(present), dtype=bool)
    chosen[drawn[:n_chosen]] = True
    return np.flatnonzero(chosen[number])


def known_latents(model: AbstractLongitudinalModel, visits: SeenVisits, n_known: int) -> Marginals:
    """Latents of visits, each given the sites of its subject's visits among these, and the fit.

    Parameters
    ----------
    model : AbstractLongitudinalModel
    visits : SeenVisits
    n_known : int
        Subjects below are those of the fit.
    """
    n, n_axes = visits.sites.mean.shape
    out = Marginals(*(np.empty((n, n_axes)) for _ in range(4)))
    for at, rows, sites, met in _of_both(model.latents, visits, n_known):
        for whole, part in zip(out, model.marginals(rows, sites, met), strict=True):
            whole[at] = part
    return out


def drawn_latents(
    model: AbstractLongitudinalModel,
    visits: SeenVisits,
    n_known: int,
    rng: np.random.Generator,
    n_draws: int,
    noise: bool,
) -> Array:
    """Joint draws (n_draws, n, K) of the latents of subjects' visits, with the noise of visits or without."""
    out = np.empty((n_draws, *visits.sites.mean.shape))
    for at, rows, sites, met in _of_both(model.latents, visits, n_known):
        out[:, at] = model.draw(rows, sites, n_draws, rng, noise, met)
    return out


def _of_both(
    latents: FittedLatents, visits: SeenVisits, n_known: int
) -> Iterator[tuple[Rows, SubjectRows, Sites, bool]]:
    """Visits of subjects of the fit, and those of others: which they are, and whether the fit has met them."""
    is_known = visits.subject < n_known
    for at, met in ((np.flatnonzero(is_known), True), (np.flatnonzero(~is_known), False)):
        if len(at):
            part = visits.take(at)
            yield at, part.rows(latents), part.sites, met
