"""The estimators beside scikit-learn's own."""

import itertools
import warnings

import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn")

import sklearn.neural_network as theirs  # noqa: E402
from sklearn.datasets import make_classification, make_multilabel_classification  # noqa: E402
from sklearn.utils.fixes import parse_version  # noqa: E402

from fastdnn import estimators as ours  # noqa: E402

MODERN = parse_version(sklearn.__version__) >= parse_version("1.7")
needs_modern = pytest.mark.skipif(not MODERN, reason="this scikit-learn has no such parameter")
TOLERANCE = {"float64": 1e-6, "float32": 1e-3}


def classes(kind, dtype="float64", m=120):
    """Make examples of two or more classes, or of several labels."""
    if kind == "multilabel":
        X, y = make_multilabel_classification(m, n_features=8, n_classes=3, random_state=0)
        X = X / 10
    else:
        n_classes = {"binary": 2, "multiclass": 3}[kind]
        X, y = make_classification(
            m, 8, n_informative=5, n_classes=n_classes, random_state=0, flip_y=0.2
        )
        if MODERN:  # older ones cannot stop early where labels are strings
            y = np.array(["a", "b", "c"])[y]
    return X.astype(dtype), y


def numbers(outputs, dtype="float64", m=120, positive=False):
    """Make examples with one or several targets."""
    random = np.random.default_rng(0)
    X = random.normal(size=(m, 8))
    Y = np.tanh(X @ random.normal(size=(8, outputs))) + 0.1 * random.normal(size=(m, outputs))
    if positive:
        Y = random.poisson(np.exp(Y)).astype(float)
    return X.astype(dtype), (Y[:, 0] if outputs == 1 else Y).astype(dtype)


def assert_same(name, X, y, epochs=30, fit=None, **options):
    """Fit both classes and compare everything that the user sees."""
    options = {"random_state": 3, "hidden_layer_sizes": (12, 7), "max_iter": epochs} | options
    found = []
    for module in (ours, theirs):
        est = getattr(module, name)(**options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            est.fit(X, y, **(fit or {}))
        found.append(est)
    est, ref = found
    tolerance = TOLERANCE[str(X.dtype)]
    alike = {"rtol": tolerance, "atol": tolerance}
    assert est.n_iter_ == ref.n_iter_
    for a, b in zip(est.coefs_ + est.intercepts_, ref.coefs_ + ref.intercepts_, strict=True):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, **alike)
    np.testing.assert_allclose(est.loss_, ref.loss_, **alike)
    if options.get("solver") != "lbfgs":
        np.testing.assert_allclose(est.loss_curve_, ref.loss_curve_, **alike)
        assert est.t_ == ref.t_
        if options.get("early_stopping"):
            np.testing.assert_allclose(est.validation_scores_, ref.validation_scores_, **alike)
            assert est.best_loss_ is None
        else:
            np.testing.assert_allclose(est.best_loss_, ref.best_loss_, **alike)
            assert est.validation_scores_ is None
    if name == "MLPClassifier":
        np.testing.assert_allclose(est.predict_proba(X), ref.predict_proba(X), **alike)
        np.testing.assert_array_equal(est.predict(X), ref.predict(X))
    else:
        np.testing.assert_allclose(est.predict(X), ref.predict(X), **alike)
    assert est.predict(X).dtype == ref.predict(X).dtype
    assert est.out_activation_ == ref.out_activation_
    assert est.n_layers_ == ref.n_layers_
    assert est.n_outputs_ == ref.n_outputs_
    return est, ref


SOLVERS = [
    {"solver": "adam"},
    # Where a prediction saturates, scikit-learn takes log(1 - p) of a p that is rounded. Its loss
    # then has half the digits, by which the line search goes elsewhere: alpha keeps p from 1.
    {"solver": "lbfgs", "alpha": 0.1},
    *(
        {
            "solver": "sgd", "learning_rate": rate, "momentum": momentum,
            "nesterovs_momentum": nesterov, "learning_rate_init": 0.05,
        }
        for rate, (momentum, nesterov) in itertools.product(
            ("constant", "invscaling", "adaptive"), ((0, True), (0.9, False), (0.9, True))
        )
    ),
]  # fmt: skip


def name_of(options):
    return "-".join(str(value) for value in options.values())


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("options", SOLVERS, ids=name_of)
@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
def test_classifier_grid(kind, options, activation, early_stopping, dtype):
    if early_stopping and options["solver"] == "lbfgs":
        pytest.skip("scikit-learn's lbfgs does not stop early")
    X, y = classes(kind, dtype)
    epochs = 30 if dtype == "float64" else 10
    assert_same(
        "MLPClassifier", X, y, epochs, activation=activation, early_stopping=early_stopping,
        batch_size=32, **options,
    )  # fmt: skip


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("options", SOLVERS, ids=name_of)
@pytest.mark.parametrize("outputs", [1, 3])
def test_regressor_grid(outputs, options, activation, early_stopping, dtype):
    if early_stopping and options["solver"] == "lbfgs":
        pytest.skip("scikit-learn's lbfgs does not stop early")
    X, y = numbers(outputs, dtype)
    epochs = 30 if dtype == "float64" else 10
    assert_same(
        "MLPRegressor", X, y, epochs, activation=activation, early_stopping=early_stopping,
        batch_size=32, **options,
    )  # fmt: skip


@needs_modern
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("options", SOLVERS, ids=name_of)
@pytest.mark.parametrize("early_stopping", [False, True])
def test_sample_weight(early_stopping, options, dtype):
    if early_stopping and options["solver"] == "lbfgs":
        pytest.skip("scikit-learn's lbfgs does not stop early")
    epochs = 30 if dtype == "float64" else 10
    weights = np.random.default_rng(1).uniform(0.1, 2, size=120)
    options = options | {"early_stopping": early_stopping, "batch_size": 32}
    fit = {"sample_weight": weights}
    assert_same("MLPClassifier", *classes("multiclass", dtype), epochs, fit, **options)
    assert_same("MLPRegressor", *numbers(2, dtype), epochs, fit, **options)


@needs_modern
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("options", SOLVERS[:4], ids=name_of)
def test_poisson(options, outputs, weighted, dtype):
    options = options | ({"learning_rate_init": 0.001} if options["solver"] == "sgd" else {})
    fit = {"sample_weight": np.random.default_rng(1).uniform(0.1, 2, size=120)} if weighted else {}
    X, y = numbers(outputs, dtype, positive=True)
    epochs = 30 if dtype == "float64" else 10
    assert_same("MLPRegressor", X, y, epochs, fit, loss="poisson", batch_size=32, **options)


@pytest.mark.parametrize("form", ["csr_matrix", "csc_array"])
@pytest.mark.parametrize("options", SOLVERS[:4], ids=name_of)
@pytest.mark.parametrize("batch_size", [32, 120])
def test_sparse(batch_size, options, form, monkeypatch):
    import scipy.sparse

    monkeypatch.setattr("fastdnn._runs.DENSE", 70)
    X, y = classes("multiclass")
    X[np.abs(X) < 1] = 0
    options = options | {"batch_size": batch_size}
    est, _ = assert_same("MLPClassifier", getattr(scipy.sparse, form)(X), y, **options)
    dense = ours.MLPClassifier(random_state=3, hidden_layer_sizes=(12, 7), max_iter=30, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dense.fit(X, y)
    np.testing.assert_allclose(est.coefs_[0], dense.coefs_[0], rtol=1e-7, atol=1e-7)


@needs_modern
def test_sparse_weights_lbfgs(monkeypatch):
    import scipy.sparse

    monkeypatch.setattr("fastdnn._runs.DENSE", 50)
    X, y = numbers(2, positive=True)
    fit = {"sample_weight": np.random.default_rng(1).uniform(0.1, 2, size=120)}
    X = scipy.sparse.csr_matrix(X)
    assert_same("MLPRegressor", X, y, 20, fit, loss="poisson", solver="lbfgs", alpha=0.1)


@pytest.mark.parametrize("options", SOLVERS[:1] + SOLVERS[2:], ids=name_of)
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_partial_fit(dtype, options):
    X, y = classes("multiclass", dtype)
    parts = np.array_split(np.arange(120), 3)
    found = [
        module.MLPClassifier(random_state=3, hidden_layer_sizes=(12, 7), batch_size=16, **options)
        for module in (ours, theirs)
    ]
    for _ in range(4):
        for rows in parts:
            for est in found:
                est.partial_fit(X[rows], y[rows], classes=np.unique(y))
    est, ref = found
    tolerance = TOLERANCE[dtype]
    np.testing.assert_allclose(est.loss_curve_, ref.loss_curve_, rtol=tolerance)
    for a, b in zip(est.coefs_, ref.coefs_, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
    assert est.n_iter_ == ref.n_iter_
    assert est.t_ == ref.t_


@pytest.mark.parametrize("cls", ["MLPClassifier", "MLPRegressor"])
def test_check_estimator(cls):
    from sklearn.utils.estimator_checks import check_estimator

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_estimator(getattr(ours, cls)(max_iter=100))
