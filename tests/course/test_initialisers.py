"""The second course's first values of parameters."""

from itertools import pairwise

import numpy as np
import pytest

from fastdnn import course2

DRAWN = [course2.initialize_parameters_random, course2.initialize_parameters_he]


@pytest.mark.parametrize(
    ("name", "dims", "digits"),
    [
        ("random", [3, 2, 1], [17.88628473, 4.36509851, 0.96497468]),
        ("he", [2, 4, 1], [1.78862847, 0.43650985]),
        ("he", [3, 1, 2], [1.46040903, 0.3564088, 0.07878985]),
    ],
)
def test_the_course_s_digits(name, dims, digits):
    state = np.random.get_state()[1].copy()
    parameters = getattr(course2, f"initialize_parameters_{name}")(dims)
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    np.testing.assert_allclose(parameters["W1"][0], digits, atol=5e-9)
    assert list(parameters) == ["W1", "b1", "W2", "b2"]
    assert not parameters["b1"].any()


@pytest.mark.parametrize("dims", [[4, 3], (70, 80, 5, 1), [1, 1, 1]])
def test_draws_are_the_course_s(dims):
    # over and under the number of draws that are kept
    random = np.random.RandomState(3)
    drawn = [random.randn(n, n_prev) for n_prev, n in pairwise(dims)]
    he = course2.initialize_parameters_he(dims)
    large = course2.initialize_parameters_random(dims)
    zeros = course2.initialize_parameters_zeros(dims)
    for l, W in enumerate(drawn, 1):
        np.testing.assert_array_equal(he[f"W{l}"], W * np.sqrt(2.0 / dims[l - 1]))
        np.testing.assert_array_equal(large[f"W{l}"], W * 10)
        np.testing.assert_array_equal(zeros[f"W{l}"], np.zeros(W.shape))
        for parameters in (he, large, zeros):
            assert parameters[f"b{l}"].shape == (dims[l], 1)
            assert not parameters[f"b{l}"].any()
            assert parameters[f"W{l}"].dtype == float


@pytest.mark.parametrize("function", DRAWN)
def test_rng_and_type(function):
    expected = function([3, 2], rng=7)["W1"]
    np.testing.assert_array_equal(function([3, 2], rng=np.random.RandomState(7))["W1"], expected)
    narrow = function([3, 2], rng=7, dtype=np.float32)["W1"]
    np.testing.assert_array_equal(narrow, expected.astype(np.float32))
    assert narrow.dtype == np.float32
    zeros = course2.initialize_parameters_zeros([3, 2], dtype="float32")
    assert {array.dtype for array in zeros.values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize("function", [*DRAWN, course2.initialize_parameters_zeros])
def test_bad_input(function):
    with pytest.raises(TypeError, match="layers_dims must be a sequence"):
        function(3)
    with pytest.raises(ValueError, match="layers_dims must hold at least 2 sizes"):
        function([3])
    with pytest.raises(ValueError, match=r"layers_dims\[1\] must be at least 1, got 0"):
        function([3, 0])
    with pytest.raises(TypeError, match=r"layers_dims\[0\] must be an integer"):
        function([3.5, 1])
    with pytest.raises(ValueError, match="dtype must be float32 or float64"):
        function([3, 1], dtype=int)
    if function in DRAWN:
        with pytest.raises(TypeError, match="rng must be an integer"):
            function([3, 1], rng="seed")
