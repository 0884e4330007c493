"""Mini-batches of whole subjects, as the compiled steps read them; some of the subjects mixtures of two.

A mixture (Zhang et al., mixup, 2018) takes λ of one subject and 1 − λ of another that has as many visits, the same
categories and the same covariates that apply: of values, visit by visit, and of features, in which latents are linear.
An entry is known where both are. Networks then meet more subjects than there are.
"""

from __future__ import annotations

from typing import final

import numpy as np
from numpy.typing import NDArray

from intertwine.fitting.longitudinal.contexts import drawn_context
from intertwine.fitting.longitudinal.problem import LongitudinalProblem, LongitudinalVisits, visit_order
from intertwine.fitting.longitudinal.steps import VisitBatch
from intertwine.fitting.mini_batches import Chosen, GroupPacks
from intertwine.latent_prior import LatentBatch, TrendSteps, trend_steps
from intertwine.mixed_effects.subjects import SubjectRows

__all__ = ["VisitBatches"]

Rows = NDArray[np.int64]


@final
class VisitBatches:
    """Batches of the visits of a problem.

    Parameters
    ----------
    problem : LongitudinalProblem
    rows : SubjectRows
        The features of its visits.

    Attributes
    ----------
    n_subjects : int
        Places for subjects in a batch.
    """

    def __init__(self, problem: LongitudinalProblem, rows: SubjectRows) -> None:
        visits, self._settings = problem.visits, problem.settings
        self._X, self._n_components, self._trends = visits.X, problem.n_components, rows.trends
        self._subject, self._number = visits.subject, visit_order(visits.subject, visits.time)
        self._packs = GroupPacks(visits.subject, problem.settings.batch_size, self._number)
        self.n_subjects = self._packs.n_groups
        self._features = rows.shared.astype(np.float32), rows.own.astype(np.float32)
        if problem.settings.mixup:
            self._order = np.lexsort([self._number, visits.subject])
            counts = np.bincount(visits.subject)
            self._starts = np.cumsum(counts) - counts
            self._kind = _kinds(visits, self._order[self._starts], counts)
            self._of_kind = np.argsort(self._kind, kind="stable")
            sizes = np.bincount(self._kind)
            self._first_of_kind, self._n_of_kind = np.cumsum(sizes) - sizes, sizes

    def chosen(self, rng: np.random.Generator) -> list[tuple[Chosen, NDArray[np.bool_]]]:
        """All visits once, by batches, and which of a batch predict the others; those of a subject in order of time."""
        packs = list(self._packs.batches(rng))
        rows = np.concatenate([pack.rows[: pack.n_rows] for pack in packs])
        bounds = np.cumsum([pack.n_rows for pack in packs])[:-1]
        subject = self._subject[rows]
        place = np.cumsum(np.append(False, subject[1:] != subject[:-1]))
        context = drawn_context(rng, place, self._number[rows], self._settings.context)
        return list(zip(packs, np.split(context, bounds), strict=True))

    def batch(
        self, pack: Chosen, context: NDArray[np.bool_], dropout: float, rng: np.random.Generator
    ) -> tuple[VisitBatch, NDArray[np.bool_]]:
        """A batch, and which of its visits, without the padding, are as they were observed."""
        assert pack.level is not None
        n, size = pack.n_rows, len(pack.rows)
        present = (np.arange(size) < n).astype(np.float32)
        predicting = np.zeros(size, np.float32)
        predicting[:n] = context
        share, partner = self._partners(pack, rng)
        x, shared, own = (_mixed(part, pack.rows, partner, share) for part in (self._X, *self._features))
        shown = (~np.isnan(x) & (present > 0)[:, None]).astype(np.float32)
        if dropout:
            shown *= rng.random(x.shape, dtype=np.float32) >= dropout
        noise = rng.standard_normal((size, self._n_components), dtype=np.float32)
        latent = LatentBatch(pack.level, shared, own, self._steps(pack))
        return VisitBatch(x, shown, present, predicting, latent, noise), share[:n] == 1.0

    def _partners(self, pack: Chosen, rng: np.random.Generator) -> tuple[NDArray[np.float32], Rows]:
        """λ of each row, one where it is not mixed, and the row that it is mixed with."""
        share, partner = np.ones(len(pack.rows), np.float32), pack.rows
        if not self._settings.mixup:
            return share, partner
        assert pack.groups is not None
        assert pack.level is not None
        kind = self._kind[pack.groups]
        drawn = (rng.random(len(kind)) * self._n_of_kind[kind]).astype(np.int64)
        other = self._of_kind[self._first_of_kind[kind] + drawn]
        mixes = (rng.random(len(kind)) < self._settings.mixup) & (other != pack.groups)
        part = np.where(mixes, rng.random(len(kind)), 1.0).astype(np.float32)
        n = pack.n_rows
        place = pack.level[:n]
        share[:n] = part[place]
        partner = partner.copy()
        partner[:n] = self._order[self._starts[other[place]] + self._number[pack.rows[:n]]]
        return share, partner

    def _steps(self, pack: Chosen) -> tuple[TrendSteps, ...]:
        if not self._trends:
            return ()
        assert pack.level is not None
        first = np.append(True, np.diff(pack.level) != 0)
        padding = np.arange(len(pack.rows)) >= pack.n_rows
        return tuple(
            trend_steps(
                trend.kernel, trend.length_scale, np.where(padding, np.nan, trend.time[pack.rows]), first
            )
            for trend in self._trends
        )


def _mixed(
    values: NDArray[np.float32], rows: Rows, partner: Rows, share: NDArray[np.float32]
) -> NDArray[np.float32]:
    found = values[rows]
    if partner is rows:
        return found
    mixes = np.flatnonzero(share < 1.0)
    if len(mixes):
        part = share[mixes, None]
        found[mixes] = part * found[mixes] + (1.0 - part) * values[partner[mixes]]
    return found


def _kinds(visits: LongitudinalVisits, first: Rows, counts: Rows) -> Rows:
    """Numbers of subjects, alike where these can be mixed: visits, and what is known of the first one."""
    columns = [counts]
    columns += [np.isnan(values[first]) for values in visits.columns.numbers.values()]
    columns += [codes[first] for codes, _ in visits.columns.categories.values()]
    return np.unique(np.column_stack(columns).astype(np.int64), axis=0, return_inverse=True)[1].ravel()
