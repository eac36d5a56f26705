"""What the course's functions draw from: integers give the course's digits, all else NumPy's."""

import numpy as np
import pytest

import fastdnn
from fastdnn import course2

DIMS = [4, 30, 2]
RANDOM = np.random.default_rng(0)
X, Y = RANDOM.normal(size=(4, 40)), RANDOM.integers(0, 2, (2, 40))
PARAMETERS = fastdnn.initialize_parameters_deep(DIMS)
OWN = lambda Z: np.maximum(Z, 0), lambda dA, Z: dA * (Z > 0)

CALLS = {
    "initialize_parameters": lambda rng: fastdnn.initialize_parameters(*DIMS, rng=rng)["W2"],
    "deep": lambda rng: fastdnn.initialize_parameters_deep(DIMS, rng=rng)["W2"],
    "he": lambda rng: course2.initialize_parameters_he(DIMS, rng=rng)["W2"],
    "random": lambda rng: course2.initialize_parameters_random(DIMS, rng=rng)["W2"],
    "two layers": lambda rng: fastdnn.two_layer_model(X, Y, DIMS, 0.1, 1, rng=rng)[0]["W2"],
    "L layers": lambda rng: fastdnn.L_layer_model(X, Y, DIMS, 0.1, 1, rng=rng)[0]["W2"],
    "a layer": lambda rng: fastdnn.linear_activation_forward(
        X, PARAMETERS["W1"], PARAMETERS["b1"], "relu", 0.5, rng=rng
    )[1][2],
    "layers": lambda rng: fastdnn.L_model_forward(X, PARAMETERS, 0.5, rng=rng)[1][0][2],
    "layers of the caller's": lambda rng: fastdnn.L_model_forward(
        X, PARAMETERS, 0.5, activation=OWN, rng=rng
    )[1][0][2],
    "dropout": lambda rng: course2.forward_propagation_with_dropout(X, PARAMETERS, rng=rng)[1][1],
    "batches": lambda rng: course2.random_mini_batches(X, Y, 9, rng=rng)[0][0],
}
SEEDS = {
    "list": lambda: [5, 6],
    "array": lambda: np.array([5, 6]),
    "sequence": lambda: np.random.SeedSequence(5),
}
BITS = {
    "generator": lambda: np.random.default_rng(5),
    "PCG64": lambda: np.random.PCG64(5),
    "MT19937": lambda: np.random.MT19937(5),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_what_is_no_integer_is_taken_as_numpy_takes_it(call):
    for made in (*SEEDS.values(), *BITS.values()):
        np.testing.assert_array_equal(call(made()), call(np.random.default_rng(made())))


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_seed_begins_anew_and_what_is_drawn_from_goes_on(call):
    for made in (*SEEDS.values(), lambda: 5):
        seed = made()
        np.testing.assert_array_equal(call(seed), call(seed))
    for made in (*BITS.values(), lambda: np.random.RandomState(5)):
        bits = made()
        assert not np.array_equal(call(bits), call(bits))


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_an_integer_gives_the_course_s_digits(call):
    np.testing.assert_array_equal(call(5), call(np.random.RandomState(5)))
    np.testing.assert_array_equal(call(np.int64(5)), call(5))


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("rng", ["bad", 1.5, True, [1.0], [True], np.array([[1]]), len])
def test_what_is_no_seed(call, rng):
    with pytest.raises(TypeError, match="rng must be an integer or a list of integers"):
        call(rng)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_seed_that_is_out_of_range(call):
    for rng in (-1, 2**32, [-1]):
        with pytest.raises(ValueError, match="rng: "):
            call(rng)
