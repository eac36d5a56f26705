"""Ctrl-C, errors of one thread, threads that change what is read: nothing hangs or is lost."""

import sys
import textwrap

import pytest
from processes import run_apart

posix = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc, and needs its timers")


@pytest.mark.parametrize("n_threads", [2, 3])
def test_weights_that_another_thread_fills_with_0_and_1(n_threads):
    run_apart(
        """
        import sys, threading
        import numpy as np
        from fastdnn import Network
        m, stop = 1000, threading.Event()
        X, w = np.ones((m, 4)), np.ones(m)
        def spoil():
            random = np.random.default_rng(0)
            while not stop.is_set():
                w[:-1] = random.integers(0, 2, m - 1)
        thread = threading.Thread(target=spoil, daemon=True)
        thread.start()
        for i in range(8):
            net = Network([4, 8, 1], rng=0)
            net.fit(X, w, sample_weight=w, batch_size=2, epochs=2, shuffle=i % 2 == 0,
                    n_threads=int(sys.argv[1]))
            assert net.epochs == 2
        stop.set()
        thread.join()
        """,
        str(n_threads),
        timeout=100,
    )


# ---------------------------------------------------------------------------- random interrupts

# Runs in a process of its own, whose main thread a timer interrupts as Ctrl-C would, up to so many
# times a call. Prints how many calls were interrupted, and of how many.
DRIVER = """
import ctypes, os, random, signal, sys, threading, time, warnings
import numpy as np
from fastdnn._core import workers
from fastdnn._fit.threads import current
from fastdnn import Network
from fastdnn.optimizers import SGD, Adam

kind, count, seed, times = sys.argv[1], *map(int, sys.argv[2:5])
random.seed(seed)
if workers.sets_threads():
    get, set_ = (
        ctypes.CFUNCTYPE(*types)(address)
        for types, address in zip(
            [[ctypes.c_int], [None, ctypes.c_int]], workers._find_blas(), strict=True))
    set_(3)
else:
    get = current
before = get()
left, hits = [0], 0

def handler(number, frame):
    if left[0] > 0:
        left[0] -= 1
        raise KeyboardInterrupt

signal.signal(signal.SIGALRM, handler)

def interrupted(act, longest):
    left[0] = times
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-6, longest), 5e-5)
            act()
        finally:
            left[0] = 0
            signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        left[0] = 0
        signal.setitimer(signal.ITIMER_REAL, 0)
        return True
    return False

def threads():
    return len(os.listdir("/proc/self/task"))

def assert_as_before(n):
    assert get() == before and current() == before, get()
    end = time.monotonic() + 30
    while threads() > n:
        assert time.monotonic() < end, "a thread is left"
        time.sleep(1e-3)

def duration(act):
    act()
    times = []
    for _ in range(5):
        start = time.perf_counter()
        act()
        times.append(time.perf_counter() - start)
    return min(times)
"""


def interrupt(code, *, count, seed=0, times=1):
    out = run_apart(
        textwrap.dedent(DRIVER) + textwrap.dedent(code), "", str(count), str(seed), str(times)
    )
    hits, calls = map(int, out.split()[-2:])
    assert calls == count
    assert hits > 0, "none was interrupted"


CASES = {
    "mini-batches": "options = {'batch_size': 8, 'shuffle': False, 'optimizer': Adam(0.01)}",
    "all": "options = {'optimizer': SGD(lambda epoch: 0.1 / (1 + epoch), 0.9)}",
    "gram": "options = {'optimizer': SGD(0.01, 0.9), 'first_layer': 'gram', 'l2': 0.1}",
    "team": "options = {'batch_size': 20, 'shuffle': False, 'n_threads': 2}",
    "gram by a team": "options = {'optimizer': SGD(0.1), 'first_layer': 'gram', 'n_threads': 3}",
}


@posix
@pytest.mark.parametrize("times", [1, 5])
@pytest.mark.parametrize("case", CASES)
def test_interrupted_fits_go_on_as_if_they_had_been_told_to_end_there(case, times):
    # weights, moments, steps and epochs against a network that was never interrupted
    interrupt(
        CASES[case]
        + """
X = np.random.default_rng(0).normal(size=(40, 60))
y = X[:, 0] > 0
batch = options.get("batch_size", len(X))

def new():
    return Network([60, 6, 1], rng=1)

def state(net):
    state = net.state_dict()
    return [state["steps"], *(a.tobytes() for a in (state["params"], *state["moments"])
                              if a is not None)]

new().fit(X, y, epochs=1, **options)
n, longest = threads(), duration(lambda: new().fit(X, y, epochs=20, **options))
for i in range(count):
    net, twin = new(), new()
    hits += interrupted(lambda: net.fit(X, y, epochs=20, **options), longest)
    steps = net.state_dict()["steps"]
    whole, some = divmod(steps, -(-len(X) // batch))
    assert net.epochs == whole, (net.epochs, steps)
    if steps:
        twin.fit(X, y, epochs=whole, **options)
    if some:
        twin.fit(X[:some * batch], y[:some * batch], **options)
    assert not steps or state(net) == state(twin), (steps, whole)
    if not some:
        net.fit(X, y, epochs=2, **options), twin.fit(X, y, epochs=2, **options)
        assert state(net) == state(twin)
        assert net.epochs == twin.epochs
    assert_as_before(n)
print(hits, count)
""",
        count=60,
        times=times,
    )


@posix
@pytest.mark.parametrize("n_threads", [1, 2])
def test_interrupted_calls_of_every_kind_leave_nothing_taken(n_threads):
    interrupt(
        f"n_threads = {n_threads}"
        + """
import fastdnn
X = np.random.default_rng(0).normal(size=(200, 30))
y = X[:, :1] > 0
net = Network([30, 8, 1], rng=1)
net.fit(X, y, epochs=1, n_threads=n_threads)
kept = net.state_dict()
calls = [
    lambda: net.fit(X, y, n_threads=n_threads),
    lambda: net.fit(X, y, batch_size=50, validation_data=(X, y), n_threads=n_threads),
    lambda: net.fit(X, y, callbacks=[lambda state: None], dropout=0.5, n_threads=n_threads),
    lambda: net.predict(X, n_threads=n_threads),
    lambda: net.cost(X, y, n_threads=n_threads),
    lambda: net.load_state_dict(kept),
    lambda: fastdnn.L_layer_model(X.T, y.T, [30, 4, 1], num_iterations=3),
]
longest = [duration(call) for call in calls]
n = threads()
for i in range(count):
    which = i % len(calls)
    hits += interrupted(calls[which], longest[which])
    assert_as_before(n)
    net.fit(X, y, epochs=0)
print(hits, count)
""",
        count=700,
        times=1 + 2 * (n_threads - 1),
    )


@posix
def test_interrupted_fits_of_an_estimator_leave_nothing_taken():
    pytest.importorskip("sklearn")
    interrupt(
        """
from fastdnn import MLPClassifier
warnings.simplefilter("ignore")
X = np.random.default_rng(0).normal(size=(100, 10))
y = (X[:, 0] > 0).astype(int)
model = MLPClassifier((8,), max_iter=10, random_state=0, dropout=0.1, n_threads=2)
longest = duration(lambda: model.fit(X, y))
n = threads()
for i in range(count):
    with warnings.catch_warnings(record=True) as messages:
        warnings.simplefilter("always")
        hits += interrupted(lambda: model.fit(X, y), longest)
    hits += any("interrupted" in str(message.message) for message in messages)
    assert_as_before(n)
    # it warns, and keeps what it has
    assert all(np.isfinite(W).all() for W in model.coefs_)
model.fit(X, y)
print(hits, count)
""",
        count=40,
    )


@posix
@pytest.mark.parametrize(
    "act",
    [
        "net.predict(X, n_threads=1)",
        "net.predict(X, n_threads=2)",
        "net.cost(X, Y, n_threads=2)",
        "fit(X[:3000], Y[:3000], first_layer='gram', optimizer=fastdnn.SGD())",
    ],
)
def test_long_calls_hear_ctrl_c_before_their_end(act):
    # the handler is called several times during the call, not only at its end
    out = run_apart(
        f"""
        import signal, time
        import numpy as np
        import fastdnn
        heard = []
        signal.signal(signal.SIGALRM, lambda number, frame: heard.append(time.perf_counter()))
        X = np.ones((12_000, 2000), np.float32)
        Y = np.ones((len(X), 1), np.float32)
        net = fastdnn.Network([2000, 1000, 1], dtype="float32", rng=0)
        fit = net.fit
        start = time.perf_counter()
        signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
        {act}
        signal.setitimer(signal.ITIMER_REAL, 0)
        end = time.perf_counter()
        inside = [start, *(at for at in heard if at < end), end]
        print(len(inside), max(b - a for a, b in zip(inside, inside[1:])) / (end - start))
        """
    )
    times, longest = map(float, out.split())
    assert times > 5
    assert longest < 0.5
