"""AdaGrad for factorization machines: the kernel against plain Python, and the laws that a fit has to keep."""

import itertools
from functools import partial

import numpy as np
import pytest
from scipy import sparse

from intertwine.fitting.fm.chunks import Chunk, labelled_rows, split
from intertwine.fitting.fm.stream import AdaGradSettings, fit_chunks, fit_table, update
from intertwine.fitting.fm.units import LogisticRows, Seen, SquaredRows, Units
from intertwine.structures._fm_sgd_kernels import Blocks, Rows, Squares, Steps
from intertwine.structures.fm import FactorizationMachine, FMParams

LOSSES = [SquaredRows(), LogisticRows()]
ORDERED = AdaGradSettings(max_iter=4, tol=0.0, shuffle=False)


def rows_of(loss, n=40, p=6, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) * (rng.random((n, p)) < 0.6)
    f = X[:, 0] + X[:, 1] * X[:, 2] + 0.2 * rng.standard_normal(n)
    y = f if isinstance(loss, SquaredRows) else np.where(f > 0, 1.0, -1.0)
    return X, y, rng.uniform(0.5, 2.0, n)


def same(a, b):
    for ours, theirs in zip(a, b, strict=True):
        np.testing.assert_array_equal(ours, theirs)


# ------------------------------------------------------------------------------------------------ the kernel


def plain_score(x, b, w, V, U):
    pairs = sum(x[j] * x[k] * V[j] @ V[k] for j, k in itertools.combinations(range(len(x)), 2))
    triples = sum(
        x[j] * x[k] * x[m] * np.sum(U[j] * U[k] * U[m])
        for j, k, m in itertools.combinations(range(len(x)), 3)
    )
    return b + x @ w + pairs + triples


def plain_slopes(x, V, U):
    """∂f/∂w, ∂f/∂V, ∂f/∂U, sums over partners written out."""
    p = len(x)
    to_V, to_U = np.zeros_like(V), np.zeros_like(U)
    for j in range(p):
        others = [k for k in range(p) if k != j]
        to_V[j] = sum(x[j] * x[k] * V[k] for k in others)
        to_U[j] = sum(x[j] * x[k] * x[m] * U[k] * U[m] for k, m in itertools.combinations(others, 2))
    return x, to_V, to_U


def plain_pass(loss, X, y, weight, theta, squares, steps):
    total = 0.0
    b, w, V, U = theta.intercept, theta.linear, theta.factors, theta.triples
    for x, target, c in zip(X, y, weight, strict=True):
        f = plain_score(x, b[0], w, V, U)
        bound = loss.bind([target])
        total += c * bound.value([f])
        slope = c * bound.gradient([f])[0]
        gains = plain_slopes(x, V, U)
        squares.intercept[0] += slope**2
        b[0] -= steps.intercept_rate * slope / np.sqrt(squares.intercept[0])
        for block, (values, gain) in enumerate(zip((w, V, U), gains, strict=True)):
            for j in np.flatnonzero(x) if values.size else ():
                g = slope * gain[j]
                squares.blocks[j, block] += np.mean(g**2)
                root = np.sqrt(squares.blocks[j, block])
                r = steps.feature_rate[j] * steps.block_rate[block]
                decay = r * steps.feature_decay[j] * steps.block_decay[block]
                values[j] = (values[j] * root - r * g) / (root + decay)
    return total


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("triples", [0, 2])
def test_a_pass_is_what_plain_python_computes(loss, triples):
    X, y, weight = rows_of(loss, n=8, p=5)
    p, rng = X.shape[1], np.random.default_rng(1)

    def start():
        noise = np.random.default_rng(2)
        theta = Blocks(
            np.array([0.3]), noise.normal(size=p), noise.normal(size=(p, 3)), noise.normal(size=(p, triples))
        )
        return theta, Squares(np.array([0.5]), noise.uniform(0.1, 1, (p, 3)))

    steps = Steps(
        0.1,
        np.array([0.1, 0.2, 0.3]),
        np.array([0.3, 0.2, 0.1]),
        rng.uniform(0.5, 2, p),
        rng.uniform(1, 9, p),
    )
    ours, theirs = start(), start()
    X_csr = sparse.csr_array(X)
    rows = Rows(X_csr.indptr.astype(np.int64), X_csr.indices, X_csr.data, y, weight)
    order = rng.permutation(len(y))
    total = loss.visit(order, rows, *ours, steps)
    expected = plain_pass(loss, X[order], y[order], weight[order], *theirs, steps)
    assert total == pytest.approx(expected, rel=1e-10)
    for a, b in zip(ours[0] + ours[1], theirs[0] + theirs[1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_direction_of_a_step_is_the_gradient(loss):
    X, y, _ = rows_of(loss, n=1, p=4, seed=5)
    rng = np.random.default_rng(0)
    params = FMParams(0.1, rng.normal(size=4), rng.normal(size=(4, 2)), rng.normal(size=(4, 2)))
    theta = Blocks(np.array([params.intercept]), *(block.copy() for block in params[1:]))
    huge = 1e12  # so that this row does not change the sum
    steps = Steps(1.0, np.ones(3), np.zeros(3), np.ones(4), np.ones(4))
    X_csr = sparse.csr_array(X)
    rows = Rows(X_csr.indptr.astype(np.int64), X_csr.indices, X_csr.data, y, np.ones(1))
    loss.visit(np.arange(1), rows, theta, Squares(np.array([huge]), np.full((4, 3), huge)), steps)
    fm, bound = FactorizationMachine(2, 2), loss.bind(y)

    def value(place, index, shift):
        moved = [np.array(block, dtype=float) for block in params]
        moved[place][index] += shift
        return bound.value(fm.score(FMParams(float(moved[0]), *moved[1:]), X))

    for place, (before, after) in enumerate(zip(params, theta, strict=True)):
        for index in np.ndindex(np.shape(before)):
            slope = (value(place, index, 1e-6) - value(place, index, -1e-6)) / 2e-6
            step = (np.asarray(before)[index] - np.asarray(after).reshape(np.shape(before))[index]) * 1e6
            assert step == pytest.approx(slope, abs=1e-6 + 1e-4 * abs(slope))


def test_scores_far_from_zero_do_not_overflow_the_logistic_loss():
    rows = Rows(np.array([0, 1, 2]), np.zeros(2, np.int32), np.ones(2), np.array([1.0, -1.0]), np.ones(2))
    theta = Blocks(np.zeros(1), np.array([1e5]), np.zeros((1, 0)), np.zeros((1, 0)))
    steps = Steps(0.0, np.zeros(3), np.zeros(3), np.ones(1), np.ones(1))
    assert LogisticRows().visit(np.arange(2), rows, theta, Squares(np.ones(1), np.ones((1, 3))), steps) == 1e5


# ------------------------------------------------------------------------------------------------ the objective


@pytest.mark.parametrize("loss", LOSSES)
def test_an_epoch_sees_every_penalty_once(loss):
    """Where no step is taken against the loss, the penalty's steps add up to its gradient times n."""
    X, y, weight = rows_of(loss)
    units = Units.of(Seen.nothing(6).and_then([labelled_rows(X, y, weight)]), loss)
    steps = units.steps(1.0, np.ones(4), np.array([0.2, 0.3, 0.4]))
    counts = (X != 0).sum(axis=0)
    rng = np.random.default_rng(0)
    blocks = rng.normal(size=6), rng.normal(size=(6, 2)), rng.normal(size=(6, 3))
    for b, block in enumerate(blocks):
        whole = steps.block_decay[b] * steps.feature_decay * counts / len(X)

        def penalty(values, b=b):
            return units.penalty(np.array([0.2, 0.3, 0.4]), [*blocks[:b], values, *blocks[b + 1 :]])

        j = (2,) + (0,) * (block.ndim - 1)
        shift = np.zeros_like(block)
        shift[j] = 1e-6
        slope = (penalty(block + shift) - penalty(block - shift)) / 2e-6
        assert slope == pytest.approx(whole[2] * block[j], rel=1e-6)


def test_the_linear_part_finds_ridge_regression():
    X, y, weight = rows_of(SquaredRows(), n=60)
    settings = AdaGradSettings(
        strengths=(0.1, 0.1, 0.1), max_iter=800, tol=0.0, patience=10**6, learning_rate=0.3
    )
    fit = fit_table(SquaredRows(), labelled_rows(X, y, weight), FactorizationMachine(0), settings, 0)
    mean = np.average(X, axis=0, weights=weight)
    centred = X - mean
    sizes = (X**2).sum(axis=0) / (X != 0).sum(axis=0)
    gram = (centred.T * weight) @ centred / weight.sum() + 0.1 * np.diag(sizes)
    expected = np.linalg.solve(
        gram, (centred.T * weight) @ (y - np.average(y, weights=weight)) / weight.sum()
    )
    np.testing.assert_allclose(fit.params.linear, expected, atol=0.02)


@pytest.mark.parametrize("loss", LOSSES)
def test_it_finds_the_products(loss):
    X, y, _ = rows_of(loss, n=400)
    fm = FactorizationMachine(2)
    table = labelled_rows(X, y)
    settings = AdaGradSettings(max_iter=400)
    fits = [fit_table(loss, table, structure, settings, 0) for structure in (FactorizationMachine(0), fm)]
    assert fits[1].history[-1].value < 0.7 * fits[0].history[-1].value
    assert fits[1].converged
    V = fits[1].params.factors
    assert (V @ V.T)[1, 2] > 5 * abs((V @ V.T)[0, 3])


def test_triples_find_a_product_of_three():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((600, 4))
    y = X[:, 0] * X[:, 1] * X[:, 2]
    fm, settings = FactorizationMachine(0, 2), AdaGradSettings(max_iter=200, learning_rate=0.2)
    fit = fit_table(SquaredRows(), labelled_rows(X, y), fm, settings, 0)
    assert np.mean((fm.score(fit.params, X) - y) ** 2) < 0.1 * y.var()


# ------------------------------------------------------------------------------------------------ laws of a fit


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("fraction", [0.0, 0.3])
def test_chunks_are_the_whole_and_sparse_is_dense(loss, fraction):
    X, y, weight = rows_of(loss)
    settings, fm = ORDERED._replace(validation_fraction=fraction), FactorizationMachine(3, 2)
    whole = fit_table(loss, labelled_rows(X, y, weight), fm, settings, 7)
    for source in (X, sparse.csr_array(X), sparse.csr_array(X).astype(np.float64).tocoo().tocsr()):
        same(fit_table(loss, labelled_rows(source, y, weight), fm, settings, 7).params, whole.params)
    for size in (1, 7, 40):
        cuts = [slice(a, a + size) for a in range(0, 40, size)]
        chunks = [labelled_rows(X[cut], y[cut], weight[cut]) for cut in cuts]
        cut = fit_chunks(loss, chunks, fm, settings, 7)
        same(cut.params, whole.params)
        values = [[row.value for row in fit.history] for fit in (cut, whole)]
        np.testing.assert_allclose(*values, rtol=1e-14)  # sums of losses, cut by cut


def test_a_stream_may_bring_new_features_late():
    X, y, weight = rows_of(SquaredRows())
    X[:20, 4:] = 0.0
    whole = fit_table(SquaredRows(), labelled_rows(X, y, weight), FactorizationMachine(2), ORDERED, 0)
    chunks = [labelled_rows(X[:20, :4], y[:20], weight[:20]), labelled_rows(X[20:], y[20:], weight[20:])]
    same(fit_chunks(SquaredRows(), chunks, FactorizationMachine(2), ORDERED, 0).params, whole.params)


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
def test_a_fit_goes_on_as_if_it_had_not_stopped(loss, shuffle):
    table, fm = labelled_rows(*rows_of(loss)), FactorizationMachine(2, 1)
    settings = ORDERED._replace(shuffle=shuffle, patience=99)
    run = partial(fit_table, loss, table, fm, seed=3)
    first = run(settings._replace(max_iter=2))
    again = run(settings._replace(max_iter=3), before=first)
    whole = run(settings._replace(max_iter=5))
    same(again.params, whole.params)
    same(again.point.squares, whole.point.squares)
    assert again.point.n_passes == whole.point.n_passes == 5


def test_updates_learn_and_take_in_new_features():
    X, y, _ = rows_of(SquaredRows(), n=2000)
    fit, fm = None, FactorizationMachine(2)
    for start in range(0, 2000, 200):
        width = 5 if start < 600 else 6
        chunk = labelled_rows(X[start : start + 200, :width], y[start : start + 200])
        fit = update(SquaredRows(), chunk, fm, AdaGradSettings(), 0, fit)
    assert fit.params.linear.shape == (6,)
    assert np.mean((fm.score(fit.params, X) - y) ** 2) < 0.3 * y.var()


def test_one_update_is_one_pass():
    X, y, weight = rows_of(SquaredRows())
    table, fm = labelled_rows(X, y, weight), FactorizationMachine(2)
    once = ORDERED._replace(max_iter=1)
    same(
        update(SquaredRows(), table, fm, once, 0).params, fit_table(SquaredRows(), table, fm, once, 0).params
    )


def test_rows_without_weight_are_absent_and_weights_have_no_unit():
    X, y, weight = rows_of(SquaredRows())
    weight[::3] = 0.0
    run = partial(fit_table, SquaredRows(), structure=FactorizationMachine(2), settings=ORDERED, seed=0)
    kept = weight > 0
    same(run(labelled_rows(X, y, weight)).params, run(labelled_rows(X[kept], y[kept], weight[kept])).params)
    doubled = run(labelled_rows(X, y, 2 * weight))
    same(doubled.params, run(labelled_rows(X, y, weight)).params)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("order", [0, 2])
def test_units_of_features_and_of_the_outcome_do_not_matter(loss, order):
    X, y, weight = rows_of(loss)
    fm = FactorizationMachine(2, order)
    unit = np.array([1e6, 1.0, 1e-6, 1e3, 1e6, 1.0])
    run = partial(fit_table, loss, structure=fm, settings=ORDERED, seed=0)
    plain = fm.score(run(labelled_rows(X, y, weight)).params, X)
    np.testing.assert_allclose(
        fm.score(run(labelled_rows(X * unit, y, weight)).params, X * unit), plain, rtol=1e-6
    )
    if isinstance(loss, SquaredRows):
        moved = fm.score(run(labelled_rows(X, 1e6 * y + 1e5, weight)).params, X)
        np.testing.assert_allclose((moved - 1e5) / 1e6, plain, rtol=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_huge_features_stay_finite(loss):
    X, y, weight = rows_of(loss)
    X[:, 0] *= 1e6
    X[3, 1] = 1e9
    fm = FactorizationMachine(2, 2)
    fit = fit_table(loss, labelled_rows(X, y, weight), fm, AdaGradSettings(max_iter=30), 0)
    assert np.isfinite(fm.score(fit.params, X)).all()
    assert np.isfinite([row.value for row in fit.history]).all()


@pytest.mark.parametrize("loss", LOSSES)
def test_divergence_is_an_error_that_says_what_to_do(loss):
    X, y, weight = rows_of(loss)
    settings = AdaGradSettings(learning_rate=1e200, strengths=(0.0, 0.0, 0.0))
    with pytest.raises(ValueError, match="overflow at epoch 1; lower learning_rate"):
        fit_table(loss, labelled_rows(X, y, weight), FactorizationMachine(2), settings, 0)


@pytest.mark.parametrize("loss", LOSSES)
def test_constant_outcomes_empty_rows_and_single_rows_are_fitted(loss):
    X, y, _ = rows_of(loss)
    for rows in (labelled_rows(X, np.ones(40)), labelled_rows(0 * X, y), labelled_rows(X[:1], y[:1])):
        fit = fit_table(loss, rows, FactorizationMachine(2), AdaGradSettings(max_iter=5), 0)
        assert all(np.isfinite(block).all() for block in fit.params)


def test_features_without_rows_have_no_effect():
    X, y, weight = rows_of(SquaredRows())
    X[:, 3] = 0.0
    fit = fit_table(SquaredRows(), labelled_rows(X, y, weight), FactorizationMachine(2, 2), ORDERED, 0)
    assert fit.params.linear[3] == 0.0
    assert not fit.params.factors[3].any()
    assert not fit.params.triples[3].any()


def test_blocks_can_be_left_out():
    table = labelled_rows(*rows_of(SquaredRows()))
    for place in range(4):
        rates = tuple(float(b != place) for b in range(4))
        fit = fit_table(SquaredRows(), table, FactorizationMachine(2, 2), ORDERED._replace(rates=rates), 0)
        assert [bool(np.any(block)) for block in fit.params] == [b != place for b in range(4)]


# ------------------------------------------------------------------------------------------------ stopping


def test_early_stopping_returns_the_best_pass_on_rows_held_out():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, 15))
    y = X[:, 0] + rng.standard_normal(80)
    settings = AdaGradSettings(
        strengths=(0, 0, 0), validation_fraction=0.3, max_iter=60, patience=8, learning_rate=0.3
    )
    fm = FactorizationMachine(4)
    fit = fit_table(SquaredRows(), labelled_rows(X, y), fm, settings, 1)
    values = [row.value for row in fit.history]
    assert fit.converged
    assert min(values) < values[-1]
    _, out = split(labelled_rows(X, y), 0, 0.3, 1)
    assert SquaredRows.bind(out.y).value(fm.score(fit.params, out.X)) == min(values)


def test_the_rows_held_out_do_not_depend_on_the_cuts():
    table = Chunk(sparse.csr_array(np.ones((1000, 1))), np.arange(1000.0), np.ones(1000))
    whole = split(table, 0, 0.2, 5)[1].y
    cut = [split(table.take(np.arange(a, a + 100)), a, 0.2, 5)[1].y for a in range(0, 1000, 100)]
    np.testing.assert_array_equal(np.concatenate(cut), whole)
    assert 150 < whole.size < 250
    assert not np.array_equal(whole, split(table, 0, 0.2, 6)[1].y)


def test_too_few_rows_held_out_and_empty_streams_are_told():
    table = labelled_rows(*rows_of(SquaredRows(), n=3))
    settings = AdaGradSettings(validation_fraction=1e-9)
    with pytest.raises(ValueError, match="the validation part has 0 rows; raise validation_fraction"):
        fit_table(SquaredRows(), table, FactorizationMachine(2), settings, 0)
    with pytest.raises(ValueError, match="no rows"):
        fit_chunks(SquaredRows(), [], FactorizationMachine(2), AdaGradSettings(), 0)


def test_threads_learn_what_one_learns():
    X, y, _ = rows_of(SquaredRows(), n=2000)
    fits = [
        fit_table(
            SquaredRows(), labelled_rows(X, y), FactorizationMachine(2), AdaGradSettings(n_threads=n), 0
        )
        for n in (1, 2)
    ]
    assert fits[1].history[-1].value == pytest.approx(fits[0].history[-1].value, rel=0.2)


def test_the_value_of_a_pass_has_the_penalty_on_top():
    X, y, weight = rows_of(SquaredRows())
    still = ORDERED._replace(max_iter=1, learning_rate=1e-12)
    values = []
    for strength in (0.0, 1.0, 2.0):
        settings = still._replace(strengths=(strength,) * 3)
        fit = fit_table(SquaredRows(), labelled_rows(X, y, weight), FactorizationMachine(2), settings, 0)
        values.append(fit.history[-1].value)
    assert values[0] < values[1]
    np.testing.assert_allclose(values[2] - values[0], 2.0 * (values[1] - values[0]), rtol=1e-6)
