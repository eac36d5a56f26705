"""Fits that nobody watches: below the Python line they are what they are above it, to the bit."""

import numpy as np
import pytest
from inside import generator, moments, params, steps
from networks import problem
from processes import run_apart

from fastdnn import Network
from fastdnn._core.stretch import shuffled
from fastdnn._fit import stretches
from fastdnn.optimizers import SGD, Adam, AdamW, Cosine, NAdam, OneCycle, RMSprop, StepDecay

BITS = ["MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"]
# after an odd number of 32-bit draws a generator has a half of its last 64 bits left
SIZES = [65535, 65536, 65537, 70001]


@pytest.mark.parametrize("name", BITS)
def test_orders_are_those_of_numpy(name):
    kind = getattr(np.random, name)
    ours, generator, legacy = kind(3), np.random.Generator(kind(3)), np.random.RandomState(kind(3))
    further = [np.arange(0, dtype=np.int64)] * 2
    also = kind(3)
    # the two that the package itself takes at every size
    for m in [*range(1, 5001, 1 if name in ("MT19937", "PCG64") else 11), *SIZES]:
        order = np.arange(m, dtype=np.int64)
        shuffled(ours, order)
        np.testing.assert_array_equal(order, generator.permutation(m))
        # an order that is shuffled again and again
        if len(further[0]) != m:
            further = [np.arange(m, dtype=np.int64) for _ in range(2)]
        for _ in range(2 if m % 7 == 0 else 0):
            shuffled(also, further[0])
            legacy.shuffle(further[1])
        np.testing.assert_array_equal(*further)
    assert ours.random_raw() == generator.bit_generator.random_raw()
    assert also.random_raw() == legacy._bit_generator.random_raw()


def test_orders_of_other_types_are_refused():
    for order in (np.arange(5.0), np.arange(10, dtype=np.int64)[::2], np.arange(5, dtype=np.int32)):
        with pytest.raises(ValueError, match="int64"):
            shuffled(np.random.PCG64(0), order)


def trained(watched, dims, output, dtype, options, data, m=23, epochs=7, kind=np.random.PCG64):
    """Train twice, and return all that a fit leaves."""
    X, Y, _ = data
    net = Network(dims, "tanh", output, rng=np.random.Generator(kind(5)), dtype=dtype)
    seen = []
    options = dict(options)
    if options.pop("validation", False):
        options["validation_data"] = X[:9], Y[:9], np.arange(1.0, 10)
    if watched:
        options["callbacks"] = [seen.append]
    histories = [net.fit(X, Y, epochs=n, **options) for n in (epochs, 3)]
    assert len(seen) == (epochs + 3) * watched
    for history in histories:
        assert len(history.times) == len(history.costs)
        assert history.times == sorted(history.times)
    arrays = [params(net), *(m for m in moments(net) if m is not None)]
    return (
        [history.costs for history in histories],
        [history.validation_costs for history in histories],
        [array.tobytes() for array in arrays],
        (steps(net), net.epochs),
        generator(net).bit_generator.random_raw(),
    )


OPTIONS = {
    "a batch of all": {},
    "in order": {"batch_size": 6, "shuffle": False},
    "shuffled": {"batch_size": 6},
    "one by one": {"batch_size": 1},
    "validated": {"batch_size": 6, "validation": True},
    "all validated": {"validation": True, "first_layer": "direct"},
    "gram": {"optimizer": SGD(0.1, 0.9), "first_layer": "gram"},
    "gram, validated": {"optimizer": SGD(0.1, 0.9), "first_layer": "gram", "validation": True},
    "dropout": {"batch_size": 6, "dropout": 0.3, "input_dropout": 0.2, "validation": True},
    "weights": {"batch_size": 6, "sample_weight": np.arange(23) % 3},
    "clipped": {"batch_size": 5, "clip_norm": 0.1, "l2": 0.1},
    "accumulated": {"batch_size": 4, "accumulate": 3},
    "momentum": {"batch_size": 6, "optimizer": SGD(0.01, 0.9, nesterov=True)},
    "rmsprop": {"batch_size": 6, "optimizer": RMSprop(0.01)},
    "adamw": {"batch_size": 6, "optimizer": AdamW(StepDecay(0.01, 2, 0.5))},
    "nadam": {"batch_size": 6, "optimizer": NAdam(Cosine(0.01, 8))},
    "one cycle": {"batch_size": 6, "optimizer": Adam(OneCycle(0.01, 9))},
    "a function": {"batch_size": 6, "optimizer": Adam(lambda epoch: 0.01 / (1 + epoch))},
    "two threads": {"batch_size": 6, "n_threads": 2},
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("output", ["sigmoid", "identity", "softmax", "exp"])
@pytest.mark.parametrize("options", OPTIONS)
def test_a_fit_without_callbacks_is_one_with_callbacks(options, output, dtype):
    data = problem(output, dtype=dtype)
    arguments = [5, 8, 3], output, dtype, OPTIONS[options], data
    assert trained(False, *arguments) == trained(True, *arguments)


@pytest.mark.parametrize("kind", BITS)
def test_any_generator(kind):
    arguments = [5, 4, 1], "sigmoid", "float64", OPTIONS["dropout"], problem("sigmoid", n_L=1)
    kind = getattr(np.random, kind)
    assert trained(False, *arguments, kind=kind) == trained(True, *arguments, kind=kind)


def test_more_epochs_than_one_stretch_has():
    arguments = [5, 4, 1], "sigmoid", "float64", {"batch_size": 20}, problem("sigmoid", n_L=1)
    assert trained(False, *arguments, epochs=3000) == trained(True, *arguments, epochs=3000)


@pytest.mark.parametrize("watched", [False, True])
def test_a_divergence_is_told_and_undone(watched):
    X, Y, _ = problem("identity", n_L=1)
    callbacks = [lambda state: None] if watched else []
    nets = [Network([5, 4, 1], "relu", "identity", rng=0) for _ in range(2)]
    rate = StepDecay(1e-3, 4, 1e60)
    options = {"batch_size": 6, "optimizer": SGD(rate), "callbacks": callbacks}
    with pytest.raises(FloatingPointError, match="diverged in epoch 5:"):
        nets[0].fit(X, Y, epochs=20, **options)
    nets[1].fit(X, Y, epochs=4, **options)
    assert nets[0].epochs == nets[1].epochs == 4
    np.testing.assert_array_equal(*map(params, nets))
    # what the epoch has drawn stays drawn
    generator(nets[1]).permutation(len(X))
    draws = [generator(net).bit_generator.random_raw() for net in nets]
    assert draws[0] == draws[1]


def test_a_rate_that_is_none_ends_the_fit_at_its_epoch():
    X, Y, _ = problem("identity", n_L=1)
    net = Network([5, 4, 1], "relu", "identity", rng=0)
    with pytest.raises(ValueError, match="learning rate of epoch 2"):
        net.fit(X, Y, epochs=9, optimizer=SGD(StepDecay(1e-9, 1, 1e200)))
    assert net.epochs == 2


def test_another_numpy_draws_for_itself(monkeypatch):
    # as if its next version drew orders in another way
    arguments = [5, 4, 1], "sigmoid", "float64", {"batch_size": 6}, problem("sigmoid", n_L=1)
    expected = trained(True, *arguments)
    monkeypatch.setattr(stretches, "shuffled", lambda bits, order: None)
    stretches.draws_alike.cache_clear()
    assert trained(False, *arguments) == expected
    assert not stretches.draws_alike()
    stretches.draws_alike.cache_clear()


def test_another_thread_sees_how_far_a_fit_is():
    run_apart(
        """
        import threading, time
        import numpy as np
        from fastdnn import Network
        net = Network([5, 30, 1], rng=0)
        X = np.random.default_rng(0).normal(size=(2000, 5))
        thread = threading.Thread(target=lambda: net.fit(
            X, X[:, 0] > 0, epochs=10**9, batch_size=20), daemon=True)
        thread.start()
        epochs = []
        while len(epochs) < 3:
            if not epochs or net.epochs > epochs[-1]:
                epochs.append(net.epochs)
            time.sleep(1e-3)
        """
    )
