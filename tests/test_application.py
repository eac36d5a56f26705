"""The models and predict against plain NumPy and the published runs."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
import reference

from fastdnn.application import L_layer_model, predict, two_layer_model
from fastdnn.images import load_data

ROOT = Path(__file__).resolve().parent.parent
CATVNONCAT = Path(os.environ.get("FASTDNN_DATA", ROOT.parent / "shared" / "data" / "catvnoncat"))
MODELS = [
    pytest.param(two_layer_model, (6, 4, 1), id="two_layer_model"),
    pytest.param(L_layer_model, [6, 5, 4, 1], id="L_layer_model"),
]


@pytest.fixture
def data():
    random = np.random.RandomState(0)
    X = random.rand(6, 11)
    return X, (X.sum(axis=0, keepdims=True) > 3).astype(np.float64)


def course_parameters(model, layers_dims, seed=1):
    random = np.random.RandomState(seed)
    parameters = {}
    for l in range(1, len(layers_dims)):
        n, n_prev = layers_dims[l], layers_dims[l - 1]
        W = random.randn(n, n_prev)
        parameters[f"W{l}"] = W * 0.01 if model is two_layer_model else W / np.sqrt(n_prev)
        parameters[f"b{l}"] = np.zeros((n, 1))
    return parameters


def course_train(X, Y, parameters, learning_rate, num_iterations):
    costs = []
    for i in range(num_iterations):
        AL, caches = reference.L_model_forward(X, parameters)
        if i % 100 == 0:
            costs.append(reference.compute_cost(AL, Y))
        grads = reference.L_model_backward(AL, Y, caches)
        parameters = reference.update_parameters(parameters, grads, learning_rate)
    return parameters, costs


def assert_same(ours, theirs, rtol=0.0):
    assert ours[0].keys() == theirs[0].keys()
    for key, value in theirs[0].items():
        np.testing.assert_allclose(ours[0][key], value, rtol=rtol, atol=rtol)
    np.testing.assert_allclose(ours[1], theirs[1], rtol=rtol, atol=rtol)


# ------------------------------------------------------------------------------------------ models


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(("model", "layers_dims"), MODELS)
def test_model_trains_as_the_course_does(model, layers_dims, order, data):
    X, Y = data
    ours = model(np.asarray(X, order=order), Y, layers_dims, 0.3, 201)
    theirs = course_train(X, Y, course_parameters(model, layers_dims), 0.3, 201)
    assert_same(ours, theirs, 1e-10)
    assert theirs[1][2] < theirs[1][0]


@pytest.mark.parametrize(("model", "layers_dims"), MODELS)
def test_model_draws_the_course_s_digits(model, layers_dims, data):
    np.random.seed(5)
    state = np.random.get_state()[1].copy()
    for rng, seed in ((None, 1), (7, 7), (np.random.RandomState(3), 3)):
        parameters, costs = model(*data, layers_dims, num_iterations=0, rng=rng)
        assert costs == []
        assert_same((parameters, []), (course_parameters(model, layers_dims, seed), []), 1e-15)
    first, again = (
        model(*data, layers_dims, num_iterations=0, rng=np.random.default_rng(2))[0]
        for _ in range(2)
    )
    assert_same((first, []), (again, []))
    assert (np.random.get_state()[1] == state).all()


@pytest.mark.parametrize("n", [2**31, 2**63, 10**30])
def test_a_size_that_is_too_large_is_named_as_the_argument_is(n, data):
    X, Y = data
    for model, rest in ((two_layer_model, [1]), (L_layer_model, [3, 1])):
        with pytest.raises(ValueError, match=r"layers_dims\[1\] must be at most"):
            model(X, Y, [len(X), n, *rest])


@pytest.mark.parametrize(("model", "layers_dims"), MODELS)
def test_costs_are_0d_arrays(model, layers_dims, data):
    for num_iterations, count in ((1, 1), (100, 1), (101, 2), (250, 3)):
        _, costs = model(*data, layers_dims, num_iterations=num_iterations)
        assert isinstance(costs, list)
        assert len(costs) == count
        assert all(isinstance(cost, np.ndarray) and cost.shape == () for cost in costs)


def test_print_cost(data, capsys):
    _, costs = L_layer_model(*data, [6, 3, 1], num_iterations=150)
    assert capsys.readouterr().out == ""
    L_layer_model(*data, [6, 3, 1], num_iterations=150, print_cost=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [f"Cost after iteration {100 * i}: {costs[i]}" for i in range(2)]
    assert re.fullmatch(r"Cost after iteration 149: 0\.\d+", lines[2])
    assert len(lines) == 3
    _, costs = L_layer_model(*data, [6, 3, 1], num_iterations=101, print_cost=True)
    assert len(capsys.readouterr().out.splitlines()) == len(costs) == 2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_saturated_output_stays_finite(dtype):
    X = np.array([[40.0, -40.0, 3.0]]) * np.ones((2, 1))
    Y = np.array([[1, 0, 0]])
    with np.errstate(all="ignore"):
        _, theirs = course_train(X, Y, course_parameters(L_layer_model, [2, 1]), 20.0, 301)
    assert np.isnan(theirs).any()
    parameters, costs = L_layer_model(X.astype(dtype), Y, [2, 1], 20.0, 301)
    assert np.isfinite(costs).all()
    assert all(np.isfinite(value).all() for value in parameters.values())


@pytest.mark.parametrize(("model", "layers_dims"), MODELS)
def test_float32_trains_in_float32(model, layers_dims, data):
    X, Y = data
    double = model(X, Y, layers_dims, 0.1, 101)
    single = model(X.astype(np.float32), Y, layers_dims, 0.1, 101)
    assert {a.dtype for a in [*single[0].values(), *single[1]]} == {np.dtype(np.float32)}
    assert {a.dtype for a in [*double[0].values(), *double[1]]} == {np.dtype(np.float64)}
    assert_same(single, double, 1e-5)
    half = model(X.astype(np.float16), Y, layers_dims, 0.1, 1)
    assert half[1][0].dtype == np.float32


@pytest.mark.parametrize(
    "form",
    [
        lambda Y: Y.ravel(),
        lambda Y: Y.T,
        lambda Y: Y.tolist(),
        lambda Y: Y.astype(int),
        lambda Y: Y.astype(bool),
        lambda Y: Y.astype(">f4"),
        lambda Y: np.repeat(Y, 2, axis=1)[:, ::2],
    ],
    ids=["flat", "column", "list", "int", "bool", "big-endian", "strided"],
)
def test_forms_of_Y(form, data):
    X, Y = data
    assert_same(
        L_layer_model(X, form(Y), [6, 3, 1], 0.1, 3), L_layer_model(X, Y, [6, 3, 1], 0.1, 3)
    )


@pytest.mark.parametrize(
    "form",
    [
        lambda X: X.tolist(),
        lambda X: X.astype(int),
        lambda X: X.astype(">f8"),
        lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    ],
    ids=["list", "int", "big-endian", "strided"],
)
def test_forms_of_X(form, data):
    X, Y = np.floor(9 * data[0]), data[1]
    assert_same(
        L_layer_model(form(X), Y, [6, 3, 1], 0.1, 3), L_layer_model(X, Y, [6, 3, 1], 0.1, 3)
    )


@pytest.mark.parametrize(("model", "layers_dims"), MODELS)
def test_real_valued_Y(model, layers_dims, data):
    X, Y = data[0], np.random.RandomState(4).randn(11)
    theirs = course_train(X, Y[None], course_parameters(model, layers_dims), 0.1, 3)
    assert_same(model(X, Y, layers_dims, 0.1, 3), theirs, 1e-12)


@pytest.mark.parametrize("order", ["C", "F"])
def test_several_outputs(order, data):
    X = np.asarray(data[0], order=order)
    Y = np.random.RandomState(4).randint(0, 2, (2, 11))
    theirs = course_train(X, Y, course_parameters(L_layer_model, [6, 3, 2]), 0.1, 3)
    assert_same(L_layer_model(X, Y, [6, 3, 2], 0.1, 3), theirs, 1e-12)


def test_inputs_are_not_written(data):
    X, Y = data
    kept = X.copy(), Y.copy()
    X.flags.writeable = Y.flags.writeable = False
    layers_dims = [6, 3, 1]
    L_layer_model(X, Y, layers_dims, num_iterations=2)
    np.testing.assert_array_equal(X, kept[0])
    np.testing.assert_array_equal(Y, kept[1])
    assert layers_dims == [6, 3, 1]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_passes_through(value, data):
    X, Y = data
    X[2, 3] = value
    _, costs = L_layer_model(X, Y, [6, 3, 1], num_iterations=101)
    assert np.isnan(costs[1])


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"X": None}, TypeError, "X must"),
        ({"X": np.ones(6)}, ValueError, "X must have 2 dim"),
        ({"X": np.ones((6, 0))}, ValueError, "X must not be empty"),
        ({"X": np.ma.ones((6, 11))}, TypeError, "X is a masked"),
        ({"X": np.ones((6, 11), complex)}, TypeError, "X must"),
        ({"X": np.ones((5, 11))}, ValueError, r"layers_dims begins with 6, .*\(5, 11\)"),
        ({"Y": np.ones(10)}, ValueError, r"Y has shape \(10,\).*\(1, 11\)"),
        ({"Y": "cat"}, TypeError, "Y must"),
        ({"Y": np.ma.ones((1, 11))}, TypeError, "Y is a masked"),
        ({"layers_dims": [6, 3, 2], "Y": np.ones((11, 2))}, ValueError, r"Y has shape \(11, 2\)"),
        ({"layers_dims": [6, 3, 2], "Y": np.ones(22)}, ValueError, r"Y has shape \(22,\)"),
        ({"layers_dims": 6}, TypeError, "layers_dims must be a sequence"),
        ({"layers_dims": [6, 3.0, 1]}, TypeError, "layers_dims must be a sequence of int"),
        ({"layers_dims": [6, 0, 1]}, ValueError, "layers_dims must hold"),
        ({"layers_dims": []}, ValueError, "layers_dims must hold"),
        ({"layers_dims": [6]}, ValueError, "layers_dims must hold"),
        ({"learning_rate": "fast"}, TypeError, "learning_rate"),
        ({"learning_rate": np.ones(2)}, TypeError, "learning_rate"),
        ({"num_iterations": 2.5}, TypeError, "num_iterations must be an integer"),
        ({"num_iterations": -1}, ValueError, "num_iterations must be at least 0"),
        ({"rng": "seed"}, TypeError, "rng"),
    ],
)
@pytest.mark.parametrize("model", [two_layer_model, L_layer_model])
def test_model_refuses(model, change, error, match, data):
    arguments = {"X": data[0], "Y": data[1], "layers_dims": [6, 3, 1], "num_iterations": 1}
    model(**arguments)
    with pytest.raises(error, match=match):
        model(**arguments | change)


@pytest.mark.parametrize("layers_dims", [[6, 1], [6, 3, 2, 1]])
def test_two_layer_model_has_two_layers(layers_dims, data):
    L_layer_model(*data, layers_dims, num_iterations=1)
    with pytest.raises(ValueError, match="layers_dims must hold 3 sizes"):
        two_layer_model(*data, layers_dims, num_iterations=1)


# ----------------------------------------------------------------------------------------- predict


def test_predict(capsys):
    X = np.array([[-1.0, 0.0, 1e-9, 5.0]])
    parameters = {"W1": np.ones((1, 1)), "b1": np.zeros((1, 1))}
    for y in ([0, 0, 0, 1], [[0, 0, 0, 1]], np.array([[0, 0, 0, 1]]), np.array([0.0, 0, 0, 1])):
        p = predict(X, y, parameters)
        assert capsys.readouterr().out == "Accuracy: 0.75\n"
        assert p.dtype == np.float64
        np.testing.assert_array_equal(p, [[0, 0, 1, 1]])
    assert predict(X.astype(np.float32), [0] * 4, parameters).dtype == np.float64


def test_predict_refuses():
    X = np.ones((3, 4))
    one = {"W1": np.ones((1, 3)), "b1": np.ones((1, 1))}
    with pytest.raises(ValueError, match=r"y has shape \(3,\), but X has 4 columns"):
        predict(X, [0] * 3, one)
    with pytest.raises(TypeError, match="y must"):
        predict(X, list("abcd"), one)


# ---------------------------------------------------------------------------------- published runs


@pytest.mark.skipif(
    not (CATVNONCAT / "train_catvnoncat.h5").is_file(),
    reason="the course's photographs are not in the folder that FASTDNN_DATA names",
)
@pytest.mark.parametrize(
    ("model", "layers_dims", "published", "train_right", "test_right"),
    [
        pytest.param(
            two_layer_model,
            (12288, 7, 1),
            {0: 0.693049735659989, 1: 0.6464320953428849, 10: 0.3394281538366413}
            | {24: 0.048554785628770226},
            209,
            36,
            id="two_layer_model",
        ),
        pytest.param(
            L_layer_model,
            [12288, 20, 7, 5, 1],
            {0: 0.7717493284237686, 1: 0.6720534400822914, 10: 0.3151869888600617}
            | {24: 0.09287821526472397},
            206,
            40,
            id="L_layer_model",
        ),
    ],
)
def test_published_run(model, layers_dims, published, train_right, test_right, capsys):
    train_x_orig, train_y, test_x_orig, test_y, _ = load_data(CATVNONCAT)
    train_x, test_x = (x.reshape(len(x), -1).T / 255.0 for x in (train_x_orig, test_x_orig))
    parameters, costs = model(train_x, train_y, layers_dims, 0.0075, 2500)
    assert len(costs) == 25
    for hundreds, cost in published.items():
        assert abs(costs[hundreds] - cost) < 1e-8
    assert np.sum(predict(train_x, train_y, parameters) == train_y) == train_right
    assert np.sum(predict(test_x, test_y, parameters) == test_y) == test_right
    printed = [float(word) for word in re.findall(r"Accuracy: (\S+)", capsys.readouterr().out)]
    assert printed == [train_right / 209, test_right / 50]
