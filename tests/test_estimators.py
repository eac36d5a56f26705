"""The estimators beside scikit-learn's own."""

import itertools
import warnings

import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn")

import sklearn.neural_network as theirs  # noqa: E402
from sklearn.datasets import make_classification, make_multilabel_classification  # noqa: E402
from sklearn.utils.fixes import parse_version  # noqa: E402

from fastdnn import estimators as ours  # noqa: E402

MODERN = parse_version(sklearn.__version__) >= parse_version("1.7")
needs_modern = pytest.mark.skipif(not MODERN, reason="this scikit-learn has no such parameter")
TOLERANCE = {"float64": 1e-6, "float32": 1e-3}


def classes(kind, dtype="float64", m=120):
    """Make examples of two or more classes, or of several labels."""
    if kind == "multilabel":
        X, y = make_multilabel_classification(m, n_features=8, n_classes=3, random_state=0)
        X = X / 10
    else:
        n_classes = {"binary": 2, "multiclass": 3}[kind]
        X, y = make_classification(
            m, 8, n_informative=5, n_classes=n_classes, random_state=0, flip_y=0.2
        )
        if MODERN:  # older ones cannot stop early where labels are strings
            y = np.array(["a", "b", "c"])[y]
    return X.astype(dtype), y


def numbers(outputs, dtype="float64", m=120, positive=False):
    """Make examples with one or several targets."""
    random = np.random.default_rng(0)
    X = random.normal(size=(m, 8))
    Y = np.tanh(X @ random.normal(size=(8, outputs))) + 0.1 * random.normal(size=(m, outputs))
    if positive:
        Y = random.poisson(np.exp(Y)).astype(float)
    return X.astype(dtype), (Y[:, 0] if outputs == 1 else Y).astype(dtype)


def assert_same(name, X, y, epochs=30, fit=None, **options):
    """Fit both classes and compare everything that the user sees."""
    options = {"random_state": 3, "hidden_layer_sizes": (12, 7), "max_iter": epochs} | options
    found = []
    for module in (ours, theirs):
        est = getattr(module, name)(**options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            est.fit(X, y, **(fit or {}))
        found.append(est)
    est, ref = found
    tolerance = TOLERANCE[str(X.dtype)]
    alike = {"rtol": tolerance, "atol": tolerance}
    assert est.n_iter_ == ref.n_iter_
    for a, b in zip(est.coefs_ + est.intercepts_, ref.coefs_ + ref.intercepts_, strict=True):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, **alike)
    np.testing.assert_allclose(est.loss_, ref.loss_, **alike)
    if options.get("solver") != "lbfgs":
        np.testing.assert_allclose(est.loss_curve_, ref.loss_curve_, **alike)
        assert est.t_ == ref.t_
        if options.get("early_stopping"):
            np.testing.assert_allclose(est.validation_scores_, ref.validation_scores_, **alike)
            assert est.best_loss_ is None
        else:
            np.testing.assert_allclose(est.best_loss_, ref.best_loss_, **alike)
            assert est.validation_scores_ is None
    if name == "MLPClassifier":
        np.testing.assert_allclose(est.predict_proba(X), ref.predict_proba(X), **alike)
        np.testing.assert_array_equal(est.predict(X), ref.predict(X))
    else:
        np.testing.assert_allclose(est.predict(X), ref.predict(X), **alike)
    assert est.predict(X).dtype == ref.predict(X).dtype
    assert est.out_activation_ == ref.out_activation_
    assert est.n_layers_ == ref.n_layers_
    assert est.n_outputs_ == ref.n_outputs_
    return est, ref


SOLVERS = [
    {"solver": "adam"},
    # Where a prediction saturates, scikit-learn takes log(1 - p) of a p that is rounded. Its loss
    # then has half the digits, by which the line search goes elsewhere: alpha keeps p from 1.
    {"solver": "lbfgs", "alpha": 0.1},
    *(
        {
            "solver": "sgd", "learning_rate": rate, "momentum": momentum,
            "nesterovs_momentum": nesterov, "learning_rate_init": 0.05,
        }
        for rate, (momentum, nesterov) in itertools.product(
            ("constant", "invscaling", "adaptive"), ((0, True), (0.9, False), (0.9, True))
        )
    ),
]  # fmt: skip


def name_of(options):
    return "-".join(str(value) for value in options.values())


@pytest.mark.grid
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("options", SOLVERS, ids=name_of)
@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
def test_classifier_grid(kind, options, activation, early_stopping, dtype):
    if early_stopping and options["solver"] == "lbfgs":
        pytest.skip("scikit-learn's lbfgs does not stop early")
    X, y = classes(kind, dtype)
    epochs = 30 if dtype == "float64" else 10
    assert_same(
        "MLPClassifier", X, y, epochs, activation=activation, early_stopping=early_stopping,
        batch_size=32, **options,
    )  # fmt: skip


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("options", SOLVERS, ids=name_of)
@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_relu_under_an_output_of_one(name, options, dtype):
    # what the engine takes together: 16 units or more, and more than 32 examples
    X, y = classes("binary", dtype) if name == "MLPClassifier" else numbers(1, dtype)
    epochs = 30 if dtype == "float64" else 10
    assert_same(name, X, y, epochs, hidden_layer_sizes=(7, 19), batch_size=45, **options)


@pytest.mark.grid
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("options", SOLVERS, ids=name_of)
@pytest.mark.parametrize("outputs", [1, 3])
def test_regressor_grid(outputs, options, activation, early_stopping, dtype):
    if early_stopping and options["solver"] == "lbfgs":
        pytest.skip("scikit-learn's lbfgs does not stop early")
    X, y = numbers(outputs, dtype)
    epochs = 30 if dtype == "float64" else 10
    assert_same(
        "MLPRegressor", X, y, epochs, activation=activation, early_stopping=early_stopping,
        batch_size=32, **options,
    )  # fmt: skip


@needs_modern
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("options", SOLVERS, ids=name_of)
@pytest.mark.parametrize("early_stopping", [False, True])
def test_sample_weight(early_stopping, options, dtype):
    if early_stopping and options["solver"] == "lbfgs":
        pytest.skip("scikit-learn's lbfgs does not stop early")
    epochs = 30 if dtype == "float64" else 10
    weights = np.random.default_rng(1).uniform(0.1, 2, size=120)
    options = options | {"early_stopping": early_stopping, "batch_size": 32}
    fit = {"sample_weight": weights}
    assert_same("MLPClassifier", *classes("multiclass", dtype), epochs, fit, **options)
    assert_same("MLPRegressor", *numbers(2, dtype), epochs, fit, **options)


@needs_modern
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("options", SOLVERS[:4], ids=name_of)
def test_poisson(options, outputs, weighted, dtype):
    options = options | ({"learning_rate_init": 0.001} if options["solver"] == "sgd" else {})
    fit = {"sample_weight": np.random.default_rng(1).uniform(0.1, 2, size=120)} if weighted else {}
    X, y = numbers(outputs, dtype, positive=True)
    epochs = 30 if dtype == "float64" else 10
    assert_same("MLPRegressor", X, y, epochs, fit, loss="poisson", batch_size=32, **options)


@pytest.mark.parametrize("form", ["csr_matrix", "csc_array"])
@pytest.mark.parametrize("options", SOLVERS[:4], ids=name_of)
@pytest.mark.parametrize("batch_size", [32, 120])
def test_sparse(batch_size, options, form):
    import scipy.sparse

    X, y = classes("multiclass")
    X[np.abs(X) < 1] = 0
    options = options | {"batch_size": batch_size}
    est, _ = assert_same("MLPClassifier", getattr(scipy.sparse, form)(X), y, **options)
    dense = ours.MLPClassifier(random_state=3, hidden_layer_sizes=(12, 7), max_iter=30, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dense.fit(X, y)
    np.testing.assert_allclose(est.coefs_[0], dense.coefs_[0], rtol=1e-7, atol=1e-7)


@needs_modern
def test_sparse_weights_lbfgs():
    import scipy.sparse

    X, y = numbers(2, positive=True)
    fit = {"sample_weight": np.random.default_rng(1).uniform(0.1, 2, size=120)}
    X = scipy.sparse.csr_matrix(X)
    assert_same("MLPRegressor", X, y, 20, fit, loss="poisson", solver="lbfgs", alpha=0.1)


@pytest.mark.parametrize("options", SOLVERS[:1] + SOLVERS[2:], ids=name_of)
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_partial_fit(dtype, options):
    X, y = classes("multiclass", dtype)
    parts = np.array_split(np.arange(120), 3)
    found = [
        module.MLPClassifier(random_state=3, hidden_layer_sizes=(12, 7), batch_size=16, **options)
        for module in (ours, theirs)
    ]
    for _ in range(4):
        for rows in parts:
            for est in found:
                est.partial_fit(X[rows], y[rows], classes=np.unique(y))
    est, ref = found
    tolerance = TOLERANCE[dtype]
    np.testing.assert_allclose(est.loss_curve_, ref.loss_curve_, rtol=tolerance)
    for a, b in zip(est.coefs_, ref.coefs_, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
    assert est.n_iter_ == ref.n_iter_
    assert est.t_ == ref.t_


@pytest.mark.parametrize("cls", ["MLPClassifier", "MLPRegressor"])
def test_check_estimator(cls):
    from sklearn.utils.estimator_checks import check_estimator

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_estimator(getattr(ours, cls)(max_iter=100))


# ---------------------------------------------------------------------------- what they have beside


def small(name="MLPClassifier", **options):
    """Make an estimator of ours that is soon fitted."""
    defaults = {"hidden_layer_sizes": (12, 7), "random_state": 3, "max_iter": 15, "tol": 0}
    return getattr(ours, name)(**defaults | options)


def fitted(est, X, y, *arguments, **options):
    """Fit without the warning that it has not converged."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return est.fit(X, y, *arguments, **options)


def test_lazily_at_the_top():
    import fastdnn

    assert fastdnn.MLPClassifier is ours.MLPClassifier
    assert fastdnn.MLPRegressor is ours.MLPRegressor
    with pytest.raises(AttributeError, match="no attribute 'MLP'"):
        _ = fastdnn.MLP


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


def test_dropout_weight_decay_and_clip_norm_are_network_s():
    X, y = numbers(1)
    options = {"alpha": 0, "batch_size": 120, "hidden_layer_sizes": (12,), "max_iter": 1}
    for given in ({"weight_decay": 0.5}, {"clip_norm": 1e-3, "solver": "sgd", "momentum": 0}):
        est = fitted(small("MLPRegressor", **options, **given), X, y)
        start = fitted(small("MLPRegressor", **options, learning_rate_init=1e-300), X, y)
        net = start.network_
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


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_max_time(solver):
    X, y = classes("binary")
    est = fitted(small(solver=solver, max_time=1e-9, max_iter=1000), X, y)
    assert est.n_iter_ == 1


@pytest.mark.parametrize("activation", [*sorted(ours.NAMES), ["gelu", "elu"]], ids=str)
def test_every_activation_has_its_gradient(activation):
    X, y = numbers(1)
    est = small("MLPRegressor", activation=activation, solver="sgd", momentum=0, max_iter=1)
    est.set_params(batch_size=120, learning_rate_init=1e-6, alpha=0.1)
    assert_descends(est, X, y)


@pytest.mark.parametrize(
    "options",
    [{"loss": "absolute_error"}, {"loss": "huber"}, {"loss": "quantile", "quantile": 0.9}],
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
    second = est.loss_  # of after the first step, as it is taken before the update
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


@pytest.mark.parametrize("way", ["warm_start", "partial_fit"])
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_exact_resume(solver, way):
    import pickle

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


def test_verbose(capsys):
    X, y = classes("binary")
    fitted(small(max_iter=3, verbose=True), X, y)
    assert capsys.readouterr().out.startswith("Iteration 1, loss = ")
    fitted(small(max_iter=3, verbose="bar"), X, y)
    said = capsys.readouterr()
    assert not said.out
    assert "Iteration 3, loss" in said.err
    assert "#" * 30 in said.err


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_the_network_and_the_course_s_parameters_predict_the_same(dtype):
    import fastdnn

    X, y = classes("binary", dtype)
    est = fitted(small(), X, y)
    probability = est.predict_proba(X)[:, 1]
    np.testing.assert_allclose(est.network_.predict(X)[:, 0], probability, rtol=1e-5)
    AL, _ = fastdnn.L_model_forward(X.T, est.course_parameters())
    np.testing.assert_allclose(AL[0], probability, rtol=1e-5)


def test_a_warm_start_takes_another_loss():
    X, y = numbers(1)
    est = fitted(small("MLPRegressor", warm_start=True, max_iter=1), X, y)
    before = est.predict(X)
    est.set_params(loss="absolute_error", alpha=0, batch_size=120)
    assert fitted(est, X, y).loss_ == pytest.approx(np.abs(before - y).mean())


def test_assigned_weights_are_those_that_predict():
    X, y = numbers(1)
    est = fitted(small("MLPRegressor"), X, y)
    before = est.predict(X)
    est.coefs_[0][...] = 0
    assert not np.allclose(est.predict(X), before)
    est.coefs_ = [np.zeros_like(W) for W in est.coefs_]
    est.intercepts_[-1] = np.array([5.0])
    np.testing.assert_array_equal(est.predict(X), 5.0)


@pytest.mark.parametrize("dtype", ["float16", "float32", ">f8", "longdouble", "int64"])
def test_assigned_weights_of_any_type(dtype):
    X, y = numbers(1)
    one, other = (
        fitted(module.MLPRegressor(hidden_layer_sizes=9, random_state=0, max_iter=5), X, y)
        for module in (ours, theirs)
    )
    one.coefs_ = [(5 * W).astype(dtype) for W in one.coefs_]
    # the same numbers in the type that it is computed in: the biases are of float64
    other.coefs_ = [W.astype(float) for W in one.coefs_]
    np.testing.assert_allclose(one.predict(X), other.predict(X), rtol=1e-9)
    assert one.coefs_[0].dtype == dtype
    # the optimiser goes on
    predictions = [est.partial_fit(X, y).predict(X) for est in (one, other)]
    np.testing.assert_allclose(*predictions, rtol=1e-9)
    assert one.coefs_[0].dtype == "float64"


def test_more_layers_than_numpy_takes_arguments():
    X, y = classes("binary")
    assert_same("MLPClassifier", X, y, hidden_layer_sizes=(3,) * 40, max_iter=3)


def test_predictions_leave_assigned_weights_where_they_are():
    X, y = numbers(1)
    est = fitted(small("MLPRegressor"), X, y)
    W = np.zeros_like(est.coefs_[-1])
    est.coefs_[-1] = W
    np.testing.assert_array_equal(est.predict(X), est.intercepts_[-1][0])
    assert est.coefs_[-1] is W
    W[...] = 1
    assert len(np.unique(est.predict(X))) > 1


def test_a_copy_of_any_depth_goes_on_by_itself():
    import copy

    X, y = classes("binary")
    est, twin = (fitted(small(), X, y) for _ in range(2))
    for other in (copy.copy(est), copy.deepcopy(est)):
        other.partial_fit(X, y)
    np.testing.assert_array_equal(est.partial_fit(X, y).coefs_[0], twin.partial_fit(X, y).coefs_[0])


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_numbers_as_strings_are_no_targets_of_a_regressor(method):
    X, y = numbers(1)
    with pytest.raises(TypeError, match="y must hold numbers"):
        getattr(small("MLPRegressor"), method)(X, y.astype(str))


def test_with_scikit_learn_s_tools():
    from sklearn.base import clone
    from sklearn.model_selection import GridSearchCV, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X, y = classes("binary")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scores = [
            GridSearchCV(
                make_pipeline(StandardScaler(), module.MLPClassifier(random_state=3, max_iter=20)),
                {"mlpclassifier__alpha": [0.1, 1]},
                cv=2,
                n_jobs=2,
            )
            .fit(X, y)
            .cv_results_["mean_test_score"]
            for module in (ours, theirs)
        ]
        np.testing.assert_array_equal(*scores)
        assert len(cross_val_predict(small(), X, y, cv=2)) == len(y)
    assert clone(small(dropout=0.3)).dropout == 0.3
    assert "MLPClassifier" in small()._repr_html_()


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
    # five fits of four iterations, and their ends
    assert len(scores) == 5 * (4 + 1)


def test_the_number_of_threads_changes_little():
    X, y = numbers(2, m=400)
    one, two = (fitted(small("MLPRegressor", n_threads=n), X, y) for n in (1, 2))
    np.testing.assert_allclose(two.coefs_[0], one.coefs_[0], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(two.predict(X), one.predict(X), rtol=1e-9, atol=1e-12)


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


@needs_modern
def test_odd_weights():
    X, y = classes("multiclass")
    fit = {"sample_weight": -np.ones(120)}
    assert_same("MLPClassifier", X, y, 5, fit, alpha=0)
    weights = np.ones(120)
    weights[:40] = 0
    X, y = numbers(1, positive=True)
    est = small("MLPRegressor", loss="poisson", batch_size=20, shuffle=False)
    assert np.isfinite(fitted(est, X, y, weights).loss_curve_).all()


def test_a_scorer_without_weights():
    X, y = numbers(1)
    est = small("MLPRegressor", scoring="neg_max_error", early_stopping=True)
    fitted(est, X, y, np.ones(120))
    assert len(est.validation_scores_) == est.n_iter_


def test_early_stopping_alone_does_nothing_under_lbfgs():
    assert_same("MLPClassifier", *classes("binary"), 20, solver="lbfgs", alpha=0.1)
    X, y = classes("binary")
    plain, early = (
        fitted(small(solver="lbfgs", early_stopping=stops), X, y) for stops in (False, True)
    )
    np.testing.assert_array_equal(early.coefs_[0], plain.coefs_[0])


def test_a_memory_mapped_estimator_goes_on(tmp_path):
    import joblib

    X, y = classes("binary")
    est = fitted(small(), X, y)
    joblib.dump(est, tmp_path / "est")
    mapped = joblib.load(tmp_path / "est", mmap_mode="r")
    for array in (mapped.coefs_[0], mapped._optimizer.m1, mapped._optimizer.m2):
        assert array.flags.writeable
        assert array.ctypes.data % 64 == 0
    mapped.partial_fit(X, y)
    np.testing.assert_array_equal(mapped.coefs_[0], est.partial_fit(X, y).coefs_[0])


def test_another_loss_after_the_fit_does_not_change_predictions():
    import copy

    X, y = numbers(1, positive=True)
    est = fitted(small("MLPRegressor"), X, y)
    before = est.predict(X)
    est.set_params(loss="poisson")
    np.testing.assert_array_equal(copy.deepcopy(est).predict(X), before)
    np.testing.assert_allclose(est.network_.predict(X)[:, 0], before, rtol=1e-12)


def test_an_interrupt_before_the_first_score_keeps_the_weights():
    X, y = numbers(1)

    def scoring(estimator, X, y):
        raise KeyboardInterrupt

    est = small("MLPRegressor", early_stopping=True, scoring=scoring)
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        est.fit(X, y)
    assert est.n_iter_ == 1
    assert np.isfinite(est.predict(X)).all()
