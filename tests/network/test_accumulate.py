"""One step for the gradients of several batches: that of a batch so many times as large."""

import numpy as np
import pytest
import scipy.sparse

from fastdnn import SGD, Adam, Network
from tests.inside import params, steps

RANDOM = np.random.default_rng(0)
m = 61  # three steps of 8 batches of 3, but the last of 5, whose last has one example
X = RANDOM.normal(size=(m, 9))
SPARSE = scipy.sparse.random(m, 9, 0.3, "csr", random_state=0)
WEIGHTS = RANDOM.uniform(0, 2, m)
WEIGHTS[:3] = WEIGHTS[24:48] = 0  # in order, the first batch and the second step
LABELS = RANDOM.integers(0, 3, m)

CASES = {
    "sgd": {"optimizer": SGD(0.1)},
    "momentum": {"optimizer": SGD(0.1, 0.9)},
    "adam": {},
    "l2": {"l2": 0.1},
    "clipped": {"clip_norm": 0.05},
    "all": {"clip_norm": 0.05, "l2": 0.1, "sample_weight": WEIGHTS},
    "weights": {"sample_weight": WEIGHTS},
    "in order": {"shuffle": False, "sample_weight": WEIGHTS, "l2": 0.1},
}


def trained(x, y, dims, dtype, hidden="tanh", output="softmax", **options):
    net = Network(dims, hidden, output, dtype=dtype, rng=0)
    options = {"optimizer": Adam(0.01), "epochs": 3} | options
    history = net.fit(x, y, **options)
    return net, history


def check(x, y, dims, dtype, **options):
    once = trained(x, y, dims, dtype, batch_size=24, **{**options, "n_threads": 1})
    several = trained(x, y, dims, dtype, batch_size=3, accumulate=8, **options)
    close = {"rtol": 2e-3, "atol": 2e-5} if dtype == "float32" else {"rtol": 1e-7, "atol": 1e-9}
    np.testing.assert_allclose(params(several[0]), params(once[0]), **close)
    np.testing.assert_allclose(several[1].costs, once[1].costs, **close)
    assert steps(several[0]) == steps(once[0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_threads", [1, 2, 5])
@pytest.mark.parametrize("case", CASES)
def test_it_is_a_step_of_a_larger_batch(case, n_threads, dtype):
    check(X, LABELS, [9, 7, 6, 3], dtype, n_threads=n_threads, **CASES[case])


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("case", ["sgd", "l2", "all"])
def test_of_sparse_examples(case, n_threads):
    check(SPARSE, LABELS, [9, 20, 3], "float64", n_threads=n_threads, **CASES[case])


def test_of_a_layer_of_relu_and_one_output():
    check(X, LABELS > 0, [9, 40, 1], "float64", hidden="relu", output="sigmoid", n_threads=1)


def test_of_more_batches_than_there_are():
    whole, _ = trained(X, LABELS, [9, 5, 3], "float64", first_layer="direct")
    parts, _ = trained(X, LABELS, [9, 5, 3], "float64", batch_size=10, accumulate=10**6)
    np.testing.assert_allclose(params(parts), params(whole), rtol=1e-7, atol=1e-9)
    assert steps(parts) == 3


def test_it_goes_on_where_it_was():
    one, _ = trained(X, LABELS, [9, 5, 3], "float32", batch_size=4, accumulate=3, epochs=4)
    two, _ = trained(X, LABELS, [9, 5, 3], "float32", batch_size=4, accumulate=3, epochs=2)
    two.fit(X, LABELS, batch_size=4, accumulate=3, epochs=2)
    np.testing.assert_array_equal(params(one), params(two))


def test_the_gram_form_has_no_batches_to_add():
    with pytest.raises(ValueError, match="accumulate"):
        trained(X, LABELS, [9, 5, 3], "float32", optimizer=SGD(), accumulate=2, first_layer="gram")
