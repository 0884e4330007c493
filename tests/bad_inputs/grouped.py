"""Groups, subjects, time and space."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.linalg import LinAlgError
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GroupKFold

from bad_inputs.cases import (
    Change,
    beside,
    both,
    free,
    quiet,
    refused,
    refused_later,
    same,
    settings,
    warned,
    warned_later,
)
from bad_inputs.columns import N_ROWS, Column, Given, fitted
from intertwine.effects import (
    AR1,
    BySubject,
    Categorical,
    Correlated,
    Grouped,
    Linear,
    Longitudinal,
    Smooth,
    Spatial,
)

_TIME = np.arange(N_ROWS) // 6
_PLACES = np.random.default_rng(2).uniform(0, 10, (N_ROWS, 2))
_OF_TIME = both(settings(effects=[Longitudinal()]), beside(time=_TIME))
_SERIES = both(settings(effects=[AR1(rho=0.5)]), beside(time=_TIME))
_OF_SPACE = both(settings(effects=[Spatial(length_scale=3.0)]), beside(groups=None, coords=_PLACES))
_DEGREES = pd.DataFrame(_PLACES, columns=["lat", "lon"])


def _with(values: Any, at: Any, value: Any) -> Any:
    values = np.array(
        values, dtype=np.result_type(np.asarray(values), type(value)) if value is not None else object
    )
    values[at] = value
    return values


def _changed(name: str, at: Any, value: Any) -> Change:
    """One entry of what stands beside X."""
    return lambda given: given.with_(**{name: _with(given.beside[name], at, value)})


def _observed_nothing_of(label: str) -> Change:
    def change(given: Given) -> Given:
        mine = np.asarray(given.beside.get("groups", given.beside.get("subject"))) == label
        if given.y is not None:
            return given._replace(y=np.where(mine[:, None], np.nan, np.column_stack([given.y, -given.y])))
        return given._replace(X=np.where(mine[:, None], np.nan, given.X))

    return change


def _category_without_outcome(given: Given) -> Given:
    """A column that is one only where nothing is observed."""
    alone = np.arange(N_ROWS) < 5
    frame = pd.DataFrame({"age": given.X[:, 0], "dose": alone.astype(float)})
    outcomes = np.column_stack([given.y, -given.y])
    outcomes[alone] = np.nan
    return given._replace(X=frame, y=outcomes)


def _unseen_is_wider(column: Column) -> None:
    model, good = fitted(column), column.good(N_ROWS)
    with pytest.warns(UserWarning, match="were not in fit"):
        std = model.predict(good.X, groups=["zoe"] * N_ROWS, return_std=True)[1]
    assert (std > model.predict(good.X, **good.beside, return_std=True)[1]).all()


def _unseen_has_a_lower_peak(column: Column) -> None:
    """A wider density of rows of a level that is not known."""
    model, good = fitted(column), column.good(N_ROWS)
    with pytest.warns(UserWarning, match="were not in fit"):
        strangers = model.score_samples(good.X, groups=["zoe"] * N_ROWS)
    assert strangers.mean() < model.score_samples(good.X, **good.beside).mean()


def _unseen_is_raised(column: Column) -> None:
    model = copy.copy(fitted(column)).set_params(unseen="raise")
    good = column.good(N_ROWS)
    with pytest.raises(ValueError, match=r"30 rows have levels of 'group' that were not in fit: \['zoe'\]"):
        column.answer(model, good.with_(groups=["zoe"] * N_ROWS))


def _strangers(column: Column) -> None:
    with quiet():
        model = copy.copy(fitted(column))
    asked = {"subject": ["zoe"], "time": [1.0]}
    with pytest.warns(UserWarning, match=r"nothing is known of 1 subject \['zoe'\]: .* wider variance"):
        std = model.forecast(**asked, return_std=True)[1]
    assert (std > model.forecast(subject=["ann"], time=[1.0], return_std=True)[1]).all()
    with pytest.raises(ValueError, match=r"nothing is known of 1 subject \['zoe'\]"):
        model.set_params(unseen="raise").forecast(**asked)


def _order_does_not_matter(how: Change):
    def run(column: Column) -> None:
        good, order = how(column.good(N_ROWS)), np.random.default_rng(0).permutation(N_ROWS)
        beside = {name: part if part is None else part[order] for name, part in good.beside.items()}
        mixed = good._replace(X=good.X[order], y=None if good.y is None else good.y[order], beside=beside)
        with quiet():
            model = fitted(column) if column.has("networks") else column.fit(good)
            again = model if column.has("networks") else column.fit(mixed)
            same([column.answer(again, mixed)], [column.answer(model, good)[order]], 1e-5)

    return run


def _no_variance(given: Given) -> Given:
    level = np.arange(N_ROWS) % 6
    means = np.bincount(level, given.y) / np.bincount(level)
    return given._replace(X=None, y=given.y - means[level])


_MISSING = r"1 missing label \(NaN\), in rows \[4\]"
_JOINT = Correlated([BySubject(), BySubject(Linear("dose"))])
_NEEDS = "the label of a group for each of the 30 rows"
_REPEATED = _with(_TIME, 6, 0)

GROUPED = {
    "required but omitted; other length; NaN at fit": [
        refused("groups omitted", both(settings(effects=[Grouped()]), beside(groups=None)), ValueError, f"Grouped needs groups: pass groups= to fit, {_NEEDS}", "groups"),
        refused("time omitted", both(_OF_TIME, beside(time=None)), ValueError, "Longitudinal needs time: .* each of the 30 rows", "groups"),
        refused("coords omitted", both(_OF_SPACE, beside(coords=None)), ValueError, "Spatial needs coords: .* each of the 30 rows", "groups"),
        refused_later("groups omitted later", beside(groups=None), ValueError, f"groups was given in fit .*{_NEEDS}", "groups"),
        refused("groups too few", beside(groups=["a"] * 20), ValueError, "X has 30 rows, but groups has 20", "groups"),
        refused("time too short", both(_OF_TIME, beside(time=_TIME[:20])), ValueError, "X has 30 rows, but time has 20", "groups"),
        refused("places too few", both(_OF_SPACE, beside(coords=_PLACES[:20])), ValueError, "X has 30 rows, but coords has 20", "groups"),
        refused("a group missing", _changed("groups", 4, None), ValueError, f"group has {_MISSING}", "groups"),
        refused("time NaN", both(_OF_TIME, beside(time=_with(_TIME, 4, np.nan))), ValueError, r"time contains NaN in rows \[4\]", "groups"),
        refused("time infinite", both(_OF_TIME, beside(time=_with(_TIME, 4, np.inf))), ValueError, r"time contains infinity in rows \[4\]", "groups"),
        refused("time text", both(_OF_TIME, beside(time=["x"] * N_ROWS)), ValueError, "time holds text", "groups"),
        refused("time 2-D", both(_OF_TIME, beside(time=np.zeros((N_ROWS, 2)))), ValueError, r"time has shape \(30, 2\)", "groups"),
        refused("time huge", both(_OF_TIME, beside(time=_TIME * 1e300)), ValueError, r"time holds values whose products overflow.*rescale", "groups"),
        refused("time next to nothing", both(_OF_TIME, beside(time=_TIME * 1e-200)), ValueError, "time varies by 4e-200, too little to compute with: rescale", "groups"),
        refused("time too fine for rho", both(_SERIES, beside(time=_TIME * 1e-60)), ValueError, "times 1e-60 apart are one and the same .*: round time, rescale it", "groups"),
        refused("time far from zero", both(_OF_TIME, beside(time=_TIME + 1e15)), ValueError, r"so far from zero that its powers cannot be told apart: subtract 1e\+15", "groups"),
        refused("dates for time", both(_OF_TIME, beside(time=_TIME.astype("M8[D]"))), TypeError, "float plus unit", "groups"),
        refused("groups of folds", settings(cv=GroupKFold(2)), ValueError, r"GroupKFold needs groups: pass fit\(\.\.\., groups=\)", "search"),
        refused("groups of folds too few", beside(groups=[1] * 20), ValueError, "X has 30 rows, but groups has 20", "search"),
        refused("subject omitted", both(settings(effects=[BySubject()]), beside(subject=None)), ValueError, "BySubject needs subject: .* each of the 30 rows", "subjects"),
        refused("subject omitted, correlated", both(settings(effects=[_JOINT]), beside(subject=None, covariates={"dose": _TIME})), ValueError, "BySubject needs subject: .* each of the 30 rows", "subjects"),
        refused("correlated, independent", both(settings(effects=[_JOINT], objective="mean-field"), beside(covariates={"dose": _TIME})), ValueError, "has none for Correlated effects: name their effects one by one", "subjects"),
        refused("a level twice", both(settings(effects=[_JOINT, BySubject()]), beside(covariates={"dose": _TIME})), ValueError, "effects holds 'subject' twice", "subjects"),
        refused("its time omitted", both(settings(effects=[Smooth("time")]), beside(time=None)), ValueError, "an effect reads time: .* each of the 30 rows", "subjects"),
        refused("covariates omitted", settings(effects=[Linear("dose")]), ValueError, r"effects read \['dose'\], but covariates were not passed", "subjects"),
        refused_later("subject omitted later", beside(subject=None), ValueError, "subject was given in fit .* each of the 30 rows", "subjects"),
        refused_later("time omitted later", beside(time=None), ValueError, "time was given in fit .* each of the 30 rows", "subjects"),
        refused("subjects too few", beside(subject=["a"] * 20), ValueError, "X has 30 rows, but subject has 20", "subjects"),
        refused("times too few", beside(time=_TIME[:20]), ValueError, "X has 30 rows, but time has 20", "subjects"),
        refused("a subject missing", _changed("subject", 4, None), ValueError, f"subject has {_MISSING}", "subjects"),
        refused("its time NaN", beside(time=_with(_TIME, 4, np.nan)), ValueError, r"time contains NaN in rows \[4\]", "subjects"),
        refused("its time infinite", beside(time=_with(_TIME, 4, np.inf)), ValueError, r"time contains infinity in rows \[4\]", "subjects"),
        refused("its time huge", beside(time=_TIME * 1e300), ValueError, r"time holds values whose products overflow.*rescale", "subjects"),
        refused("dates for its time", beside(time=_TIME.astype("M8[D]")), TypeError, "float plus unit", "subjects"),
        refused("covariate infinite", beside(covariates={"dose": _with(_TIME, 4, np.inf)}), ValueError, r"covariate 'dose' contains infinity in rows \[4\]", "subjects"),
        refused("its time next to nothing", beside(time=_TIME * 1e-200), ValueError, "time varies by 4e-200, too little to compute with: rescale", "subjects"),
        refused("covariate next to nothing", both(settings(effects=[Smooth("dose")]), beside(covariates={"dose": _TIME * 1e-160})), ValueError, "covariate 'dose' varies by 4e-160, too little to compute with: rescale", "subjects"),
        refused("covariate constant", both(settings(effects=[Smooth("dose")]), beside(covariates={"dose": np.full(N_ROWS, 3.0)})), ValueError, "covariate 'dose' is 3 in every row", "subjects"),
        refused("covariate too short", beside(covariates={"dose": _TIME[:20]}), ValueError, r"covariates\['dose'\] has 20", "subjects"),
        refused("covariate text", both(settings(effects=[Linear("sex")]), beside(covariates={"sex": ["f", "m"] * 15})), ValueError, r"make it Categorical\('sex'\)", "subjects"),
    ],
    "1 and '1' mixed": [
        refused("groups", beside(groups=[1, "1"] * 15), TypeError, "group ids are text in some rows and numbers", "groups"),
        refused("subjects", beside(subject=[1, "1"] * 15), TypeError, "subject ids are text in some rows and numbers", "subjects"),
        refused("categories", both(settings(effects=[Categorical("sex")]), beside(covariates={"sex": [1, "1"] * 15})), TypeError, "text in some rows", "subjects"),
        refused_later("numbers after text", beside(groups=np.arange(N_ROWS) % 6), TypeError, "group ids were fitted as text", "groups"),
        refused_later("subjects by number after text", beside(subject=np.arange(N_ROWS) % 6), TypeError, "subject ids were fitted as text", "subjects"),
    ],
    "unseen group at predict": [
        warned_later("told", beside(groups=["zoe"] * N_ROWS), r"30 rows have levels of 'group' .*\['zoe'\]; .* wider variance", "groups"),
        warned_later("no label", beside(groups=[None] * N_ROWS), r"30 rows have levels of 'group' .*\(30 of them have no label\)", "groups"),
        free("wider", _unseen_is_wider, "groups regression"),
        free("a lower density", _unseen_has_a_lower_peak, "groups gaps"),
        free("raised", _unseen_is_raised, "groups"),
        free("a stranger", _strangers, "subjects"),
    ],
    "one group; all singletons": [
        refused("one group", beside(groups=["a"] * N_ROWS), ValueError, "groups has one level, so its variance is not identified", "groups"),
        refused("singletons", beside(groups=np.arange(N_ROWS)), ValueError, "confounded with noise", "groups"),
        warned("one subject", beside(subject=["a"] * N_ROWS, time=np.arange(N_ROWS)), "there is one subject", "subjects"),
        warned("one visit each", beside(subject=np.arange(N_ROWS)), "every subject has one visit", "subjects"),
    ],
    "zero variance": [
        warned("boundary", _no_variance, "boundary fit: a variance of 'group' is zero", "groups target", ConvergenceWarning),
    ],
    "coordinates NaN or latitude > 90": [
        refused("NaN", both(_OF_SPACE, beside(coords=_with(_PLACES, (4, 1), np.nan))), ValueError, r"coords contains NaN in rows \[4\]", "groups"),
        refused("infinite", both(_OF_SPACE, beside(coords=_with(_PLACES, (4, 1), np.inf))), ValueError, r"coords contains infinity in rows \[4\]", "groups"),
        refused("latitude", both(_OF_SPACE, beside(coords=_DEGREES.assign(lat=99.0))), ValueError, r"'lat' is beyond 90 degrees in rows \[0", "groups"),
        refused("longitude", both(_OF_SPACE, beside(coords=_DEGREES.assign(lon=999.0))), ValueError, r"'lon' is beyond 360 degrees in rows \[0", "groups"),
        refused("longitude first", both(_OF_SPACE, settings(effects=[Spatial(geographic=True)]), beside(coords=_DEGREES[["lon", "lat"]])), ValueError, "latitude and then longitude", "groups"),
        refused("huge", both(_OF_SPACE, beside(coords=_PLACES * 1e300)), ValueError, r"coords holds values whose products overflow.*rescale", "groups"),
        refused("next to nothing", both(_OF_SPACE, beside(coords=_PLACES * 1e-200)), ValueError, "coords varies by .*, too little to compute with: rescale", "groups"),
        refused("text", both(_OF_SPACE, beside(coords=[["a", "b"]] * N_ROWS)), ValueError, "coords holds text", "groups"),
    ],
    "identical coordinates": [
        warned("two rows in one place", both(_OF_SPACE, beside(coords=_with(_PLACES, 1, _PLACES[0]))), r"1 row repeats the coordinates of another, e\.g\. rows \[1\]: .* nugget", "groups"),
        refused("all in one place", both(_OF_SPACE, beside(coords=np.zeros((N_ROWS, 2)))), ValueError, "all rows have the same coordinates.*not identified", "groups"),
    ],
    "unsorted time": [
        free("in a course", _order_does_not_matter(_OF_TIME), "groups -networks"),
        free("in a series", _order_does_not_matter(_SERIES), "groups -networks"),
        free("in what is asked later", _order_does_not_matter(lambda given: given), "networks"),
    ],
    "repeated (id, time)": [
        warned("in a course", both(_OF_TIME, beside(time=_REPEATED)), r"1 row repeats a time within a level of .*, e\.g\. rows \[6\]: they count as replicates", "groups"),
        warned("in a series", both(_SERIES, beside(time=_REPEATED)), "1 row repeats a time", "groups"),
        warned("visits", beside(time=_REPEATED), r"1 row repeats a time of the same subject, e\.g\. rows \[6\]: they count as replicates", "subjects"),
    ],
    "a subject with nothing observed": [
        refused("group", _observed_nothing_of("bob"), ValueError, r"nothing is observed of 1 level of 'group': \['bob'\]; drop their rows", "groups"),
        refused("category", _category_without_outcome, LinAlgError, r"\['dose'\] are constant in the 25 rows where an outcome is observed; drop the other rows, or leave", "groups target"),
        refused("subject", _observed_nothing_of("bob"), ValueError, r"nothing is observed of 1 subject: \['bob'\]; drop their rows", "subjects"),
    ],
}  # fmt: skip
