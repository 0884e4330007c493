"""Real tables whose rows share groups: counties (the paper's Income) and songs (its Spotify)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, final

from intertwine.datasets import fetch_counties, fetch_spotify
from intertwine.effects import Grouped, Spatial
from intertwine.reproduce.claims import exceeds, unmeasured
from intertwine.reproduce.design import AbstractDesign, Job, Reproduced
from intertwine.reproduce.lmmvae.models import IGNORED, NONLINEAR, Task, measure
from intertwine.reproduce.lmmvae.published import NOT_HERE, REAL
from intertwine.reproduce.measurements import Measurements, with_error

__all__ = ["RealTables"]


class _Table(NamedTuple):
    """A table and the effects that it is told of, in a quick run those that take seconds; the paper's name of it."""

    fetch: Callable[..., Any]
    effects: tuple[Any, ...]
    quick_effects: tuple[Any, ...]
    printed: str


_OF_SONGS = (Grouped("artist"), Grouped("album"), Grouped("playlist"), Grouped("subgenre"))
_TABLES = {
    "counties": _Table(
        fetch_counties, (Grouped("state"), Spatial(kernel="matern32")), (Grouped("state"),), "Income"
    ),
    "songs": _Table(fetch_spotify, _OF_SONGS, _OF_SONGS[:1], "Spotify"),
}
_QUICK_FIT = {"max_iter": 100, "n_init": 1}


def _case(name: str, d: int) -> str:
    return f"{name}, d = {d}"


def _measure(name: str, d: int, method: str, seed: int, quick: bool) -> tuple[float, dict[str, Any]]:
    table = _TABLES[name]
    effects = table.quick_effects if quick else table.effects
    drawn = table.fetch(split="random", random_state=seed)
    drawn["groups"] = {key: drawn["groups"][key] for effect in effects for key in effect.group_keys}
    return measure(method, Task(drawn, effects, d, seed, _QUICK_FIT if quick else {}))


@final
class RealTables(AbstractDesign):
    """Test error of a reconstruction, with effects and without."""

    name = "real tables"

    def __init__(self, quick: bool) -> None:
        super().__init__(quick)
        self._latents = (1, 2, 5)
        self._seeds = 3 if quick else 5
        self._absent: dict[str, str] = {}

    def jobs(self) -> list[Job]:
        for name, table in _TABLES.items():
            try:
                table.fetch(download_if_missing=not self.quick)
            except FileNotFoundError as absent:
                self._absent[name] = str(absent)
        return [
            Job(
                _case(name, d),
                method,
                seed,
                partial(_measure, name, d, method, seed, self.quick),
                10.0 if method == NONLINEAR else 4.0,
            )
            for name in _TABLES
            if name not in self._absent
            for d in self._latents
            for seed in range(self._seeds)
            for method in (IGNORED, NONLINEAR)
        ]

    def read(self, measurements: Measurements) -> Reproduced:
        cases = [_case(name, d) for name in _TABLES if name not in self._absent for d in self._latents]
        claims = [
            exceeds(
                f"LMMVAE beats a VAE that ignores the effects on {table.printed} (our {name}), d = {d}",
                measurements.differences(self.name, _case(name, d), IGNORED, NONLINEAR),
                published=REAL[table.printed][IGNORED][d] - REAL[table.printed]["LMMVAE"][d],
                places=3,
                comparable=False,
                absent=f"{name}: absent" if name in self._absent else "",
            )
            for name, table in _TABLES.items()
            for d in self._latents
        ]
        claims += [
            unmeasured(
                f"LMMVAE beats a VAE that ignores the effects on {name}: {figures}",
                "a table that intertwine.datasets does not have",
            )
            for name, figures in NOT_HERE.items()
        ]
        return Reproduced(
            title="Real tables",
            about="Test MSE of standardised features, a fifth of the rows to judge on; "
            + (
                "counties by state, songs by artist. "
                if self.quick
                else "counties by state and place, songs by artist, album, playlist and subgenre. "
            )
            + "The paper's Income is not scaled, and its part of the songs we do not know: only "
            "the comparison is judged.",
            header=("test MSE", *cases),
            published=[],
            ours=[
                (
                    f"ours: {method}",
                    *(
                        with_error(measurements.values(self.name, case, method), 3, self._seeds)
                        for case in cases
                    ),
                )
                for method in (IGNORED, NONLINEAR)
            ]
            if cases
            else [],
            claims=claims,
            findings=[],
            absent=[f"{name} are absent: {text}" for name, text in self._absent.items()],
        )
