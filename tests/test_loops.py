"""The elementwise loops against plain NumPy and extended precision, in both element types."""

import numpy as np
import pytest

from fastdnn._core import course, levels
from fastdnn._course.layers import IDENTITY, RELU, SIGMOID

TYPES = [np.float32, np.float64]
# sizes around a vector's width and a block's, and none at all
SIZES = [1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 255, 256, 257, 1023, 1024, 1025, 5000]


def row(values, dtype):
    return np.array(values, dtype).reshape(1, -1)


def in_ulp(got, exact):
    """Distance from the exact values, in units in the last place of the correctly rounded ones."""
    unit = np.spacing(np.abs(exact.astype(got.dtype)))
    return np.abs(got.astype(np.longdouble) - exact) / unit.astype(np.longdouble)


def exact_sigmoid(z):
    e = np.exp(-np.abs(z.astype(np.longdouble)))
    return np.where(z > 0, 1 / (1 + e), e / (1 + e))


extended = pytest.mark.skipif(
    np.finfo(np.longdouble).nmant < 63, reason="needs an extended long double as the oracle"
)


@extended
@pytest.mark.parametrize(
    ("dtype", "lowest"), [(np.float32, -104), (np.float64, -746)], ids=["float32", "float64"]
)
def test_sigmoid_is_within_2_ulp_over_the_whole_range(dtype, lowest):
    random = np.random.default_rng(0)
    z = np.concatenate(
        [
            random.uniform(low, high, 200_000)
            for low, high in [(lowest, -80), (-88, -30), (-30, -1), (-1, 1), (1, 40)]
        ]
        + [sign * 10.0 ** random.uniform(-37, 0, 100_000) for sign in (-1, 1)]
    )
    z = row(z, dtype)
    with np.errstate(under="ignore"):
        assert in_ulp(course.activate(SIGMOID, z), exact_sigmoid(z)).max() <= 2


@pytest.mark.parametrize("dtype", TYPES)
def test_sigmoid_has_the_right_limits(dtype):
    largest = np.finfo(dtype).max
    z = row([np.inf, largest, 800, -800, -largest, -np.inf, 0.0, -0.0, np.nan], dtype)
    expected = row([1, 1, 1, 0, 0, 0, 0.5, 0.5, np.nan], dtype)
    # the limits hold in the SIMD body of a loop and in its remainder
    for repeats in (1, 16):
        got = course.activate(SIGMOID, np.tile(z, repeats))
        np.testing.assert_array_equal(got, np.tile(expected, repeats))


@pytest.mark.parametrize("dtype", TYPES)
def test_sigmoid_reaches_subnormal_results(dtype):
    tiny = np.finfo(dtype).tiny
    z = row([np.log(float(tiny)) - 2.5], dtype)
    assert 0 < course.activate(SIGMOID, z)[0, 0] < tiny


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", TYPES)
def test_activations_at_every_remainder(size, dtype):
    z = row(np.random.default_rng(size).normal(size=size) * 5, dtype)
    dA = row(np.random.default_rng(size + 1).normal(size=size), dtype)
    s = 1 / (1 + np.exp(-z.astype(np.float64)))
    close = {"rtol": 8 * np.finfo(dtype).eps}
    np.testing.assert_allclose(course.activate(SIGMOID, z), s, **close)
    np.testing.assert_array_equal(course.activate(RELU, z), np.maximum(z, 0))
    np.testing.assert_array_equal(course.activate_backward(RELU, dA, z), np.where(z > 0, dA, 0))
    np.testing.assert_allclose(
        course.activate_backward(SIGMOID, dA, z),
        dA * s * (1 - s),
        atol=8 * np.finfo(dtype).eps,
        **close,
    )


@pytest.mark.parametrize("dtype", TYPES)
def test_relu_passes_nan_and_infinity_and_has_gradient_0_at_0(dtype):
    z = row([np.nan, np.inf, -np.inf, 0.0, -0.0, 2.0, -2.0], dtype)
    np.testing.assert_array_equal(
        course.activate(RELU, z), row([np.nan, np.inf, 0, 0, 0, 2, 0], dtype)
    )
    dA = row([3, 4, 5, 6, 7, np.nan, np.nan], dtype)
    np.testing.assert_array_equal(
        course.activate_backward(RELU, dA, z), row([3, 4, 0, 0, 0, np.nan, 0], dtype)
    )


@extended
@pytest.mark.parametrize("dtype", TYPES)
def test_logarithm_of_the_cost_is_within_1_ulp(dtype):
    # with Y = 1 and one example the cost is -log(AL)
    info = np.finfo(dtype)
    random = np.random.default_rng(0)
    AL = np.concatenate(
        [
            random.uniform(0, 1, 2000),
            10.0 ** random.uniform(np.log10(float(info.tiny)), 0, 2000),
            1 - 10.0 ** random.uniform(np.log10(float(info.eps)), -1, 2000),
            [info.tiny, info.smallest_subnormal, 3 * info.smallest_subnormal, np.sqrt(0.5), 0.5],
        ]
    ).astype(dtype)
    AL = AL[AL < 1]
    one = np.ones((1, 1), dtype)
    got = np.array([course.cross_entropy(a.reshape(1, 1), one) for a in AL])
    assert in_ulp(got, -np.log(AL.astype(np.longdouble))).max() <= 1


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", TYPES)
def test_cross_entropy_at_every_remainder(size, dtype):
    random = np.random.default_rng(size)
    AL, Y = row(random.uniform(0.01, 0.99, size), dtype), row(random.integers(0, 2, size), dtype)
    a, y = AL.astype(np.float64), Y.astype(np.float64)
    eps = np.finfo(dtype).eps
    cost = -np.sum(y * np.log(a) + (1 - y) * np.log(1 - a)) / size
    np.testing.assert_allclose(course.cross_entropy(AL, Y), cost, rtol=4 * eps)
    np.testing.assert_allclose(
        course.cross_entropy_backward(AL, Y), -(y / a - (1 - y) / (1 - a)), rtol=100 * eps
    )


@pytest.mark.parametrize("dtype", TYPES)
def test_cross_entropy_at_and_beyond_its_limits_is_the_formula(dtype):
    AL = np.array([0, 0, 1, 1, 1.5, -0.5, np.nan, 0.5], dtype)
    Y = np.array([0, 1, 0, 1, 1, 0, 1, np.nan], dtype)
    with np.errstate(all="ignore"):
        costs = -(Y * np.log(AL) + (1 - Y) * np.log(1 - AL))
        gradients = -(Y / AL - (1 - Y) / (1 - AL))
    for a, y, cost in zip(AL, Y, costs, strict=True):
        got = course.cross_entropy(a.reshape(1, 1), y.reshape(1, 1))
        np.testing.assert_allclose(got, cost, rtol=1e-6)
    np.testing.assert_allclose(
        course.cross_entropy_backward(row(AL, dtype), row(Y, dtype)), row(gradients, dtype)
    )


@pytest.mark.parametrize("dtype", TYPES)
def test_the_gradient_of_the_cost_is_computed_in_its_own_type(dtype):
    random = np.random.default_rng(0)
    AL, Y = (row(random.uniform(0.01, 0.99, 500), dtype) for _ in range(2))
    np.testing.assert_array_equal(course.cross_entropy_backward(AL, Y), (1 - Y) / (1 - AL) - Y / AL)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", TYPES)
def test_descend(size, dtype):
    random = np.random.default_rng(size)
    P, dP = row(random.normal(size=size), dtype), row(random.normal(size=size), dtype)
    np.testing.assert_array_equal(course.descend(0.5, P, dP), P - dtype(0.5) * dP)


def test_the_sum_of_many_float32_gradients_stays_accurate():
    dZ = np.full((3, 1_000_000), 0.1, np.float32)
    A_prev, W = np.ones((2, 1_000_000), np.float32), np.ones((3, 2), np.float32)
    _, _, db = course.layer_backward(IDENTITY, dZ, dZ, A_prev, W)
    np.testing.assert_allclose(db, 0.1, rtol=1e-6)


def test_the_level_is_one_that_the_processor_has():
    assert levels.level in levels.available
    assert levels.available[0] == "base"
