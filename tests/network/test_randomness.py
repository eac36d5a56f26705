"""Orders and masks come from the network's generator."""

import copy

import numpy as np
import pytest
import reference_network as reference
from inside import generator, params
from networks import TYPES, lists, problem

from fastdnn.network import Network
from fastdnn.optimizers import SGD, Adam


def test_shuffles_are_permutations_by_the_network_s_generator():
    X, Y, T = problem("sigmoid")
    net = Network([5, 8, 3], rng=3)
    random = copy.deepcopy(generator(net))
    orders = [random.permutation(len(X)) for _ in range(4)]
    W, b = lists(net)
    costs = reference.train(
        W, b, ["relu"], "sigmoid", "cross_entropy", 0, X, T, Adam(0.05), 4, 6, orders
    )
    history = net.fit(X, Y, optimizer=Adam(0.05), batch_size=6, epochs=4)
    np.testing.assert_allclose(history.costs, costs, rtol=1e-10)
    np.testing.assert_allclose(net.parameters["W1"].T, W[0], rtol=1e-9)


def kept(random, size, keep):
    """Draw a mask as the engine does: the two halves of a 64-bit word decide on two elements."""
    words = random.bit_generator.random_raw((size + 1) // 2)
    halves = np.stack([words & 0xFFFFFFFF, words >> 32], axis=1).ravel()[:size]
    return (halves < int(keep * 2**32)) / keep


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu", "softplus"])
@pytest.mark.parametrize("shuffle", [False, True])
def test_dropout_against_numpy(shuffle, activation, dtype):
    X, Y, T = problem("sigmoid", m=9, dtype=dtype)
    net = Network([5, 7, 6, 3], activation, dtype=dtype, rng=0)
    W, b = lists(net)
    random = copy.deepcopy(generator(net))
    order = random.permutation(9) if shuffle else np.arange(9)
    for rows in (order[:4], order[4:8], order[8:]):
        sizes = [(len(rows), n) for n in (5, 7, 6)]
        masks = [
            kept(random, r * n, keep).reshape(r, n).astype(dtype)
            for (r, n), keep in zip(sizes, (0.8, 0.6, 0.6), strict=True)
        ]
        _, dW, db = reference.gradient(
            W, b, [activation] * 2, "sigmoid", "cross_entropy", 0, X[rows], T[rows], masks=masks
        )
        for p, g in zip(W + b, dW + db, strict=True):
            p -= 0.5 * g
    net.fit(X, Y, optimizer=SGD(0.5), batch_size=4, dropout=0.4, input_dropout=0.2, shuffle=shuffle)
    rtol = 1e-3 if dtype == "float32" else 1e-9
    for got, expected in zip(lists(net), (W, b), strict=True):
        for g, e in zip(got, expected, strict=True):
            np.testing.assert_allclose(g, e, rtol=rtol, atol=rtol / 100)


def test_dropout_keeps_its_share():
    random = np.random.default_rng(0)
    assert abs((kept(random, 100_000, 0.3) > 0).mean() - 0.3) < 0.01


@pytest.mark.parametrize("rng", [None, 5, np.random.default_rng(5), np.random.RandomState(5)])
def test_rng(rng):
    state = copy.deepcopy(rng)
    nets = [Network([5, 8, 3], rng=rng) for _ in range(2)]
    assert (params(nets[0]) == params(nets[1])).all() == (rng is not None)
    if isinstance(rng, np.random.Generator):
        assert rng.integers(2**60) == state.integers(2**60), "the user's generator was used"
    elif rng is not None and not isinstance(rng, int):
        assert rng.randint(2**31 - 1) == state.randint(2**31 - 1), "the user's generator was used"
