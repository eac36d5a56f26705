"""What threads share of an estimator: one fits it, and others may copy it meanwhile."""

import copy
import pickle
import sys
import threading

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.base import clone

from fastdnn.estimators import (
    MLPClassifier,
    MLPRegressor,
    TabularMLPClassifier,
    TabularMLPRegressor,
    TabularPreprocessor,
)

X = np.random.default_rng(0).normal(size=(40, 3))
Y = (X[:, 0] > 0).astype(int)
SMALL = {"hidden_layer_sizes": (4,), "max_iter": 2, "random_state": 0}
KINDS = {
    cls.__name__: (lambda cls=cls: cls(**SMALL))
    for cls in (MLPClassifier, MLPRegressor, TabularMLPClassifier, TabularMLPRegressor)
} | {"TabularPreprocessor": TabularPreprocessor}
COPIES = {
    "pickle": lambda est: pickle.loads(pickle.dumps(est)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


@pytest.fixture(params=KINDS)
def est(request):
    made = KINDS[request.param]()
    if not request.param.startswith("Tab"):
        made.set_params(tol=0, n_iter_no_change=10)
    return made


class Told:
    """A table that tells when it is read."""

    def __init__(self, tell):
        self.tell = tell

    def __array__(self, dtype=None, copy=None):
        self.tell()
        return X


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_one_fit_at_a_time(est):
    est.fit(X, Y)
    before, found = result(est), []

    def other():
        with pytest.raises(RuntimeError, match="is being fitted") as caught:
            est.fit(X[::-1], Y)
        found.append(caught)

    est.fit(Told(other), Y)
    assert found
    np.testing.assert_array_equal(result(est), before)
    est.fit(X, Y)
    with pytest.raises(KeyError):
        est.fit(Told(lambda: {}["a fault"]), Y)
    est.fit(X, Y)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("copied", COPIES)
def test_a_copy_from_amidst_a_fit_is_fitted_itself(est, copied):
    found = []
    est.fit(Told(lambda: found.append(COPIES[copied](est))), Y)
    np.testing.assert_array_equal(result(found[0].fit(X, Y)), result(est))


class Sets:
    """Sets an attribute when it is pickled or copied."""

    def __init__(self, est):
        self.est = est

    def __reduce__(self):
        vars(self.est)[f"set_{len(vars(self.est))}"] = 0
        return int, ()


@pytest.mark.parametrize("copied", COPIES)
def test_attributes_that_are_set_while_others_are_copied(est, copied):
    for name in ("first", "second"):
        setattr(est, name, Sets(est))
    again = COPIES[copied](est)
    assert hasattr(again, "second")
    assert not hasattr(again, f"set_{len(vars(est)) - 1}")


def test_attributes_that_another_thread_sets_and_deletes(est):
    stopped, interval = threading.Event(), sys.getswitchinterval()

    def change():
        found = vars(est)
        while not stopped.is_set():
            for i in range(40):
                found[f"set_{i}"] = i
            for i in range(40):
                del found[f"set_{i}"]

    thread = threading.Thread(target=change)
    sys.setswitchinterval(1e-6)
    try:
        thread.start()
        for _ in range(300):
            est.__getstate__()
            clone(est)
    finally:
        stopped.set()
        sys.setswitchinterval(interval)
        thread.join()


def result(est):
    return est.transform(X) if isinstance(est, TabularPreprocessor) else est.predict(X)
