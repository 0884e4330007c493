"""Rows some of whose entries are 0 and 1 or counts, as compiled code reads them: local bounds given the other rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, final

import jax
import jax.numpy as jnp

from intertwine.likelihoods.local_columns import LocalColumns

__all__ = ["LocalRows"]

_SMALLEST = 1e-8  # variance that is told from zero in single precision


@final
@partial(
    jax.tree_util.register_dataclass,
    data_fields=["columns", "x", "offset", "weight", "variance"],
    meta_fields=[],
)
@dataclass(frozen=True, eq=False)
class LocalRows:
    """Rows of which the rest of the model says η ~ N(f + offset, variance), entry by entry.

    Attributes
    ----------
    columns : LocalColumns
    x : (n, p)
        Gaussian columns in the units of the networks, others as they are; anything finite where not observed.
    offset : (n, p)
        Random effects, and the centers of columns that are not Gaussian.
    weight : (n, p)
        Of Gaussian columns 1 / (noise + variance), of others one; zero where nothing was observed.
    variance : (n, p)
        Of the random effects.
    """

    columns: LocalColumns
    x: Any
    offset: Any
    weight: Any
    variance: Any

    def take(self, rows: Any) -> LocalRows:
        """Some of the rows."""
        return LocalRows(
            self.columns, *(part[rows] for part in (self.x, self.offset, self.weight, self.variance))
        )

    @property
    def _variance(self) -> Any:
        return jnp.maximum(self.variance, _SMALLEST)

    def seen(self) -> tuple[Any, Any]:
        """What an encoder is shown, (n, p), and where anything was observed."""
        own = self.columns.seen(self.x, self.offset)
        return jnp.where(self.columns.local, own, self.x - self.offset), self.weight > 0

    def slopes(self, decoded: Any) -> tuple[Any, Any]:
        """Of the log density of entries in f, (n, p), and minus its curvatures there."""
        variance = self._variance
        at = self.columns.tightened(self.x, self.offset + decoded, variance)
        precision = self.columns.precision(at)
        curvature = precision / (1.0 + variance * precision)
        there = (self.weight > 0).astype(decoded.dtype)
        local = self.columns.local
        slope = jnp.where(
            local, there * self.columns.slope(self.x, at), self.weight * (self.x - self.offset - decoded)
        )
        return slope, jnp.where(local, there * curvature, self.weight)

    def misfit(self, decoded: Any) -> Any:
        """Bound of minus the log density, (n,), up to a constant of Gaussian columns."""
        mean, variance = self.offset + decoded, self._variance
        at = self.columns.tightened(self.x, mean, variance)
        shrunk = jnp.maximum(at.variance / variance, _SMALLEST)
        divergence = 0.5 * (shrunk + (at.mean - mean) ** 2 / variance - 1.0 - jnp.log(shrunk))
        bound = self.columns.expected(self.x, at) - jnp.where(self.columns.local, divergence, 0.0)
        there = self.weight > 0
        gaussian = 0.5 * self.weight * (self.x - mean) ** 2
        return jnp.sum(jnp.where(self.columns.local, jnp.where(there, -bound, 0.0), gaussian), axis=1)

    def misfits(self, points: Any, decoded: Any) -> Any:
        """Of latents (k, d) that decode to (k, p), their own prior included, (n, k); but for a constant of each row."""
        prior = 0.5 * jnp.sum(points**2, axis=1)
        return prior + jax.lax.map(self.misfit, decoded[:, None]).T

    def log_densities(self, decoded: Any) -> Any:
        """Of rows at decoded latents (n, k, p), (n, k); without the constant of `log_scale`."""

        def of_draw(one: Any) -> Any:
            mean = self.offset + one
            local = self.columns.log_marginal(self.x, mean, self._variance)
            gaussian = -0.5 * self.weight * (self.x - mean) ** 2
            return jnp.sum(
                jnp.where(self.columns.local, jnp.where(self.weight > 0, local, 0.0), gaussian), axis=1
            )

        return jax.lax.map(of_draw, jnp.moveaxis(decoded, 1, 0)).T

    def log_scale(self) -> Any:
        """½ Σ log(weight / 2π) over what was observed of Gaussian columns, (n,)."""
        there = (self.weight > 0) & ~self.columns.local
        return 0.5 * jnp.sum(
            jnp.where(there, jnp.log(jnp.where(there, self.weight, 1.0) / (2.0 * jnp.pi)), 0.0), axis=1
        )

    def surrogate(self, decoded: Any) -> Any:
        """A number whose gradient is that of minus the log density of all entries, at its tightest bound."""
        slope, _ = jax.lax.stop_gradient(self.slopes(jax.lax.stop_gradient(decoded)))
        return -jnp.sum(slope * decoded)
