"""Mini-batches, beside the course's, and one-hot labels."""

import numpy as np
import pytest
import reference_course2 as reference

from fastdnn import course2


def same(got, expected):
    assert len(got) == len(expected)
    for (X, Y), (X_too, Y_too) in zip(got, expected, strict=True):
        assert X.dtype == X_too.dtype
        assert Y.dtype == Y_too.dtype
        np.testing.assert_array_equal(X, X_too)
        np.testing.assert_array_equal(Y, Y_too)


def laid(array, order):
    if order == "strided":
        memory = np.zeros((2 * array.shape[0], array.shape[1] + 3), array.dtype)
        memory[::2, 3:] = array
        return memory[::2, 3:]
    return np.asarray(array, order=order)


def test_the_course_s_digits():
    np.random.seed(1)
    X = np.random.randn(12288, 148)
    Y = np.random.randn(1, 148) < 0.5
    state = np.random.get_state()[1].copy()
    batches = course2.random_mini_batches(X, Y, 64, 0)
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    assert type(batches) is list
    assert {type(batch) for batch in batches} == {tuple}
    assert [X.shape for X, _ in batches] == [(12288, 64), (12288, 64), (12288, 20)]
    assert [Y.shape for _, Y in batches] == [(1, 64), (1, 64), (1, 20)]
    assert batches[0][1].dtype == bool
    np.testing.assert_allclose(batches[0][0][0, :3], [0.90085595, -0.7612069, 0.2344157])
    # the test of 2021
    m, n, size = 148, 12288, 64
    X = np.arange(n * m).reshape((m, n)).T
    batches = course2.random_mini_batches(X, np.arange(m).reshape((1, m)), size)
    for X_batch, Y_batch in batches:
        assert X_batch.dtype == int
        np.testing.assert_array_equal(X_batch, Y_batch * n + np.arange(n).reshape((n, 1)))


@pytest.mark.parametrize("order", ["C", "F", "strided"])
@pytest.mark.parametrize("dtype", [float, np.float32, np.int64, np.uint8, bool])
@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 7), (5, 1), (3, 64), (20, 65), (2, 300)])
def test_batches_are_the_course_s(n, m, dtype, order):
    random = np.random.default_rng(0)
    X = laid((5 * random.standard_normal((n, m))).astype(dtype), order)
    before = X.copy()
    state = np.random.get_state()
    for size, C in ((64, 1), (1, 4), (10, 4)):
        Y = laid(random.integers(0, 2, (C, m)), order)
        got = course2.random_mini_batches(X, Y, size, 5)
        assert np.array_equal(np.random.get_state()[1], state[1])
        same(got, reference.random_mini_batches(X, Y, size, 5))
        np.random.set_state(state)
        assert not any(np.shares_memory(part, X) for part, _ in got)
    np.testing.assert_array_equal(X, before)


def test_flat_labels_become_a_row():
    X = np.arange(12.0).reshape(2, 6)
    expected = course2.random_mini_batches(X, np.arange(6).reshape(1, 6), 4)
    for Y in (np.arange(6), np.arange(6).reshape(6, 1), list(range(6))):
        same(course2.random_mini_batches(X, Y, 4), expected)


def test_rng_instead_of_the_seed():
    X, Y = np.arange(12.0).reshape(2, 6), np.arange(6)
    expected = course2.random_mini_batches(X, Y, 4, seed=3)
    same(course2.random_mini_batches(X, Y, 4, rng=3), expected)
    same(course2.random_mini_batches(X, Y, 4, np.int64(3)), expected)
    # the global generator, if it is given, goes on
    np.random.seed(3)
    same(course2.random_mini_batches(X, Y, 4, rng=np.random.mtrand._rand), expected)
    order = np.random.RandomState(3)
    assert np.array_equal(order.permutation(6), expected_order(expected))
    assert np.random.randint(1000) == order.randint(1000)
    random = np.random.default_rng(1)
    got = course2.random_mini_batches(X, Y, 4, rng=random)
    assert np.array_equal(expected_order(got), np.random.default_rng(1).permutation(6))


def expected_order(batches):
    return np.concatenate([Y[0] for _, Y in batches])


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"X": np.ones(6)}, ValueError, r"X must have 2 dimensions, got shape \(6,\)"),
        ({"X": "text"}, TypeError, "X must be an array of real numbers"),
        ({"X": np.ones((0, 6))}, ValueError, "X must not be empty"),
        ({"Y": np.ones(5)}, ValueError, r"Y has shape \(5,\), but X has 6 columns"),
        ({"Y": np.ones((6, 3))}, ValueError, r"Y has shape \(6, 3\), but X has 6 columns"),
        ({"Y": np.ma.ones(6)}, TypeError, "Y is a masked array"),
        ({"mini_batch_size": 0}, ValueError, "mini_batch_size must be at least 1, got 0"),
        ({"mini_batch_size": -5}, ValueError, "mini_batch_size must be at least 1"),
        ({"mini_batch_size": 2.0}, TypeError, "mini_batch_size must be an integer, got 2.0"),
        ({"seed": -1}, ValueError, "seed: "),
        ({"seed": "zero"}, TypeError, "seed must be an integer"),
        ({"rng": "zero"}, TypeError, "rng must be an integer"),
        ({"rng": -1}, ValueError, "rng: "),
    ],
)
def test_bad_input(changes, error, message):
    given = {"X": np.ones((2, 6)), "Y": np.ones(6)} | changes
    with pytest.raises(error, match=message):
        course2.random_mini_batches(**given)


# ----------------------------------------------------------------------------------------- one-hot


@pytest.mark.parametrize("dtype", [int, np.uint8, np.int16, float, np.float32])
def test_one_hot(dtype):
    Y = np.array([[1, 0, 2, 3, 1]], dtype)
    expected = reference.convert_to_one_hot(Y.astype(int), 5)
    for form in (Y, Y[0], Y.T, Y[0].tolist()):
        one_hot = course2.convert_to_one_hot(form, 5)
        assert one_hot.dtype == float
        np.testing.assert_array_equal(one_hot, expected)
    np.testing.assert_array_equal(course2.convert_to_one_hot([True, False], 2), [[0, 1], [1, 0]])
    np.testing.assert_array_equal(course2.convert_to_one_hot(0, 1), [[1]])


@pytest.mark.parametrize(
    ("Y", "C", "error", "message"),
    [
        ([0, 3], 3, ValueError, "Y must hold classes from 0 to 2, but holds 3"),
        ([-1, 0], 3, ValueError, "Y must hold classes from 0 to 2, but holds -1"),
        ([0.5], 3, ValueError, "Y must hold classes from 0 to 2, but holds 0.5"),
        ([np.nan], 3, ValueError, "Y must hold classes from 0 to 2, but holds nan"),
        (["a"], 3, TypeError, "Y must be an array of real numbers"),
        ([], 3, ValueError, "Y must not be empty"),
        ([0], 0, ValueError, "C must be at least 1, got 0"),
        ([0], 2.5, TypeError, "C must be an integer"),
    ],
)
def test_bad_classes(Y, C, error, message):
    with pytest.raises(error, match=message):
        course2.convert_to_one_hot(Y, C)
