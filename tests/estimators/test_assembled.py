"""Models assembled from weights, classes and scikit-learn's attributes."""

import copy

import numpy as np
import pytest
from perceptrons import (
    DTYPES,
    KINDS,
    assert_alike,
    both,
    data,
    make,
    named,
    ours,
    quietly,
    theirs,
)
from sklearn.preprocessing import LabelBinarizer


def assembled(module, kind, source, **options):
    est = make(module, kind, **options)
    est.coefs_ = [W.copy() for W in source.coefs_]
    est.intercepts_ = [b.copy() for b in source.intercepts_]
    for name in ("n_layers_", "n_outputs_", "out_activation_"):
        setattr(est, name, getattr(source, name))
    if "Classifier" in named(kind):
        est.classes_ = source.classes_
        est._label_binarizer = LabelBinarizer().fit(data(kind)[1])
    return est


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_model_assembled_by_hand(kind, dtype):
    X, y, _, fitted = both(kind, dtype)
    tolerance = {"float32": 1e-4, "float64": 1e-9}[dtype]
    one, other = (assembled(module, kind, fitted) for module in (ours, theirs))
    assert_alike(one, other, X, y, tolerance)
    # scikit-learn needs these attributes, ours makes them
    other.t_, other.loss_curve_, other.best_loss_, other._no_improvement_count = 0, [], np.inf, 0
    for _ in range(3):
        one.partial_fit(X, y)
        other.partial_fit(X, y)
    assert_alike(one, other, X, y, tolerance)
    np.testing.assert_allclose(one.loss_curve_, other.loss_curve_, rtol=tolerance)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("hidden", [(7, 4), (100,), 100], ids=str)
def test_a_warm_fit_of_an_assembled_model(hidden, solver):
    X, y, fitted, _ = both("multiclass")
    # it goes on from the weights, whatever hidden_layer_sizes says
    est = assembled(ours, "multiclass", fitted, warm_start=True, hidden_layer_sizes=hidden)
    est.set_params(solver=solver, learning_rate_init=1e-9, max_iter=1, max_fun=1)
    quietly(est.fit, X, y)
    assert [W.shape for W in est.coefs_] == [(6, 7), (7, 4), (4, 3)]
    if solver != "lbfgs":
        np.testing.assert_allclose(est.predict_proba(X), fitted.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_and_classes_are_enough(kind):
    X, y, fitted, _ = both(kind)
    est = make(ours, kind)
    est.coefs_, est.intercepts_ = list(fitted.coefs_), list(fitted.intercepts_)
    if "Classifier" in named(kind):
        est.classes_ = list(fitted.classes_)
        if kind == "multilabel":
            est.out_activation_ = "logistic"
    assert_alike(est, fitted, X, y)
    est.partial_fit(X, y)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_attributes_of_scikit_learn_s_model(kind, dtype, solver):
    tolerance = {"float32": 1e-4, "float64": 1e-9}[dtype]
    X, y, _, other = both(kind, dtype, solver=solver)
    one = getattr(ours, named(kind))()
    one.__dict__.update(copy.deepcopy(other.__dict__))
    assert_alike(one, other, X, y, tolerance)
    for _ in range(3):  # the moments go on
        one.partial_fit(X, y)
        other.partial_fit(X, y)
    assert_alike(one, other, X, y, tolerance)
    np.testing.assert_allclose(one.loss_curve_, other.loss_curve_, rtol=10 * tolerance)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_warm_fit_of_scikit_learn_s_attributes(kind, solver):
    X, y, _, other = both(kind, solver=solver, warm_start=True, alpha=0.1)
    one = getattr(ours, named(kind))()
    one.__dict__.update(copy.deepcopy(other.__dict__))
    for est in (one, other):  # the moments begin anew, as in scikit-learn
        quietly(est.fit, X, y)
    assert_alike(one, other, X, y, 1e-6)


@pytest.mark.parametrize("fitted", [False, True])
def test_attributes_over_another_fit(fitted):
    X, y, _, other = both("multiclass")
    one = make(ours, "binary", hidden_layer_sizes=(3, 3, 3))
    if fitted:
        quietly(one.fit, *data("binary"))
    one.__dict__.update(copy.deepcopy(other.__dict__))
    assert_alike(one, other, X, y)
    assert_alike(one.partial_fit(X, y), other.partial_fit(X, y), X, y)


def two_outputs(cls):
    """Assemble two classes with an output each, as networks trained elsewhere have them."""
    random = np.random.default_rng(0)
    model = cls(hidden_layer_sizes=(4,))
    model.coefs_ = [random.normal(size=(5, 4)), random.normal(size=(4, 2))]
    model.intercepts_ = [np.zeros(4), np.zeros(2)]
    model.n_layers_, model.n_outputs_, model.out_activation_ = 3, 2, "softmax"
    model.classes_ = np.array([0, 1])
    model._label_binarizer = LabelBinarizer().fit([0, 1])
    return model


def test_two_classes_with_an_output_each():
    X = np.random.default_rng(1).normal(size=(60, 5))
    one, other = two_outputs(ours.MLPClassifier), two_outputs(theirs.MLPClassifier)
    expected = other.predict(X)
    assert 0 < expected.mean() < 1
    for model in (one, ours.MLPClassifier.from_sklearn(other), one.to_sklearn()):
        np.testing.assert_array_equal(model.predict(X), expected)
        np.testing.assert_allclose(model.predict_proba(X), other.predict_proba(X), atol=1e-12)
    least = ours.MLPClassifier(hidden_layer_sizes=(4,))
    least.coefs_, least.intercepts_ = one.coefs_, one.intercepts_
    least.classes_ = np.array([0, 1])
    np.testing.assert_array_equal(least.predict(X), expected)
    np.testing.assert_allclose(least.predict_proba(X).sum(axis=1), 1)


@pytest.mark.parametrize("labels", [(-1, 1), (0, 5), (-2, 0)])
@pytest.mark.parametrize("name", ["tanh", "identity", "logistic"])
def test_the_threshold_between_assigned_labels(labels, name):
    random = np.random.default_rng(0)
    X = random.normal(size=(60, 5))
    y = np.array(["no", "yes"])[(X[:, 0] > 0).astype(int)]
    answers = []
    for cls in (ours.MLPClassifier, theirs.MLPClassifier):
        model = quietly(cls((4,), max_iter=5, random_state=0).fit, X, y)
        model._label_binarizer = LabelBinarizer(neg_label=labels[0], pos_label=labels[1]).fit(y)
        model.out_activation_ = name
        answers.append(model.predict(X))
    np.testing.assert_array_equal(*answers)


def test_more_outputs_than_classes():
    X = np.random.default_rng(0).normal(size=(60, 5))
    for y, n in ((np.arange(60) % 3, 5), (np.arange(60) % 2, 3)):
        answers = []
        for cls in (ours.MLPClassifier, theirs.MLPClassifier):
            model = quietly(cls((6,), max_iter=3, random_state=0).fit, X, y)
            model.coefs_[-1], model.intercepts_[-1] = np.ones((6, n)), np.arange(float(n))
            model.n_outputs_ = n
            try:
                answers.append(model.predict(X).tolist())
            except ValueError as error:
                answers.append(str(error))
        assert answers[0] == answers[1]
