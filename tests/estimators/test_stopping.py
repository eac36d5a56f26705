"""Estimators that stop: by a score, by a loss, and where a number is not finite any more."""

import numpy as np
import pytest
from perceptrons import ours, quietly, sklearn
from sklearn.metrics import (
    get_scorer,
    log_loss,
    make_scorer,
    roc_auc_score,
    top_k_accuracy_score,
)

DTYPES = ["float32", "float64"]


def data(n_classes=2, dtype="float64", m=120):
    random = np.random.default_rng(2)
    X = random.normal(size=(m, 5)).astype(dtype)
    return X, (X @ random.normal(size=(5, n_classes))).argmax(axis=1)


def small(name="MLPClassifier", **options):
    defaults = {"hidden_layer_sizes": (6,), "random_state": 0, "max_iter": 20, "batch_size": 40}
    return getattr(ours, name)(**defaults | options)


# ----------------------------------------------------------------------- scores that are not finite


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_a_score_that_is_nan_ends_the_fit(solver):
    X, y = data()
    est = small(scoring="roc_auc", early_stopping=True, solver=solver)
    says = r"the score 'roc_auc' is nan in epoch 1: the validation data lacks the classes \[1\]"
    with pytest.raises(ValueError, match=says):
        quietly(est.fit, X, y, X_val=X[y == 0], y_val=y[y == 0])
    assert est.n_iter_ == 1
    assert np.isfinite(est.predict_proba(X)).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_the_best_weights_so_far_are_left(solver, bad):
    X, y = data()
    scores, seen = iter([0.5, 0.9, 0.7, bad]), []

    def goodness(est, X, y):
        seen.append([a.copy() for a in est.coefs_ + est.intercepts_])
        return next(scores)

    est = small(scoring=goodness, early_stopping=True, solver=solver, validation_fraction=0.2)
    with pytest.raises(ValueError, match=f"the score 'goodness' is {bad} in epoch 4"):
        quietly(est.fit, X, y)
    assert est.validation_scores_ == [0.5, 0.9, 0.7]
    assert est.best_validation_score_ == 0.9
    for a, b in zip(est.coefs_ + est.intercepts_, seen[1], strict=True):
        np.testing.assert_array_equal(a, b)
    # another fit is possible
    assert quietly(est.set_params(early_stopping=False).fit, X, y).n_iter_ > 1


def test_a_scorer_that_raises_leaves_the_best_weights_too():
    X, y = data()
    seen = []

    def scoring(est, X, y):
        seen.append(est.coefs_[0].copy())
        if len(seen) == 3:
            raise KeyError("no such thing")
        return -len(seen)

    est = small(scoring=scoring, early_stopping=True)
    with pytest.raises(KeyError, match="no such thing"):
        quietly(est.fit, X, y)
    np.testing.assert_array_equal(est.coefs_[0], seen[0])


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_scorer_that_deletes_what_was_fitted(solver):
    X, y = data()
    seen = []

    def scoring(est, X, y):
        seen.append(est.coefs_[0].copy())
        del est.coefs_
        return -len(seen)

    est = small(scoring=scoring, early_stopping=True, solver=solver)
    with pytest.raises(RuntimeError, match="as it is, but deletes coefs_"):
        quietly(est.fit, X, y)
    assert len(seen) == 1
    assert est.predict(X).shape == y.shape


def test_one_example_has_no_r2():
    X, _ = data()
    est = small("MLPRegressor", early_stopping=True)
    with pytest.raises(ValueError, match="score 'r2' is nan in epoch 1: .* a single example"):
        quietly(est.fit, X, X[:, 0], X_val=X[:1], y_val=X[:1, 0])


@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_validation_loss_that_is_not_finite(early_stopping):
    X, _ = data(dtype="float32")
    y_val = np.full(120, 1e30, np.float32)
    est = small("MLPRegressor", early_stopping=early_stopping)
    with pytest.raises(ValueError, match="the validation loss is inf in epoch 1"):
        quietly(est.fit, X, X[:, 0], X_val=X, y_val=y_val)
    assert np.isfinite(est.predict(X)).all()


# --------------------------------------------------------------- classes that validation data lacks


@pytest.mark.parametrize(
    "scoring",
    [
        "neg_log_loss",
        make_scorer(log_loss, response_method="predict_proba", greater_is_better=False),
        make_scorer(top_k_accuracy_score, response_method="predict_proba", k=1),
    ],
)
@pytest.mark.parametrize("n_classes", [2, 4])
def test_scorers_of_probabilities_are_told_all_classes(n_classes, scoring):  # fmt: skip
    X, y = data(n_classes)
    names = np.array(["a", "b", "c", "d"])[y]
    for kept in (y > 0, y < 1):
        est = small(scoring=scoring, early_stopping=True, max_iter=5)
        quietly(est.fit, X, names, X_val=X[kept], y_val=names[kept])
        if "top_k" not in str(scoring):
            loss = log_loss(names[kept], est.predict_proba(X[kept]), labels=est.classes_)
            assert max(est.validation_scores_) == pytest.approx(-loss, rel=1e-6)


def test_a_rare_class_that_the_split_leaves_out():
    X, y = data(2)
    y[:1] = 2
    options = {"early_stopping": True, "max_iter": 4, "random_state": 2}
    est = quietly(small(scoring="neg_log_loss", **options).fit, X, y)
    assert np.isfinite(est.validation_scores_).all()
    says = r"the score 'roc_auc_ovr' is nan in epoch 1: the validation data lacks the classes \[2\]"
    with pytest.raises(ValueError, match=says):
        quietly(small(scoring="roc_auc_ovr", **options).fit, X, y)


def test_a_scorer_that_cannot_judge_says_what_is_missing():
    X, y = data(3)

    def ovo(est, X, y):
        return roc_auc_score(y, est.predict_proba(X), multi_class="ovo")

    est = small(scoring=ovo, early_stopping=True)
    with pytest.raises(ValueError, match="classes") as raised:
        quietly(est.fit, X, y, X_val=X[y > 0], y_val=y[y > 0])
    assert raised.value.__notes__ == ["The validation data lacks the classes [0]."]


@pytest.mark.parametrize("scoring", ["f1_macro", "balanced_accuracy", "accuracy", "loss"])
def test_other_scorers_are_as_ever(scoring):
    X, y = data(3)
    kept = y > 0
    est = small(scoring=scoring, early_stopping=True, max_iter=5)
    quietly(est.fit, X, y, X_val=X[kept], y_val=y[kept])
    if scoring != "loss":
        score = quietly(get_scorer(scoring), est, X[kept], y[kept])
        assert score == pytest.approx(max(est.validation_scores_))


# --------------------------------------------------------------------------- weights for X_val


@pytest.mark.parametrize("scoring", [None, "loss", "neg_log_loss", "r2"])
@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_sample_weight_val(name, scoring):
    if scoring == ("r2" if name == "MLPClassifier" else "neg_log_loss"):
        pytest.skip("it is the other's")
    X, y = data(3)
    y = y if name == "MLPClassifier" else X[:, 0]
    weights = np.repeat([0.0, 1.0, 2.5], 40)
    est, repeated = (small(name, scoring=scoring, early_stopping=True) for _ in range(2))
    quietly(est.fit, X, y, X_val=X, y_val=y, sample_weight_val=weights)
    twice = np.repeat(np.arange(120), (2 * weights).astype(int))
    quietly(repeated.fit, X, y, X_val=X[twice], y_val=y[twice])
    np.testing.assert_allclose(est.validation_loss_curve_, repeated.validation_loss_curve_)
    np.testing.assert_allclose(est.validation_scores_, repeated.validation_scores_, atol=1e-12)


def test_sample_weight_val_is_checked():
    X, y = data()
    with pytest.raises(ValueError, match="sample_weight_val needs X_val"):
        small().fit(X, y, sample_weight_val=np.ones(120))
    for weights, says in [
        (np.zeros(9), "above 0 somewhere|at least one non-zero"),
        (-np.ones(9), "at least 0"),
        (np.ones(8), "inconsistent|sample_weight.shape"),
        (np.full(9, np.nan), "NaN"),
    ]:
        est = quietly(small().fit, X, y)
        before = est.coefs_[0].copy()
        with pytest.raises(ValueError, match=says):
            est.fit(X, y, X_val=X[:9], y_val=y[:9], sample_weight_val=weights)
        np.testing.assert_array_equal(est.coefs_[0], before)


def test_the_weights_of_x_val_are_routed():
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X, y = data()
    weights = np.linspace(0, 1, 120)
    with sklearn.config_context(enable_metadata_routing=True):
        est = small(early_stopping=True, scoring="loss")
        est.set_fit_request(X_val=True, y_val=True, sample_weight_val=True)
        pipe = make_pipeline(StandardScaler(with_mean=False, with_std=False), est)
        quietly(pipe.fit, X, y, X_val=X, y_val=y, sample_weight_val=weights)
        same = small(early_stopping=True, scoring="loss")
        quietly(same.fit, X, y, X_val=X, y_val=y, sample_weight_val=weights)
    np.testing.assert_array_equal(pipe[-1].validation_loss_curve_, same.validation_loss_curve_)


# --------------------------------------------------------------- what is not finite while it trains


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "options",
    [
        {"solver": "sgd", "learning_rate_init": 1e30},
        {"solver": "sgd", "learning_rate_init": 1e300, "momentum": 0.0},
        {"solver": "sgd", "learning_rate_init": 1e25, "early_stopping": True},
    ],
    ids=str,
)
def test_the_last_finite_weights_are_kept(options, dtype, method):
    if method == "partial_fit" and "early_stopping" in options:
        pytest.skip("scikit-learn has none")
    X, y = data(dtype=dtype)
    X, y = 1e10 * X, (1e10 * X[:, 0])
    est = small("MLPRegressor", activation="identity", warm_start=True, **options)

    def train():
        for _ in range(5):
            quietly(getattr(est, method), X, y)

    with pytest.raises(ValueError, match="Solver produced non-finite parameter weights"):
        train()
    assert all(np.isfinite(a).all() for a in est.coefs_ + est.intercepts_)
    assert np.isfinite(est.loss_curve_).all()
    est.set_params(learning_rate_init=1e-30, solver="adam", early_stopping=False)
    assert np.isfinite(est.partial_fit(X / 1e15, y / 1e15).loss_)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weight", [1e308, 1e300])
def test_weights_whose_sum_is_not_finite(weight, dtype, solver):
    X, y = data(dtype=dtype)
    est = quietly(small(max_iter=2).fit, X, y)
    before = est.predict_proba(X)
    est.set_params(solver=solver, warm_start=True, max_iter=1)
    try:
        quietly(est.fit, X, y, np.full(120, weight))
    except ValueError as error:
        assert "finite" in str(error)  # noqa: PT017
        np.testing.assert_allclose(est.predict_proba(X), before, rtol=1e-6)
    else:
        # float64 can hold the sum
        assert weight == 1e300
        assert dtype == "float64" or solver == "lbfgs"
    assert np.isfinite(est.loss_)
    assert all(np.isfinite(a).all() for a in est.coefs_ + est.intercepts_)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("loss", ["squared_error", "huber", "absolute_error"])
@pytest.mark.parametrize("scale", [1e20, 1e39])
def test_large_targets_in_float32(scale, loss, solver):
    X, _ = data(dtype="float32")
    y = X[:, 0].astype(float) * scale
    est = small("MLPRegressor", loss=loss, solver=solver, max_iter=2)
    try:
        quietly(est.fit, X, y)
    except ValueError as error:
        assert "finite" in str(error)  # noqa: PT017
    else:
        assert scale == 1e20
        assert np.isfinite(est.loss_)
        if solver != "lbfgs":
            # the loss of predictions near 0: the network has hardly learned yet
            assert loss != "squared_error"
            assert est.loss_ == pytest.approx(np.abs(y).mean(), rel=1e-3)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_poisson_has_no_negative_targets(solver):
    X, y = data()
    y = y.astype(float)
    est = quietly(small("MLPRegressor", loss="poisson", solver=solver, max_iter=3).fit, X, y)
    before = est.coefs_[0].copy()
    for method in ("fit", "partial_fit") if solver == "adam" else ("fit",):
        with pytest.raises(ValueError, match="'poisson' needs y of at least 0, but it has -1.5"):
            getattr(est, method)(X, np.where(np.arange(120) == 7, -1.5, y))
    with pytest.raises(ValueError, match="'poisson' needs y_val of at least 0"):
        est.fit(X, y, X_val=X, y_val=y - 1)
    with pytest.raises(ValueError, match="'poisson' needs y of at least 0"):
        est.fit(X, np.stack([y, -y], axis=1))
    np.testing.assert_array_equal(est.coefs_[0], before)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float16"])
@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_targets_of_any_type_are_looked_at(loss, dtype):
    X, y = data()
    est, same = (small("MLPRegressor", loss=loss, max_iter=3) for _ in range(2))
    quietly(est.fit, X, y.astype(dtype), X_val=X, y_val=y.astype(dtype))
    quietly(same.fit, X, y.astype(float), X_val=X, y_val=y.astype(float))
    np.testing.assert_allclose(est.loss_curve_, same.loss_curve_, rtol=1e-3)
    assert np.isfinite(est.validation_loss_curve_).all()


@pytest.mark.parametrize(
    "value", [np.array([0.5, 0.6]), None, 10**400, "good", 1j], ids=lambda v: type(v).__name__
)
def test_scorers_that_return_no_number(value):
    X, y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2
    model = ours.MLPClassifier((4,), max_iter=3, early_stopping=True, scoring=lambda *_: value)
    with pytest.raises(ValueError, match="scoring must return a number"):
        model.fit(X, y)


def test_validation_targets_are_judged_as_targets_are():
    X, y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2
    with_none = y.astype(object)
    with_none[0] = None
    for targets, error in ((y.astype(str), TypeError), (with_none, ValueError)):
        with pytest.raises(error, match="y_val"):
            ours.MLPRegressor(hidden_layer_sizes=(4,), max_iter=2).fit(X, y, X_val=X, y_val=targets)
    with pytest.raises(TypeError, match="y_val must hold classes"):
        ours.MLPClassifier((4,), max_iter=2).fit(X, y, X_val=X, y_val=with_none)
    several = np.stack([y, 1 - y], axis=1)
    for wrong in (2 * several, 0.5 * several):
        with pytest.raises(ValueError, match="y_val has classes"):
            ours.MLPClassifier((4,), max_iter=2).fit(X, several, X_val=X, y_val=wrong)
