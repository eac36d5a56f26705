"""What the estimators are told: scikit-learn's parameters, their own, and what is refused."""

import copy

import numpy as np
import pytest
from perceptrons import (
    MODERN,
    classes,
    data,
    fitted,
    make,
    numbers,
    ours,
    quietly,
    small,
    theirs,
)

from fastdnn._fit.names import COSTS


def test_lazily_at_the_top():
    import fastdnn

    assert fastdnn.MLPClassifier is ours.MLPClassifier
    assert fastdnn.MLPRegressor is ours.MLPRegressor
    with pytest.raises(AttributeError, match="no attribute 'MLP'"):
        _ = fastdnn.MLP


@pytest.mark.parametrize("cls", ["MLPClassifier", "MLPRegressor"])
def test_random_state_is_theirs(cls):
    X, y = data("binary" if cls == "MLPClassifier" else "number")
    options = {"hidden_layer_sizes": (5,), "max_iter": 2, "batch_size": 20}
    models = []
    for side in (ours, theirs):
        random = np.random.RandomState(3)
        for _ in range(2):
            model = getattr(side, cls)(**options, random_state=random)
            models.append(quietly(model.fit, X, y).coefs_[0])
        models.append(random.rand())
        for seed in (np.random.default_rng(3), np.random.SeedSequence(3), [3], -1):
            with pytest.raises(ValueError, match="random_state"):
                getattr(side, cls)(**options, random_state=seed).fit(X, y)
    for mine, other in zip(models[:3], models[3:], strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-7)
    assert not np.array_equal(models[0], models[1])


@pytest.mark.parametrize("cls", ["MLPClassifier", "MLPRegressor"])
def test_parameters_and_defaults_are_theirs(cls):
    mine = getattr(ours, cls)().get_params()
    for name, value in getattr(theirs, cls)().get_params().items():
        assert mine[name] == value, name
    assert list(mine) == sorted(mine)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("solver", "sdg"), ("alpha", -1), ("batch_size", 0), ("learning_rate", "x"),
        ("momentum", 2), ("max_iter", 0), ("tol", -1), ("beta_1", 1.0), ("max_fun", 0),
    ],
)  # fmt: skip
def test_bad_parameters_raise_scikit_learn_s_texts(name, value):
    X, y = classes("binary")
    texts = []
    for module in (ours, theirs):
        with pytest.raises(ValueError, match=f"The '{name}' parameter") as raised:
            module.MLPClassifier(**{name: value}).fit(X, y)
        assert type(raised.value).__name__ == "InvalidParameterError"
        texts.append(str(raised.value))
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("activation", "swish"), ("dropout", 1.0), ("weight_decay", -1), ("clip_norm", 0),
        ("max_time", 0), ("n_threads", 0), ("scoring", "goodness"), ("verbose", "much"),
        ("class_weight", "fair"),
    ],
)  # fmt: skip
def test_bad_new_parameters(name, value):
    X, y = classes("binary")
    with pytest.raises(ValueError, match=f"The '{name}' parameter"):
        ours.MLPClassifier(**{name: value}).fit(X, y)


@pytest.mark.parametrize("kind", ["binary", "multilabel"])
def test_class_weight_is_a_weight_of_the_examples(kind):
    X, y = classes(kind)
    weight = "balanced"
    if kind == "multilabel":
        weight = [{0: 1, 1: 5}, {0: 2, 1: 1}, {0: 1, 1: 3}]
    from sklearn.utils.class_weight import compute_sample_weight

    est = fitted(small(class_weight=weight), X, y)
    same = fitted(small(), X, y, compute_sample_weight(weight, y))
    plain = fitted(small(), X, y)
    np.testing.assert_array_equal(est.coefs_[0], same.coefs_[0])
    assert not np.allclose(est.coefs_[0], plain.coefs_[0])


def test_dropout_weight_decay_and_clip_norm_are_network_s():
    X, y = numbers(1)
    options = {"alpha": 0, "batch_size": 120, "hidden_layer_sizes": (12,), "max_iter": 1}
    for given in ({"weight_decay": 0.5}, {"clip_norm": 1e-3, "solver": "sgd", "momentum": 0}):
        est = fitted(small("MLPRegressor", **options, **given), X, y)
        start = fitted(small("MLPRegressor", **options, learning_rate_init=1e-300), X, y)
        net = copy.copy(start.network_)
        from fastdnn import SGD, AdamW

        if "weight_decay" in given:
            net.fit(X, y, optimizer=AdamW(1e-3, weight_decay=0.5))
        else:
            net.fit(X, y, optimizer=SGD(1e-3), clip_norm=1e-3)
        np.testing.assert_allclose(est.coefs_[0], net.parameters["W1"].T, rtol=1e-4, atol=1e-5)
    dropped = fitted(small("MLPRegressor", dropout=0.5), X, y)
    plain = fitted(small("MLPRegressor"), X, y)
    assert not np.allclose(dropped.coefs_[0], plain.coefs_[0])
    again = fitted(small("MLPRegressor", dropout=0.5), X, y)
    np.testing.assert_array_equal(dropped.coefs_[0], again.coefs_[0])


def test_options_that_do_not_go_together():
    X, y = classes("binary")
    with pytest.raises(ValueError, match="weight_decay needs the solver 'adam'"):
        small(solver="sgd", weight_decay=0.1).fit(X, y)
    with pytest.raises(ValueError, match="dropout needs a stochastic solver"):
        small(solver="lbfgs", dropout=0.1).fit(X, y)
    with pytest.raises(ValueError, match="one for each of 2 hidden layers"):
        small(activation=["relu"]).fit(X, y)


@pytest.mark.parametrize("activation", [*sorted(ours.NAMES), ["gelu", "elu"]], ids=str)
def test_every_activation_has_its_gradient(activation):
    X, y = numbers(1)
    est = small("MLPRegressor", activation=activation, solver="sgd", momentum=0, max_iter=1)
    est.set_params(batch_size=120, learning_rate_init=1e-6, alpha=0.1)
    assert_descends(est, X, y)


@pytest.mark.parametrize(
    "options",
    [*({"loss": name} for name in COSTS["identity"]), {"loss": "quantile", "quantile": 0.9}],
)
def test_every_loss_has_its_gradient(options):
    X, y = numbers(1)
    est = small("MLPRegressor", solver="sgd", momentum=0, max_iter=1, **options)
    est.set_params(batch_size=120, learning_rate_init=1e-6, alpha=0.1, activation="tanh")
    assert_descends(est, X, y)


def assert_descends(est, X, y):
    """One step lowers the loss by rate times the square of the gradient."""
    fitted(est, X, y)
    first = est.loss_
    before = [a.copy() for a in est.coefs_ + est.intercepts_]
    est.partial_fit(X, y)
    second = est.loss_  # the loss after one step: it is taken before the second step's update
    est.partial_fit(X, y)
    after = est.coefs_ + est.intercepts_
    moved = sum(((a - b) ** 2).sum() for a, b in zip(after, before, strict=True))
    # over two steps the parameters move by 2 rate gradient, and the loss falls by half of it
    np.testing.assert_allclose(first - second, moved / (4 * 1e-6), rtol=1e-2)


def test_the_quantile_is_estimated():
    X, y = numbers(1, m=400)
    for quantile in (0.2, 0.8):
        est = small("MLPRegressor", loss="quantile", quantile=quantile, max_iter=300)
        share = (y < fitted(est, X, y).predict(X)).mean()
        assert abs(share - quantile) < 0.08


def test_the_number_of_threads_changes_little():
    X, y = numbers(2, m=400)
    one, two = (fitted(small("MLPRegressor", n_threads=n), X, y) for n in (1, 2))
    np.testing.assert_allclose(two.coefs_[0], one.coefs_[0], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(two.predict(X), one.predict(X), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_numbers_as_strings_are_no_targets_of_a_regressor(method):
    X, y = numbers(1)
    with pytest.raises(TypeError, match="y must hold numbers"):
        getattr(small("MLPRegressor"), method)(X, y.astype(str))


def test_what_does_not_fit_the_network_is_refused():
    X, y = numbers(2)
    est = fitted(small("MLPRegressor", warm_start=True), X, y)
    with pytest.raises(ValueError, match="y has 1 outputs, but was fitted with 2"):
        est.fit(X, y[:, 0])
    for y_val, match in [
        (y[:5], "inconsistent numbers of samples"),
        (y[:9, 0], "y_val has 1 outputs"),
        (np.full((9, 2), np.nan), "y_val contains NaN"),
    ]:
        with pytest.raises(ValueError, match=match):
            est.fit(X, y, X_val=X[:9], y_val=y_val)
    X, y = classes("multiclass")
    with pytest.raises(ValueError, match="y_val has classes"):
        small().fit(X, y, X_val=X[:9], y_val=np.full(9, "z" if MODERN else 9))


@pytest.mark.parametrize("name", ["alpha", "epsilon", "learning_rate_init", "weight_decay"])
def test_parameters_that_no_double_can_hold(name):
    X, y = np.random.default_rng(0).normal(size=(20, 3)), np.arange(20) % 2
    with pytest.raises(ValueError, match=name):
        ours.MLPClassifier((4,), max_iter=2, **{name: 10**400}).fit(X, y)


@pytest.mark.parametrize(
    ("hidden", "error", "says"),
    [
        ((2**70,), ValueError, r"hidden_layer_sizes\[0\] must be at most 2147483647, got 11805"),
        (2**70, ValueError, "hidden_layer_sizes must be at most 2147483647, got 11805"),
        ((3, 2**62), ValueError, r"hidden_layer_sizes\[1\] must be at most 2147483647"),
        ([np.uint64(2**63)], ValueError, r"hidden_layer_sizes\[0\] must be at most 2147483647"),
        ((10**400,), ValueError, r"hidden_layer_sizes\[0\] must be at most 2147483647"),
        ((2**30, 2**31 - 1, 2**31 - 1), ValueError, "hidden_layer_sizes .* more than memory can"),
        ((2.5,), TypeError, r"hidden_layer_sizes\[0\] must be an integer, got 2.5"),
        ((3, None), TypeError, r"hidden_layer_sizes\[1\] must be an integer, got None"),
        (("a",), TypeError, r"hidden_layer_sizes\[0\] must be an integer, got 'a'"),
        ([[3], [2]], TypeError, r"hidden_layer_sizes\[0\] must be an integer, got \[3\]"),
        ((3, -1), ValueError, r"hidden_layer_sizes must be > 0, got \[3, -1\]"),
        ((3, -(2**70)), ValueError, "hidden_layer_sizes must be > 0, got"),
    ],
)
@pytest.mark.parametrize("kind", ["binary", "number"])
def test_sizes_that_are_none_are_named(kind, hidden, error, says):
    X, y = data(kind)
    given = {"classes": np.unique(y)} if kind == "binary" else {}
    est = make(ours, kind, hidden_layer_sizes=hidden)
    with pytest.raises(error, match=says):
        est.fit(X, y)
    with pytest.raises(error, match=says):
        est.partial_fit(X, y, **given)
    # an earlier fit is left as it is
    est.set_params(hidden_layer_sizes=(3,))
    before = quietly(est.fit, X, y).coefs_
    with pytest.raises(error, match=says):
        est.set_params(hidden_layer_sizes=hidden).fit(X, y)
    assert all(map(np.array_equal, est.coefs_, before))
    assert est.predict(X).shape == y.shape


@pytest.mark.parametrize("hidden", [np.array([3, 2]), (np.int8(3), np.uint64(2)), range(3, 1, -1)])
def test_sizes_of_any_kind_of_integer(hidden):
    X, y = data("number")
    est = quietly(make(ours, "number", hidden_layer_sizes=hidden).fit, X, y)
    assert [W.shape for W in est.coefs_] == [(6, 3), (3, 2), (2, 1)]
    same = quietly(make(ours, "number", hidden_layer_sizes=(3, 2)).fit, X, y)
    np.testing.assert_array_equal(est.predict(X), same.predict(X))
