"""Every activation and cost, one element at a time: values, limits, gradients, in both types."""

import numpy as np
import pytest
import reference_network as reference

from fastdnn import SGD, Network
from fastdnn._core import course
from fastdnn._fit.names import ACTIVATIONS, COSTS

TYPES = [np.float32, np.float64]
NAMES = [name for name in ACTIVATIONS if name != "identity"]
# that of softmax is of a whole row
OF_ONE = [(output, name) for output in COSTS if output != "softmax" for name in COSTS[output]]
PARAMETER = 0.75


def row(values, dtype):
    return np.array(values, dtype).reshape(1, -1)


def some(dtype):
    """Draw numbers of all sizes."""
    random = np.random.default_rng(0)
    small = [sign * 10.0 ** random.uniform(-30, 0, 500) for sign in (-1, 1)]
    return row(
        np.concatenate([random.uniform(-37, 37, 2000), random.normal(size=2000), *small]), dtype
    )


def exact(function, z):
    """Compute in the longest type that the function knows."""
    with np.errstate(all="ignore"):
        try:
            return function(z.astype(np.longdouble))
        except TypeError:
            return function(z.astype(np.float64))


def in_ulp(got, right):
    """Measure the distance in units in the last place of the right values; NaN and inf as such."""
    with np.errstate(all="ignore"):
        rounded = right.astype(got.dtype)
        unit = np.spacing(np.abs(rounded)).astype(right.dtype)
        distance = np.abs(got.astype(right.dtype) - right) / unit
    same = (got == rounded) | (np.isnan(got) & np.isnan(rounded))
    return np.where(same, 0, distance)


def forward(name, z):
    return course.activate(ACTIVATIONS[name].code, z)


def backward(name, z):
    """Take the derivative by what a forward pass keeps."""
    kept = forward(name, z) if ACTIVATIONS[name].of_output else z
    return course.activate_backward(ACTIVATIONS[name].code, np.ones_like(z), kept)


# ------------------------------------------------------------------------------------- activations


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", NAMES)
def test_activations_are_within_4_ulp(name, dtype):
    z = some(dtype)
    right = exact(reference.ACTIVATIONS[name][0], z)
    normal = np.abs(right) >= np.finfo(dtype).tiny
    # the reference of gelu, in double at best, is off by some ulp itself, on AArch64 by 8 near -1,
    # and rounds z / sqrt(2): far below 0 that is 2 z^2 ulp
    most = 8 + 2 * z[normal] ** 2 if name == "gelu" else 4
    assert (in_ulp(forward(name, z), right)[normal] <= most).all()


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", NAMES)
def test_activations_at_their_limits(name, dtype):
    info = np.finfo(dtype)
    z = [0.0, 1e4, np.inf, info.max, info.tiny, info.tiny / 4, info.smallest_subnormal]
    z = row([*z, *np.negative(z), np.nan], dtype)
    value, derivative = reference.ACTIVATIONS[name]
    # in the body of a loop of vectors and in its remainder
    for repeats in (1, 16):
        many = np.tile(z, repeats)
        assert in_ulp(forward(name, many), exact(value, many)).max() <= 2
        eps, many = 4 * info.eps, many[:, ~np.isnan(many[0])]
        np.testing.assert_allclose(
            backward(name, many), exact(derivative, many).astype(dtype), rtol=eps, atol=eps
        )


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", NAMES)
def test_derivatives(name, dtype):
    z = some(dtype)
    eps = 16 * np.finfo(dtype).eps
    got, right = backward(name, z), exact(reference.ACTIVATIONS[name][1], z)
    np.testing.assert_allclose(got, right.astype(np.float64), rtol=eps, atol=eps)


@pytest.mark.parametrize("name", NAMES)
def test_derivatives_are_those_of_the_values(name):
    z, h = row(np.random.default_rng(1).uniform(-6, 6, 500), np.float64), 1e-6
    difference = (forward(name, z + h) - forward(name, z - h)) / (2 * h)
    np.testing.assert_allclose(backward(name, z), difference, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", NAMES)
def test_a_value_hangs_on_no_neighbour(name, dtype):
    z = some(dtype)[:, :70]
    whole, derivatives = forward(name, z), backward(name, z)
    for size in range(1, 70):
        np.testing.assert_array_equal(forward(name, z[:, :size]), whole[:, :size])
        np.testing.assert_array_equal(backward(name, z[:, :size]), derivatives[:, :size])


# ------------------------------------------------------------------------------------------- costs


def output_of_one(output, cost, dtype):
    """Make a network whose one logit is its input."""
    options = {COSTS[output][cost].parameter: PARAMETER}
    options.pop(None, None)
    net = Network([1, 1], output_activation=output, cost=cost, dtype=dtype, init=0.0, **options)
    net.parameters["W1"][...] = 1
    return net


def value(net, z, t):
    """Compute the cost of each logit, which may be any number."""
    net.parameters["b1"][...] = z
    return net.cost(np.zeros((1, 1)), [[t]])


def slope(output, cost, dtype, z, t):
    """Compute the derivative by the logit."""
    net = output_of_one(output, cost, dtype)
    net.fit(np.array([[z]], dtype), [[t]], optimizer=SGD(1.0))
    return -net.parameters["b1"][0, 0]


def exact_cost(output, cost, z, t):
    with np.errstate(all="ignore"):
        column = np.asarray(z, np.longdouble)[:, None]
        T = np.full_like(column, t)
        of_each, derivative = reference.COSTS[output, cost]
        return of_each(column, T, PARAMETER), derivative(column, T, PARAMETER)[:, 0]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(("output", "cost"), OF_ONE)
def test_costs_are_within_4_ulp(output, cost, dtype):
    random = np.random.default_rng(0)
    z = np.concatenate([random.uniform(-40, 40, 100), random.normal(size=100),
                        10.0 ** random.uniform(-9, 0, 50), [1.0, -1.0]]).astype(dtype)  # fmt: skip
    net = output_of_one(output, cost, dtype)
    values, slopes = exact_cost(output, cost, z, 0.0)
    got = np.array([value(net, x, 0.0) for x in z], dtype)
    assert in_ulp(got, values).max() <= 4
    got = np.array([slope(output, cost, dtype, x, 0.0) for x in z], dtype)
    assert in_ulp(got, slopes).max() <= 4


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(("output", "cost"), OF_ONE)
def test_costs_at_their_limits(output, cost, dtype):
    z = np.array([0.0, 1e4, -1e4, 1e-30, np.inf, -np.inf, np.nan], dtype)
    net = output_of_one(output, cost, dtype)
    for t in (0.0, 1.0):
        values, slopes = exact_cost(output, cost, z, t)
        with np.errstate(over="ignore"):
            values, slopes = values.astype(dtype), slopes.astype(dtype)
        got = np.array([value(net, x, t) for x in z], dtype)
        eps = np.finfo(dtype).eps
        np.testing.assert_allclose(got, values, rtol=4 * eps, atol=4 * eps)
        finite = np.isfinite(values) & np.isfinite(slopes)
        got = [slope(output, cost, dtype, x, t) for x in z[finite]]
        np.testing.assert_allclose(got, slopes[finite], rtol=4 * eps, atol=4 * eps)


@pytest.mark.parametrize(("output", "cost"), OF_ONE)
def test_slopes_are_those_of_the_costs(output, cost):
    net, h = output_of_one(output, cost, np.float64), 1e-6
    random = np.random.default_rng(2)
    for z, t in zip(random.uniform(-3, 3, 20), random.uniform(0, 1, 20), strict=True):
        difference = (value(net, z + h, t) - value(net, z - h, t)) / (2 * h)
        np.testing.assert_allclose(
            slope(output, cost, np.float64, z, t), difference, rtol=1e-7, atol=1e-8
        )
