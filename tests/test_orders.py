"""The course's functions where their arguments lie in different memory orders."""

from itertools import product

import numpy as np
import pytest
import reference

import fastdnn
from fastdnn._core import course
from fastdnn._course import layers

DTYPES = ("float64", "float32")
# n, n_prev, m
SIZES = [
    (1, 1, 1), (1, 1, 5), (1, 4, 1), (3, 1, 1), (1, 2, 3), (4, 1, 3), (3, 2, 1), (5, 3, 4),
    (9, 17, 33), (33, 70, 40), (40, 3, 300), (300, 2, 41), (2, 3, 1100),
]  # fmt: skip


def laid(array, order):
    """Lay an array out: by rows, by columns, or as a part of a larger one."""
    n, m = array.shape
    if order in "CF":
        return np.asarray(array, order=order)
    memory = np.full((2 * n + 1, 3 * m + 2), np.nan, array.dtype)
    if order == "R":  # every other row, and some columns
        part = memory[1::2, 2 : 2 + m]
    elif order == "N":  # backwards
        part = memory[: 2 * n : 2, :m][::-1, ::-1]
    else:  # columns with a step, transposed
        part = np.full((2 * m, 3 * n), np.nan, array.dtype)[:m, ::3].T
    part[:] = array
    return part


def mixes(arrays):
    """Lay arrays out in every mix of two orders, and in some of parts of others."""
    k = len(arrays)
    orders = [*product("CF", repeat=k), *("RCFNT"[i:] + "RCFNT"[:i] for i in range(5))]
    for order in [*orders, *(letter * k for letter in "RNT")]:
        yield [laid(array, letter) for array, letter in zip(arrays, order, strict=False)]


def draw(dtype, *shapes):
    random = np.random.RandomState(0)
    return [random.standard_normal(shape).astype(dtype) for shape in shapes]


def probabilities(dtype, *shapes):
    return [(0.5 + 0.4 * np.tanh(array)).astype(dtype) for array in draw(dtype, *shapes)]


def close(got, expected, dtype):
    tolerance = 1e-12 if dtype == "float64" else 2e-4
    assert got.shape == expected.shape
    assert got.dtype == dtype
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)


def in_the_order_of(got, like):
    """Whether two matrices lie in the same order; a vector lies in both."""
    # a part of a larger array lies in an order too
    return 1 in got.shape or got.flags.fnc == np.empty_like(like).flags.fnc


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("n", "n_prev", "m"), SIZES)
class TestEveryMix:
    @pytest.mark.parametrize("name", ["sigmoid_backward", "relu_backward"])
    def test_derivatives(self, name, n, n_prev, m, dtype):
        arrays = draw(dtype, (n, m), (n, m))
        expected = getattr(reference, name)(*arrays)
        first = getattr(fastdnn, name)(*arrays)
        close(first, expected, dtype)
        for dA, Z in mixes(arrays):
            dZ = getattr(fastdnn, name)(dA, Z)
            np.testing.assert_array_equal(dZ, first)
            assert in_the_order_of(dZ, dA)

    @pytest.mark.parametrize("name", ["sigmoid", "relu"])
    def test_activations(self, name, n, n_prev, m, dtype):
        arrays = draw(dtype, (n, m))
        expected, _ = getattr(reference, name)(*arrays)
        for (Z,) in mixes(arrays):
            A, cache = getattr(fastdnn, name)(Z)
            close(A, expected, dtype)
            np.testing.assert_array_equal(cache, Z)
            assert in_the_order_of(A, Z)

    def test_cost(self, n, n_prev, m, dtype):
        arrays = probabilities(dtype, (n, m), (n, m))
        expected = reference.compute_cost(*arrays)
        for AL, Y in mixes(arrays):
            close(fastdnn.compute_cost(AL, Y), expected, dtype)

    def test_update(self, n, n_prev, m, dtype):
        arrays = draw(dtype, (n, n_prev), (n, n_prev), (n, 1), (n, 1))
        for W, dW, b, db in mixes(arrays):
            params, grads = {"W1": W, "b1": b}, {"dW1": dW, "db1": db}
            expected = reference.update_parameters(params, grads, 0.3)
            got = fastdnn.update_parameters(params, grads, 0.3)
            close(got["W1"], expected["W1"], dtype)
            close(got["b1"], expected["b1"], dtype)
            assert in_the_order_of(got["W1"], W)

    def test_forward(self, n, n_prev, m, dtype):
        arrays = draw(dtype, (n_prev, m), (n, n_prev), (n, 1))
        Z_expected, _ = reference.linear_forward(*arrays)
        for A_prev, W, b in mixes(arrays):
            Z, cache = fastdnn.linear_forward(A_prev, W, b)
            close(Z, Z_expected, dtype)
            assert in_the_order_of(Z, A_prev)
            for kept, given in zip(cache, (A_prev, W, b), strict=True):
                np.testing.assert_array_equal(kept, given)
            for activation in ("sigmoid", "relu"):
                expected, _ = reference.linear_activation_forward(*arrays, activation)
                A, _ = fastdnn.linear_activation_forward(A_prev, W, b, activation)
                close(A, expected, dtype)
                assert in_the_order_of(A, A_prev)

    @pytest.mark.parametrize("activation", ["sigmoid", "relu"])
    def test_backward(self, activation, n, n_prev, m, dtype):
        arrays = draw(dtype, (n, m), (n, m), (n_prev, m), (n, n_prev))
        b = np.zeros((n, 1), dtype)
        dA, Z, A_prev, W = arrays
        linear = reference.linear_backward(dA, (A_prev, W, b))
        expected = reference.linear_activation_backward(dA, ((A_prev, W, b), Z), activation)
        for dA, Z, A_prev, W in mixes(arrays):
            for got, right in (
                (fastdnn.linear_backward(dA, (A_prev, W, b)), linear),
                (
                    fastdnn.linear_activation_backward(dA, ((A_prev, W, b), Z), activation),
                    expected,
                ),
            ):
                for gradient, its in zip(got, right, strict=True):
                    close(gradient, its, dtype)
                assert in_the_order_of(got[0], A_prev)
                assert in_the_order_of(got[1], W)

    def test_model(self, n, n_prev, m, dtype):
        X, W1, W2 = draw(dtype, (n_prev, m), (n, n_prev), (2, n))
        W1, W2 = 0.1 * W1, 0.1 * W2  # a sigmoid that saturates loses its digits in NumPy too
        (Y,) = probabilities(dtype, (2, m))
        b1, b2 = np.zeros((n, 1), dtype), np.zeros((2, 1), dtype)
        parameters = {"W1": W1, "b1": b1, "W2": W2, "b2": b2}
        AL, caches = reference.L_model_forward(X, parameters)
        expected = reference.L_model_backward(AL, Y, caches)
        (_, Z1), ((A1, *_), Z2) = caches
        for X_, W1_, Z1_, Y_, AL_ in mixes([X, W1, Z1, Y, AL]):
            got, _ = fastdnn.L_model_forward(X_, parameters | {"W1": W1_})
            close(got, AL, dtype)
            caches = [((X_, W1_, b1), Z1_), ((A1, W2, b2), Z2)]
            grads = fastdnn.L_model_backward(AL_, Y_, caches)
            assert grads.keys() == expected.keys()
            for key, gradient in grads.items():
                close(gradient, expected[key], dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("inactive", [0, 1, 40, 4000])
@pytest.mark.parametrize("shape", [(16, 16), (17, 31), (8, 300), (100, 65)])
def test_relu_where_few_units_are_inactive(shape, inactive, dtype):
    dA, Z = draw(dtype, shape, shape)
    Z = np.abs(Z)
    random = np.random.default_rng(0)
    at = random.integers(Z.size, size=inactive)
    Z.flat[at] = random.choice([0.0, -0.0, -1.0, -np.inf, np.nan, 1e-30], inactive)
    dA.flat[random.integers(Z.size, size=9)] = [np.inf, np.nan, -0.0] * 3
    for a, z in mixes([dA, Z]):
        np.testing.assert_array_equal(fastdnn.relu_backward(a, z), np.where(Z <= 0, 0, dA))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("order", ["CF", "FC", "RC", "CR", "FR", "NT", "TN"])
def test_no_mix_is_left_to_python(order, dtype):
    n, n_prev, m = 4, 3, 5
    square = [laid(array, o) for array, o in zip(draw(dtype, (n, m), (n, m)), order, strict=True)]
    ones = [laid(np.ones((n, m), dtype) / 2, o) for o in order]
    A_prev = laid(np.ones((n_prev, m), dtype), order[0])
    W = laid(np.ones((n, n_prev), dtype), order[1])
    b = laid(np.ones((n, 1), dtype), order[1])
    for code in (layers.SIGMOID, layers.RELU):
        assert course.activate(code, square[0]) is not None
        assert course.activate_backward(code, *square) is not None
        assert course.layer_forward(code, A_prev, W, b) is not None
        assert course.layer_backward(code, *square, A_prev, W) is not None
    assert course.cross_entropy(*ones) is not None
    assert course.cross_entropy_backward(*ones) is not None
    assert course.descend(0.1, *square) is not None


def test_nothing_given_is_written_to():
    shapes = (4, 5), (4, 5), (3, 5), (4, 3)
    for mixed in mixes(draw("float64", *shapes)):
        for array in mixed:
            array.flags.writeable = False
        dA, Z, A_prev, W = mixed
        before = [array.copy() for array in mixed]
        fastdnn.linear_activation_backward(dA, ((A_prev, W, np.zeros((4, 1))), Z), "sigmoid")
        fastdnn.linear_activation_forward(A_prev, W, np.zeros((4, 1)), "sigmoid")
        fastdnn.sigmoid_backward(dA, Z)
        for array, old in zip(mixed, before, strict=True):
            np.testing.assert_array_equal(array, old)


def test_a_row_that_is_repeated():
    Z = np.broadcast_to(np.arange(-3.0, 4.0), (5, 7))
    dA = np.broadcast_to(np.arange(5.0)[:, None], (5, 7))
    np.testing.assert_array_equal(
        fastdnn.relu_backward(dA, Z), reference.relu_backward(np.array(dA), np.array(Z))
    )
    W = np.broadcast_to(2.0, (3, 5))
    close(fastdnn.linear_forward(Z, W, np.ones((3, 1)))[0], W @ Z + 1, "float64")


def test_shapes_that_differ_are_named_in_any_order():
    for dA, Z in mixes(draw("float64", (4, 5), (5, 4))):
        with pytest.raises(ValueError, match=r"\(5, 4\)"):
            fastdnn.relu_backward(dA, Z)
        with pytest.raises(ValueError, match=r"\(5, 4\)"):
            fastdnn.compute_cost(dA, Z)
