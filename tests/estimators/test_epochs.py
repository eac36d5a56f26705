"""What an estimator does between two epochs: scores, the best weights, time, callbacks, words."""

import numpy as np
import pytest
from perceptrons import (
    classes,
    fitted,
    numbers,
    sklearn,
    small,
)
from sklearn.utils.fixes import parse_version


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("scoring", ["loss", "roc_auc", None])
def test_early_stopping_restores_the_best(scoring, solver):
    X, y = classes("binary")
    X_val, y_val = X[80:], y[80:]
    est = small(
        solver=solver, scoring=scoring, early_stopping=True, max_iter=300, n_iter_no_change=5,
        learning_rate_init=0.02, batch_size=20,
    )  # fmt: skip
    fitted(est, X[:80], y[:80], X_val=X_val, y_val=y_val)
    assert est.n_iter_ < 300
    assert len(est.validation_loss_curve_) == len(est.validation_scores_)
    from sklearn.metrics import get_scorer, log_loss

    if scoring == "loss":
        score = -log_loss(y_val, est.predict_proba(X_val))
        np.testing.assert_allclose(-score, min(est.validation_loss_curve_), rtol=1e-9)
    else:
        score = get_scorer(scoring or "accuracy")(est, X_val, y_val)
    np.testing.assert_allclose(score, max(est.validation_scores_), rtol=1e-9)
    assert est.best_validation_score_ == max(est.validation_scores_)


def test_validation_data_without_early_stopping_is_only_recorded():
    X, y = numbers(2)
    est = fitted(small("MLPRegressor"), X[:80], y[:80], X_val=X[80:], y_val=y[80:])
    plain = fitted(small("MLPRegressor"), X[:80], y[:80])
    np.testing.assert_array_equal(est.coefs_[0], plain.coefs_[0])
    assert len(est.validation_loss_curve_) == 15
    expected = 0.5 * ((est.predict(X[80:]) - y[80:]) ** 2).mean()
    np.testing.assert_allclose(est.validation_loss_curve_[-1], expected, rtol=1e-12)
    with pytest.raises(ValueError, match="given together"):
        small("MLPRegressor").fit(X, y, X_val=X)


def test_a_scorer_without_weights():
    X, y = numbers(1)
    est = small("MLPRegressor", scoring="neg_max_error", early_stopping=True)
    fitted(est, X, y, np.ones(120))
    assert len(est.validation_scores_) == est.n_iter_


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_max_time(solver):
    X, y = classes("binary")
    est = fitted(small(solver=solver, max_time=1e-9, max_iter=1000), X, y)
    assert est.n_iter_ == 1


def test_verbose(capsys):
    X, y = classes("binary")
    fitted(small(max_iter=3, verbose=True), X, y)
    assert capsys.readouterr().out.startswith("Iteration 1, loss = ")
    fitted(small(max_iter=3, verbose="bar"), X, y)
    said = capsys.readouterr()
    assert not said.out
    assert said.err.startswith("iteration 3 of 3, loss 0.")
    assert said.err.count("\n") == 1


@pytest.mark.skipif(
    parse_version(sklearn.__version__) < parse_version("1.9"), reason="it has no callbacks"
)
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_callbacks_of_scikit_learn(solver):
    from sklearn.callback import ScoringMonitor

    X, y = classes("binary")
    monitor = ScoringMonitor(scoring="accuracy")
    est = fitted(small(solver=solver, max_iter=5).set_callbacks(monitor), X, y)
    scores = [row["accuracy"] for row in monitor.get_logs().data if "accuracy" in row]
    assert len(scores) >= 5
    assert scores[-1] == est.score(X, y)

    class Stop:
        seen = 0

        def setup(self, estimator, context):
            pass

        def teardown(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context):
            pass

        def on_fit_task_end(self, estimator, context):
            self.seen += 1
            return self.seen == 2

    est = fitted(small(solver=solver, max_iter=9).set_callbacks(Stop()), X, y)
    assert est.n_iter_ == 2


@pytest.mark.skipif(
    parse_version(sklearn.__version__) < parse_version("1.9"), reason="it has no callbacks"
)
def test_callbacks_in_a_search():
    from sklearn.callback import ScoringMonitor
    from sklearn.model_selection import GridSearchCV

    X, y = classes("binary")
    monitor = ScoringMonitor(scoring="accuracy")
    est = small(max_iter=4).set_callbacks(monitor)
    fitted(GridSearchCV(est, {"alpha": [0.1, 1]}, cv=2), X, y)
    scores = [row for row in monitor.get_logs().data if "accuracy" in row]
    # five fits, each of four iterations and an end
    assert len(scores) == 5 * (4 + 1)


def test_an_interrupt_before_the_first_score_keeps_the_weights():
    X, y = numbers(1)

    def scoring(estimator, X, y):
        raise KeyboardInterrupt

    est = small("MLPRegressor", early_stopping=True, scoring=scoring)
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        est.fit(X, y)
    assert est.n_iter_ == 1
    assert np.isfinite(est.predict(X)).all()


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_warning_is_of_the_caller_s_line(method):
    X, y = classes("binary")
    est = small(max_iter=1, batch_size=1000)
    with pytest.warns(UserWarning, match="batch_size|converged") as found:
        getattr(est, method)(X, y, **({} if method == "fit" else {"classes": np.unique(y)}))
    assert len(found) == (2 if method == "fit" else 1)
    assert {warning.filename for warning in found} == {__file__}


def test_moments_outlast_a_fit_by_lbfgs():
    X, y = numbers(1)
    est, twin = (fitted(small("MLPRegressor", warm_start=True), X, y) for _ in range(2))
    fitted(est.set_params(solver="lbfgs"), X, y).set_params(solver="adam")
    for k in range(len(twin.coefs_)):
        est.coefs_[k][...], est.intercepts_[k][...] = twin.coefs_[k], twin.intercepts_[k]
    for model in (est, twin):
        model.partial_fit(X, y)
    np.testing.assert_array_equal(est.coefs_[0], twin.coefs_[0])
