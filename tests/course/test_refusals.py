"""What the course's functions refuse, by name; and activations that are the caller's functions."""

import numpy as np
import pytest
from layers import TANH, TYPES, draw, problem

import fastdnn


@pytest.fixture(name="step")
def step_fixture():
    X, Y, parameters = problem((5, 6, 4, 3), 7)
    AL, caches = fastdnn.L_model_forward(X, parameters)
    return X, Y, parameters, AL, caches


@pytest.mark.parametrize(
    "name", ["swish", None, 3, np.tanh, (np.tanh,), (np.tanh, "relu"), ("relu",)]
)
def test_an_unknown_activation(step, name):
    X, Y, parameters, AL, caches = step
    W, b = parameters["W1"], parameters["b1"]
    for call in (
        lambda: fastdnn.linear_activation_forward(X, W, b, name),
        lambda: fastdnn.linear_activation_backward(caches[0][1], caches[0], name),
        lambda: fastdnn.L_model_forward(X, parameters, activation=name),
        lambda: fastdnn.L_model_backward(AL, Y, caches, activation=["relu", name]),
    ):
        with pytest.raises(ValueError, match="activation must be one"):
            call()


@pytest.mark.parametrize("name", ["relu", "exp", None, 3, TANH, ["sigmoid"]])
def test_an_unknown_activation_of_the_output(step, name):
    X, Y, parameters, AL, caches = step
    for call in (
        lambda: fastdnn.L_model_forward(X, parameters, output_activation=name),
        lambda: fastdnn.compute_cost(AL, Y, output_activation=name),
        lambda: fastdnn.L_model_backward(AL, Y, caches, output_activation=name),
        lambda: fastdnn.predict(X, Y, parameters, output_activation=name),
    ):
        with pytest.raises(ValueError, match="output_activation must be one of"):
            call()


def test_one_activation_for_each_hidden_layer(step):
    X, Y, parameters, AL, caches = step
    for names in (["relu"], ["relu"] * 3, [], ("tanh", "relu", "relu")):
        with pytest.raises(ValueError, match="activation must be one value, or one for each of 2"):
            fastdnn.L_model_forward(X, parameters, activation=names)
        with pytest.raises(ValueError, match="activation must be one value, or one for each of 2"):
            fastdnn.L_model_backward(AL, Y, caches, activation=names)


@pytest.mark.parametrize(
    ("lambd", "error"),
    [(-1, ValueError), (np.nan, ValueError), (np.inf, ValueError), ("", TypeError)],
)
def test_a_wrong_lambd(step, lambd, error):
    _, Y, parameters, AL, caches = step
    for call in (
        lambda: fastdnn.compute_cost(AL, Y, parameters, lambd),
        lambda: fastdnn.linear_backward(caches[0][1], caches[0][0], lambd),
        lambda: fastdnn.linear_activation_backward(caches[0][1], caches[0], "relu", lambd),
        lambda: fastdnn.L_model_backward(AL, Y, caches, lambd),
    ):
        with pytest.raises(error, match="lambd"):
            call()


def test_a_cost_that_lacks_what_it_needs(step):
    _, Y, parameters, AL, _ = step
    with pytest.raises(ValueError, match="parameters"):
        fastdnn.compute_cost(AL, Y, lambd=0.1)
    with pytest.raises(ValueError, match="parameters has no 'W2'"):
        fastdnn.compute_cost(AL, Y, {"W1": 1.0, "b1": 0.0, "b2": 0.0, "b3": 0.0}, 0.1)
    for reduction in ("total", None, 3):
        with pytest.raises(ValueError, match="reduction must be 'mean' or 'sum'"):
            fastdnn.compute_cost(AL, Y, parameters, reduction=reduction)


@pytest.mark.parametrize(
    "labels",
    [
        np.zeros((3, 7)), np.ones((3, 7)), -np.eye(3)[[0, 1, 2, 0, 1, 2, 0]].T,
        np.full((3, 7), np.nan), np.arange(21).reshape(3, 7),
    ],
)  # fmt: skip
def test_labels_that_are_no_one_hot_columns(step, labels):
    *_, AL, caches = step
    with pytest.raises(ValueError, match="Y must hold one-hot columns"):
        fastdnn.compute_cost(AL, labels, output_activation="softmax")
    with pytest.raises(ValueError, match="Y must hold one-hot columns"):
        fastdnn.L_model_backward(AL, labels, caches, output_activation="softmax")


def test_class_indices_are_no_one_hot_columns(step):
    *_, AL, caches = step
    for labels in (np.arange(7) % 3, (np.arange(7) % 3).reshape(1, 7)):
        with pytest.raises(ValueError, match="Y has shape"):
            fastdnn.compute_cost(AL, labels, output_activation="softmax")
        with pytest.raises(ValueError, match="Y has shape"):
            fastdnn.L_model_backward(AL, labels, caches, output_activation="softmax")


# ---------------------------------------------------------------------- the caller's own functions


@pytest.mark.parametrize("dtype", TYPES)
def test_the_callers_functions_are_given_and_give_arrays(dtype):
    seen = []

    def forward(Z):
        seen.append(Z)
        return np.tanh(Z.astype(np.float64))

    def backward(dA, Z):
        seen.extend([dA, Z])
        return (dA * (1 - np.tanh(Z) ** 2)).tolist()

    A_prev, W, b = (
        draw(i, *shape).astype(dtype) for i, shape in enumerate([(4, 5), (3, 4), (3, 1)])
    )
    A, cache = fastdnn.linear_activation_forward(A_prev, W, b, (forward, backward))
    expected, _ = fastdnn.linear_activation_forward(A_prev, W, b, "tanh")
    assert A.dtype == dtype
    np.testing.assert_allclose(A, expected, rtol=20 * np.finfo(dtype).eps)
    dA = draw(3, 3, 5).astype(dtype)
    for one, other in zip(
        fastdnn.linear_activation_backward(dA, cache, (forward, backward), 0.3),
        fastdnn.linear_activation_backward(dA, cache, "tanh", 0.3),
        strict=True,
    ):
        assert one.dtype == dtype
        np.testing.assert_allclose(one, other, atol=20 * np.finfo(dtype).eps)
    assert all(type(array) is np.ndarray and array.dtype == dtype for array in seen)


@pytest.mark.parametrize(
    ("result", "error", "text"),
    [
        (lambda Z: Z[:, :1], ValueError, r"forward function returned shape \(3, 1\)"),
        (lambda Z: Z.sum(), ValueError, r"forward function returned shape \(\)"),
        (lambda Z: None, TypeError, "forward function"),
        (lambda Z: Z + 1j, TypeError, "forward function"),
        (lambda Z: (Z, Z), ValueError, "forward function"),
    ],
)
def test_what_a_function_of_the_callers_must_return(result, error, text):
    A_prev, W, b, dA = draw(0, 4, 5), draw(1, 3, 4), draw(2, 3, 1), draw(3, 3, 5)
    with pytest.raises(error, match=text):
        fastdnn.linear_activation_forward(A_prev, W, b, (result, TANH[1]))
    cache = ((A_prev, W, b), draw(4, 3, 5))
    pair = (np.tanh, lambda dA, Z: result(Z))
    with pytest.raises(error, match=text.replace("forward", "backward")):
        fastdnn.linear_activation_backward(dA, cache, pair)


def test_an_error_of_the_callers_function_is_the_callers():
    def forward(Z):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        fastdnn.linear_activation_forward([[1.0]], [[1.0]], 0.0, (forward, TANH[1]))


# ------------------------------------------------------------------------------------------ predict


@pytest.mark.parametrize("output", ["softmax", "sigmoid", "identity"])
def test_predict_knows_several_classes(capsys, output):
    X, _, parameters = problem((5, 6, 4, 3), 7)
    options = {"activation": "tanh", "output_activation": output}
    AL, _ = fastdnn.L_model_forward(X, parameters, **options)
    expected = np.argmax(AL, axis=0).reshape(1, 7)
    wrong = expected.copy()
    wrong[0, 2] = (wrong[0, 2] + 1) % 3
    for right, y in [(7, expected), (6, wrong)]:
        one_hot = np.eye(3)[y[0]].T
        for labels in (y, y[0], y.astype(float), y[0].tolist(), one_hot, one_hot.astype(bool)):
            p = fastdnn.predict(X, labels, parameters, **options)
            np.testing.assert_array_equal(p, expected)
            assert p.shape == (1, 7)
            assert p.dtype.kind == "i"
            assert capsys.readouterr().out == f"Accuracy: {right / 7}\n"


def test_predict_of_one_output_takes_the_options(capsys):
    X, _, parameters = problem((5, 4, 1), 7)
    AL, _ = fastdnn.L_model_forward(X, parameters, activation="tanh", output_activation="identity")
    p = fastdnn.predict(X, [0] * 7, parameters, activation="tanh", output_activation="identity")
    np.testing.assert_array_equal(p, AL > 0.5)
    assert p.dtype == np.float64
    assert capsys.readouterr().out == f"Accuracy: {np.mean(AL <= 0.5)}\n"


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        ([0, 1, 2, 3, 0, 0, 0], "y must hold classes from 0 to 2"),
        ([0, 1, -1, 2, 0, 0, 0], "y must hold classes from 0 to 2"),
        ([0, 1, 0.5, 2, 0, 0, 0], "y must hold classes from 0 to 2"),
        ([0, 1, np.nan, 2, 0, 0, 0], "y must hold classes from 0 to 2"),
        ([0, 1], "y has shape"),
        (np.ones((3, 7)), "y must have one-hot columns"),
        (np.full((3, 7), 1 / 3), "y must have one-hot columns"),
        (np.eye(3)[:, [0, 1, 2, 0, 1, 2, 0]].T, "y has shape"),
    ],
)
def test_predict_refuses(labels, text):
    X, _, parameters = problem((5, 6, 4, 3), 7)
    with pytest.raises(ValueError, match=text):
        fastdnn.predict(X, labels, parameters)
