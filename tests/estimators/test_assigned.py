"""Weights that were assigned are those that predict and go on."""

import itertools
import pickle
import re

import numpy as np
import pytest
from perceptrons import (
    KINDS,
    assert_alike,
    both,
    data,
    fitted,
    make,
    numbers,
    ours,
    quietly,
    small,
    theirs,
)


def test_assigned_weights_are_those_that_predict():
    X, y = numbers(1)
    est = fitted(small("MLPRegressor"), X, y)
    before = est.predict(X)
    est.coefs_[0][...] = 0
    assert not np.allclose(est.predict(X), before)
    est.coefs_ = [np.zeros_like(W) for W in est.coefs_]
    est.intercepts_[-1] = np.array([5.0])
    np.testing.assert_array_equal(est.predict(X), 5.0)


@pytest.mark.parametrize("dtype", ["float16", "float32", ">f8", "longdouble", "int64"])
def test_assigned_weights_of_any_type(dtype):
    X, y = numbers(1)
    one, other = (
        fitted(module.MLPRegressor(hidden_layer_sizes=9, random_state=0, max_iter=5), X, y)
        for module in (ours, theirs)
    )
    one.coefs_ = [(5 * W).astype(dtype) for W in one.coefs_]
    # in float64, the type of the biases, in which ours computes
    other.coefs_ = [W.astype(float) for W in one.coefs_]
    np.testing.assert_allclose(one.predict(X), other.predict(X), rtol=1e-9)
    assert one.coefs_[0].dtype == dtype
    # the optimiser goes on
    predictions = [est.partial_fit(X, y).predict(X) for est in (one, other)]
    np.testing.assert_allclose(*predictions, rtol=1e-9)
    assert one.coefs_[0].dtype == "float64"


def test_predictions_leave_assigned_weights_where_they_are():
    X, y = numbers(1)
    est = fitted(small("MLPRegressor"), X, y)
    W = np.zeros_like(est.coefs_[-1])
    est.coefs_[-1] = W
    np.testing.assert_array_equal(est.predict(X), est.intercepts_[-1][0])
    assert est.coefs_[-1] is W
    W[...] = 1
    assert len(np.unique(est.predict(X))) > 1


@pytest.mark.parametrize("method", ["predict", "score", "partial_fit", "fit"])
@pytest.mark.parametrize(
    ("name", "at", "shape", "says"),
    [
        ("coefs_", 1, (4, 7), "coefs_[1] has shape (4, 7), but coefs_[0] (6, 7)"),
        ("coefs_", 0, (6, 8), "intercepts_[0] has shape (7,), but coefs_[0] (6, 8)"),
        ("coefs_", 2, (4,), "coefs_[2] must have shape (n_prev, n), got (4,)"),
        ("coefs_", 1, (7, 5), "intercepts_[1] has shape (4,), but coefs_[1] (7, 5)"),
        ("coefs_", 0, (6, 0), "coefs_[0] must have shape (n_prev, n), got (6, 0)"),
        ("intercepts_", 0, (1, 8), "intercepts_[0] has shape (1, 8), but coefs_[0] (6, 7)"),
        ("intercepts_", 1, (4, 1), "intercepts_[1] has shape (4, 1), but coefs_[1] (7, 4)"),
        ("intercepts_", 2, (1, 1, 3), "intercepts_[2] has shape (1, 1, 3)"),
    ],
)
def test_weights_that_do_not_fit_each_other_are_named(name, at, shape, says, method):
    X, y = data("multiclass")
    est = quietly(make(ours, "multiclass", warm_start=True).fit, X, y)
    getattr(est, name)[at] = np.zeros(shape)
    with pytest.raises(ValueError, match=re.escape(says)):
        getattr(est, method)(*((X,) if method == "predict" else (X, y)))


def test_lists_of_other_lengths_and_types_are_named():
    X, y = data("number")
    est = quietly(make(ours, "number").fit, X, y)
    kept = est.coefs_[-1]
    est.coefs_ = est.coefs_[:-1]
    with pytest.raises(ValueError, match="coefs_ holds 2 arrays, and intercepts_ 3"):
        est.predict(X)
    est.coefs_ = [*est.coefs_, kept.astype(complex)]
    with pytest.raises(TypeError, match=r"coefs_\[2\] must hold real numbers"):
        est.predict(X)
    est.coefs_ = [est.coefs_[0][1:], *est.coefs_[1:2], kept]
    with pytest.raises(ValueError, match=r"X has 6 features, but coefs_\[0\] has 5 rows"):
        est.predict(X)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("hidden", [(), (5,), (3, 8, 2), (2,) * 6], ids=str)
@pytest.mark.parametrize("told", [True, False])
def test_a_chain_of_any_depth_predicts(told, hidden, kind):
    X, y, one, other = both(kind, activation="tanh")
    random = np.random.default_rng(0)
    dims = [6, *hidden, other.n_outputs_]
    coefs = [random.normal(size=shape) for shape in itertools.pairwise(dims)]
    intercepts = [random.normal(size=n) for n in dims[1:]]
    for est in (one, other):
        est.coefs_, est.intercepts_ = list(coefs), list(intercepts)
    other.n_layers_ = len(dims)
    if told:
        one.n_layers_ = len(dims)
    assert_alike(one, other, X, y)
    assert_alike(pickle.loads(pickle.dumps(one)), other, X, y)
    assert one.network_.layer_dims == tuple(dims)
    one.partial_fit(X, y)
    assert [W.shape for W in one.coefs_] == [W.shape for W in coefs]
    assert one.n_layers_ == len(dims)


def test_fewer_layers_by_n_layers_as_in_scikit_learn():
    X, _, one, other = both("numbers")
    for est in (one, other):
        est.n_layers_, est.out_activation_ = 2, "relu"
    np.testing.assert_allclose(one.predict(X), other.predict(X), rtol=1e-12)
    assert one.predict(X).shape == (90, 7)


@pytest.mark.parametrize("shape", [(), (1,), (1, 1), (1, 4), (4,)], ids=str)
def test_intercepts_that_scikit_learn_would_add(shape):
    X, y, one, other = both("binary")
    for est in (one, other):
        est.intercepts_[1] = np.full(shape, 0.3)
    assert_alike(one, other, X, y)
    assert np.isfinite(one.partial_fit(X, y).loss_)
    assert one.intercepts_[1].shape == (4,)


def test_weights_of_other_kinds_of_arrays():
    import scipy.sparse

    X, y, one, other = both("number")
    for est in (one, other):
        est.coefs_[0] = scipy.sparse.csr_matrix(np.where(est.coefs_[0] > 0.2, est.coefs_[0], 0))
        est.coefs_[1] = np.asfortranarray(est.coefs_[1])[:, ::-1]
    assert_alike(one, other, X, y)
    one.coefs_[0] = one.coefs_[0].toarray().tolist()
    assert_alike(one, other, X, y)


@pytest.mark.parametrize("activation", ["logistic", "identity"])
def test_another_activation_is_heard_as_in_scikit_learn(activation):
    X, y, one, other = both("multiclass")
    for est in (one, other):
        est.predict(X)
        est.set_params(activation=activation)
    assert_alike(one, other, X, y)


@pytest.mark.filterwarnings("ignore:Creating an ndarray from ragged")  # of NumPy before 1.24
def test_weights_that_are_none():
    X, y = np.random.default_rng(0).normal(size=(30, 5)), np.arange(30) % 3
    model = quietly(ours.MLPClassifier((6, 4), max_iter=3, random_state=1).fit, X, y)
    good = model.coefs_[1]
    for bad in ([[1], [1, 2]], np.ma.masked_array(good, True)):
        model.coefs_[1] = bad
        with pytest.raises((TypeError, ValueError), match=r"coefs_\[1\]"):
            model.predict(X)
    model.coefs_[1] = good
    with pytest.raises(TypeError, match="X must hold real numbers|datetime"):
        model.predict(X.astype("M8[s]"))
