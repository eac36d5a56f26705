"""Orders and masks come from the network's generator."""

import copy
import io
import pickle

import numpy as np
import pytest
import reference_network as reference
from inside import generator, params
from networks import TYPES, lists, problem

import fastdnn
from fastdnn.many import fit_many
from fastdnn.network import Network
from fastdnn.optimizers import SGD, Adam


def test_shuffles_are_permutations_by_the_network_s_generator():
    X, Y, T = problem("sigmoid")
    net = Network([5, 8, 3], rng=3)
    random = copy.deepcopy(generator(net))
    orders = [random.permutation(len(X)) for _ in range(4)]
    W, b = lists(net)
    costs = reference.train(
        W, b, ["relu"], "sigmoid", "cross_entropy", 0, X, T, Adam(0.05), 4, 6, orders
    )
    history = net.fit(X, Y, optimizer=Adam(0.05), batch_size=6, epochs=4)
    np.testing.assert_allclose(history.costs, costs, rtol=1e-10)
    np.testing.assert_allclose(net.parameters["W1"].T, W[0], rtol=1e-9)


def kept(random, size, keep):
    """Draw a mask as the engine does: the two halves of a 64-bit word decide on two elements."""
    words = random.bit_generator.random_raw((size + 1) // 2)
    halves = np.stack([words & 0xFFFFFFFF, words >> 32], axis=1).ravel()[:size]
    return (halves < int(keep * 2**32)) / keep


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu", "softplus"])
@pytest.mark.parametrize("shuffle", [False, True])
def test_dropout_against_numpy(shuffle, activation, dtype):
    X, Y, T = problem("sigmoid", m=9, dtype=dtype)
    net = Network([5, 7, 6, 3], activation, dtype=dtype, rng=0)
    W, b = lists(net)
    random = copy.deepcopy(generator(net))
    order = random.permutation(9) if shuffle else np.arange(9)
    for rows in (order[:4], order[4:8], order[8:]):
        sizes = [(len(rows), n) for n in (5, 7, 6)]
        masks = [
            kept(random, r * n, keep).reshape(r, n).astype(dtype)
            for (r, n), keep in zip(sizes, (0.8, 0.6, 0.6), strict=True)
        ]
        _, dW, db = reference.gradient(
            W, b, [activation] * 2, "sigmoid", "cross_entropy", 0, X[rows], T[rows], masks=masks
        )
        for p, g in zip(W + b, dW + db, strict=True):
            p -= 0.5 * g
    net.fit(X, Y, optimizer=SGD(0.5), batch_size=4, dropout=0.4, input_dropout=0.2, shuffle=shuffle)
    rtol = 1e-3 if dtype == "float32" else 1e-9
    for got, expected in zip(lists(net), (W, b), strict=True):
        for g, e in zip(got, expected, strict=True):
            np.testing.assert_allclose(g, e, rtol=rtol, atol=rtol / 100)


def test_dropout_keeps_its_share():
    random = np.random.default_rng(0)
    assert abs((kept(random, 100_000, 0.3) > 0).mean() - 0.3) < 0.01


SEEDS = [5, np.int64(5), 2**70, [5], (5, 6), np.array([5, 6]), np.random.SeedSequence(5)]
GENERATORS = [
    lambda: np.random.default_rng(5),
    lambda: np.random.PCG64(5),
    lambda: np.random.Generator(np.random.SFC64(5)),
    lambda: np.random.Philox(5),
    lambda: np.random.RandomState(5),
]


def fitted(net):
    """Fit with orders and masks, and return the parameters."""
    X, Y, _ = problem("sigmoid")
    net.fit(X, Y, batch_size=6, epochs=2, dropout=0.2)
    return params(net).tobytes()


@pytest.mark.parametrize("seed", SEEDS, ids=repr)
def test_a_seed_gives_the_same_network_each_time(seed):
    nets = [Network([5, 8, 3], rng=seed) for _ in range(2)]
    first = np.random.default_rng(seed).standard_normal((8, 5)) * np.sqrt(2 / 5)
    for net in nets:
        np.testing.assert_array_equal(net.parameters["W1"], first)
    assert fitted(nets[0]) == fitted(nets[1])


def test_an_integer_gives_one_generator_for_all():
    random = np.random.default_rng(5)
    net = Network([5, 8, 3], rng=5)
    random.standard_normal(8 * 5 + 3 * 8)
    assert generator(net).bit_generator.state == random.bit_generator.state


@pytest.mark.parametrize("made", GENERATORS)
def test_a_generator_goes_on(made):
    rng, again = made(), made()
    nets = [Network([5, 8, 3], rng=rng) for _ in range(3)]
    assert not np.array_equal(params(nets[0]), params(nets[1]))
    others = [Network([5, 8, 3], rng=again) for _ in range(3)]
    # each is trained by itself, in whatever order
    for one, other in (*zip(nets, others, strict=True),):
        np.testing.assert_array_equal(params(one), params(other))
    expected = [fitted(net) for net in others[::-1]][::-1]
    assert [fitted(net) for net in nets] == expected
    states = [repr(generator(net).bit_generator.state) for net in nets]
    assert len({*states}) == 3
    # a fit takes nothing from the caller's
    one, other = (getattr(g, "_bit_generator", None) or getattr(g, "bit_generator", g)
                  for g in (rng, again))  # fmt: skip
    assert repr(one.state) == repr(other.state)
    assert repr(one.state) != repr(Network([5, 8, 3], rng=made()) and made())


def test_a_generator_draws_the_weights_that_its_seed_draws():
    for rng in (np.random.default_rng(5), np.random.PCG64(5)):
        net = Network([5, 8, 3], rng=rng)
        np.testing.assert_array_equal(params(net), params(Network([5, 8, 3], rng=5)))


def test_the_bits_of_the_caller_s_kind_are_kept():
    for kind in ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"):
        net = Network([5, 3], rng=getattr(np.random, kind)(1))
        assert type(generator(net).bit_generator).__name__ == kind

    class Own(np.random.PCG64):
        pass

    assert type(generator(Network([5, 3], rng=Own(1))).bit_generator) is np.random.PCG64


def test_no_seed_is_another_network_each_time():
    nets = [Network([5, 8, 3]) for _ in range(2)]
    assert not np.array_equal(params(nets[0]), params(nets[1]))


def test_a_sequence_that_spawns_is_left_alone():
    seeds = np.random.SeedSequence(5)
    Network([5, 3], rng=seeds)
    assert seeds.n_children_spawned == 0
    nets = [Network([5, 3], rng=child) for child in seeds.spawn(2)]
    assert not np.array_equal(params(nets[0]), params(nets[1]))


def test_many_networks_of_one_generator():
    X, Y, _ = problem("sigmoid")
    options = {"batch_size": 6, "epochs": 3, "dropout": 0.2}
    expected = []
    for n_threads in (1, 2, None):
        rng = np.random.default_rng(7)
        nets = [Network([5, n, 3], rng=rng) for n in (4, 8, 4)]
        fit_many(nets, X, Y, n_threads=n_threads, **options)
        expected.append([params(net).tobytes() for net in nets])
    rng = np.random.default_rng(7)
    for net in (nets := [Network([5, n, 3], rng=rng) for n in (4, 8, 4)])[::-1]:
        net.fit(X, Y, **options)
    expected.append([params(net).tobytes() for net in nets])
    assert all(one == expected[0] for one in expected)


@pytest.mark.parametrize("way", ["file", "pickle", "state"])
def test_a_network_of_a_generator_goes_on_where_it_was(way):
    rng = np.random.default_rng(7)
    one, other = (Network([5, 8, 3], rng=rng) for _ in range(2))
    fitted(one)
    if way == "file":
        file = io.BytesIO()
        one.save(file, training_state=True)
        again = Network.load(io.BytesIO(file.getvalue()))
    elif way == "pickle":
        again = pickle.loads(pickle.dumps(one))
    else:
        other.load_state_dict(one.state_dict())
        again = other
    rng.random(99)
    assert fitted(one) == fitted(again)


@pytest.mark.parametrize(
    ("rng", "error", "match"),
    [
        (True, TypeError, "rng must be an integer or a list of integers, or a SeedSequence"),
        (1.5, TypeError, "got float"),
        ("5", TypeError, "got str"),
        (b"5", TypeError, "got bytes"),
        ([1.0], TypeError, "got list"),
        ([True], TypeError, "got list"),
        (["5"], TypeError, "got list"),
        (np.array([[5]]), TypeError, "got ndarray"),
        (np.array([True]), TypeError, "got ndarray"),
        (np.random, TypeError, "got module"),
        (np.random.default_rng, TypeError, "rng"),
        (-1, ValueError, "rng must be at least 0, got -1"),
        ([-1], ValueError, "rng: "),
        (np.array([-1]), ValueError, "rng: "),
    ],
)
def test_what_is_no_seed(rng, error, match):
    with pytest.raises(error, match=match):
        Network([5, 3], rng=rng)
    if not isinstance(rng, int) or rng is True:
        with pytest.raises(error, match=match):
            fastdnn.initialize_parameters_deep([5, 3], rng=rng)
