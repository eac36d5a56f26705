"""Training that goes on, from a state, a pickle or a copy, is as if it had never stopped."""

import copy
import io
import pickle

import numpy as np
import pytest
from inside import params
from networks import TYPES, problem
from reference_network import OPTIMIZERS

from fastdnn.network import Network
from fastdnn.optimizers import SGD, Adam, AdamW, Cosine


class Subclass(Network):
    pass


CONTINUED = {
    **{repr(one): {"optimizer": one, "batch_size": 7} for one in OPTIMIZERS},
    "momentum": {"optimizer": SGD(0.1, momentum=0.9), "batch_size": 7, "l2": 0.1},
    "adam": {"optimizer": Adam(0.01), "batch_size": 7, "dropout": 0.3, "input_dropout": 0.1},
    "adamw": {"optimizer": AdamW(Cosine(0.01, 9)), "batch_size": 5, "clip_norm": 0.5},
    "gram": {"optimizer": SGD(0.3), "first_layer": "gram"},
    "gram momentum": {"optimizer": SGD(0.1, 0.9, True), "first_layer": "gram", "l2": 0.05},
}


@pytest.mark.parametrize("optimizer", [SGD(0.01), SGD(0.01, momentum=0.9), Adam(0.01)])
@pytest.mark.parametrize("first_layer", ["direct", "gram"])
def test_a_network_unpickled_from_memory_that_cannot_be_written_goes_on(optimizer, first_layer):
    if first_layer == "gram" and not isinstance(optimizer, SGD):
        pytest.skip("the Gram form is for SGD")
    X, Y, _ = problem("identity", m=10, n_0=200)
    fit = {"optimizer": optimizer, "epochs": 2, "batch_size": None, "first_layer": first_layer}
    net = Network([200, 7, 3], output_activation="identity", rng=0)
    net.fit(X, Y, **fit)
    buffers = []
    stream = pickle.dumps(net, 5, buffer_callback=buffers.append)
    memory = [bytes(buffer.raw()) for buffer in buffers]
    kept = [bytes(bytearray(one)) for one in memory]
    other = pickle.loads(stream, buffers=memory)
    assert other.fit(X, Y, **fit).costs == net.fit(X, Y, **fit).costs
    np.testing.assert_array_equal(other.parameters["W1"], net.parameters["W1"])
    assert memory == kept


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("options", CONTINUED.values(), ids=CONTINUED)
@pytest.mark.parametrize("way", ["fit", "state_dict", "pickle", "deepcopy", "copy"])
def test_k_epochs_and_k_more_are_2k_epochs(way, options, dtype):
    X, Y, _ = problem("sigmoid", m=12, n_0=30, dtype=dtype)
    whole, half = (Network([30, 8, 3], "tanh", dtype=dtype, rng=0) for _ in range(2))
    costs = whole.fit(X, Y, epochs=6, **options).costs
    first = half.fit(X, Y, epochs=3, **options).costs
    if way == "state_dict":
        state = half.state_dict()
        half.fit(X, Y, epochs=1, **options)  # the state was taken before this epoch
        half = Network([30, 8, 3], "tanh", dtype=dtype, rng=99)
        half.load_state_dict(state)
    elif way == "pickle":
        half = pickle.loads(pickle.dumps(half))
    elif way != "fit":
        half = getattr(copy, way)(half)
    options = {k: v for k, v in options.items() if k != "optimizer"}
    second = half.fit(X, Y, epochs=3, **options).costs
    assert first + second == costs
    np.testing.assert_array_equal(params(half), params(whole))
    assert half.epochs == whole.epochs == 6


def test_a_copy_is_a_network_of_its_own():
    X, Y, _ = problem("sigmoid")
    net = Network([5, 8, 3], rng=0)
    for other in (copy.copy(net), copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        before = params(net).copy()
        other.fit(X, Y, optimizer=SGD(1.0))
        np.testing.assert_array_equal(params(net), before)
        assert (params(other) != before).any()
        np.testing.assert_array_equal(other.predict(X), other.predict(X.copy()))


def test_another_optimizer_begins_anew():
    X, Y, _ = problem("sigmoid")
    net, fresh = Network([5, 8, 3], rng=0), Network([5, 8, 3], rng=0)
    net.fit(X, Y, optimizer=Adam(0.01), epochs=3)
    params(fresh)[:] = params(net)
    for n in (net, fresh):
        n.fit(X, Y, optimizer=SGD(0.1, momentum=0.9), epochs=3)
    np.testing.assert_array_equal(params(net), params(fresh))


@pytest.mark.parametrize("form", ["direct", "gram"])
@pytest.mark.parametrize("optimizer", [SGD(0.1, 0.9), Adam(0.01)], ids=str)
def test_a_state_taken_by_a_callback_goes_on_exactly(optimizer, form):
    if form == "gram" and not isinstance(optimizer, SGD):
        pytest.skip("the Gram form is for SGD")
    X, Y, _ = problem("sigmoid", m=12, n_0=30)
    states = []

    def callback(state):
        if state.epoch == 3:
            states.append(state.network.state_dict())

    net, other = Network([30, 8, 3], rng=0), Network([30, 8, 3], rng=9)
    options = {
        "optimizer": optimizer,
        "first_layer": form,
        "batch_size": 5 if form == "direct" else None,
    }
    net.fit(X, Y, epochs=6, callbacks=[callback], **options)
    other.load_state_dict(states[0])
    other.fit(X, Y, epochs=3, **options)
    np.testing.assert_array_equal(params(other), params(net))


def test_the_form_by_default_does_not_depend_on_the_number_of_epochs():
    X, Y, _ = problem("sigmoid", m=50, n_0=300, n_L=1)
    for k in (1, 3, 20):
        whole, half = Network([300, 10, 1], rng=0), Network([300, 10, 1], rng=0)
        options = {"optimizer": SGD(0.1, 0.5)}
        whole.fit(X, Y, epochs=2 * k, callbacks=[lambda state: None], **options)
        half.fit(X, Y, epochs=k, **options)
        half.fit(X, Y, epochs=0, first_layer="direct")
        half.fit(X, Y, epochs=k)
        np.testing.assert_array_equal(params(half), params(whole))


def test_load_state_dict_refuses():
    X, Y, _ = problem("sigmoid")
    net = Network([5, 8, 3], rng=0)
    net.fit(X, Y, optimizer=SGD(0.1, 0.5), first_layer="gram")
    state = net.state_dict()
    with pytest.raises(ValueError, match=r"\[5, 8, 3\] in float64, but this one is \[5, 7, 3\]"):
        Network([5, 7, 3]).load_state_dict(state)
    with pytest.raises(ValueError, match="in float32"):
        Network([5, 8, 3], dtype="float32").load_state_dict(state)
    with pytest.raises(TypeError, match="state must be a dict"):
        net.load_state_dict(None)
    m, _ = state["moments"]
    gram = state["gram_state"]
    for name, values in {
        "params": [state["params"][:1]],
        "moments": [None, (None, None), (m, m), (m[:3], None), (m.astype("f4"), None), [m, None]],
        "kind": ["adam", "foo", 3],
        "optimizer": [None, "adam"],
        "steps": ["a", -1, None],
        "epochs": [0.5],
        "rng": [5, None],
        "gram_state": [3, {}, gram | {"C": gram["C"][:, :2]}, gram | {"W0": gram["W0"].T}],
    }.items():
        for value in values:
            with pytest.raises(ValueError, match=r"state\["):
                net.load_state_dict(state | {name: value})
    del state["moments"]
    with pytest.raises(ValueError, match="state has no 'moments'"):
        net.load_state_dict(state)


def test_what_the_engine_relies_on_is_read_only():
    net = Network([5, 8, 3])
    for name, value in (("dtype", np.float32), ("layer_dims", (5, 8, 2)), ("epochs", 3)):
        with pytest.raises(AttributeError):
            setattr(net, name, value)


def test_attributes_of_a_subclass_are_kept():
    net = Subclass([5, 4, 1], rng=0)
    net.note, net._own = "kept", [1]
    for other in (copy.copy(net), copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert type(other) is Subclass
        assert (other.note, other._own) == ("kept", [1])
        assert set(vars(other)) == set(vars(net))


class Disturbing:
    """A learning rate; when it is copied, with the rest of a state, an epoch is trained."""

    disturbs = None

    def __call__(self, epochs):
        return 0.1

    def __deepcopy__(self, memo):
        if self.disturbs is not None:
            self.disturbs()
        return self


@pytest.mark.parametrize("optimizer", [SGD, Adam])
@pytest.mark.parametrize(
    "take",
    [
        Network.state_dict,
        copy.copy,
        copy.deepcopy,
        pickle.dumps,
        lambda net: net.save(io.BytesIO(), training_state=True),
    ],
)
@pytest.mark.parametrize("diverges", [False, True])
def test_an_epoch_within_a_copy(take, optimizer, diverges):
    X, Y, _ = problem("identity")
    net, rate = Network([5, 4, 3], "tanh", "identity", rng=0), Disturbing()
    net.fit(X, Y, optimizer=optimizer(rate))
    other = copy.deepcopy(net)

    def train():
        rate.disturbs = None
        if diverges:
            Disturbing.__call__ = lambda self, epochs: 1e300
        try:
            net.fit(X, Y, batch_size=5)
            assert not diverges
        except FloatingPointError:
            assert diverges
        finally:
            Disturbing.__call__ = lambda self, epochs: 0.1

    rate.disturbs = train
    with pytest.raises(RuntimeError, match="middle of an epoch"):
        take(net)
    assert (params(other) == params(net)).all() == diverges
