"""What goes wrong is refused, named, and leaves the network as it was."""

import numpy as np
import pytest
from inside import moments, params
from networks import TYPES, problem

from fastdnn.network import Network
from fastdnn.optimizers import SGD, Adam, AdamW, Cosine, OneCycle, RMSprop, StepDecay


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
        seen.append(params(state.network).copy())

    net = Network([20, units, 1], "relu", "identity", dtype=dtype, rng=0)
    with pytest.raises(FloatingPointError, match="diverged in epoch") as error:
        net.fit(X, Y, optimizer=optimizer, epochs=500, first_layer=form, callbacks=[callback])
    assert f"diverged in epoch {len(seen) + 1}:" in str(error.value)
    assert net.epochs == len(seen) < 500
    assert np.isfinite(params(net)).all()
    np.testing.assert_allclose(params(net), seen[-1], rtol=1e-5)
    net.fit(X, Y, epochs=0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", TYPES)
def test_input_that_is_not_finite_is_refused_with_its_row(dtype, order, value):
    X, Y, _ = problem("sigmoid", m=40)
    X = np.asarray(X, dtype, order=order)
    net = Network([5, 8, 3], rng=0)
    before = params(net).copy()
    for row, col in [(0, 0), (17, 4), (39, 2)]:
        bad = X.copy(order="K")
        bad[39, 4] = np.nan
        bad[row, col] = value
        for form in (bad, np.repeat(bad, 2, axis=1)[:, ::2]):
            with pytest.raises(ValueError, match=f"X must be finite in float64, but row {row} "):
                net.fit(form, Y)
    with pytest.raises(ValueError, match=r"validation_data\[0\] must be finite in float64, "):
        net.fit(X, Y, validation_data=(bad, Y))
    np.testing.assert_array_equal(params(net), before)


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
    "accumulate": [(0, ValueError), (1.5, TypeError)],
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
        ({"rng": True}, TypeError, "rng must be an integer or a list"),
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
    assert all(np.isfinite(m).all() for m in moments(net))


def test_predict_refuses():
    net = Network([5, 8, 3])
    for X in (np.ones(5), np.ones((2, 4)), np.ones((0, 5))):
        with pytest.raises(ValueError, match="X must"):
            net.predict(X)
