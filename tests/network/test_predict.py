"""Predictions against plain NumPy: at every number of rows, layout and number of threads."""

import os
import threading

import numpy as np
import pytest
import reference_network as reference
from inside import described
from networks import TYPES, lists, scatter_biases
from processes import run_apart, run_with_children
from scipy import sparse

from fastdnn.network import Network

TOLERANCE = {"float32": 2e-5, "float64": 1e-12}
# rows at the edges of tiles, blocks and chunks
EDGES = (*range(1, 42), 47, 48, 49, 95, 96, 97, 127, 128, 129, 255, 256, 257, 431, 433)


def network(dims, activation, output, dtype):
    net = Network(dims, activation, output, dtype=dtype, rng=0)
    scatter_biases(net)
    return net


def expected(net, X, output):
    W, b = lists(net)
    wide = [[v.astype(np.float64) for v in values] for values in (W, b)]
    Z, _ = reference.forward(*wide, described(net)[0], np.asarray(X, np.float64))
    return reference.OUTPUTS[output](Z[-1])


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(
    ("dims", "output"),
    [
        ((1, 1, 1), "identity"),
        ((1, 40, 1), "sigmoid"),
        ((33, 1, 70, 2), "softmax"),
        ((54, 128, 64, 1), "sigmoid"),
        ((130, 257, 65, 10), "softmax"),
        ((300, 320, 33), "exp"),
    ],
    ids=str,
)
def test_every_number_of_rows(dims, output, dtype):
    net = network(dims, "relu", output, dtype)
    X = np.random.default_rng(0).normal(size=(max(EDGES), dims[0])).astype(dtype) / 4
    X.flags.writeable = False
    AL = expected(net, X, output)
    close = {"rtol": TOLERANCE[dtype], "atol": TOLERANCE[dtype]}
    for m in EDGES:
        np.testing.assert_allclose(net.predict(X[:m]), AL[:m], **close)
    for m in (1, 2, 7, 24, 25, 49, 100, 433):
        for n_threads in (1, 2, 3):
            found = net.predict(X[:m], n_threads=n_threads)
            np.testing.assert_allclose(found, AL[:m], **close)


@pytest.mark.parametrize("n_threads", [1, 2, 5])
@pytest.mark.parametrize("dtype", TYPES)
def test_every_layout(dtype, n_threads):
    net = network((40, 90, 7), "tanh", "softmax", dtype)
    data = np.random.default_rng(0).normal(size=(602, 80)).astype(dtype) / 4
    data[np.random.default_rng(1).random(data.shape) < 0.8] = 0
    X = data[:301, :40]
    AL = expected(net, X, "softmax")
    forms = [X, np.asfortranarray(X), X.astype("f8"), X.astype("f4"), X.astype(">f4"), X.tolist()]
    spread = data.copy()
    spread[::2, ::2] = X
    backward = X[::-1].copy()[::-1]
    forms += [spread[::2, ::2], backward, sparse.csr_array(X), sparse.csc_matrix(X)]
    for form in forms:
        found = net.predict(form, n_threads=n_threads)
        assert found.dtype == dtype
        np.testing.assert_allclose(found, AL, rtol=3e-5, atol=3e-5)


@pytest.mark.parametrize("n_threads", [1, 3])
def test_a_last_piece_of_few_sparse_rows(n_threads):
    # a chunk of these rows is read by its nonzeros, but the single one after it as a dense row
    columns = np.arange(0, 20_000, 32)
    values = np.random.default_rng(0).normal(size=1025 * len(columns))
    starts = len(columns) * np.arange(1026)
    X = sparse.csr_array((values, np.tile(columns, 1025), starts), shape=(1025, 20_000))
    net = network((20_000, 1, 1), "tanh", "identity", "float64")
    AL = expected(net, X[-3:].toarray(), "identity")
    np.testing.assert_allclose(net.predict(X, n_threads=n_threads)[-3:], AL, rtol=1e-10)


@pytest.mark.parametrize("dtype", TYPES)
def test_many_threads_of_one_network(dtype):
    net = network((30, 60, 3), "gelu", "identity", dtype)
    X = np.random.default_rng(0).normal(size=(700, 30)).astype(dtype)
    AL = net.predict(X, n_threads=1)
    found = [None] * 4

    def predict(i):
        for _ in range(30):
            found[i] = net.predict(X, n_threads=3)

    threads = [threading.Thread(target=predict, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for values in found:
        np.testing.assert_allclose(values, AL, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize("rows", [9, 300])
def test_a_call_has_the_bits_of_every_other(rows):
    # helped or alone, which a clock decides
    net = network((300, 200, 3), "relu", "softmax", "float32")
    X = np.random.default_rng(0).normal(size=(rows, 300)).astype(np.float32)
    AL = net.predict(X, n_threads=1).tobytes()
    for i in range(300):
        assert net.predict(X[:rows], n_threads=2).tobytes() == AL, i


def test_threads_leave_nothing_behind():
    # threads that come late find nothing to do, and must not touch what the call had
    run_apart(
        """
        import gc
        import os
        import numpy as np
        from fastdnn import Network
        X = np.ones((600, 9), np.float32)
        for i in range(3000):
            net = Network([9, 4, 2], dtype="float32", rng=0)
            AL = net.predict(X[: 1 + i % 600], n_threads=8)
            assert (AL == AL[0]).all()
            del net
            if i % 500 == 0 and hasattr(os, "fork"):
                pid = os.fork()
                if pid == 0:
                    Network([9, 4, 2], rng=0).predict(X, n_threads=8)
                    os._exit(0)
                assert os.waitpid(pid, 0)[1] == 0
        """,
        PYTHONWARNINGS="ignore",
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_that_a_signal_handler_makes_amidst_a_prediction_ends_it():
    run_with_children(
        """
        import numpy as np
        from fastdnn import Network
        net = Network([300, 400, 3], dtype="float32", rng=0)
        X = np.random.default_rng(0).normal(size=(8_000, 300)).astype(np.float32)
        AL = net.predict(X, n_threads=1)
        for i in range(10):
            signal.setitimer(signal.ITIMER_REAL, 5e-4 * (1 + i % 5))
            assert np.array_equal(net.predict(X, n_threads=3), AL)
            if children and children[-1] == 0:
                # with more threads than its parent had: they start while the call begins
                for n_threads in (8, 2):
                    assert np.array_equal(net.predict(X, n_threads=n_threads), AL)
                os._exit(0)
        """,
        timeout=60,
    )


def test_a_process_ends_while_its_helpers_look_for_work():
    run_apart(
        """
        import threading
        import numpy as np
        from fastdnn import Network
        net, X = Network([30, 40, 3], rng=0), np.ones((3000, 30))
        def predict():
            while True:
                net.predict(X, n_threads=3)
        for _ in range(2):
            threading.Thread(target=predict, daemon=True).start()
        for _ in range(50):
            net.predict(X, n_threads=2)
        """,
        timeout=60,
    )
