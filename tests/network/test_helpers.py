"""Threads that help with a fit: taken and given back by the clock, they change no bit."""

import os
import threading

import numpy as np
import pytest
from inside import params
from processes import run_with_children
from scipy import sparse

from fastdnn import Network
from fastdnn._core.workers import rehearse
from fastdnn.optimizers import SGD, Adam

FITS = {
    "adam, l2": {"optimizer": Adam(0.01), "l2": 0.01},
    "sgd": {"optimizer": SGD(0.05)},
    "clipped": {"optimizer": SGD(0.05, 0.9), "clip_norm": 0.1},
    "dropout": {"optimizer": Adam(0.01), "dropout": 0.2},
    "gram": {"optimizer": SGD(0.05), "batch_size": None, "first_layer": "gram"},
    "sparse": {"optimizer": Adam(0.01), "l2": 0.01, "batch_size": None},
}
X = np.random.default_rng(0).normal(size=(1000, 60)).astype(np.float32)
X[X < 0.8] = 0
Y = X[:, 0] + X[:, 1] > 0.5


def fitted(n_threads, epochs=6, **options):
    data = sparse.csr_array(X) if options.pop("sparse", False) else X
    net = Network([60, 40, 30, 1], dtype="float32", rng=0)
    options = {"batch_size": 200, "epochs": epochs} | options
    history = net.fit(data, Y, n_threads=n_threads, **options)
    return params(net).tobytes(), history.costs


def share_of_alone(alone, helped):
    """Divide the time that is taken by what the caller alone would take."""
    asked = rehearse(alone, helped)
    return sum(np.where(asked, helped, alone)) / sum(alone)


@pytest.mark.parametrize("alone", [10_000, 200_000, 1_300_000])
def test_helpers_that_gain_are_asked_nearly_always_and_soon_again_after_an_interruption(alone):
    alone = [alone] * (500_000_000 // alone)
    helped = [each // 2 for each in alone]
    assert share_of_alone(alone, helped) < 0.52
    helped[len(helped) // 4] += 5_000_000
    assert share_of_alone(alone, helped) < 0.53


@pytest.mark.parametrize("alone", [10_000, 200_000, 1_300_000, 10_000_000])
def test_helpers_that_cost_take_a_small_part_of_the_time(alone):
    alone = np.full(4_000_000_000 // alone, alone)
    assert share_of_alone(alone, alone + alone // 10 + 10_000) < 1.05
    # they gain, but now and then one has no processor for some milliseconds
    random = np.random.default_rng(0)
    for most, rate in ((4, 0.12), (12, 0.12), (12, 0.4)):
        waits = np.where(random.random(len(alone)) < rate * alone / 1e6,
                         random.integers(1, most, len(alone)) * 1_000_000, 0)  # fmt: skip
        assert share_of_alone(alone, alone * 6 // 10 + waits) < 1.1


@pytest.mark.parametrize("case", FITS)
def test_a_long_fit_is_the_same_to_the_bit_whoever_helps(case):
    options = FITS[case] | ({"sparse": True} if case == "sparse" else {})
    one = fitted(1, epochs=30, **options)
    for n_threads in (None, 2, 3):
        assert fitted(n_threads, epochs=30, **options) == one


def test_fits_at_once_and_fits_within_fits_share_the_helpers():
    one, found = fitted(1), []

    def within(epoch):
        found.append(fitted(2))

    def fit():
        for _ in range(3):
            found.append(fitted(3))
        net = Network([60, 40, 30, 1], dtype="float32", rng=0)
        net.fit(X, Y, batch_size=200, epochs=3, n_threads=2, callbacks=[within])

    threads = [threading.Thread(target=fit) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 18
    assert all(each == one for each in found)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_children_that_are_made_amidst_a_fit_end_it():
    run_with_children(
        """
        import numpy as np
        from fastdnn import Network
        X = np.random.default_rng(0).normal(size=(2000, 100)).astype(np.float32)
        y = X[:, 0] > 0
        options = {"batch_size": 200, "epochs": 60}
        one = Network([100, 80, 1], dtype="float32", rng=0)
        costs = one.fit(X, y, n_threads=1, **options).costs
        for i in range(6):
            signal.setitimer(signal.ITIMER_REAL, 4e-3 * (1 + i))
            net = Network([100, 80, 1], dtype="float32", rng=0)
            assert net.fit(X, y, n_threads=3, **options).costs == costs
            if children and children[-1] == 0:
                net = Network([100, 80, 1], dtype="float32", rng=0)
                assert net.fit(X, y, n_threads=2, **options).costs == costs
                os._exit(0)
        """,
        timeout=60,
    )
