"""Formulas: how they are read, that they say what effects say, and what bad ones get."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest

from intertwine import MixedModel, load
from intertwine.effects import Grouped, Longitudinal
from intertwine.estimators.mixed_model import formula_design
from intertwine.estimators.mixed_model.formula_design import FormulaDesign, formula_table
from intertwine.estimators.mixed_model.formula_terms import RandomTerm, in_brackets, parse_formula
from intertwine.io import load_state, save_state

pytest.importorskip("formulae")


def visits(seed=0, n_groups=15, n_each=8):
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(n_groups), n_each)
    t = np.tile(np.arange(float(n_each)), n_groups)
    arm = np.array(["a", "b", "c"], dtype=object)[codes % 3]
    room = codes * 10 + (t > 3)
    y = 1.0 + 0.5 * t + (arm == "b") + 2.0 * rng.standard_normal(n_groups)[codes]
    y += 0.4 * rng.standard_normal(n_groups)[codes] * t + rng.standard_normal(len(t))
    y += rng.standard_normal(n_groups * 2)[2 * codes + (t > 3)]
    return pd.DataFrame(
        {"y": np.exp(y / 4), "t": t, "arm": arm, "g": codes, "room": room, "dose": t**2 + codes}
    )


FRAME = visits()


@pytest.mark.parametrize(
    ("formula", "outcome", "fixed", "random"),
    [
        ("y ~ x", "y", "x", []),
        ("~ x", "", "x", []),
        ("x*z", "", "x*z", []),
        ("log(y) ~ 0 + bs(x, df=4) + (1 | g)", "log(y)", "0 + bs(x, df=4)", [("1", ("g",), True)]),
        ("y ~ (1|g)", "y", "1", [("1", ("g",), True)]),
        ("y ~ (1|g) + x", "y", "x", [("1", ("g",), True)]),
        ("y ~ (a + b):c + (0 + x||g:h)", "y", "(a + b):c", [("0 + x", ("g", "h"), False)]),
        (
            "y ~ x + (1|g/h/k)",
            "y",
            "x",
            [("1", ("g",), True), ("1", ("g", "h"), True), ("1", ("g", "h", "k"), True)],
        ),
    ],
)
def test_formulas_are_taken_apart(formula, outcome, fixed, random):
    terms = parse_formula(formula)
    assert terms.outcome == outcome
    assert terms.fixed == fixed
    assert list(terms.random) == [RandomTerm(*term) for term in random]


@pytest.mark.parametrize("frame", [FRAME, pl.DataFrame(FRAME)], ids=["pandas", "polars"])
@pytest.mark.parametrize(
    ("formula", "effects"),
    [
        ("y ~ t + dose + (1 | g)", [Grouped("g")]),
        ("y ~ t + dose + (t | g)", [Grouped("g", slopes=("t",))]),
        ("y ~ t + dose + (t || g)", [Grouped("g", slopes=("t",), correlated=False)]),
        ("y ~ t + dose + (0 + t | g)", [Grouped("g", slopes=("t",), intercept=False)]),
        ("y ~ t + dose + (1 | g) + (1 | room)", [Grouped("g"), Grouped("room")]),
        ("y ~ t + dose + (1 | g/room)", [Grouped("g"), Grouped(("g", "room"))]),
    ],
)
@pytest.mark.filterwarnings("ignore:boundary fit")
def test_a_formula_says_what_effects_say(frame, formula, effects):
    by_formula = MixedModel(formula=formula).fit(frame)
    named = MixedModel(effects).fit(frame[["t", "dose"]], FRAME["y"].to_numpy(), groups=frame[["g", "room"]])
    assert by_formula.log_likelihood_ == pytest.approx(named.log_likelihood_, abs=1e-7)
    np.testing.assert_allclose(
        by_formula.predict(frame), named.predict(frame[["t", "dose"]], groups=frame[["g", "room"]]), rtol=1e-5
    )
    assert list(by_formula.variance_components_["component"]) == list(named.variance_components_["component"])
    assert by_formula.score(frame) == pytest.approx(
        named.score(frame[["t", "dose"]], FRAME["y"], groups=frame[["g", "room"]])
    )


def test_transforms_and_categories_are_those_of_the_fit(tmp_path):
    model = MixedModel(formula="log(y) ~ scale(t) * arm + bs(dose, df=4) + (arm | g)").fit(FRAME)
    assert list(model.fixed_effects_["term"])[:4] == ["intercept", "scale(t)", "arm[b]", "arm[c]"]
    assert set(model.random_effects_["term"]) == {"intercept", "arm[b]", "arm[c]"}
    all_at_once = model.predict(FRAME, return_std=True)
    one = model.predict(FRAME.iloc[[17]].drop(columns="y"), return_std=True)
    np.testing.assert_allclose([one[0][0], one[1][0]], [all_at_once[0][17], all_at_once[1][17]])
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    for found, expected in zip(again.predict(FRAME, return_std=True), all_at_once, strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_categories_keep_their_order(tmp_path, library):
    order = ["c", "a", "b"]
    frame = FRAME.assign(arm=pd.Categorical(FRAME["arm"], order))
    if library == "polars":
        frame = pl.DataFrame(FRAME).with_columns(pl.col("arm").cast(pl.Enum(order)))
    model = MixedModel(formula="y ~ arm + (1 | g)").fit(frame)
    assert list(model.fixed_effects_["term"]) == ["intercept", "arm[a]", "arm[b]"]
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(load(tmp_path / "model").predict(frame), model.predict(frame))


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_categories_without_rows_have_no_coefficient(library):
    order = ["never", "a", "b", "c"]
    frame = FRAME.assign(arm=pd.Categorical(FRAME["arm"], order))
    if library == "polars":
        frame = pl.DataFrame(FRAME).with_columns(pl.col("arm").cast(pl.Enum(order)))
    model = MixedModel(formula="y ~ arm + (1 | g)").fit(frame)
    assert list(model.fixed_effects_["term"]) == ["intercept", "arm[b]", "arm[c]"]
    expected = model.predict(frame)
    np.testing.assert_array_equal(model.predict(frame[30:40]), expected[30:40])  # of fewer categories
    odd = FRAME.assign(arm=pd.Categorical(["a", "never", *FRAME["arm"][2:]], order))
    with pytest.raises(
        ValueError, match=r"'arm' has categories \['never'\] in rows \[1\], which no row of the fit"
    ):
        model.predict(odd)


def test_fixed_effects_alone_need_no_columns_of_random_terms():
    model = MixedModel(formula="y ~ dose + (t | g)").fit(FRAME)
    mean, std = model.predict(FRAME[["dose"]], random_effects=False, return_std=True)
    expected = model.predict(FRAME, random_effects=False, return_std=True)
    np.testing.assert_array_equal([mean, std], expected)
    with pytest.raises(ValueError, match=r"names \['dose'\], but X has columns \['t'\]"):
        model.predict(FRAME[["t"]], random_effects=False)
    with pytest.raises(ValueError, match=r"names \['t'\]"):
        model.predict(FRAME[["dose", "g"]])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("y ~ log(a) + (1 | g)", r"log\(a\) of the formula is NaN in rows \[3\]"),
        ("y ~ t + (log(a) | g)", r"log\(a\) of the formula is NaN in rows \[3\]"),
        ("y ~ log(b) + (1 | g)", r"log\(b\) of the formula is NaN or infinite in rows \[5\]"),
        ("log(b) ~ t + (1 | g)", r"log\(b\) of the formula is NaN or infinite in rows \[5\]"),
    ],
)
def test_transformations_that_are_not_finite(formula, words):
    good = FRAME.assign(a=FRAME["t"] + 1, b=FRAME["t"] + 1)
    bad = good.assign(a=np.where(good.index == 3, -1, good["a"]), b=np.where(good.index == 5, 0, good["b"]))
    with pytest.raises(ValueError, match=words):
        MixedModel(formula=formula).fit(bad)
    if formula.startswith("y"):
        with pytest.raises(ValueError, match=words):
            MixedModel(formula=formula).fit(good).predict(bad)


def test_outcomes_and_effects_may_be_passed_beside_a_formula():
    Y = np.column_stack([FRAME["y"], np.log(FRAME["y"])])
    model = MixedModel(Longitudinal("g"), formula="~ t").fit(FRAME, Y, time=FRAME["t"])
    assert model.predict(FRAME, time=FRAME["t"]).shape == (len(FRAME), 2)
    assert model.variance_components_["component"][0] == "g"
    plain = MixedModel(formula="y ~ t").fit(FRAME)
    assert plain.variance_components_["component"].tolist() == ["noise"]
    with_groups = MixedModel(formula="y ~ t").fit(FRAME, groups=FRAME["g"])
    assert with_groups.variance_components_["component"].tolist() == ["g", "noise"]


def test_an_unknown_group_of_a_formula():
    model = MixedModel(formula="y ~ t + (1 | g)").fit(FRAME)
    with pytest.warns(UserWarning, match=r"levels of 'g' that were not in fit: \[99\]"):
        mean = model.predict(FRAME.iloc[:1].assign(g=99))
    np.testing.assert_allclose(mean, model.intercept_ + model.coef_ @ [0.0])


BAD = {
    "two tildes": ("y ~ x ~ z", ValueError, "more than one ~"),
    "nothing right": ("y ~ ", ValueError, "says nothing right of ~"),
    "open bracket": ("y ~ t + (1 | g", ValueError, "a bracket is not closed"),
    "bare bar": ("y ~ t + 1 | g", ValueError, r"stands in brackets, \(1 \| group\)"),
    "product": ("y ~ t * (1 | g)", ValueError, "are added with"),
    "no group": ("y ~ t + (1 | )", ValueError, "is no random term"),
    "sum of groups": ("y ~ t + (1 | g + room)", ValueError, "is no random term"),
    "nothing varies": ("y ~ t + (0 | g)", ValueError, "nothing that varies"),
    "no such column": ("y ~ bmi", ValueError, r"names \['bmi'\], but X has columns \['y', 't'"),
    "no such group": ("y ~ t + (1 | town)", ValueError, r"names \['town'\]"),
    "no such outcome": ("z ~ t", ValueError, r"names \['z'\]"),
    "no such function": ("y ~ sine(t)", ValueError, "'sine', which is neither a column nor a function"),
    "something dangerous": (
        "y ~ __import__(t)",
        ValueError,
        "neither a column nor a function|cannot be read",
    ),
    "numpy's own": ("y ~ np.load(t)", ValueError, "neither a column nor a function"),
    "a way to all of Python": (
        "y ~ I.__globals__.get('TRANSFORMS')",
        ValueError,
        "'I.__globals__.get', which is neither a column nor a function",
    ),
    "the same in an outcome": ("I.__globals__.clear() ~ t", ValueError, "neither a column nor a function"),
    "the same in a slope": ("y ~ t + (I.__globals__.clear() | g)", ValueError, "neither a column nor"),
    "the same inside": ("y ~ log(I(np.log.reduce(t)))", ValueError, "neither a column nor a function"),
    "the same with a level": (
        "y ~ I.__globals__.clear['a']()",
        ValueError,
        "neither a column nor a function",
    ),
    "what a call returns, called": ("y ~ I(t)(t)", ValueError, "neither a column nor a function"),
    "offset": ("y ~ t + offset(dose)", ValueError, "not supported"),
    "a sum without end": (
        f"y ~ {'+'.join(1500 * ['I(t)'])}",
        ValueError,
        "…' in a formula has too many terms",
    ),
    "no sense": ("y ~ t +* dose", ValueError, "cannot be read"),
    "columns that repeat": ("y ~ t + I(2 * t)", np.linalg.LinAlgError, "repeat one another"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_formulas(case):
    formula, error, words = BAD[case]
    with pytest.raises(error, match=words):
        MixedModel(formula=formula).fit(FRAME)


def test_bad_frames():
    model = MixedModel(formula="y ~ t + arm + (1 | g)")
    with pytest.raises(ValueError, match="needs column names: pass X as a frame"):
        model.fit(FRAME[["y", "t"]].to_numpy())
    with pytest.raises(ValueError, match=r"X contains NaN in \['t'\]; impute it first, or drop the 1 row$"):
        model.fit(FRAME.assign(t=np.r_[np.nan, FRAME["t"][1:]]))
    with pytest.raises(ValueError, match="requires y"):
        MixedModel(formula="~ t").fit(FRAME)
    fitted = model.fit(FRAME)
    with pytest.raises(ValueError, match=r"'arm' has categories \['z'\] in rows \[0, 1"):
        fitted.predict(FRAME.assign(arm="z"))
    with pytest.raises(ValueError, match=r"names \['arm'\], but X has columns"):
        fitted.predict(FRAME[["t", "g"]])


def test_without_formulae_one_is_told_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "formulae", None)
    with pytest.raises(ImportError, match=r"pip install 'intertwine\[formula\]'"):
        MixedModel(formula="y ~ t").fit(FRAME)


def forged(path, formula):
    """The file of a model, with another formula and the checksum of that."""
    MixedModel(formula="y ~ t + (1 | g)").fit(FRAME).save(path)

    def with_formula(state):
        if isinstance(state, dict):
            return {key: formula if key == "formula" else with_formula(value) for key, value in state.items()}
        return [with_formula(value) for value in state] if isinstance(state, list) else state

    save_state(path, with_formula(load_state(path)))


def test_a_formula_in_a_file_cannot_call_python(tmp_path):
    path = tmp_path / "model"
    forged(path, f"y ~ I.__globals__.get('open')('{tmp_path}') + (1 | g)")
    with pytest.raises(ValueError, match="neither a column nor a function"):
        load(path)


CONSTANT, TEXT = "a whole number beyond 2⁵³; write it as a decimal", "arithmetic with text"
#: What would take years or all memory, and what of it is refused.
ENDLESS = {
    "I(9**9**9**9)": CONSTANT,
    "{9**(9**(9**9))}": CONSTANT,
    "I(I(9**16)**16**16)": CONSTANT,
    "t + I(t**(2**64))": CONSTANT,
    "log(10**400)": CONSTANT,
    "I('a' * 999999999)": TEXT,
    "I(maximum(arm, arm) * 999999999)": TEXT,
    "(t + dose)**999999999999": "a power of terms that is no whole number from 1 to 100",
    "*".join(f"I(t + {k})" for k in range(30)): "terms",
    "poly(t, 999999999)": r"999,999,999 in poly\(…\), more than 10,000",
    "bs(t, df=999999999)": r"999,999,999 in bs\(…\), more than 10,000",
    "(" * 40 + "t" + ")" * 40: "more than 30 brackets within brackets",
    "t + " * 15_000 + "t": "letters, more than 50,000",
    "t + " + "(1 | g) + " * 101 + "t": "random terms, more than 100",
    "t + (1 | " + "g/" * 101 + "g)": "nested more than 100 times",
}


@pytest.mark.parametrize("formula", ENDLESS, ids=lambda formula: formula[:20])
def test_a_formula_that_would_compute_without_end_is_refused(formula):
    with pytest.raises(ValueError, match=ENDLESS[formula]):
        MixedModel(formula=f"y ~ {formula}").fit(FRAME)


@pytest.mark.parametrize(
    "formula", ["y ~ I(9**(9**9)) + (1 | g)", "I(y ** (9**(9**9))) ~ t", "y ~ t + (9**(9**9) | g)"]
)
def test_a_file_cannot_ask_for_endless_work(formula, tmp_path):
    forged(tmp_path / "model", formula)
    with pytest.raises(ValueError, match="whole number"):
        load(tmp_path / "model").score(FRAME)


@pytest.mark.parametrize(
    "formula",
    [
        "I(t**2) + {t / 10.0**18}",
        "(t + dose + arm)**3",
        "I(0.5**t) + exp(-t)",
        "poly(t, 3) : arm",
        "bs(t, df=6)",
    ],
)
def test_what_somebody_would_write_is_read(formula):
    assert len(FormulaDesign(f"y ~ {formula}", formula_table(FRAME)).names) > 1


def test_columns_of_a_formula_that_do_not_fit_are_refused(monkeypatch):
    monkeypatch.setattr("intertwine.resources.available_memory", lambda: 20 * 2**20)
    frame = pd.DataFrame({"a": np.arange(300).astype(str), "b": np.arange(300).astype(str)})
    with pytest.raises(MemoryError, match="the 90,601 columns of 'a \\* b' needs"):
        FormulaDesign("~ a * b", formula_table(frame))


def test_sums_of_very_many_columns_are_read():
    """Longer than Python may go deep; the columns are those of the same sum without brackets, in its order."""
    rng = np.random.default_rng(0)
    wide = pd.DataFrame(rng.normal(size=(30, 700)), columns=[f"x{i}" for i in range(700)])
    wide["kind"] = rng.choice(["a", "b", "c"], 30)
    right = "kind + " + " + ".join(wide.columns[:700]) + " + x3:x4"
    design = FormulaDesign(f"y ~ {right} + (1 | kind)", formula_table(wide))
    np.testing.assert_array_equal(design.fixed[:, 3:703], wide[wide.columns[:700]].to_numpy())
    assert list(design.names[:4]) == ["intercept", "kind[b]", "kind[c]", "x0"]
    assert design.names[-1] == "x3:x4"
    new, _ = design.at(formula_table(wide[::-1]))
    np.testing.assert_array_equal(new, design.fixed[::-1])
    for some in ("0 + {}", "{} + kind", "kind*x1 + {} + x2:kind", "log(1 + square(x1)) + {} + 1", "{} - 1"):
        formula = some.format(" + ".join(f"x{i}" for i in range(3, 40)))
        assert (in_brackets(formula) == formula) == ("-" in formula)
        with_brackets = FormulaDesign(formula, formula_table(wide))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(formula_design, "in_brackets", lambda part: part)
            plain = FormulaDesign(formula, formula_table(wide))
        assert with_brackets.names == plain.names
        np.testing.assert_array_equal(with_brackets.fixed, plain.fixed)
    assert in_brackets(f"`a+b` + {' + '.join('abcdefghijklmnopqrst')}").startswith("`a+b` + a + b")
