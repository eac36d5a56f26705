"""A fit like the one before it takes other data without a new trainer: it must not show."""

import gc
import pickle
import sys
import weakref
from copy import deepcopy

import numpy as np
import pytest
from inside import moments, params, steps
from processes import run_apart

from fastdnn import SGD, Adam, Network

random = np.random.default_rng(0)
X = random.normal(size=(24, 5))
Y = random.integers(0, 2, 24)
ADAM = Adam(0.01)

DATA = {
    "the same": (X, Y),
    "others": (X[::-1].copy(), Y[::-1].copy()),
    "bool": (X, Y > 0),
    "float64": (X, Y / 2),
    "float32": (X, (Y / 2).astype("float32")),
    "int8": (X, Y.astype("int8")),
    "column": (X, Y[:, None] / 1.0),
    "strided targets": (X, np.repeat(Y / 1.0, 2)[::2]),
    "fewer": (X[:20], Y[:20]),
    "more": (np.vstack([X, X]), np.append(Y, Y)),
    "Fortran": (np.asfortranarray(X), Y),
    "backwards": (X[::-1], Y),
    "strided": (np.repeat(X, 2, axis=1)[:, ::2], Y),
    "single": (X.astype("float32"), Y),
    "integers": (np.round(X).astype(int), Y),
    "lists": (X.tolist(), Y.tolist()),
    "byte order": (X.astype(X.dtype.newbyteorder()), Y.astype(">f8")),
    "read-only": (np.frombuffer(X.tobytes()).reshape(X.shape), Y),
}


class Sub(np.ndarray):
    pass


BAD = {
    "nan": (np.where(X > 2, np.nan, X), Y),
    "targets": (X, Y * 2.0),
    "targets of integers": (X, Y * 2),
    "infinite targets": (X, np.where(Y, np.inf, 0)),
    "columns": (X[:, :4], Y),
    "rows": (X, Y[:20]),
    "empty": (X[:0], Y[:0]),
    "flat": (X.ravel(), Y),
    "masked": (np.ma.array(X), Y),
    "masked targets": (X, np.ma.array(Y)),
    "text": (X, np.array(["a"] * 24)),
}


def outcome(net, x, y, **options):
    try:
        costs = net.fit(x, y, **options).costs
    except (TypeError, ValueError, FloatingPointError) as error:
        return str(error)
    kept = [a.tobytes() for a in (params(net), *moments(net)) if a is not None]
    return costs, kept, steps(net), net.epochs


@pytest.mark.parametrize("batch_size", [None, 7])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("between", DATA)
def test_other_data(between, dtype, batch_size):
    # a copy has no trainer from before
    net = Network([5, 4, 1], dtype=dtype, rng=0)
    options = {"optimizer": ADAM, "batch_size": batch_size, "first_layer": "direct"}
    for name in ("the same", "others", between, "bool", "the same", between, between, "float64"):
        twin = deepcopy(net)
        assert outcome(net, *DATA[name], **options) == outcome(twin, *DATA[name], **options)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bad", BAD)
def test_data_that_is_refused(bad, dtype):
    net, fresh = (Network([5, 4, 1], dtype=dtype, rng=0) for _ in range(2))
    net.fit(X.astype(dtype), Y)
    before = params(net).copy()
    message = outcome(net, *BAD[bad])
    assert isinstance(message, str)
    assert message == outcome(fresh, *BAD[bad])
    np.testing.assert_array_equal(params(net), before)
    assert net.fit(X.astype(dtype), Y).costs


def test_classes():
    net = Network([5, 4, 3], "tanh", "softmax", rng=0)
    classes = random.integers(0, 3, 24)
    for y in (classes, classes[::-1].copy(), classes[:, None], classes.astype("int32"),
              classes.astype(float), np.eye(3)[classes], classes, np.append(classes[:23], 3),
              np.append(classes[:23], -1), classes, classes > 0):  # fmt: skip
        twin = deepcopy(net)
        assert outcome(net, X, y) == outcome(twin, X, y)


CHANGES = {
    "optimizer": {"optimizer": SGD(0.1)},
    "batch_size": {"batch_size": 5},
    "float batch": {"batch_size": 24.0},
    "accumulate": {"accumulate": 2},
    "epochs": {"epochs": 3},
    "shuffle": {"shuffle": 1},
    "l2": {"l2": 0.1},
    "dropout": {"dropout": 0.2},
    "input_dropout": {"input_dropout": 0.2},
    "clip_norm": {"clip_norm": 0.01},
    "first_layer": {"first_layer": "direct"},
    "n_threads": {"n_threads": 2},
    "sample_weight": {"sample_weight": np.arange(24.0)},
    "validation_data": {"validation_data": (X, Y)},
    "none": {"epochs": 0},
}


@pytest.mark.parametrize("change", CHANGES)
def test_other_settings(change):
    net = Network([5, 4, 1], rng=0)
    for options in ({}, {}, CHANGES[change], CHANGES[change], {}, CHANGES[change], {}):
        twin = deepcopy(net)
        assert outcome(net, X, Y, **options) == outcome(twin, X, Y, **options)


def test_states_between():
    net = Network([5, 4, 1], rng=0)
    net.fit(X, Y, batch_size=7)
    state = net.state_dict()
    expected = outcome(net, X, Y, batch_size=7)
    net.load_state_dict(state)
    assert outcome(net, X, Y, batch_size=7) == expected
    again = pickle.loads(pickle.dumps(net))
    assert outcome(net, X, Y, batch_size=7) == outcome(again, X, Y, batch_size=7)


def test_parameters_written_between():
    net = Network([5, 4, 1], rng=0)
    net.fit(X, Y)
    net.parameters["W1"][...] *= 2
    twin = deepcopy(net)
    assert outcome(net, X, Y) == outcome(twin, X, Y)
    net.parameters["b1"][0] = np.nan
    with pytest.raises(ValueError, match="parameters must be finite"):
        net.fit(X, Y)


def test_data_in_the_memory_that_is_trained():
    net = Network([4, 4, 1], "tanh", "identity", rng=0)
    rows = np.ones((4, 4))
    view = net.parameters["W1"]
    for x, y in ((rows, np.ones(4)), (view.T, np.ones(4)), (rows, net.parameters["b1"])):
        net.fit(rows, np.zeros(4))
        twin = deepcopy(net)
        kept = outcome(twin, x.copy(), y.copy())
        assert outcome(net, x, y) == kept


def test_data_is_let_go():
    net = Network([5, 4, 1], rng=0)
    for _ in range(3):
        x, y = X.copy(), Y / 1.0
        left = weakref.ref(x), weakref.ref(y)
        net.fit(x, y)
        del x, y
        gc.collect()
        assert [ref() for ref in left] == [None, None]


def test_a_fit_within_a_fit():
    net, twin = (Network([5, 4, 1], rng=0) for _ in range(2))
    tried = []

    def again(state):
        with pytest.raises(RuntimeError, match="being trained"):
            net.fit(X[::-1].copy(), Y)
        tried.append(state.epoch)

    for _ in range(2):
        net.fit(X, Y)
        net.fit(X, Y, epochs=2, callbacks=[again])
        twin.fit(X, Y)
        twin.fit(X, Y, epochs=2)
    assert len(tried) == 4
    np.testing.assert_array_equal(params(net), params(twin))


@pytest.mark.parametrize("rows", [1, 2, 31, 32, 200])
@pytest.mark.parametrize("output", ["sigmoid", "softmax", "identity", "exp"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_predictions_at_once(dtype, output, rows):
    net = Network([5, 6, 3], "gelu", output, dtype=dtype, rng=0)
    data = random.normal(size=(2 * rows, 10))
    for x in (data[::2, ::2], data[:rows, :5], np.asfortranarray(data[:rows, :5])):
        for kind in ("float32", "float64"):
            x = x.astype(kind, copy=False)
            np.testing.assert_array_equal(net.predict(x), net.predict(x, n_threads=1))
            np.testing.assert_array_equal(net.predict(x), net.predict(x.view(Sub)))
            assert type(net.predict(x)) is np.ndarray


# --------------------------------------------------------------------------- in the middle of it


@pytest.mark.skipif(sys.platform == "win32", reason="needs its timers")
@pytest.mark.parametrize(
    "options",
    [
        "optimizer=Adam(0.01), batch_size=50, shuffle=False",
        "optimizer=SGD(0.01, 0.9), first_layer='gram'",
        "optimizer=SGD(0.01), first_layer='gram', n_threads=2",
        "optimizer=Adam(0.01), n_threads=2",
    ],
)
@pytest.mark.parametrize(
    "take", ["net.state_dict()", "pickle.loads(pickle.dumps(net)).state_dict()"]
)
def test_a_state_in_a_signal_handler_is_whole_or_refused(take, options):
    out = run_apart(f"""
        import pickle, signal, time
        import numpy as np
        from fastdnn import SGD, Adam, Network
        X = np.random.default_rng(0).normal(size=(200, 300))
        Y = X[:, 0] > 0
        net = Network([300, 20, 1], rng=0)
        states, refused = [], []
        def take(number, frame):
            try:
                states.append({take})
            except RuntimeError as error:
                assert "in the middle of an epoch" in str(error)
                refused.append(error)
            signal.setitimer(signal.ITIMER_REAL, 0.001)
        signal.signal(signal.SIGALRM, take)
        net.fit(X, Y, {options})
        signal.setitimer(signal.ITIMER_REAL, 0.001)
        net.fit(X, Y, epochs=40, {options})
        signal.signal(signal.SIGALRM, signal.SIG_IGN)  # the handler sets the timer anew
        states.append({take})
        for state in states[:3] + states[-3:]:
            twin = Network([300, 20, 1], rng=0)
            twin.fit(X, Y, epochs=state["epochs"], {options})
            kept = twin.state_dict()
            assert kept["steps"] == state["steps"]
            assert (kept["params"] == state["params"]).all()
            for a, b in zip(kept["moments"], state["moments"]):
                assert (a is None) == (b is None) and (a is None or (a == b).all())
        print(len(states), len(refused))
    """)
    taken, refused = map(int, out.split())
    assert taken + refused > 1


def test_a_state_in_a_callback():
    states = []
    net = Network([5, 4, 1], rng=0)
    net.fit(
        X, Y, batch_size=7, epochs=4, callbacks=[lambda s: states.append(s.network.state_dict())]
    )
    for state in states:
        twin = Network([5, 4, 1], rng=0)
        twin.load_state_dict(state)
        if twin.epochs < 4:
            twin.fit(X, Y, batch_size=7, epochs=4 - twin.epochs)
        np.testing.assert_array_equal(params(twin), params(net))
