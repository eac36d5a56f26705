"""The estimators beside scikit-learn's: examples, pairs of both, and what must be the same."""

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
DTYPES = ["float32", "float64"]
TOLERANCE = {"float64": 1e-6, "float32": 1e-3}


def quietly(function, *arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments, **options)


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
        if MODERN:  # older versions cannot stop early where labels are strings
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
    # Where a prediction p saturates, scikit-learn takes log(1 - p) of a rounded p. Its loss then
    # has half the digits, and the line search goes elsewhere: alpha keeps p from 1.
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


def small(name="MLPClassifier", **options):
    """Make an estimator of ours that is fitted quickly."""
    defaults = {"hidden_layer_sizes": (12, 7), "random_state": 3, "max_iter": 15, "tol": 0}
    return getattr(ours, name)(**defaults | options)


def fitted(est, X, y, *arguments, **options):
    """Fit without the warning that it has not converged."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return est.fit(X, y, *arguments, **options)


KINDS = ["binary", "multiclass", "multilabel", "number", "numbers"]


def data(kind, dtype="float64", m=90):
    random = np.random.default_rng(5)
    X = random.normal(size=(m, 6)).astype(dtype)
    Z = X @ random.normal(size=(6, 3)) + random.normal(size=(m, 3)) / 2
    return X, {
        "binary": np.array(["no", "yes"])[(Z[:, 0] > 0).astype(int)],
        "multiclass": np.array([3, 5, 9])[Z.argmax(axis=1)],
        "multilabel": (Z > 0).astype(int),
        "number": Z[:, 0].astype(dtype),
        "numbers": Z.astype(dtype),
    }[kind]


def named(kind):
    return "MLPRegressor" if kind.startswith("number") else "MLPClassifier"


def make(module, kind, **options):
    defaults = {"hidden_layer_sizes": (7, 4), "random_state": 1, "max_iter": 4, "batch_size": 30}
    return getattr(module, named(kind))(**defaults | options)


def both(kind, dtype="float64", **options):
    X, y = data(kind, dtype)
    return X, y, *(quietly(make(module, kind, **options).fit, X, y) for module in (ours, theirs))


def assert_alike(one, other, X, y, tolerance=1e-9):
    names = ["predict"] + ["predict_proba"] * hasattr(other, "predict_proba")
    for name in names:
        a, b = (getattr(est, name)(X) for est in (one, other))
        if a.dtype.kind == "f":
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
        else:
            np.testing.assert_array_equal(a, b)
    assert one.score(X, y) == pytest.approx(other.score(X, y), abs=tolerance)
