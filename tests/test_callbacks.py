"""The package's own callbacks: early stopping, files, and a learning rate that falls."""

import copy
import pickle

import numpy as np
import pytest
from networks import problem

import fastdnn
from fastdnn import SGD, Adam, Network, State, StepDecay
from fastdnn.callbacks import Checkpoint, EarlyStopping, LearningRateOnPlateau


def parameters(net):
    return {name: P.copy() for name, P in net.parameters.items()}


def same(one, other):
    assert one.keys() == other.keys()
    return all(np.array_equal(one[name], other[name]) for name in one)


def watched(dtype="float64", epochs=60, **options):
    """Train past the best epoch, and return the parameters of each."""
    random = np.random.default_rng(0)
    X, Y = random.normal(size=(40, 6)), random.random(40) > 0.5
    net = Network([6, 32, 1], rng=1, dtype=dtype)
    kept = []
    own = options.pop("callbacks", [])
    history = net.fit(
        X[:20], Y[:20], validation_data=(X[20:], Y[20:]), epochs=epochs,
        callbacks=[lambda state: kept.append(parameters(state.network)), *own], **options,
    )  # fmt: skip
    return net, history, kept


# --------------------------------------------------------------------------------- early stopping


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "options",
    [{"optimizer": Adam(0.02)}, {"optimizer": SGD(0.5, momentum=0.9), "first_layer": "gram"}],
    ids=["direct", "gram"],
)
@pytest.mark.parametrize("restore_best", [True, False])
def test_it_stops_and_goes_back_to_the_best(dtype, options, restore_best):
    stopping = EarlyStopping(4, restore_best=restore_best)
    net, history, kept = watched(dtype, callbacks=[stopping], **options)
    best = int(np.argmin(history.validation_costs))
    assert len(history.costs) == best + 1 + 4 < 60
    left = kept[best if restore_best else -1]
    assert same(net.parameters, left)
    # and so it goes on
    again = copy.deepcopy(net)
    assert same(again.parameters, left)


@pytest.mark.parametrize("first_layer", ["direct", "gram"])
def test_the_last_epoch_goes_back_too(first_layer):
    options = {"optimizer": SGD(0.5, momentum=0.9), "first_layer": first_layer}
    _, history, _ = watched(**options)
    best = int(np.argmin(history.validation_costs))
    net, history, kept = watched(epochs=best + 3, callbacks=[EarlyStopping(10)], **options)
    assert len(history.costs) == best + 3
    assert same(net.parameters, kept[best])


def test_a_stop_by_another_callback_goes_back_too():
    def stop(state):
        if state.epoch == best + 3:
            state.stop()

    _, history, _ = watched(optimizer=Adam(0.02))
    best = int(np.argmin(history.validation_costs))
    net, _, kept = watched(optimizer=Adam(0.02), callbacks=[stop, EarlyStopping(10)])
    assert same(net.parameters, kept[best])


def test_an_improvement_is_by_more_than_min_delta():
    X, Y, _ = problem("sigmoid")
    net = Network([5, 8, 3], rng=0)
    history = net.fit(X, Y, epochs=50, callbacks=[EarlyStopping(3, min_delta=1e3)])
    # without validation data the cost is judged
    assert len(history.costs) == 1 + 3


def test_a_number_of_the_user_s_is_judged():
    X, Y, _ = problem("sigmoid")
    net = Network([5, 8, 3], rng=0)
    numbers = iter([5.0, 3, 4, 3, 9, 8, 7])
    stopping = EarlyStopping(3, monitor=lambda state: next(numbers))
    assert len(net.fit(X, Y, epochs=50, callbacks=[stopping]).costs) == 5
    with pytest.raises(TypeError, match="the number that monitor returns"):
        net.fit(X, Y, callbacks=[EarlyStopping(monitor=lambda state: "good")])


def test_numbers_that_are_not_finite_are_no_improvement():
    X, Y, _ = problem("sigmoid")
    net = Network([5, 8, 3], rng=0)
    for value in (np.nan, np.inf):
        stopping = EarlyStopping(2, monitor=lambda state, value=value: value)
        before = net.epochs
        net.fit(X, Y, epochs=9, callbacks=[stopping])
        assert net.epochs == before + 2
        assert all(np.isfinite(P).all() for P in net.parameters.values())


def test_each_fit_and_each_network_is_judged_by_itself():
    X, Y, _ = problem("sigmoid")
    stopping = EarlyStopping(2, monitor=lambda state: state.epoch)
    nets = [Network([5, n, 3], rng=0) for n in (4, 8, 16, 3)]
    for n_threads in (1, 2):
        histories = fastdnn.fit_many(
            nets, X, Y, epochs=9, callbacks=(stopping,), n_threads=n_threads
        )
        assert [len(history.costs) for history in histories] == [3] * 4
    assert len(nets[0].fit(X, Y, epochs=9, callbacks=[stopping]).costs) == 3


def test_a_callback_is_copied_and_pickled():
    X, Y, _ = problem("sigmoid")
    stopping = EarlyStopping(2, 0.5)
    Network([5, 8, 3], rng=0).fit(X, Y, epochs=3, callbacks=[stopping])
    assert pickle.loads(pickle.dumps(stopping)) == copy.deepcopy(stopping) == EarlyStopping(2, 0.5)


# ------------------------------------------------------------------------------- the learning rate


def rates_of(net, X, Y, *callbacks, **options):
    rates = []
    net.fit(X, Y, callbacks=[lambda s: rates.append(s.learning_rate), *callbacks], **options)
    return rates


@pytest.mark.parametrize(
    "options",
    [{"first_layer": "direct"}, {"first_layer": "gram"}, {"batch_size": 5, "block_bytes": 400}],
    ids=["direct", "gram", "blocks"],
)
def test_a_callback_sets_the_learning_rate(options):
    X, Y, _ = problem("sigmoid")

    def lower(state):
        if state.epoch == 2:
            state.learning_rate = 0.01

    nets = [Network([5, 8, 3], rng=0) for _ in range(2)]
    rates = rates_of(nets[0], X, Y, lower, optimizer=SGD(0.1), epochs=4, **options)
    assert rates == [0.1, 0.1, 0.01, 0.01]
    for rate in (0.1, 0.01):
        nets[1].fit(X, Y, optimizer=SGD(rate), epochs=2, callbacks=[lambda state: None], **options)
    for name, P in nets[1].parameters.items():
        np.testing.assert_allclose(nets[0].parameters[name], P, rtol=1e-12)
    # it goes on so, until another optimiser is asked for
    assert rates_of(copy.deepcopy(nets[0]), X, Y) == [0.01]
    assert rates_of(nets[0], X, Y) == [0.01]
    assert rates_of(nets[0], X, Y, optimizer=SGD(0.1)) == [0.1]


def test_a_fit_that_asks_for_the_same_begins_with_its_own_rate():
    X, Y, _ = problem("sigmoid")
    net, optimizer = Network([5, 8, 3], rng=0), Adam(0.1)

    def lower(state):
        state.learning_rate /= 2

    for _ in range(3):
        assert rates_of(net, X, Y, lower, optimizer=optimizer, epochs=3) == [0.1, 0.05, 0.025]
    assert optimizer.learning_rate == 0.1


@pytest.mark.parametrize("rate", [-1, np.nan, np.inf, "slow", None])
def test_a_rate_that_is_none_is_refused(rate):
    X, Y, _ = problem("sigmoid")
    net = Network([5, 8, 3], rng=0)

    def callback(state):
        state.learning_rate = rate

    with pytest.raises((TypeError, ValueError), match="learning_rate"):
        net.fit(X, Y, epochs=3, callbacks=[callback])
    assert net.epochs == 1
    net.fit(X, Y)


def test_a_schedule_s_rate_is_not_set():
    X, Y, _ = problem("sigmoid")
    net = Network([5, 8, 3], rng=0)
    plateau = LearningRateOnPlateau(patience=1, min_delta=1e3)
    with pytest.raises(ValueError, match="not a schedule"):
        net.fit(X, Y, optimizer=SGD(StepDecay(0.1, 5)), epochs=3, callbacks=[plateau])


def test_it_lowers_the_learning_rate_on_a_plateau():
    X, Y, _ = problem("sigmoid")
    net = Network([5, 8, 3], rng=0)
    plateau = LearningRateOnPlateau(0.5, 2, min_delta=1e3, min_learning_rate=0.03)
    # the first epoch is better than none
    rates = rates_of(net, X, Y, plateau, optimizer=SGD(0.1), epochs=9)
    assert rates == [0.1, 0.1, 0.1, 0.05, 0.05, 0.03, 0.03, 0.03, 0.03]
    # one that is lower already stays
    assert rates_of(net, X, Y, plateau, optimizer=SGD(0.001), epochs=9) == [0.001] * 9


def test_a_network_that_was_slowed_down_is_stored():
    X, Y, _ = problem("sigmoid")
    net = Network([5, 8, 3], rng=0)
    net.fit(X, Y, epochs=5, callbacks=[LearningRateOnPlateau(0.5, 1, min_delta=1e3)])
    again = pickle.loads(pickle.dumps(net))
    other = Network([5, 8, 3], rng=3)
    other.load_state_dict(net.state_dict())
    for one in (net, again, other):
        assert rates_of(one, X, Y) == [0.001 / 16]
    assert same(net.parameters, again.parameters)
    assert same(net.parameters, other.parameters)


# ------------------------------------------------------------------------------------ checkpoints


def test_a_checkpoint_goes_on_exactly(tmp_path):
    X, Y, _ = problem("sigmoid")
    net = Network([5, 8, 3], rng=0)
    path = tmp_path / "net-{epoch:02}.safetensors"
    net.fit(X, Y, batch_size=5, epochs=7, dropout=0.2, callbacks=[Checkpoint(path, every=3)])
    assert [file.name for file in sorted(tmp_path.iterdir())] == [
        *("net-03.safetensors", "net-06.safetensors", "net-07.safetensors")
    ]
    again = Network.load(tmp_path / "net-03.safetensors")
    again.fit(X, Y, batch_size=5, epochs=4, dropout=0.2)
    assert same(net.parameters, again.parameters)


def test_only_the_best_is_kept(tmp_path):
    X, Y, _ = problem("sigmoid")
    net = Network([5, 8, 3], rng=0)
    path = tmp_path / "best.safetensors"
    numbers = iter([5.0, 3, 4, 3, 2.5, 8, 9, 1])
    checkpoint = Checkpoint(str(path), True, monitor=lambda state: next(numbers))
    found = []

    def look(state):
        found.append(Network.load(path).epochs)

    net.fit(X, Y, epochs=6, callbacks=[checkpoint, look])
    # and over fits
    net.fit(X, Y, epochs=2, callbacks=[checkpoint, look])
    assert found == [1, 2, 2, 2, 5, 5, 5, 8]


def test_a_checkpoint_after_early_stopping_keeps_the_best(tmp_path):
    path = tmp_path / "net.safetensors"
    net, history, kept = watched(
        optimizer=Adam(0.02), callbacks=[EarlyStopping(3), Checkpoint(path, best_only=True)]
    )
    best = kept[int(np.argmin(history.validation_costs))]
    assert same(Network.load(path).parameters, best)
    assert same(net.parameters, best)


# ---------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: EarlyStopping(0), ValueError, "patience must be at least 1"),
        (lambda: EarlyStopping(1.5), TypeError, "patience must be an integer"),
        (lambda: EarlyStopping(min_delta=-1), ValueError, "min_delta must be at least 0"),
        (lambda: EarlyStopping(restore_best="no"), TypeError, "restore_best must be True or"),
        (lambda: EarlyStopping(monitor="cost"), TypeError, "monitor must be a callable"),
        (lambda: LearningRateOnPlateau(1), ValueError, "factor must be above 0 and below 1"),
        (lambda: LearningRateOnPlateau(patience=0), ValueError, "patience must be at least 1"),
        (
            lambda: LearningRateOnPlateau(min_learning_rate=-1), ValueError,
            "min_learning_rate must be at least 0",
        ),
        (lambda: Checkpoint(3), TypeError, "path must be a str or path-like"),
        (lambda: Checkpoint(b"net"), TypeError, "path must be a str or path-like"),
        (lambda: Checkpoint("nowhere/net"), FileNotFoundError, "nowhere does not exist"),
        (lambda: Checkpoint("{cost}"), ValueError, "no other braces"),
        (lambda: Checkpoint("{"), ValueError, "no other braces"),
        (lambda: Checkpoint("net", every=0), ValueError, "every must be at least 1"),
        (lambda: Checkpoint("net", best_only=1), TypeError, "best_only must be True or False"),
    ],
)  # fmt: skip
def test_refusals(make, error, match):
    with pytest.raises(error, match=match):
        make()


def test_state_knows_the_last_epoch():
    X, Y, _ = problem("sigmoid")
    net = Network([5, 8, 3], rng=0)
    found = []
    for _ in range(2):
        net.fit(X, Y, epochs=3, callbacks=[lambda state: found.append((state.epochs, state.last))])
    assert found == [(3, False), (3, False), (3, True)] * 2
    assert not State(net, 1, 0.1, fastdnn.History([1.0])).last
