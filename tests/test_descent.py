"""L-BFGS and its line search beside SciPy's L-BFGS-B, and where the function is not finite."""

import numpy as np
import pytest
from scipy.optimize import minimize, rosen, rosen_der

from fastdnn._sklearn.descent import Descent, End


def quadratic(n):
    scales = np.logspace(0, 4, n)
    return lambda x: (0.5 * float(scales @ (x - 1.0) ** 2), scales * (x - 1.0))


def smooth_sum(x):
    e = np.exp(x - x.max())
    return float(x.max() + np.log(e.sum()) + 0.05 * x @ x), e / e.sum() + 0.1 * x


def steep(x):
    # flat, then a wall: the line search extrapolates, brackets and interpolates
    return float(np.sum(np.exp(4.0 * x) - x)), 4.0 * np.exp(4.0 * x) - 1.0


def wavy(x):
    return float(np.sum(0.1 * x**2 + np.sin(3.0 * x))), 0.2 * x + 3.0 * np.cos(3.0 * x)


def quartic(x):
    return float(np.sum(x**4)), 4.0 * x**3


FUNCTIONS = {
    "rosen": (lambda x: (float(rosen(x)), rosen_der(x))),
    "quadratic": quadratic(40),
    "smooth_sum": smooth_sum,
    "steep": steep,
    "wavy": wavy,
    "quartic": quartic,
}


def descend(function, start, tol=1e-5, most=15000, evaluations=15000, iterated=lambda: False):
    """Minimise, and keep what was evaluated."""
    x, seen = np.array(start), []

    def evaluate(gradient):
        seen.append(x.copy())
        f, gradient[:] = function(x)
        return f

    descent = Descent(x, evaluate)
    return descent, descent.run(tol, most, evaluations, iterated), seen


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("most", [1, 2, 9, 12, 25])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_it_goes_where_scipy_goes(name, most, seed):
    start = np.random.default_rng(seed).normal(size=40) * 10.0**-seed
    options = {"gtol": 1e-5, "maxiter": most}
    ref = minimize(FUNCTIONS[name], start, jac=True, method="L-BFGS-B", options=options)
    descent, end, seen = descend(FUNCTIONS[name], start, most=most)
    assert descent.nit == ref.nit
    assert len(seen) == ref.nfev
    assert end.value[0] == ref.status
    np.testing.assert_allclose(descent.f, ref.fun, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(descent.reached, ref.x, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(descent.x, descent.reached)


@pytest.mark.parametrize("n", [1, 2, 3, 8191, 8193, 20000])
def test_vectors_of_any_length(n):
    descent, end, _ = descend(quadratic(n), np.zeros(n), tol=1e-6)
    assert end in (End.GRADIENT, End.GAIN)
    # the last iteration gains less than 2.2e-9, of which the flattest direction may have all
    np.testing.assert_allclose(descent.reached, 1.0, atol=3e-4)


@pytest.mark.parametrize("beyond", [np.inf, np.nan])
@pytest.mark.parametrize("wall", [1.5, 3.0, 1e3])
def test_steps_beyond_what_is_finite_are_shortened(wall, beyond):
    def function(x):
        if x[0] > wall:
            return beyond, np.full_like(x, np.nan)
        # the minimum is nearer than the wall, and the slope points far beyond it
        return float(100.0 * (x[0] - 1.0) ** 4 + x[1] ** 2), np.array(
            [400.0 * (x[0] - 1.0) ** 3, 2.0 * x[1]]
        )

    descent, end, _ = descend(function, [-9.0, 3.0], tol=1e-8)
    assert end in (End.GRADIENT, End.GAIN)
    assert descent.f < 1e-6


@pytest.mark.parametrize("f", [np.nan, np.inf, 1.0])
def test_a_beginning_that_is_not_finite_is_kept(f):
    start = np.arange(3.0)
    descent, end, _ = descend(lambda x: (f, np.full(3, np.nan)), start)
    assert end is End.ABNORMAL
    np.testing.assert_array_equal(descent.reached, start)


def test_a_gradient_that_is_wrong_ends_it():
    start = np.ones(3)
    descent, end, seen = descend(lambda x: (float(x @ x), -2.0 * x), start)
    ref = minimize(lambda x: (float(x @ x), -2.0 * x), start, jac=True, method="L-BFGS-B")
    assert end is End.ABNORMAL
    assert end.value[0] == ref.status
    assert descent.f == 3.0
    assert len(seen) < 30
    np.testing.assert_array_equal(descent.reached, start)
    np.testing.assert_array_equal(descent.x, start)


def test_what_ends_it():
    function = FUNCTIONS["rosen"]
    start = np.zeros(4)
    assert descend(function, start, most=3)[1] is End.ITERATIONS
    assert descend(function, start, evaluations=5)[1] is End.EVALUATIONS
    assert descend(function, start, iterated=lambda: True)[0].nit == 1
    assert descend(function, start, iterated=lambda: True)[1] is End.STOPPED
    assert descend(function, np.ones(4))[1] is End.GRADIENT
    assert descend(function, start, tol=0.0)[1] is End.GAIN
