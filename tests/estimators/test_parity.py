"""The same numbers as scikit-learn's, whatever the parameters."""

import warnings

import numpy as np
import pytest
from perceptrons import (
    SOLVERS,
    TOLERANCE,
    assert_same,
    classes,
    fitted,
    name_of,
    needs_modern,
    numbers,
    ours,
    small,
    theirs,
)


@pytest.mark.grid
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
@pytest.mark.parametrize("options", SOLVERS, ids=name_of)
@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_relu_under_an_output_of_one(name, options, dtype):
    # what the engine takes together: 16 units or more, and more than 32 examples
    X, y = classes("binary", dtype) if name == "MLPClassifier" else numbers(1, dtype)
    epochs = 30 if dtype == "float64" else 10
    assert_same(name, X, y, epochs, hidden_layer_sizes=(7, 19), batch_size=45, **options)


@pytest.mark.grid
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
def test_sparse(batch_size, options, form):
    import scipy.sparse

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
def test_sparse_weights_lbfgs():
    import scipy.sparse

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


def test_more_layers_than_numpy_takes_arguments():
    X, y = classes("binary")
    assert_same("MLPClassifier", X, y, hidden_layer_sizes=(3,) * 40, max_iter=3)


@needs_modern
def test_odd_weights():
    X, y = classes("multiclass")
    fit = {"sample_weight": -np.ones(120)}
    assert_same("MLPClassifier", X, y, 5, fit, alpha=0)
    weights = np.ones(120)
    weights[:40] = 0
    X, y = numbers(1, positive=True)
    est = small("MLPRegressor", loss="poisson", batch_size=20, shuffle=False)
    assert np.isfinite(fitted(est, X, y, weights).loss_curve_).all()


def test_early_stopping_alone_does_nothing_under_lbfgs():
    assert_same("MLPClassifier", *classes("binary"), 20, solver="lbfgs", alpha=0.1)
    X, y = classes("binary")
    plain, early = (
        fitted(small(solver="lbfgs", early_stopping=stops), X, y) for stops in (False, True)
    )
    np.testing.assert_array_equal(early.coefs_[0], plain.coefs_[0])


def test_with_scikit_learn_s_tools():
    from sklearn.base import clone
    from sklearn.model_selection import GridSearchCV, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X, y = classes("binary")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scores = [
            GridSearchCV(
                make_pipeline(StandardScaler(), module.MLPClassifier(random_state=3, max_iter=20)),
                {"mlpclassifier__alpha": [0.1, 1]},
                cv=2,
                n_jobs=2,
            )
            .fit(X, y)
            .cv_results_["mean_test_score"]
            for module in (ours, theirs)
        ]
        np.testing.assert_array_equal(*scores)
        assert len(cross_val_predict(small(), X, y, cv=2)) == len(y)
    assert clone(small(dropout=0.3)).dropout == 0.3
    assert "MLPClassifier" in small()._repr_html_()
