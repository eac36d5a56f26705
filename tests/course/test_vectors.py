"""Dicts of parameters and gradients as one vector, and back."""

import numpy as np
import pytest
import reference_course2 as reference

from fastdnn import course2


def drawn(*dims):
    random, parameters = np.random.default_rng(0), {}
    for l in range(1, len(dims)):
        parameters[f"W{l}"] = random.standard_normal((dims[l], dims[l - 1]))
        parameters[f"b{l}"] = random.standard_normal((dims[l], 1))
    return parameters


@pytest.mark.parametrize("dims", [(4, 5, 3, 1), (2, 1), (3, 1, 2, 6, 1)])
def test_there_and_back(dims):
    parameters = drawn(*dims)
    theta, keys = course2.dictionary_to_vector(parameters)
    expected, names = reference.dictionary_to_vector(parameters)
    np.testing.assert_array_equal(theta, expected)
    assert keys == names
    assert not any(np.shares_memory(theta, P) for P in parameters.values())
    back = course2.vector_to_dictionary(theta, dims)
    assert list(back) == list(parameters)
    for key, P in parameters.items():
        np.testing.assert_array_equal(back[key], P)
    # the memory order is of no concern
    turned = {key: np.asfortranarray(P) for key, P in parameters.items()}
    np.testing.assert_array_equal(course2.dictionary_to_vector(turned)[0], theta)


def test_the_course_s_network():
    theta = np.arange(47.0).reshape(47, 1)
    parameters = course2.vector_to_dictionary(theta)
    assert [P.shape for P in parameters.values()] == [
        *((5, 4), (5, 1), (3, 5), (3, 1), (1, 3), (1, 1))
    ]
    np.testing.assert_array_equal(course2.dictionary_to_vector(parameters)[0], theta)
    assert all(np.shares_memory(P, theta) for P in parameters.values())


def test_gradients_lie_as_their_parameters():
    parameters = drawn(4, 5, 3, 1)
    grads = {"dZ3": 1.0, "dA0": 2.0, "dZ1": None}
    grads |= {"d" + key: parameters[key] for key in reversed(parameters)} | {"dA2": "no array"}
    theta, _ = course2.dictionary_to_vector(parameters)
    np.testing.assert_array_equal(course2.gradients_to_vector(grads), theta)


def test_types():
    narrow = {key: P.astype(np.float32) for key, P in drawn(3, 2).items()}
    theta, _ = course2.dictionary_to_vector(narrow)
    assert theta.dtype == np.float32
    assert course2.vector_to_dictionary(theta, [3, 2])["W1"].dtype == np.float32


def test_bad_input():
    with pytest.raises(TypeError, match="parameters must be a dict"):
        course2.dictionary_to_vector([1])
    with pytest.raises(ValueError, match="parameters has no 'b1'"):
        course2.dictionary_to_vector({"W1": 1.0, "c": 1.0})
    with pytest.raises(TypeError, match="gradients must be a dict"):
        course2.gradients_to_vector([1])
    with pytest.raises(ValueError, match="gradients has no 'dW1'"):
        course2.gradients_to_vector({"dA0": 1.0})
    with pytest.raises(ValueError, match="gradients has no 'db2'"):
        course2.gradients_to_vector({"dW1": 1.0, "db1": 1.0, "dW2": 1.0})
    with pytest.raises(ValueError, match=r"theta has 46 elements, but .*\[4, 5, 3, 1\] 47"):
        course2.vector_to_dictionary(np.ones(46))
    with pytest.raises(TypeError, match="theta must be an array"):
        course2.vector_to_dictionary("theta")
    with pytest.raises(ValueError, match=r"layer_dims\[1\] must be at least 1"):
        course2.vector_to_dictionary(np.ones(3), [2, 0])
