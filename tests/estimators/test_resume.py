"""An estimator that goes on: warm starts, copies, files, another loss or optimiser."""

import copy
import io
import pickle
import warnings

import numpy as np
import pytest
from inside import moments
from perceptrons import (
    classes,
    fitted,
    numbers,
    ours,
    small,
    theirs,
)


@pytest.mark.parametrize("way", ["warm_start", "partial_fit"])
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_exact_resume(solver, way):

    X, y = classes("multiclass")
    options = {"solver": solver, "shuffle": False, "batch_size": 30, "learning_rate": "adaptive"}
    whole = fitted(small(**options, max_iter=12), X, y)
    est = small(**options, max_iter=4, warm_start=way == "warm_start")
    for _ in range(3 if way == "warm_start" else 12):
        if way == "warm_start":
            fitted(est, X, y)
        else:
            est.partial_fit(X, y, classes=np.unique(y))
        est = pickle.loads(pickle.dumps(est))
    for a, b in zip(est.coefs_, whole.coefs_, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_warm_start_takes_another_loss():
    X, y = numbers(1)
    est = fitted(small("MLPRegressor", warm_start=True, max_iter=1), X, y)
    before = est.predict(X)
    est.set_params(loss="absolute_error", alpha=0, batch_size=120)
    assert fitted(est, X, y).loss_ == pytest.approx(np.abs(before - y).mean())


def test_a_warm_start_takes_another_learning_rate():
    X, y = numbers(1)
    found = []
    for module in (ours, theirs):
        est = module.MLPRegressor(
            solver="sgd", momentum=0, warm_start=True, max_iter=3, random_state=3
        )
        fitted(fitted(est, X, y).set_params(learning_rate_init=0.05), X, y)
        found.append(est.coefs_[0])
    np.testing.assert_allclose(*found, rtol=1e-9)


@pytest.mark.parametrize("way", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    "then", [{"solver": "adam"}, {"momentum": 0.9}, {"momentum": 0.0}, {"solver": "lbfgs"}]
)
def test_another_optimiser_begins_anew(then, way):
    if way == "partial_fit" and "lbfgs" in then.values():
        pytest.skip("it is not stochastic")
    X, y = numbers(1)
    start = {"momentum": 0.0 if then == {"momentum": 0.9} else 0.9}
    est = small("MLPRegressor", solver="sgd", warm_start=True, max_iter=2, **start)
    fitted(est, X, y).set_params(**then)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        getattr(est, way)(X, y)
        est.set_params(solver="adam").partial_fit(X.astype("float32"), y)
    assert np.isfinite(est.loss_)


def test_a_copy_of_any_depth_goes_on_by_itself():

    X, y = classes("binary")
    est, twin = (fitted(small(), X, y) for _ in range(2))
    for other in (copy.copy(est), copy.deepcopy(est)):
        other.partial_fit(X, y)
    np.testing.assert_array_equal(est.partial_fit(X, y).coefs_[0], twin.partial_fit(X, y).coefs_[0])


def test_a_memory_mapped_estimator_goes_on(tmp_path):
    import joblib

    X, y = classes("binary")
    est = fitted(small(), X, y)
    joblib.dump(est, tmp_path / "est")
    mapped = joblib.load(tmp_path / "est", mmap_mode="r")
    for array in (mapped.coefs_[0], *moments(mapped)):
        assert array.flags.writeable
        assert array.ctypes.data % 64 == 0
    mapped.partial_fit(X, y)
    np.testing.assert_array_equal(mapped.coefs_[0], est.partial_fit(X, y).coefs_[0])


def test_a_pickle_names_nothing_private():
    # so that what is inside may change, and the pickle is still read
    class Reader(pickle.Unpickler):
        def find_class(self, module, name):
            modules.add(module)
            return super().find_class(module, name)

    X, y = classes("binary")
    modules = set()
    est = fitted(small(solver="sgd"), X, y)
    again = Reader(io.BytesIO(pickle.dumps(est))).load()
    assert {name for name in modules if name.startswith("fastdnn")} == {"fastdnn.estimators"}
    for model in (est, again):
        model.partial_fit(X, y)
    np.testing.assert_array_equal(again.coefs_[0], est.coefs_[0])


def test_another_loss_after_the_fit_does_not_change_predictions():

    X, y = numbers(1, positive=True)
    est = fitted(small("MLPRegressor"), X, y)
    before = est.predict(X)
    est.set_params(loss="poisson")
    np.testing.assert_array_equal(copy.deepcopy(est).predict(X), before)
    np.testing.assert_allclose(est.network_.predict(X)[:, 0], before, rtol=1e-12)
