"""Derivatives by the input against plain NumPy and differences, and the check of the cost's."""

import numpy as np
import pytest
import reference_network as reference
from inside import described
from networks import TYPES, lists, problem, scatter_biases
from scipy import sparse

from fastdnn.network import Network
from fastdnn.optimizers import SGD

RTOL = {"float32": 3e-5, "float64": 1e-12}


def network(layer_dims=(5, 8, 3), activation="tanh", output="sigmoid", **options):
    net = Network(layer_dims, activation, output, rng=0, **options)
    scatter_biases(net)
    return net


def inputs(net, m=9, dtype=None):
    random = np.random.default_rng(2)
    return random.normal(size=(m, net.layer_dims[0])).astype(dtype or net.dtype)


def in_numpy(net, X):
    W, b = (
        [array.astype(float) for array in arrays] for arrays in lists(net)
    )  # whatever the network's type
    return reference.jacobian(W, b, *described(net)[:2], np.asarray(X, float))


def assert_derives(net, X, expected=None, **options):
    expected = in_numpy(net, X) if expected is None else expected
    rtol = RTOL[net.dtype.name]
    alike = {"rtol": rtol, "atol": rtol * np.abs(expected).max()}
    found = net.gradient(X, **options)
    assert found.dtype == net.dtype
    assert found.shape == expected.shape
    assert found.flags.c_contiguous
    assert found.flags.writeable
    np.testing.assert_allclose(found, expected, **alike)
    for output in {0, net.layer_dims[-1] - 1}:
        found = net.gradient(X, output, **options)
        assert found.dtype == net.dtype
        assert found.shape == expected[:, 0].shape
        np.testing.assert_allclose(found, expected[:, output], **alike)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("output", reference.OUTPUTS)
@pytest.mark.parametrize("activation", reference.ACTIVATIONS)
def test_every_activation_and_output(activation, output, dtype):
    net = network((4, 20, 6, 3), activation, output, dtype=dtype)
    assert_derives(net, inputs(net))


@pytest.mark.parametrize("output", reference.OUTPUTS)
@pytest.mark.parametrize("activation", reference.ACTIVATIONS)
def test_differences_of_what_is_predicted(activation, output):
    net = network((4, 7, 5, 3), activation, output)
    X, step = inputs(net), 1e-6
    moved = [net.predict(X + h) - net.predict(X - h) for h in step * np.eye(4)]
    differences = np.stack(moved, axis=-1) / (2 * step)
    np.testing.assert_allclose(net.gradient(X), differences, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("output", ["sigmoid", "softmax"])
@pytest.mark.parametrize(
    "layer_dims", [(1, 2), (5, 3), (1, 1, 1, 2), (3, 1, 4), (2, 17, 1, 2), (40, 33, 18, 5)], ids=str
)
@pytest.mark.parametrize("m", [1, 2, 40])
def test_sizes(m, layer_dims, output, dtype):
    net = network(layer_dims, "gelu", output, dtype=dtype)
    assert_derives(net, inputs(net, m))


@pytest.mark.parametrize("dtype", TYPES)
def test_one_output_is_a_dimension_too(dtype):
    net = network((5, 8, 1), dtype=dtype)
    X = inputs(net)
    assert net.gradient(X).shape == (9, 1, 5)
    assert net.gradient(X, 0).shape == (9, 5)
    np.testing.assert_array_equal(net.gradient(X)[:, 0], net.gradient(X, 0))


@pytest.mark.parametrize(
    ("layer_dims", "m"),
    [((3, 4, 2), 2500), ((3, 4, 600), 5), ((2, 3, 2500), 2), ((300, 4, 30), 70)],
    ids=str,
)
@pytest.mark.parametrize("output", ["exp", "softmax"])
def test_many_examples_and_outputs(output, layer_dims, m):
    net = network(layer_dims, "mish", output)
    assert_derives(net, inputs(net, m))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("given", TYPES)
def test_forms_of_X(given, dtype):
    net = network(dtype=dtype)
    X = inputs(net, dtype=given)
    X[X < 0] = 0
    expected = in_numpy(net, X)
    read_only = X.copy()
    read_only.flags.writeable = False
    forms = (
        X, read_only, np.asfortranarray(X), np.repeat(X, 2, axis=1)[:, ::2], X[::-1][::-1],
        X.astype(X.dtype.newbyteorder()), X.tolist(), sparse.csr_array(X), sparse.coo_matrix(X),
    )  # fmt: skip
    for form in forms:
        assert_derives(net, form, expected)
    whole = np.rint(X).astype(int)
    assert_derives(net, whole)


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_threads_share_the_examples(n_threads):
    net = network((7, 9, 4), "selu", "softmax")
    assert_derives(net, inputs(net, 2500), n_threads=n_threads)


@pytest.mark.parametrize("dtype", TYPES)
def test_an_output_that_rounds_to_1_has_a_derivative(dtype):
    for output in ("sigmoid", "softmax"):
        net = Network([1, 2], output_activation=output, dtype=dtype, rng=0)
        net.parameters["W1"][:] = [[40], [0]]
        net.parameters["b1"][:] = 0
        assert net.predict([[1.0]])[0, 0] == 1
        found = net.gradient([[1.0]])[0, 0, 0]
        np.testing.assert_allclose(found, 40 * np.exp(-40.0), rtol=1e-5)


def test_at_a_kink_it_is_the_derivative_to_the_left():
    for activation, slope in (("relu", 0), ("leaky_relu", 0.01), ("selu", 1.7580993408473766)):
        net = Network([1, 1, 1], activation, "identity", rng=0)
        net.parameters["W1"][:] = net.parameters["W2"][:] = 1
        assert net.gradient([[0.0]])[0, 0, 0] == pytest.approx(slope)


def test_it_follows_the_training_and_leaves_no_trace():
    X, Y, _ = problem("sigmoid")
    net, twin = network(), network()
    for _ in range(3):
        net.fit(X, Y, batch_size=7)
        twin.fit(X, Y, batch_size=7)
        assert_derives(net, X)
    for name, array in twin.parameters.items():
        np.testing.assert_array_equal(net.parameters[name], array)


@pytest.mark.parametrize(
    ("X", "error"),
    [
        (None, TypeError), ("cat", TypeError), (np.ones(5), ValueError),
        (np.ones((2, 6)), ValueError), (np.ones((0, 5)), ValueError),
        (np.ma.ones((2, 5)), TypeError), (np.ones((2, 5), complex), TypeError),
        (np.full((2, 5), np.nan), ValueError), (sparse.csr_array((2, 6)), ValueError),
    ],
)  # fmt: skip
def test_input_that_is_refused(X, error):
    with pytest.raises(error, match="X "):
        network().gradient(X)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"output": 3}, ValueError), ({"output": -1}, ValueError), ({"output": 0.0}, TypeError),
        ({"output": "a"}, TypeError), ({"n_threads": 0}, ValueError),
        ({"n_threads": 1.5}, TypeError),
    ],
)  # fmt: skip
def test_options_that_are_refused(options, error):
    with pytest.raises(error, match=next(iter(options))):
        network().gradient(np.ones((2, 5)), **options)


def test_more_than_memory_can_have():
    net = Network([2**20, 1, 2**20], "relu", dtype="float32", rng=0)
    with pytest.raises(MemoryError):
        net.gradient(sparse.csr_array((2**10, 2**20)))
    with pytest.raises(ValueError, match="more than memory can have"):
        net.gradient(sparse.csr_array((2**21, 2**20)))


# ------------------------------------------------------------------------------------- check_grad


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(("output", "cost"), reference.COSTS)
@pytest.mark.parametrize("activation", sorted(reference.ACTIVATIONS))
def test_the_gradient_of_every_cost_is_right(activation, output, cost, dtype):
    net = network((4, 5, 3), activation, output, cost=cost, dtype=dtype)
    X, Y, _ = problem(output, m=6, n_0=4, seed=3)
    weights = np.arange(6.0)
    assert net.check_grad(X, Y) < 1e-6
    assert net.check_grad(X, Y, weights, l2=0.3) < 1e-6


def test_a_step_over_a_kink_is_told():
    # each hidden unit is at 0, where relu has the derivative 0, and the difference is a half
    net = Network([2, 3, 1], "relu", "identity", init=0.0, rng=0)
    net.parameters["W2"][:] = 1
    assert net.check_grad([[1.0, 1.0]], [1.0]) == pytest.approx(1)


def test_without_a_gradient_there_is_no_difference():
    net = Network([2, 3, 1], "relu", "identity", init=0.0, rng=0)
    assert net.check_grad([[1.0, 1.0]], [0.0]) == 0


def test_a_check_of_saturated_outputs():
    net = Network([1, 2], output_activation="sigmoid", rng=0)
    net.parameters["W1"][:] = [[300], [-300]]
    assert net.check_grad([[1.0]], [[0, 1]]) < 1e-6


@pytest.mark.parametrize("dtype", TYPES)
def test_a_check_changes_nothing(dtype):
    X, Y, _ = problem("sigmoid")
    net, twin = network(dtype=dtype), network(dtype=dtype)
    for _ in range(3):
        options = {"optimizer": SGD(0.1, 0.9), "batch_size": 7, "dropout": 0.2}
        for one in (net, twin):
            one.fit(X, Y, **options)
        net.check_grad(X, Y)
        a, b = (one.state_dict() for one in (net, twin))
        assert a["rng"].bit_generator.state == b["rng"].bit_generator.state
        assert (a["steps"], a["epochs"]) == (b["steps"], b["epochs"])
        for one, other in zip(
            (a["params"], *a["moments"]), (b["params"], *b["moments"]), strict=True
        ):
            np.testing.assert_array_equal(one, other)


def test_a_callback_may_check():
    X, Y, _ = problem("sigmoid")
    found = []
    net = network()
    net.fit(X, Y, epochs=2, callbacks=[lambda state: found.append(net.check_grad(X, Y))])
    assert len(found) == 2
    assert max(found) < 1e-6


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"X": np.full((23, 5), np.nan)}, ValueError), ({"X": None}, TypeError),
        ({"Y": np.ones(22)}, ValueError), ({"sample_weight": -np.ones(23)}, ValueError),
        ({"l2": -1}, ValueError), ({"l2": "a"}, TypeError),
    ],
)  # fmt: skip
def test_a_check_refuses_what_fit_refuses(arguments, error):
    X, Y, _ = problem("sigmoid")
    with pytest.raises(error, match=next(iter(arguments))):
        network().check_grad(**{"X": X, "Y": Y} | arguments)


def test_parameters_that_are_not_finite_have_no_gradient():
    X, Y, _ = problem("sigmoid")
    net = network()
    net.parameters["W1"][0, 0] = np.nan
    with pytest.raises(ValueError, match="parameters must be finite"):
        net.check_grad(X, Y)
