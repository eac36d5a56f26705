"""What decides on an address or a branch below the Python line is the engine's own copy."""

import threading

import numpy as np
import pytest
from processes import run_apart

from fastdnn import Network
from fastdnn.optimizers import SGD, Adam

M = 60


def problem(dtype="float64", classes=3):
    random = np.random.default_rng(0)
    X = random.normal(size=(M, 4)).astype(dtype)
    return X, random.integers(0, classes, M)


def network(dtype="float64", rng=0):
    return Network([4, 8, 3], output_activation="softmax", dtype=dtype, rng=rng)


def values(net):
    return {name: view.copy() for name, view in net.parameters.items()}


def assert_same(ours, theirs):
    for name, view in theirs.items():
        np.testing.assert_array_equal(ours[name], view, err_msg=name)


OPTIONS = {
    "batches": {"batch_size": 7, "epochs": 3},
    "in turn": {"batch_size": 7, "epochs": 3, "shuffle": False},
    "all": {"epochs": 3},
    "team": {"batch_size": 20, "epochs": 3, "n_threads": 2},
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("what", ["labels", "column", "weights", "both"])
def test_what_a_callback_writes_into_labels_and_weights_changes_nothing(what, options, dtype):
    X, y = problem(dtype)
    w = np.linspace(0.5, 2, M).astype(dtype)
    given_y = y.reshape(M, 1).copy() if what == "column" else y.copy()
    given_w = w.copy()

    def spoil(state):
        if what != "weights":
            given_y[:] = 2 - given_y
        if what in ("weights", "both"):
            given_w[:] = 0

    nets = [network(dtype), network(dtype)]
    costs = [
        net.fit(X, Y, sample_weight=weight, callbacks=callbacks, **options).costs
        for net, Y, weight, callbacks in (
            (nets[0], y, w, ()),
            (nets[1], given_y, given_w, [spoil]),
        )
    ]
    assert costs[0] == costs[1]
    assert_same(nets[1].parameters, values(nets[0]))


@pytest.mark.parametrize("value", [10**7, -(10**7), 2**62])
def test_class_indices_out_of_range_from_a_callback(value):
    run_apart(f"""
        import numpy as np
        from fastdnn import Network
        net = Network([4, 8, 3], output_activation="softmax", rng=0)
        y, y_val = np.zeros(2000, np.int64), np.zeros(500, np.int64)
        X = np.ones((2000, 4))
        def spoil(state):
            y[:] = y_val[:] = {value}
        history = net.fit(X, y, epochs=5, batch_size=10, callbacks=[spoil],
                          validation_data=(X[:500], y_val))
        assert np.isfinite(history.costs).all() and min(history.costs) > 0
        assert np.isfinite(history.validation_costs).all() and min(history.validation_costs) > 0
    """)


def test_class_indices_out_of_range_from_another_thread():
    run_apart("""
        import threading
        import numpy as np
        from fastdnn import Network
        y, stop = np.zeros(5000, np.int64), threading.Event()
        X = np.ones((5000, 4))
        def spoil():
            while not stop.is_set():
                y[:] = 10**7
                y[:] = 0
        thread = threading.Thread(target=spoil)
        thread.start()
        net = Network([4, 8, 3], output_activation="softmax", rng=0)
        for i in range(200):
            for act in (lambda: net.fit(X, y, epochs=2, batch_size=1000), lambda: net.cost(X, y)):
                try:
                    act()
                except ValueError as error:
                    assert "class indices" in str(error), error
        stop.set()
        thread.join()
    """)


def test_validation_labels_are_those_of_the_beginning():
    X, y = problem()
    given = y.copy()

    def spoil(state):
        given[:] = 2 - given

    first, second = network(), network()
    expected = first.fit(X, y, epochs=3, validation_data=(X, y, np.ones(M)))
    got = second.fit(X, y, epochs=3, validation_data=(X, given, np.ones(M)), callbacks=[spoil])
    assert got.validation_costs == expected.validation_costs


def test_a_cost_with_labels_that_another_thread_fills():
    X, y = np.ones((20_000, 4)), np.zeros(20_000, np.int64)
    net, stop = network(), threading.Event()

    def spoil():
        while not stop.is_set():
            y[:] = 1
            y[:] = 0

    thread = threading.Thread(target=spoil)
    thread.start()
    try:
        for _ in range(50):
            assert np.isfinite(net.cost(X, y, n_threads=2))
    finally:
        stop.set()
        thread.join()


# ---------------------------------------------------------------------------------------- the order


class Orders(np.random.Generator):
    """A generator whose permutations are what a function makes of NumPy's."""

    def __init__(self, change):
        super().__init__(np.random.PCG64(0))
        self.change = change

    def permutation(self, n):
        return self.change(super().permutation(n))

    def __deepcopy__(self, memo):
        return Orders(self.change)


def spread(order):
    wide = np.zeros((len(order), 3), order.dtype)
    wide[:, 1] = order
    return wide[:, 1]


@pytest.mark.parametrize(
    "change",
    [
        lambda order: order.astype(np.int32),
        lambda order: order.astype(np.uint16),
        lambda order: order.astype(np.uint64),
        lambda order: order.astype(np.dtype(np.int64).newbyteorder("S")),
        spread,
        lambda order: order[::-1][::-1],
        lambda order: np.frombuffer(b"x" + order.tobytes(), np.int64, offset=1),
    ],
    ids=["int32", "uint16", "uint64", "other bytes", "strided", "twice turned", "misaligned"],
)
def test_orders_of_any_integers(change):
    X, y = problem()
    expected, net = network(rng=Orders(lambda order: order)), network(rng=Orders(change))
    for one in (expected, net):
        one.fit(X, y, batch_size=7, epochs=2, optimizer=Adam())
    assert_same(net.parameters, expected.parameters)


@pytest.mark.parametrize(
    "change",
    [
        lambda order: order[:-1],
        lambda order: np.append(order, 0),
        lambda order: order + 1,
        lambda order: order - 1,
        lambda order: order.astype(float),
        lambda order: order.reshape(1, -1),
        lambda order: np.where(order == 5, 2**40, order),
        lambda order: np.where(order == 5, np.iinfo(np.int64).min, order),
        lambda order: list(order),
    ],
    ids=["short", "long", "high", "low", "float", "matrix", "huge", "least", "list"],
)
def test_orders_that_are_none_are_refused(change):
    X, y = problem()
    net = network(rng=Orders(change))
    before = values(net)
    with pytest.raises(ValueError, match=f"order must be an array of {M} indices"):
        net.fit(X, y, batch_size=7, optimizer=SGD(0.1))
    assert_same(net.parameters, before)
    net.fit(X, y, optimizer=SGD(0.1))


def test_an_order_that_changes_during_the_epoch():
    run_apart("""
        import threading
        import numpy as np
        from fastdnn import Network
        kept = []
        class Shared(np.random.Generator):
            def permutation(self, n):
                kept[:] = [np.arange(n)]
                return kept[0]
            def __deepcopy__(self, memo):
                return Shared(np.random.PCG64(0))
        stop = threading.Event()
        def spoil():
            while not stop.is_set():
                for order in kept:
                    order[:] = 2**40
        thread = threading.Thread(target=spoil)
        thread.start()
        X, y = np.ones((20_000, 4)), np.zeros(20_000, np.int64)
        net = Network([4, 8, 3], output_activation="softmax", rng=Shared(np.random.PCG64(0)))
        for _ in range(20):
            try:
                net.fit(X, y, epochs=3, batch_size=10)
            except ValueError as error:
                assert "the order must be" in str(error), error
        stop.set()
        thread.join()
    """)


# -------------------------------------------------------------------- a network that reads itself


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("form", ["batches", "shuffled", "all", "gram", "team"])
@pytest.mark.parametrize("what", ["X", "Y", "weights", "transposed", "validation"])
def test_a_network_that_is_trained_on_its_own_parameters(what, form, dtype):
    options = {
        "batches": {"batch_size": 3, "shuffle": False},
        "shuffled": {"batch_size": 3},
        "all": {},
        "gram": {"first_layer": "gram"},
        "team": {"n_threads": 2},
    }[form]
    nets = [Network([8, 8, 8], output_activation="identity", dtype=dtype, rng=0) for _ in "ab"]
    data = np.random.default_rng(1).normal(size=(8, 8)).astype(dtype)
    costs = []
    for net, own in zip(nets, (True, False), strict=True):
        net.parameters["b2"][:] = np.linspace(0.5, 1, 8)[:, None]

        def given(name, net=net, own=own):
            view = net.parameters[name]
            return view if own else view.copy(order="K")

        arguments = {"X": data, "Y": data, "sample_weight": None, "validation_data": None}
        if what == "X":
            arguments["X"] = given("W1")
        elif what == "transposed":
            arguments["X"] = given("W1").T
        elif what == "Y":
            arguments["Y"] = given("W2").T
        elif what == "weights":
            arguments["sample_weight"] = given("b2")
        else:
            arguments["validation_data"] = (given("W1"), given("W2"))
        history = net.fit(
            arguments.pop("X"), arguments.pop("Y"), epochs=4, optimizer=SGD(0.1), **arguments,
            **options,
        )  # fmt: skip
        costs.append((history.costs, history.validation_costs))
    assert costs[0] == costs[1]
    assert_same(nets[0].parameters, values(nets[1]))


@pytest.mark.parametrize("value", [np.inf, np.nan, 7.0])
@pytest.mark.parametrize("order", ["C", "F"])
def test_x_that_a_callback_writes_to_in_the_gram_form(order, value):
    # W1 belongs to the rows that it was trained on
    X = np.asarray(np.random.default_rng(0).normal(size=(2, 8)), order=order)
    given, y = X.copy(order="K"), X[:, :1] > 0
    nets = [Network([8, 5, 1], rng=0) for _ in "ab"]

    def spoil(state):
        given[:] = value

    nets[0].fit(X, y, optimizer=SGD(0.1), epochs=3, first_layer="gram", callbacks=[lambda s: None])
    nets[1].fit(given, y, optimizer=SGD(0.1), epochs=3, first_layer="gram", callbacks=[spoil])
    assert_same(nets[1].parameters, values(nets[0]))
