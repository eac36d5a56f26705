"""The output's activation is heard, and logarithms of probabilities that underflow."""

import pickle

import numpy as np
import pytest
from perceptrons import (
    DTYPES,
    KINDS,
    assert_alike,
    both,
    data,
    ours,
    quietly,
)


@pytest.mark.parametrize("out", ["identity", "logistic", "relu", "tanh", "softmax"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_output_s_activation_is_heard(kind, dtype, out):
    X, y, one, other = both(kind, dtype)
    for est in (one, other):
        est.predict(X)
        est.out_activation_ = out
    assert_alike(one, other, X, y, {"float32": 1e-4, "float64": 1e-9}[dtype])
    assert_alike(pickle.loads(pickle.dumps(one)), one, X, y)
    if out in ("relu", "tanh"):
        with pytest.raises(ValueError, match=f"no out_activation_ '{out}'"):
            _ = one.network_
    elif one.n_outputs_ > 1 or out != "softmax":
        np.testing.assert_allclose(
            one.network_.predict(X).reshape(len(X), -1),
            one._forward_pass_fast(X),
            rtol=1e-6,
        )


def test_an_unknown_output_s_activation():
    X, y, est, _ = both("binary")
    est.out_activation_ = "gelu"
    with pytest.raises(ValueError, match="out_activation_ must be one of"):
        est.predict(X)
    with pytest.raises(ValueError, match="out_activation_ must be one of .* got 'gelu'"):
        est.to_sklearn()
    est.out_activation_ = "identity"
    with pytest.raises(ValueError, match="out_activation_ is 'identity': .* needs 'logistic'"):
        est.partial_fit(X, y)
    assert quietly(est.fit, X, y).out_activation_ == "logistic"


def test_one_class_against_the_others_goes_on_as_in_scikit_learn():
    X, y, one, other = both("multiclass")
    for est in (one, other):
        est.out_activation_ = "logistic"
        est.partial_fit(X, y)
    assert_alike(one, other, X, y)
    np.testing.assert_allclose(one.loss_curve_, other.loss_curve_, rtol=1e-9)


@pytest.mark.parametrize("name", [[], "gelu", 3, None])
def test_an_output_activation_that_is_none(name):
    X, y = np.random.default_rng(0).normal(size=(20, 3)), np.arange(20) % 2
    model = ours.MLPClassifier((4,), max_iter=9, warm_start=True, tol=9, n_iter_no_change=1)
    model.fit(X, y)
    model.out_activation_ = name
    for call in (model.predict, model.predict_proba, lambda X: model.network_, model.to_sklearn):
        with pytest.raises(ValueError, match="out_activation_"):
            call(X) if call != model.to_sklearn else call()
    with pytest.raises(ValueError, match="out_activation_"):
        model.fit(X, y)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
def test_the_logarithm_of_a_probability_that_underflows(kind, dtype):
    X, _, est, _ = both(kind, dtype)
    alike = est.predict_log_proba(X)
    assert alike.dtype == est.predict_proba(X).dtype
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(alike, np.log(est.predict_proba(X)), rtol=16 * eps, atol=16 * eps)
    est.coefs_[-1] = est.coefs_[-1] * 1e5
    found = est.predict_log_proba(X)
    assert found.shape == est.predict_proba(X).shape
    assert np.isfinite(found).all()
    assert (found <= 0).all()
    assert found.min() < -1000
    Z = np.maximum(X @ est.coefs_[0] + est.intercepts_[0], 0)
    Z = np.maximum(Z @ est.coefs_[1] + est.intercepts_[1], 0) @ est.coefs_[2] + est.intercepts_[2]
    Z = np.hstack([-Z, Z]) if kind == "binary" else Z
    others = np.logaddexp.reduce(Z, axis=1)[:, None] if kind == "multiclass" else np.logaddexp(0, Z)
    np.testing.assert_allclose(found, Z - others, rtol=0, atol=16 * eps * np.abs(Z).max())


def test_the_logarithm_of_what_a_subclass_says():
    class Even(ours.MLPClassifier):
        def predict_proba(self, X):
            return np.full((len(X), 2), 0.5)

    X, y = data("binary")
    est = quietly(Even(max_iter=1).fit, X, y)
    np.testing.assert_array_equal(est.predict_log_proba(X), np.log(0.5))
    est = quietly(ours.MLPClassifier(max_iter=1).fit, X, y)
    est.out_activation_ = "identity"
    with np.errstate(all="ignore"):
        logarithm = np.log(est.predict_proba(X))
    np.testing.assert_array_equal(quietly(est.predict_log_proba, X), logarithm)
