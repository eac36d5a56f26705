"""What no layer, step or cost of the course takes: an error names the argument."""

import numpy as np
import pytest

import fastdnn
from fastdnn import course2

X = np.random.default_rng(0).normal(size=(3, 7))
Y = (X[:1] > 0).astype(float)
DEEP = course2.initialize_parameters_he([3, 4, 1])
FLAT = course2.initialize_parameters_he([3, 1])


@pytest.mark.parametrize("missing", [None, {}, False, 1.0])
@pytest.mark.parametrize("which", ["grads", "v", "s"])
@pytest.mark.parametrize("dims", [(3, 4, 1), (20, 300, 100)])
def test_adam_without_an_argument(dims, which, missing):
    parameters = course2.initialize_parameters_he(dims)
    v, s = course2.initialize_adam(parameters)
    arguments = {"grads": v, "v": v, "s": s} | {which: missing}
    with pytest.raises((TypeError, ValueError), match=which):
        course2.update_parameters_with_adam(parameters, t=1, **arguments)


@pytest.mark.parametrize("missing", [None, {}, False, 1.0])
@pytest.mark.parametrize("which", ["grads", "v"])
def test_momentum_without_an_argument(which, missing):
    v = course2.initialize_velocity(DEEP)
    arguments = {"grads": v, "v": v} | {which: missing}
    with pytest.raises((TypeError, ValueError), match=which):
        course2.update_parameters_with_momentum(DEEP, beta=0.9, learning_rate=0.1, **arguments)


def test_none_in_place_of_a_mask():
    W, b = DEEP["W1"], DEEP["b1"]
    A, (linear_cache, Z, _) = fastdnn.linear_activation_forward(X, W, b, "relu", 0.5, rng=1)
    with pytest.raises(ValueError, match="no mask"):
        fastdnn.linear_activation_backward(A, (linear_cache, Z, None), "relu", 0.0, 0.5)
    AL, caches = fastdnn.L_model_forward(X, DEEP, 0.5, rng=1)
    caches[0] = (*caches[0][:2], None)
    with pytest.raises(ValueError, match=r"caches\[0\] holds no mask"):
        fastdnn.L_model_backward(AL, Y, caches, 0.0, 0.5)
    _, cache = course2.forward_propagation_with_dropout(X, DEEP, 0.5)
    with pytest.raises(ValueError, match="mask D1"):
        course2.backward_propagation_with_dropout(X, Y, (cache[0], None, *cache[2:]), 0.5)


@pytest.mark.parametrize("parameters", [FLAT, DEEP], ids=["one layer", "two layers"])
@pytest.mark.parametrize("keep_prob", [0, 1.5, np.nan, None, "a", 1j, -0.5])
def test_keep_prob(parameters, keep_prob):
    AL, caches = fastdnn.L_model_forward(X, parameters)
    with pytest.raises((TypeError, ValueError), match="keep_prob"):
        fastdnn.L_model_forward(X, parameters, keep_prob)
    with pytest.raises((TypeError, ValueError), match="keep_prob"):
        fastdnn.L_model_backward(AL, Y, caches, 0.0, keep_prob)


@pytest.mark.parametrize("parameters", [FLAT, DEEP], ids=["one layer", "two layers"])
@pytest.mark.parametrize("activation", ["nope", None, 3, (len,), ["relu", "relu"]])
def test_activation(parameters, activation):
    AL, caches = fastdnn.L_model_forward(X, parameters)
    with pytest.raises(ValueError, match="activation"):
        fastdnn.L_model_forward(X, parameters, activation=activation)
    with pytest.raises(ValueError, match="activation"):
        fastdnn.L_model_backward(AL, Y, caches, activation=activation)


def test_options_of_one_layer():
    AL, caches = fastdnn.L_model_forward(X, FLAT, 0.5, activation="tanh")
    assert len(caches) == 1 == len(caches[0]) - 1
    np.testing.assert_array_equal(AL, fastdnn.L_model_forward(X, FLAT)[0])
    fastdnn.L_model_forward(X, FLAT, [], activation=[])


@pytest.mark.parametrize("rng", ["bad", 1.5, True, [1.5]])
def test_rng(rng):
    with pytest.raises(TypeError, match="rng"):
        fastdnn.L_model_forward(X, DEEP, rng=rng)


@pytest.mark.parametrize(
    "parameters",
    [
        {"W1": DEEP["W1"], "W2": DEEP["W2"]},
        {"W1": DEEP["W1"], "b1": DEEP["b1"], "W2": DEEP["W2"]},
        {"W1": DEEP["W1"], "b1": DEEP["b1"], "b2": DEEP["b2"]},
    ],
)
def test_parameters_that_lack_one(parameters):
    with pytest.raises(ValueError, match="parameters has"):
        fastdnn.compute_cost(Y / 2 + 0.2, Y, parameters, 1.0)
    with pytest.raises(ValueError, match="parameters has"):
        course2.compute_cost_with_regularization(Y / 2 + 0.2, Y, parameters, 1.0)
    with pytest.raises(ValueError, match="parameters has"):
        course2.dictionary_to_vector(parameters)
    with pytest.raises(ValueError, match="parameters has"):
        fastdnn.gradient_check(parameters, X, Y)


@pytest.mark.parametrize("layer_dims", [None, 5])
def test_layer_dims(layer_dims):
    with pytest.raises(TypeError, match="layer_dims"):
        course2.vector_to_dictionary(np.zeros(5), layer_dims)


def test_names_that_the_two_parts_use_differently():
    names = {}
    exec("from fastdnn.course2 import *", names)
    assert not {"relu", "sigmoid", "relu_backward", "sigmoid_backward"} & names.keys()
