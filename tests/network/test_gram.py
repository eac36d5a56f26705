"""The Gram form of the first layer is the direct form."""

import numpy as np
import pytest
from inside import params
from networks import problem

from fastdnn.network import Network
from fastdnn.optimizers import SGD, Adam


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("l2", [0.0, 0.02])
@pytest.mark.parametrize("momentum", [{}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}])
def test_the_gram_form_is_the_direct_form(momentum, l2, order):
    random = np.random.default_rng(0)
    X = np.asarray(random.normal(size=(20, 300)) / 17, order=order)
    Y = random.integers(0, 2, 20)
    optimizer = SGD(0.05 if momentum else 0.3, **momentum)
    nets = [Network([300, 6, 4, 1], "tanh", rng=0) for _ in range(2)]
    histories = [
        net.fit(X, Y, optimizer=optimizer, epochs=2500, l2=l2, first_layer=form)
        for net, form in zip(nets, ("direct", "gram"), strict=True)
    ]
    np.testing.assert_allclose(histories[1].costs, histories[0].costs, rtol=1e-9)
    for key, value in nets[0].parameters.items():
        np.testing.assert_allclose(
            nets[1].parameters[key], value, rtol=1e-9, atol=1e-9 * np.abs(value).max()
        )
    # and both go on from there, with moments, on other data
    for net, form in zip(nets, ("direct", "gram"), strict=True):
        net.fit(X[:15] * 0.9, Y[:15], optimizer=optimizer, epochs=50, l2=l2, first_layer=form)
    np.testing.assert_allclose(
        nets[1].parameters["W1"], nets[0].parameters["W1"], rtol=1e-8, atol=1e-9
    )


def test_the_gram_form_shows_callbacks_and_validation_the_weights():
    X, Y, _ = problem("sigmoid", m=12, n_0=30)
    seen = []
    histories = []
    for form in ("direct", "gram"):
        net = Network([30, 8, 3], rng=0)
        callbacks = [lambda state: seen.append(state.network.parameters["W1"].copy())]
        histories.append(
            net.fit(
                X, Y, optimizer=SGD(0.3), epochs=4, first_layer=form, callbacks=callbacks,
                validation_data=(X[:5], Y[:5]),
            )
        )  # fmt: skip
    np.testing.assert_allclose(seen[:4], seen[4:], rtol=1e-10)
    np.testing.assert_allclose(
        histories[0].validation_costs, histories[1].validation_costs, rtol=1e-10
    )
    assert len(set(histories[0].validation_costs)) == 4


@pytest.mark.parametrize("form", ["direct", "gram"])
def test_a_callback_may_write_to_the_weights(form):
    X, Y, _ = problem("sigmoid", m=12, n_0=30)
    net, expected = Network([30, 8, 3], rng=0), Network([30, 8, 3], rng=0)

    def halve(state):
        if state.epoch == 2:
            state.network.parameters["W1"][:] /= 2

    options = {"optimizer": SGD(0.3, 0.5), "l2": 0.01}
    net.fit(X, Y, epochs=5, callbacks=[halve], first_layer=form, **options)
    expected.fit(X, Y, epochs=2, first_layer="direct", **options)
    expected.parameters["W1"][:] /= 2
    expected.fit(X, Y, epochs=3, first_layer="direct", **options)
    np.testing.assert_allclose(params(net), params(expected), rtol=1e-9, atol=1e-12)


def test_when_the_gram_form_is_taken(monkeypatch):
    taken = []
    init = "fastdnn._fit.gram.Gram.__init__"
    from fastdnn._fit.gram import Gram

    original = Gram.__init__
    monkeypatch.setattr(init, lambda self, *a: (taken.append(True), original(self, *a))[1])

    def takes(m=20, n_0=2000, epochs=2, net=None, **options):
        taken.clear()
        net = net or Network([n_0, 4, 1], rng=0)
        options = {"optimizer": SGD(1e-3)} | options
        net.fit(np.ones((m, n_0)), np.ones(m), epochs=epochs, **options)
        return bool(taken)

    assert takes()
    assert takes(optimizer=SGD(1e-3, momentum=0.9), l2=0.1)
    assert not takes(first_layer="direct")
    assert takes(epochs=1)
    assert not takes(optimizer=Adam())
    assert not takes(batch_size=10)
    assert not takes(input_dropout=0.1)
    assert not takes(clip_norm=1.0)
    assert not takes(m=300, n_0=200), "the Gram matrix is larger than the data"
    assert not takes(m=100, n_0=2000), "it is more work"
    assert takes(m=300, n_0=200, first_layer="gram")
    with pytest.raises(ValueError, match="first_layer='gram' needs"):
        takes(optimizer=Adam(), first_layer="gram")
    with pytest.raises(ValueError, match="first_layer must be one of auto, direct, gram"):
        takes(first_layer="both")
