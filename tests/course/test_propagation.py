"""Course 2's passes with flat caches against plain NumPy, its digits and its published runs."""

import os
from pathlib import Path

import numpy as np
import pytest
import reference_passes

import fastdnn
from fastdnn import initialize_parameters_deep, update_parameters
from fastdnn.course2 import (
    backward_propagation,
    backward_propagation_with_dropout,
    backward_propagation_with_regularization,
    compute_cost,
    compute_cost_with_regularization,
    compute_loss,
    forward_propagation,
    forward_propagation_with_dropout,
    predict,
    predict_dec,
)

ROOT = Path(__file__).resolve().parent.parent.parent
CATVNONCAT = Path(os.environ.get("FASTDNN_DATA", ROOT.parent / "shared" / "data" / "catvnoncat"))
COURSE2 = CATVNONCAT.parent / "course2" / "data.mat"
DEPTHS = [[5, 1], [5, 4, 1], [3, 4, 2, 1], [4, 3, 5, 2, 3, 1], [4, 3, 3, 3, 3, 3, 2]]


def drawn(sizes, m=6, seed=0):
    random = np.random.RandomState(seed)
    parameters = {}
    for l in range(1, len(sizes)):
        parameters[f"W{l}"] = random.randn(sizes[l], sizes[l - 1])
        parameters[f"b{l}"] = random.randn(sizes[l], 1)
    return random.randn(sizes[0], m), random.randint(0, 2, (sizes[-1], m)), parameters


def assert_close(ours, theirs, tolerance=1e-12):
    if isinstance(theirs, dict):
        assert list(ours) == list(theirs)
        ours, theirs = [ours[key] for key in theirs], list(theirs.values())
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert np.shape(a) == np.shape(b)
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


# ------------------------------------------------------------------------------ against plain NumPy


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sizes", DEPTHS)
def test_passes_are_the_course_s(sizes, dtype, order):
    X, Y, parameters = drawn(sizes)
    X, Y = np.asarray(X, dtype, order=order), Y.astype(dtype)
    parameters = {key: np.asarray(value, dtype, order=order) for key, value in parameters.items()}
    tolerance = 1e-4 if dtype == np.float32 else 1e-12
    AL, cache = forward_propagation(X, parameters)
    theirs = reference_passes.forward_propagation(X, parameters)
    assert_close([AL, *cache], [theirs[0], *theirs[1]], tolerance)
    assert {array.dtype for array in cache} == {np.dtype(dtype)}
    cost = compute_cost(AL, Y)
    assert type(cost) is dtype
    assert_close([cost], [reference_passes.compute_cost(AL, Y)], tolerance)
    given = backward_propagation(X, Y, cache)
    assert_close(given, reference_passes.backward_propagation(X, Y, cache), tolerance)
    assert {array.dtype for array in given.values()} == {np.dtype(dtype)}
    cost = compute_cost_with_regularization(AL, Y, parameters, 0.7)
    assert type(cost) is dtype
    of = reference_passes.compute_cost_with_regularization(AL, Y, parameters, 0.7)
    assert_close([cost], [of], tolerance)
    given = backward_propagation_with_regularization(X, Y, cache, 0.7)
    assert_close(given, reference_passes.backward_propagation(X, Y, cache, 0.7), tolerance)


@pytest.mark.parametrize("keep_prob", [0.3, 0.5, 1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sizes", DEPTHS)
def test_dropout_is_the_course_s(sizes, dtype, keep_prob):
    X, Y, parameters = drawn(sizes)
    X, Y = X.astype(dtype), Y.astype(dtype)
    parameters = {key: array.astype(dtype) for key, array in parameters.items()}
    tolerance = 1e-4 if dtype == np.float32 else 1e-12
    np.random.seed(9)
    AL, cache = forward_propagation_with_dropout(X, parameters, keep_prob)
    after = np.random.rand()
    theirs = reference_passes.forward_propagation_with_dropout(X, parameters, keep_prob)
    assert_close([AL, *cache], [theirs[0], *theirs[1]], tolerance)
    masks = cache[1:-4:5]
    assert all(D.dtype == bool for D in masks)
    np.random.seed(9)
    assert after == np.random.rand()
    for of in (keep_prob, 0.8):  # the call's, whatever the cache was made with
        given = backward_propagation_with_dropout(X, Y, cache, of)
        expected = reference_passes.backward_propagation(X, Y, cache, 0.0, of)
        assert_close(given, expected, tolerance)
        assert {array.dtype for array in given.values()} == {np.dtype(dtype)}
    as_numbers = tuple(a.astype(int) if a.dtype == bool else a for a in cache)
    assert_close(
        backward_propagation_with_dropout(X, Y, as_numbers, 0.8),
        backward_propagation_with_dropout(X, Y, cache, 0.8),
        0,
    )


def test_masks_begin_anew_at_every_call_unless_they_are_asked_to_go_on():
    X, _, parameters = drawn([3, 9, 9, 1], 20)
    masks = [forward_propagation_with_dropout(X, parameters)[1][1] for _ in range(2)]
    np.testing.assert_array_equal(*masks)
    for rng in (np.random.RandomState(1), np.random.default_rng(1)):
        first, then = (
            forward_propagation_with_dropout(X, parameters, rng=rng)[1][1] for _ in range(2)
        )
        assert not np.array_equal(first, then)
    np.random.seed(1)
    expected = np.random.rand(9, 20) < 0.5
    np.random.seed(1)
    given = forward_propagation_with_dropout(X, parameters, rng=np.random.mtrand._rand)[1]
    np.testing.assert_array_equal(given[1], expected)
    np.testing.assert_array_equal(given[6], np.random.RandomState(1).rand(18, 20)[9:] < 0.5)


def test_costs_leave_out_what_is_nan():
    Y = np.array([[1, 0, 1, 0]])
    for a3, expected in (
        ([[1.0, 0.0, 0.5, 0.5]], 2 * np.log(2) / 4),
        ([[1.0, 0.0, 1.0, 0.0]], 0.0),
        ([[0.0, 0.0, 1.0, 0.0]], np.inf),
        ([[np.nan, 0.0, 0.5, 0.0]], np.log(2) / 4),
    ):
        for of in (compute_cost, compute_loss):
            cost = of(np.array(a3), Y)
            assert type(cost) is np.float64
            np.testing.assert_allclose(cost, expected, rtol=1e-15)
        assert compute_cost(np.array(a3), Y, reduction="sum") == 4 * cost


def test_reduction_is_the_sum_of_the_next_week():
    a3, Y = np.array([[0.2, 0.7, 0.9]]), np.array([[0, 1, 1]])
    expected = -np.log([0.8, 0.7, 0.9]).sum()
    np.testing.assert_allclose(compute_cost(a3, Y, reduction="sum"), expected, rtol=1e-14)
    with pytest.raises(ValueError, match="reduction must be"):
        compute_cost(a3, Y, reduction="none")


def test_costs_of_other_outputs_are_the_first_course_s():
    A, Y = np.array([[0.2, 0.7], [0.8, 0.3]]), np.array([[0, 1], [1, 0]])
    parameters = {"W1": np.ones((2, 3)), "b1": np.ones((2, 1))}
    for output in ("softmax", "identity", "sigmoid"):
        given = {"output_activation": output, "lambd": 0.5, "reduction": "sum"}
        cost = compute_cost(A, Y, parameters, **given)
        assert type(cost) is np.float64
        assert cost == fastdnn.compute_cost(A, Y, parameters, **given)


def test_predictions(capsys):
    X = np.array([[-1.0, 0.0, 1e-9, 5.0]])
    parameters = {"W1": np.ones((1, 1)), "b1": np.zeros((1, 1))}
    for y in (np.array([[0, 0, 0, 1]]), [0, 0, 0, 1]):
        p = predict(X, y, parameters)
        assert capsys.readouterr().out == "Accuracy: 0.75\n"
        assert p.dtype.kind == "i"
        np.testing.assert_array_equal(p, [[0, 0, 1, 1]])
    decided = predict_dec(parameters, X)
    assert decided.dtype == bool
    np.testing.assert_array_equal(decided, [[False, False, True, True]])
    parameters = {"W1": np.array([[1.0], [-1]]), "b1": np.zeros((2, 1))}
    p = predict(X, [1, 0, 0, 1], parameters, output_activation="softmax")
    assert capsys.readouterr().out == "Accuracy: 0.75\n"
    assert p.dtype.kind == "i"
    np.testing.assert_array_equal(p, [[1, 0, 0, 0]])


# ------------------------------------------------------------------------ what would break a caller


def test_types_and_keys_are_the_course_s():
    X, Y, parameters = drawn([3, 2, 3, 1])
    AL, cache = forward_propagation(X, parameters)
    assert type(cache) is tuple
    assert len(cache) == 12
    assert cache[9] is AL
    assert all(cache[at] is parameters[key] for at, key in ((2, "W1"), (6, "W2"), (11, "b3")))
    gradients = backward_propagation(X, Y, cache)
    expected = ["dZ3", "dW3", "db3", "dA2", "dZ2", "dW2", "db2", "dA1", "dZ1", "dW1", "db1"]
    assert list(gradients) == expected
    np.testing.assert_array_equal(gradients["dZ3"], AL - Y)
    AL, cache = forward_propagation_with_dropout(X, parameters)
    assert type(cache) is tuple
    assert len(cache) == 14
    assert list(backward_propagation_with_dropout(X, Y, cache, 0.5)) == expected


def test_labels_of_any_form():
    X, Y, parameters = drawn([3, 2, 1])
    _, cache = forward_propagation(X, parameters)
    expected = backward_propagation(X, Y, cache)
    for form in (Y.astype(bool), Y.ravel(), Y.tolist(), Y.astype(float)):
        assert_close(backward_propagation(X, form, cache), expected, 0)
        assert_close([compute_cost(cache[5], form)], [compute_cost(cache[5], Y)], 0)
    assert_close(backward_propagation(X, Y, list(cache)), expected, 0)


def test_nothing_of_the_caller_s_is_written():
    X, Y, parameters = drawn([4, 3, 2, 1])
    names = list(parameters)
    AL, cache = forward_propagation_with_dropout(X, parameters)
    plain = forward_propagation(X, parameters)[1]
    held = [X, Y, *parameters.values(), *cache, *plain]
    before = [array.copy() for array in held]
    for array in held:
        array.flags.writeable = False
    forward_propagation(X, parameters)
    forward_propagation_with_dropout(X, parameters)
    backward_propagation(X, Y, plain)
    backward_propagation_with_regularization(X, Y, plain, 0.1)
    backward_propagation_with_dropout(X, Y, cache, 0.5)
    compute_cost_with_regularization(AL, Y, parameters, 0.1)
    for array, copied in zip(held, before, strict=True):
        np.testing.assert_array_equal(array, copied)
    assert list(parameters) == names


def test_odd_arrays_are_converted():
    X, Y, parameters = drawn([4, 3, 2, 1])
    X, parameters = np.round(X), {key: np.round(3 * a) for key, a in parameters.items()}
    odd = {key: array.astype(int) for key, array in parameters.items()}
    for forward, backward in (
        (forward_propagation, backward_propagation),
        (
            forward_propagation_with_dropout,
            lambda X, Y, cache: backward_propagation_with_dropout(X, Y, cache, 0.5),
        ),
    ):
        AL, cache = forward(X, parameters)
        given, odd_cache = forward(X.tolist(), odd)
        assert_close([given, *odd_cache], [AL, *cache], 0)
        strange = tuple(np.asarray(a, ">f8") if a.dtype != bool else a for a in cache)
        assert_close(backward(X.tolist(), Y, strange), backward(X, Y, cache), 0)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda c, d: backward_propagation(*c[:2], d), ValueError, "it holds masks"),
        (
            lambda c, d: backward_propagation_with_dropout(*c, 0.5),
            ValueError,
            "cache must be .* forward_propagation_with_dropout returns, but it holds no masks",
        ),
        (lambda c, d: backward_propagation(*c[:2], c[2][1:]), ValueError, "cache must be"),
        (lambda c, d: backward_propagation(*c[:2], ()), ValueError, "cache must be"),
        (lambda c, d: backward_propagation(*c[:2], None), ValueError, "cache must be"),
        (lambda c, d: backward_propagation_with_dropout(*c[:2], d, 0), ValueError, "keep_prob"),
        (lambda c, d: backward_propagation_with_dropout(*c[:2], d, 1.1), ValueError, "keep_prob"),
        (lambda c, d: backward_propagation_with_regularization(*c, -1), ValueError, "lambd"),
        (lambda c, d: backward_propagation(c[0][:, :2], *c[1:]), ValueError, "X"),
        (lambda c, d: backward_propagation(c[0], c[1][:, :2], c[2]), ValueError, "Y has shape"),
        (
            lambda c, d: backward_propagation(*c[:2], (*c[2][:1], c[2][1][:1], *c[2][2:])),
            ValueError,
            "A1",
        ),
        (
            lambda c, d: backward_propagation_with_dropout(*c[:2], (d[0], d[1][:1], *d[2:]), 0.5),
            ValueError,
            "cache must be|D1",
        ),
        (
            lambda c, d: backward_propagation_with_dropout(*c[:2], (d[0], d[2], *d[2:]), 0.5),
            ValueError,
            "D1 must be a mask",
        ),
        (lambda c, d: forward_propagation(c[0], {"W1": 1}), ValueError, "parameters"),
        (lambda c, d: forward_propagation(c[0], {"W1": 1, "b2": 1}), ValueError, "no 'b1'"),
    ],
)
def test_refuses(call, error, match):
    X, Y, parameters = drawn([4, 3, 2, 1])
    _, cache = forward_propagation(X, parameters)
    _, dropped = forward_propagation_with_dropout(X, parameters)
    with pytest.raises(error, match=match):
        call((X, Y, cache), dropped)


@pytest.mark.parametrize("keep_prob", [0, -0.5, 1.5, np.nan])
def test_forward_refuses_a_probability(keep_prob):
    X, _, parameters = drawn([4, 3, 1])
    with pytest.raises(ValueError, match="keep_prob must be above 0 and at most 1"):
        forward_propagation_with_dropout(X, parameters, keep_prob)


# --------------------------------------------------------------------------------- published digits


W1 = np.array([[-1.09989127, -0.17242821, -0.87785842], [0.04221375, 0.58281521, -1.10061918]])
B1 = np.array([[1.14472371], [0.90159072]])
W2 = np.array([[0.50249434, 0.90085595], [-0.68372786, -0.12289023], [-0.93576943, -0.26788808]])
B2 = np.array([[0.53035547], [-0.69166075], [-0.39675353]])
W3 = np.array([[-0.6871727, -0.84520564, -0.67124613]])
B3 = np.array([[-0.0126646]])
A3 = np.array([[0.40682402, 0.01629284, 0.16722898, 0.10118111, 0.40682402]])
Y = np.array([[1, 1, 0, 1, 0]])
PARAMETERS = {"W1": W1, "b1": B1, "W2": W2, "b2": B2, "W3": W3, "b3": B3}


def test_published_cost_with_regularization():
    random = np.random.RandomState(1)
    shapes = {"W1": (2, 3), "b1": (2, 1), "W2": (3, 2), "b2": (3, 1), "W3": (1, 3), "b3": (1, 1)}
    parameters = {key: random.randn(*shape) for key, shape in shapes.items()}
    cost = compute_cost_with_regularization(A3, Y, parameters, 0.1)
    assert abs(cost - 1.7864859451590758) < 1e-14


def test_published_gradient_with_regularization():
    X = np.random.RandomState(1).randn(3, 5)
    A1 = np.array(
        [[0, 3.32524635, 2.13994541, 2.60700654, 0], [0, 4.1600994, 0.79051021, 1.46493512, 0]]
    )
    A2 = np.array([[0.53035547, 5.94892323, 2.31780174, 3.16005701, 0.53035547], [0] * 5, [0] * 5])
    cache = (A1, A1, W1, B1, A2, A2, W2, B2, A3, A3, W3, B3)
    gradients = backward_propagation_with_regularization(X, Y, cache, lambd=0.7)
    published = [[-1.77691347, -0.11832879, -0.09397446]]
    np.testing.assert_allclose(gradients["dW3"], published, rtol=0, atol=5e-9)


def test_published_output_with_dropout():
    random = np.random.RandomState(1)
    X = random.randn(3, 5)
    shapes = {"W1": (2, 3), "b1": (2, 1), "W2": (3, 2), "b2": (3, 1), "W3": (1, 3), "b3": (1, 1)}
    parameters = {key: random.randn(*shape) for key, shape in shapes.items()}
    AL, _ = forward_propagation_with_dropout(X, parameters, keep_prob=0.7)
    published = [[0.36974721, 0.00305176, 0.04565099, 0.49683389, 0.36974721]]
    np.testing.assert_allclose(AL, published, rtol=0, atol=5e-9)


def test_published_gradient_with_dropout():
    X = np.random.RandomState(1).randn(3, 5)
    D1 = np.array([[1, 0, 1, 1, 1], [1, 1, 1, 1, 0]], bool)
    A1 = np.array([[0, 0, 4.27989081, 5.21401307, 0], [0, 8.32019881, 1.58102041, 2.92987024, 0]])
    D2 = np.array([[1, 0, 1, 0, 1], [0, 1, 0, 1, 1], [0, 0, 1, 0, 0]], bool)
    A2 = np.array([[1.06071093, 0, 8.21049603, 0, 1.06071093], [0] * 5, [0] * 5])
    A3 = np.array([[0.32266394, 0.49683389, 0.00348883, 0.49683389, 0.32266394]])
    cache = (A1, D1, A1, W1, B1, A2, D2, A2, W2, B2, A3, A3, W3, B3)
    gradients = backward_propagation_with_dropout(X, Y, cache, keep_prob=0.8)
    published = [
        [0.36544439, 0, -0.00188233, 0, -0.17408748],
        [0.65515713, 0, -0.00337459, 0, 0],
    ]
    np.testing.assert_allclose(gradients["dA1"], published, rtol=0, atol=5e-9)


# ----------------------------------------------------------------------------------- published runs


def l2(X, Y, parameters):
    a3, cache = forward_propagation(X, parameters)
    cost = compute_cost_with_regularization(a3, Y, parameters, 0.7)
    return cost, backward_propagation_with_regularization(X, Y, cache, 0.7)


def dropout(X, Y, parameters):
    a3, cache = forward_propagation_with_dropout(X, parameters, 0.86)
    return compute_cost(a3, Y), backward_propagation_with_dropout(X, Y, cache, 0.86)


@pytest.mark.skipif(
    not COURSE2.is_file(),
    reason="the course's data are not beside the folder that FASTDNN_DATA names",
)
@pytest.mark.parametrize(
    ("step", "published"),
    [
        (l2, [0.6974484493131264, 0.2684918873282239, 0.2680916337127301]),
        (dropout, [0.6543912405149825, 0.0610169865749056, 0.060582435798513114]),
    ],
)
def test_published_run(step, published):
    from scipy.io import loadmat

    data = loadmat(COURSE2)
    X, Y = data["X"].T, data["y"].T
    parameters, costs = initialize_parameters_deep([2, 20, 3, 1], scale="lecun"), []
    for i in range(20001):
        cost, gradients = step(X, Y, parameters)
        if i % 10000 == 0:
            costs.append(cost)
        parameters = update_parameters(parameters, gradients, 0.3)
    np.testing.assert_allclose(costs, published, rtol=0, atol=1e-8)
