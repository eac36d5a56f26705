"""The table of a model and the views on its arena: one memory under three names."""

from itertools import pairwise

import numpy as np
import pytest

from fastdnn import Network
from fastdnn._fit.model import Model, Training, packed, table


@pytest.mark.parametrize("layer_dims", [(1, 1), (3, 2), (5, 4, 3), (2, 1, 1, 7)])
def test_rows_fill_the_arena_in_order(layer_dims):
    rows, at = table(layer_dims), 0
    for l, (n_prev, n) in enumerate(pairwise(layer_dims), 1):
        W, b = rows[2 * l - 2 : 2 * l]
        assert (W.name, W.kind, W.shape, W.offset) == (f"W{l}", "weights", (n_prev, n), at)
        assert (b.name, b.kind, b.shape, b.offset) == (f"b{l}", "bias", (n,), at + n_prev * n)
        at += n_prev * n + n
    assert sum(row.size for row in rows) == at


def model(dtype=None, cost="squared_error", **options):
    coefs = [np.arange(6.0).reshape(2, 3), np.arange(3.0).reshape(3, 1)]
    intercepts = [np.full((3, 1), 7.0), np.full(1, 8.0)]
    return Model.from_arrays(coefs, intercepts, ("tanh",), "identity", cost, dtype=dtype, **options)


@pytest.mark.parametrize("dtype", [None, "float32", "float64"])
def test_from_arrays(dtype):
    made = model(dtype)
    assert made.dtype == (dtype or "float64")
    np.testing.assert_array_equal(made.params, [*range(6), 7, 7, 7, 0, 1, 2, 8])
    # a copy, beginning with a cache line
    assert made.params.ctypes.data % 64 == 0
    np.testing.assert_array_equal(made.parameters["W1"], np.arange(6).reshape(2, 3).T)


def test_views_are_of_one_memory():
    made = model()
    made.coefs[0][1, 2] = -1
    made.parameters["b1"][0] = -2
    made.intercepts[1][0] = -3
    assert made.parameters["W1"][2, 1] == -1
    assert made.intercepts[0][0] == -2
    assert made.params[-1] == -3
    with pytest.raises(TypeError):
        made.parameters["W1"] = made.coefs[0]


def test_another_meaning_has_the_same_memory():
    made = model()
    other = made.of(("relu",), "exp", "poisson")
    assert other.params is made.params
    assert other.training is made.training
    X = np.ones((4, 2))
    Z = np.empty((4, 1))
    made.of(("relu",), "identity", "squared_error").plan.predict(X, Z)
    np.testing.assert_allclose(other.plan.outputs(X), np.exp(Z))
    assert made.output == "identity"


def test_moments_go_on_with_a_rule_that_needs_the_same():
    made = model()
    made.training = Training("momentum", np.ones(13), optimizer="kept")
    made.training.counts.steps, made.training.counts.epochs = 5, 2
    goes_on = made.trained_by("nesterov")
    assert goes_on.m1 is made.training.m1
    assert goes_on.counts is made.training.counts
    for rule, needed in (("sgd", ()), ("rmsprop", (2,)), ("adam", (1, 2))):
        anew = made.trained_by(rule)
        assert [i for i, m in enumerate(anew.moments, 1) if m is not None] == list(needed)
        assert (anew.counts.steps, anew.counts.epochs) == (0, 2)
        assert made.training.rule == "momentum"


def test_a_network_of_a_model_trains_it():
    made = model()
    net = Network._of(made)
    before = made.params.copy()
    net.fit(np.ones((4, 2)), np.ones(4))
    assert (made.params != before).any()
    assert made.training.counts.steps == net.epochs == 1


def test_packed_takes_any_numbers():
    params = packed(table((2, 1)), [np.array([[1], [2]], "int8")], [np.array([True])], "float32")
    assert params.dtype == np.float32
    np.testing.assert_array_equal(params, [1, 2, 1])
