"""The options of `L_layer_model` against plain NumPy, and the published runs of course 2."""

import os
import threading
from pathlib import Path

import numpy as np
import pytest
import reference_model

from fastdnn import L_layer_model, course2, two_layer_model
from fastdnn.course2 import schedule_lr_decay, update_lr

ROOT = Path(__file__).resolve().parent.parent.parent
CATVNONCAT = Path(os.environ.get("FASTDNN_DATA", ROOT.parent / "shared" / "data" / "catvnoncat"))
COURSE2 = CATVNONCAT.parent / "course2" / "data.mat"
SCALES = {
    "lecun": lambda n_prev: 1 / np.sqrt(n_prev),
    "he": lambda n_prev: np.sqrt(2 / n_prev),
    "random": lambda n_prev: 10,
    "zeros": lambda n_prev: 0,
}


@pytest.fixture
def data():
    random = np.random.RandomState(0)
    X = random.randn(6, 23)
    return X, (X.sum(axis=0, keepdims=True) > 0).astype(np.float64)


def assert_same(ours, theirs, rtol=1e-10):
    assert ours[0].keys() == theirs[0].keys()
    for key, value in theirs[0].items():
        np.testing.assert_allclose(ours[0][key], value, rtol=rtol, atol=rtol)
    np.testing.assert_allclose(ours[1], theirs[1], rtol=rtol, atol=rtol)


def trained(X, Y, sizes, learning_rate, epochs, **options):
    """Train as the course does; the hundredths of the costs are what the package returns."""
    parameters = reference_model.initialize_parameters(sizes, SCALES["he"])
    parameters, costs = reference_model.model(X, Y, parameters, learning_rate, epochs, **options)
    return parameters, costs[::100]


# --------------------------------------------------------------------------------------- arithmetic


@pytest.mark.parametrize("lambd", [0.0, 0.7])
@pytest.mark.parametrize("mini_batch_size", [None, 8, 23, 100])
@pytest.mark.parametrize("optimizer", ["gd", "momentum", "adam"])
def test_a_step_is_the_course_s(optimizer, mini_batch_size, lambd, data):
    options = {"optimizer": optimizer, "mini_batch_size": mini_batch_size, "lambd": lambd}
    options |= {"beta": 0.8, "beta1": 0.7, "beta2": 0.95, "epsilon": 1e-3, "seed": 4}
    ours = L_layer_model(*data, [6, 5, 3, 1], 0.05, 101, initialization="he", **options)
    assert_same(ours, trained(*data, [6, 5, 3, 1], 0.05, 101, **options))


@pytest.mark.parametrize("optimizer", ["gd", "momentum"])
def test_few_examples_of_many_inputs(optimizer):
    # here the engine takes the first layer by X X^T
    X = np.random.RandomState(1).randn(50, 9)
    Y = np.arange(9)[None] % 2
    options = {"optimizer": optimizer, "lambd": 0.9}
    ours = L_layer_model(X, Y, [50, 4, 1], 0.1, 101, initialization="he", **options)
    assert_same(ours, trained(X, Y, [50, 4, 1], 0.1, 101, **options))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_types_and_memory_orders(dtype, order, data):
    X, Y = np.asarray(data[0], dtype, order=order), data[1]
    options = {"optimizer": "adam", "mini_batch_size": 8, "lambd": 0.1}
    ours = L_layer_model(X, Y, [6, 5, 1], 0.01, 101, initialization="he", **options)
    assert {array.dtype for array in [*ours[0].values(), *ours[1]]} == {np.dtype(dtype)}
    theirs = trained(data[0], Y, [6, 5, 1], 0.01, 101, **options)
    assert_same(ours, theirs, 1e-4 if dtype == np.float32 else 1e-10)


@pytest.mark.parametrize("output", ["sigmoid", "softmax", "identity"])
@pytest.mark.parametrize("hidden", ["relu", "tanh", ("sigmoid", "softplus")])
def test_activations_and_outputs(hidden, output, data):
    X = data[0]
    Y = np.eye(3)[:, np.random.RandomState(2).randint(0, 3, X.shape[1])]
    if output == "identity":
        Y = np.random.RandomState(2).randn(3, X.shape[1])
    options = {"optimizer": "momentum", "mini_batch_size": 8, "lambd": 0.3}
    ours = L_layer_model(
        X, Y, [6, 5, 4, 3], 0.05, 101,
        initialization="he", activation=hidden, output_activation=output, **options,
    )  # fmt: skip
    each = (hidden, hidden) if isinstance(hidden, str) else hidden
    theirs = trained(X, Y, [6, 5, 4, 3], 0.05, 101, hidden=each, output=output, **options)
    assert_same(ours, theirs)


def test_linear_is_the_identity(data):
    X, Y = data
    for hidden in ("linear", ["linear", "identity"]):
        given = {"activation": hidden, "output_activation": "linear"}
        ours = L_layer_model(X, Y, [6, 4, 3, 1], 0.01, 3, **given)
        given = {"activation": "identity", "output_activation": "identity"}
        assert_same(ours, L_layer_model(X, Y, [6, 4, 3, 1], 0.01, 3, **given), 0)


def test_class_indices_are_one_hot_columns(data):
    X = data[0]
    classes = np.random.RandomState(2).randint(0, 3, X.shape[1])
    given = {"output_activation": "softmax", "mini_batch_size": 5, "optimizer": "adam"}
    expected = L_layer_model(X, np.eye(3)[classes].T, [6, 4, 3], 0.01, 3, **given)
    for Y in (classes, classes[None], classes.tolist(), classes.astype(np.float32)):
        assert_same(L_layer_model(X, Y, [6, 4, 3], 0.01, 3, **given), expected, 0)


@pytest.mark.parametrize("optimizer", ["gd", "momentum", "adam"])
@pytest.mark.parametrize("decay", [update_lr, schedule_lr_decay])
def test_the_learning_rate_decays_an_epoch_late(decay, optimizer, data):
    options = {"optimizer": optimizer, "mini_batch_size": 8, "decay": decay, "decay_rate": 0.5}
    ours = L_layer_model(*data, [6, 3, 1], 0.1, 5, initialization="he", **options)
    assert_same(ours, trained(*data, [6, 3, 1], 0.1, 5, **options))


def test_what_decay_is_called_with(data):
    calls = []

    def decay(learning_rate0, epoch_num, decay_rate):
        calls.append((learning_rate0, epoch_num, decay_rate))
        return 0

    parameters, _ = L_layer_model(*data, [6, 1], 0.25, 4, decay=decay, decay_rate=7)
    assert calls == [(0.25, i, 7) for i in range(3)]
    assert_same((parameters, []), (L_layer_model(*data, [6, 1], 0.25, 1)[0], []), 0)


@pytest.mark.parametrize("lambd", [0.0, 0.7])
def test_the_functions_train_as_the_model_does(lambd, data):
    X, Y = data
    parameters = course2.initialize_parameters_he([6, 5, 3, 1])
    v, s = course2.initialize_adam(parameters)
    t, seed, costs = 0, 10, []
    for _ in range(30):
        seed, total = seed + 1, 0
        for X_b, Y_b in course2.random_mini_batches(X, Y, 8, seed):
            AL, cache = course2.forward_propagation(X_b, parameters)
            total += course2.compute_cost(AL, Y_b, parameters, lambd, reduction="sum")
            grads = course2.backward_propagation_with_regularization(X_b, Y_b, cache, lambd)
            t += 1
            parameters, v, s, _, _ = course2.update_parameters_with_adam(
                parameters, grads, v, s, t, 0.01
            )
        costs.append(total / X.shape[1])
    given = {"optimizer": "adam", "mini_batch_size": 8, "initialization": "he", "lambd": lambd}
    ours = L_layer_model(X, Y, [6, 5, 3, 1], 0.01, 30, **given)
    assert_same(ours, (parameters, costs[::100]))


# ---------------------------------------------------------------------------------- initialization


@pytest.mark.parametrize(("name", "seed"), [("lecun", 1), ("he", 3), ("random", 3), ("zeros", 3)])
def test_initialization_has_the_course_s_digits(name, seed, data):
    np.random.seed(5)
    state = np.random.get_state()[1].copy()
    parameters, _ = L_layer_model(*data, [6, 4, 1], num_iterations=0, initialization=name)
    other, _ = L_layer_model(*data, [6, 4, 1], num_iterations=0, initialization=name, rng=7)
    assert (np.random.get_state()[1] == state).all()
    for given, of in ((parameters, seed), (other, 7)):
        expected = reference_model.initialize_parameters([6, 4, 1], SCALES[name], of)
        assert_same((given, []), (expected, []), 1e-14)
    if name == "zeros":
        assert not any(np.signbit(array).any() for array in parameters.values())


def test_lecun_is_what_it_was(data):
    assert_same(
        L_layer_model(*data, [6, 4, 1], 0.1, 3),
        L_layer_model(*data, [6, 4, 1], 0.1, 3, initialization="lecun", lambd=0, keep_prob=1),
        0,
    )
    assert_same(L_layer_model(*data, [6, 4, 1], 0.1, 3, rng=3), L_layer_model(
        *data, [6, 4, 1], 0.1, 3, rng=np.random.RandomState(3), mini_batch_size=23), 0
    )  # fmt: skip


# ----------------------------------------------------------------------------------------- dropout


def test_dropout_repeats_by_its_seed(data):
    given = {"keep_prob": 0.6, "mini_batch_size": 8}
    first = L_layer_model(*data, [6, 9, 9, 1], 0.1, 120, **given)
    assert_same(L_layer_model(*data, [6, 9, 9, 1], 0.1, 120, **given), first, 0)
    other = L_layer_model(*data, [6, 9, 9, 1], 0.1, 120, **given, seed=11)
    assert not np.array_equal(other[1], first[1])
    plain = L_layer_model(*data, [6, 9, 9, 1], 0.1, 120, mini_batch_size=8)
    assert not np.array_equal(plain[1], first[1])
    assert first[1][1] < first[1][0]


def test_dropout_by_layer(data):
    sizes, given = [6, 5, 4, 1], {"optimizer": "adam", "mini_batch_size": 8}
    plain = L_layer_model(*data, sizes, 0.1, 3, **given)
    for keep in ([1, 1.0], (1, 1), np.ones(2), 1, np.float32(1)):
        assert_same(L_layer_model(*data, sizes, 0.1, 3, keep_prob=keep, **given), plain, 0)
    second = L_layer_model(*data, sizes, 0.1, 3, keep_prob=[1, 0.5], **given)
    assert not np.array_equal(second[0]["W1"], plain[0]["W1"])


def test_dropout_keeps_the_mean():
    # one linear step from zero biases: the gradient of b2 does not know the masks, that of W2 does
    X, Y = np.ones((1, 20000)), np.zeros(20000)
    given = {"activation": "identity", "output_activation": "identity", "num_iterations": 1}
    plain, _ = L_layer_model(X, Y, [1, 1, 1], 1e-3, **given)
    costs = [L_layer_model(X, Y, [1, 1, 1], 1e-3, **given, keep_prob=k)[1][0] for k in (1, 0.5)]
    # half the squared output: its mean of outputs that are twice as large, or 0
    np.testing.assert_allclose(costs[1], 2 * costs[0], rtol=0.05)
    assert plain.keys() == {"W1", "b1", "W2", "b2"}


# --------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"optimizer": "sgd"}, ValueError, "optimizer must be one of gd, momentum, adam"),
        ({"initialization": "xavier"}, ValueError, "initialization must be one of lecun, he"),
        ({"initialization": None}, ValueError, "initialization must be one of"),
        ({"activation": "swish"}, ValueError, "activation must be one of identity"),
        ({"activation": ["relu"]}, ValueError, "activation must be one name, or one for each of 2"),
        ({"output_activation": "relu"}, ValueError, "output_activation must be one of 'sigmoid'"),
        ({"output_activation": "softmax"}, ValueError, "at least 2 output units"),
        ({"mini_batch_size": 0}, ValueError, "mini_batch_size must be at least 1"),
        ({"mini_batch_size": 2.5}, TypeError, "mini_batch_size must be an integer"),
        ({"lambd": -1}, ValueError, "lambd must be at least 0"),
        ({"lambd": np.nan}, ValueError, "lambd must be at least 0"),
        ({"keep_prob": 0}, ValueError, "keep_prob must be above 0 and at most 1, got 0"),
        ({"keep_prob": 1.01}, ValueError, "keep_prob must be above 0"),
        ({"keep_prob": [0.5, np.nan]}, ValueError, "keep_prob must be above 0"),
        ({"keep_prob": [0.5]}, ValueError, "keep_prob must be one number, or one for each of 2"),
        ({"keep_prob": "half"}, TypeError, "keep_prob"),
        ({"beta": 1}, ValueError, "beta must be at least 0 and below 1"),
        ({"beta1": -0.1}, ValueError, "beta1 must be"),
        ({"beta2": 1.0}, ValueError, "beta2 must be"),
        ({"epsilon": -1e-8}, ValueError, "epsilon must be"),
        ({"decay": 0.9}, TypeError, "decay must be a function"),
        ({"decay": lambda *_: "slow"}, TypeError, "what decay returns must be a number"),
        ({"decay_rate": "fast"}, TypeError, "decay_rate must be a number"),
        ({"seed": -1}, ValueError, "seed must be at least 0"),
        ({"seed": "ten"}, TypeError, "seed must be an integer"),
    ],
)
def test_refuses(change, error, match, data):
    arguments = {"learning_rate": 0.1, "num_iterations": 2, "mini_batch_size": 8}
    with pytest.raises(error, match=match):
        L_layer_model(*data, [6, 3, 2, 1], **arguments | change)


@pytest.mark.parametrize(
    ("Y", "match"),
    [
        (np.ones((3, 23)), "Y must have one-hot columns, .* column 0 is"),
        (-np.eye(3)[:, np.zeros(23, int)], "one-hot columns"),
        (np.full((3, 23), np.nan), "one-hot columns"),
        (np.full(23, 3), r"Y must hold class indices 0 .. 2, column 0 is 3"),
        (np.full((1, 23), 0.5), "class indices"),
        (np.full(23, -1), "class indices"),
        (np.ones((23, 3)), r"Y has shape \(23, 3\)"),
        (np.ones(22), r"Y has shape \(22,\)"),
    ],
)
def test_labels_of_softmax_are_judged(Y, match, data):
    with pytest.raises(ValueError, match=match):
        L_layer_model(data[0], Y, [6, 3], output_activation="softmax")


def test_nothing_of_the_caller_s_is_written(data):
    X, Y = data
    kept = X.copy(), Y.copy()
    X.flags.writeable = Y.flags.writeable = False
    random = np.random.RandomState(4)
    L_layer_model(X, Y, [6, 3, 1], num_iterations=2, mini_batch_size=8, optimizer="adam")
    L_layer_model(X, Y, [6, 3, 1], num_iterations=2, mini_batch_size=8, keep_prob=0.5, rng=random)
    np.testing.assert_array_equal(X, kept[0])
    np.testing.assert_array_equal(Y, kept[1])
    # the caller's generator has drawn the weights, and nothing more
    expected = np.random.RandomState(4)
    expected.randn(3 * 6 + 3)
    assert random.rand() == expected.rand()


def test_models_of_several_threads_draw_their_own_orders(data):
    given = {"optimizer": "adam", "mini_batch_size": 4, "keep_prob": 0.5}
    expected = L_layer_model(*data, [6, 3, 1], 0.01, 200, **given)
    results = [None] * 4

    def train(i):
        results[i] = L_layer_model(*data, [6, 3, 1], 0.01, 200, **given)

    threads = [threading.Thread(target=train, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        assert_same(result, expected, 0)


def test_the_first_models_have_no_options(data):
    with pytest.raises(TypeError, match="optimizer"):
        two_layer_model(*data, [6, 3, 1], optimizer="adam")


# ---------------------------------------------------------------------------------- published runs

# the cost at the epochs 0, 1000 and 4000; the course prints 6 digits of each
MOONS = [
    ({"optimizer": "gd"}, 0.0007, {0: 0.7024046849828726, 10: 0.66810064295887}
     | {40: 0.5733672256957693}),
    ({"optimizer": "momentum"}, 0.0007, {0: 0.7024127305373173, 10: 0.6681667772046955}
     | {40: 0.5734441760375261}),
    ({"optimizer": "adam"}, 0.0007, {0: 0.7021655222604548, 10: 0.16784505282581158}
     | {40: 0.1360661615397438}),
    ({"optimizer": "gd", "decay": update_lr}, 0.1, {0: 0.7010914685043044}
     | {10: 0.6618837411315917}),
    ({"optimizer": "gd", "decay": schedule_lr_decay}, 0.1, {0: 0.7010914685043044}
     | {10: 0.12716128325384324}),
    ({"optimizer": "momentum", "decay": schedule_lr_decay}, 0.1, {0: 0.7022260404521209}
     | {10: 0.12897377524516157}),
    ({"optimizer": "adam", "decay": schedule_lr_decay}, 0.01, {0: 0.6993459937616683}
     | {10: 0.13007371296127113}),
]  # fmt: skip


@pytest.mark.parametrize(("options", "learning_rate", "published"), MOONS)
def test_published_runs_of_the_optimisers(options, learning_rate, published):
    datasets = pytest.importorskip("sklearn.datasets")
    X, Y = datasets.make_moons(n_samples=300, noise=0.2, random_state=3)
    _, costs = L_layer_model(
        X.T, Y.reshape(1, -1), [2, 5, 2, 1], learning_rate, 100 * max(published) + 1,
        mini_batch_size=64, initialization="he", **options,
    )  # fmt: skip
    for hundreds, cost in published.items():
        assert abs(costs[hundreds] - cost) < 1e-8


def test_published_run_of_he():
    datasets = pytest.importorskip("sklearn.datasets")
    X, Y = datasets.make_circles(n_samples=300, noise=0.05, random_state=1)
    _, costs = L_layer_model(X.T, Y, [2, 10, 5, 1], 0.01, 14001, initialization="he")
    published = [
        *(0.8830537463419761, 0.6879825919728063, 0.6751286264523371, 0.6526117768893807),
        *(0.6082958970572937, 0.5304944491717495, 0.4138645817071793, 0.3117803464844441),
        *(0.23696215330322556, 0.18597287209206828, 0.15015556280371808, 0.12325079292273548),
        *(0.09917746546525937, 0.08457055954024274, 0.07357895962677366),
    ]
    np.testing.assert_allclose(costs[::10], published, rtol=0, atol=1e-8)


@pytest.mark.skipif(
    not COURSE2.is_file(),
    reason="the course's data are not beside the folder that FASTDNN_DATA names",
)
def test_published_run_of_l2():
    from scipy.io import loadmat

    data = loadmat(COURSE2)
    X, Y = data["X"].T, data["y"].T
    _, costs = L_layer_model(X, Y, [2, 20, 3, 1], 0.3, 20001, lambd=0.7, rng=3)
    published = {0: 0.6974484493131264, 100: 0.2684918873282239, 200: 0.2680916337127301}
    for hundreds, cost in published.items():
        assert abs(costs[hundreds] - cost) < 1e-8
