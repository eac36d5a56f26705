"""Activations, L2 and costs of the course's layers: plain NumPy, finite differences, bad input."""

import itertools

import numpy as np
import pytest
import reference
import reference_layers
from layers import TANH, TYPES, draw, problem
from reference_network import ACTIVATIONS

import fastdnn

OUTPUTS = ["sigmoid", "softmax", "identity"]
KNOWN = [*ACTIVATIONS, "linear", "softmax"]


def assert_close(got, expected, dtype, scale=1.0, what=None):
    assert got.shape == expected.shape
    assert got.dtype == dtype
    atol = 200 * np.finfo(dtype).eps * max(scale, np.abs(expected).max())
    np.testing.assert_allclose(got, expected, rtol=0, atol=atol, err_msg=what)


def read_only(*arrays):
    for array in arrays:
        array.flags.writeable = False
    return arrays


# ------------------------------------------------------------------------------ against plain NumPy


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("activation", KNOWN)
def test_a_layer_is_plain_numpy(activation, dtype):
    sizes = [(1, 1, 1), (1, 3, 5), (4, 1, 7), (3, 5, 1), (5, 40, 70), (2, 1500, 3), (3, 2, 1500)]
    for (n_prev, n, m), orders in itertools.product(sizes, itertools.product("CF", repeat=4)):
        A_prev, W, dA, Z_order = (
            np.array(draw(i, *shape), dtype, order=order)
            for i, (shape, order) in enumerate(
                zip([(n_prev, m), (n, n_prev), (n, m), (n, m)], orders, strict=True)
            )
        )
        b = draw(9, n, 1).astype(dtype)
        read_only(A_prev, W, b, dA)
        A, (linear_cache, Z) = fastdnn.linear_activation_forward(A_prev, W, b, activation)
        assert linear_cache[0] is A_prev
        Z64 = W.astype(float) @ A_prev.astype(float) + b
        assert_close(Z, Z64, dtype)
        assert_close(A, reference_layers.activate(activation, Z64), dtype)
        Z_order[...] = Z
        dZ = reference_layers.activate_backward(activation, dA.astype(float), Z.astype(float))
        of_64 = tuple(array.astype(float) for array in (A_prev, W, b))
        for lambd in (0, 0.7):
            expected = reference_layers.linear_backward(dZ, of_64, lambd)
            got = fastdnn.linear_activation_backward(
                dA, ((A_prev, W, b), Z_order), activation, lambd
            )
            for one, other in zip(got, expected, strict=True):
                assert_close(one, other, dtype, scale=20)


@pytest.mark.parametrize("dtype", TYPES)
def test_linear_backward_with_l2(dtype):
    dZ, A_prev, W, b = draw(0, 3, 4), draw(1, 5, 4), draw(2, 3, 5), draw(3, 3, 1)
    for order_W, order_A in itertools.product("CF", repeat=2):
        cache = (np.asarray(A_prev, dtype, order_A), np.asarray(W, dtype, order_W), b.astype(dtype))
        plain = fastdnn.linear_backward(dZ.astype(dtype), cache)
        got = fastdnn.linear_backward(dZ.astype(dtype), cache, 0.3)
        np.testing.assert_array_equal(got[0], plain[0])
        np.testing.assert_array_equal(got[2], plain[2])
        assert_close(got[1], dZ @ A_prev.T / 4 + 0.3 / 4 * W, dtype)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("activation", [*KNOWN, ["tanh", "leaky_relu"], TANH, ["relu", TANH]])
def test_a_model_is_plain_numpy(activation, output, dtype):
    for keep_prob, lambd, order in itertools.product(
        (1.0, 0.6, [0.5, 1.0], [1, 0.8]), (0.0, 0.7), "CF"
    ):
        X, Y, parameters = problem((5, 6, 4, 3), 7, dtype, order, output)
        options = {"activation": activation, "output_activation": output}
        read_only(X, Y, *parameters.values())
        before = dict(parameters)
        AL, caches = fastdnn.L_model_forward(
            X, parameters, keep_prob, rng=np.random.RandomState(1), **options
        )
        in_64 = {key: array.astype(float) for key, array in parameters.items()}
        expected_AL, expected_caches = reference_layers.L_model_forward(
            X.astype(float), in_64, keep_prob, rng=np.random.RandomState(1), **options
        )
        assert_close(AL, expected_AL, dtype, 10)
        for cache, expected in zip(caches, expected_caches, strict=True):
            assert type(cache) is tuple
            assert len(cache) == len(expected)
            assert_close(cache[1], expected[1], dtype, 10)
            if len(cache) == 3:
                assert cache[2].dtype == bool
                np.testing.assert_array_equal(cache[2], expected[2])
        cost = fastdnn.compute_cost(AL, Y, parameters, lambd, output_activation=output)
        expected = reference_layers.compute_cost(
            expected_AL, Y, in_64, lambd, output_activation=output
        )
        assert type(cost) is np.ndarray
        assert_close(cost, expected, dtype, 20)
        grads = fastdnn.L_model_backward(AL, Y, caches, lambd, keep_prob, **options)
        wide = [
            (tuple(a.astype(float) for a in linear), Z.astype(float), *D)
            for linear, Z, *D in caches
        ]
        expected = reference_layers.L_model_backward(
            AL.astype(float), Y, wide, lambd, keep_prob, **options
        )
        assert list(grads) == list(expected)
        for key in expected:
            assert_close(grads[key], expected[key], dtype, 50, key)
        assert before.keys() == parameters.keys()
        assert all(before[key] is parameters[key] for key in before)


def test_the_courses_own_call_has_the_bits_it_had():
    # the keywords at their defaults, given or not, take the same way as before they were there
    X, Y, parameters = problem((5, 6, 4, 1), 7)
    AL, caches = fastdnn.L_model_forward(X, parameters)
    again, _ = fastdnn.L_model_forward(
        X, parameters, float("1"), activation="re" + "lu"[:], output_activation="sigmoid", rng=3
    )
    np.testing.assert_array_equal(AL, again)
    assert all(len(cache) == 2 for cache in caches)
    grads = fastdnn.L_model_backward(AL, Y, caches)
    others = fastdnn.L_model_backward(AL, Y, caches, 0, [1, 1.0], activation=["relu"] * 2)
    assert list(grads) == list(others) == list(reference.L_model_backward(AL, Y, caches))
    for key in grads:
        np.testing.assert_array_equal(grads[key], others[key])
    cost = fastdnn.compute_cost(AL, Y)
    assert cost == fastdnn.compute_cost(AL, Y, parameters, 0, reduction="mean")
    dZ = fastdnn.linear_activation_backward(AL, caches[-1], "sigmoid")
    for one, other in zip(
        dZ, fastdnn.linear_activation_backward(AL, caches[-1], "sigmoid", 0.0, 1), strict=True
    ):
        np.testing.assert_array_equal(one, other)


# -------------------------------------------------------------------------------------------- costs


@pytest.mark.parametrize("dtype", TYPES)
def test_a_cost_may_be_a_sum(dtype):
    for output in OUTPUTS:
        X, Y, parameters = problem((5, 4, 3), 7, dtype, output=output)
        AL, _ = fastdnn.L_model_forward(X, parameters, output_activation=output)
        mean, total = (
            fastdnn.compute_cost(
                AL, Y, parameters, 0.4, output_activation=output, reduction=reduction
            )
            for reduction in ("mean", "sum")
        )
        assert total.dtype == dtype
        np.testing.assert_allclose(total, 7 * mean, rtol=10 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("order", "CF")
def test_nothing_times_the_logarithm_of_0_is_0(dtype, order):
    AL = np.asarray([[1, 0, 0.25], [0, 1, 0.75], [0, 0, 0]], dtype, order=order)
    Y = np.array([[1, 0, 0], [0, 1, 1], [0, 0, 0]], dtype)
    cost = fastdnn.compute_cost(AL, Y, output_activation="softmax")
    np.testing.assert_allclose(cost, -np.log(0.75) / 3, rtol=4 * np.finfo(dtype).eps)
    AL[:, 0] = 0, 1, 0
    assert fastdnn.compute_cost(AL, Y, output_activation="softmax") == np.inf
    AL[:, 0] = np.nan
    assert np.isnan(fastdnn.compute_cost(AL, Y, output_activation="softmax"))


def test_labels_of_softmax_may_be_integers_booleans_and_probabilities():
    AL = np.array([[0.2, 0.7], [0.8, 0.3]])
    Y = np.array([[1, 0], [0, 1]])
    for labels in (Y, Y.astype(bool), Y.tolist(), Y.astype("f4")):
        cost = fastdnn.compute_cost(AL, labels, output_activation="softmax")
        np.testing.assert_allclose(cost, -np.log(0.2 * 0.3) / 2)
    soft = Y * 0.9 + 0.05
    cost = fastdnn.compute_cost(AL, soft, output_activation="softmax")
    np.testing.assert_allclose(cost, -np.sum(soft * np.log(AL)) / 2)


@pytest.mark.parametrize("dtype", TYPES)
def test_softmax_neither_overflows_nor_hides_a_divergence(dtype):
    Z = np.array([[1e4, -1e4, 0], [0, 0, np.nan], [-1e4, 1e4, 1]], dtype)
    one, zero = np.eye(3, dtype=dtype), np.zeros((3, 1), dtype)
    for order in "CF":
        A, _ = fastdnn.linear_activation_forward(np.asarray(Z, order=order), one, zero, "softmax")
        np.testing.assert_array_equal(A[:, :2], [[1, 0], [0, 0], [0, 1]])
        assert np.isnan(A[:, 2]).all()


# ---------------------------------------------------------------------------------------- gradients


@pytest.mark.parametrize("lambd", [0.0, 0.7])
@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("activation", [*KNOWN, TANH, ["gelu", TANH]])
def test_gradients_against_finite_differences(activation, output, lambd):
    step = 1e-5
    options = {"activation": activation, "output_activation": output}
    for keep_prob, order in [(1.0, "C"), (0.7, "C"), ([0.5, 0.9], "F")]:
        X, Y, parameters = problem((3, 4, 3, 2), 5, order=order, output=output)

        def cost(X, parameters, keep_prob=keep_prob, Y=Y):
            AL, caches = fastdnn.L_model_forward(X, parameters, keep_prob, rng=4, **options)
            cost = fastdnn.compute_cost(AL, Y, parameters, lambd, output_activation=output)
            return float(cost), AL, caches

        _, AL, caches = cost(X, parameters)
        grads = fastdnn.L_model_backward(AL, Y, caches, lambd, keep_prob, **options)
        for key in [*parameters, "X"]:
            # the course's dA is the gradient of m times the cost
            analytic = grads["dA0"] / 5 if key == "X" else grads["d" + key]
            numeric = np.empty_like(analytic)
            for index in np.ndindex(numeric.shape):
                costs = []
                for sign in (1, -1):
                    moved = {name: a.copy() for name, a in [*parameters.items(), ("X", X)]}
                    moved[key][index] += sign * step
                    costs.append(cost(moved.pop("X"), moved)[0])
                numeric[index] = (costs[0] - costs[1]) / (2 * step)
            np.testing.assert_allclose(analytic, numeric, rtol=1e-6, atol=1e-8, err_msg=key)
