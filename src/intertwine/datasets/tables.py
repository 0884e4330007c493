"""The real tables we know: their columns, what they must contain, and who keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from intertwine.datasets.sources import PMLB, AbstractSource, OpenML

__all__ = ["TABLES", "Table"]


@final
@dataclass(frozen=True)
class Table:
    """A numeric table that is kept as ``<family>/<name>.csv.gz``.

    Parameters
    ----------
    family : str
        Folder of the file.
    name : str
        Stem of the file.
    columns : tuple of str
        Our names, in the file's order.
    n_rows : int
    digest : str
        SHA-256 of the content, see :func:`intertwine.datasets.store.content_digest`.
    sources : tuple of AbstractSource
        Tried in this order. A source may hold more columns than we keep.
    labels : tuple of str
        Columns whose codes are arbitrary: sources number them differently, so they are not in the digest.
    n_digits : int, optional
        Significant digits that the digest counts, where some source prints no more.
    """

    family: str
    name: str
    columns: tuple[str, ...]
    n_rows: int
    digest: str
    sources: tuple[AbstractSource, ...]
    labels: tuple[str, ...] = ()
    n_digits: int | None = None


def _numbered(stem: str, count: int) -> tuple[str, ...]:
    return tuple(f"{stem}{index}" for index in range(1, count + 1))


_MUSK = (*_numbered("f", 166), "musk")
_MUSK_LABELLED = ("molecule", "conformation", *_MUSK)
_HILL_VALLEY = (*_numbered("V", 100), "hill")
_FRIEDMAN = (*_numbered("oz", 100), "y")
_SPECTRUM = (*_numbered("absorbance_", 100), *_numbered("principal_component_", 22), "moisture")
_GAMETES = (*(f"N{index}" for index in range(18)), "P1", "P2", "case")
_GIRTHS = ("neck", "chest", "abdomen", "hip", "thigh", "knee", "ankle", "biceps", "forearm", "wrist")
_BODY = ("age", "weight", "height", *_GIRTHS)
_SIZE = ("radius", "texture", "perimeter", "area")
_CELL = (*_SIZE, "smoothness", "compactness", "concavity", "concave_points", "symmetry", "fractal_dimension")
# The copies in circulation head these columns in an order that does not belong to the numbers below (their
# "radius_se" is around 27). This is the order of the original's description, and the values agree with it.
_PROGNOSTIC = (
    "lymph_node_status",
    *(f"{part}_{statistic}" for statistic in ("mean", "se", "worst") for part in _CELL),
    "tumor_size",
    "time",
)
_PLANE = ("x1", "x2", "label")
_GAMETES_NAME = "GAMETES_Epistasis_2{0}Way_20atts_0.4H_EDM{0}1_1"

TABLES = {
    table.name: table
    for table in (
        Table(
            "interactions",
            "clean1",
            _MUSK,
            476,
            "ed4be2f68ebf75027296c48e7ca23dae1900d7ab4df65a0069b03ae9dbcdb0c0",
            (OpenML("clean1", _MUSK_LABELLED), PMLB("clean1", _MUSK_LABELLED)),
        ),
        Table(
            "interactions",
            "clean2",
            _MUSK_LABELLED,
            6598,
            "e7556d8f10e88c9834ec0532bf5c7dc29419245a537883fa7f1a87589143f0ae",
            (OpenML("clean2", _MUSK_LABELLED), PMLB("clean2", _MUSK_LABELLED)),
            labels=("molecule", "conformation"),
        ),
        Table(
            "interactions",
            "fri_c4_1000_100",
            _FRIEDMAN,
            1000,
            "b09c475b528c11f3f9e50c06dacb7dd636e06950d78e35be65b5b5922cf4221e",
            (OpenML("fri_c4_1000_100", _FRIEDMAN), PMLB("588_fri_c4_1000_100", _FRIEDMAN)),
        ),
        Table(
            "interactions",
            "hill_valley",
            _HILL_VALLEY,
            1212,
            "fe732561069c277cc327a41ce6756b9c2c392436bb536c224fb1e9081961e9cc",
            (OpenML("hill-valley", _HILL_VALLEY), PMLB("Hill_Valley_with_noise", _HILL_VALLEY)),
        ),
        Table(
            "interactions",
            "tecator",
            (*_SPECTRUM, "fat", "protein"),
            240,
            "4c9cd9a61ebf8df46ca437403a7e4955e899d2393b56a98e44e925d932de0d03",
            (
                OpenML("tecator", (*_SPECTRUM, "fat", "protein")),
                PMLB("505_tecator", (*_SPECTRUM, "protein", "fat")),
            ),
        ),
        Table(
            "interactions",
            "gametes_epistasis_2way",
            _GAMETES,
            1600,
            "c66c8ca7adca40702471ec0db3b16fb97e57c099d8017d42a341521a4b660fe4",
            (
                OpenML(_GAMETES_NAME.format("-"), _GAMETES),
                PMLB(_GAMETES_NAME.format("_"), _GAMETES),
            ),
        ),
        Table(
            "interactions",
            "bodyfat",
            ("density", "percent_fat", *_BODY),
            252,
            "660528fb0a2ab4aa423a436d8369fab4fcf7531ffd02365449bb6d6f054d6f4f",
            (
                OpenML("bodyfat", ("density", *_BODY, "percent_fat")),
                PMLB("560_bodyfat", ("density", *_BODY, "percent_fat")),
            ),
        ),
        Table(
            "interactions",
            "wisconsin",
            _PROGNOSTIC,
            194,
            "c6e881b0fab73cff8ffa31956cb085df1ae3fe279c172b11cf5a926b24f787f1",
            (OpenML("wisconsin", _PROGNOSTIC),),
        ),
        Table(
            "fm",
            "banana",
            _PLANE,
            5300,
            "8a777f2a47777a6d47f2da39f41595a5b86388c75a28af9c713bdee4302bc9ab",
            (OpenML("banana", _PLANE), PMLB("banana", _PLANE)),
            labels=("label",),
            n_digits=3,
        ),
        Table(
            "fm",
            "banana_llfm_train",
            _PLANE,
            3533,
            "a42a1968d485b08d51adc66daa04f8bfd12ae13143ee3ad0dac45e40b61342f7",
            (),
        ),
        Table(
            "fm",
            "banana_llfm_test",
            _PLANE,
            1767,
            "666fe028fe923982c2a1a90f483451197b1c657387f28dbcd1d4b502a4b0e1e0",
            (),
        ),
    )
}
