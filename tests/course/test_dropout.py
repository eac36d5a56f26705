"""Dropout in the course's functions: the masks, who draws them, and where they are kept."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from layers import TANH, TYPES, draw, problem

import fastdnn


@pytest.mark.parametrize("order", "CF")
def test_masks_are_those_of_rand(order):
    X, _, parameters = problem((5, 6, 4, 1), 7, order=order)
    _, caches = fastdnn.L_model_forward(X, parameters, 0.6, rng=np.random.RandomState(8))
    random = np.random.RandomState(8)
    for (_, Z, D), n in zip(caches[:2], (6, 4), strict=True):
        np.testing.assert_array_equal(D, random.rand(n, 7) < 0.6)
        assert Z.shape == D.shape
    assert len(caches[2]) == 2
    # none is drawn where all are kept
    _, caches = fastdnn.L_model_forward(X, parameters, [1, 0.6], rng=np.random.RandomState(8))
    assert len(caches[0]) == 2
    np.testing.assert_array_equal(caches[1][2], np.random.RandomState(8).rand(4, 7) < 0.6)


def test_a_seed_repeats_and_a_generator_goes_on():
    A_prev, W, b = draw(0, 5, 40), draw(1, 6, 5), draw(2, 6, 1)

    def mask(rng):
        _, (_, _, D) = fastdnn.linear_activation_forward(A_prev, W, b, "relu", 0.5, rng=rng)
        return D

    np.testing.assert_array_equal(mask(3), mask(3))
    np.testing.assert_array_equal(mask(3), np.random.RandomState(3).rand(6, 40) < 0.5)
    np.testing.assert_array_equal(mask(np.int64(3)), mask(3))
    for make in (np.random.RandomState, np.random.default_rng):
        random = make(3)
        first, second = mask(random), mask(random)
        assert not np.array_equal(first, second)
        np.testing.assert_array_equal(first, mask(make(3)))
    modern = np.random.default_rng(3).random((6, 40)) < 0.5
    np.testing.assert_array_equal(mask(np.random.default_rng(3)), modern)
    assert not np.array_equal(mask(None), mask(None))
    # half of 20 000 to within six standard deviations
    A_prev = np.zeros((5, 20_000 // 6))
    assert abs(mask(None).mean() - 0.5) < 3 / np.sqrt(mask(None).size)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("activation", ["relu", "identity", "softmax"])
def test_masks_of_our_own(activation, order, dtype):
    W, b = draw(1, 6, 5).astype(dtype), draw(2, 6, 1).astype(dtype)
    for m in (1, 7, 2000):
        A_prev = np.asarray(draw(0, 5, m), dtype, order=order)
        A, (_, _, D) = fastdnn.linear_activation_forward(A_prev, W, b, activation, 0.75)
        whole, _ = fastdnn.linear_activation_forward(A_prev, W, b, activation)
        assert D.dtype == bool
        assert D.flags.fnc == A.flags.fnc
        np.testing.assert_allclose(A, whole * D / dtype(0.75), rtol=4 * np.finfo(dtype).eps)
    # unit by unit, and of all, to within six standard deviations
    assert np.all(np.abs(D.mean(axis=1) - 0.75) < 6 * np.sqrt(0.75 * 0.25 / 2000))
    assert abs(D.mean() - 0.75) < 6 * np.sqrt(0.75 * 0.25 / D.size)
    assert (
        fastdnn.linear_activation_forward(A_prev, W, b, activation, 1 - 1e-12)[1][2].mean() > 0.99
    )


def test_a_seed_holds_whatever_a_function_of_the_callers_draws():
    X, _, parameters = problem((5, 6, 4, 1), 7)

    def forward(Z):
        fastdnn.initialize_parameters(3, 2, 1, rng=9)
        return np.tanh(Z)

    _, caches = fastdnn.L_model_forward(X, parameters, 0.5, activation=(forward, TANH[1]), rng=8)
    random = np.random.RandomState(8)
    for (_, _, D), n in zip(caches[:2], (6, 4), strict=True):
        np.testing.assert_array_equal(D, random.rand(n, 7) < 0.5)


def test_the_global_generator_is_left_alone():
    X, _, parameters = problem((5, 6, 4, 1), 7)
    np.random.seed(42)
    expected = np.random.randn(3)
    np.random.seed(42)
    for rng in (None, 7, np.random.RandomState(7)):
        fastdnn.L_model_forward(X, parameters, 0.5, rng=rng)
    np.testing.assert_array_equal(np.random.randn(3), expected)


def test_threads_and_forked_processes_draw_masks_of_their_own():
    A_prev, W, b = draw(0, 5, 40), draw(1, 6, 5), draw(2, 6, 1)

    def mask(_):
        _, (_, _, D) = fastdnn.linear_activation_forward(A_prev, W, b, "relu", 0.5)
        return D.tobytes()

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(mask, range(100)))) == 100
    if sys.platform != "linux":
        return
    code = """
import os, sys, numpy as np, fastdnn
one = np.ones((40, 40))
def mask():
    _, (_, _, D) = fastdnn.linear_activation_forward(one, one, np.ones((40, 1)), "relu", 0.5)
    return np.packbits(D).tobytes().hex()
mask()
for _ in range(2):
    if os.fork() == 0:
        print(mask(), flush=True)
        os._exit(0)
    os.wait()
print(mask())
"""
    run = subprocess.run(
        [sys.executable, "-P", "-W", "ignore", "-c", code],
        capture_output=True, encoding="utf-8", check=True, timeout=60,
    )  # fmt: skip
    assert len(set(run.stdout.split())) == 3


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("activation", ["relu", "tanh", "identity", "softmax", TANH])
def test_masks_may_be_of_ones_and_zeros_in_any_memory(activation, dtype):
    n, m = 6, 40
    dA, Z, A_prev, W = (
        draw(i, *shape).astype(dtype) for i, shape in enumerate([(n, m), (n, m), (5, m), (n, 5)])
    )
    D = np.random.RandomState(0).rand(n, m) < 0.7
    results = []
    wide = np.zeros((2 * n, 3 * m), bool)
    wide[::2, ::3] = D
    reversed_ = np.ascontiguousarray(D[::-1, ::-1])[::-1, ::-1]
    read_only = D.copy()
    read_only.flags.writeable = False
    before = D.copy(), dA.copy()
    for mask in (
        *(D, np.asfortranarray(D), D.astype(int), D.astype("f4"), D.tolist(), read_only),
        *(wide[::2, ::3], reversed_, D.astype(">i2")),
    ):
        for order in "CF":
            cache = ((A_prev, W, np.zeros((n, 1), dtype)), np.asarray(Z, order=order), mask)
            results.append(fastdnn.linear_activation_backward(dA, cache, activation, 0.2, 0.7))
    masked = dA * D / dtype(0.7)
    expected = fastdnn.linear_activation_backward(masked, cache[:2], activation, 0.2)
    for result in results:
        for one, other in zip(result, expected, strict=True):
            assert one.dtype == dtype
            np.testing.assert_allclose(one, other, rtol=0, atol=50 * np.finfo(dtype).eps)
    np.testing.assert_array_equal(D, before[0])
    np.testing.assert_array_equal(dA, before[1])


def test_what_a_layer_drops_is_0_whatever_it_was():
    A_prev, W, b = np.array([[np.inf, 1.0]]), np.ones((2, 1)), np.zeros((2, 1))
    for activation in ("relu", "identity", (lambda Z: Z, lambda dA, Z: dA)):
        A, (_, _, D) = fastdnn.linear_activation_forward(A_prev, W, b, activation, 0.5, rng=1)
        assert (A[~D] == 0).all()
        assert (A[D] == (2 * (W @ A_prev))[D]).all()


@pytest.mark.parametrize("value", [0, -0.1, 1.1, np.nan, np.inf, 0.0])
def test_a_probability_out_of_range(value):
    X, Y, parameters = problem((5, 6, 4, 1), 7)
    AL, caches = fastdnn.L_model_forward(X, parameters)
    for keep_prob in (value, [0.5, value]):
        with pytest.raises(ValueError, match="keep_prob must be above 0 and at most 1"):
            fastdnn.L_model_forward(X, parameters, keep_prob)
        with pytest.raises(ValueError, match="keep_prob must be above 0 and at most 1"):
            fastdnn.L_model_backward(AL, Y, caches, 0.0, keep_prob)
    with pytest.raises(ValueError, match="keep_prob must be above 0 and at most 1"):
        fastdnn.linear_activation_forward(X, parameters["W1"], parameters["b1"], "relu", value)


def test_a_mask_and_its_probability_belong_together():
    X, Y, parameters = problem((5, 6, 4, 1), 7)
    AL, caches = fastdnn.L_model_forward(X, parameters, [0.5, 1])
    for keep_prob, name in [
        (1.0, r"caches\[0\] holds a mask"),
        (0.5, r"caches\[1\] holds no mask"),
        ([1, 0.5], r"caches\[1\] holds no mask"),
    ]:
        with pytest.raises(ValueError, match=name):
            fastdnn.L_model_backward(AL, Y, caches, keep_prob=keep_prob)
    with pytest.raises(ValueError, match="cache holds a mask"):
        fastdnn.linear_activation_backward(caches[0][1], caches[0], "relu")
    with pytest.raises(ValueError, match="cache holds no mask"):
        fastdnn.linear_activation_backward(caches[1][1], caches[1], "relu", keep_prob=0.5)
    with pytest.raises(ValueError, match=r"caches\[2\] holds a mask"):
        fastdnn.L_model_backward(AL, Y, [*caches[:2], (*caches[2], Y == 1)], keep_prob=[0.5, 1])
    linear, Z, D = caches[0]
    for mask, text in [
        (D[:, :-1], "D has shape"),
        (D + 0.5, "D must be a mask"),
        (D * 2, "D must be a mask"),
    ]:
        with pytest.raises(ValueError, match=text):
            fastdnn.linear_activation_backward(Z, (linear, Z, mask), "relu", keep_prob=0.5)


@pytest.mark.parametrize(
    ("keep_prob", "error"),
    [([0.5], ValueError), ([0.5] * 3, ValueError), ("half", TypeError), (None, TypeError)],
)
def test_probabilities_that_are_none(keep_prob, error):
    X, _, parameters = problem((5, 6, 4, 1), 7)
    with pytest.raises(error, match="keep_prob"):
        fastdnn.L_model_forward(X, parameters, keep_prob)


def test_a_wrong_source_of_masks():
    X, _, parameters = problem((5, 6, 4, 1), 7)
    with pytest.raises(TypeError, match="rng"):
        fastdnn.L_model_forward(X, parameters, 0.5, rng="seed")
    with pytest.raises(ValueError, match="rng"):
        fastdnn.L_model_forward(X, parameters, 0.5, rng=-1)
