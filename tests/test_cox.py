"""The Cox loss against formulas read off the page, and where floating point is hard."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from intertwine.losses import BreslowLoss, EfronLoss, concordance_index


def at_risk(data, now, stratum):
    return [
        j
        for j in range(len(data["time"]))
        if data["strata"][j] == stratum and data["entry"][j] < now <= data["time"][j]
    ]


def tied_groups(data):
    """Every stratum and event time, with the rows that die there."""
    groups = {}
    for i, (stratum, time, event) in enumerate(zip(data["strata"], data["time"], data["event"], strict=True)):
        if event:
            groups.setdefault((stratum, time), []).append(i)
    return groups


def literal_terms(data, f, ties):
    """(−log partial likelihood, hazard step) of every tied group, as the books write them."""
    w, terms = data["weight"], {}
    for (stratum, now), deaths in tied_groups(data).items():
        total = sum(w[j] * np.exp(f[j]) for j in at_risk(data, now, stratum))
        tied = sum(w[j] * np.exp(f[j]) for j in deaths)
        d = len(deaths)
        mean_weight = sum(w[j] for j in deaths) / d
        loss = -sum(w[j] * f[j] for j in deaths)
        hazard = 0.0
        for part in range(d):
            denominator = total - (part / d * tied if ties == "efron" else 0.0)
            loss += mean_weight * np.log(denominator)
            hazard += mean_weight / denominator
        terms[stratum, now] = loss, hazard
    return terms


def literal_concordance(data, risk):
    """Every pair of rows in turn."""
    w, agree, total = data["weight"], 0.0, 0.0
    n = len(risk)
    for i in range(n):
        for j in range(n):
            same = data["strata"][i] == data["strata"][j]
            there = data["entry"][j] < data["time"][i]
            outlives = data["time"][j] > data["time"][i] or (
                data["time"][j] == data["time"][i] and not data["event"][j]
            )
            if data["event"][i] and same and there and outlives:
                total += w[i] * w[j]
                agree += w[i] * w[j] * (1.0 if risk[i] > risk[j] else 0.5 if risk[i] == risk[j] else 0.0)
    return agree / total


def table(rng, n, n_times, n_strata):
    time = rng.integers(2, 2 + n_times, n).astype(float)
    event = rng.random(n) < 0.6
    event[np.argmin(time)] = True
    entry = np.where(rng.random(n) < 0.3, 0.0, np.floor(time * rng.random(n)))
    entry = np.minimum(entry, time - 1)
    weight = rng.uniform(0.3, 3.0, n)
    return {
        "time": time,
        "event": event,
        "entry": entry,
        "strata": rng.integers(0, n_strata, n),
        "weight": weight,
    }


def build(cls, data):
    return cls(data["time"], data["event"], data["entry"], data["strata"], data["weight"])


TIES = {"efron": EfronLoss, "breslow": BreslowLoss}
tables = given(
    seed=st.integers(0, 10_000),
    n=st.integers(1, 25),
    n_times=st.sampled_from([1, 3, 8, 40]),
    n_strata=st.sampled_from([1, 2, 4]),
)


@pytest.mark.parametrize("ties", TIES)
@settings(deadline=None, max_examples=60)
@tables
def test_value_and_hazard_equal_the_literal_formula(ties, seed, n, n_times, n_strata):
    rng = np.random.default_rng(seed)
    data = table(rng, n, n_times, n_strata)
    f = rng.normal(size=n)
    loss = build(TIES[ties], data)
    terms = literal_terms(data, f, ties)
    total = sum(value for value, _ in terms.values())
    assert loss.value(f) * loss.total_weight == pytest.approx(total, rel=1e-12, abs=1e-12)

    hazard = loss.baseline_cumulative_hazard(f)
    keys = list(zip(hazard["strata"], hazard["time"], strict=True))
    assert keys == sorted(terms)
    expected = [sum(terms[s, t][1] for s, t in terms if s == stratum and t <= now) for stratum, now in keys]
    np.testing.assert_allclose(hazard["cumulative_hazard"], expected, rtol=1e-12)


@pytest.mark.parametrize("ties", TIES)
@settings(deadline=None, max_examples=40)
@tables
def test_unit_losses_are_those_of_the_rows_with_events(ties, seed, n, n_times, n_strata):
    rng = np.random.default_rng(seed)
    data = table(rng, n, n_times, n_strata)
    f = rng.normal(size=n)
    unit = build(TIES[ties], data).unit_losses(f)
    assert (unit[~data["event"]] == 0).all()
    for key, rows in tied_groups(data).items():
        expected = literal_terms(data, f, ties)[key][0]
        assert data["weight"][rows] @ unit[rows] == pytest.approx(expected, rel=1e-12, abs=1e-12)


@settings(deadline=None, max_examples=80)
@example(
    seed=5585, n=5, n_times=8, n_strata=1
)  # no comparable pair, but rounding left in the tree of weights
@tables
def test_concordance_equals_counting_pairs(seed, n, n_times, n_strata):
    rng = np.random.default_rng(seed)
    data = table(rng, n, n_times, n_strata)
    risk = rng.integers(0, 5, n).astype(float)
    given_columns = (data["time"], data["event"], risk, data["entry"], data["strata"], data["weight"])
    try:
        expected = literal_concordance(data, risk)
    except ZeroDivisionError:
        with pytest.raises(ValueError, match="no two rows"):
            concordance_index(*given_columns)
    else:
        assert concordance_index(*given_columns) == pytest.approx(expected, rel=1e-12)


def test_concordance_of_perfect_and_reversed_risks():
    time, event = np.arange(1.0, 9.0), np.ones(8)
    assert concordance_index(time, event, -time) == 1.0
    assert concordance_index(time, event, time) == 0.0
    assert concordance_index(time, event, np.zeros(8)) == 0.5
    with pytest.raises(ValueError, match="NaN in 1 row"):
        concordance_index(time, event, np.where(time == 3, np.nan, 0))
    with pytest.raises(ValueError, match=r"risk has shape \(7,\)"):
        concordance_index(time, event, time[1:])


@pytest.mark.parametrize("ties", TIES)
def test_constants_within_strata_change_nothing(ties):
    rng = np.random.default_rng(0)
    data = table(rng, 40, 8, 3)
    f = rng.normal(size=40)
    loss = build(TIES[ties], data)
    shifted = f + np.array([5.0, -300.0, 1e4])[data["strata"]]
    assert loss.value(shifted) == pytest.approx(loss.value(f), rel=1e-11)
    np.testing.assert_allclose(loss.gradient(shifted), loss.gradient(f), atol=1e-13)
    for stratum in range(3):
        indicator = (data["strata"] == stratum).astype(float)
        np.testing.assert_allclose(loss.curvature(f).matmul(indicator), 0, atol=1e-15)


@pytest.mark.parametrize("ties", TIES)
def test_scores_of_any_range(ties):
    """exp(f) would overflow and whole risk sets would vanish beside the largest score."""
    time, event = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1, 1, 1, 0])
    loss = TIES[ties](time, event)
    f = np.array([3000.0, -50.0, -2000.0, -2001.0])
    # every risk set is dominated by the row that dies, the last one by 1 to e⁻¹
    rest = np.log1p(np.exp(-1.0))
    assert loss.value(f) * 4 == pytest.approx(rest, rel=1e-13)
    # and with the opposite scores by the last row, 2001, beside which 2000 adds the rest
    assert loss.value(-f) * 4 == pytest.approx(
        (3000 + 2001) + (2001 - 50) + (2001 - 2000) + 3 * rest, rel=1e-13
    )
    p = np.exp(-1.0) / (1 + np.exp(-1.0))
    np.testing.assert_allclose(loss.gradient(f) * 4, [0, 0, -p, p], atol=1e-15)
    variance = p * (1 - p)
    expected = np.zeros((4, 4))
    expected[2:, 2:] = [[variance, -variance], [-variance, variance]]
    np.testing.assert_allclose(loss.curvature(f).matmul(np.eye(4)) * 4, expected, atol=1e-15)
    np.testing.assert_allclose(loss.curvature(f).diagonal() * 4, np.diag(expected), atol=1e-15)


@pytest.mark.parametrize("ties", TIES)
def test_late_entry_does_not_cancel(ties):
    """A row with an enormous hazard leaves before the others enter, and another enters after they left."""
    entry, time = np.array([0.0, 2.0, 2.0, 9.0, 9.0]), np.array([1.0, 4.0, 5.0, 11.0, 12.0])
    event = np.array([1, 1, 0, 1, 0])
    f = np.array([700.0, 0.0, np.log(3.0), 400.0, 400.0])
    loss = TIES[ties](time, event, entry)
    assert loss.value(f) * 5 == pytest.approx(np.log(4) + np.log(2), rel=1e-14)
    np.testing.assert_allclose(loss.gradient(f) * 5, [0, -0.75, 0.75, -0.5, 0.5], atol=1e-14)
    steps = np.exp([-700, -np.log(4), -400 - np.log(2)])
    hazard = loss.baseline_cumulative_hazard(f)["cumulative_hazard"]
    np.testing.assert_allclose(hazard, np.cumsum(steps), rtol=1e-12)


def test_entry_before_the_first_event_equals_no_entry():
    rng = np.random.default_rng(1)
    time, event, f = rng.exponential(size=50) + 1, rng.random(50) < 0.5, rng.normal(size=50)
    late, plain = EfronLoss(time, event, entry=rng.random(50)), EfronLoss(time, event)
    assert late.value(f) == plain.value(f)
    np.testing.assert_array_equal(late.gradient(f), plain.gradient(f))


def test_a_row_that_is_never_at_risk_at_an_event_does_not_count():
    loss = EfronLoss(time=[1, 5, 3], event=[1, 1, 0], entry=[0, 0, 2])
    np.testing.assert_allclose(loss.gradient([0.3, -0.2, 9.0])[2], 0)
    assert loss.curvature(np.zeros(3)).diagonal()[2] == 0


def test_strata_labels_of_any_kind_are_returned():
    loss = BreslowLoss([1, 2, 1, 3], [1, 1, 1, 0], strata=["b", "b", "a", "a"])
    hazard = loss.baseline_cumulative_hazard(np.zeros(4))
    assert hazard["strata"].tolist() == ["a", "b", "b"]
    assert hazard["time"].tolist() == [1, 1, 2]
    assert hazard["cumulative_hazard"].tolist() == [0.5, 0.5, 1.5]


def test_a_baseline_hazard_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="centre the scores"):
        EfronLoss([1, 2], [1, 1]).baseline_cumulative_hazard([-800.0, -800.0])


BAD = {
    "nan_time": ({"time": [1, np.nan]}, r"time contains NaN in rows \[1\]"),
    "infinite_time": ({"time": [1, np.inf]}, "time contains infinity"),
    "no_rows": ({"time": [], "event": []}, "n ≥ 1"),
    "event_2": ({"event": [1, 2]}, r"event must be 0 \(censored\) or 1"),
    "event_length": ({"event": [1]}, "event has shape"),
    "no_events": ({"event": [0, 0]}, "no events"),
    "events_without_weight": ({"event": [1, 0], "sample_weight": [0, 1]}, "no events"),
    "late_entry": ({"entry": [0, 2]}, r"entry must be before time; it is not in rows \[1\]"),
    "entry_length": ({"entry": [0]}, "entry has shape"),
    "nan_entry": ({"entry": [0, np.nan]}, "entry contains NaN"),
    "strata_length": ({"strata": ["a"]}, "strata has shape"),
    "nan_strata": ({"strata": [1.0, np.nan]}, "strata contains NaN"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_survival_data_are_refused(name):
    changes, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        EfronLoss(**({"time": [1, 2], "event": [1, 1]} | changes))


def test_a_fold_without_events_is_refused():
    with pytest.raises(ValueError, match="no events"):
        EfronLoss([1, 2, 3], [1, 0, 0]).take([1, 2])


@pytest.mark.parametrize("truncated", [False, True])
def test_large_tables_agree_with_sorted_sums(truncated):
    """Many levels of the interval tree at once; the reference subtracts, harmless for tame scores."""
    rng = np.random.default_rng(3)
    n = 5000
    time = rng.permutation(n) + 1.0
    entry = np.floor(time * rng.random(n)) if truncated else np.zeros(n)
    f = 0.5 * rng.normal(size=n)
    size = np.exp(f)
    by_time, by_entry = np.argsort(time), np.argsort(entry)
    left = np.concatenate([[0.0], size[by_time].cumsum()])[np.searchsorted(time[by_time], time)]
    entered = np.concatenate([[0.0], size[by_entry].cumsum()])[np.searchsorted(entry[by_entry], time)]
    expected = (np.log(entered - left) - f).mean()
    loss = EfronLoss(time, np.ones(n), entry)
    assert loss.value(f) == pytest.approx(expected, rel=1e-12)
    direction = rng.normal(size=n)
    step = 1e-4
    slope = (loss.value(f + step * direction) - loss.value(f - step * direction)) / (2 * step)
    assert loss.gradient(f) @ direction == pytest.approx(slope, rel=1e-6, abs=1e-10)
    change = (loss.gradient(f + step * direction) - loss.gradient(f - step * direction)) / (2 * step)
    np.testing.assert_allclose(loss.curvature(f).matmul(direction), change, atol=1e-10)
