"""The options that say what a table holds and which model it is for: the same of every command that fits."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import typer

from intertwine.cli.mistakes import Mistake, did_you_mean

__all__ = ["TableOptions", "lists", "require_models", "setting_of", "spread", "with_table_options"]

_ROLES = ("target", "time", "event", "entry", "task", "drop", "keep", "categorical")
# Settings of families that are called something else than their options.
_SETTINGS = {"components": "n_components", "sweeps": "max_iter", "scale": "rating_scale"}
_CHOICES = {
    "solver": ("auto", "variational", "gibbs", "als", "gauss_newton", "sgd"),
    "duplicates": ("mean", "last", "keep", "error"),
    "architecture": ("mlp", "linear"),
}


# Panels of the help, by what options are for.
_COLUMNS = "What columns are"
_SIZE = "Settings of several models"
_FM = "Settings of --model fm"
_RATINGS = "Settings of --model latent-factors"
_GROUPS = "Settings of --model mixed-model, random-effects-pca, random-effects-vae"
_VISITS = "Settings of --model longitudinal-vae"


def _column(text: str, panel: str = _COLUMNS) -> Any:
    return typer.Option(metavar="COLUMN", help=text, show_default=False, rich_help_panel=panel)


def _columns(text: str, panel: str = _COLUMNS) -> Any:
    return _column(f"{text} Can be repeated, or a,b,c.", panel)


@dataclass(frozen=True)
class TableOptions:
    """Roles of columns, and settings of models; each field is an option.

    Examples
    --------
    >>> TableOptions(target="y", drop=["a,b", "c"], sweeps=100).roles["drop"]
    ['a', 'b', 'c']
    >>> TableOptions(target="y", sweeps=100).settings
    {'max_iter': 100}
    """

    target: Annotated[str | None, _column("What to predict. Several, A,B: mixed-model alone.")] = None
    time: Annotated[
        str | None,
        _column(
            "Survival: time to the event, or to the end of observation. mixed-model, random-effects-…: time over which "
            "the levels of the first group change. longitudinal-vae: times of visits."
        ),
    ] = None
    event: Annotated[
        str | None,
        _column("Survival: whether the event was seen (0/1), or COLUMN=VALUE for the value that says so."),
    ] = None
    entry: Annotated[
        str | None, _column("Survival: time from which on a row was observed, where that is not 0.")
    ] = None
    task: Annotated[
        str,
        typer.Option(
            help="What --target is: regression for numbers, classification for labels, survival; auto looks at it.",
            rich_help_panel=_COLUMNS,
        ),
    ] = "auto"
    drop: Annotated[list[str] | None, _columns("To leave out.")] = None
    keep: Annotated[
        list[str] | None,
        _columns("To read although it seems to count the rows, which a model would leave out."),
    ] = None
    categorical: Annotated[
        list[str] | None, _columns("Numbers to take as labels: codes of sites, of classes.")
    ] = None
    components: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of factors: by default 10 in fm, 5 in local-fm, 20 in latent-factors. Of latents: 2 in "
            "random-effects-…; in longitudinal-vae half as many as measurements, 8 at most.",
            show_default=False,
            rich_help_panel=_SIZE,
        ),
    ] = None
    ordinal: Annotated[
        bool,
        typer.Option(
            "--ordinal",
            help="The numbers to predict are classes in order, such as grades.",
            rich_help_panel=_FM,
        ),
    ] = False
    sweeps: Annotated[
        int | None,
        typer.Option(
            min=10,
            help="Sweeps of the sampler: more are surer and slower; 500 by default.",
            show_default=False,
            rich_help_panel=_FM,
        ),
    ] = None
    user: Annotated[
        str | None, _column("Who rated; by default the first column besides the target.", _RATINGS)
    ] = None
    item: Annotated[str | None, _column("What was rated; by default the next one.", _RATINGS)] = None
    user_features: Annotated[list[str] | None, _columns("That tells of users.", _RATINGS)] = None
    item_features: Annotated[list[str] | None, _columns("That tells of items.", _RATINGS)] = None
    implicit: Annotated[
        bool,
        typer.Option(
            "--implicit",
            help="Learn from who rated what, too, not only from how.",
            rich_help_panel=_RATINGS,
        ),
    ] = False
    solver: Annotated[
        str | None,
        typer.Option(
            help="variational, gibbs, als, gauss_newton or sgd; by default it is chosen by the table.",
            show_default=False,
            rich_help_panel=_RATINGS,
        ),
    ] = None
    scale: Annotated[
        str | None,
        typer.Option(
            metavar="LOW,HIGH",
            help="The least and the best rating: others are refused, and predictions stay inside.",
            show_default=False,
            rich_help_panel=_RATINGS,
        ),
    ] = None
    duplicates: Annotated[
        str | None,
        typer.Option(
            help="Where a user rated an item twice: mean, last, keep, or error, which refuses them and is the default.",
            show_default=False,
            rich_help_panel=_RATINGS,
        ),
    ] = None
    groups: Annotated[
        list[str] | None,
        _columns("Labels of what rows share: schools, persons, batches.", _GROUPS),
    ] = None
    coords: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LAT,LON",
            help="Columns that say where a row is.",
            show_default=False,
            rich_help_panel=_GROUPS,
        ),
    ] = None
    counts: Annotated[
        list[str] | None,
        _columns("random-effects-vae: numbers that count, such as visits.", _GROUPS),
    ] = None
    formula: Annotated[
        str | None,
        typer.Option(
            help="mixed-model: 'y ~ x + (1 + t | g)', in place of --target, --groups and --time.",
            show_default=False,
            rich_help_panel=_GROUPS,
        ),
    ] = None
    subject: Annotated[
        str | None,
        _column("Whose visit a row is; by default a column called subject, patient or id.", _VISITS),
    ] = None
    covariates: Annotated[
        list[str] | None,
        _columns(
            "Whose effect is wanted; by default labels, and what never changes within a subject.", _VISITS
        ),
    ] = None
    measurements: Annotated[
        list[str] | None, _columns("To be explained; by default all other numbers.", _VISITS)
    ] = None
    smooth: Annotated[
        list[str] | None, _columns("A covariate whose effect is a curve, not a line.", _VISITS)
    ] = None
    slopes: Annotated[
        list[str] | None,
        _columns(
            "A covariate, or the time, along which each subject has a line, correlated with its level: lme4's (t | g).",
            _VISITS,
        ),
    ] = None
    interactions: Annotated[
        list[str] | None,
        typer.Option(
            metavar="A*B",
            help="Covariates, or one and the time, whose effects depend on each other. Can be repeated.",
            show_default=False,
            rich_help_panel=_VISITS,
        ),
    ] = None
    likelihood: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN=KIND",
            help="What a measurement is: gaussian, bernoulli, ordinal or poisson; by default gaussian, and bernoulli "
            "of 0 and 1. Can be repeated.",
            show_default=False,
            rich_help_panel=_VISITS,
        ),
    ] = None
    architecture: Annotated[
        str | None,
        typer.Option(
            help="Of the networks: mlp, the default, or linear, for few visits.",
            show_default=False,
            rich_help_panel=_VISITS,
        ),
    ] = None

    def is_role(self, option: str) -> bool:
        """Whether an option says what a column is, to whatever model."""
        return option in _ROLES

    @property
    def roles(self) -> dict[str, Any]:
        """Roles of the columns, kept with a model so that a report can read the table again."""
        given = {name: getattr(self, name) for name in _ROLES}
        return given | {name: spread(given[name]) for name in ("drop", "keep", "categorical")}

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of families that were given, as the families call them.

        Raises
        ------
        Mistake
            For values that are none.
        """
        found: dict[str, Any] = {}
        for option in (one.name for one in fields(self) if one.name not in _ROLES):
            value = getattr(self, option)
            if value is None or value is False:
                continue
            if option in _CHOICES and value not in _CHOICES[option]:
                raise Mistake(f"no --{option} {value!r}; {did_you_mean(value, _CHOICES[option])}")
            if option == "scale":
                value = _scale(value)
            found[setting_of(option)] = spread(value) if isinstance(value, list) else value
        return found

    def family(self, model: str) -> Any:
        """The family called `model` with the settings that were given.

        Raises
        ------
        Mistake
            For names that are none, and settings of another family.
        """
        from intertwine.compare import FAMILIES

        require_models([model])
        self.require_taken([model])
        return FAMILIES[model](**self.settings)

    def require_taken(self, models: Sequence[str], described: Sequence[str] = ()) -> None:
        """Refuse settings that none of some families has.

        Parameters
        ----------
        models : sequence of str
        described : sequence of str, optional
            Options that tell of the table, whatever is fitted to it.

        Raises
        ------
        Mistake
            With the families that have the setting.
        """
        from intertwine.compare import FAMILIES
        from intertwine.report.words import listed

        for name in self.settings:
            able = [family.name for family in FAMILIES.values() if name in family().settings()]
            if name not in described and not set(models) & set(able):
                raise Mistake(f"{flag_of(name)} is for --model {listed(able)}, not for {listed(models)}")


def with_table_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command one option for each field of its parameter `given`, a :class:`TableOptions`.

    Typer reads options off a signature; this writes the fields into it, and gathers what comes of them.
    """
    hints = get_type_hints(TableOptions, include_extras=True)
    options = [
        inspect.Parameter(
            one.name, inspect.Parameter.KEYWORD_ONLY, default=one.default, annotation=hints[one.name]
        )
        for one in fields(TableOptions)
    ]

    @functools.wraps(command)
    def gathered(**arguments: Any) -> None:
        given = TableOptions(**{option.name: arguments.pop(option.name) for option in options})
        command(given=given, **arguments)

    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command, eval_str=True).parameters.values():
        as_keyword = parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        parameters += options if parameter.name == "given" else [as_keyword]
    gathered.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    gathered.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return gathered


def require_models(names: Iterable[str]) -> None:
    """Refuse names of families that are none.

    Raises
    ------
    Mistake
    """
    from intertwine.compare import FAMILIES

    for name in names:
        if name not in FAMILIES:
            raise Mistake(f"no model {name!r}; {did_you_mean(name, FAMILIES)}")


def lists() -> set[str]:
    """Options that take several values.

    Examples
    --------
    >>> "drop" in lists(), "target" in lists()
    (True, False)
    """
    hints = get_type_hints(TableOptions)
    return {name for name, hint in hints.items() if any(get_origin(one) is list for one in get_args(hint))}


def setting_of(option: str) -> str:
    """What families call what an option sets.

    Examples
    --------
    >>> setting_of("sweeps"), setting_of("user")
    ('max_iter', 'user')
    """
    return _SETTINGS.get(option, option)


def flag_of(setting: str) -> str:
    """The option that gives a setting of a family.

    Examples
    --------
    >>> flag_of("max_iter"), flag_of("user_features")
    ('--sweeps', '--user-features')
    """
    option = {name: option for option, name in _SETTINGS.items()}.get(setting, setting)
    return f"--{option.replace('_', '-')}"


def spread(names: list[str] | None) -> list[str]:
    """Names given one by one or with commas between them."""
    return [part.strip() for name in names or [] for part in name.split(",") if part.strip()]


def _scale(text: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise Mistake(f"--scale {text!r} is not LOW,HIGH, such as 1,5") from None
    if not low < high:
        raise Mistake(f"--scale {text!r}: the first must be below the second")
    return low, high
