"""Estimators that go on: streams, warm starts with other parameters, several fits at once."""

import copy
import pickle
import subprocess
import sys
import threading
from itertools import product

import numpy as np
import pytest
from perceptrons import ours, quietly, sklearn
from sklearn.utils.class_weight import compute_sample_weight


def data(n_classes=2, dtype="float64", m=90):
    random = np.random.default_rng(4)
    X = random.normal(size=(m, 5)).astype(dtype)
    return X, (X @ random.normal(size=(5, n_classes))).argmax(axis=1)


def small(name="MLPClassifier", **options):
    defaults = {"hidden_layer_sizes": (6, 4), "random_state": 0, "max_iter": 3, "batch_size": 30}
    return getattr(ours, name)(**defaults | options)


# --------------------------------------------------------------------------------- class_weight


@pytest.mark.parametrize("weight", [{1: 5.0}, {0: 1.0, 1: 5.0, 2: 3.0}, {2: 0.5}])
def test_a_dict_names_classes_that_a_chunk_lacks(weight):
    X, y = data(3)
    est, same = small(class_weight=weight, batch_size="auto"), small(batch_size="auto")
    for rows in (y == 0, y == 1, y < 2, y >= 0):
        est.partial_fit(X[rows], y[rows], classes=[0, 1, 2])
        weights = np.array([weight.get(k, 1.0) for k in y[rows]])
        same.partial_fit(X[rows], y[rows], weights, classes=[0, 1, 2])
    np.testing.assert_array_equal(est.coefs_[0], same.coefs_[0])


def test_classes_of_other_types_and_several_labels_lack_some_too():
    X, y = data(3)
    names = np.array(["x", "y", "z"])
    auto = {"batch_size": "auto"}
    est, same = small(class_weight={"z": 4.0}, **auto), small(**auto)
    for rows in (y == 1, y == 2):
        est.partial_fit(X[rows], names[y[rows]], classes=names)
        same.partial_fit(X[rows], names[y[rows]], 1 + 3.0 * (y[rows] == 2), classes=names)
    np.testing.assert_array_equal(est.coefs_[0], same.coefs_[0])
    Y = np.stack([y == 0, y == 1], axis=1).astype(int)
    est, same = small(class_weight=[{1: 3.0}, {0: 2.0, 1: 1.0}], **auto), small(**auto)
    for rows in (y == 2, y == 0):
        weights = (1 + 2.0 * Y[rows, 0]) * (2.0 - Y[rows, 1])
        est.partial_fit(X[rows], Y[rows], classes=[0, 1])
        same.partial_fit(X[rows], Y[rows], weights, classes=[0, 1])
    np.testing.assert_array_equal(est.coefs_[0], same.coefs_[0])


@pytest.mark.parametrize("several", [False, True])
def test_balanced_is_refused_over_a_stream(several):
    X, y = data()
    Y = np.stack([y, 1 - y], axis=1) if several else y
    est = small(class_weight="balanced")
    with pytest.raises(ValueError, match="class_weight 'balanced' is not supported for partial_"):
        est.partial_fit(X, Y, classes=[0, 1])
    quietly(est.fit, X, Y)
    with pytest.raises(ValueError, match="use compute_class_weight"):
        est.partial_fit(X, Y)


class Lazy:
    """A column that is computed when it is asked for, as Dask's are."""

    def __init__(self, values, times):
        self.values, self.times, self.shape = values, times, values.shape
        self.dtype, self.ndim = values.dtype, values.ndim

    def __len__(self):
        return len(self.values)

    def __array__(self, dtype=None, copy=None):
        self.times.append(1)
        return np.array(self.values, dtype)

    def __getitem__(self, at):
        raise NotImplementedError("it is lazy")

    def __eq__(self, other):
        raise NotImplementedError("it is lazy")

    __hash__ = None


@pytest.mark.parametrize("weight", ["balanced", {0: 1.0, 1: 3.0}])
@pytest.mark.parametrize("validated", [False, True])
def test_targets_that_are_computed_when_asked_for(validated, weight):
    X, y = data()
    times = []
    est, same = (small(class_weight=weight) for _ in range(2))
    options = ({"y_val": Lazy(y, times), "X_val": X}, {"y_val": y, "X_val": X})
    quietly(est.fit, X, Lazy(y, times), **options[0] if validated else {})
    quietly(same.fit, X, y, **options[1] if validated else {})
    np.testing.assert_array_equal(est.coefs_[0], same.coefs_[0])
    np.testing.assert_array_equal(
        same.coefs_[0], quietly(small().fit, X, y, compute_sample_weight(weight, y)).coefs_[0]
    )
    assert 0 < len(times) < 15


# ---------------------------------------------------------------- warm starts with other parameters

CHANGES = [
    *({"solver": solver} for solver in ("adam", "sgd", "lbfgs")),
    *({"early_stopping": value} for value in (False, True)),
    *({"early_stopping": True, "scoring": value} for value in (None, "loss", "neg_log_loss")),
    {"solver": "sgd", "momentum": 0.0},
    {"solver": "sgd", "learning_rate": "adaptive"},
    {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.1},
    {"batch_size": 7, "shuffle": False},
    {"activation": ["tanh", "gelu"], "dropout": 0.2},
    {"n_iter_no_change": 1, "tol": 1.0},
]


@pytest.mark.parametrize("dtypes", [("float64", "float32"), ("float32", "float64")], ids=str)
@pytest.mark.parametrize("kind", ["binary", "multiclass", "number"])
def test_every_parameter_may_change_between_warm_fits(kind, dtypes):
    for i, (one, other) in enumerate(product(CHANGES, CHANGES)):
        if kind == "number" and "neg_log_loss" in (one.get("scoring"), other.get("scoring")):
            continue
        name = "MLPRegressor" if kind == "number" else "MLPClassifier"
        est = small(name, warm_start=True)
        start = est.get_params()
        for options, dtype in ((one, dtypes[0]), (other, dtypes[1]), (one, dtypes[0])):
            X, y = data(3 if kind == "multiclass" else 2, dtype)
            est.set_params(**start | {"warm_start": True, "max_iter": 2} | options)
            if est.dropout and est.solver == "lbfgs":
                continue
            quietly(est.fit, X, y if kind != "number" else X[:, 0])
            assert np.isfinite(est.loss_), (one, other)
            assert np.isfinite(est.predict(X)).all()
            assert (est.validation_scores_ is not None) == est.early_stopping
            if est.solver != "lbfgs":
                assert (est.best_loss_ is None) == est.early_stopping
                if est.early_stopping:
                    assert est.best_validation_score_ == max(est.validation_scores_)
            if i % 7 == 0:
                AL = est.network_.predict(X)
                np.testing.assert_allclose(AL, est._forward_pass_fast(X), rtol=1e-3, atol=1e-6)
                est = pickle.loads(pickle.dumps(est))


@pytest.mark.parametrize("sizes", [(6,), (6, 4, 3), (6, 5), 4, ()], ids=str)
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_warm_start_with_other_layers_names_the_parameter(solver, sizes):
    X, y = data()
    est = quietly(small(warm_start=True, solver=solver).fit, X, y)
    before = [W.copy() for W in est.coefs_]
    est.set_params(hidden_layer_sizes=sizes)
    with pytest.raises(ValueError, match=r"hidden_layer_sizes is .* hidden layers of \[6, 4\]"):
        est.fit(X, y)
    for a, b in zip(est.coefs_, before, strict=True):
        np.testing.assert_array_equal(a, b)
    assert est.network_.layer_dims == (5, 6, 4, 1)
    assert est.predict(X).shape == (90,)
    quietly(est.set_params(hidden_layer_sizes=[6, 4]).fit, X, y)
    quietly(est.set_params(hidden_layer_sizes=sizes, warm_start=False).fit, X, y)
    assert est.network_.layer_dims[1:-1] == tuple(np.atleast_1d(sizes).astype(int))


def test_activations_for_another_number_of_layers():
    X, y = data()
    est = quietly(small(warm_start=True, activation=["tanh", "relu"]).fit, X, y)
    est.set_params(activation=["tanh"])
    with pytest.raises(ValueError, match="activation must be one name, or one for each of 2"):
        est.fit(X, y)
    quietly(est.set_params(activation=["tanh", "gelu"]).fit, X, y)
    assert np.isfinite(est.network_.predict(X)).all()


def test_a_warm_start_that_finds_nothing_better_keeps_what_it_had():
    X, y = data()
    scores = iter([0.5, 0.9, 0.1, 0.2, 0.3])
    est = small(warm_start=True, early_stopping=True, max_iter=2)
    est.set_params(scoring=lambda est, X, y: next(scores))
    before = quietly(est.fit, X, y).coefs_[0].copy()
    quietly(est.set_params(max_iter=3).fit, X, y)
    np.testing.assert_array_equal(est.coefs_[0], before)
    assert est.best_validation_score_ == 0.9
    assert len(est.validation_scores_) == 5


# ----------------------------------------------------------------------------- several fits at once


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_scorer_that_fits_again_is_told(method, dropout):
    X, y = data()

    def again(est, X, y):
        getattr(est, method)(X, y)
        return 1.0

    est = small(scoring=again, early_stopping=method == "fit", dropout=dropout)
    if method == "partial_fit":
        est.set_params(early_stopping=True)
    with pytest.raises((RuntimeError, ValueError), match="being fitted"):
        quietly(est.fit, X, y)
    assert np.isfinite(est.predict_proba(X)).all()
    quietly(est.set_params(scoring=None, early_stopping=False).fit, X, y)
    same = quietly(small(dropout=dropout).fit, X, y)
    np.testing.assert_array_equal(est.coefs_[0], same.coefs_[0])


def test_a_copy_may_be_fitted_meanwhile():
    X, y = data()

    def scoring(est, X, y):
        for other in (sklearn.base.clone(est), copy.deepcopy(est), pickle.loads(pickle.dumps(est))):
            quietly(other.set_params(early_stopping=False, scoring=None).fit, X, y)
        return 1.0

    globals()["scoring"], scoring.__qualname__ = scoring, "scoring"  # by name, for pickle
    try:
        est = small(scoring=scoring, early_stopping=True)
        assert quietly(est.fit, X, y).n_iter_ == 3
    finally:
        del globals()["scoring"]


def test_six_threads_fit_one_estimator():
    code = """
import threading, warnings
import numpy as np
from fastdnn.estimators import MLPClassifier
warnings.simplefilter("ignore")
X = np.random.default_rng(0).normal(size=(400, 6)); y = (X[:, 0] > 0).astype(int)
est = MLPClassifier((9, 7), max_iter=40, dropout=0.2, random_state=0, tol=0)
errors, fitted, barrier = [], [], threading.Barrier(6)
def fit():
    barrier.wait()
    for _ in range(5):
        try:
            fitted.append(est.fit(X, y))
        except RuntimeError as error:
            errors.append(str(error))
threads = [threading.Thread(target=fit) for _ in range(6)]
for t in threads: t.start()
for t in threads: t.join()
assert fitted and len(fitted) + len(errors) == 30
assert all("being fitted" in error for error in errors), errors
one = MLPClassifier((9, 7), max_iter=40, dropout=0.2, random_state=0, tol=0).fit(X, y)
est.fit(X, y)
assert all(np.array_equal(a, b) for a, b in zip(est.coefs_, one.coefs_))
print("sound")
"""
    run = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert run.stdout.strip() == "sound", run.stderr


def test_an_interrupt_at_any_moment_leaves_the_estimator_free():
    X, y = data(m=30)
    est = small(max_iter=1, hidden_layer_sizes=(2,))
    quietly(est.fit, X, y)
    # as if Ctrl-C came at the n-th line of the package that runs
    for n in range(0, 200, 3):
        left = [n]

        def trace(frame, event, argument, left=left):
            if "fastdnn" not in frame.f_code.co_filename:
                return None
            left[0] -= 1
            if left[0] < 0 and event == "line":
                sys.settrace(None)
                raise KeyboardInterrupt
            return trace

        old = sys.gettrace()
        try:
            sys.settrace(trace)
            quietly(est.fit, X, y)
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(old)
        assert not hasattr(est, "_owner"), n
    assert threading.active_count() < 50
    quietly(est.fit, X, y)


@pytest.mark.parametrize("weight", [np.nan, None, np.inf])
def test_class_weights_that_are_not_finite(weight):
    X, y = np.random.default_rng(0).normal(size=(30, 5)), np.arange(30) % 3
    with pytest.raises(ValueError, match="class_weight must hold finite numbers"):
        ours.MLPClassifier((4,), class_weight={2: weight}).fit(X, y)


def test_balanced_among_the_weights_of_several_labels_is_refused_in_a_stream():
    X = np.random.default_rng(0).normal(size=(30, 5))
    Y = (X[:, :3] > 0).astype(int)
    weights = [{0: 1, 1: 2}, "balanced", {0: 1, 1: 1}]
    with pytest.raises(ValueError, match="'balanced' is not supported for partial_fit"):
        ours.MLPClassifier((4,), class_weight=weights).partial_fit(X, Y, classes=[0, 1, 2])
