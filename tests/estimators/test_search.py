"""Searches in threads, beside scikit-learn's own: the same results, whatever is asked of them."""

import pickle
import sys
import threading
import warnings

import numpy as np
import pytest
import sklearn.model_selection as theirs
from perceptrons import KINDS, data, make, ours, quietly
from processes import run_apart
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

GRID = {"hidden_layer_sizes": [(3,), (5, 2)], "solver": ["adam", "sgd", "lbfgs"]}


def searched(module, est, grid, X, y, name="GridSearchCV", fit=None, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(module, name)(est, grid, **{"cv": 3} | options).fit(X, y, **fit or {})


def assert_same_results(ours_, theirs_):
    assert list(ours_.cv_results_) == list(theirs_.cv_results_)
    for key, values in theirs_.cv_results_.items():
        got = ours_.cv_results_[key]
        if key == "params":
            assert got == values
        elif key.endswith("_time"):
            assert (np.asarray(got) >= 0).all()
            assert np.asarray(got).shape == np.asarray(values).shape
        else:
            np.testing.assert_array_equal(got, values, err_msg=key)
            assert got.dtype == values.dtype
    for name in ("best_index_", "best_score_", "best_params_", "n_splits_", "multimetric_"):
        assert getattr(ours_, name, None) == getattr(theirs_, name, None), name
    assert hasattr(ours_, "best_estimator_") == hasattr(theirs_, "best_estimator_")
    if hasattr(theirs_, "best_estimator_"):
        one, other = ours_.best_estimator_, theirs_.best_estimator_
        for a, b in zip(weights(one), weights(other), strict=True):
            np.testing.assert_array_equal(a, b)


def weights(est):
    return getattr(est, "coefs_", None) or est[-1].coefs_


@pytest.mark.parametrize("n_jobs", [None, 1, 2, 5])
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_results(kind, n_jobs):
    X, y = data(kind)
    est = make(ours, kind)
    one = searched(ours, est, GRID, X, y, n_jobs=n_jobs)
    assert_same_results(one, searched(theirs, est, GRID, X, y))


ASKED = {
    "training scores": {"return_train_score": True},
    "several scorers": {"scoring": ["accuracy", "neg_log_loss"], "refit": "neg_log_loss"},
    "a scorer of the user's": {"scoring": make_scorer(accuracy_score, normalize=False)},
    "no last fit": {"refit": False},
    "a choice of the user's": {"refit": lambda results: 1},
    "another splitter": {"cv": theirs.ShuffleSplit(4, random_state=0)},
}


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("name", ["GridSearchCV", "RandomizedSearchCV"])
def test_whatever_is_asked(name, asked):
    X, y = data("binary")
    est, grid, options = make(ours, "binary"), GRID, dict(ASKED[asked])
    if name == "RandomizedSearchCV":
        options |= {"n_iter": 4, "random_state": 3}
    one, other = (searched(m, est, grid, X, y, name, n_jobs=2, **options) for m in (ours, theirs))
    assert_same_results(one, other)


def test_weights_and_stopping_early():
    X, y = data("multiclass")
    fit = {"sample_weight": np.random.default_rng(0).random(len(X))}
    est = make(ours, "multiclass", early_stopping=True, class_weight="balanced")
    grid = {"alpha": [0, 0.1], "early_stopping": [True, False]}
    one, other = (searched(m, est, grid, X, y, fit=fit, n_jobs=2) for m in (ours, theirs))
    assert_same_results(one, other)


@pytest.mark.parametrize("dtype", ["float32", "int64"])
def test_tables_and_types(dtype):
    pandas = pytest.importorskip("pandas")
    X, y = data("binary")
    X = pandas.DataFrame((10 * X).astype(dtype), columns=list("abcdef"))
    est = make(ours, "binary")
    one, other = (searched(m, est, GRID, X, pandas.Series(y), n_jobs=2) for m in (ours, theirs))
    assert_same_results(one, other)
    assert list(one.best_estimator_.feature_names_in_) == list("abcdef")


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_pipelines_and_other_estimators(n_jobs):
    X, y = data("binary")
    pipe = make_pipeline(StandardScaler(), make(ours, "binary"))
    grid = {"mlpclassifier__alpha": [0, 1], "standardscaler__with_mean": [True, False]}
    one, other = (searched(m, pipe, grid, X, y, n_jobs=n_jobs) for m in (ours, theirs))
    assert_same_results(one, other)
    grid = {"C": [0.1, 1]}
    one, other = (searched(m, LogisticRegression(), grid, X, y) for m in (ours, theirs))
    np.testing.assert_array_equal(
        one.cv_results_["mean_test_score"], other.cv_results_["mean_test_score"]
    )


def test_a_class_that_extends_ours():
    class Own(ours.MLPClassifier):
        def _validate_input(self, X, y, incremental, reset):
            return super()._validate_input(X * self.alpha, y, incremental, reset)

    X, y = data("binary")
    est = Own((4,), random_state=0, max_iter=3)
    one, other = (searched(m, est, {"alpha": [1, 5]}, X, y, n_jobs=2) for m in (ours, theirs))
    assert_same_results(one, other)


def test_a_search_is_pickled_and_cloned():
    X, y = data("binary")
    one = searched(ours, make(ours, "binary"), {"alpha": [0, 1]}, X, y, n_jobs=2)
    again = pickle.loads(pickle.dumps(one))
    assert type(again) is ours.GridSearchCV
    np.testing.assert_array_equal(again.predict(X), one.predict(X))
    assert type(sys.modules["sklearn"].clone(one)) is ours.GridSearchCV
    assert "_stop" not in vars(one.best_estimator_)


# ---------------------------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_candidates_that_fail(n_jobs):
    X, y = data("number")
    est = make(ours, "number", solver="sgd")
    grid = {"learning_rate_init": [1e-3, 1e200]}
    with pytest.warns(FitFailedWarning, match="3 fits failed out of a total of 6"):
        one = told_of_failures(ours, est, grid, X, y, n_jobs=n_jobs)
    with pytest.warns(FitFailedWarning):
        other = told_of_failures(theirs, est, grid, X, y, n_jobs=1)
    assert_same_results(one, other)
    with pytest.raises(ValueError, match="non-finite"):
        searched(ours, est, grid, X, y, n_jobs=n_jobs, error_score="raise")


def told_of_failures(module, est, grid, X, y, **options):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Stochastic Optimizer")
        warnings.filterwarnings("ignore", "One or more of the test scores are non-finite")
        return module.GridSearchCV(est, grid, cv=3, **options).fit(X, y)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_grids_that_are_none(n_jobs):
    X, y = data("binary")
    est = make(ours, "binary")
    with pytest.raises(ValueError, match="Invalid parameter 'momentums'"):
        searched(ours, est, {"momentums": [1]}, X, y, n_jobs=n_jobs)
    for grid in ({"alpha": 3}, [3]):
        with pytest.raises((TypeError, ValueError)):
            searched(ours, est, grid, X, y, n_jobs=n_jobs)
    with pytest.raises(ValueError, match="n_jobs == 0"):
        searched(ours, est, {"alpha": [1]}, X, y, n_jobs=0)
    bad = X.copy()
    bad[3, 2] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        searched(ours, est, {"alpha": [1]}, bad, y, n_jobs=n_jobs, error_score="raise")
    # what failed is forgotten
    quietly(ours.GridSearchCV(est, {"alpha": [1]}, cv=3, n_jobs=n_jobs).fit, X, y)


@pytest.mark.parametrize("among", ["alone", "in a pipeline"])
def test_an_interrupt_ends_the_fits(among):
    code = """
        import os, signal, sys, threading, time, warnings
        import numpy as np
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
        from fastdnn.estimators import GridSearchCV, MLPRegressor
        warnings.simplefilter("ignore")
        X = np.random.default_rng(0).normal(size=(500, 20))
        est = MLPRegressor(
            hidden_layer_sizes=(100,), max_iter=10**7, tol=0, n_iter_no_change=10**7, batch_size=32
        )
        grid = {"alpha": [0, 1, 2]}
        if sys.argv[1] != "alone":
            est, grid = make_pipeline(StandardScaler(), est), {"mlpregressor__alpha": [0, 1, 2]}
        search = GridSearchCV(est, grid, cv=2, n_jobs=2)
        threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT)).start()
        try:
            search.fit(X, X[:, 0])
        except KeyboardInterrupt:
            print("interrupted")
        # the threads end with their fits
        while threading.active_count() > 1:
            time.sleep(0.01)
        """
    assert run_apart(code, among, timeout=100).split() == ["interrupted"]


def test_a_search_that_fails_tells_of_that_alone():
    X, y = data("number")
    lasting = {"max_iter": 10**7, "tol": 0, "n_iter_no_change": 10**7}
    est = make(ours, "number", solver="sgd", **lasting)
    grid = [{"momentum": [0.5]}, {"learning_rate_init": [1e200]}]
    before = threading.active_count()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        once = theirs.ShuffleSplit(1, random_state=0)
        search = ours.GridSearchCV(est, grid, cv=once, n_jobs=2, error_score="raise")
        with pytest.raises(ValueError, match="non-finite"):
            search.fit(X, y)
        # nothing goes on
        assert threading.active_count() == before
    assert not [str(w.message) for w in told]
