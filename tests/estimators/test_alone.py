"""Fits that say nothing run below the Python line, and leave to the bit what talking ones do."""

import warnings

import numpy as np
import pytest
from perceptrons import classes, needs_modern, numbers, small
from processes import run_apart

import fastdnn.estimators

RECORDS = (
    *("loss_curve_", "validation_scores_", "validation_loss_curve_", "best_loss_", "loss_"),
    *("best_validation_score_", "n_iter_", "t_"),
)
OPTIONS = {
    "adam": {},
    "to the end": {"tol": 0.0, "n_iter_no_change": np.inf},
    "integers": {"tol": 0, "n_iter_no_change": 2, "learning_rate_init": 0.1},
    "patience": {"learning_rate_init": 0.1, "tol": 1e-2, "n_iter_no_change": 2},
    "a batch of all": {"batch_size": 120},
    "in order": {"shuffle": False},
    "sgd": {"solver": "sgd", "learning_rate_init": 0.01},
    "plain sgd": {"solver": "sgd", "momentum": 0, "learning_rate_init": 0.05},
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.05},
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.05,
                 "tol": 0.05, "n_iter_no_change": 1},
    "dropout": {"dropout": 0.2},
    "clipped": {"clip_norm": 0.1, "weight_decay": 0.01},
    "a tolerance of float32": {"tol": np.float32(0.01), "n_iter_no_change": 2},
}  # fmt: skip
STOPPING = {
    "": {},
    "stopping": {"early_stopping": True},
    "by the loss": {"early_stopping": True, "scoring": "loss"},
}
CASES = [
    *(("MLPClassifier", kind) for kind in ("binary", "multiclass", "multilabel")),
    *(("MLPRegressor", kind) for kind in (1, 3)),
]


def told(verbose, name, data, options, given=(), weights=None, state=3, calls=2):
    """Fit several times, and return all that is left, with what was warned of."""
    X, y = data
    if state == "a generator":
        state = np.random.RandomState(3)
    elif state is None:
        np.random.seed(3)
    est = small(name, **{"random_state": state, "max_iter": 25, "batch_size": 16} | options)
    est.verbose = verbose
    found = []
    for _ in range(calls):
        with warnings.catch_warnings(record=True) as messages:
            warnings.simplefilter("always")
            est.fit(X, y, weights, **dict(given))
        found.append([getattr(est, record, None) for record in RECORDS])
        found.append([(m.category, str(m.message), m.filename) for m in messages])
        found.append([a.tobytes() for a in (*est.coefs_, *est.intercepts_)])
        draws = est.random_state if isinstance(est.random_state, np.random.RandomState) else None
        found.append(np.random.random() if state is None else draws and draws.random())
        found.append(est.predict(X).tobytes())
        # what a warm start goes on from
        est.warm_start = True
    return found


@pytest.mark.parametrize("stopping", STOPPING)
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize(("name", "kind"), CASES)
def test_a_fit_that_says_nothing_is_one_that_talks(name, kind, options, stopping, capsys):
    X, y = classes(kind) if isinstance(kind, str) else numbers(kind)
    dtype = "float32" if "sgd" in options else "float64"
    arguments = name, (X.astype(dtype), y), OPTIONS[options] | STOPPING[stopping]
    assert told(False, *arguments) == told(True, *arguments)
    assert "Iteration" in capsys.readouterr().out


@pytest.mark.parametrize("state", [3, "a generator", None])
@pytest.mark.parametrize("options", ["adam", "dropout", "a batch of all"])
def test_any_random_state(options, state):
    arguments = "MLPClassifier", classes("binary"), OPTIONS[options]
    assert told(False, *arguments, state=state) == told(True, *arguments, state=state)


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("weighted", ["", "training", "validation"])
@pytest.mark.parametrize(("name", "kind"), CASES)
def test_given_validation_data_and_weights(name, kind, weighted, early_stopping):
    X, y = classes(kind) if isinstance(kind, str) else numbers(kind)
    given = {"X_val": X[90:], "y_val": y[90:]}
    weights = np.linspace(0.5, 2, 90) if weighted == "training" else None
    if weighted == "validation":
        given["sample_weight_val"] = np.linspace(0.5, 2, len(y) - 90)
    options = {"early_stopping": early_stopping, "n_iter_no_change": 3}
    arguments = name, (X[:90], y[:90]), options, given, weights
    assert told(False, *arguments) == told(True, *arguments)


@needs_modern
def test_classes_of_every_type():
    X, y = classes("multiclass")
    at = np.unique(y, return_inverse=True)[1]
    words, reals = np.array(["one", "two", "three"]), np.array([7.0, -1.0, 3.0])
    for labels in (words, words.astype(object), reals, reals.astype(np.int8)):
        arguments = "MLPClassifier", (X, labels[at]), {"early_stopping": True}
        assert told(False, *arguments) == told(True, *arguments)


@pytest.mark.parametrize("options", [{}, {"early_stopping": True}, {"momentum": 0}])
def test_a_divergence_is_told_alike(options):
    X, y = numbers(1)
    found = []
    for verbose in (False, True):
        est = small("MLPRegressor", solver="sgd", activation="identity", max_iter=50, **options)
        est.set_params(learning_rate_init=1e9, verbose=verbose, random_state=0)
        with pytest.raises(ValueError, match=r"in epoch|of epoch") as raised:
            est.fit(X, y)
        records = [getattr(est, record, None) for record in RECORDS]
        found.append((str(raised.value), records, [W.tobytes() for W in est.coefs_]))
    assert found[0] == found[1]


def test_a_validation_loss_that_overflows_is_told_alike():
    X, y = numbers(1)
    found = []
    for verbose in (False, True):
        est = small("MLPRegressor", early_stopping=True, scoring="loss", max_iter=30)
        est.verbose = verbose
        with pytest.raises(ValueError, match=r"validation loss is inf in epoch 1:") as raised:
            est.fit(X, y, X_val=np.full((3, X.shape[1]), 1e300), y_val=np.zeros(3))
        curves = est.loss_curve_, est.validation_loss_curve_, est.validation_scores_
        found.append((str(raised.value), curves, [W.tobytes() for W in est.coefs_]))
    assert found[0] == found[1]


def test_a_score_of_a_subclass_is_asked():
    X, y = classes("binary")
    asked = []

    class Own(fastdnn.estimators.MLPClassifier):
        def _score(self, X, y, sample_weight=None):
            asked.append(len(X))
            return super()._score(X, y)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Own((5,), max_iter=5, early_stopping=True, random_state=0).fit(X, y)
    assert len(asked) == 5


def test_max_time_ends_a_silent_fit():
    X, y = classes("binary")
    for limit, most in ((1e-9, 1), (0.01, 10**7)):
        est = small(max_time=limit, max_iter=10**8, tol=0.0, n_iter_no_change=np.inf)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            est.fit(X, y)
        assert 1 <= est.n_iter_ <= most
        assert len(est.loss_curve_) == est.n_iter_


def test_an_interrupted_silent_fit_has_records_of_what_it_trained():
    out = run_apart(
        """
        import os, signal, threading, time, warnings
        import numpy as np
        from fastdnn.estimators import MLPClassifier
        X = np.random.default_rng(0).normal(size=(200, 5))
        y = (X[:, 0] > 0).astype(int)
        options = {"random_state": 0, "tol": 0.0, "n_iter_no_change": np.inf}
        est = MLPClassifier((8,), max_iter=10**8, **options)
        threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        with warnings.catch_warnings(record=True) as messages:
            warnings.simplefilter("always")
            est.fit(X, y)
        assert "interrupted" in str(messages[0].message), messages
        assert est.n_iter_ == len(est.loss_curve_) > 1
        assert est.t_ == 200 * est.n_iter_
        # it ended after a batch of the next epoch, or of this one
        twin = MLPClassifier((8,), max_iter=est.n_iter_, **options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            twin.fit(X, y)
        assert twin.loss_curve_ == est.loss_curve_
        """
    )
    assert not out


def test_fits_in_threads_are_those_of_one_thread():
    joblib = pytest.importorskip("joblib")
    from sklearn.model_selection import GridSearchCV

    X, y = classes("binary")
    grid = {"alpha": [1e-5, 1e-3, 1e-1], "early_stopping": [False, True]}
    found = []
    for n_jobs in (1, 3):
        with joblib.parallel_backend("threading"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            search = GridSearchCV(small(max_iter=30), grid, cv=3, n_jobs=n_jobs).fit(X, y)
        found.append(search.cv_results_["mean_test_score"].tolist())
    assert found[0] == found[1]
