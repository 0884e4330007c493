"""Effects of covariates side by side: which columns of a latent mixed model belong to which of them.

An effect of covariates is columns that all subjects share; one of each subject is columns of their own, or a trend by
its state space. All columns of an effect have one variance on each axis, but those of correlated effects a covariance.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from intertwine.effects.by_subject import AbstractSubjectEffect, BoundBySubject, BoundCourse, BySubject
from intertwine.effects.correlated import BoundCorrelated, Correlated
from intertwine.effects.covariate import AbstractBoundCovariateEffect, AbstractCovariateEffect, Covariates
from intertwine.effects.smooth_parts import SmoothPart, smooth_parts
from intertwine.mixed_effects.coefficient_priors import LearntColumns
from intertwine.mixed_effects.own_factor import covariance_of
from intertwine.mixed_effects.subjects import LatentVariances, OwnCorrelation, SubjectRows, Trend

__all__ = ["EffectPlace", "LatentEffects"]

Array = NDArray[np.float64]

_ROUNDING = 1e-9  # by which an eigenvalue of correlations may be negative


class EffectPlace(NamedTuple):
    """Where the coefficients of an effect stand.

    Attributes
    ----------
    title : str
    place : {"shared", "own", "trends"}
        The field of `SubjectRows` and of `LatentVariances`.
    columns : slice
        Of that field.
    flat : bool
        Whether the prior is flat: its variance is infinite, and not learnt.
    """

    title: str
    place: Literal["shared", "own", "trends"]
    columns: slice
    flat: bool = False

    @property
    def n_columns(self) -> int:
        return self.columns.stop - self.columns.start


@final
class LatentEffects:
    """Bound effects, and the mean of all visits, which has a flat prior.

    Parameters
    ----------
    effects : sequence of AbstractCovariateEffect
    bound : sequence of AbstractBoundCovariateEffect
    has_mean : bool

    Attributes
    ----------
    places : tuple of EffectPlace
        First that of the mean, where there is one, then those of the effects in their order.

    Examples
    --------
    >>> from intertwine.effects import Linear, Smooth
    >>> rows = Covariates(6, {"time": np.array([0.0, 1, 2, 0, 1, 3]), "dose": np.arange(6.0)}, {})
    >>> subject = np.repeat([0, 1], 3)
    >>> chosen = [Smooth("time", length_scale=1.0), BySubject(), BySubject(Linear("dose"))]
    >>> effects = LatentEffects.of(chosen, rows, subject)
    >>> [(part.title, part.place, part.n_columns) for part in effects.places]
    [('mean', 'shared', 1), ('time', 'shared', 6), ('subject', 'own', 1), ('subject × dose', 'own', 1)]
    >>> visits = effects.rows(rows, subject, 2, effects.start_shape())
    >>> visits.shared.shape, visits.own.shape
    ((6, 7), (6, 2))
    >>> effects.variances(np.array([0.1]), np.array([[4.0], [1.0], [0.5]])).own.tolist()
    [[1.0], [0.5]]
    """

    def __init__(
        self,
        effects: Sequence[AbstractCovariateEffect],
        bound: Sequence[AbstractBoundCovariateEffect],
        has_mean: bool = True,
    ) -> None:
        self.effects, self.bound, self.has_mean = tuple(effects), tuple(bound), has_mean
        self.titles = _distinct(effects)
        self.places = self._places()
        self.shape_names = tuple(
            f"{name} of {title}"
            for title, part in zip(self.titles, self.bound, strict=True)
            for name in part.shape_names
        )

    @classmethod
    def of(
        cls,
        effects: Sequence[AbstractCovariateEffect],
        columns: Covariates,
        subject: NDArray[np.int64],
        has_mean: bool = True,
    ) -> LatentEffects:
        """Bind effects to the visits of a fit, and decide which courses of subjects go by state space.

        Parameters
        ----------
        effects : sequence of AbstractCovariateEffect
        columns : Covariates
        subject : ndarray of int, shape (n,)
        has_mean : bool

        Raises
        ------
        ValueError
            An effect that explains nothing, or is given twice; what of subjects cannot be told from noise.
        """
        single = [
            part for one in effects for part in (one.effects if isinstance(one, Correlated) else (one,))
        ]
        repeated = [effect.title for place, effect in enumerate(single) if effect in single[:place]]
        if repeated:
            raise ValueError(
                f"effects holds {repeated[0]!r} twice: only the sum of their variances is identified"
            )
        visits = np.bincount(subject)
        chosen = []
        for effect in effects:
            if isinstance(effect, AbstractSubjectEffect):
                _require_several(visits, effect)
                known = all(not np.isnan(columns.numbers[key]).any() for key in effect.number_keys)
                effect = effect.for_series(int(visits.max()), known)
            chosen.append(effect)
        return cls(chosen, [effect.bind(columns) for effect in chosen], has_mean)

    def _places(self) -> tuple[EffectPlace, ...]:
        ends: dict[Any, int] = {"shared": int(self.has_mean), "own": 0, "trends": 0}
        parts = [EffectPlace("mean", "shared", slice(0, 1), flat=True)] if self.has_mean else []
        for title, part in zip(self.titles, self.bound, strict=True):
            place, width = _place(part)
            parts.append(EffectPlace(title, place, slice(ends[place], ends[place] + width)))
            ends[place] += width
        return tuple(parts)

    @property
    def learnt(self) -> LearntColumns:
        """What `fit_latent_variances` finds variances of; those of trends are always among them."""
        parts = [part for part in self.places if not part.flat]
        apart = {place.columns.start for place, _ in self.correlated}
        own: list[slice] = []
        for part in (part for part in parts if part.place == "own"):
            columns = range(part.columns.start, part.columns.stop)
            own += [slice(j, j + 1) for j in columns] if part.columns.start in apart else [part.columns]
        return LearntColumns(tuple(part.columns for part in parts if part.place == "shared"), tuple(own))

    @property
    def correlated(self) -> list[tuple[EffectPlace, tuple[str, ...]]]:
        """Effects whose coefficients have a full covariance, and the names of these."""
        places = self.places[int(self.has_mean) :]
        pairs = zip(places, self.bound, strict=True)
        return [(place, part.names) for place, part in pairs if isinstance(part, BoundCorrelated)]

    @property
    def n_variances(self) -> int:
        """How many variances and covariances an axis has, beside that of the noise."""
        extra = sum(place.n_columns * (place.n_columns + 1) // 2 - 1 for place, _ in self.correlated)
        return len(self.bound) + extra

    def start_shape(self) -> Array:
        """Length scales to begin from, (s,), of all effects in their order."""
        return np.concatenate([np.empty(0), *(part.start_shape() for part in self.bound)])

    def shape_bounds(self) -> Array:
        """Limits of their search, (s, 2); a fixed one has both alike."""
        return np.concatenate([np.empty((0, 2)), *(part.shape_bounds() for part in self.bound)])

    def shapes(self, shape: Array) -> list[Array]:
        """The part of each effect."""
        sizes = [len(part.shape_names) for part in self.bound]
        return np.split(np.asarray(shape, dtype=np.float64), np.cumsum(sizes))[: len(sizes)]

    def rows(
        self, columns: Covariates, subject: NDArray[np.int64], n_subjects: int, shape: Array
    ) -> SubjectRows:
        """Features of visits, new or old.

        Parameters
        ----------
        columns : Covariates
        subject : ndarray of int, shape (n,)
        n_subjects : int
        shape : ndarray of shape (s,)
        """
        own: list[Array] = []
        trends = []
        for part, its_shape in zip(self.bound, self.shapes(shape), strict=True):
            if isinstance(part, BoundCourse):
                trends.append(Trend(part.time(columns), part.kernel, float(its_shape[0])))
            elif isinstance(part, BoundBySubject | BoundCorrelated):
                own.append(part.features(columns, its_shape))
        shared = self.shared_features(columns, shape)
        return SubjectRows(subject, n_subjects, shared, _beside(own, columns.n_rows), tuple(trends))

    def shared_features(self, columns: Covariates, shape: Array) -> Array:
        """Those whose coefficients all subjects share, (n, p): what curves of the population are made of."""
        shared = [np.ones((columns.n_rows, 1))] if self.has_mean else []
        for part, its_shape in zip(self.bound, self.shapes(shape), strict=True):
            if _place(part)[0] == "shared":
                shared.append(part.features(columns, its_shape))
        return _beside(shared, columns.n_rows)

    def variances(self, noise: Array, by_effect: Array) -> LatentVariances:
        """Repeat the variances of effects (effects, K) for every coefficient; that of the mean is infinite.

        Coefficients of correlated effects, too, have these, and correlations of zero.
        """
        by_effect = np.asarray(by_effect, dtype=np.float64)
        n_axes = by_effect.shape[1]
        of_place: dict[str, list[Array]] = {"shared": [], "own": [], "trends": []}
        learnt = iter(by_effect)
        for part in self.places:
            variance = np.full(n_axes, np.inf) if part.flat else next(learnt)
            of_place[part.place].append(np.broadcast_to(variance, (part.n_columns, n_axes)))
        fields = {place: np.concatenate([np.empty((0, n_axes)), *parts]) for place, parts in of_place.items()}
        correlations = [
            OwnCorrelation(_numbers(place.columns), np.tile(np.eye(place.n_columns), (n_axes, 1, 1)))
            for place, _ in self.correlated
        ]
        return LatentVariances(
            np.asarray(noise, dtype=np.float64), **fields, correlations=tuple(correlations)
        )

    def with_correlations(self, variances: LatentVariances, matrices: Sequence[Array]) -> LatentVariances:
        """The same variances with these correlations (K, m, m) of the effects that have some.

        Raises
        ------
        ValueError
            Where there are others than effects, or they are no correlations.
        """
        places = [place for place, _ in self.correlated]
        if [matrix.shape[1:] for matrix in matrices] != [(place.n_columns,) * 2 for place in places]:
            raise ValueError(f"correlations are of other effects than {[place.title for place in places]}")
        for matrix in matrices:
            good = np.allclose(matrix, matrix.swapaxes(1, 2)) and np.allclose(
                np.einsum("kii->ki", matrix), 1.0
            )
            if not (good and np.linalg.eigvalsh(matrix).min(initial=0.0) > -_ROUNDING):
                raise ValueError(
                    "a matrix of correlations is not symmetric, positive and one on its diagonal"
                )
        pairs = zip(places, matrices, strict=True)
        correlations = tuple(OwnCorrelation(_numbers(place.columns), matrix) for place, matrix in pairs)
        return variances._replace(correlations=correlations)

    def by_effect(self, variances: LatentVariances) -> Array:
        """The variance of each effect on each axis, (effects, K): the mean over its coefficients."""
        parts = [part for part in self.places if not part.flat]
        means = [getattr(variances, part.place)[part.columns].mean(axis=0) for part in parts]
        return np.reshape(means, (len(parts), len(variances.noise)))

    def scales(self, rows: SubjectRows) -> Array:
        """What a variance of one says of the variance of visits, (effects,): the mean over rows of Σ_j φ_j²."""
        parts = [part for part in self.places if not part.flat]
        return np.array(
            [
                1.0
                if part.place == "trends"
                else np.square(getattr(rows, part.place)[:, part.columns]).sum() / len(rows.subject)
                for part in parts
            ]
        )

    def visit_variances(self, variances: LatentVariances, rows: SubjectRows) -> Array:
        """The prior variance of visits' latents by effect, (effects, K), on average over rows."""
        found = self.by_effect(variances) * self.scales(rows)[:, None]
        parts = [part for part in self.places if not part.flat]
        for (place, _), one in zip(self.correlated, variances.correlations, strict=True):
            features = rows.own[:, place.columns]
            squares = features.T @ features / len(rows.subject)
            found[parts.index(place)] = np.einsum("ij,kij->k", squares, covariance_of(variances.own, one))
        return found

    def proportions(self, variances: LatentVariances, rows: SubjectRows) -> Array:
        """Numbers (parts, K) whose proportions are those of all variances and covariances of effects.

        Correlated coefficients have their own variances and those of the sums of any two, in units in which all say
        as much of visits.
        """
        parts = [part for part in self.places if not part.flat]
        apart = [parts.index(place) for place, _ in self.correlated]
        found = [np.delete(self.visit_variances(variances, rows), apart, axis=0)]
        for one in variances.correlations:
            size = np.sqrt(np.mean(rows.own[:, one.columns] ** 2, axis=0))
            covariance = covariance_of(variances.own, one) * np.outer(size, size)
            alone = np.einsum("kii->ik", covariance)
            i, j = np.triu_indices(len(size), 1)
            found += [alone, alone[i] + alone[j] + 2.0 * covariance[:, i, j].T]
        return np.vstack(found)

    def basis(self, shape: Array) -> dict[str, list[Any]]:
        """Columns of a table of all smooth functions: how many waves, in which box, and what they miss."""
        table: dict[str, list[Any]] = {name: [] for name in ("effect", *SmoothPart._fields)}
        for title, part, its_shape in zip(self.titles, self.bound, self.shapes(shape), strict=True):
            for smooth in smooth_parts(part, its_shape):
                for name, value in {"effect": title, **smooth._asdict()}.items():
                    table[name].append(value)
        return table

    def state(self) -> list[dict[str, Any]]:
        """What `restore` needs besides the effects themselves."""
        return [part.state() for part in self.bound]

    @classmethod
    def restore(
        cls,
        effects: Sequence[AbstractCovariateEffect],
        states: Sequence[dict[str, Any]],
        has_mean: bool = True,
    ) -> LatentEffects:
        """The effects that gave these states: those of the attribute ``effects``, in which "auto" is decided."""
        bound = [effect.restore(state) for effect, state in zip(effects, states, strict=True)]
        return cls(effects, bound, has_mean)


def _place(part: AbstractBoundCovariateEffect) -> tuple[Any, int]:
    if isinstance(part, BoundCourse):
        return "trends", 1
    own = isinstance(part, BoundBySubject | BoundCorrelated)
    return ("own" if own else "shared"), part.n_functions


def _numbers(columns: slice) -> NDArray[np.int64]:
    return np.arange(columns.start, columns.stop)


def _beside(parts: Sequence[Array], n_rows: int) -> Array:
    return np.concatenate([np.empty((n_rows, 0)), *parts], axis=1)


def _distinct(effects: Sequence[AbstractCovariateEffect]) -> tuple[str, ...]:
    """Titles, with the kind of effect where two are alike, and a number where that does not help."""
    titles = [effect.title for effect in effects]
    kinds = [_kind(effect) for effect in effects]
    titles = [
        title if titles.count(title) == 1 or not kind else f"{title} ({kind})"
        for title, kind in zip(titles, kinds, strict=True)
    ]
    return tuple(
        title if titles.count(title) == 1 else f"{title} {titles[: place + 1].count(title)}"
        for place, title in enumerate(titles)
    )


def _kind(effect: AbstractCovariateEffect) -> str:
    inner = effect.effect if isinstance(effect, BySubject) else effect
    return "" if inner is None else type(inner).__name__.lower()


def _require_several(visits: NDArray[np.int64], effect: AbstractSubjectEffect) -> None:
    if np.count_nonzero(visits) < 2:
        raise ValueError(
            f"there is one subject, so the variance of {effect.title!r} is not identified: leave BySubject out, or "
            "give visits of several subjects"
        )
    if visits.max() < 2:
        raise ValueError(
            f"every subject has one visit, so {effect.title!r} is confounded with noise: leave BySubject out, or give "
            "subject= labels that repeat"
        )
