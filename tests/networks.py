"""Small problems, networks for them, and their training beside the reference."""

import numpy as np
import reference_network as reference
from inside import described, params

from fastdnn.network import Network
from fastdnn.optimizers import SGD

TYPES = ["float32", "float64"]
RTOL = {"float32": 2e-4, "float64": 1e-10}


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


def assert_trains_alike(net, X, Y, T, optimizer, epochs=5, batch=7, rtol=None, **options):
    W, b = lists(net)
    first = [v.copy() for v in W]
    keys = {"weights": "sample_weight", "l2": "l2", "clip_norm": "clip_norm"}
    costs = reference.train(
        W, b, *described(net), X, T, optimizer, epochs, batch,
        **{k: options[v] for k, v in keys.items() if v in options},
    )  # fmt: skip
    history = net.fit(
        X, Y, optimizer=optimizer, batch_size=batch, epochs=epochs, shuffle=False, **options
    )
    rtol = rtol or RTOL[net.dtype.name]
    np.testing.assert_allclose(history.costs, costs, rtol=rtol)
    for got, expected in zip(lists(net), (W, b), strict=True):
        for g, e in zip(got, expected, strict=True):
            np.testing.assert_allclose(g, e, rtol=rtol, atol=rtol)
    assert any(np.abs(v - w).max() > 1e-5 for v, w in zip(W, first, strict=True)), "nothing moved"
    return history


def trained(X, Y, dtype="float64", net=None, **options):
    net = net or Network([5, 8, 3], dtype=dtype, rng=0)
    net.fit(X, Y, **{"optimizer": SGD(0.1), "epochs": 3} | options)
    return params(net).copy()
