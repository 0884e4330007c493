"""Encoders and decoders: shapes, what is not read, starts, gradients, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from intertwine.architectures import (
    ARCHITECTURES,
    Convolutional,
    Linear,
    Perceptron,
    architecture_from_state,
    architecture_of,
    architecture_to_state,
)
from intertwine.architectures.convolutional import _doubled, _halved
from intertwine.networks import Autoencoder, Layer, applied

SHAPES = {
    "mlp": Perceptron(35, 3, (8,)),
    "linear": Linear(35, 3),
    "conv": Convolutional((5, 7), 3, (9, 4), (2, 3)),
    "conv, colours": Convolutional((2, 3, 4), 2, (5,), (2, 2)),
    "conv, one pixel": Convolutional((1, 1), 1, (), (4, 4)),
}


@pytest.fixture(params=list(SHAPES))
def networks(request):
    architecture = SHAPES[request.param]
    rng = np.random.default_rng(0)
    params = architecture.draw(rng)
    x = rng.standard_normal((6, architecture.n_features)).astype(np.float32)
    return architecture, params, x


def test_architectures_are_all_tried():
    assert {type(architecture) for architecture in SHAPES.values()} == set(ARCHITECTURES.values())


def test_shapes_types_and_starts(networks):
    architecture, params, x = networks
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {np.dtype(np.float32)}
    drawn = tuple([layer.weight.shape for layer in layers] for layers in params)
    assert drawn == architecture.weight_shapes()

    @jax.jit
    def both(params, x):
        mean, log_scale = architecture.encode(params, x, jnp.ones_like(x))
        return mean, log_scale, architecture.decode(params, mean)

    mean, log_scale, outputs = both(params, x)
    assert mean.shape == log_scale.shape == (6, architecture.n_components)
    assert outputs.shape == x.shape
    assert {a.dtype for a in (mean, log_scale, outputs)} == {np.dtype(np.float32)}
    assert np.sqrt(np.mean(outputs**2)) < 1.0  # of standardised columns
    np.testing.assert_allclose(log_scale, -1.0, atol=0.6)


@pytest.mark.parametrize(
    "architecture", [Perceptron(144, 4), Convolutional((12, 12), 4)], ids=["mlp", "conv"]
)
def test_latents_are_not_silent_at_the_start(architecture):
    rng = np.random.default_rng(0)
    params = architecture.draw(rng)
    x = rng.standard_normal((20, 144)).astype(np.float32)
    mean, _ = jax.jit(architecture.encode)(params, x, np.ones_like(x))
    outputs = jax.jit(architecture.decode)(params, rng.standard_normal((50, 4)).astype(np.float32))
    assert 0.05 < np.std(mean, axis=0).mean() < 2.0
    assert 0.02 < np.std(outputs, axis=0).mean() < 1.0


def test_what_is_missing_is_not_read_but_known(networks):
    architecture, params, x = networks
    observed = np.ones(x.shape, bool)
    observed[:, 0] = False
    other = np.where(observed, x, np.nan)
    encode = jax.jit(architecture.encode)
    mean, log_scale = encode(params, x, observed)
    same = encode(params, other, observed)
    np.testing.assert_array_equal(mean, same[0])
    np.testing.assert_array_equal(log_scale, same[1])
    filled = encode(params, np.where(observed, x, 0.0).astype(np.float32), np.ones_like(observed))
    assert not np.allclose(mean, filled[0], atol=1e-6)


def test_every_parameter_is_reached_by_the_gradient(networks):
    architecture, params, x = networks

    @jax.jit
    @jax.grad
    def gradient(params):
        mean, log_scale = architecture.encode(params, x, x > -1.0)
        return jnp.sum((x - architecture.decode(params, mean)) ** 2) + jnp.sum(log_scale**2)

    found = gradient(params)
    assert all(np.isfinite(leaf).all() and np.any(leaf) for leaf in jax.tree.leaves(found))


def test_architectures_are_static(networks):
    architecture, params, _ = networks
    decode = jax.jit(lambda architecture, params, z: architecture.decode(params, z), static_argnums=0)
    z = np.zeros((2, architecture.n_components), np.float32)
    assert decode(architecture, params, z).shape == (2, architecture.n_features)


def test_states_hold_architectures_and_networks(networks):
    architecture, params, _ = networks
    assert architecture_from_state(architecture_to_state(architecture)) == architecture
    again = Autoencoder.from_state(params.to_state())
    assert jax.tree.structure(again) == jax.tree.structure(params)
    jax.tree.map(np.testing.assert_array_equal, again, params)


def test_a_linear_architecture_is_linear_and_as_sure_as_its_mask():
    architecture, rng = SHAPES["linear"], np.random.default_rng(0)
    params = architecture.draw(rng)
    x, y = rng.standard_normal((2, 4, 35)).astype(np.float32)
    observed = rng.random((4, 35)) < 0.7
    m_x, s_x = architecture.encode(params, x, observed)
    m_y, s_y = architecture.encode(params, y, observed)
    m_mid, _ = architecture.encode(params, (x + y) / 2, observed)
    np.testing.assert_allclose(m_mid, (m_x + m_y) / 2, atol=1e-6)
    np.testing.assert_array_equal(s_x, s_y)
    np.testing.assert_array_equal(architecture.encode(params, x, np.ones_like(observed))[1], -1.0)


def convolved(image, layer):
    """By its sums, in float64."""
    n, h, w, _ = image.shape
    around = np.pad(image.astype(float), ((0, 0), (1, 1), (1, 1), (0, 0)))
    found = np.zeros((n, h, w, layer.weight.shape[-1])) + layer.bias
    for a in range(3):
        for b in range(3):
            found += around[:, a : a + h, b : b + w] @ layer.weight[a, b].astype(float)
    return found


def test_steps_down_and_up_are_their_sums():
    rng = np.random.default_rng(0)
    image = rng.standard_normal((2, 6, 4, 2)).astype(np.float32)
    layer = Layer(*(rng.standard_normal(shape).astype(np.float32) for shape in ((3, 3, 2, 8), 8)))
    full = convolved(image, layer)
    halved, doubled = _halved(image, layer), _doubled(image, layer)
    for a in range(3):
        for b in range(2):
            largest = full[:, 2 * a : 2 * a + 2, 2 * b : 2 * b + 2].max(axis=(1, 2))
            np.testing.assert_allclose(halved[:, a, b], largest, atol=1e-5)
    for a in range(2):
        for b in range(2):
            part = full[..., 4 * a + 2 * b : 4 * a + 2 * b + 2]
            np.testing.assert_allclose(doubled[:, a::2, b::2], part, atol=1e-5)


def test_the_references_sizes():
    params = architecture_of("conv", 1296, 32, image_shape=(36, 36)).draw(np.random.default_rng(0))
    widths = [layer.weight.shape for layer in params.encoder]
    assert widths == [(3, 3, 2, 16), (3, 3, 16, 32), (2592, 300), (300, 30), (30, 64)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("conv", 12, 2), "needs image_shape"),
        (("conv", 12, 2, None, (3, 5)), "15 values, but X has 12"),
        (("conv", 12, 2, None, (12,)), r"not \(12,\)"),
        (("mlp", 12, 2, None, (3, 4)), "image_shape is for"),
        (("tree", 12, 2), "not known"),
    ],
)
def test_architectures_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        architecture_of(*arguments)


def test_widths_are_the_users_or_the_architectures_own():
    assert architecture_of("mlp", 12, 2).hidden == (512, 256)
    assert architecture_of("mlp", 12, 2, [7]).hidden == (7,)
    assert architecture_of("linear", 12, 2, [7]) == Linear(12, 2)


def test_layers_compute_what_plain_numpy_computes():
    rng = np.random.default_rng(0)
    layers = tuple(Layer(rng.standard_normal((i, o)), rng.standard_normal(o)) for i, o in [(3, 4), (4, 2)])
    x = rng.standard_normal((5, 3))
    hidden = x @ layers[0].weight + layers[0].bias
    expected = hidden / (1.0 + np.exp(-hidden)) @ layers[1].weight + layers[1].bias
    np.testing.assert_allclose(applied(layers, x), expected, rtol=1e-5)
