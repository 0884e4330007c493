"""The likelihood of a whole table: columns of one kind, or of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from intertwine.io.gaps import with_gaps, without_gaps
from intertwine.likelihoods.base import AbstractLikelihood, Array, Noise, Units
from intertwine.likelihoods.bounds import Bounds
from intertwine.likelihoods.kinds import KINDS
from intertwine.validation.wording import columns_where

__all__ = ["ColumnLikelihood", "refuse_columns"]

_OWN_NOISE = Noise()
_LARGEST_SHOWN = 10.0  # standard deviations; beyond, an encoder would only be carried away
_LARGEST_SHIFT, _SAME_SHIFT, _SHIFTS = 2.0, 1e-5, 30  # of outputs, in a step; when it ends; how many


class _Block(NamedTuple):
    """Columns of one kind."""

    likelihood: AbstractLikelihood
    columns: range | tuple[int, ...]  # a range where they stand side by side: slices are faster than indices

    def of(self, values: Any) -> Any:
        """These columns of values (…, p)."""
        return _columns(values, self.columns)

    def units(self, units: Units) -> Units:
        return Units(self.of(units.center), self.of(units.scale))


@final
@partial(jax.tree_util.register_dataclass, data_fields=["shown", "outputs", "bounds"], meta_fields=["blocks"])
@dataclass(frozen=True, eq=False)
class ColumnLikelihood:
    """What a decoder's outputs (n, p), one per column, say of a table's columns.

    Built by `of` from a table. It is a pytree whose numbers are units: a compiled function that takes one as an
    ordinary argument serves all tables with the same kinds of columns. It is hashable as well, by its contents, for
    those who want it static.

    ``params`` are always the pytree of `start`, learnt together with the networks; ``x`` is in the units of the table,
    and entries of it that are NaN have log density zero.

    Attributes
    ----------
    blocks : tuple
        Likelihoods of one kind and their columns.
    shown : Units
        Of what an encoder is shown, (p,).
    outputs : Units
        Of a decoder's outputs, (p,).
    bounds : Bounds
        Within which expected values stay.

    Examples
    --------
    >>> X = np.array([[70.1, 0, 3], [68.2, 1, np.nan], [71.0, 1, 0]])
    >>> likelihood = ColumnLikelihood.of(X, ("gaussian", "bernoulli", "poisson"))
    >>> params = likelihood.start(X)
    >>> np.round(likelihood.mean(params, np.zeros((1, 3), np.float32)), 2)  # outputs zero: as on average
    Array([[69.77,  0.62,  1.17]], dtype=float32)
    """

    blocks: tuple[_Block, ...]
    shown: Units
    outputs: Units
    bounds: Bounds

    @classmethod
    def of(
        cls,
        X: Array,
        kinds: Sequence[str],
        noise: Noise = _OWN_NOISE,
        names: NDArray[Any] | None = None,
        bounds: Bounds | None = None,
    ) -> ColumnLikelihood:
        """The likelihood of a table.

        Parameters
        ----------
        X : ndarray of shape (n, p)
            NaN where not observed; something is observed in every column.
        kinds : sequence of str
            Of every column: "gaussian", "bernoulli", "ordinal" or "poisson"; see `column_kinds`.
        noise : Noise
            Of the Gaussian columns.
        names : ndarray of str or None
            Of the columns, for messages.
        bounds : Bounds, optional
            Of the columns; none by default.

        Raises
        ------
        ValueError
            Where values are not of their column's kind, or out of bounds; the message names the columns and says what
            to do.
        """
        bounds = Bounds.none(X.shape[1]) if bounds is None else bounds
        bounds.check(X, names)
        blocks, p = [], X.shape[1]
        shown, outputs = (Units(np.empty(p), np.empty(p)) for _ in range(2))
        for kind in dict.fromkeys(kinds):
            columns = tuple(j for j, other in enumerate(kinds) if other == kind)
            place = _place(columns)
            values = _columns(X, place)
            refuse_columns(kind, columns, *KINDS[kind].faults(values, noise), p, names)
            likelihood, at = KINDS[kind].of(values, noise), list(columns)
            outputs.center[at], outputs.scale[at] = likelihood.output_units(values)
            shown.center[at], shown.scale[at] = likelihood.shown_units(values)
            blocks.append(_Block(likelihood, place))
        return cls(tuple(blocks), _single(shown), _single(outputs), bounds)

    def check(self, X: Array, names: NDArray[Any] | None = None) -> None:
        """Refuse values of new rows that are not of their column's kind, out of bounds, or levels not in the fit.

        Raises
        ------
        ValueError
            Naming the columns.
        """
        self.bounds.check(X, names)
        for likelihood, columns in self.blocks:
            faults = likelihood.new_faults(_columns(X, columns))
            refuse_columns(likelihood.name, columns, *faults, X.shape[1], names)

    def start(self, X: NDArray[Any]) -> tuple[Any, ...]:
        """Parameters to begin with: a tuple with those of every block, float32."""
        return tuple(block.likelihood.start(block.of(X), block.units(self.outputs)) for block in self.blocks)

    def encoded(self, x: Any, observed: Any) -> Any:
        """What an encoder is shown, (n, p): standardised (counts: their logarithms), zero where not ``observed``.

        Beyond ten standard deviations values are cut: encoders extrapolate wildly.
        """
        parts = [block.likelihood.shown(block.of(x)) for block in self.blocks]
        value = self.shown.value(self._joined(parts))
        return jnp.where(observed > 0, jnp.clip(value, -_LARGEST_SHOWN, _LARGEST_SHOWN), 0.0)

    def log_density(self, params: tuple[Any, ...], outputs: Any, x: Any) -> Any:
        """Density log p(x | outputs) of every entry, (n, p), per unit of the table; zero where x is NaN."""
        there = ~jnp.isnan(x)
        x = jnp.where(there, x, 0.0)
        parts = [
            block.likelihood.log_density(own, block.of(outputs), block.units(self.outputs), block.of(x))
            for block, own in zip(self.blocks, params, strict=True)
        ]
        return jnp.where(there, self._joined(parts), 0.0)

    def mean(self, params: tuple[Any, ...], outputs: Any) -> Any:
        """E[x | outputs], (n, p), in the units of the table; within the bounds."""
        return jnp.clip(self._of_blocks("mean", params, outputs), *self.bounds)

    def variance(self, params: tuple[Any, ...], outputs: Any) -> Any:
        """Var[x | outputs], (n, p): of the noise alone."""
        return self._of_blocks("variance", params, outputs)

    def shift_to(self, params: tuple[Any, ...], outputs: Any, mean: Any) -> Any:
        """What to add to outputs (n, s, p) so that the mean of E[x | outputs] over their s is ``mean``, (n, p).

        By Newton's method, entry by entry: expected values grow with outputs, whatever the kind. Bounds are left out.
        """

        def expected(values: Any) -> Any:
            return self._of_blocks("mean", params, values)

        def step(state: Any) -> Any:
            shift, _, done = state
            at = outputs + shift[:, None]
            found, slope = jax.jvp(expected, (at,), (jnp.ones_like(at),))
            away = (mean - found.mean(axis=1)) / jnp.maximum(slope.mean(axis=1), 1e-12)
            change = jnp.clip(away, -_LARGEST_SHIFT, _LARGEST_SHIFT)
            return shift + change, jnp.max(jnp.abs(change)), done + 1

        def goes_on(state: Any) -> Any:
            return (state[1] > _SAME_SHIFT) & (state[2] < _SHIFTS)

        nowhere = (jnp.zeros_like(outputs[:, 0]), jnp.asarray(jnp.inf, outputs.dtype), 0)
        return jax.lax.while_loop(goes_on, step, nowhere)[0]

    def with_misfit(
        self, params: tuple[Any, ...], square: Array, count: NDArray[np.int64]
    ) -> tuple[Any, ...]:
        """The most likely noises, given sums of squared misfits of the means of columns, and their numbers, (p,)."""
        return tuple(
            block.likelihood.with_misfit(own, block.units(self.outputs), block.of(square), block.of(count))
            for block, own in zip(self.blocks, params, strict=True)
        )

    def sample(self, rng: np.random.Generator, params: tuple[Any, ...], outputs: Any) -> Array:
        """One draw of every entry, (n, p), float64."""
        outputs = np.asarray(outputs)
        drawn = np.empty(outputs.shape)
        for block, own in zip(self.blocks, params, strict=True):
            units = block.units(self.outputs)
            drawn[..., list(block.columns)] = block.likelihood.sample(rng, own, block.of(outputs), units)
        return drawn

    def _of_blocks(self, moment: str, params: tuple[Any, ...], outputs: Any) -> Any:
        parts = [
            getattr(block.likelihood, moment)(own, block.of(outputs), block.units(self.outputs))
            for block, own in zip(self.blocks, params, strict=True)
        ]
        return self._joined(parts)

    def _joined(self, parts: Sequence[Any]) -> Any:
        """Blocks in the order of the table's columns."""
        if len(parts) == 1:
            return parts[0]
        order = np.concatenate([np.array(block.columns) for block in self.blocks])
        joined = jnp.concatenate(parts, axis=-1)
        return joined if np.all(np.diff(order) > 0) else joined[..., np.argsort(order)]

    def to_state(self, params: tuple[Any, ...]) -> dict[str, Any]:
        """What a model file holds of it, and of its parameters."""
        blocks = [
            {
                "kind": likelihood.name,
                "columns": np.array(columns),
                "options": {name: _plain(value) for name, value in vars(likelihood).items()},
                "params": {name: np.asarray(value) for name, value in own._asdict().items()},
            }
            for (likelihood, columns), own in zip(self.blocks, params, strict=True)
        ]
        bounds = {name: without_gaps(ends) for name, ends in self.bounds._asdict().items()}
        units = {"shown": self.shown._asdict(), "outputs": self.outputs._asdict()}
        return {"blocks": blocks, "bounds": bounds, **units}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> tuple[ColumnLikelihood, tuple[Any, ...]]:
        """The likelihood and the parameters that gave this state."""
        blocks, params = [], []
        for block in state["blocks"]:
            kind = KINDS[block["kind"]]
            options = {name: tuple(v) if isinstance(v, list) else v for name, v in block["options"].items()}
            blocks.append(_Block(kind(**options), _place(tuple(int(j) for j in block["columns"]))))
            params.append(kind.Params(**block["params"]))
        shown, outputs = Units(**state["shown"]), Units(**state["outputs"])
        bounds = Bounds.none(len(shown.center))  # what files without them mean
        if "bounds" in state:
            bounds = Bounds(**{name: with_gaps(ends) for name, ends in state["bounds"].items()})
        return cls(tuple(blocks), shown, outputs, bounds), tuple(params)

    def __hash__(self) -> int:
        return hash((self.blocks, *(np.asarray(leaf).tobytes() for leaf in self._leaves)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ColumnLikelihood):
            return NotImplemented
        return self.blocks == other.blocks and all(map(np.array_equal, self._leaves, other._leaves))

    @property
    def _leaves(self) -> tuple[Any, ...]:
        return (*self.shown, *self.outputs, *self.bounds)


def _place(columns: tuple[int, ...]) -> range | tuple[int, ...]:
    side_by_side = range(columns[0], columns[-1] + 1)
    return side_by_side if len(side_by_side) == len(columns) else columns


def _columns(values: Any, place: range | tuple[int, ...]) -> Any:
    if isinstance(place, range):
        return values[..., place.start : place.stop]
    return values[..., np.array(place)]


def _single(units: Units) -> Units:
    return Units(*(np.asarray(part, np.float32) for part in units))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def refuse_columns(
    kind: str,
    columns: Sequence[int],
    faulty: NDArray[np.bool_],
    advice: str,
    n_columns: int,
    names: NDArray[Any] | None,
) -> None:
    """Refuse a table some of whose columns of one kind are faulty: a ValueError that names them and gives advice."""
    if faulty.any():
        where = np.zeros(n_columns, bool)
        where[np.array(columns)[faulty]] = True
        raise ValueError(f"X with likelihood {kind!r}: {columns_where(where, names)} {advice}")
