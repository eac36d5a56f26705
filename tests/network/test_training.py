"""Training against plain NumPy, in both types: every activation, cost, optimiser, schedule."""

import numpy as np
import pytest
import reference_network as reference
from inside import described
from networks import TYPES, assert_trains_alike, lists, problem, scatter_biases

from fastdnn.network import Network
from fastdnn.optimizers import SGD, Adam, Cosine, OneCycle, StepDecay

OUTPUTS = list(reference.COSTS)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("activation", reference.ACTIVATIONS)
def test_every_activation(activation, dtype):
    X, Y, T = problem("identity", dtype=dtype)
    net = Network([5, 9, 4, 3], activation, "identity", dtype=dtype, rng=0)
    scatter_biases(net)
    assert_trains_alike(net, X, Y, T, SGD(0.05))
    net = Network([5, 9, 4, 3], activation, "identity", dtype=dtype, rng=0)
    assert_trains_alike(net, X, Y, T, Adam(0.01))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("output", "cost"), OUTPUTS)
def test_every_cost(output, cost, weighted, dtype):
    X, Y, T = problem(output, dtype=dtype)
    net = Network(
        [5, 8, 3], "tanh", output, cost=cost, dtype=dtype, rng=0, huber_delta=0.7, quantile=0.3
    )
    w = np.random.default_rng(5).integers(0, 4, len(X)).astype(dtype)
    options = {"sample_weight": w} if weighted else {}
    assert_trains_alike(net, X, Y, T, SGD(0.05), **options)
    value, _ = reference.COSTS[output, cost]
    Z, _ = reference.forward(*lists(net), described(net)[0], X)
    np.testing.assert_allclose(
        net.predict(X), reference.OUTPUTS[output](Z[-1]), rtol=1e-5, atol=1e-6
    )
    expected = np.average(value(Z[-1], T, described(net)[-1]), weights=w if weighted else None)
    np.testing.assert_allclose(net.cost(X, Y, w if weighted else None), expected, rtol=1e-5)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(
    "options", [{}, {"l2": 0.1}, {"clip_norm": 0.2}, {"l2": 0.1, "clip_norm": 0.2}], ids=str
)
@pytest.mark.parametrize("optimizer", reference.OPTIMIZERS, ids=str)
def test_every_optimizer(optimizer, options, dtype):
    X, Y, T = problem("sigmoid", dtype=dtype)
    net = Network([5, 8, 6, 3], "relu", "sigmoid", dtype=dtype, rng=0)
    assert_trains_alike(net, X, Y, T, optimizer, **options)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("optimizer", reference.OPTIMIZERS, ids=str)
def test_every_optimizer_over_many_steps(optimizer, dtype):
    X, Y, T = problem("sigmoid", dtype=dtype)
    net = Network([5, 8, 3], "tanh", "sigmoid", dtype=dtype, rng=0)
    rtol = {"float32": 1e-3, "float64": 1e-9}[dtype]
    assert_trains_alike(net, X, Y, T, optimizer, epochs=13, batch=6, rtol=rtol)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("layer_dims", [[1, 1], [5, 1], [1, 3], [5, 1, 3], [1, 1, 1, 1]])
@pytest.mark.parametrize("batch", [1, 7, 23])
def test_sizes_of_one(batch, layer_dims, dtype):
    X, Y, T = problem("identity", n_0=layer_dims[0], n_L=layer_dims[-1], dtype=dtype)
    net = Network(layer_dims, "tanh", "identity", dtype=dtype, rng=0)
    assert_trains_alike(net, X, Y, T, SGD(0.02), batch=batch)
    net = Network(layer_dims, "gelu", "identity", dtype=dtype, rng=0)
    assert_trains_alike(net, X, Y, T, Adam(0.01), batch=batch)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("seed", range(40))
def test_many_shapes(seed, dtype):
    # small products are loops, larger ones BLAS's; small batches lie one unit a row
    random = np.random.default_rng(seed)
    layer_dims = [int(n) for n in random.choice([1, 2, 3, 7, 8, 9, 16, 17, 24, 31, 32, 40, 67], 4)]
    m, batch = (int(n) for n in random.choice([1, 2, 3, 4, 5, 8, 15, 31, 32, 33, 40, 66], 2))
    X, Y, T = problem("identity", m, layer_dims[0], layer_dims[-1], dtype, seed)
    optimizer = [SGD(0.01), SGD(0.01, 0.5), Adam(0.001)][seed % 3]
    net = Network(layer_dims, "tanh", "identity", dtype=dtype, rng=seed)
    assert_trains_alike(net, X, Y, T, optimizer, epochs=3, batch=batch, l2=0.01)
    Z, _ = reference.forward(*lists(net), described(net)[0], X)
    np.testing.assert_allclose(net.predict(X), Z[-1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("options", [{}, {"l2": 0.1}, {"clip_norm": 0.2}], ids=str)
@pytest.mark.parametrize("optimizer", [SGD(0.1), SGD(0.1, 0.9), Adam(0.01)], ids=str)
def test_relu_under_an_output_of_one(optimizer, options, weighted, dtype):
    # one loop: for 16 units to 1024, in batches of over 32 examples, or of as many as units
    for output in ("sigmoid", "identity", "exp"):
        for n, m, batch in [(16, 71, 33), (17, 61, 40), (31, 64, 64), (32, 70, 32), (100, 69, 69)]:
            X, Y, T = problem(output, m, n_L=1, dtype=dtype, seed=n)
            if weighted:
                weights = np.random.default_rng(n).integers(0, 4, m).astype(dtype)
                options = {**options, "sample_weight": weights}
            net = Network([5, 9, n, 1], ["tanh", "relu"], output, dtype=dtype, rng=n)
            scatter_biases(net)
            assert_trains_alike(net, X, Y, T, optimizer, epochs=3, batch=batch, **options)


@pytest.mark.parametrize("n", [15, 1024, 1025])
@pytest.mark.parametrize("first_layer", ["direct", "gram"])
def test_relu_under_an_output_of_one_in_the_first_layer(first_layer, n):
    X, Y, T = problem("sigmoid", 90, n_L=1)
    net = Network([5, n, 1], "relu", "sigmoid", rng=0)
    assert_trains_alike(net, X, Y, T, SGD(0.5), batch=90, l2=0.01, first_layer=first_layer)


def test_wide_layers_and_many_rows():
    # beyond a block of the loops in both directions
    X, Y, T = problem("softmax", m=300, n_0=30, n_L=260)
    net = Network([30, 1100, 260], "relu", "softmax", rng=0)
    assert_trains_alike(net, X, Y, T, SGD(0.5), epochs=2, batch=150)
    assert net.predict(np.tile(X, (8, 1))).shape == (2400, 260)
    np.testing.assert_allclose(net.predict(np.tile(X, (8, 1)))[-300:], net.predict(X), rtol=1e-12)


def test_one_activation_a_layer():
    X, Y, T = problem("sigmoid")
    net = Network([5, 8, 6, 7, 3], ["tanh", "gelu", "leaky_relu"], "sigmoid", rng=0)
    assert_trains_alike(net, X, Y, T, SGD(0.3))


@pytest.mark.parametrize("schedule", [StepDecay(0.3, 2, 0.5), Cosine(0.3, 8), OneCycle(0.3, 6)])
def test_schedules(schedule):
    X, Y, T = problem("sigmoid")
    net = Network([5, 8, 3], rng=0)
    assert_trains_alike(net, X, Y, T, SGD(schedule))
    rates = []
    net = Network([5, 8, 3], rng=0)
    for epochs in (2, 6):
        net.fit(
            X, Y, optimizer=SGD(schedule), epochs=epochs,
            callbacks=[lambda state: rates.append(state.learning_rate)],
        )  # fmt: skip
    assert rates == [schedule(epoch) for epoch in range(8)]


def test_values_of_schedules():
    assert [StepDecay(1.0, 2, 0.5)(i) for i in range(5)] == [1, 1, 0.5, 0.5, 0.25]
    np.testing.assert_allclose([Cosine(2.0, 5)(i) for i in (0, 2, 4, 9)], [2, 1, 0, 0], atol=1e-15)
    assert [schedule(0) for schedule in (Cosine(2.0, 1), OneCycle(2.0, 1))] == [2, 2]
    rates = [OneCycle(1.0, 11, warm_up=0.2, start=0.1, final=0.01)(i) for i in (0, 1, 2, 6, 10)]
    np.testing.assert_allclose(rates, [0.1, 0.55, 1, 0.505, 0.01])
