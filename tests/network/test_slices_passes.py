"""Any number of threads gives the same bits: predictions, costs, gradients, the Gram form."""

from functools import partial

import numpy as np
import pytest
from inside import moments, params
from networks import TYPES
from scipy import sparse

from fastdnn.network import Network
from fastdnn.optimizers import SGD

SHAPES = [[5, 9, 2, 3], [5, 20, 1], [7, 1], [1, 3], [40, 30, 1, 2], [54, 128, 64, 1]]
GRAM = [(290, [300, 40, 10]), (40, [700, 20, 1]), (33, [5, 7, 1]), (100, [200, 1])]
ROWS = [1, 31, 47, 48, 49, 97, 500, 1009, 2600]


def assert_same(call, threads=(2, 3, 7)):
    """Compare the bits that one thread and several give."""
    one = call(1)
    for n in threads:
        np.testing.assert_array_equal(call(n), one, f"{n} threads")


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("m", ROWS)
@pytest.mark.parametrize("lies", ["C", "F", "sparse"])
def test_passes(lies, m, dtype):
    random = np.random.default_rng(0)
    for layer_dims in SHAPES:
        X = random.normal(size=(m, layer_dims[0])).astype(dtype)
        Y, w = random.integers(0, max(2, layer_dims[-1]), m), random.uniform(0.1, 1, m)
        output = "sigmoid" if layer_dims[-1] == 1 else "softmax"
        net = Network(layer_dims, "relu", output, dtype=dtype, rng=0)
        X = np.asarray(X, order=lies) if lies in "CF" else sparse.csr_array(X * (X > 1))
        assert_same(partial(predicted, net, X))
        assert_same(partial(cost, net, X, Y, w))
        assert_same(partial(derived, net, X, 0))
        if m < 600:
            assert_same(partial(derived, net, X, None))


def predicted(net, X, n):
    return net.predict(X, n_threads=n)


def cost(net, X, Y, w, n):
    return net.cost(X, Y, sample_weight=w, n_threads=n)


def derived(net, X, output, n):
    return net.gradient(X, output, n_threads=n)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("optimizer", [SGD(0.1), SGD(0.05, 0.9, nesterov=True)], ids=str)
@pytest.mark.parametrize("order", ["C", "F"])
def test_the_gram_form(order, optimizer, dtype):
    random = np.random.default_rng(0)
    for m, layer_dims in GRAM:
        X = np.asarray(random.normal(size=(m, layer_dims[0])).astype(dtype), order=order)
        Y = random.integers(0, max(2, layer_dims[-1]), m)
        assert_same(partial(left_by_gram, layer_dims, X, Y, optimizer))


def left_by_gram(layer_dims, X, Y, optimizer, n):
    """Fit in the Gram form, and gather all that is left behind."""
    output = "sigmoid" if layer_dims[-1] == 1 else "softmax"
    net = Network(layer_dims, "relu", output, dtype=X.dtype, rng=0)
    for _ in range(2):
        # the second fit goes on from the first one's coefficients
        history = net.fit(
            X, Y, optimizer=optimizer, epochs=3, l2=0.1, n_threads=n, first_layer="gram",
            validation_data=(X, Y),
        )  # fmt: skip
    left = [history.costs, history.validation_costs, params(net), *moments(net)]
    return np.concatenate([np.ravel(part) for part in left if part is not None])


@pytest.mark.parametrize("dtype", TYPES)
def test_validation(dtype):
    random = np.random.default_rng(0)
    X = random.normal(size=(900, 54)).astype(dtype)

    def costs(n):
        net = Network([54, 64, 1], "relu", "sigmoid", dtype=dtype, rng=0)
        return net.fit(
            X, X[:, 0] > 0, epochs=3, batch_size=200, validation_data=(X, X[:, 0] > 0), n_threads=n
        ).validation_costs

    assert_same(costs)
