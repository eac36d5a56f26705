"""Network against plain NumPy, in both element types: every activation, cost, optimiser, option."""

import copy
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time
import tracemalloc

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
    return {"huber": net._huber_delta, "quantile": net._quantile}.get(net._cost_name, 0.0)


def assert_trains_alike(net, X, Y, T, optimizer, epochs=5, batch=7, rtol=None, **options):
    W, b = lists(net)
    first = [v.copy() for v in W]
    keys = {"weights": "sample_weight", "l2": "l2", "clip_norm": "clip_norm"}
    costs = reference.train(
        W, b, net._activations, net._output_activation, net._cost_name, parameter(net), X, T,
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
    assert any(np.abs(v - w).max() > 1e-5 for v, w in zip(W, first, strict=True)), "nothing moved"
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
    Z, _ = reference.forward(*lists(net), net._activations, X)
    np.testing.assert_allclose(
        net.predict(X), reference.OUTPUTS[output](Z[-1]), rtol=1e-5, atol=1e-6
    )
    expected = np.average(value(Z[-1], T, parameter(net)), weights=w if weighted else None)
    np.testing.assert_allclose(net.cost(X, Y, w if weighted else None), expected, rtol=1e-5)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(
    "options", [{}, {"l2": 0.1}, {"clip_norm": 0.2}, {"l2": 0.1, "clip_norm": 0.2}], ids=str
)
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_every_optimizer(optimizer, options, dtype):
    X, Y, T = problem("sigmoid", dtype=dtype)
    net = Network([5, 8, 6, 3], "relu", "sigmoid", dtype=dtype, rng=0)
    assert_trains_alike(net, X, Y, T, optimizer, **options)


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
    Z, _ = reference.forward(*lists(net), net._activations, X)
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


# ---------------------------------------------------------------------------------- forms of input


def trained(X, Y, dtype="float64", net=None, **options):
    net = net or Network([5, 8, 3], dtype=dtype, rng=0)
    net.fit(X, Y, **{"optimizer": SGD(0.1), "epochs": 3} | options)
    return net._params.copy()


@pytest.mark.parametrize("batch", [None, 7])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize(
    "form",
    [
        np.asfortranarray,
        lambda X: np.repeat(X, 2, axis=0)[::2],
        lambda X: np.repeat(X, 3, axis=1)[:, ::3],
        lambda X: X[::-1][::-1].copy()[::1],
        lambda X: np.ascontiguousarray(X[::-1])[::-1],
        lambda X: X.astype(">f8"),
        lambda X: X.tolist(),
        lambda X: X.astype(np.float32),
        lambda X: X.astype(np.int8),
    ],
    ids=["F", "rows", "cols", "same", "reversed", "big-endian", "list", "float32", "int8"],
)
def test_forms_of_X(form, shuffle, batch):
    X, Y, _ = problem("sigmoid")
    X = np.floor(3 * X)
    kept = X.copy()
    X.flags.writeable = Y.flags.writeable = False
    options = {"batch_size": batch, "shuffle": shuffle}
    np.testing.assert_allclose(
        trained(form(X), Y, **options), trained(X, Y, **options), rtol=1e-11, atol=1e-13
    )
    np.testing.assert_array_equal(X, kept)
    net = Network([5, 8, 3], rng=0)
    np.testing.assert_allclose(net.predict(form(X)), net.predict(X), rtol=1e-12)


def test_float64_data_in_a_float32_network_is_not_copied_whole():
    X = np.random.default_rng(0).normal(size=(20_000, 50))
    Y = X[:, 0] > 0
    net = Network([50, 8, 1], dtype="float32", rng=0)
    other = Network([50, 8, 1], dtype="float32", rng=0)
    other.fit(X.astype("float32"), Y, batch_size=100)
    tracemalloc.start()
    net.fit(X, Y, batch_size=100)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    np.testing.assert_array_equal(net._params, other._params)
    assert peak < X.nbytes / 8


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_memory_mapped_file_trains_in_the_workspace_of_a_batch(order, tmp_path):
    file = tmp_path / "X"
    shape = (100_000, 100)
    X = np.memmap(file, np.float32, "w+", shape=shape, order=order)
    X[::7, 3] = 1
    X.flush()
    X = np.memmap(file, np.float32, "r", shape=shape, order=order)
    Y = np.zeros(len(X), np.float32)
    net = Network([100, 64, 1], dtype="float32", rng=0)
    tracemalloc.start()
    net.fit(X, Y, optimizer=SGD(0.1), batch_size=128, shuffle=False)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # the labels' checks, and the workspace: the batch, its activations, a copy of the parameters
    assert peak < 2_000_000 < X.nbytes / 10


@pytest.mark.parametrize(
    "form",
    [
        lambda y: y,
        lambda y: y[:, None],
        lambda y: y.astype(float),
        lambda y: y.tolist(),
        lambda y: np.eye(3)[y],
        lambda y: np.eye(3, dtype=bool)[y],
    ],
    ids=["flat", "column", "float", "list", "one-hot", "one-hot bool"],
)
@pytest.mark.parametrize("shuffle", [False, True])
def test_forms_of_classes(form, shuffle):
    X, Y, _ = problem("softmax")
    options = {"batch_size": 5, "shuffle": shuffle}
    nets = [Network([5, 8, 3], "relu", "softmax", rng=0) for _ in range(2)]
    expected = trained(X, Y, net=nets[0], **options)
    np.testing.assert_array_equal(trained(X, form(Y), net=nets[1], **options), expected)
    assert nets[0].cost(X, Y) == nets[1].cost(X, form(Y))


def test_flat_targets_of_one_output():
    X, Y, _ = problem("sigmoid", n_L=1)
    params = []
    for y in (Y, Y.ravel(), Y.astype(bool), Y.ravel().tolist()):
        net = Network([5, 8, 1], rng=0)
        params.append(trained(X, y, net=net))
    assert all((p == params[0]).all() for p in params)


def test_costs_are_finite_where_predictions_saturate():
    X = np.array([[1e4], [-1e4]])
    for output, Y in (("sigmoid", [0, 1]), ("softmax", [0, 1])):
        n_L = 1 if output == "sigmoid" else 2
        net = Network([1, n_L], output_activation=output, init=0.0, rng=0)
        net.parameters["W1"][:] = [[1.0]] if n_L == 1 else [[-1.0], [1.0]]
        assert net.cost(X, Y) == pytest.approx(1e4 * n_L)
        assert net.fit(X, Y, optimizer=SGD(0.0)).costs == pytest.approx([1e4 * n_L])
        with np.errstate(all="raise"):
            assert np.isfinite(net.predict(X)).all()


# --------------------------------------------------------------------------------------- randomness


def test_shuffles_are_permutations_by_the_network_s_generator():
    X, Y, T = problem("sigmoid")
    net = Network([5, 8, 3], rng=3)
    random = copy.deepcopy(net._rng)
    orders = [random.permutation(len(X)) for _ in range(4)]
    W, b = lists(net)
    costs = reference.train(
        W, b, ["relu"], "sigmoid", "cross_entropy", 0, X, T, Adam(0.05), 4, 6, orders
    )
    history = net.fit(X, Y, optimizer=Adam(0.05), batch_size=6, epochs=4)
    np.testing.assert_allclose(history.costs, costs, rtol=1e-10)
    np.testing.assert_allclose(net.parameters["W1"].T, W[0], rtol=1e-9)


def kept(random, size, keep):
    """Draw a mask as the engine does: the two halves of a 64-bit word decide on two elements."""
    words = random.bit_generator.random_raw((size + 1) // 2)
    halves = np.stack([words & 0xFFFFFFFF, words >> 32], axis=1).ravel()[:size]
    return (halves < int(keep * 2**32)) / keep


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu", "softplus"])
@pytest.mark.parametrize("shuffle", [False, True])
def test_dropout_against_numpy(shuffle, activation, dtype):
    X, Y, T = problem("sigmoid", m=9, dtype=dtype)
    net = Network([5, 7, 6, 3], activation, dtype=dtype, rng=0)
    W, b = lists(net)
    random = copy.deepcopy(net._rng)
    order = random.permutation(9) if shuffle else np.arange(9)
    for rows in (order[:4], order[4:8], order[8:]):
        sizes = [(len(rows), n) for n in (5, 7, 6)]
        masks = [
            kept(random, r * n, keep).reshape(r, n).astype(dtype)
            for (r, n), keep in zip(sizes, (0.8, 0.6, 0.6), strict=True)
        ]
        _, dW, db = reference.gradient(
            W, b, [activation] * 2, "sigmoid", "cross_entropy", 0, X[rows], T[rows], masks=masks
        )
        for p, g in zip(W + b, dW + db, strict=True):
            p -= 0.5 * g
    net.fit(X, Y, optimizer=SGD(0.5), batch_size=4, dropout=0.4, input_dropout=0.2, shuffle=shuffle)
    rtol = 1e-3 if dtype == "float32" else 1e-9
    for got, expected in zip(lists(net), (W, b), strict=True):
        for g, e in zip(got, expected, strict=True):
            np.testing.assert_allclose(g, e, rtol=rtol, atol=rtol / 100)


def test_dropout_keeps_its_share():
    random = np.random.default_rng(0)
    assert abs((kept(random, 100_000, 0.3) > 0).mean() - 0.3) < 0.01


@pytest.mark.parametrize("rng", [None, 5, np.random.default_rng(5), np.random.RandomState(5)])
def test_rng(rng):
    state = copy.deepcopy(rng)
    nets = [Network([5, 8, 3], rng=rng) for _ in range(2)]
    assert (nets[0]._params == nets[1]._params).all() == (rng is not None)
    if isinstance(rng, np.random.Generator):
        assert rng.integers(2**60) == state.integers(2**60), "the user's generator was used"
    elif rng is not None and not isinstance(rng, int):
        assert rng.randint(2**31 - 1) == state.randint(2**31 - 1), "the user's generator was used"


# ------------------------------------------------------------------------------------- exact resume


CONTINUED = {
    "sgd": {"optimizer": SGD(0.1), "batch_size": 7},
    "momentum": {"optimizer": SGD(0.1, momentum=0.9), "batch_size": 7, "l2": 0.1},
    "adam": {"optimizer": Adam(0.01), "batch_size": 7, "dropout": 0.3, "input_dropout": 0.1},
    "adamw": {"optimizer": AdamW(Cosine(0.01, 9)), "batch_size": 5, "clip_norm": 0.5},
    "rmsprop": {"optimizer": RMSprop(0.01), "batch_size": 7},
    "gram": {"optimizer": SGD(0.3), "first_layer": "gram"},
    "gram momentum": {"optimizer": SGD(0.1, 0.9, True), "first_layer": "gram", "l2": 0.05},
}


@pytest.mark.parametrize("optimizer", [SGD(0.01), SGD(0.01, momentum=0.9), Adam(0.01)])
@pytest.mark.parametrize("first_layer", ["direct", "gram"])
def test_a_network_unpickled_from_memory_that_cannot_be_written_goes_on(optimizer, first_layer):
    if first_layer == "gram" and not isinstance(optimizer, SGD):
        pytest.skip("the Gram form is for SGD")
    X, Y, _ = problem("identity", m=10, n_0=200)
    fit = {"optimizer": optimizer, "epochs": 2, "batch_size": None, "first_layer": first_layer}
    net = Network([200, 7, 3], output_activation="identity", rng=0)
    net.fit(X, Y, **fit)
    buffers = []
    stream = pickle.dumps(net, 5, buffer_callback=buffers.append)
    memory = [bytes(buffer.raw()) for buffer in buffers]
    kept = [bytes(bytearray(one)) for one in memory]
    other = pickle.loads(stream, buffers=memory)
    assert other.fit(X, Y, **fit).costs == net.fit(X, Y, **fit).costs
    np.testing.assert_array_equal(other.parameters["W1"], net.parameters["W1"])
    assert memory == kept


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("options", CONTINUED.values(), ids=CONTINUED)
@pytest.mark.parametrize("way", ["fit", "state_dict", "pickle", "deepcopy", "copy"])
def test_k_epochs_and_k_more_are_2k_epochs(way, options, dtype):
    X, Y, _ = problem("sigmoid", m=12, n_0=30, dtype=dtype)
    whole, half = (Network([30, 8, 3], "tanh", dtype=dtype, rng=0) for _ in range(2))
    costs = whole.fit(X, Y, epochs=6, **options).costs
    first = half.fit(X, Y, epochs=3, **options).costs
    if way == "state_dict":
        state = half.state_dict()
        half.fit(X, Y, epochs=1, **options)  # of which the state knows nothing
        half = Network([30, 8, 3], "tanh", dtype=dtype, rng=99)
        half.load_state_dict(state)
    elif way == "pickle":
        half = pickle.loads(pickle.dumps(half))
    elif way != "fit":
        half = getattr(copy, way)(half)
    options = {k: v for k, v in options.items() if k != "optimizer"}
    second = half.fit(X, Y, epochs=3, **options).costs
    assert first + second == costs
    np.testing.assert_array_equal(half._params, whole._params)
    assert half.epochs == whole.epochs == 6


def test_a_copy_is_a_network_of_its_own():
    X, Y, _ = problem("sigmoid")
    net = Network([5, 8, 3], rng=0)
    for other in (copy.copy(net), copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        before = net._params.copy()
        other.fit(X, Y, optimizer=SGD(1.0))
        np.testing.assert_array_equal(net._params, before)
        assert (other._params != before).any()
        np.testing.assert_array_equal(other.predict(X), other.predict(X.copy()))


def test_another_optimizer_begins_anew():
    X, Y, _ = problem("sigmoid")
    net, fresh = Network([5, 8, 3], rng=0), Network([5, 8, 3], rng=0)
    net.fit(X, Y, optimizer=Adam(0.01), epochs=3)
    fresh._params[:] = net._params
    for n in (net, fresh):
        n.fit(X, Y, optimizer=SGD(0.1, momentum=0.9), epochs=3)
    np.testing.assert_array_equal(net._params, fresh._params)


@pytest.mark.parametrize("form", ["direct", "gram"])
@pytest.mark.parametrize("optimizer", [SGD(0.1, 0.9), Adam(0.01)], ids=str)
def test_a_state_taken_by_a_callback_goes_on_exactly(optimizer, form):
    if form == "gram" and not isinstance(optimizer, SGD):
        pytest.skip("the Gram form is for SGD")
    X, Y, _ = problem("sigmoid", m=12, n_0=30)
    states = []

    def callback(state):
        if state.epoch == 3:
            states.append(state.network.state_dict())

    net, other = Network([30, 8, 3], rng=0), Network([30, 8, 3], rng=9)
    options = {
        "optimizer": optimizer,
        "first_layer": form,
        "batch_size": 5 if form == "direct" else None,
    }
    net.fit(X, Y, epochs=6, callbacks=[callback], **options)
    other.load_state_dict(states[0])
    other.fit(X, Y, epochs=3, **options)
    np.testing.assert_array_equal(other._params, net._params)


def test_the_form_by_default_does_not_depend_on_the_number_of_epochs():
    X, Y, _ = problem("sigmoid", m=50, n_0=300, n_L=1)
    for k in (1, 3, 20):
        whole, half = Network([300, 10, 1], rng=0), Network([300, 10, 1], rng=0)
        options = {"optimizer": SGD(0.1, 0.5)}
        whole.fit(X, Y, epochs=2 * k, callbacks=[lambda state: None], **options)
        half.fit(X, Y, epochs=k, **options)
        half.fit(X, Y, epochs=0, first_layer="direct")
        half.fit(X, Y, epochs=k)
        np.testing.assert_array_equal(half._params, whole._params)


def test_load_state_dict_refuses():
    X, Y, _ = problem("sigmoid")
    net = Network([5, 8, 3], rng=0)
    net.fit(X, Y, optimizer=SGD(0.1, 0.5), first_layer="gram")
    state = net.state_dict()
    with pytest.raises(ValueError, match=r"\[5, 8, 3\] in float64, but this one is \[5, 7, 3\]"):
        Network([5, 7, 3]).load_state_dict(state)
    with pytest.raises(ValueError, match="in float32"):
        Network([5, 8, 3], dtype="float32").load_state_dict(state)
    with pytest.raises(TypeError, match="state must be a dict"):
        net.load_state_dict(None)
    m, _ = state["moments"]
    gram = state["gram_state"]
    for name, values in {
        "params": [state["params"][:1]],
        "moments": [None, (None, None), (m, m), (m[:3], None), (m.astype("f4"), None), [m, None]],
        "kind": ["adam", "foo", 3],
        "optimizer": [None, "adam"],
        "steps": ["a", -1, None],
        "epochs": [0.5],
        "rng": [5, None],
        "gram_state": [3, {}, gram | {"C": gram["C"][:, :2]}, gram | {"W0": gram["W0"].T}],
    }.items():
        for value in values:
            with pytest.raises(ValueError, match=r"state\["):
                net.load_state_dict(state | {name: value})
    del state["moments"]
    with pytest.raises(ValueError, match="state has no 'moments'"):
        net.load_state_dict(state)


def test_what_the_engine_relies_on_is_read_only():
    net = Network([5, 8, 3])
    for name, value in (("dtype", np.float32), ("layer_dims", (5, 8, 2)), ("epochs", 3)):
        with pytest.raises(AttributeError):
            setattr(net, name, value)


# ------------------------------------------------------------------------------------ the Gram form


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("l2", [0.0, 0.02])
@pytest.mark.parametrize("momentum", [{}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}])
def test_the_gram_form_is_the_direct_form(momentum, l2, order):
    random = np.random.default_rng(0)
    X = np.asarray(random.normal(size=(20, 300)) / 17, order=order)
    Y = random.integers(0, 2, 20)
    optimizer = SGD(0.05 if momentum else 0.3, **momentum)
    nets = [Network([300, 6, 4, 1], "tanh", rng=0) for _ in range(2)]
    histories = [
        net.fit(X, Y, optimizer=optimizer, epochs=2500, l2=l2, first_layer=form)
        for net, form in zip(nets, ("direct", "gram"), strict=True)
    ]
    np.testing.assert_allclose(histories[1].costs, histories[0].costs, rtol=1e-9)
    for key, value in nets[0].parameters.items():
        np.testing.assert_allclose(
            nets[1].parameters[key], value, rtol=1e-9, atol=1e-9 * np.abs(value).max()
        )
    # and on from there, with moments, on other data
    for net, form in zip(nets, ("direct", "gram"), strict=True):
        net.fit(X[:15] * 0.9, Y[:15], optimizer=optimizer, epochs=50, l2=l2, first_layer=form)
    np.testing.assert_allclose(
        nets[1].parameters["W1"], nets[0].parameters["W1"], rtol=1e-8, atol=1e-9
    )


def test_the_gram_form_shows_callbacks_and_validation_the_weights():
    X, Y, _ = problem("sigmoid", m=12, n_0=30)
    seen = []
    histories = []
    for form in ("direct", "gram"):
        net = Network([30, 8, 3], rng=0)
        callbacks = [lambda state: seen.append(state.network.parameters["W1"].copy())]
        histories.append(
            net.fit(
                X, Y, optimizer=SGD(0.3), epochs=4, first_layer=form, callbacks=callbacks,
                validation_data=(X[:5], Y[:5]),
            )
        )  # fmt: skip
    np.testing.assert_allclose(seen[:4], seen[4:], rtol=1e-10)
    np.testing.assert_allclose(
        histories[0].validation_costs, histories[1].validation_costs, rtol=1e-10
    )
    assert len(set(histories[0].validation_costs)) == 4


@pytest.mark.parametrize("form", ["direct", "gram"])
def test_a_callback_may_write_to_the_weights(form):
    X, Y, _ = problem("sigmoid", m=12, n_0=30)
    net, expected = Network([30, 8, 3], rng=0), Network([30, 8, 3], rng=0)

    def halve(state):
        if state.epoch == 2:
            state.network.parameters["W1"][:] /= 2

    options = {"optimizer": SGD(0.3, 0.5), "l2": 0.01}
    net.fit(X, Y, epochs=5, callbacks=[halve], first_layer=form, **options)
    expected.fit(X, Y, epochs=2, first_layer="direct", **options)
    expected.parameters["W1"][:] /= 2
    expected.fit(X, Y, epochs=3, first_layer="direct", **options)
    np.testing.assert_allclose(net._params, expected._params, rtol=1e-9, atol=1e-12)


def test_when_the_gram_form_is_taken(monkeypatch):
    taken = []
    init = "fastdnn._fit.gram.Gram.__init__"
    from fastdnn._fit.gram import Gram

    original = Gram.__init__
    monkeypatch.setattr(init, lambda self, *a: (taken.append(True), original(self, *a))[1])

    def takes(m=20, n_0=2000, epochs=2, net=None, **options):
        taken.clear()
        net = net or Network([n_0, 4, 1], rng=0)
        options = {"optimizer": SGD(1e-3)} | options
        net.fit(np.ones((m, n_0)), np.ones(m), epochs=epochs, **options)
        return bool(taken)

    assert takes()
    assert takes(optimizer=SGD(1e-3, momentum=0.9), l2=0.1)
    assert not takes(first_layer="direct")
    assert takes(epochs=1)
    assert not takes(optimizer=Adam())
    assert not takes(batch_size=10)
    assert not takes(input_dropout=0.1)
    assert not takes(clip_norm=1.0)
    assert not takes(m=300, n_0=200), "the Gram matrix is larger than the data"
    assert not takes(m=100, n_0=2000), "it is more work"
    assert takes(m=300, n_0=200, first_layer="gram")
    with pytest.raises(ValueError, match="first_layer='gram' needs"):
        takes(optimizer=Adam(), first_layer="gram")
    with pytest.raises(ValueError, match="first_layer must be one of auto, direct, gram"):
        takes(first_layer="both")


# ------------------------------------------------------------------------------ what can go wrong


@pytest.mark.parametrize("form", ["direct", "gram"])
@pytest.mark.parametrize("optimizer", [SGD(1e8), SGD(1e8, momentum=0.9)], ids=str)
@pytest.mark.parametrize("units", [6, 18])
@pytest.mark.parametrize("dtype", TYPES)
def test_divergence_names_the_epoch_and_keeps_the_last_finite_parameters(
    dtype, units, optimizer, form
):
    random = np.random.default_rng(0)
    X, Y = random.normal(size=(8, 20)), random.normal(size=8)
    seen = []

    def callback(state):
        seen.append(state.network._params.copy())

    net = Network([20, units, 1], "relu", "identity", dtype=dtype, rng=0)
    with pytest.raises(FloatingPointError, match="diverged in epoch") as error:
        net.fit(X, Y, optimizer=optimizer, epochs=500, first_layer=form, callbacks=[callback])
    assert f"diverged in epoch {len(seen) + 1}:" in str(error.value)
    assert net.epochs == len(seen) < 500
    assert np.isfinite(net._params).all()
    np.testing.assert_allclose(net._params, seen[-1], rtol=1e-5)
    net.fit(X, Y, epochs=0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", TYPES)
def test_input_that_is_not_finite_is_refused_with_its_row(dtype, order, value):
    X, Y, _ = problem("sigmoid", m=40)
    X = np.asarray(X, dtype, order=order)
    net = Network([5, 8, 3], rng=0)
    before = net._params.copy()
    for row, col in [(0, 0), (17, 4), (39, 2)]:
        bad = X.copy(order="K")
        bad[39, 4] = np.nan
        bad[row, col] = value
        for form in (bad, np.repeat(bad, 2, axis=1)[:, ::2]):
            with pytest.raises(ValueError, match=f"X must be finite in float64, but row {row} "):
                net.fit(form, Y)
    with pytest.raises(ValueError, match=r"validation_data\[0\] must be finite in float64, "):
        net.fit(X, Y, validation_data=(bad, Y))
    np.testing.assert_array_equal(net._params, before)


FIT = {
    "X": [
        (None, TypeError), ("cat", TypeError), (np.ones(5), ValueError),
        (np.ones((23, 6)), ValueError), (np.ones((0, 5)), ValueError),
        (np.ma.ones((23, 5)), TypeError), (np.ones((23, 5), complex), TypeError),
    ],
    "Y": [
        (None, TypeError), (np.ones(23), ValueError), (np.ones((22, 3)), ValueError),
        (np.full((23, 3), 1.5), ValueError), (np.full((23, 3), np.nan), ValueError),
        (np.full((23, 3), -1), ValueError), (np.ma.ones((23, 3)), TypeError),
    ],
    "optimizer": [("adam", TypeError), (Adam, TypeError)],
    "batch_size": [(0, ValueError), (2.5, TypeError)],
    "epochs": [(-1, ValueError), ("many", TypeError)],
    "sample_weight": [
        (np.ones(22), ValueError), (np.zeros(23), ValueError), (-np.ones(23), ValueError),
        (np.full(23, np.inf), ValueError), (np.full(23, 1e308), ValueError),
        (np.full(23, 1e-320), ValueError),
    ],
    "l2": [(-1, ValueError), ("a", TypeError), (np.nan, ValueError)],
    "dropout": [(1.0, ValueError), (-0.1, ValueError)],
    "input_dropout": [(1.0, ValueError)],
    "clip_norm": [(0, ValueError), (-1, ValueError)],
    "validation_data": [(np.ones((23, 5)), TypeError), ((1,), TypeError), ((1, 2), ValueError)],
    "first_layer": [("auto ", ValueError)],
    "n_threads": [(0, ValueError), (1.5, TypeError)],
    "callbacks": [(print, TypeError), (None, TypeError), ([3], TypeError)],
    "shuffle": [("no", TypeError)],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "error"), [(n, v, e) for n, cases in FIT.items() for v, e in cases]
)
def test_fit_refuses(name, value, error):
    X, Y, _ = problem("sigmoid")
    net = Network([5, 8, 3], rng=0)
    with pytest.raises(error, match=name):
        net.fit(**{"X": X, "Y": Y} | {name: value})


@pytest.mark.parametrize("Y", [[0, 1, 3], [0, 1, -1], [0, 1, 0.5], [0, 1, np.nan], [[0, 1]]])
def test_class_indices_are_judged(Y):
    net = Network([5, 8, 3], "relu", "softmax")
    with pytest.raises(ValueError, match="Y must"):
        net.fit(np.ones((3, 5)), Y)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"layer_dims": [5]}, ValueError, "layer_dims"),
        ({"layer_dims": [5, 0, 1]}, ValueError, "layer_dims"),
        ({"layer_dims": 5}, TypeError, "layer_dims"),
        ({"activation": "Relu"}, ValueError, "activation must be one of identity, sigmoid"),
        ({"activation": ["relu"]}, ValueError, "one for each of 2 hidden layers"),
        ({"activation": ["relu", "x"]}, ValueError, "activation must be one of"),
        ({"output_activation": "relu"}, ValueError, "output_activation must be one of sigmoid"),
        ({"output_activation": "softmax"}, ValueError, "needs at least 2 output units"),
        ({"cost": "poisson"}, ValueError, "cost must be one of cross_entropy, got 'poisson'"),
        ({"dtype": "int32"}, ValueError, "dtype"),
        ({"init": "best"}, TypeError, "init must be a number"),
        ({"init": -1}, ValueError, "init must be at least 0"),
        ({"activation": None}, TypeError, "activation must be a name or"),
        ({"cost": np.zeros(2)}, ValueError, "cost must be one of cross_entropy"),
        ({"rng": True}, TypeError, "rng must be an integer, a numpy.random.Generator"),
        ({"rng": "seed"}, TypeError, "rng"),
        ({"rng": -1}, ValueError, "rng"),
        ({"huber_delta": 0}, ValueError, "huber_delta"),
        ({"quantile": 1.0}, ValueError, "quantile"),
    ],
)
def test_network_refuses(change, error, match):
    with pytest.raises(error, match=match):
        Network(**{"layer_dims": [5, 4, 3, 1]} | change)


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: SGD(momentum=1.0), ValueError, "momentum must be at least 0 and below 1"),
        (lambda: SGD(momentum=np.array([0.1])), TypeError, "momentum must be a number"),
        (lambda: SGD(None), TypeError, "learning_rate must be a number"),
        (lambda: Adam(-1.0), ValueError, "learning_rate must be at least 0"),
        (lambda: Adam(beta1=-0.1), ValueError, "beta1"),
        (lambda: Adam(epsilon="x"), TypeError, "epsilon must be a number"),
        (lambda: AdamW(weight_decay=-1), ValueError, "weight_decay"),
        (lambda: RMSprop(rho=np.nan), ValueError, "rho"),
        (lambda: StepDecay(0.1, 0), ValueError, "every"),
        (lambda: Cosine(-0.1, 5), ValueError, "learning_rate"),
        (lambda: OneCycle(0.1, 5, warm_up=1.0), ValueError, "warm_up"),
    ],
)
def test_optimizers_refuse(make, error, match):
    with pytest.raises(error, match=match):
        make()


@pytest.mark.parametrize("rate", [-0.1, np.nan, np.inf, "fast"])
def test_learning_rates_are_judged(rate):
    with pytest.raises((ValueError, TypeError), match="learning_rate"):
        SGD(rate)
    with pytest.raises((ValueError, TypeError), match="learning_rate"):
        Network([5, 3]).fit(np.ones((2, 5)), np.ones((2, 3)), optimizer=SGD(lambda _: rate))


def test_what_float32_cannot_hold_is_refused():
    X = np.ones((9, 4))
    X[6, 2] = 1e39
    for form in (X, np.asfortranarray(X), X[:, ::-1]):
        net = Network([4, 3, 1], dtype="float32")
        with pytest.raises(ValueError, match="X must be finite in float32, but row 6 is not"):
            net.fit(form, np.ones(9))
        Network([4, 3, 1]).fit(form, np.ones(9), optimizer=SGD(0.0))
    with pytest.raises(ValueError, match="sample_weight"):
        net.fit(np.ones((9, 4)), np.ones(9), sample_weight=np.full(9, 1e39))


def test_parameters_that_are_not_finite_are_refused():
    net = Network([4, 3, 1])
    net.parameters["W1"][0, 0] = np.nan
    with pytest.raises(ValueError, match="parameters must be finite"):
        net.fit(np.ones((9, 4)), np.ones(9))


def test_moments_stay_finite():
    X = np.full((8, 2), 1e12, np.float32)
    net = Network([2, 3, 1], "identity", "identity", dtype="float32", rng=0)
    net.fit(X, X[:, 0], optimizer=Adam(0.1), epochs=0)
    with pytest.raises(FloatingPointError, match="diverged in epoch 1"):
        net.fit(X, X[:, 0])
    assert all(np.isfinite(m).all() for m in net._moments)


def test_predict_refuses():
    net = Network([5, 8, 3])
    for X in (np.ones(5), np.ones((2, 4)), np.ones((0, 5))):
        with pytest.raises(ValueError, match="X must"):
            net.predict(X)


# --------------------------------------------------------------------------------------- callbacks


def test_callbacks_and_history():
    X, Y, _ = problem("sigmoid")
    net = Network([5, 8, 3], rng=0)
    states = []

    def callback(state):
        states.append((state.epoch, state.history.costs[-1], state.history.validation_costs[-1]))
        assert state.network is net
        net.predict(X)
        if state.epoch == 3:
            state.stop()

    w = np.arange(23)
    history = net.fit(X, Y, epochs=9, callbacks=[callback], validation_data=(X, Y, w))
    assert [epoch for epoch, _, _ in states] == [1, 2, 3]
    assert [cost for _, cost, _ in states] == history.costs
    assert [cost for _, _, cost in states] == history.validation_costs
    assert history.validation_costs[-1] == net.cost(X, Y, w)
    assert history.times == sorted(history.times)
    assert len(history.times) == 3
    assert net.epochs == 3


def test_a_fit_within_a_fit_is_refused():
    X, Y, _ = problem("sigmoid")
    net = Network([5, 8, 3], rng=0)
    with pytest.raises(RuntimeError, match="is being trained"):
        net.fit(X, Y, callbacks=[lambda state: net.fit(X, Y)])
    net.fit(X, Y)


def test_parameters_are_views():
    net = Network([5, 8, 3], rng=0)
    assert {k: v.shape for k, v in net.parameters.items()} == {
        "W1": (8, 5), "b1": (8, 1), "W2": (3, 8), "b2": (3, 1),
    }  # fmt: skip
    X = np.ones((2, 5))
    net.parameters["W2"][:] = 0
    net.parameters["b2"][:] = np.array([[0.0], [1.0], [-1.0]])
    np.testing.assert_allclose(net.predict(X)[0], reference.expit([0, 1, -1]))
    with pytest.raises(TypeError):
        net.parameters["W1"] = X


def test_the_course_s_functions_read_the_parameters():
    from fastdnn import L_model_forward

    net = Network([5, 8, 4, 1], rng=0)
    scatter_biases(net)
    X, _, _ = problem("sigmoid")
    AL, _ = L_model_forward(X.T, net.parameters)
    np.testing.assert_allclose(AL.T, net.predict(X), rtol=1e-12)


# ---------------------------------------------------------------------- threads, signals, processes


def test_networks_train_at_the_same_time():
    X, Y, _ = problem("sigmoid", m=2000)
    options = {"batch_size": 10, "epochs": 3, "optimizer": Adam()}
    expected = trained(X, Y, **options)
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(trained(X, Y, **options))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    for result in results:
        np.testing.assert_array_equal(result, expected)


def test_a_second_fit_at_once_is_refused_and_the_gil_is_free():
    X, Y, _ = problem("sigmoid", m=50)
    net = Network([5, 8, 3], rng=0)
    inside, done = threading.Event(), threading.Event()

    def callback(state):
        inside.set()
        done.wait(30)

    thread = threading.Thread(target=lambda: net.fit(X, Y, callbacks=[callback]))
    thread.start()
    assert inside.wait(30)
    try:
        with pytest.raises(RuntimeError, match="is being trained"):
            net.fit(X, Y)
        assert net.predict(X).shape == (50, 3)
    finally:
        done.set()
        thread.join()
    net.fit(X, Y)


def test_the_gil_is_released_for_an_epoch():
    # an epoch far longer than the interpreter's switch interval, and a thread that counts meanwhile
    X = np.ones((200_000, 16), np.float32)
    net = Network([16, 64, 1], dtype="float32", rng=0)
    counts, stop = [0], threading.Event()

    def count():
        while not stop.is_set():
            counts[0] += 1
            time.sleep(1e-4)

    thread = threading.Thread(target=count)
    thread.start()
    try:
        before = counts[0]
        net.fit(X, np.ones(len(X)), batch_size=len(X), n_threads=1)
        during = counts[0] - before
    finally:
        stop.set()
        thread.join()
    assert during > 10


@pytest.mark.skipif(sys.platform == "win32", reason="needs a signal to the process itself")
@pytest.mark.parametrize("n_threads", [1, 2])
def test_ctrl_c_ends_the_training_after_a_batch(n_threads):
    X = np.ones((1_000_000, 5), np.float32)
    net = Network([5, 8, 1], dtype="float32", rng=0)
    timer = threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGINT))

    def callback(state):
        if state.epoch == 1:
            timer.start()

    with pytest.raises(KeyboardInterrupt):
        net.fit(
            X, np.zeros(len(X)), batch_size=n_threads, epochs=50, shuffle=False,
            callbacks=[callback], n_threads=n_threads,
        )  # fmt: skip
    timer.join()
    assert net.epochs >= 1
    # amidst an epoch, of about half a second
    assert net._steps % (len(X) // n_threads) != 0
    assert np.isfinite(net._params).all()
    net.fit(X[:100], np.zeros(100))


@pytest.mark.skipif(sys.platform == "win32", reason="needs a signal to the process itself")
def test_ctrl_c_where_most_batches_weigh_nothing():
    X = np.zeros((20_000, 500), np.float32)
    weights = np.zeros(len(X))
    weights[-1] = 1
    for i in range(20):
        net = Network([500, 50, 1], dtype="float32", rng=0)
        timer = threading.Timer(0.02 + i * 1e-3, lambda: os.kill(os.getpid(), signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            net.fit(
                X, weights, sample_weight=weights, batch_size=10, epochs=100_000, shuffle=False,
                n_threads=2,
            )  # fmt: skip
        timer.join()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_fork_after_fit_then_fit_in_the_child():
    code = """
        import os, sys, warnings
        import numpy as np
        from fastdnn.network import Network
        warnings.simplefilter("ignore", DeprecationWarning)  # of fork beside BLAS's threads
        X = np.random.default_rng(0).normal(size=(2000, 300)).astype("float32")
        def run():
            net = Network([300, 256, 64, 1], dtype="float32", rng=0)
            net.fit(X, X[:, 0] > 0, batch_size=500, epochs=2, n_threads=2)
            return net._params
        expected = run()
        child = os.fork()
        if child == 0:
            os._exit(0 if np.allclose(run(), expected, rtol=1e-4, atol=1e-6) else 3)
        _, status = os.waitpid(child, 0)
        sys.exit(os.waitstatus_to_exitcode(status))
    """
    run = subprocess.run(
        [sys.executable, "-P", "-c", textwrap.dedent(code)], timeout=120, check=False
    )
    assert run.returncode == 0


TEAMS = {
    "sgd": {"optimizer": SGD(0.1)},
    "adam, l2, weights": {"optimizer": Adam(0.01), "l2": 0.01, "sample_weight": True},
    "clipped": {"optimizer": SGD(0.1, 0.9, nesterov=True), "clip_norm": 0.1, "l2": 0.01},
    "dropout": {"optimizer": RMSprop(0.01), "dropout": 0.3, "input_dropout": 0.1},
    "shuffled": {"optimizer": AdamW(0.01), "shuffle": True, "validation": True},
    "one step": {"optimizer": Adam(0.01), "batch_size": None},
    "gram": {"optimizer": SGD(0.1, 0.9), "batch_size": None, "first_layer": "gram", "l2": 0.01},
}


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("n_threads", [2, 3, 50])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("options", TEAMS.values(), ids=TEAMS)
def test_a_team_computes_what_one_thread_does(options, order, activation, n_threads, dtype):
    X, Y, _ = problem("softmax", m=47, n_0=5, dtype=dtype)
    options = {"batch_size": 20, "shuffle": False} | options
    X = np.asarray(X, order=order)
    if options.pop("sample_weight", False):
        options["sample_weight"] = np.random.default_rng(1).uniform(size=47)
        options["sample_weight"][20:40] = 0
    if options.pop("validation", False):
        options["validation_data"] = (X, Y)
    found = []
    for n in (1, n_threads):
        net = Network([5, 9, 2, 3], activation, "softmax", dtype=dtype, rng=0)
        history = net.fit(X, Y, epochs=4, n_threads=n, **options)
        found.append((net, history))
    (one, costs), (net, team_costs) = found
    tolerance = 1e-10 if dtype == "float64" else 2e-4
    np.testing.assert_allclose(net._params, one._params, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(team_costs.costs, costs.costs, rtol=tolerance)
    np.testing.assert_allclose(team_costs.validation_costs, costs.validation_costs, rtol=tolerance)
    assert net._steps == one._steps
    np.testing.assert_array_equal(net._rng.integers(9, size=5), one._rng.integers(9, size=5))
    np.testing.assert_allclose(
        net.predict(X, n_threads=n_threads), one.predict(X), rtol=tolerance, atol=tolerance
    )
    np.testing.assert_allclose(net.cost(X, Y, n_threads=n_threads), one.cost(X, Y), rtol=tolerance)


@pytest.mark.parametrize("optimizer", [SGD(0.5), Adam(0.01)], ids=str)
def test_a_team_computes_an_output_of_one_as_one_thread_does(optimizer):
    X, Y, _ = problem("sigmoid", m=150, n_L=1)
    nets = [Network([5, 20, 1], "relu", "sigmoid", rng=0) for _ in range(2)]
    costs = [
        net.fit(X, Y, optimizer=optimizer, batch_size=40, epochs=4, shuffle=False, n_threads=n)
        for n, net in enumerate(nets, 1)
    ]
    np.testing.assert_allclose(nets[1]._params, nets[0]._params, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(costs[1].costs, costs[0].costs, rtol=1e-10)


def test_a_team_is_the_same_to_the_last_bit_each_time():
    X = np.random.default_rng(0).normal(size=(2000, 50)).astype(np.float32)
    params = []
    for _ in range(5):
        net = Network([50, 64, 32, 1], dtype="float32", rng=0)
        net.fit(X, X[:, 0] > 0, optimizer=Adam(), batch_size=100, epochs=5, n_threads=3)
        params.append(net._params)
    for other in params[1:]:
        np.testing.assert_array_equal(other, params[0])


def test_a_team_undoes_an_epoch_that_diverges():
    X = np.random.default_rng(0).normal(size=(200, 5))
    net = Network([5, 8, 1], output_activation="identity", rng=0)
    before = net._params.copy()
    with pytest.raises(FloatingPointError, match="epoch 1"):
        net.fit(X, X[:, 0], optimizer=SGD(1e30), batch_size=20, epochs=3, n_threads=2)
    np.testing.assert_array_equal(net._params, before)
    assert net._steps == 0


# ------------------------------------------------------------------------------------------ memory


def test_python_allocates_nothing_per_step():
    X, Y, _ = problem("sigmoid", m=4000)
    peaks = []
    for batch in (2000, 2):
        net = Network([5, 8, 3], rng=0)
        options = {"optimizer": Adam(), "batch_size": batch, "shuffle": False, "epochs": 2}
        net.fit(X, Y, **options)
        tracemalloc.start()
        net.fit(X, Y, **options)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0], "2000 times the steps, in a smaller workspace"


COUNTER = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
static volatile long count;
long allocations(void) { return count; }
void *malloc(size_t size) {
    static void *(*real)(size_t);
    if (!real) real = dlsym(RTLD_NEXT, "malloc");
    __sync_fetch_and_add(&count, 1);
    return real(size);
}
void *realloc(void *old, size_t size) {
    static void *(*real)(void *, size_t);
    if (!real) real = dlsym(RTLD_NEXT, "realloc");
    __sync_fetch_and_add(&count, 1);
    return real(old, size);
}
"""


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or "asan" in os.environ.get("LD_PRELOAD", ""),
    reason="needs LD_PRELOAD for itself",
)
def test_nothing_is_allocated_per_step_below_python_either(tmp_path):
    source, library = tmp_path / "counter.c", tmp_path / "counter.so"
    source.write_text(COUNTER, encoding="utf-8")
    try:
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs a C compiler")
    code = f"""
        import ctypes, gc
        import numpy as np
        from fastdnn.network import Network
        from fastdnn.optimizers import Adam
        counter = ctypes.CDLL({str(library)!r})
        X = np.random.default_rng(0).normal(size=(4000, 30)).astype("float32")
        Y = (X[:, 0] > 0).astype("float32")
        net = Network([30, 20, 1], dtype="float32", rng=0)
        gc.disable()
        def count(batch):
            before = counter.allocations()
            net.fit(X, Y, batch_size=batch, epochs=1, dropout=0.1, n_threads=1)
            return counter.allocations() - before
        count(2000), count(2)
        print(count(2000), count(2))
    """
    run = subprocess.run(
        [sys.executable, "-P", "-c", textwrap.dedent(code)],
        env={**os.environ, "LD_PRELOAD": str(library), "PYTHONMALLOC": "malloc"},
        capture_output=True, encoding="utf-8", check=True,
    )  # fmt: skip
    few, many = map(int, run.stdout.split())
    assert 0 < few < 2000, "the counter counts"
    assert abs(many - few) < 100, "1998 steps more"
