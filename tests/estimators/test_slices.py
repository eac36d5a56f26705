"""The estimators give the same bits at any number of threads."""

import warnings

import numpy as np
import pytest
from scipy import sparse

from fastdnn.estimators import MLPClassifier, MLPRegressor

SETTINGS = {
    "adam": {},
    "sgd": {"solver": "sgd", "learning_rate": "adaptive", "batch_size": 70},
    "lbfgs": {"solver": "lbfgs"},
    "stopped": {"early_stopping": True, "batch_size": 100},
    "dropout": {"dropout": 0.2, "clip_norm": 0.5},
}


def left_by(model, X, y):
    """Gather what a fit leaves behind."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has not converged
        model.fit(X, y)
    arrays = [*model.coefs_, *model.intercepts_, model.loss_, model.predict(X)]
    arrays += [getattr(model, "loss_curve_", []), getattr(model, "validation_scores_", None) or []]
    return np.concatenate([np.ravel(array) for array in arrays])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("options", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_fits(kind, options, dtype):
    X = np.random.default_rng(0).normal(size=(430, 30)).astype(dtype)
    y = (X[:, 0] + X[:, 1] > 0).astype(int) if kind is MLPClassifier else X[:, :2].sum(axis=1)
    for examples in (X, sparse.csr_matrix(X * (X > 1.5))):
        one, *others = (
            left_by(
                kind(
                    hidden_layer_sizes=(40, 20), max_iter=4, random_state=0, n_threads=n, **options
                ),
                examples,
                y,
            )
            for n in (1, 2, 5)
        )
        for other in others:
            np.testing.assert_array_equal(other, one)


def test_partial_fits():
    X = np.random.default_rng(0).normal(size=(430, 30))
    found = []
    for n in (1, 2, 5):
        model = MLPClassifier(hidden_layer_sizes=(40,), random_state=0, n_threads=n)
        for _ in range(3):
            model.partial_fit(X, X[:, 0] > 0, classes=[False, True])
        found.append(model.predict_proba(X))
    np.testing.assert_array_equal(found[1], found[0])
    np.testing.assert_array_equal(found[2], found[0])
