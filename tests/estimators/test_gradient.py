"""Derivatives of a fitted estimator by the features, and the check of its loss's gradient."""

import pickle

import numpy as np
import pytest
from perceptrons import DTYPES, KINDS, both, data, fitted, named, ours, quietly, small, theirs
from scipy import sparse
from sklearn.exceptions import NotFittedError

EVERY = pytest.mark.parametrize("kind", KINDS)


def smooth(kind, dtype="float64", **options):
    """Fit an estimator whose outputs have no kinks."""
    options = {"hidden_layer_sizes": (7, 4), "activation": "tanh", "random_state": 1} | options
    X, y = data(kind, dtype)
    return X, y, fitted(getattr(ours, named(kind))(**{"max_iter": 20} | options), X, y)


def outputs(est, X):
    """Return what is derived, (m, n_L)."""
    if not hasattr(est, "predict_proba"):
        return est.predict(X).reshape(len(X), -1)
    found = est.predict_proba(X)
    return found[:, 1:] if est.n_outputs_ == 1 else found


def differences(est, X, step=1e-6):
    moves = step * np.eye(X.shape[1])
    moved = [outputs(est, X + h) - outputs(est, X - h) for h in moves]
    return np.stack(moved, axis=-1) / (2 * step)


# -------------------------------------------------------------------------------- by the features


@EVERY
@pytest.mark.parametrize("dtype", DTYPES)
def test_differences_of_what_is_predicted(kind, dtype):
    X, _, est = smooth(kind, dtype)
    found = est.decision_gradient(X)
    assert found.dtype == outputs(est, X).dtype == dtype
    assert found.shape == (90, est.n_outputs_, 6)
    for output in range(est.n_outputs_):
        np.testing.assert_allclose(est.decision_gradient(X, output), found[:, output], rtol=1e-4)
    twin = pickle.loads(pickle.dumps(est))
    twin.coefs_ = [W.astype(float) for W in est.coefs_]
    twin.intercepts_ = [b.astype(float) for b in est.intercepts_]
    rtol = 1e-4 if dtype == "float32" else 1e-7
    np.testing.assert_allclose(found, differences(twin, X.astype(float)), rtol=rtol, atol=rtol)


@EVERY
def test_it_is_the_gradient_of_the_network(kind):
    X, y, est = smooth(kind, activation="relu")
    np.testing.assert_array_equal(est.decision_gradient(X), est.network_.gradient(X))
    quietly(est.partial_fit, X, y)
    np.testing.assert_array_equal(est.decision_gradient(X), est.network_.gradient(X))


def test_a_poisson_regression():
    X, y = data("number")
    est = fitted(small("MLPRegressor", loss="poisson", activation="silu"), X, np.exp(y).round())
    np.testing.assert_allclose(est.decision_gradient(X), differences(est, X), rtol=1e-6, atol=1e-7)


def test_forms_of_X():
    X, _, est = smooth("multiclass")
    expected = est.decision_gradient(X)
    single = X.astype(np.float32)
    assert est.decision_gradient(single).dtype == np.float64
    np.testing.assert_allclose(est.decision_gradient(single), expected, rtol=1e-3, atol=1e-5)
    for form in (np.asfortranarray(X), X.tolist(), sparse.csr_array(X), sparse.csc_matrix(X)):
        np.testing.assert_allclose(est.decision_gradient(form), expected, rtol=1e-9)
    X, _, est = smooth("multiclass", "float32")
    assert est.decision_gradient(np.rint(X).astype(int)).dtype == np.float64


@EVERY
def test_models_of_scikit_learn(kind):
    X, _, _, other = both(kind, activation="logistic")
    est = getattr(ours, named(kind)).from_sklearn(other)
    found = est.decision_gradient(X)
    np.testing.assert_allclose(found, differences(other, X), rtol=1e-6, atol=1e-8)


def test_assigned_weights():
    X, _, est = smooth("binary")
    est.coefs_[0] = est.coefs_[0] * 2
    np.testing.assert_allclose(est.decision_gradient(X), differences(est, X), rtol=1e-6, atol=1e-8)


def test_an_output_without_a_derivative():
    X, y, est = smooth("number")
    est.out_activation_ = "tanh"
    est.predict(X)
    for call in (lambda: est.decision_gradient(X), lambda: est.check_grad(X, y)):
        with pytest.raises(ValueError, match="out_activation_ must be one of .*, got 'tanh'"):
            call()


def test_what_is_refused():
    X, y, est = smooth("multiclass")
    with pytest.raises(NotFittedError):
        ours.MLPClassifier().decision_gradient(X)
    with pytest.raises(NotFittedError):
        ours.MLPClassifier().check_grad(X, y)
    with pytest.raises(ValueError, match="5 features"):
        est.decision_gradient(X[:, :5])
    with pytest.raises(ValueError, match="NaN"):
        est.decision_gradient(np.full((2, 6), np.nan))
    for output, error in ((3, ValueError), (-1, ValueError), ("a", TypeError)):
        with pytest.raises(error, match="output must be"):
            est.decision_gradient(X, output)


# -------------------------------------------------------------------------------------- of the loss


@EVERY
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("alpha", [0, 3.0])
def test_the_gradient_of_the_loss_is_right(kind, dtype, alpha):
    X, y, est = smooth(kind, dtype, alpha=alpha, hidden_layer_sizes=(4, 3))
    X, y = X[:20], y[:20]
    assert est.check_grad(X, y) < 1e-6
    assert est.check_grad(sparse.csr_matrix(X), y, np.arange(20.0)) < 1e-6


@pytest.mark.parametrize("loss", ours.LOSSES)
def test_every_loss(loss):
    X, y = data("numbers", m=20)
    if loss == "poisson":
        y = np.exp(y).round()
    est = small("MLPRegressor", loss=loss, activation="gelu", hidden_layer_sizes=(3,))
    assert fitted(est, X, y).check_grad(X, y) < 1e-6


@pytest.mark.parametrize(
    ("kind", "weight"),
    [
        ("binary", "balanced"), ("multiclass", {3: 1, 5: 2.5, 9: 0.5}),
        ("multilabel", [{0: 1, 1: 3}, {0: 1, 1: 2}, {0: 2, 1: 1}]),
    ],
)  # fmt: skip
def test_weights_of_classes(kind, weight):
    X, y, est = smooth(kind, class_weight=weight, hidden_layer_sizes=(3,))
    assert est.check_grad(X, y) < 1e-6
    assert est.check_grad(X[:9], y[:9], np.arange(9.0)) < 1e-6


def test_some_of_the_classes_will_do():
    X, y, est = smooth("multiclass", warm_start=True, hidden_layer_sizes=(3,))
    assert est.check_grad(X[y != 5], y[y != 5]) < 1e-6


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_a_check_changes_nothing(solver):
    X, y, est = smooth("multiclass", solver=solver, hidden_layer_sizes=(3,), warm_start=True)
    _, _, twin = smooth("multiclass", solver=solver, hidden_layer_sizes=(3,), warm_start=True)
    est.check_grad(X, y)
    for one in (est, twin):
        fitted(one, X, y)
    for a, b in zip(est.coefs_ + est.intercepts_, twin.coefs_ + twin.intercepts_, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_check_refuses_what_fit_refuses():
    X, y, est = smooth("multiclass")
    with pytest.raises(ValueError, match="y has classes that the fit has not: .*7"):
        est.check_grad(X[:2], [3, 7])
    with pytest.raises(ValueError, match="inconsistent"):
        est.check_grad(X, y[1:])
    with pytest.raises(ValueError, match="sample_weight must be at least 0"):
        est.check_grad(X, y, -np.ones(len(X)))
    X, Y, est = smooth("numbers")
    with pytest.raises(ValueError, match="y has 1 outputs, but the fit has 3"):
        est.check_grad(X, Y[:, 0])
    est = fitted(small("MLPRegressor", loss="poisson"), X, np.abs(Y))
    with pytest.raises(ValueError, match="poisson"):
        est.check_grad(X, -np.abs(Y))


def test_scikit_learn_has_no_such_methods():
    # a name of theirs would have to mean the same
    for name in ("decision_gradient", "check_grad"):
        assert not hasattr(theirs.MLPClassifier, name)
