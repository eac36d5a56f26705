"""Gradients against finite differences: what is right passes, what is wrong is found."""

import numpy as np
import pytest

from fastdnn import L_model_backward, L_model_forward
from fastdnn.course2 import gradient_check, gradient_check_n

ACTIVATIONS = [
    *("relu", "sigmoid", "tanh", "leaky_relu", "linear", "elu", "selu", "gelu", "silu"),
    *("softplus", "mish"),
]


def drawn(sizes=(5, 4, 3, 3), output="sigmoid", m=7, seed=0):
    random = np.random.RandomState(seed)
    parameters = {}
    for l in range(1, len(sizes)):
        parameters[f"W{l}"] = random.randn(sizes[l], sizes[l - 1]) * 0.7
        parameters[f"b{l}"] = random.randn(sizes[l], 1) * 0.1
    X, classes = random.randn(sizes[0], m), random.randint(0, sizes[-1], m)
    Y = np.eye(sizes[-1])[classes].T if output == "softmax" else random.rand(sizes[-1], m)
    return X, Y, parameters


# ------------------------------------------------------------------------------------ what is right


@pytest.mark.parametrize("keep_prob", [1.0, 0.6, [0.5, 1]])
@pytest.mark.parametrize("lambd", [0.0, 0.7])
@pytest.mark.parametrize("output", ["sigmoid", "softmax", "identity"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_gradient_is_right(activation, output, lambd, keep_prob):
    X, Y, parameters = drawn(output=output)
    given = {"lambd": lambd, "keep_prob": keep_prob, "output_activation": output, "rng": 3}
    difference = gradient_check(parameters, X, Y, activation=activation, **given)
    assert type(difference) is np.float64
    assert 0 < difference < 1e-7
    # the scale is the gradients' own: with another cost they would be wrong
    other = gradient_check(parameters, X, Y, activation=activation, **given | {"lambd": 2.0})
    assert 0 < other < 1e-7


@pytest.mark.parametrize("sizes", [(4, 1), (3, 2, 1), (2, 2, 2, 2, 2, 1)])
def test_any_depth(sizes):
    X, Y, parameters = drawn(sizes)
    assert gradient_check(parameters, X, Y, activation="tanh") < 1e-7
    grads = L_model_backward(*_forward(X, Y, parameters, activation="tanh"), activation="tanh")
    difference = gradient_check_n(parameters, grads, X, Y, 1e-5, activation="tanh")
    assert type(difference) is np.float64
    assert difference < 1e-7


def _forward(X, Y, parameters, **given):
    AL, caches = L_model_forward(X, parameters, **given)
    return AL, Y, caches


def test_an_activation_for_each_layer():
    X, Y, parameters = drawn()
    pair = np.sin, lambda dA, Z: dA * np.cos(Z)
    for activation in (["tanh", "mish"], ["softplus", pair], pair):
        assert gradient_check(parameters, X, Y, activation=activation, keep_prob=0.8) < 1e-7


@pytest.mark.parametrize("dtype", [np.float32, np.int64, ">f8"])
def test_all_is_computed_in_double(dtype):
    X, Y, parameters = drawn()
    X, parameters = np.round(3 * X), {key: np.round(3 * a) / 8 for key, a in parameters.items()}
    expected = gradient_check(parameters, X, Y, activation="tanh")
    if dtype is not np.int64:
        parameters = {key: array.astype(dtype) for key, array in parameters.items()}
    given = gradient_check(parameters, X.astype(dtype), Y, activation="tanh")
    np.testing.assert_allclose(given, expected, rtol=1e-6)


def test_labels_may_be_flat():
    X, _, parameters = drawn((4, 5, 3, 1), m=3)
    Y = np.array([1, 1, 0])
    grads = L_model_backward(*_forward(X, Y, parameters))
    assert gradient_check_n(parameters, grads, X, Y, 1e-5) < 1e-7
    assert gradient_check(parameters, X, Y) < 1e-7


def test_a_gradient_of_zeros_is_right():
    parameters = {"W1": np.zeros((1, 2)), "b1": np.zeros((1, 1))}
    given = {"output_activation": "identity"}
    assert gradient_check(parameters, np.ones((2, 3)), np.zeros(3), **given) == 0


# ------------------------------------------------------------------------------------ what is wrong


def test_a_wrong_gradient_is_found():
    X, Y, parameters = drawn()
    grads = L_model_backward(*_forward(X, Y, parameters))
    assert gradient_check(parameters, X, Y, grads=grads) < 1e-7
    for key in ("dW1", "db1", "dW2", "db2", "dW3", "db3"):
        wrong = {**grads, key: 2 * grads[key]}
        assert gradient_check(parameters, X, Y, grads=wrong) > 1e-2
        assert gradient_check_n(parameters, wrong, X, Y) > 1e-2
        wrong[key] = grads[key].copy()
        wrong[key].flat[-1] += 1e-3
        assert gradient_check(parameters, X, Y, grads=wrong) > 1e-5
    # of another cost
    given = {"lambd": 0.1}
    assert gradient_check(parameters, X, Y, grads=grads, **given) > 1e-3
    assert gradient_check_n(parameters, grads, X, Y, **given) > 1e-3
    # of other masks
    forward = _forward(X, Y, parameters, keep_prob=0.5, rng=1)
    grads = L_model_backward(*forward, 0.0, 0.5)
    assert gradient_check(parameters, X, Y, grads=grads, keep_prob=0.5, rng=1) < 1e-7
    assert gradient_check(parameters, X, Y, grads=grads, keep_prob=0.5, rng=2) > 1e-2


def test_a_wrong_derivative_of_one_s_own_is_found():
    X, Y, parameters = drawn()
    wrong = np.sin, lambda dA, Z: dA * np.sin(Z)
    assert gradient_check(parameters, X, Y, activation=wrong) > 1e-2


def test_what_is_not_finite_is_no_match():
    X, Y, parameters = drawn()
    parameters["W3"] = parameters["W3"] * 1e4
    with np.errstate(all="ignore"):
        assert not gradient_check(parameters, X, Y) < 1e-7
        parameters["W3"] = parameters["W3"] * 1e300
        assert not gradient_check(parameters, X, Y, lambd=0.7) < 1e-7


def test_the_course_s_numbers():
    random = np.random.RandomState(1)
    X, Y = random.randn(4, 3), np.array([1, 1, 0])
    shapes = {"W1": (5, 4), "b1": (5, 1), "W2": (3, 5), "b2": (3, 1), "W3": (1, 3), "b3": (1, 1)}
    parameters = {key: random.randn(*shape) for key, shape in shapes.items()}
    grads = L_model_backward(*_forward(X, Y, parameters))
    # the published 1.19e-07 is rounding; the wrong backward's 0.2850931567761623 is not
    assert 1e-9 < gradient_check_n(parameters, grads, X, Y) < 2e-7
    wrong = {**grads, "dW2": 2 * grads["dW2"], "db1": 4 * grads["db1"]}
    difference = gradient_check_n(parameters, wrong, X, Y)
    np.testing.assert_allclose(difference, 0.2850931567761623, rtol=1e-6)


def test_the_course_s_message(capsys):
    X, Y, parameters = drawn()
    grads = L_model_backward(*_forward(X, Y, parameters))
    difference = gradient_check_n(parameters, grads, X, Y, 1e-5)
    assert capsys.readouterr().out == ""
    gradient_check_n(parameters, grads, X, Y, 1e-5, True)
    text = "Your backward propagation works perfectly fine! difference = "
    assert capsys.readouterr().out == f"\033[92m{text}{difference}\033[0m\n"
    wrong = {**grads, "db1": 2 * grads["db1"]}
    difference = gradient_check_n(parameters, wrong, X, Y, print_msg=True)
    text = "There is a mistake in the backward propagation! difference = "
    assert capsys.readouterr().out == f"\033[93m{text}{difference}\033[0m\n"


def test_nothing_of_the_caller_s_is_written():
    X, Y, parameters = drawn()
    grads = L_model_backward(*_forward(X, Y, parameters))
    held = [X, Y, *parameters.values(), *grads.values()]
    before = [array.copy() for array in held]
    for array in held:
        array.flags.writeable = False
    np.random.seed(3)
    state = np.random.get_state()[1].copy()
    gradient_check(parameters, X, Y, grads=grads)
    gradient_check(parameters, X, Y, keep_prob=0.5)
    gradient_check_n(parameters, grads, X, Y)
    for array, copied in zip(held, before, strict=True):
        np.testing.assert_array_equal(array, copied)
    assert (np.random.get_state()[1] == state).all()


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"epsilon": 0}, ValueError, "epsilon must be above 0"),
        ({"epsilon": np.nan}, ValueError, "epsilon must be above 0"),
        ({"lambd": -1}, ValueError, "lambd must be at least 0"),
        ({"activation": "swish"}, ValueError, "activation must be one of"),
        ({"output_activation": "relu"}, ValueError, "output_activation must be one of"),
        ({"output_activation": "softmax"}, ValueError, "Y must hold one-hot columns"),
        ({"parameters": {"W1": np.ones((3, 5))}}, ValueError, "parameters"),
        ({"parameters": [1, 2]}, TypeError, "parameters must be a dict"),
        ({"X": np.ones((4, 7))}, ValueError, "W1 has shape"),
        ({"Y": np.ones(6)}, ValueError, "Y has shape"),
        ({"grads": {"dW1": np.ones((4, 5))}}, ValueError, "gradients has no 'db1'"),
        ({"grads": {"dW1": np.ones((5, 4))}}, ValueError, r"dW1 has shape \(5, 4\), but W1"),
        ({"keep_prob": 0}, ValueError, "keep_prob must be above 0"),
    ],
)
def test_refuses(change, error, match):
    X, Y, parameters = drawn()
    arguments = {"parameters": parameters, "X": X, "Y": Y} | change
    with pytest.raises(error, match=match):
        gradient_check(**arguments)
    if "keep_prob" not in change:
        gradients = arguments.pop("grads", None) or L_model_backward(*_forward(X, Y, parameters))
        with pytest.raises(error, match=match):
            gradient_check_n(gradients=gradients, **arguments)
