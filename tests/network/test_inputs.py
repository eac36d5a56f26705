"""Every form of X and Y that is taken gives the same numbers, and stays as it was."""

import numpy as np
import pytest
from networks import problem, trained

from fastdnn.network import Network
from fastdnn.optimizers import SGD


@pytest.mark.parametrize("batch", [None, 7])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize(
    "form",
    [
        np.asfortranarray,
        lambda X: np.repeat(X, 2, axis=0)[::2],
        lambda X: np.repeat(X, 3, axis=1)[:, ::3],
        lambda X: X[::-1][::-1].copy()[::1],
        lambda X: np.ascontiguousarray(X[::-1])[::-1],
        lambda X: X.astype(">f8"),
        lambda X: X.tolist(),
        lambda X: X.astype(np.float32),
        lambda X: X.astype(np.int8),
    ],
    ids=["F", "rows", "cols", "same", "reversed", "big-endian", "list", "float32", "int8"],
)
def test_forms_of_X(form, shuffle, batch):
    X, Y, _ = problem("sigmoid")
    X = np.floor(3 * X)
    kept = X.copy()
    X.flags.writeable = Y.flags.writeable = False
    options = {"batch_size": batch, "shuffle": shuffle}
    np.testing.assert_allclose(
        trained(form(X), Y, **options), trained(X, Y, **options), rtol=1e-11, atol=1e-13
    )
    np.testing.assert_array_equal(X, kept)
    net = Network([5, 8, 3], rng=0)
    np.testing.assert_allclose(net.predict(form(X)), net.predict(X), rtol=1e-12)


@pytest.mark.parametrize(
    "form",
    [
        lambda y: y,
        lambda y: y[:, None],
        lambda y: y.astype(float),
        lambda y: y.tolist(),
        lambda y: np.eye(3)[y],
        lambda y: np.eye(3, dtype=bool)[y],
    ],
    ids=["flat", "column", "float", "list", "one-hot", "one-hot bool"],
)
@pytest.mark.parametrize("shuffle", [False, True])
def test_forms_of_classes(form, shuffle):
    X, Y, _ = problem("softmax")
    options = {"batch_size": 5, "shuffle": shuffle}
    nets = [Network([5, 8, 3], "relu", "softmax", rng=0) for _ in range(2)]
    expected = trained(X, Y, net=nets[0], **options)
    np.testing.assert_array_equal(trained(X, form(Y), net=nets[1], **options), expected)
    assert nets[0].cost(X, Y) == nets[1].cost(X, form(Y))


def test_flat_targets_of_one_output():
    X, Y, _ = problem("sigmoid", n_L=1)
    params = []
    for y in (Y, Y.ravel(), Y.astype(bool), Y.ravel().tolist()):
        net = Network([5, 8, 1], rng=0)
        params.append(trained(X, y, net=net))
    assert all((p == params[0]).all() for p in params)


def test_costs_are_finite_where_predictions_saturate():
    X = np.array([[1e4], [-1e4]])
    for output, Y in (("sigmoid", [0, 1]), ("softmax", [0, 1])):
        n_L = 1 if output == "sigmoid" else 2
        net = Network([1, n_L], output_activation=output, init=0.0, rng=0)
        net.parameters["W1"][:] = [[1.0]] if n_L == 1 else [[-1.0], [1.0]]
        assert net.cost(X, Y) == pytest.approx(1e4 * n_L)
        assert net.fit(X, Y, optimizer=SGD(0.0)).costs == pytest.approx([1e4 * n_L])
        with np.errstate(all="raise"):
            assert np.isfinite(net.predict(X)).all()
