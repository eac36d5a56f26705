"""Any number of threads gives the same bits: fits, with all that they leave behind."""

import numpy as np
import pytest
import reference_network as reference
from inside import generator, moments, params, steps
from networks import TYPES, assert_trains_alike
from scipy import sparse

from fastdnn._fit.names import ACTIVATIONS, COSTS
from fastdnn.network import Network
from fastdnn.optimizers import SGD, Adam, AdamW, RMSprop

THREADS = (2, 3, 4, 7)
BATCHES = [1, 31, 32, 33, 100, 128, 257, None]
SHAPES = [[5, 9, 2, 3], [5, 20, 1], [7, 1], [1, 3], [40, 30, 1, 2], [33, 70, 64, 1], [150, 64, 10]]
# of the fits of every shape
FITS = {
    "sgd": {"optimizer": SGD(0.1)},
    "sgd, l2": {"optimizer": SGD(0.05), "l2": 0.1},
    "adam, l2, weights": {"optimizer": Adam(0.01), "l2": 0.01, "sample_weight": True},
    "clipped": {"optimizer": SGD(0.1, 0.9, nesterov=True), "clip_norm": 0.1, "l2": 0.01},
    "dropout": {"optimizer": RMSprop(0.01), "dropout": 0.3, "input_dropout": 0.1},
    "shuffled": {"optimizer": AdamW(0.01), "shuffle": True},
    "accumulated": {"optimizer": Adam(0.01), "accumulate": 3},
}


def examples(layer_dims, m, dtype, seed=0):
    """Draw examples and classes of a network; of one output 0 and 1."""
    random = np.random.default_rng(seed)
    X = random.normal(size=(m, layer_dims[0])).astype(dtype)
    return X, random.integers(0, max(2, layer_dims[-1]), m)


def left_by(net, history):
    """Gather all that a fit leaves behind."""
    drawn = generator(net).integers(2**32, size=2)
    found = [params(net), history.costs, history.validation_costs, drawn, steps(net)]
    return [np.array(part) for part in (*found, *moments(net)) if part is not None]


def assert_same(
    layer_dims, X, Y, threads=THREADS, hidden="relu", output=None, cost=None, **options
):
    """Fit by one thread and by several, and compare all bits."""
    output = output or ("sigmoid" if layer_dims[-1] == 1 else "softmax")
    if options.get("sample_weight") is True:
        options["sample_weight"] = np.random.default_rng(1).uniform(size=X.shape[0])
    options = {"shuffle": False, "epochs": 2} | options
    found = []
    for n in (1, *threads):
        dtype = X.dtype.name
        net = Network(layer_dims, hidden, output, cost=cost, dtype=dtype, rng=0)
        found.append(left_by(net, net.fit(X, Y, n_threads=n, **options)))
    for n, others in zip(threads, found[1:], strict=True):
        for one, other in zip(found[0], others, strict=True):
            np.testing.assert_array_equal(other, one, f"{layer_dims}, {n} threads, {options}")
    assert np.isfinite(found[0][0]).all()


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("batch", BATCHES)
def test_fits_of_every_shape(batch, dtype):
    # the last batch is shorter
    m = 290 if batch is None else min(2 * batch + 20, 290)
    for i, layer_dims in enumerate(SHAPES):
        X, Y = examples(layer_dims, m, dtype)
        for j, options in enumerate(FITS.values()):
            # all numbers of threads come with all options, but not with all shapes
            threads = (2, THREADS[1 + (i + j) % 3])
            hidden = ("relu", "gelu")[(i + j) % 2]
            assert_same(layer_dims, X, Y, threads, hidden, batch_size=batch, **options)


@pytest.mark.parametrize("dtype", TYPES)
def test_fits_by_every_optimizer(dtype):
    X, Y = examples([33, 40, 1], 200, dtype)
    for optimizer in reference.OPTIMIZERS:
        assert_same([33, 40, 1], X, Y, (2, 3), "tanh", optimizer=optimizer, batch_size=90)


@pytest.mark.parametrize("dtype", TYPES)
def test_fits_of_every_activation_and_cost(dtype):
    X, Y = examples([9, 8, 1], 110, dtype)
    for hidden in ACTIVATIONS:
        assert_same([9, 8, 1], X, Y, (2, 3), hidden, optimizer=Adam(), batch_size=70)
    for output, costs in COSTS.items():
        for cost in costs:
            n_L = 2 if output == "softmax" else 1
            assert_same([9, 8, n_L], X, Y, (2, 3), output=output, cost=cost, optimizer=SGD(0.001),
                        batch_size=70, sample_weight=True)  # fmt: skip


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("order", ["C", "F"])
def test_fits_of_any_memory_order(order, dtype):
    for layer_dims in SHAPES:
        X, Y = examples(layer_dims, 200, dtype)
        X = np.asarray(X, order=order)
        for batch in (None, 70):
            assert_same(layer_dims, X, Y, (2, 5), optimizer=SGD(0.1), batch_size=batch)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("batch", [1, 33, 100, None])
def test_fits_of_sparse_examples(batch, dtype):
    random = np.random.default_rng(0)
    for n_0, n_1 in ((300, 20), (9, 70), (700, 8)):
        X = random.normal(size=(130, n_0)) * (random.uniform(size=(130, n_0)) < 0.05)
        X, Y = sparse.csr_array(X.astype(dtype)), random.integers(0, 3, 130)
        for options in FITS.values():
            assert_same([n_0, n_1, 3], X, Y, (2, 7), batch_size=batch, **options)


@pytest.mark.parametrize("dtype", TYPES)
def test_a_team_larger_than_the_batch(dtype):
    X, Y = examples([20, 16, 1], 70, dtype)
    assert_same([20, 16, 1], X, Y, (8,), optimizer=Adam(), batch_size=3, l2=0.1, clip_norm=0.1)


@pytest.mark.parametrize("hidden", ["relu", "tanh"])
def test_sums_of_many_slices_are_those_of_plain_numpy(hidden):
    X, Y = examples([6, 20, 1], 5000, "float64")
    net = Network([6, 20, 1], hidden, "sigmoid", rng=0)
    assert_trains_alike(
        net, X, Y, Y[:, None], SGD(0.5), 2, 4900, 1e-9, l2=0.1, clip_norm=0.05, n_threads=3
    )
