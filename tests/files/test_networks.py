"""A network and the course's parameters are what they were, once saved and loaded."""

import copy
import io
import itertools
import pickle
from threading import Thread

import numpy as np
import pytest
from inside import described, moments, params, steps
from stores import again, stored

import fastdnn
from fastdnn import Network, load, save
from fastdnn._fit.names import ACTIVATIONS, COSTS
from fastdnn.optimizers import SGD, Adam, AdamW, Cosine, NAdam, OneCycle, RMSprop, StepDecay

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(30, 4))
Y = (X[:, :1] > 0).astype(float)
DTYPES = ["float32", "float64"]
BITS = ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"]
OPTIMIZERS = [
    SGD(0.1), SGD(0.1, 0.9), SGD(0.1, 0.9, nesterov=True), RMSprop(0.01), Adam(),
    Adam(np.float32(0.01), beta1=0), AdamW(0.01, weight_decay=0.1), NAdam(),
    SGD(StepDecay(0.1, 2)), Adam(Cosine(0.1, 9)), RMSprop(OneCycle(0.1, 9)), SGD(True, False),
]  # fmt: skip


def assert_same(one, other):
    assert repr(one) == repr(other)
    assert described(one) == described(other)
    assert params(one).tobytes() == params(other).tobytes()
    assert one.predict(X).tobytes() == other.predict(X).tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("output", COSTS)
def test_every_option(output, dtype):
    names = itertools.cycle(ACTIVATIONS)
    for cost in COSTS[output]:
        activations = [next(names) for _ in range(4)]
        net = Network(
            [4, 5, 1, 3, 2, 2], activations, output, cost=cost, dtype=dtype, rng=0,
            huber_delta=0.3, quantile=0.1,
        )  # fmt: skip
        for training_state in (False, True):
            assert_same(net, again(net, training_state=training_state))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_training_goes_on_to_the_last_bit(optimizer, dtype):
    net = Network([4, 6, 3, 1], "tanh", dtype=dtype, rng=5)
    options = {"batch_size": 7, "dropout": 0.2}
    net.fit(X, Y, optimizer=optimizer, epochs=3, **options)
    other = again(net, training_state=True)
    assert_same(net, other)
    assert steps(net) == steps(other)
    for one, two in zip(moments(net), moments(other), strict=True):
        assert one is two is None or one.tobytes() == two.tobytes()
    assert net.fit(X, Y, epochs=2, **options).costs == other.fit(X, Y, epochs=2, **options).costs
    assert_same(net, other)


@pytest.mark.parametrize("bits", BITS)
def test_every_generator(bits):
    generator = np.random.Generator(getattr(np.random, bits)(7))
    generator.integers(0, 9, 3, dtype=np.uint32)
    net = Network([4, 3, 1], rng=generator)
    other = again(net, training_state=True)
    for _ in range(2):
        one, two = (n.fit(X, Y, batch_size=4, epochs=3).costs for n in (net, other))
        assert one == two


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_gram_form_goes_on(momentum, dtype):
    wide = RANDOM.normal(size=(6, 40)).astype(dtype)
    net = Network([40, 3, 1], dtype=dtype, rng=0)
    options = {"optimizer": SGD(0.1, momentum), "first_layer": "gram"}
    net.fit(wide, Y[:6], epochs=2, **options)
    net.fit(wide, Y[:6], epochs=2, **options)
    other = again(net, training_state=True)
    one, two = (n.fit(wide, Y[:6], epochs=3, **options).costs for n in (net, other))
    assert one == two
    assert params(net).tobytes() == params(other).tobytes()


def test_without_its_training_a_network_is_trained_anew():
    net = Network([4, 3, 1], rng=0)
    net.fit(X, Y, optimizer=SGD(lambda epoch: 0.1), epochs=4)
    other = again(net)
    assert other.epochs == 4
    assert moments(other) == (None, None)
    other.fit(X, Y, epochs=2)
    assert other.epochs == 6
    assert len(stored(net)) < len(stored(other, training_state=True))


def test_short_forms(tmp_path):
    net = Network([4, 3, 1], rng=0)
    for path in (
        tmp_path / "net.safetensors",
        str(tmp_path / "other"),
        b"%s" % bytes(tmp_path / "c"),
    ):
        net.save(path)
        assert_same(net, Network.load(path))
        assert_same(net, Network.load(path, mmap=True))
        assert_same(net, load(path))
    save({"W1": np.ones((2, 3)), "b1": np.ones((2, 1))}, path)
    with pytest.raises(fastdnn.ModelFileError, match="holds no Network but parameters"):
        Network.load(path)


def test_saving_changes_nothing():
    net = Network([4, 3, 1], rng=0)
    net.fit(X, Y, epochs=2)
    before = pickle.dumps(net)
    again(net, training_state=True)
    assert pickle.dumps(net) == before


def test_a_large_network(tmp_path):
    net = Network([300, 200, 50], rng=0, dtype="float32")
    net.save(tmp_path / "net")
    for options in ({}, {"mmap": True}):
        assert params(load(tmp_path / "net", **options)).tobytes() == params(net).tobytes()


def test_many_layers():
    net = Network([2] * 900, "identity", rng=0)
    assert params(again(net, training_state=True)).tobytes() == params(net).tobytes()


def test_a_callback_saves_each_epoch():
    net, files = Network([4, 3, 1], rng=0), []
    net.fit(X, Y, epochs=4, batch_size=8,
            callbacks=[lambda s: files.append(stored(s.network, training_state=True))])  # fmt: skip
    middle = load(io.BytesIO(files[1]))
    assert middle.epochs == 2
    middle.fit(X, Y, epochs=2, batch_size=8)
    assert_same(net, middle)


def test_saving_while_another_thread_trains():
    net = Network([4, 64, 64, 1], rng=0)
    inputs = RANDOM.normal(size=(400, 4))
    done, found = [], {"saved": 0, "between": 0}

    def train():
        try:
            net.fit(inputs, inputs[:, 0] > 0, batch_size=8, epochs=12)
        finally:
            done.append(True)

    thread = Thread(target=train)
    thread.start()
    while not done:
        try:
            other = again(net, training_state=True)
            # a part of an epoch more would show in the steps
            assert steps(other) == 50 * other.epochs
            found["saved"] += 1
        except RuntimeError:
            found["between"] += 1
    thread.join()
    assert sum(found.values())


# --------------------------------------------------------------------------------------- mapped


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_mapped_network_predicts_trains_and_leaves_the_file_alone(dtype, tmp_path):
    path = tmp_path / "net"
    net = Network([4, 7, 1], dtype=dtype, rng=0)
    net.fit(X, Y, epochs=2)
    net.save(path, training_state=True)
    before = path.read_bytes()
    one, two = load(path, mmap=True), load(path, mmap=True)
    assert_same(net, one)
    assert not params(one).flags.owndata
    assert params(one).ctypes.data % 64 == 0
    one.fit(X, Y, epochs=2)
    net.fit(X, Y, epochs=2)
    assert_same(net, one)
    assert path.read_bytes() == before
    # a new file takes the name, and who has mapped the old one keeps it
    net.save(path)
    assert_same(two, load(io.BytesIO(before)))
    assert_same(copy.deepcopy(one), pickle.loads(pickle.dumps(one)))


# ----------------------------------------------------------------------------------- parameters


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_course_s_parameters(dtype):
    parameters = fastdnn.initialize_parameters_deep([5, 4, 3, 1], rng=0, dtype=dtype)
    found = again(parameters)
    assert list(found) == list(parameters)
    for name, array in parameters.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)
        assert found[name].flags.writeable
    assert fastdnn.L_model_forward(X[:, :1].T.repeat(5, 0), found)[0].shape == (1, 30)


def test_parameters_of_a_network_and_of_two_types():
    net = Network([4, 3, 1], rng=0)
    for name, array in again(net.parameters).items():
        np.testing.assert_array_equal(array, net.parameters[name])
    mixed = {"W1": np.ones((2, 3), "f"), "b1": np.ones((2, 1), ">f8")}
    found = again(mixed)
    assert [a.dtype.name for a in found.values()] == ["float32", "float64"]
    np.testing.assert_array_equal(found["b1"], mixed["b1"])


@pytest.mark.parametrize(
    ("parameters", "error", "words"),
    [
        ({}, ValueError, "W1, b1"),
        ({"W1": np.ones((2, 3))}, ValueError, "W1, b1"),
        ({"W1": np.ones((2, 3)), "c": np.ones((2, 1))}, ValueError, "no 'b1'"),
        ({"W1": np.ones((2, 3)), "b1": np.ones(2)}, ValueError, "parameters['b1'] has shape (2,)"),
        ({"W1": np.ones(3), "b1": np.ones((3, 1))}, ValueError, "parameters['W1'] has shape (3,)"),
        ({"W1": np.ones((0, 3)), "b1": np.ones((0, 1))}, ValueError, "(0, 3)"),
        ({"W1": np.ones((2, 3), int), "b1": np.ones((2, 1))}, TypeError, "float32 or float64"),
        ({"W1": "weights", "b1": np.ones((2, 1))}, TypeError, "parameters['W1']"),
        ({"W1": np.ma.ones((2, 3)), "b1": np.ones((2, 1))}, TypeError, "MaskedArray"),
        ({"W1": np.full((2, 3), np.nan), "b1": np.ones((2, 1))}, ValueError, "W1 holds"),
        (
            {"W1": np.ones((2, 3)), "b1": np.ones((2, 1)), "extra": np.ones(2)},
            ValueError, "'extra'",
        ),
        (
            {f"{k}{l}": np.ones((2, 3) if k == "W" else (2, 1)) for l in (1, 2) for k in "Wb"},
            ValueError, "parameters['W2'] has shape (2, 3)",
        ),
    ],
)  # fmt: skip
def test_parameters_that_are_none(parameters, error, words):
    file = io.BytesIO()
    with pytest.raises(error) as raised:
        save(parameters, file)
    assert words in str(raised.value)
    assert not file.getvalue()


# ------------------------------------------------------------------------------ what is refused


class Own(Network):
    pass


class Rate:
    def __call__(self, epoch):
        return 0.1


def noted():
    net = Network([4, 1], rng=0)
    net.note = "mine"
    return net


def infinite():
    net = Network([4, 1], rng=0)
    net.parameters["b1"][:] = np.inf
    return net


def trained(optimizer):
    net = Network([4, 1], rng=0)
    net.fit(X, Y, optimizer=optimizer)
    return net


@pytest.mark.parametrize(
    ("model", "options", "error", "word"),
    [
        (lambda: "net", {}, TypeError, "must be a Network"),
        (lambda: Network, {}, TypeError, "must be a Network"),
        (lambda: Own([4, 1]), {}, TypeError, "the class Own"),
        (noted, {}, TypeError, "'note'"),
        (infinite, {}, ValueError, "b1 holds numbers that are not finite"),
        (lambda: trained(SGD(lambda e: 0.1)), {"training_state": True}, TypeError,
         "optimizer.learning_rate is of type function"),
        (lambda: trained(SGD(Rate())), {"training_state": True}, TypeError, "type Rate"),
        (lambda: trained(type("Mine", (SGD,), {})()), {"training_state": True}, TypeError, "Mine"),
        (lambda: Network([1] * 9000, "identity"), {}, ValueError, "at most 1048576 bytes"),
        (lambda: Network([1] * 1030, "identity"), {}, ValueError, "over 2048 arrays"),
    ],
)  # fmt: skip
def test_what_a_file_cannot_hold(model, options, error, word, tmp_path):
    path = tmp_path / "net"
    path.write_bytes(b"before")
    with pytest.raises(error) as raised:
        save(model(), path, **options)
    assert word in str(raised.value)
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"before"]


def test_numbers_that_are_not_finite_where_they_are_asked_for():
    net = infinite()
    file = stored(net, allow_nonfinite=True)
    with pytest.raises(fastdnn.ModelFileError, match="b1 holds inf at element 0"):
        load(io.BytesIO(file))
    assert params(load(io.BytesIO(file), allow_nonfinite=True)).tobytes() == params(net).tobytes()
