"""Data that lies elsewhere than in memory is read and trained on a block at a time."""

import _thread
import threading

import numpy as np
import pytest
from elsewhere import KINDS, Elsewhere, placed
from inside import generator, moments, params
from networks import problem
from processes import run_apart

from fastdnn import SGD, Adam, Network

BYTES = 6000  # of a block
OUTPUTS = ["sigmoid", "softmax", "identity"]


def network(output="sigmoid", n_0=5, n_L=3, dtype="float64", rng=0):
    return Network([n_0, 6, n_L], "tanh", output, dtype=dtype, rng=rng)


def assert_same(net, other):
    np.testing.assert_array_equal(params(net), params(other))
    for m, m_other in zip(moments(net), moments(other), strict=True):
        np.testing.assert_array_equal(m, m_other)
    assert net.epochs == other.epochs


def fitted(X, Y, output="sigmoid", dtype="float64", **options):
    net = network(output, dtype=dtype)
    options = {"batch_size": 16, "epochs": 2} | options
    history = net.fit(X, Y, **options)
    return net, history


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_in_their_order_blocks_give_the_bits_of_data_in_memory(kind, output, dtype, tmp_path):
    X, Y, _ = problem(output, m=701, dtype=dtype)
    options = {"shuffle": False, "dtype": dtype, "output": output}
    net, history = fitted(X, Y, validation_data=(X, Y), **options)
    X_, Y_ = placed(kind, tmp_path, X=X, Y=Y)
    for targets in (Y, Y_):
        other, found = fitted(
            X_, targets, block_bytes=BYTES, validation_data=(X_, targets), **options
        )
        assert_same(net, other)
        assert found.costs == history.costs
        np.testing.assert_allclose(found.validation_costs, history.validation_costs, rtol=1e-6)
    np.testing.assert_allclose(other.predict(X_), net.predict(X), rtol=1e-6)
    assert other.cost(X_, Y_) == pytest.approx(net.cost(X, Y), rel=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        {"accumulate": 3, "l2": 0.1},
        {"clip_norm": 0.05},
        {"sample_weight": np.arange(701) % 3, "optimizer": SGD(0.1, 0.9)},
        {"batch_size": 300},
        {"batch_size": 1},
        {"n_threads": 2},
        {"input_dropout": 0.1, "dropout": 0.2},
    ],
    ids=lambda options: next(iter(options)),
)
@pytest.mark.parametrize("block_bytes", [1, BYTES, 30000])
def test_every_setting_gives_the_bits_of_data_in_memory(options, block_bytes):
    X, Y, _ = problem("sigmoid", m=701)
    net, history = fitted(X, Y, shuffle=False, **options)
    other, found = fitted(Elsewhere(X), Y, shuffle=False, block_bytes=block_bytes, **options)
    assert_same(net, other)
    assert found.costs == history.costs


@pytest.mark.parametrize("dtype", ["uint8", "int64", "bool", "float16", ">f4", "float32"])
@pytest.mark.parametrize("of_network", ["float32", "float64"])
def test_other_types_are_converted_as_they_are_in_memory(dtype, of_network):
    X, Y, _ = problem("sigmoid", m=701)
    X = (50 * np.abs(X)).astype(dtype)
    options = {"dtype": of_network, "shuffle": False}
    net, _ = fitted(X, Y, **options)
    assert_same(net, fitted(Elsewhere(X), Elsewhere(Y), block_bytes=BYTES, **options)[0])


@pytest.mark.parametrize("output", OUTPUTS)
def test_blocks_are_shuffled_and_the_rows_in_each(output):
    X, Y, _ = problem(output, m=500)
    blocks = [(X[i : i + 100], Y[i : i + 100]) for i in range(0, 500, 100)]
    net, drawn = network(output), network(output)
    rng = generator(drawn)
    order = np.concatenate([100 * i + rng.permutation(100) for i in rng.permutation(5)])
    # 20 divides 100: the same batches
    found = net.fit(blocks, batch_size=20).costs
    assert found == drawn.fit(X[order], Y[order], batch_size=20, shuffle=False).costs
    assert_same(net, drawn)


@pytest.mark.parametrize("options", [{}, {"dropout": 0.3}, {"optimizer": SGD(0.1, 0.9)}])
def test_a_fit_goes_on_exactly(options):
    X, Y, _ = problem("sigmoid", m=701)
    options = {"block_bytes": BYTES, "batch_size": 16, **options}
    states = []
    whole, half, other = network(), network(), network(rng=9)
    whole.fit(
        Elsewhere(X), Y, epochs=5, callbacks=[lambda state: states.append(whole.state_dict())],
        **options,
    )  # fmt: skip
    half.fit(Elsewhere(X), Y, epochs=2, **options)
    other.load_state_dict(states[1])
    for net in (half, other):
        net.fit(Elsewhere(X), Y, epochs=3, **options)
        assert_same(net, whole)


def test_a_callback_that_draws_changes_the_next_epoch_alone():
    X, Y, _ = problem("sigmoid", m=701)
    options = {"block_bytes": BYTES, "batch_size": 16}
    net, other = network(), network()
    net.fit(Elsewhere(X), Y, epochs=2, callbacks=[lambda _: generator(net).random()], **options)
    for _ in range(2):
        other.fit(Elsewhere(X), Y, **options)
        generator(other).random()
    assert_same(net, other)


@pytest.mark.parametrize("form", ["auto", "gram"])
def test_data_of_one_block_is_data_in_memory(form):
    X, Y, _ = problem("sigmoid", m=30, n_0=60)
    net, other = network(n_0=60), network(n_0=60)
    options = {"optimizer": SGD(0.1, 0.5), "epochs": 5, "first_layer": form}
    assert net.fit(X, Y, **options).costs == other.fit(Elsewhere(X), Y, **options).costs
    assert_same(net, other)
    net, other = network(n_0=60), network(n_0=60)
    sizes = [{}, {"batch_size": 7}, {"batch_size": 100}, {"batch_size": 10, "accumulate": 100}]
    for options in sizes:
        options = {"epochs": 5} | options
        assert net.fit(X, Y, **options).costs == other.fit([(X, Y)], **options).costs
        assert_same(net, other)


def test_blocks_of_a_sequence_may_differ():
    sparse = pytest.importorskip("scipy.sparse")
    X, Y, _ = problem("sigmoid", m=200)
    X[X < 0.5] = 0
    net, other = network(), network()
    parts = [(0, 90), (90, 91), (91, 200)]
    blocks = [
        (sparse.csr_matrix(X[:90]), Y[:90]),
        (X[90:91].tolist(), Y[90:91], [0.5]),
        [X[91:].astype("f4"), Y[91:]],
    ]
    history = net.fit(blocks, batch_size=32, shuffle=False, epochs=20)
    assert history.costs[-1] < history.costs[0]
    for _ in range(20):
        for (i, j), block in zip(parts, blocks, strict=True):
            other.fit(X[i:j].astype(np.float32 if i == 91 else float), *block[1:2], batch_size=32,
                      shuffle=False)  # fmt: skip
    np.testing.assert_allclose(params(net), params(other), rtol=1e-6, atol=1e-9)
    assert net.epochs == 20
    weights = np.ones(200)
    weights[90] = 0.5
    X[91:] = X[91:].astype("f4")
    assert net.cost(blocks) == pytest.approx(net.cost(X, Y, weights))
    np.testing.assert_allclose(net.predict(blocks), net.predict(X), rtol=1e-12)
    np.testing.assert_allclose(net.predict(Watched(blocks)), net.predict(X), rtol=1e-12)
    with pytest.raises(ValueError, match=r"X\[1\]\[0\] must have shape \(m, 5\), got"):
        net.predict([(X, Y), (X[:, 1:], Y)])
    with pytest.raises(TypeError, match=r"X\[1\] must be \(X, Y\) or"):
        net.predict([(X, Y), X])
    validated = net.fit(blocks, batch_size=32, validation_data=(blocks, None)).validation_costs
    assert validated == [pytest.approx(net.cost(blocks))]


class Watched:
    """A sequence of blocks that tells which are read, and when."""

    def __init__(self, blocks, act=lambda i: None):
        self.blocks, self.act, self.read = blocks, act, []

    def __len__(self):
        return len(self.blocks)

    def __getitem__(self, i):
        self.read.append(i)
        self.act(i)
        return self.blocks[i]


def sequence(count=5, rows=40):
    X, Y, _ = problem("sigmoid", m=count * rows)
    return [(X[i : i + rows], Y[i : i + rows]) for i in range(0, count * rows, rows)]


def test_the_next_block_is_read_while_one_is_trained_on():
    net, moved = network(), threading.Event()
    before = params(net).copy()

    def act(i):
        # block 2 arrives only when block 1 has been trained on
        while i == 2 and (params(net) == before).all():
            moved.wait(0.001)

    blocks = Watched(sequence(), act)
    net.fit(blocks, batch_size=8, shuffle=False, epochs=2)
    assert blocks.read == 2 * [0, 1, 2, 3, 4]


class BrokenError(Exception):
    pass


@pytest.mark.parametrize("at", range(5))
def test_what_a_reader_raises_ends_the_fit(at):
    net, other, error, threads = network(), network(), BrokenError(), _thread._count()

    def act(i):
        if i == at and blocks.read.count(at) == 2:
            raise error

    blocks = Watched(sequence(), act)
    with pytest.raises(BrokenError) as caught:
        net.fit(blocks, batch_size=8, shuffle=False, epochs=2)
    assert caught.value is error
    assert net.epochs == 1
    assert _thread._count() == threads
    # the parameters of the last block, and the network is free
    other.fit(sequence(), batch_size=8, shuffle=False)
    for block in sequence()[:at]:
        other.fit(*block, batch_size=8, shuffle=False)
    np.testing.assert_array_equal(params(net), params(other))
    net.fit(sequence(), batch_size=8)


def test_a_reader_that_raises_stop_iteration_ends_nothing_silently():
    def act(i):
        if i == 1:
            raise StopIteration

    net, blocks = network(), Watched(sequence(), act)
    with pytest.raises(RuntimeError, match="the reader raised StopIteration"):
        net.fit(blocks, batch_size=8)
    with pytest.raises(RuntimeError, match="the reader raised StopIteration"):
        net.cost(blocks, None)


@pytest.mark.parametrize("optimizer", [SGD(0.1), SGD(0.1, 0.9), Adam(0.1)])
@pytest.mark.parametrize("trained", [False, True])
def test_divergence_leaves_all_as_before_the_epoch(optimizer, trained):
    net = Network([5, 6, 3], "identity", "identity", rng=0)
    X, Y, _ = problem("identity", m=200)
    if trained:
        net.fit(X, Y, batch_size=16)
    before = net.state_dict()
    Y_ = Y.copy()
    Y_[150] = 1e200  # whose square is infinite
    reads = Watched([(X[i : i + 40], Y_[i : i + 40]) for i in range(0, 200, 40)])
    with pytest.raises(FloatingPointError, match=f"diverged in epoch {net.epochs + 1}"):
        net.fit(reads, batch_size=8, shuffle=False, optimizer=optimizer)
    assert reads.read[:4] == [0, 1, 2, 3]
    after = net.state_dict()
    np.testing.assert_array_equal(after["params"], before["params"])
    for name in ("steps", "epochs", "kind", "optimizer"):
        assert after[name] == before[name]
    for a, b in zip(after["moments"], before["moments"], strict=True):
        assert (a is None) == (b is None)
        assert a is None or (a == b).all()
    other = Network([5, 6, 3], "identity", "identity", rng=0)
    other.load_state_dict(before)
    for each in (net, other):
        each.fit(X, Y, batch_size=16, shuffle=False, optimizer=Adam())
    assert_same(net, other)


def test_the_rate_and_the_callbacks_are_of_epochs():
    seen, rates = [], []

    def rate(epoch):
        rates.append(epoch)
        return 0.1

    net = network()
    history = net.fit(
        sequence(), batch_size=8, epochs=3, optimizer=SGD(rate),
        callbacks=[lambda state: seen.append((state.epoch, len(state.history.costs)))],
    )  # fmt: skip
    assert seen == [(1, 1), (2, 2), (3, 3)]
    assert rates == [0, 1, 2]
    assert len(history.times) == 3
    net.fit(sequence(), batch_size=8, epochs=9, callbacks=[lambda state: state.stop()])
    assert net.epochs == 4


def test_no_epochs_read_nothing():
    blocks = Watched(sequence())
    net = network()
    net.fit(blocks, batch_size=8, epochs=0)
    assert blocks.read == []
    assert net.epochs == 0


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_an_error_names_the_block(wrong):
    X, Y, _ = problem("sigmoid", m=701)
    bad = X.copy()
    bad[300, 2] = wrong
    net = network()
    with pytest.raises(ValueError, match=r"X\[256:384\] must be finite in float64, but row 44 is"):
        net.fit(Elsewhere(bad), Y, batch_size=128, block_bytes=1)
    bad_Y = Y.copy()
    bad_Y[300, 1] = wrong
    for targets in (bad_Y, Elsewhere(bad_Y)):
        where = r"Y\[256:384\]" if targets is not bad_Y else "Y"
        row = 300 if targets is bad_Y else 44
        with pytest.raises(ValueError, match=f"{where} must be between .* but row {row} is not"):
            net.fit(Elsewhere(X), targets, batch_size=128, block_bytes=1)
    with pytest.raises(ValueError, match=r"X\[1\]\[0\] must be finite"):
        net.fit([(X, Y), (bad, Y)], batch_size=10)


def wrong(X, Y):
    """Tell wrong data, and what is said of it."""

    def at(X, *shape, lies=lambda part: part):
        return Elsewhere(X, shape, lies)

    rows = r"X\[\d+:\d+\]"
    yield ValueError, r"X must have shape \(m, 5\), got \(701, 4\)", at(X[:, 1:]), Y, {}
    yield ValueError, r"X must have shape \(m, 5\), got \(701,\)", at(X[:, 0]), Y, {}
    yield ValueError, r"X must not be empty, got shape \(0, 5\)", at(X[:0]), Y, {}
    yield ValueError, "X must have a shape of whole numbers", at(X, np.nan, 5), Y, {}
    for targets in (Y[1:], at(Y[1:])):
        yield ValueError, r"Y must have shape \(701, 3\), got \(700, 3\)", at(X), targets, {}
    yield TypeError, "X must be .* element type complex128", at(X.astype(complex)), Y, {}
    yield TypeError, "X must be .* element type <U32", at(X.astype(str)), Y, {}
    yield TypeError, "Y must be .* element type complex128", at(X), at(Y.astype(complex)), {}
    few = r"X\[0:999\] must have shape \(999, 5\), got \(701, 5\)"
    yield ValueError, few, at(X, 999, 5), 999 * [Y[0]], {"block_bytes": 10**6}
    fewer = rf"{rows} must have shape \(\d+, 5\)"
    yield ValueError, fewer, at(X, lies=lambda part: part[:, 1:]), Y, {}
    for part in ("a", None, [[]]):
        yield (TypeError, ValueError), rows, at(X, lies=lambda _, part=part: part), Y, {}
    yield TypeError, f"{rows} is a masked array", at(X, lies=np.ma.masked_array), Y, {}
    yield ValueError, f"{rows} must not be empty", at(X, lies=lambda part: part[:0]), Y, {}
    weights = {"sample_weight": Y}
    yield ValueError, r"sample_weight must have shape \(701,\)", at(X), Y, weights
    yield ValueError, "X has 701 examples, of which a block", at(X), Y, {"batch_size": None}
    yield ValueError, "first_layer='gram' needs", at(X), Y, {"first_layer": "gram"}
    yield TypeError, "block_bytes must be an integer", at(X), Y, {"block_bytes": 1.5}
    yield ValueError, "block_bytes must be at least 1", at(X), Y, {"block_bytes": 0}
    yield ValueError, "block_bytes must be at most 9", at(X), Y, {"block_bytes": 2**63}
    for other in (X, at(X), iter([(X, Y)]), {0: (X, Y)}, "text", 5):
        yield TypeError, "without Y, X must be a sequence of blocks", other, None, {}
    yield ValueError, "X must not be empty", [], None, {}
    yield TypeError, r"X\[0\] must be \(X, Y\) or .* got ndarray", [X, Y], None, {}
    yield TypeError, r"X\[0\] must be \(X, Y\) or .* got tuple", [(X,), (X,)], None, {}
    yield ValueError, r"X\[0\]\[0\] must have shape \(m, 5\)", 2 * [(X[:, 1:], Y)], None, {}
    yield ValueError, "sample_weight must be None for a seq", 2 * [(X, Y)], None, weights
    yield ValueError, "X is a sequence of 2 .* batch_size", 2 * [(X, Y)], None, {"batch_size": None}
    validation = {"validation_data": (at(X[:, 1:]), Y)}
    yield ValueError, r"validation_data\[0\] must have shape", at(X), Y, validation


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_block_without_weight_is_one_of_examples_without_weight(dtype):
    X, Y, _ = problem("sigmoid", m=160, dtype=dtype)
    weights = np.repeat([0, 1, 0, 2, 0], 32)
    options = {"dtype": dtype, "shuffle": False, "l2": 0.1, "optimizer": SGD(0.1, 0.9)}
    net, history = fitted(X, Y, sample_weight=weights, **options)
    blocks = [(X[i : i + 32], Y[i : i + 32], weights[i : i + 32]) for i in range(0, 160, 32)]
    other, found = fitted(blocks, None, **options)
    assert_same(net, other)
    assert found.costs == history.costs
    assert other.cost(blocks) == pytest.approx(net.cost(X, Y, weights), rel=1e-6)
    with pytest.raises(ValueError, match="must be above 0 somewhere"):
        net.cost(blocks[::2])
    with pytest.raises(ValueError, match=r"X\[1\]\[2\] must be at least 0, and neither"):
        net.cost([blocks[1], (X, Y, -weights)])
    with pytest.raises(ValueError, match="weights of a sequence of blocks must be above 0 somewh"):
        other.fit(blocks[::2], None, epochs=1, batch_size=16)
    assert_same(net, other)


def test_blocks_are_a_share_of_the_data_by_default():
    X = np.broadcast_to(np.linspace(-1, 1, 1000, dtype="f4"), (30000, 1000))  # 120 MB
    read = []

    def seen(part):
        read.append(part.nbytes)
        return part

    net = Network([1000, 1, 1], output_activation="identity", dtype="float32", rng=0)
    net.fit(Elsewhere(X, lies=seen), np.zeros(30000), batch_size=100)
    assert sum(read) == X.nbytes
    assert max(read) <= 2**23
    assert 14 <= len(read) <= 17
    # and up to 64 MiB one block
    read.clear()
    net.fit(Elsewhere(X[:16000], lies=seen), np.zeros(16000), batch_size=1000, epochs=2)
    assert len(read) == 1


@pytest.mark.parametrize("block_bytes", [2**31, 2**32 + 1, 2**63 - 1])
def test_blocks_of_any_size(block_bytes):
    X, Y, _ = problem("sigmoid", m=100)
    net, history = fitted(X, Y, shuffle=False)
    other, found = fitted(Elsewhere(X), Y, shuffle=False, block_bytes=block_bytes)
    assert_same(net, other)
    assert found.costs == history.costs


def test_bad_data_changes_nothing():
    X, Y, _ = problem("sigmoid", m=701)
    net = network()
    before = params(net).copy()
    options = {"block_bytes": BYTES, "batch_size": 16, "shuffle": False}
    for error, message, X_, Y_, changes in wrong(X, Y):
        with pytest.raises(error, match=message):
            net.fit(X_, Y_, **options | changes)
        np.testing.assert_array_equal(params(net), before)
        assert net.epochs == 0
    with pytest.raises(ValueError, match=r"X must have shape \(m, 5\)"):
        net.predict(Elsewhere(X[:, 1:]))
    with pytest.raises(TypeError, match="n_threads must be an integer"):
        net.predict(Elsewhere(X), n_threads=1.5)


@pytest.mark.parametrize("waits", [True, False])
def test_an_interrupt_is_heard_while_a_block_is_read(waits):
    # what is being read arrives only when the interrupt was heard
    run_apart(
        """
        import signal, sys, threading, _thread
        import numpy as np
        import fastdnn
        heard, reading = threading.Event(), threading.Event()
        def handler(*_):
            heard.set()
            raise KeyboardInterrupt
        signal.signal(signal.SIGINT, handler)
        class Blocks:
            def __len__(self):
                return 3
            def __getitem__(self, i):
                if i == 1:
                    reading.set()
                    heard.wait()
                return np.ones((40, 4)), np.ones((40, 1))
        net = fastdnn.Network([4, 3, 1], rng=0)
        def press():
            reading.wait()
            if sys.argv[1] == "True":
                threading.Event().wait(0.2)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        threading.Thread(target=press).start()
        try:
            net.fit(Blocks(), batch_size=8, shuffle=False)
        except KeyboardInterrupt:
            pass
        else:
            raise AssertionError
        assert net.epochs == 0
        assert _thread._count() <= 1, _thread._count()
        net.fit(Blocks(), batch_size=8)
        assert net.epochs == 1
        """,
        str(waits),
        timeout=60,
    )


def test_a_child_that_a_callback_forks_reads_too():
    run_apart(
        """
        import os
        import numpy as np
        import fastdnn
        X = np.random.default_rng(0).random((200, 4))
        children = []
        def fork(state):
            if state.epoch == 1:
                children.append(os.fork())
        net = fastdnn.Network([4, 3, 1], rng=0)
        history = net.fit(
            X, X[:, 0] > 0.5, batch_size=8, block_bytes=999, epochs=3, callbacks=[fork])
        assert net.epochs == 3
        if children[0]:
            assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 0
        """,
        timeout=60,
    )


def test_an_interrupt_ends_the_fit_after_a_batch():
    run_apart(
        """
        import signal, time, _thread
        import numpy as np
        import fastdnn
        X = np.random.default_rng(0).random((4000, 200))
        net = fastdnn.Network([200, 200, 1], rng=0)
        before = net.parameters["W1"].copy()
        for block_bytes in (10**6, 3 * 10**6):
            signal.setitimer(signal.ITIMER_REAL, 0.3)
            signal.signal(signal.SIGALRM, signal.default_int_handler)
            start = time.perf_counter()
            try:
                net.fit(
                    X, X[:, 0] > 0.5, batch_size=8, epochs=10**6, block_bytes=block_bytes,
                    optimizer=fastdnn.SGD(1e-3))
            except KeyboardInterrupt:
                pass
            else:
                raise AssertionError
            assert _thread._count() == 0, _thread._count()
            assert np.isfinite(net.parameters["W1"]).all()
            assert (net.parameters["W1"] != before).any()
            state, epochs = net.state_dict(), net.epochs
            net.fit(X, X[:, 0] > 0.5, batch_size=400, block_bytes=block_bytes)
            assert net.epochs == epochs + 1
            other = fastdnn.Network([200, 200, 1])
            other.load_state_dict(state)
            other.fit(X, X[:, 0] > 0.5, batch_size=400, block_bytes=block_bytes)
            assert (other.parameters["W1"] == net.parameters["W1"]).all()
        """,
        timeout=60,
        OPENBLAS_NUM_THREADS="1",
    )
