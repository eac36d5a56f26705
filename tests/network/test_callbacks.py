"""Callbacks, the history, and the parameters that both see."""

from threading import Thread

import numpy as np
import pytest
import reference_network as reference
from networks import problem, scatter_biases

from fastdnn import SGD
from fastdnn.network import Network


def test_callbacks_and_history():
    X, Y, _ = problem("sigmoid")
    net = Network([5, 8, 3], rng=0)
    states = []

    def callback(state):
        states.append((state.epoch, state.history.costs[-1], state.history.validation_costs[-1]))
        assert state.network is net
        net.predict(X)
        if state.epoch == 3:
            state.stop()

    w = np.arange(23)
    history = net.fit(X, Y, epochs=9, callbacks=[callback], validation_data=(X, Y, w))
    assert [epoch for epoch, _, _ in states] == [1, 2, 3]
    assert [cost for _, cost, _ in states] == history.costs
    assert [cost for _, _, cost in states] == history.validation_costs
    assert history.validation_costs[-1] == net.cost(X, Y, w)
    assert history.times == sorted(history.times)
    assert len(history.times) == 3
    assert net.epochs == 3


def test_a_fit_within_a_fit_is_refused():
    X, Y, _ = problem("sigmoid")
    net = Network([5, 8, 3], rng=0)
    with pytest.raises(RuntimeError, match="is being trained"):
        net.fit(X, Y, callbacks=[lambda state: net.fit(X, Y)])
    net.fit(X, Y)


class Told:
    """Examples that tell when they are read."""

    def __init__(self, examples, tell):
        self.examples, self.tell = examples, tell

    def __array__(self, dtype=None, copy=None):
        self.tell()
        return self.examples


@pytest.mark.parametrize("threaded", [True, False], ids=["a thread", "a callback"])
def test_a_fit_that_is_refused_has_looked_at_nothing(threaded):
    X, Y, _ = problem("sigmoid")
    net, found = Network([5, 8, 3], rng=0), []

    def other(*_):
        try:
            net.fit(Told(X, lambda: found.append("read")), Y)
        except RuntimeError as error:
            found.append(str(error))

    net.fit(X, Y, callbacks=[lambda _: in_a_thread(other) if threaded else other()])
    assert [text.partition(":")[0] for text in found] == ["this network is being trained"]


@pytest.mark.parametrize("again", [False, True], ids=["the first", "one like the one before"])
def test_nobody_trains_between_the_look_of_a_fit_and_its_steps(again):
    X, Y, _ = problem("sigmoid")
    net, found = Network([5, 8, 3], rng=0), []
    twin = Network([5, 8, 3], rng=0)

    def other():
        try:
            net.fit(X, Y, optimizer=SGD(0.1), epochs=3)
        except RuntimeError as error:
            found.append(str(error))

    for one, validation in ((twin, X), (net, Told(X, lambda: in_a_thread(other)))):
        if again:
            one.fit(X, Y, epochs=2)
        one.fit(X, Y, epochs=2, validation_data=(validation, Y))
    assert len(found) == 1
    assert found[0].startswith("this network is being trained")
    assert net.epochs == twin.epochs
    np.testing.assert_array_equal(net.predict(X), twin.predict(X))


def in_a_thread(function):
    thread = Thread(target=function)
    thread.start()
    thread.join()


def test_parameters_are_views():
    net = Network([5, 8, 3], rng=0)
    assert {k: v.shape for k, v in net.parameters.items()} == {
        "W1": (8, 5), "b1": (8, 1), "W2": (3, 8), "b2": (3, 1),
    }  # fmt: skip
    X = np.ones((2, 5))
    net.parameters["W2"][:] = 0
    net.parameters["b2"][:] = np.array([[0.0], [1.0], [-1.0]])
    np.testing.assert_allclose(net.predict(X)[0], reference.expit([0, 1, -1]))
    with pytest.raises(TypeError):
        net.parameters["W1"] = X


def test_the_course_s_functions_read_the_parameters():
    from fastdnn import L_model_forward

    net = Network([5, 8, 4, 1], rng=0)
    scatter_biases(net)
    X, _, _ = problem("sigmoid")
    AL, _ = L_model_forward(X.T, net.parameters)
    np.testing.assert_allclose(AL.T, net.predict(X), rtol=1e-12)
