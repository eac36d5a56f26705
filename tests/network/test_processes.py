"""Several fits at once, the GIL, Ctrl-C and forks."""

import os
import signal
import sys
import threading
import time

import numpy as np
import pytest
from inside import params, steps
from networks import problem, trained
from processes import run_apart

from fastdnn.network import Network
from fastdnn.optimizers import Adam


def test_networks_train_at_the_same_time():
    X, Y, _ = problem("sigmoid", m=2000)
    options = {"batch_size": 10, "epochs": 3, "optimizer": Adam()}
    expected = trained(X, Y, **options)
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(trained(X, Y, **options))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    for result in results:
        np.testing.assert_array_equal(result, expected)


def test_a_second_fit_at_once_is_refused_and_the_gil_is_free():
    X, Y, _ = problem("sigmoid", m=50)
    net = Network([5, 8, 3], rng=0)
    inside, done = threading.Event(), threading.Event()

    def callback(state):
        inside.set()
        done.wait(30)

    thread = threading.Thread(target=lambda: net.fit(X, Y, callbacks=[callback]))
    thread.start()
    assert inside.wait(30)
    try:
        with pytest.raises(RuntimeError, match="is being trained"):
            net.fit(X, Y)
        assert net.predict(X).shape == (50, 3)
    finally:
        done.set()
        thread.join()
    net.fit(X, Y)


def test_the_gil_is_released_for_an_epoch():
    # an epoch far longer than the interpreter's switch interval, and a thread that counts meanwhile
    X = np.ones((200_000, 16), np.float32)
    net = Network([16, 64, 1], dtype="float32", rng=0)
    counts, stop = [0], threading.Event()

    def count():
        while not stop.is_set():
            counts[0] += 1
            time.sleep(1e-4)

    thread = threading.Thread(target=count)
    thread.start()
    try:
        before = counts[0]
        net.fit(X, np.ones(len(X)), batch_size=len(X), n_threads=1)
        during = counts[0] - before
    finally:
        stop.set()
        thread.join()
    assert during > 10


@pytest.mark.skipif(sys.platform == "win32", reason="needs a signal to the process itself")
@pytest.mark.parametrize("n_threads", [1, 2])
def test_ctrl_c_ends_the_training_after_a_batch(n_threads):
    X = np.ones((1_000_000, 5), np.float32)
    net = Network([5, 8, 1], dtype="float32", rng=0)
    timer = threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGINT))

    def callback(state):
        if state.epoch == 1:
            timer.start()

    with pytest.raises(KeyboardInterrupt):
        net.fit(
            X, np.zeros(len(X)), batch_size=n_threads, epochs=50, shuffle=False,
            callbacks=[callback], n_threads=n_threads,
        )  # fmt: skip
    timer.join()
    assert net.epochs >= 1
    # it ended within an epoch, which takes about half a second
    assert steps(net) % (len(X) // n_threads) != 0
    assert np.isfinite(params(net)).all()
    net.fit(X[:100], np.zeros(100))


@pytest.mark.skipif(sys.platform == "win32", reason="needs a signal to the process itself")
def test_ctrl_c_where_most_batches_weigh_nothing():
    X = np.zeros((20_000, 500), np.float32)
    weights = np.zeros(len(X))
    weights[-1] = 1
    for i in range(20):
        net = Network([500, 50, 1], dtype="float32", rng=0)
        timer = threading.Timer(0.02 + i * 1e-3, lambda: os.kill(os.getpid(), signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            net.fit(
                X, weights, sample_weight=weights, batch_size=10, epochs=100_000, shuffle=False,
                n_threads=2,
            )  # fmt: skip
        timer.join()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_fork_after_fit_then_fit_in_the_child():
    run_apart("""
        import os, sys, warnings
        import numpy as np
        from fastdnn.network import Network
        warnings.simplefilter("ignore", DeprecationWarning)  # of fork beside BLAS's threads
        X = np.random.default_rng(0).normal(size=(2000, 300)).astype("float32")
        def run():
            net = Network([300, 256, 64, 1], dtype="float32", rng=0)
            net.fit(X, X[:, 0] > 0, batch_size=500, epochs=2, n_threads=2)
            return net.state_dict()["params"]
        expected = run()
        child = os.fork()
        if child == 0:
            os._exit(0 if np.allclose(run(), expected, rtol=1e-4, atol=1e-6) else 3)
        _, status = os.waitpid(child, 0)
        sys.exit(os.waitstatus_to_exitcode(status))
    """)
