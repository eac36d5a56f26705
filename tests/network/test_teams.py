"""A team of threads computes what one thread does."""

import numpy as np
import pytest
from inside import generator, params, steps
from networks import TYPES, problem

from fastdnn.network import Network
from fastdnn.optimizers import SGD, Adam, AdamW, RMSprop

TEAMS = {
    "sgd": {"optimizer": SGD(0.1)},
    "adam, l2, weights": {"optimizer": Adam(0.01), "l2": 0.01, "sample_weight": True},
    "clipped": {"optimizer": SGD(0.1, 0.9, nesterov=True), "clip_norm": 0.1, "l2": 0.01},
    "dropout": {"optimizer": RMSprop(0.01), "dropout": 0.3, "input_dropout": 0.1},
    "shuffled": {"optimizer": AdamW(0.01), "shuffle": True, "validation": True},
    "one step": {"optimizer": Adam(0.01), "batch_size": None},
    "gram": {"optimizer": SGD(0.1, 0.9), "batch_size": None, "first_layer": "gram", "l2": 0.01},
}


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("n_threads", [2, 3, 50])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("options", TEAMS.values(), ids=TEAMS)
def test_a_team_computes_what_one_thread_does(options, order, activation, n_threads, dtype):
    X, Y, _ = problem("softmax", m=47, n_0=5, dtype=dtype)
    options = {"batch_size": 20, "shuffle": False} | options
    X = np.asarray(X, order=order)
    if options.pop("sample_weight", False):
        options["sample_weight"] = np.random.default_rng(1).uniform(size=47)
        options["sample_weight"][20:40] = 0
    if options.pop("validation", False):
        options["validation_data"] = (X, Y)
    found = []
    for n in (1, n_threads):
        net = Network([5, 9, 2, 3], activation, "softmax", dtype=dtype, rng=0)
        history = net.fit(X, Y, epochs=4, n_threads=n, **options)
        found.append((net, history))
    (one, costs), (net, team_costs) = found
    tolerance = 1e-10 if dtype == "float64" else 2e-4
    np.testing.assert_allclose(params(net), params(one), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(team_costs.costs, costs.costs, rtol=tolerance)
    np.testing.assert_allclose(team_costs.validation_costs, costs.validation_costs, rtol=tolerance)
    assert steps(net) == steps(one)
    drawn = [generator(n).integers(9, size=5) for n in (net, one)]
    np.testing.assert_array_equal(*drawn)
    np.testing.assert_allclose(
        net.predict(X, n_threads=n_threads), one.predict(X), rtol=tolerance, atol=tolerance
    )
    np.testing.assert_allclose(net.cost(X, Y, n_threads=n_threads), one.cost(X, Y), rtol=tolerance)


@pytest.mark.parametrize("optimizer", [SGD(0.5), Adam(0.01)], ids=str)
def test_a_team_computes_an_output_of_one_as_one_thread_does(optimizer):
    X, Y, _ = problem("sigmoid", m=150, n_L=1)
    nets = [Network([5, 20, 1], "relu", "sigmoid", rng=0) for _ in range(2)]
    costs = [
        net.fit(X, Y, optimizer=optimizer, batch_size=40, epochs=4, shuffle=False, n_threads=n)
        for n, net in enumerate(nets, 1)
    ]
    np.testing.assert_allclose(params(nets[1]), params(nets[0]), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(costs[1].costs, costs[0].costs, rtol=1e-10)


def test_a_team_is_the_same_to_the_last_bit_each_time():
    X = np.random.default_rng(0).normal(size=(2000, 50)).astype(np.float32)
    found = []
    for _ in range(5):
        net = Network([50, 64, 32, 1], dtype="float32", rng=0)
        net.fit(X, X[:, 0] > 0, optimizer=Adam(), batch_size=100, epochs=5, n_threads=3)
        found.append(params(net))
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


def test_a_team_undoes_an_epoch_that_diverges():
    X = np.random.default_rng(0).normal(size=(200, 5))
    net = Network([5, 8, 1], output_activation="identity", rng=0)
    before = params(net).copy()
    with pytest.raises(FloatingPointError, match="epoch 1"):
        net.fit(X, X[:, 0], optimizer=SGD(1e30), batch_size=20, epochs=3, n_threads=2)
    np.testing.assert_array_equal(params(net), before)
    assert steps(net) == 0
