"""A scale of the inputs, rates that differ by parameter, and rates of each step: beside NumPy."""

import pickle
from copy import copy
from pathlib import Path

import numpy as np
import pytest
import reference_network as reference
import scipy.sparse
from inside import moments, params
from networks import problem

import fastdnn
from fastdnn import SGD, Adam, AdamW, CosLog, NAdam, Network, RMSprop, fit_many
from fastdnn.callbacks import EarlyStopping

TYPES = ["float32", "float64"]
DIMS = [5, 8, 6, 3]
FACTORS = {"W": 1.0, "b": 0.1, "scale": 6.0, "W2": 0.5}


def scaled(dims=DIMS, hidden="mish", output="softmax", **options):
    options = {"parametrization": "ntk", "input_scale": True, "init_bias": 1.0} | options
    return Network(dims, hidden, output, **{"rng": 0} | options)


def fit(net, X, Y, **options):
    options = {"epochs": 3, "batch_size": 7, "rate_factors": FACTORS, "n_threads": 1} | options
    return net.fit(X, Y, **{"optimizer": Adam(0.05)} | options)


def oracle(net, X, T, optimizer, epochs, batch, factors, l2=0.0, clip_norm=None):
    """Train in plain NumPy: s, V and the others as lists, of which V is W / sqrt(n_prev)."""
    L = len(net.layer_dims) - 1
    s = net.parameters["scale"].ravel().copy()
    V = [net.parameters[f"W{l}"].T.copy() for l in range(1, L + 1)]
    b = [net.parameters[f"b{l}"].ravel().copy() for l in range(1, L + 1)]
    owned = [s, *V, *b]
    names = ["scale", *(f"W{l}" for l in range(1, L + 1)), *(f"b{l}" for l in range(1, L + 1))]
    kinds = ["scale", *"W" * L, *"b" * L]
    linear = isinstance(optimizer, SGD)
    roots = [np.sqrt(len(P)) if kind == "W" else 1.0 for P, kind in zip(owned, kinds, strict=True)]
    given = [factors.get(n, factors.get(k, 1.0)) for n, k in zip(names, kinds, strict=True)]
    m, v, t = [np.zeros_like(P) for P in owned], [np.zeros_like(P) for P in owned], 0
    rate, costs = optimizer.learning_rate, []
    n_batches = -(-len(X) // batch)
    for epoch in range(epochs):
        total = 0.0
        for k in range(n_batches):
            rows = slice(k * batch, (k + 1) * batch)
            W = [s[:, None] * V[0], *V[1:]]
            cost, dW, db = reference.gradient(
                W, b, net._model.activations, net._model.output, net._model.cost, 0.0,
                X[rows], T[rows], l2=l2,
            )  # fmt: skip
            total += cost * len(X[rows])
            grads = [(V[0] * dW[0]).sum(axis=1), s[:, None] * dW[0], *dW[1:], *db]
            if clip_norm is not None:
                norm = np.sqrt(sum((g * g).sum() for g in grads))
                grads = [g * min(1.0, clip_norm / norm) for g in grads]
            t += 1
            now = rate(epoch + k / n_batches) if callable(rate) else rate
            for P, g, m1, m2, root, factor in zip(owned, grads, m, v, roots, given, strict=True):
                if linear:
                    m1[...] = optimizer.momentum * m1 + g
                    P -= now * factor / root**2 * m1
                    continue
                m1[...] = optimizer.beta1 * m1 + (1 - optimizer.beta1) * g
                m2[...] = optimizer.beta2 * m2 + (1 - optimizer.beta2) * g * g
                P -= now * factor * getattr(optimizer, "weight_decay", 0.0) * P
                P -= now * factor / root * (m1 / (1 - optimizer.beta1**t)) / (
                    np.sqrt(m2 / (1 - optimizer.beta2**t)) + optimizer.epsilon * root
                )  # fmt: skip
        costs.append(total / len(X))
    return costs, s, V, b


CASES = {
    "adam": (Adam(0.05, epsilon=1e-3), {}),
    "a rate for each step": (Adam(CosLog(0.1, 3)), {}),
    "decay": (AdamW(0.05, weight_decay=0.1), {}),
    "sgd": (SGD(0.5), {}),
    "momentum": (SGD(0.2, 0.9), {}),
    "l2": (Adam(0.05), {"l2": 0.1}),
    "whole": (Adam(0.05), {"clip_norm": 0.05, "l2": 0.1}),
    "whole sgd": (SGD(0.5), {"clip_norm": 0.05}),
}


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("case", CASES)
def test_beside_numpy(case, dtype):
    X, Y, T = problem("softmax", dtype=dtype)
    optimizer, options = CASES[case]
    net, rtol = scaled(dtype=dtype), 1e-4 if dtype == "float32" else 1e-10
    costs, s, V, b = oracle(net, X, T, optimizer, 3, 7, FACTORS, **options)
    history = fit(net, X, Y, optimizer=optimizer, shuffle=False, **options)
    np.testing.assert_allclose(history.costs, costs, rtol=rtol)
    P = net.parameters
    np.testing.assert_allclose(P["scale"].ravel(), s, rtol=rtol)
    np.testing.assert_allclose(P["V1"].T, V[0], rtol=rtol, atol=rtol)
    np.testing.assert_array_equal(P["W1"], P["V1"] * P["scale"].T)
    for l in range(2, 4):
        np.testing.assert_allclose(P[f"W{l}"].T, V[l - 1], rtol=rtol, atol=rtol)
    for l in range(1, 4):
        np.testing.assert_allclose(P[f"b{l}"].ravel(), b[l - 1], rtol=rtol, atol=rtol)


@pytest.mark.parametrize("dims", [[5, 40, 1], [5, 1]])
@pytest.mark.parametrize("optimizer", [SGD(0.5), Adam(0.05)])
def test_beside_numpy_with_one_output(optimizer, dims):
    X, Y, T = problem("sigmoid", 60, n_L=1)
    net = scaled(dims, "relu", "sigmoid")
    costs, s, V, _ = oracle(net, X, T, optimizer, 3, 50, FACTORS | {"W2": 1.0})
    factors = {"rate_factors": {"b": 0.1, "scale": 6.0}}
    history = fit(net, X, Y, optimizer=optimizer, shuffle=False, batch_size=50, **factors)
    np.testing.assert_allclose(history.costs, costs, rtol=1e-10)
    np.testing.assert_allclose(net.parameters["scale"].ravel(), s, rtol=1e-10)
    np.testing.assert_allclose(net.parameters["V1"].T, V[0], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("optimizer", [SGD(0.1), RMSprop(0.01), NAdam(0.01)])
def test_factors_of_one_change_nothing(optimizer, dtype):
    X, Y, _ = problem("softmax", dtype=dtype)
    plain, factored = (Network(DIMS, "tanh", "softmax", dtype=dtype, rng=0) for _ in range(2))
    options = {"optimizer": optimizer, "batch_size": 7, "epochs": 2}
    for more in {}, {"clip_norm": 0.1}:
        plain.fit(X, Y, **options, **more)
        factored.fit(X, Y, **options, rate_factors={"W": 1, "b": True}, **more)
        np.testing.assert_array_equal(params(plain), params(factored))


@pytest.mark.parametrize("clip_norm", [None, 0.1])
def test_a_rate_of_zero_freezes(clip_norm):
    X, Y, _ = problem("softmax")
    net = scaled(parametrization="standard")
    before = {name: P.copy() for name, P in net.parameters.items()}
    frozen = {"W2": 0, "b": 0, "b3": 1, "scale": 0}
    fit(net, X, Y, rate_factors=frozen, clip_norm=clip_norm)
    same = {name for name, P in net.parameters.items() if np.array_equal(P, before[name])}
    assert same == {"W2", "b1", "b2", "scale"}


def test_no_epsilon_has_no_factors():
    X, Y, _ = problem("softmax")
    for optimizer in SGD(0.1), SGD(0.1, momentum=0.9):
        net = scaled()
        before = params(net).copy()
        with pytest.raises(ValueError, match="epsilon_factors needs an optimizer .* got SGD"):
            net.fit(X, Y, optimizer=optimizer, epsilon_factors={"W": 2})
        np.testing.assert_array_equal(params(net), before)
        net.fit(X, Y, optimizer=optimizer, epsilon_factors={})
    for optimizer in RMSprop(0.1), AdamW(0.1), NAdam(0.1):
        net.fit(X, Y, optimizer=optimizer, epsilon_factors={"W": 2})


def test_an_epsilon_of_its_own():
    X, Y, _ = problem("softmax")
    one, other = (Network(DIMS, "tanh", "softmax", rng=0) for _ in range(2))
    one.fit(X, Y, optimizer=Adam(0.01, epsilon=1e-3), epsilon_factors={"W": 10, "b": 10}, epochs=2)
    other.fit(X, Y, optimizer=Adam(0.01, epsilon=1e-2), epochs=2)
    np.testing.assert_allclose(params(one), params(other), rtol=1e-12)


def test_the_gradient_is_that_of_finite_differences():
    X, Y, _ = problem("softmax")
    net = scaled()
    fit(net, X, Y)
    before = params(net).copy()
    assert net.check_grad(X, Y, l2=0.1) < 1e-6
    np.testing.assert_array_equal(params(net), before)


# --------------------------------------------------------------------------- the same bits, always


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("n_threads", [2, 5])
@pytest.mark.parametrize("options", [{}, {"clip_norm": 0.1}, {"l2": 0.1, "accumulate": 2}])
def test_any_number_of_threads(options, n_threads, dtype):
    X, Y, _ = problem("softmax", 600, 70, dtype=dtype)
    options = {"batch_size": 200, "optimizer": Adam(CosLog(0.1, 3))} | options
    one, several = (scaled([70, 80, 3], dtype=dtype) for _ in range(2))
    fit(one, X, Y, **options)
    fit(several, X, Y, **options | {"n_threads": n_threads})
    np.testing.assert_array_equal(params(one), params(several))


@pytest.mark.parametrize("epochs", [1, 2])
def test_it_goes_on_exactly(epochs, tmp_path):
    X, Y, _ = problem("softmax")
    optimizer = Adam(CosLog(0.1, 4))
    whole = scaled(dtype="float32")
    fit(whole, X, Y, optimizer=optimizer, epochs=4)
    for way in "fit", "pickle", "file", "state":
        net = scaled(dtype="float32")
        fit(net, X, Y, optimizer=optimizer, epochs=epochs)
        if way == "pickle":
            net = pickle.loads(pickle.dumps(net))
        elif way == "file":
            net.save(tmp_path / "net", training_state=True)
            net = Network.load(tmp_path / "net")
        elif way == "state":
            state, net = net.state_dict(), scaled(dtype="float32", rng=1)
            net.load_state_dict(state)
        fit(net, X, Y, optimizer=None, epochs=4 - epochs)
        np.testing.assert_array_equal(params(net), params(whole))
        for a, b in zip(moments(net), moments(whole), strict=True):
            np.testing.assert_array_equal(a, b)


def test_watched_or_not():
    X, Y, _ = problem("softmax")
    one, other = scaled(), scaled()
    asked = {"optimizer": Adam(CosLog(0.1, 3))}
    a = fit(one, X, Y, **asked)
    b = fit(other, X, Y, **asked, callbacks=[lambda state: None])
    assert a.costs == b.costs
    np.testing.assert_array_equal(params(one), params(other))


def test_blocks():
    X, Y, _ = problem("softmax")
    for asked in {}, {"optimizer": Adam(CosLog(0.1, 3))}:
        one, other = scaled(), scaled()
        fit(one, X, Y, shuffle=False, **asked)
        fit(other, X, Y, shuffle=False, block_bytes=8 * 5 * 14, **asked)
        np.testing.assert_array_equal(params(one), params(other))
    # a sequence of blocks, each of them an equal part of the epoch
    net = scaled()
    history = fit(net, [(X[:9], Y[:9]), (X[9:], Y[9:])], None, optimizer=Adam(CosLog(0.1, 3)))
    assert np.isfinite(history.costs).all()


def test_sparse_examples():
    X, Y, _ = problem("softmax", 40, 30)
    X[X < 1] = 0
    for options in {}, {"l2": 0.1}, {"optimizer": SGD(0.5)}, {"clip_norm": 0.1}:
        dense, sparse = scaled([30, 20, 3]), scaled([30, 20, 3])
        fit(dense, X, Y, **options)
        fit(sparse, scipy.sparse.csr_array(X), Y, **options)
        np.testing.assert_allclose(params(sparse), params(dense), rtol=1e-9, atol=1e-12)


def test_many_networks():
    X, Y, _ = problem("softmax")
    nets, options = [scaled(rng=i) for i in range(3)], {"optimizer": Adam(CosLog(0.1, 3))}
    options |= {"epochs": 3, "batch_size": 7, "rate_factors": FACTORS}
    fit_many(nets, X, Y, **options)
    for i, net in enumerate(nets):
        alone = scaled(rng=i)
        alone.fit(X, Y, **options)
        np.testing.assert_array_equal(params(net), params(alone))


# ---------------------------------------------------------------------------------- written to, out


def test_what_is_written_to_W1_counts():
    X, Y, _ = problem("softmax")
    net, other = scaled(), scaled()
    fit(net, X, Y)
    weights = {name: P.copy() for name, P in net.parameters.items() if name not in ("scale", "V1")}
    weights["W1"] *= 2
    for name, P in weights.items():
        net.parameters[name][...] = other.parameters[name][...] = P
    expected = net.cost(X, Y)
    net.load_state_dict(other.state_dict() | {"params": params(net).copy()})
    a = fit(net, X, Y, batch_size=None)
    b = fit(other, X, Y, batch_size=None)
    np.testing.assert_allclose(a.costs[0], expected)
    assert a.costs == b.costs
    np.testing.assert_array_equal(params(net), params(other))


@pytest.mark.parametrize("way", ["new", "fitted", "pickle", "copy", "state", "file", "mmap"])
def test_what_W1_is_made_of_is_for_reading(way, tmp_path):
    X, Y, _ = problem("softmax")
    net = scaled()
    if way != "new":
        fit(net, X, Y)
    if way == "pickle":
        net = pickle.loads(pickle.dumps(net))
    elif way == "copy":
        net = copy(net)
    elif way == "state":
        state, net = net.state_dict(), scaled(rng=1)
        net.load_state_dict(state)
    elif way in ("file", "mmap"):
        net.save(tmp_path / "net")
        net = Network.load(tmp_path / "net", mmap=way == "mmap")
    before = params(net).copy()
    views = net.parameters
    for name in "scale", "V1":
        with pytest.raises(ValueError, match="read-only"):
            views[name][...] = 2
    np.testing.assert_array_equal(params(net), before)
    if way != "mmap":
        views["W1"][...] = views["b1"][...] = 2
        fit(net, X, Y)
        # the engine writes, and the views that were taken before show it
        np.testing.assert_array_equal(views["W1"], views["V1"] * views["scale"].T)
        assert (views["scale"] != 1).all()
        assert not views["scale"].flags.writeable


def test_a_callback_leaves_all_three():
    X, Y, _ = problem("softmax")
    net, seen = scaled(), []
    stopping = EarlyStopping(patience=2, monitor=lambda state: abs(state.epoch - 2))
    watching = [stopping, lambda state: seen.append(params(net).copy())]
    fit(net, X, Y, callbacks=watching, epochs=9)
    assert len(seen) == 4
    np.testing.assert_array_equal(params(net), seen[1])


def test_a_callback_that_writes_to_W1_is_heard():
    X, Y, _ = problem("softmax")

    def halve(state):
        state.network.parameters["W1"][...] /= 2

    net = scaled()
    fit(net, X, Y, callbacks=[halve], optimizer=Adam(1e-12), epochs=4, batch_size=None)
    first = scaled().parameters["W1"]
    np.testing.assert_allclose(net.parameters["W1"], first / 16, rtol=1e-6)


def test_a_prediction_needs_the_folded_weights_alone(tmp_path):
    X, Y, _ = problem("softmax")
    net = scaled()
    fit(net, X, Y)
    plain = Network(DIMS, "mish", "softmax")
    for name, P in plain.parameters.items():
        P[...] = net.parameters[name]
    np.testing.assert_array_equal(net.predict(X), plain.predict(X))
    np.testing.assert_array_equal(net.gradient(X), plain.gradient(X))
    for name, one in ("net", net), ("plain", plain):
        fastdnn.to_c(one, tmp_path / name)
    assert (tmp_path / "net").read_bytes() == (tmp_path / "plain").read_bytes()


def test_onnx_has_the_folded_weights_alone(tmp_path):
    pytest.importorskip("onnx")
    net = scaled()
    graph = fastdnn.to_onnx(net).graph
    assert {tuple(one.dims) for one in graph.initializer} >= {(5, 8), (8, 6), (6, 3)}
    assert not any("scale" in one.name or "V1" in one.name for one in graph.initializer)


def test_a_file_holds_it_all(tmp_path: Path):
    X, Y, _ = problem("softmax")
    net = scaled()
    fit(net, X, Y)
    net.save(tmp_path / "net")
    for options in {}, {"mmap": True}:
        again = fastdnn.load(tmp_path / "net", **options)
        for name, P in net.parameters.items():
            np.testing.assert_array_equal(again.parameters[name], P)
        np.testing.assert_array_equal(again.predict(X), net.predict(X))


def test_a_divergence_is_undone():
    X, Y, _ = problem("softmax")
    net = scaled()
    fit(net, X, Y)
    before = params(net).copy()
    with pytest.raises(FloatingPointError):
        fit(net, X, Y, optimizer=SGD(1e300))
    np.testing.assert_array_equal(params(net), before)


# ------------------------------------------------------------------------------------------ refused


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"rate_factors": {"w": 1}}, ValueError, "rate_factors must have names"),
        ({"rate_factors": {"W4": 1}}, ValueError, "rate_factors must have names"),
        ({"rate_factors": {"W": -1}}, ValueError, r"rate_factors\['W'\]"),
        ({"epsilon_factors": {"b": "1"}}, TypeError, r"epsilon_factors\['b'\]"),
        ({"epsilon_factors": 2}, TypeError, "epsilon_factors must be a dict"),
        ({"first_layer": "gram", "optimizer": SGD()}, ValueError, "first_layer='gram' needs"),
    ],
)
def test_what_is_refused(options, kind, message):
    X, Y, _ = problem("softmax")
    net = scaled()
    before = params(net).copy()
    with pytest.raises(kind, match=message):
        net.fit(X, Y, **options)
    np.testing.assert_array_equal(params(net), before)


def test_a_network_without_a_scale_has_no_rate_of_it():
    X, Y, _ = problem("softmax")
    for name in "rate_factors", "epsilon_factors":
        net = Network(DIMS, output_activation="softmax")
        with pytest.raises(ValueError, match=rf"{name}\['scale'\] needs .* input_scale=True"):
            net.fit(X, Y, **{name: {"scale": 6.0}})
    for options, name in (
        ({"input_scale": 1}, "input_scale"),
        ({"parametrization": "mup"}, "param"),
    ):
        with pytest.raises((TypeError, ValueError), match=name):
            Network(DIMS, **options)


# ------------------------------------------------------------------------------- rates of each step


def test_cos_log_has_waves():
    rate = CosLog(2.0, 16)
    zeros = [0, 16 / 15, 16 * 3 / 15, 16 * 7 / 15, 16, 20]
    np.testing.assert_allclose([rate(t) for t in zeros], 0, atol=1e-12)
    ones = [16 * (2 ** (j + 0.5) - 1) / 15 for j in range(4)]
    np.testing.assert_allclose([rate(t) for t in ones], 2.0)
    half = CosLog(2.0, 16.5, 1.5)
    np.testing.assert_allclose([half(t) for t in (16.5, 17, 100)], 2.0)


def test_a_function_of_the_user_s_can_be_asked_before_each_step():
    X, Y, _ = problem("softmax")
    asked = []

    class Half:
        every_step = True

        def __call__(self, epoch):
            asked.append(epoch)
            return 0.01

    net, other = (Network(DIMS, output_activation="softmax", rng=0) for _ in range(2))
    net.fit(X, Y, optimizer=Adam(Half()), batch_size=10, epochs=2)
    other.fit(X, Y, optimizer=Adam(0.01), batch_size=10, epochs=2)
    np.testing.assert_allclose(asked, np.arange(6) / 3)
    np.testing.assert_array_equal(params(net), params(other))
    Half.__call__ = lambda self, epoch: -1.0
    with pytest.raises(ValueError, match="learning_rate"):
        net.fit(X, Y, optimizer=Adam(Half()), batch_size=10)
