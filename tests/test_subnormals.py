"""Subnormal numbers are zero within the engine, which they would slow down, and nowhere else."""

import ctypes
import platform
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from inside import moments, params
from reference_network import OPTIMIZERS

import fastdnn
from fastdnn import SGD, Adam, Network

MACHINE = platform.machine().lower()
flushes = pytest.mark.skipif(
    MACHINE not in ("x86_64", "amd64", "aarch64", "arm64"), reason="there is no such mode"
)
# the place of the mode in the C library's fenv_t, and the mode's bits
CONTROL = {"x86_64": (28, 0x8040), "aarch64": (0, 1 << 24)}
sets_modes = pytest.mark.skipif(
    sys.platform != "linux" or MACHINE not in CONTROL, reason="known of Linux alone"
)
DTYPES = ["float32", "float64"]
# those with moments that fade where there is no gradient
FADING = [
    replace(optimizer, learning_rate=1e-3, **({"rho": 0.9} if hasattr(optimizer, "rho") else {}))
    for optimizer in OPTIMIZERS
    if getattr(optimizer, "momentum", 1) and not getattr(optimizer, "weight_decay", 0)
]


def alive():
    """Whether subnormals are numbers, in this thread, for Python and for NumPy."""
    tiny, single = float.fromhex("0x1p-1074"), np.full(40, 2.0**-149, np.float32)
    double = np.full(40, 2.0**-1022)
    values = [tiny + tiny, float((single + single)[0]), float((double / 4)[0])]
    return values == [2.0**-1073, 2.0**-148, 2.0**-1024] and "0.0" not in map(repr, values)


@contextmanager
def modes():
    """Hand out a function that takes subnormals as zero in this thread until the end."""
    libm = ctypes.CDLL("libm.so.6")
    at, bits = CONTROL[MACHINE]
    found, changed = ctypes.create_string_buffer(64), ctypes.create_string_buffer(64)

    def flush():
        libm.fegetenv(changed)
        word = ctypes.c_uint32.from_buffer(changed, at)
        word.value |= bits
        libm.fesetenv(changed)

    libm.fegetenv(found)
    try:
        yield flush
    finally:
        libm.fesetenv(found)


def subnormals(array):
    tiny = np.finfo(array.dtype).tiny
    return int(np.count_nonzero((array != 0) & (np.abs(array) < tiny)))


def data(m=120, n=3, n_L=1, dtype="float64"):
    random = np.random.default_rng(0)
    return random.normal(size=(m, n)).astype(dtype), random.normal(size=(m, n_L)).astype(dtype)


def fitted(dtype, optimizer, epochs, **options):
    """Train on some examples, and then on some whose gradient is zero, so that moments decay."""
    X, Y = data(dtype=dtype)
    net = Network([3, 4, 1], "tanh", "identity", dtype=dtype, rng=0)
    options = {"batch_size": 1, "shuffle": False} | options
    net.fit(X, Y, optimizer=optimizer, epochs=2, **options)
    net.fit(0 * X, net.predict(0 * X), epochs=epochs, **options)
    return net


# ------------------------------------------------------------------------------- within the engine


@flushes
@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("optimizer", FADING, ids=repr)
def test_moments_decay_to_zero(optimizer, dtype, n_threads):
    batch = {"batch_size": 2 * n_threads, "n_threads": n_threads}
    steps = 120 // (2 * n_threads)
    net = fitted(dtype, optimizer, (9000 if dtype == "float64" else 1500) // steps, **batch)
    kept = [m for m in moments(net) if m is not None]
    assert [subnormals(m) for m in kept] == [0] * len(kept)
    # some have become exactly zero on the way
    assert all((m == 0).any() for m in kept[:1])


@flushes
@pytest.mark.parametrize("dtype", DTYPES)
def test_weights_decay_to_zero(dtype):
    # the weights of an input that is always zero only decay; the product updates them itself
    X, Y = data(dtype=dtype)
    X[:, 1] = 0
    net = Network([3, 4, 1], "tanh", "identity", dtype=dtype, rng=0)
    net.fit(X, Y, optimizer=SGD(0.01), l2=10.0, batch_size=2, epochs=150, shuffle=False)
    assert subnormals(params(net)) == 0
    assert (net.parameters["W1"][:, 1] == 0).all()


@flushes
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_gram_form(dtype):
    net = fitted(dtype, SGD(1e-3, 0.9), 9000, batch_size=None, first_layer="gram")
    assert subnormals(moments(net)[0]) == subnormals(net.state_dict()["gram_state"]["U"]) == 0


@flushes
@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("dtype", DTYPES)
def test_predictions(dtype, n_threads):
    net = Network([3, 1], output_activation="identity", dtype=dtype, init=0.0)
    net.parameters["W1"][...] = np.finfo(dtype).tiny / 2
    X = np.ones((500, 3), dtype)
    assert (net.predict(X, n_threads=n_threads) == 0).all()
    assert alive()


@flushes
def test_the_estimators():
    pytest.importorskip("sklearn")
    X, y = data(dtype="float32")
    model = fastdnn.MLPRegressor(
        hidden_layer_sizes=(4,), batch_size=1, alpha=0.0, n_threads=1, random_state=0
    )
    model.partial_fit(X, y.ravel())
    rest = np.zeros_like(X)
    for _ in range(40):
        model.partial_fit(rest, model.predict(rest))
    assert subnormals(moments(model)[0]) == 0
    assert alive()


@pytest.mark.parametrize("dtype", DTYPES)
def test_goes_on_exactly(dtype):
    X, Y = data(dtype=dtype)
    X[:, 1] = 0
    nets = [Network([3, 4, 1], "relu", "identity", dtype=dtype, rng=0) for _ in range(2)]
    options = {"optimizer": Adam(1e-2), "batch_size": 1, "l2": 1.0}
    nets[0].fit(X, Y, epochs=24, **options)
    for _ in range(3):
        nets[1].fit(X, Y, epochs=8, **options)
    np.testing.assert_array_equal(params(nets[0]), params(nets[1]))


# ----------------------------------------------------------------------------------- and elsewhere


def everything(n_threads=1, callbacks=()):
    """Call whatever enters the engine."""
    X, Y = data()
    net = Network([3, 4, 1], output_activation="identity", rng=0)
    net.fit(X, Y, epochs=2, batch_size=16, n_threads=n_threads, callbacks=callbacks)
    net.fit(X, Y, optimizer=SGD(0.01), first_layer="gram", n_threads=n_threads, dropout=0.2)
    net.predict(X, n_threads=n_threads)
    net.cost(X, Y, n_threads=n_threads)
    return net


@pytest.mark.parametrize("n_threads", [1, 2])
def test_the_thread_that_calls(n_threads):
    everything(n_threads)
    assert alive()


def test_the_course_keeps_numpys_arithmetic():
    everything()
    A, _ = fastdnn.relu(np.full((3, 40), 2.0**-1074))
    assert set(A.ravel().tolist()) == {2.0**-1074}
    AL, _ = fastdnn.sigmoid(np.full((1, 9), -740.0))
    assert (AL > 0).all()


def test_borrowed_threads():
    with ThreadPoolExecutor(2) as pool:
        seen = list(pool.map(lambda i: (everything(1 + i % 2), alive())[1], range(4)))
        assert seen == [True] * 4
    assert alive()


def test_threads_beside_a_fit():
    seen, ended = [], threading.Event()

    def look():
        while not ended.is_set():
            seen.append(alive())

    beside = threading.Thread(target=look)
    beside.start()
    try:
        for _ in range(9):
            everything(2)
    finally:
        ended.set()
        beside.join()
    assert seen
    assert all(seen)


def test_callbacks():
    seen = []
    everything(2, [lambda state: seen.append(alive())])
    assert seen == [True, True]


def test_scorers():
    pytest.importorskip("sklearn")
    seen = []

    def score(model, X, y):
        seen.append(alive())
        return -len(seen)

    X, Y = data()
    fastdnn.MLPClassifier((4,), early_stopping=True, scoring=score, tol=0.0).fit(X, Y[:, 0] > 0)
    assert seen
    assert all(seen)


def test_after_a_fit_that_diverges():
    X, Y = data()
    net = Network([3, 4, 1], output_activation="identity", rng=0)
    with pytest.raises(FloatingPointError), np.errstate(all="ignore"):
        net.fit(X, Y, optimizer=SGD(1e200), epochs=9, first_layer="direct")
    assert alive()


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timer")
@pytest.mark.parametrize("fails", [False, True])
def test_signal_handlers(fails):
    # the handler runs in the middle of an epoch, in the first thread
    seen = []

    def handler(number, frame):
        seen.append(alive())
        if fails:
            raise KeyboardInterrupt

    X, Y = data(20_000, 64)
    net = Network([64, 256, 1], output_activation="identity", rng=0)
    before = signal.signal(signal.SIGALRM, handler)
    until = time.monotonic() + 60
    try:
        while len(seen) < (1 if fails else 10) and time.monotonic() < until:
            signal.setitimer(signal.ITIMER_REAL, 0.005, 0 if fails else 0.005)
            try:
                net.fit(X, Y, batch_size=32, n_threads=1)
            except KeyboardInterrupt:
                assert alive()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert seen
    assert all(seen)
    assert alive()


@sets_modes
@pytest.mark.parametrize("n_threads", [1, 2])
def test_what_was_found_is_restored(n_threads):
    with modes() as flush:
        flush()
        everything(n_threads)
        assert not alive()
    assert alive()


@sets_modes
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timer")
def test_what_a_signal_handler_sets_stays():
    seen = []
    X, Y = data(20_000, 64)
    net = Network([64, 256, 1], output_activation="identity", rng=0)
    with modes() as flush:

        def handler(number, frame):
            flush()
            seen.append(True)

        before = signal.signal(signal.SIGALRM, handler)
        until = time.monotonic() + 60
        try:
            while not seen and time.monotonic() < until:
                signal.setitimer(signal.ITIMER_REAL, 0.02)
                net.fit(X, Y, batch_size=32, n_threads=1)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        assert seen
        assert not alive()
    assert alive()
