"""Network against plain NumPy, in both element types: every activation, cost, optimiser, option."""

import numpy as np
import pytest
import reference_network as reference

from fastdnn.network import Network
from fastdnn.optimizers import SGD, Adam, AdamW, Cosine, OneCycle, RMSprop, StepDecay

TYPES = ["float32", "float64"]
RTOL = {"float32": 2e-4, "float64": 1e-10}
OUTPUTS = list(reference.COSTS)
OPTIMIZERS = [
    SGD(0.1),
    SGD(0.1, momentum=0.9),
    SGD(0.1, momentum=0.8, nesterov=True),
    RMSprop(0.01),
    Adam(0.01),
    AdamW(0.01, weight_decay=0.1),
]


def problem(output, m=23, n_0=5, n_L=3, dtype="float64", seed=0):
    random = np.random.default_rng(seed)
    X = random.normal(size=(m, n_0)).astype(dtype)
    if output == "softmax":
        Y = random.integers(0, n_L, m)
        return X, Y, np.eye(n_L, dtype=dtype)[Y]
    Y = {
        "sigmoid": lambda: random.integers(0, 2, (m, n_L)),
        "identity": lambda: random.normal(size=(m, n_L)),
        "exp": lambda: random.poisson(2, (m, n_L)),
    }[output]().astype(dtype)
    return X, Y, Y


def lists(net):
    """Copy the parameters into the reference's lists."""
    L = len(net.layer_dims) - 1
    return (
        [net.parameters[f"W{l}"].T.copy() for l in range(1, L + 1)],
        [net.parameters[f"b{l}"].ravel().copy() for l in range(1, L + 1)],
    )


def scatter_biases(net):
    for key, value in net.parameters.items():
        if key[0] == "b":
            value[:] = np.random.default_rng(1).normal(size=value.shape) / 3


def parameter(net):
    return {"huber": net.huber_delta, "quantile": net.quantile}.get(net.cost_name, 0.0)


def assert_trains_alike(net, X, Y, T, optimizer, epochs=5, batch=7, rtol=None, **options):
    W, b = lists(net)
    first = [v.copy() for v in W]
    keys = {"weights": "sample_weight", "l2": "l2", "clip_norm": "clip_norm"}
    costs = reference.train(
        W, b, net.activations, net.output_activation, net.cost_name, parameter(net), X, T,
        optimizer, epochs, batch, **{k: options[v] for k, v in keys.items() if v in options},
    )  # fmt: skip
    history = net.fit(
        X, Y, optimizer=optimizer, batch_size=batch, epochs=epochs, shuffle=False, **options
    )
    rtol = rtol or RTOL[net.dtype.name]
    np.testing.assert_allclose(history.costs, costs, rtol=rtol)
    for got, expected in zip(lists(net), (W, b), strict=True):
        for g, e in zip(got, expected, strict=True):
            np.testing.assert_allclose(g, e, rtol=rtol, atol=rtol)
    assert any(np.abs(v - w).max() > 1e-3 for v, w in zip(W, first, strict=True)), "nothing moved"
    return history


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
    Z, _ = reference.forward(*lists(net), net.activations, X)
    np.testing.assert_allclose(net.predict(X), reference.OUTPUTS[output](Z[-1]), rtol=1e-5, atol=1e-6)
    expected = np.average(value(Z[-1], T, parameter(net)), weights=w if weighted else None)
    np.testing.assert_allclose(net.cost(X, Y, w if weighted else None), expected, rtol=1e-5)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("options", [{}, {"l2": 0.1}, {"clip_norm": 0.2}, {"l2": 0.1, "clip_norm": 0.2}])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_every_optimizer(optimizer, options, dtype):
    X, Y, T = problem("sigmoid", dtype=dtype)
    net = Network([5, 8, 6, 3], "relu", "sigmoid", dtype=dtype, rng=0)
    assert_trains_alike(net, X, Y, T, optimizer, **options)
