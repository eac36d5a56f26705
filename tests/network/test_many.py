"""Many networks at once: the bits of lone fits, errors before the first is trained, interrupts."""

import inspect
import threading

import numpy as np
import pytest
from inside import generator, moments, params
from networks import TYPES, problem
from processes import run_apart

import fastdnn
from fastdnn import Network, fit_many
from fastdnn.optimizers import SGD, Adam, AdamW, RMSprop

M = 61


def folds(k=3, m=M):
    order = np.random.default_rng(5).permutation(m)
    parts = np.array_split(order, k)
    return [np.concatenate(parts[:i] + parts[i + 1 :]) for i in range(k)], parts


def networks(count=3, dtype="float64", output="sigmoid", **options):
    options = {"output_activation": output, "dtype": dtype} | options
    return [Network([5, 4 + 9 * i, 3], rng=i, **options) for i in range(count)]


def alone(net, X, Y, rows=slice(None), validation=None, sample_weight=None, **options):
    """Fit one network on a copy of its rows."""
    if sample_weight is not None:
        options["sample_weight"] = sample_weight[rows]
    if validation is not None:
        options["validation_data"] = tuple(
            a[validation] for a in (X, Y, sample_weight) if a is not None
        )
    return net.fit(X[rows], Y[rows], **options)


def bits(net):
    """Copy the state of a network's generator."""
    rng = generator(net)
    if isinstance(rng, np.random.RandomState):
        return rng.get_state(legacy=False)
    return rng.bit_generator.state


def assert_same(many, histories, lone, expected):
    assert len(many) == len(histories) == len(lone) == len(expected)
    for net, history, other, of_other in zip(many, histories, lone, expected, strict=True):
        assert history.costs == of_other.costs
        assert history.validation_costs == of_other.validation_costs
        assert len(history.times) == len(history.costs)
        assert history.error is None
        np.testing.assert_array_equal(params(net), params(other))
        assert net.epochs == other.epochs
        # what the next fit goes on with
        for one, another in zip(moments(net), moments(other), strict=True):
            assert (one is None) == (another is None)
            assert one is None or np.array_equal(one, another)
        assert str(bits(net)) == str(bits(other))


CASES = {
    "mini-batches": {"batch_size": 8},
    "in order": {"batch_size": 8, "shuffle": False},
    "full": {"optimizer": SGD(0.1, 0.9)},
    "gram": {"optimizer": SGD(0.1), "first_layer": "gram"},
    "summed": {"batch_size": 5, "accumulate": 3, "l2": 0.1, "clip_norm": 0.5},
    "dropped": {"batch_size": 8, "dropout": 0.3, "input_dropout": 0.2},
}


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("case", CASES)
def test_each_network_is_trained_as_it_would_be_alone(case, order, dtype):
    X, Y, _ = problem("sigmoid", m=M, dtype=dtype)
    X = np.asarray(X, order=order)
    options = {"epochs": 4, "n_threads": 2} | CASES[case]
    rows, validation = folds()
    for kind in ("float32", "float64"):
        many, lone = networks(dtype=kind), networks(dtype=kind)
        histories = fit_many(many, X, Y, rows=rows, validation_rows=validation, **options)
        expected = [
            alone(net, X, Y, rows[i], validation[i], **options | {"n_threads": 1})
            for i, net in enumerate(lone)
        ]
        assert_same(many, histories, lone, expected)


@pytest.mark.parametrize("output", ["sigmoid", "softmax", "identity", "exp"])
@pytest.mark.parametrize("weighted", [False, True])
def test_every_output_with_and_without_weights(output, weighted):
    X, Y, _ = problem(output, m=M)
    weights = np.random.default_rng(2).random(M) if weighted else None
    rows, validation = folds()
    many, lone = (networks(output=output) for _ in range(2))
    options = {"batch_size": 8, "epochs": 3, "optimizer": Adam(1e-2)}
    histories = fit_many(
        many, X, Y, rows=rows, validation_rows=validation, sample_weight=weights, **options
    )
    expected = [
        alone(net, X, Y, rows[i], validation[i], weights, **options) for i, net in enumerate(lone)
    ]
    assert_same(many, histories, lone, expected)


@pytest.mark.parametrize("density", [0.05, 0.9])
@pytest.mark.parametrize("batch_size", [8, None])
def test_rows_of_a_sparse_matrix(batch_size, density):
    sparse = pytest.importorskip("scipy.sparse")
    X = sparse.random(M, 5, density=density, format="csr", random_state=0)
    Y = problem("sigmoid", m=M)[1]
    rows, validation = folds()
    many, lone = networks(), networks()
    options = {"batch_size": batch_size, "epochs": 3}
    histories = fit_many(many, X, Y, rows=rows, validation_rows=validation, **options)
    expected = [alone(net, X, Y, rows[i], validation[i], **options) for i, net in enumerate(lone)]
    assert_same(many, histories, lone, expected)


def test_shapes_optimisers_and_every_other_setting_of_their_own():
    X, Y, _ = problem("sigmoid", m=M)
    weights = np.random.default_rng(2).random(M)
    each = {
        "optimizer": [SGD(0.1), RMSprop(1e-3), AdamW(1e-2)],
        "batch_size": [8, None, 20],
        "accumulate": [1, 1, 2],
        "epochs": [5, 0, 2],
        "shuffle": [True, True, False],
        "sample_weight": [None, weights, None],
        "l2": [0, 0.1, 0],
        "dropout": [0, 0, 0.5],
        "input_dropout": [0.1, 0, 0],
        "clip_norm": [1, None, None],
        "validation_data": [(X[:9], Y[:9]), None, [X, Y, weights]],
        "callbacks": [(), [lambda state: state.network.epochs], ()],
        "first_layer": ["direct", "auto", "direct"],
    }

    def made():
        return [
            Network([5, 4, 3], rng=0),
            Network([5, 3, 7, 3], "tanh", dtype="float32", rng=1),
            Network([5, 3], output_activation="identity", rng=np.random.RandomState(2)),
        ]

    many, lone = made(), made()
    histories = fit_many(many, X, Y, **each)
    expected = [
        net.fit(X, Y, **{name: values[i] for name, values in each.items()})
        for i, net in enumerate(lone)
    ]
    assert_same(many, histories, lone, expected)


def test_every_keyword_of_a_fit():
    of_one = inspect.signature(Network.fit).parameters
    of_many = inspect.signature(fit_many).parameters
    # networks of several processes are trained one at a time
    assert not {*of_one} - {*of_many} - {"self", "comm"}
    for name in {*of_one} & {*of_many}:
        assert of_one[name].default == of_many[name].default, name
        assert of_one[name].kind == of_many[name].kind, name


@pytest.mark.parametrize("n_threads", [None, 1, 2, 7])
def test_any_number_of_threads_and_of_networks(n_threads):
    X, Y, _ = problem("sigmoid", m=M)
    for count in (1, 2, 9):
        many, lone = networks(count), networks(count)
        histories = fit_many(many, X, Y, batch_size=8, epochs=2, n_threads=n_threads)
        expected = [net.fit(X, Y, batch_size=8, epochs=2) for net in lone]
        assert_same(many, histories, lone, expected)
    assert fit_many([], X, Y) == []
    assert fit_many(iter(networks(1)), X, Y, n_threads=n_threads)[0].costs


def test_fits_go_on():
    X, Y, _ = problem("sigmoid", m=M)
    many, lone = networks(), networks()
    for _ in range(2):
        histories = fit_many(many, X, Y, batch_size=8, optimizer=Adam(1e-2))
        expected = [net.fit(X, Y, batch_size=8, optimizer=Adam(1e-2)) for net in lone]
        assert_same(many, histories, lone, expected)
    # and then alone
    histories = [net.fit(X, Y, batch_size=8) for net in many]
    assert_same(many, histories, lone, [net.fit(X, Y, batch_size=8) for net in lone])


def test_neither_x_nor_y_is_copied_for_a_network():
    # of 40 MB; numpy tells tracemalloc of its arrays
    code = """
        import tracemalloc
        import numpy as np
        from fastdnn import Network, fit_many
        X, Y = np.zeros((100_000, 50)), np.zeros((100_000, 1))
        nets = [Network([50, 4, 1], rng=i) for i in range(20)]
        rows = [np.arange(i, 100_000, 2) for i in range(2)] * 10
        tracemalloc.start()
        fit_many(nets, X, Y, rows=rows, batch_size=1000, n_threads=2)
        print(tracemalloc.get_traced_memory()[1])
        """
    assert int(run_apart(code)) < 8e6


def test_training_on_the_parameters_of_another():
    def made():
        return [*networks(2), Network([5, 3, 3], rng=7)]

    nets, lone = made(), made()
    X = nets[2].parameters["W1"]
    before, Y = X.copy(), np.zeros((3, 3))
    # all read what the weights were when the call began
    histories = fit_many(nets, X, Y, batch_size=2, epochs=3)
    expected = [net.fit(before, Y, batch_size=2, epochs=3) for net in lone]
    assert_same(nets, histories, lone, expected)


@pytest.mark.parametrize("most", [2000, 10**6])
def test_data_in_blocks(most):
    X, Y, _ = problem("sigmoid", m=M)
    many, lone = networks(), networks()
    options = {"batch_size": 8, "epochs": 3, "block_bytes": most, "validation_data": (X, Y)}
    histories = fit_many(many, X, Y, **options)
    assert_same(many, histories, lone, [net.fit(X, Y, **options) for net in lone])
    with pytest.raises(ValueError, match=r"networks\[0\]: rows must be None where X is read in b"):
        fit_many(many, X, Y, rows=np.arange(9), block_bytes=most)
    with pytest.raises(ValueError, match="validation_rows must be None"):
        fit_many(many, X, Y, validation_rows=np.arange(9), block_bytes=most)
    if most < 10**4:
        with pytest.raises(ValueError, match=r"networks\[2\]: .*give a batch_size"):
            fit_many(many, X, Y, batch_size=[8, 8, None], block_bytes=most)
    assert [net.epochs for net in many] == [3] * 3


# ---------------------------------------------------------------------------------- what goes wrong


def test_one_that_diverges_harms_no_other():
    X, Y, _ = problem("identity", m=M)
    rates = [SGD(1e-2), SGD(1e200), SGD(1e-2)]
    many, lone = (networks(output="identity") for _ in range(2))
    histories = fit_many(many, X, Y, optimizer=rates, batch_size=8, epochs=5)
    for i, net in enumerate(lone):
        if i == 1:
            with pytest.raises(FloatingPointError) as caught:
                net.fit(X, Y, optimizer=rates[i], batch_size=8, epochs=5)
            assert str(histories[i].error) == str(caught.value)
            assert len(histories[i].costs) < 5
        else:
            expected = net.fit(X, Y, optimizer=rates[i], batch_size=8, epochs=5)
            assert histories[i].costs == expected.costs
            assert histories[i].error is None
        np.testing.assert_array_equal(params(many[i]), params(net))


BAD = {
    "rows out of range": ({"rows": np.array([0, M])}, ValueError, r"rows must be indices 0 .. 60"),
    "negative rows": ({"rows": np.array([0, -1])}, ValueError, r"number 1 is -1"),
    "huge rows": ({"rows": np.array([0, 2**64 - 1], np.uint64)}, ValueError, "rows must be"),
    "rows twice": ({"rows": np.array([3, 1, 3])}, ValueError, "once, but 3 comes twice"),
    "no rows": ({"rows": np.zeros(0, int)}, ValueError, "rows must not be empty"),
    "rows that are no integers": ({"rows": np.array([0.0, 1.0])}, TypeError, "rows must hold int"),
    "a mask": ({"rows": np.ones(M, bool)}, TypeError, "rows must hold integers"),
    "rows of text": ({"rows": "all"}, TypeError, "rows"),
    "rows of two dimensions": ({"rows": np.array([[0, 1]])}, ValueError, "one array of indices"),
    "a list of rows": ({"rows": [0, 1, 2]}, ValueError, "rows must be one array"),
    "validation rows": ({"validation_rows": np.array([M])}, ValueError, "validation_rows must be"),
    "two validations": (
        {"validation_rows": np.array([1]), "validation_data": (np.ones((2, 5)), np.ones((2, 3)))},
        ValueError, "cannot both be given",
    ),
    "too few values": ({"l2": [0.1, 0.2]}, ValueError, "l2 is a list of 2 for 3 networks"),
    "the last value": ({"l2": [0, 0, -1]}, ValueError, r"networks\[2\]: l2 must be at least 0"),
    "an optimizer": ({"optimizer": ["adam"] * 3}, TypeError, r"networks\[0\]: optimizer must be"),
    "a tuple": ({"batch_size": (1, 2, 3)}, TypeError, "batch_size must be an integer"),
    "callbacks": ({"callbacks": [print] * 3}, TypeError, "callbacks must be a sequence"),
    "no threads": ({"n_threads": 0}, ValueError, "n_threads must be at least 1"),
    "half a thread": ({"n_threads": 0.5}, TypeError, "n_threads must be an integer"),
    "verbose": ({"verbose": "bar"}, TypeError, "verbose must be True or False"),
    "gram": ({"first_layer": ["auto", "auto", "gram"], "batch_size": 8}, ValueError,
             r"networks\[2\]: first_layer='gram' needs"),
    "weights": ({"sample_weight": np.r_[np.zeros(30), np.ones(31)], "rows": np.arange(9)},
                ValueError, "sample_weight must be above 0 somewhere in the rows"),
    "a parameter": ({"learning_rate": 0.1}, TypeError, "learning_rate"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_nothing_is_trained_where_something_is_wrong(case):
    options, error, message = BAD[case]
    X, Y, _ = problem("sigmoid", m=M)
    nets = networks()
    before = [params(net).copy() for net in nets]
    with pytest.raises(error, match=message):
        fit_many(nets, X, Y, **options)
    assert all(map(np.array_equal, before, map(params, nets)))
    assert not any(net.epochs for net in nets)
    # and no lock is left
    fit_many(nets, X, Y)


def test_networks_that_are_none():
    X, Y, _ = problem("sigmoid", m=M)
    nets = networks()
    for wrong in (nets[0], 3, None):
        with pytest.raises(TypeError, match="networks must be a sequence of Network"):
            fit_many(wrong, X, Y)
    with pytest.raises(TypeError, match=r"networks\[1\] must be a Network, got int"):
        fit_many([nets[0], 1], X, Y)
    with pytest.raises(ValueError, match=r"networks\[2\] is networks\[0\]"):
        fit_many([nets[0], nets[1], nets[0]], X, Y)
    with pytest.raises(ValueError, match=r"networks\[1\]: X must have shape \(m, 4\)"):
        fit_many([nets[0], Network([4, 3], rng=0)], X, Y)
    broken = Network([5, 4, 3], rng=0)
    broken.parameters["b1"][0] = np.nan
    with pytest.raises(ValueError, match=r"networks\[1\]: the network's parameters must be finite"):
        fit_many([nets[0], broken], X, Y)
    assert not any(net.epochs for net in nets)


def test_a_network_in_training_elsewhere():
    X, Y, _ = problem("sigmoid", m=M)
    nets = networks()
    found = []

    def train_again(_):
        for call in (lambda: fit_many(nets, X, Y), lambda: fit_many(nets[1:], X, Y)):
            try:
                found.append(call())
            except RuntimeError as error:
                found.append(str(error))

    nets[0].fit(X, Y, callbacks=[train_again])
    assert "networks[0] is being trained" in found[0]
    assert len(found[1]) == 2
    with pytest.raises(RuntimeError, match="being trained"):
        fit_many(nets, X, Y, callbacks=(lambda _: nets[2].fit(X, Y),))
    nets[2].fit(X, Y)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_an_error_of_a_callback_ends_all(n_threads):
    X, Y, _ = problem("sigmoid", m=M)
    nets = networks(12)

    def fail(state):
        if state.network is nets[5]:
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        fit_many(nets, X, Y, batch_size=4, epochs=50, callbacks=(fail,), n_threads=n_threads)
    # the largest are trained first, and one ends in the middle
    epochs = [net.epochs for net in nets]
    assert epochs[5] == 1
    assert set(epochs) > {50}
    assert 0 in epochs
    fit_many(nets, X, Y)


def test_callbacks_see_their_networks_and_stop_them():
    X, Y, _ = problem("sigmoid", m=M)
    nets = networks(8)
    seen, threads = {}, set()

    def stop(state):
        threads.add(threading.get_ident())
        seen[id(state.network)] = state.history
        if state.epoch == 2:
            state.stop()

    histories = fit_many(nets, X, Y, epochs=5, callbacks=(stop,), n_threads=2)
    assert [net.epochs for net in nets] == [2] * 8
    assert all(seen[id(net)] is history for net, history in zip(nets, histories, strict=True))


def test_an_iterator_of_callbacks_is_for_all():
    X, Y, _ = problem("sigmoid", m=M)
    nets, seen = networks(), []
    callbacks = (callback for callback in (lambda state: seen.append(id(state.network)),))
    fit_many(nets, X, Y, callbacks=callbacks)
    assert sorted(seen) == sorted(map(id, nets))


def test_progress(capsys):
    X, Y, _ = problem("identity", m=M)
    rates = [SGD(1e-2), SGD(1e200), SGD(1e-2)]
    fit_many(networks(output="identity"), X, Y, optimizer=rates, epochs=5, verbose=True)
    out, err = capsys.readouterr()
    assert not out
    assert err.splitlines()[-1].startswith("network 3 of 3, diverged 1, 0.")
    fit_many(networks(), *problem("sigmoid", m=M)[:2])
    assert capsys.readouterr() == ("", "")


def test_an_interrupt_leaves_finished_networks_finished():
    # two small ones that end first or never begin, and a large one that is interrupted
    code = """
        import signal, sys, threading, time
        import numpy as np
        from fastdnn import Network, fit_many
        X, Y = np.random.default_rng(0).normal(size=(500, 20)), np.zeros((500, 1))
        nets = [Network([20, n, 1], rng=n) for n in (8, 200, 200, 200, 8)]
        epochs = [2, 10**7, 2, 10**7, 2]
        timer = threading.Timer(0.5, signal.raise_signal, (signal.SIGINT,))
        timer.start()
        begin = time.monotonic()
        try:
            fit_many(nets, X, Y, batch_size=32, epochs=epochs, n_threads=2)
            raise SystemExit("no interrupt")
        except KeyboardInterrupt:
            pass
        assert time.monotonic() - begin < 60
        # two threads were at the two large ones, and no other had begun
        assert nets[1].epochs > 0 and nets[3].epochs > 0, [net.epochs for net in nets]
        for i in (0, 2, 4):
            assert nets[i].epochs == 0
        steps = nets[1].state_dict()["steps"]
        assert steps // 16 == nets[1].epochs, (steps, nets[1].epochs)
        for net, n in zip(nets, epochs):
            twin = Network(list(net.layer_dims), rng=net.layer_dims[1])
            net.fit(X, Y, batch_size=32)
        # one that had ended before the interrupt
        nets = [Network([20, n, 1], rng=n) for n in (8, 200)]
        timer = threading.Timer(0.5, signal.raise_signal, (signal.SIGINT,))
        timer.start()
        try:
            fit_many(nets, X, Y, batch_size=32, epochs=[2, 10**7], n_threads=2)
        except KeyboardInterrupt:
            pass
        assert nets[0].epochs == 2
        print("done")
        """
    assert run_apart(code).split()[-1] == "done"


def test_an_estimators_network_is_refused():
    pytest.importorskip("sklearn")
    from fastdnn.estimators import MLPRegressor

    X, Y, _ = problem("identity", m=M)
    est = MLPRegressor(
        hidden_layer_sizes=(4,), solver="lbfgs", tol=1e3, max_iter=50, random_state=0
    )
    est.fit(X, Y)
    with pytest.raises(RuntimeError, match=r"networks\[0\] is an estimator's"):
        fit_many([est.network_], X, Y)


def test_many_are_offered():
    assert "fit_many" in fastdnn.__all__
