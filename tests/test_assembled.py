"""Estimators whose weights were assigned, assembled, converted or drawn by a subclass."""

import copy
import itertools
import pickle
import re
import subprocess
import sys
import warnings

import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn")

import sklearn.neural_network as theirs  # noqa: E402
from sklearn.preprocessing import LabelBinarizer  # noqa: E402
from sklearn.utils.fixes import parse_version  # noqa: E402

from fastdnn import estimators as ours  # noqa: E402

MODERN = parse_version(sklearn.__version__) >= parse_version("1.7")
KINDS = ["binary", "multiclass", "multilabel", "number", "numbers"]
DTYPES = ["float32", "float64"]


def data(kind, dtype="float64", m=90):
    random = np.random.default_rng(5)
    X = random.normal(size=(m, 6)).astype(dtype)
    Z = X @ random.normal(size=(6, 3)) + random.normal(size=(m, 3)) / 2
    return X, {
        "binary": np.array(["no", "yes"])[(Z[:, 0] > 0).astype(int)],
        "multiclass": np.array([3, 5, 9])[Z.argmax(axis=1)],
        "multilabel": (Z > 0).astype(int),
        "number": Z[:, 0].astype(dtype),
        "numbers": Z.astype(dtype),
    }[kind]


def named(kind):
    return "MLPRegressor" if kind.startswith("number") else "MLPClassifier"


def quietly(function, *arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments, **options)


def make(module, kind, **options):
    defaults = {"hidden_layer_sizes": (7, 4), "random_state": 1, "max_iter": 4, "batch_size": 30}
    return getattr(module, named(kind))(**defaults | options)


def both(kind, dtype="float64", **options):
    X, y = data(kind, dtype)
    return X, y, *(quietly(make(module, kind, **options).fit, X, y) for module in (ours, theirs))


def assert_alike(one, other, X, y, tolerance=1e-9):
    names = ["predict"] + ["predict_proba"] * hasattr(other, "predict_proba")
    for name in names:
        a, b = (getattr(est, name)(X) for est in (one, other))
        if a.dtype.kind == "f":
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
        else:
            np.testing.assert_array_equal(a, b)
    assert one.score(X, y) == pytest.approx(other.score(X, y), abs=tolerance)


# ---------------------------------------------------------------------------- assigned weights


@pytest.mark.parametrize("method", ["predict", "score", "partial_fit", "fit"])
@pytest.mark.parametrize(
    ("name", "at", "shape", "says"),
    [
        ("coefs_", 1, (4, 7), "coefs_[1] has shape (4, 7), but coefs_[0] (6, 7)"),
        ("coefs_", 0, (6, 8), "intercepts_[0] has shape (7,), but coefs_[0] (6, 8)"),
        ("coefs_", 2, (4,), "coefs_[2] must have shape (n_prev, n), got (4,)"),
        ("coefs_", 1, (7, 5), "intercepts_[1] has shape (4,), but coefs_[1] (7, 5)"),
        ("coefs_", 0, (6, 0), "coefs_[0] must have shape (n_prev, n), got (6, 0)"),
        ("intercepts_", 0, (1, 8), "intercepts_[0] has shape (1, 8), but coefs_[0] (6, 7)"),
        ("intercepts_", 1, (4, 1), "intercepts_[1] has shape (4, 1), but coefs_[1] (7, 4)"),
        ("intercepts_", 2, (1, 1, 3), "intercepts_[2] has shape (1, 1, 3)"),
    ],
)
def test_weights_that_do_not_fit_each_other_are_named(name, at, shape, says, method):
    X, y = data("multiclass")
    est = quietly(make(ours, "multiclass", warm_start=True).fit, X, y)
    getattr(est, name)[at] = np.zeros(shape)
    with pytest.raises(ValueError, match=re.escape(says)):
        getattr(est, method)(*((X,) if method == "predict" else (X, y)))


def test_lists_of_other_lengths_and_types_are_named():
    X, y = data("number")
    est = quietly(make(ours, "number").fit, X, y)
    kept = est.coefs_[-1]
    est.coefs_ = est.coefs_[:-1]
    with pytest.raises(ValueError, match="coefs_ holds 2 arrays, and intercepts_ 3"):
        est.predict(X)
    est.coefs_ = [*est.coefs_, kept.astype(complex)]
    with pytest.raises(TypeError, match=r"coefs_\[2\] must hold real numbers"):
        est.predict(X)
    est.coefs_ = [est.coefs_[0][1:], *est.coefs_[1:2], kept]
    with pytest.raises(ValueError, match=r"X has 6 features, but coefs_\[0\] has 5 rows"):
        est.predict(X)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("hidden", [(), (5,), (3, 8, 2), (2,) * 6], ids=str)
@pytest.mark.parametrize("told", [True, False])
def test_a_chain_of_any_depth_predicts(told, hidden, kind):
    X, y, one, other = both(kind, activation="tanh")
    random = np.random.default_rng(0)
    dims = [6, *hidden, other.n_outputs_]
    coefs = [random.normal(size=shape) for shape in itertools.pairwise(dims)]
    intercepts = [random.normal(size=n) for n in dims[1:]]
    for est in (one, other):
        est.coefs_, est.intercepts_ = list(coefs), list(intercepts)
    other.n_layers_ = len(dims)
    if told:
        one.n_layers_ = len(dims)
    assert_alike(one, other, X, y)
    assert_alike(pickle.loads(pickle.dumps(one)), other, X, y)
    assert one.network_.layer_dims == tuple(dims)
    one.partial_fit(X, y)
    assert [W.shape for W in one.coefs_] == [W.shape for W in coefs]
    assert one.n_layers_ == len(dims)


def test_fewer_layers_by_n_layers_as_in_scikit_learn():
    X, _, one, other = both("numbers")
    for est in (one, other):
        est.n_layers_, est.out_activation_ = 2, "relu"
    np.testing.assert_allclose(one.predict(X), other.predict(X), rtol=1e-12)
    assert one.predict(X).shape == (90, 7)


@pytest.mark.parametrize("shape", [(), (1,), (1, 1), (1, 4), (4,)], ids=str)
def test_intercepts_that_scikit_learn_would_add(shape):
    X, y, one, other = both("binary")
    for est in (one, other):
        est.intercepts_[1] = np.full(shape, 0.3)
    assert_alike(one, other, X, y)
    assert np.isfinite(one.partial_fit(X, y).loss_)
    assert one.intercepts_[1].shape == (4,)


def test_weights_of_other_kinds_of_arrays():
    import scipy.sparse

    X, y, one, other = both("number")
    for est in (one, other):
        est.coefs_[0] = scipy.sparse.csr_matrix(np.where(est.coefs_[0] > 0.2, est.coefs_[0], 0))
        est.coefs_[1] = np.asfortranarray(est.coefs_[1])[:, ::-1]
    assert_alike(one, other, X, y)
    one.coefs_[0] = one.coefs_[0].toarray().tolist()
    assert_alike(one, other, X, y)


@pytest.mark.parametrize("activation", ["logistic", "identity"])
def test_another_activation_is_heard_as_in_scikit_learn(activation):
    X, y, one, other = both("multiclass")
    for est in (one, other):
        est.predict(X)
        est.set_params(activation=activation)
    assert_alike(one, other, X, y)


# ------------------------------------------------------------------------------- assembled models


def assembled(module, kind, source, **options):
    est = make(module, kind, **options)
    est.coefs_ = [W.copy() for W in source.coefs_]
    est.intercepts_ = [b.copy() for b in source.intercepts_]
    for name in ("n_layers_", "n_outputs_", "out_activation_"):
        setattr(est, name, getattr(source, name))
    if "Classifier" in named(kind):
        est.classes_ = source.classes_
        est._label_binarizer = LabelBinarizer().fit(data(kind)[1])
    return est


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_model_assembled_by_hand(kind, dtype):
    X, y, _, fitted = both(kind, dtype)
    tolerance = {"float32": 1e-4, "float64": 1e-9}[dtype]
    one, other = (assembled(module, kind, fitted) for module in (ours, theirs))
    assert_alike(one, other, X, y, tolerance)
    # which scikit-learn needs, and ours makes
    other.t_, other.loss_curve_, other.best_loss_, other._no_improvement_count = 0, [], np.inf, 0
    for _ in range(3):
        one.partial_fit(X, y)
        other.partial_fit(X, y)
    assert_alike(one, other, X, y, tolerance)
    np.testing.assert_allclose(one.loss_curve_, other.loss_curve_, rtol=tolerance)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("hidden", [(7, 4), (100,), 100], ids=str)
def test_a_warm_fit_of_an_assembled_model(hidden, solver):
    X, y, fitted, _ = both("multiclass")
    # the weights are what it goes on from, whatever the parameter's default
    est = assembled(ours, "multiclass", fitted, warm_start=True, hidden_layer_sizes=hidden)
    est.set_params(solver=solver, learning_rate_init=1e-9, max_iter=1, max_fun=1)
    quietly(est.fit, X, y)
    assert [W.shape for W in est.coefs_] == [(6, 7), (7, 4), (4, 3)]
    if solver != "lbfgs":
        np.testing.assert_allclose(est.predict_proba(X), fitted.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_and_classes_are_enough(kind):
    X, y, fitted, _ = both(kind)
    est = make(ours, kind)
    est.coefs_, est.intercepts_ = list(fitted.coefs_), list(fitted.intercepts_)
    if "Classifier" in named(kind):
        est.classes_ = list(fitted.classes_)
        if kind == "multilabel":
            est.out_activation_ = "logistic"
    assert_alike(est, fitted, X, y)
    est.partial_fit(X, y)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_attributes_of_scikit_learn_s_model(kind, dtype, solver):
    tolerance = {"float32": 1e-4, "float64": 1e-9}[dtype]
    X, y, _, other = both(kind, dtype, solver=solver)
    one = getattr(ours, named(kind))()
    one.__dict__.update(copy.deepcopy(other.__dict__))
    assert_alike(one, other, X, y, tolerance)
    for _ in range(3):  # the moments go on
        one.partial_fit(X, y)
        other.partial_fit(X, y)
    assert_alike(one, other, X, y, tolerance)
    np.testing.assert_allclose(one.loss_curve_, other.loss_curve_, rtol=10 * tolerance)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_warm_fit_of_scikit_learn_s_attributes(kind, solver):
    X, y, _, other = both(kind, solver=solver, warm_start=True, alpha=0.1)
    one = getattr(ours, named(kind))()
    one.__dict__.update(copy.deepcopy(other.__dict__))
    for est in (one, other):  # the moments begin anew, as there
        quietly(est.fit, X, y)
    assert_alike(one, other, X, y, 1e-6)


@pytest.mark.parametrize("fitted", [False, True])
def test_attributes_over_another_fit(fitted):
    X, y, _, other = both("multiclass")
    one = make(ours, "binary", hidden_layer_sizes=(3, 3, 3))
    if fitted:
        quietly(one.fit, *data("binary"))
    one.__dict__.update(copy.deepcopy(other.__dict__))
    assert_alike(one, other, X, y)
    assert_alike(one.partial_fit(X, y), other.partial_fit(X, y), X, y)


# ------------------------------------------------------------------------------------- conversions

OPTIONS = [
    {},
    {"solver": "sgd", "learning_rate": "adaptive", "activation": "tanh"},
    {"solver": "sgd", "momentum": 0.0, "activation": "logistic"},
    {"solver": "sgd", "nesterovs_momentum": False, "activation": "identity"},
    {"solver": "lbfgs"},
    {"early_stopping": True, "hidden_layer_sizes": 5},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize(("kind", "dtype"), list(zip(KINDS, DTYPES * 3, strict=False)))
def test_from_sklearn_and_back(kind, dtype, options):
    if not MODERN and kind == "binary" and "early_stopping" in options:
        pytest.skip("older ones cannot stop early where labels are strings")
    tolerance = {"float32": 1e-4, "float64": 1e-9}[dtype]
    X, y = data(kind, dtype)
    model = quietly(make(theirs, kind, **options).fit, X, y)
    before = pickle.dumps([model.coefs_, model.intercepts_])
    est = getattr(ours, named(kind)).from_sklearn(model)
    assert type(est) is getattr(ours, named(kind))
    assert_alike(est, model, X, y, tolerance)
    back = est.to_sklearn()
    assert type(back) is type(model)
    assert back.get_params() == model.get_params()
    assert_alike(back, model, X, y, tolerance)
    assert {name for name in vars(model) if name.endswith("_")} <= set(vars(back))
    if options.get("solver") != "lbfgs" and "early_stopping" not in options:
        found = [quietly(one.partial_fit, X, y) for one in (est, back)]
        assert pickle.dumps([model.coefs_, model.intercepts_]) == before, "they share memory"
        quietly(model.partial_fit, X, y)
        for one in found:
            assert_alike(one, model, X, y, tolerance)
            assert one.t_ == model.t_
    for one in (est, back, model):
        quietly(one.set_params(early_stopping=False, max_iter=2).fit, X, y)
    assert_alike(est, model, X, y, tolerance)
    assert_alike(back, model, X, y, tolerance)


@pytest.mark.parametrize("kind", ["multiclass", "number"])
def test_to_sklearn_is_pickled_without_fastdnn(kind, tmp_path):
    X, _, est, _ = both(kind)
    (tmp_path / "model").write_bytes(pickle.dumps((est.to_sklearn(), X)))
    code = (
        "import pickle, sys; model, X = pickle.load(open('model', 'rb'))\n"
        "assert 'fastdnn' not in sys.modules\n"
        "print(*model.predict(X).tolist())"
    )
    run = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    np.testing.assert_allclose(np.array(run.stdout.split(), float), est.predict(X), rtol=1e-12)


@pytest.mark.parametrize(
    ("kind", "options", "says"),
    [
        ("binary", {"activation": "gelu"}, "no activation 'gelu'"),
        ("number", {"activation": ["silu", "silu"]}, "no activation 'silu'"),
        ("multiclass", {"activation": ("relu", "tanh")}, "one for all hidden layers"),
    ],
)
def test_to_sklearn_names_what_is_missing_there(kind, options, says):
    X, y = data(kind)
    est = quietly(make(ours, kind, **options).fit, X, y)
    with pytest.raises(ValueError, match=says):
        est.to_sklearn()


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("binary", {"activation": ["tanh", "tanh"], "verbose": "bar", "class_weight": "balanced"}),
        ("number", {"loss": "huber", "dropout": 0.1, "clip_norm": 1.0}),
        ("numbers", {"loss": "quantile", "weight_decay": 0.1, "scoring": "loss"}),
        ("number", {"activation": "gelu", "hidden_layer_sizes": ()}),
        ("binary", {"activation": [], "hidden_layer_sizes": []}),
    ],
)
def test_to_sklearn_leaves_out_what_only_trains(kind, options):
    X, y = data(kind)
    est = quietly(make(ours, kind, **options).fit, X, y)
    model = est.to_sklearn()
    assert_alike(model, est, X, y)
    quietly(model.partial_fit, X, y)
    quietly(sklearn.base.clone(model).fit, X, y)


@pytest.mark.skipif(not MODERN, reason="this scikit-learn has no such loss")
def test_poisson_is_converted():
    X, y = data("number")
    model = make(theirs, "number", loss="poisson")
    quietly(model.fit, X, y**2)
    est = ours.MLPRegressor.from_sklearn(model)
    np.testing.assert_allclose(est.predict(X), model.predict(X), rtol=1e-12)
    assert est.to_sklearn().loss == "poisson"


def test_what_cannot_be_converted():
    X, y = data("number")
    with pytest.raises(sklearn.exceptions.NotFittedError):
        ours.MLPRegressor.from_sklearn(theirs.MLPRegressor())
    with pytest.raises(sklearn.exceptions.NotFittedError):
        ours.MLPRegressor().to_sklearn()
    for other in (quietly(make(theirs, "number").fit, X, y), object()):
        with pytest.raises(TypeError, match="fitted sklearn.neural_network.MLPClassifier"):
            ours.MLPClassifier.from_sklearn(other)
    est = quietly(make(ours, "number", loss="huber").fit, X, y)
    same = ours.MLPRegressor.from_sklearn(est)
    assert same.loss == "huber"
    np.testing.assert_array_equal(same.partial_fit(X, y).coefs_[0], est.partial_fit(X, y).coefs_[0])


# ---------------------------------------------------------------------- the output's activation


@pytest.mark.parametrize("out", ["identity", "logistic", "relu", "tanh", "softmax"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_output_s_activation_is_heard(kind, dtype, out):
    X, y, one, other = both(kind, dtype)
    for est in (one, other):
        est.predict(X)
        est.out_activation_ = out
    assert_alike(one, other, X, y, {"float32": 1e-4, "float64": 1e-9}[dtype])
    assert_alike(pickle.loads(pickle.dumps(one)), one, X, y)
    if out in ("relu", "tanh"):
        with pytest.raises(ValueError, match=f"no out_activation_ '{out}'"):
            _ = one.network_
    elif one.n_outputs_ > 1 or out != "softmax":
        np.testing.assert_allclose(
            one.network_.predict(X).reshape(len(X), -1),
            one._forward_pass_fast(X),
            rtol=1e-6,
        )


def test_an_unknown_output_s_activation():
    X, y, est, _ = both("binary")
    est.out_activation_ = "gelu"
    with pytest.raises(ValueError, match="out_activation_ must be one of"):
        est.predict(X)
    with pytest.raises(ValueError, match="out_activation_ must be one of .* got 'gelu'"):
        est.to_sklearn()
    est.out_activation_ = "identity"
    with pytest.raises(ValueError, match="out_activation_ is 'identity': .* needs 'logistic'"):
        est.partial_fit(X, y)
    assert quietly(est.fit, X, y).out_activation_ == "logistic"


def test_one_class_against_the_others_goes_on_as_in_scikit_learn():
    X, y, one, other = both("multiclass")
    for est in (one, other):
        est.out_activation_ = "logistic"
        est.partial_fit(X, y)
    assert_alike(one, other, X, y)
    np.testing.assert_allclose(one.loss_curve_, other.loss_curve_, rtol=1e-9)


# ----------------------------------------------------------------------------- scikit-learn's hooks


def drawing(base):
    class Drawing(base):
        seen = ()

        def _init_coef(self, fan_in, fan_out, dtype):
            self.seen = (*self.seen, (fan_in, fan_out, np.dtype(dtype).name))
            W, b = super()._init_coef(fan_in, fan_out, dtype)
            return W * 2, np.zeros_like(b)

    return Drawing


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ["logistic", "relu"])
def test_init_coef_is_called_as_in_scikit_learn(activation, dtype):
    X, y = data("multiclass", dtype)
    options = {"hidden_layer_sizes": (7, 4), "random_state": 2, "max_iter": 3}
    one, other = (
        quietly(drawing(m.MLPClassifier)(**options, activation=activation).fit, X, y)
        for m in (ours, theirs)
    )
    assert one.seen == other.seen == ((6, 7, dtype), (7, 4, dtype), (4, 3, dtype))
    assert_alike(one, other, X, y, {"float32": 1e-4, "float64": 1e-9}[dtype])
    # not where it goes on
    quietly(one.set_params(warm_start=True).fit, X, y)
    assert len(one.seen) == 3


def test_init_coef_may_return_what_it_likes_of_its_shape():
    class Wide(ours.MLPRegressor):
        def _init_coef(self, fan_in, fan_out, dtype):
            W = np.ones((fan_in, fan_out), order="F")
            W.flags.writeable = False
            return W, [0] * fan_out

    X, y = data("number", "float32")
    est = quietly(Wide(hidden_layer_sizes=3, max_iter=1).fit, X, y)
    assert est.coefs_[0].dtype == "float64"

    class Wrong(ours.MLPRegressor):
        def _init_coef(self, fan_in, fan_out, dtype):
            return np.ones((fan_out, fan_in)), np.zeros(fan_out)

    with pytest.raises(ValueError, match=r"_init_coef must return arrays of shapes \(6, 3\)"):
        Wrong(hidden_layer_sizes=3).fit(X, y)


METHOD = ("MLPClassifier", "partial_fit")


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    "name",
    [
        *("_initialize", "_backprop", "_compute_loss_grad", "_update_no_improvement_count"),
        *("_forward_pass", "_loss_grad_lbfgs", "_unpack", "_fit_stochastic", "_fit_lbfgs"),
    ],
)
@pytest.mark.parametrize("cls", ["MLPClassifier", "MLPRegressor"])
def test_hooks_that_cannot_be_called_are_refused(cls, name, method):
    X, y = data("binary" if cls == "MLPClassifier" else "number")
    base = getattr(ours, cls)
    own = type("Own", (base,), {name: lambda self, *arguments: None})
    mixed = type("Mixed", (type("Mixin", (), {name: getattr(own, name)}), base), {})
    one = base()
    setattr(one, name, print)
    for est in (own(), mixed(), one):
        classes = {"classes": ["no", "yes"]} if (cls, method) == METHOD else {}
        with pytest.raises(TypeError, match=f"overrides {name}"):
            getattr(est, method)(X, y, **classes)


def test_other_methods_are_overridden_as_ever():
    calls = []

    class Own(ours.MLPClassifier):
        def _fit(self, X, y, sample_weight=None, incremental=False):
            calls.append("fit")
            return super()._fit(X, y, sample_weight, incremental)

        def _validate_input(self, X, y, incremental, reset):
            calls.append("validate")
            return super()._validate_input(X, y, incremental, reset)

        def _forward_pass_fast(self, X, check_input=True):
            calls.append("forward")
            return super()._forward_pass_fast(X, check_input)

        def _score(self, X, y, sample_weight=None):
            calls.append("score")
            return super()._score(X, y)

    X, y = data("multiclass")
    est = quietly(Own(3, max_iter=2, early_stopping=True).fit, X, y)
    est.predict(X)
    assert calls == ["fit", "validate", *["score", "forward"] * 2, "forward"]


# ------------------------------------------------------------------------------- log-probabilities


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
def test_the_logarithm_of_a_probability_that_underflows(kind, dtype):
    X, _, est, _ = both(kind, dtype)
    alike = est.predict_log_proba(X)
    assert alike.dtype == est.predict_proba(X).dtype
    np.testing.assert_allclose(alike, np.log(est.predict_proba(X)), rtol=1e-4, atol=1e-6)
    est.coefs_[-1] = est.coefs_[-1] * 1e5
    found = est.predict_log_proba(X)
    assert found.shape == est.predict_proba(X).shape
    assert np.isfinite(found).all()
    assert (found <= 0).all()
    assert found.min() < -1000
    Z = np.maximum(X @ est.coefs_[0] + est.intercepts_[0], 0)
    Z = np.maximum(Z @ est.coefs_[1] + est.intercepts_[1], 0) @ est.coefs_[2] + est.intercepts_[2]
    Z = np.hstack([-Z, Z]) if kind == "binary" else Z
    others = np.logaddexp.reduce(Z, axis=1)[:, None] if kind == "multiclass" else np.logaddexp(0, Z)
    np.testing.assert_allclose(found, Z - others, rtol=1e-3, atol=1e-3 * np.abs(Z).max())


def test_the_logarithm_of_what_a_subclass_says():
    class Even(ours.MLPClassifier):
        def predict_proba(self, X):
            return np.full((len(X), 2), 0.5)

    X, y = data("binary")
    est = quietly(Even(max_iter=1).fit, X, y)
    np.testing.assert_array_equal(est.predict_log_proba(X), np.log(0.5))
    est = quietly(ours.MLPClassifier(max_iter=1).fit, X, y)
    est.out_activation_ = "identity"
    with np.errstate(all="ignore"):
        logarithm = np.log(est.predict_proba(X))
    np.testing.assert_array_equal(quietly(est.predict_log_proba, X), logarithm)


@pytest.mark.parametrize("name", [[], "gelu", 3, None])
def test_an_output_activation_that_is_none(name):
    X, y = np.random.default_rng(0).normal(size=(20, 3)), np.arange(20) % 2
    model = ours.MLPClassifier((4,), max_iter=9, warm_start=True, tol=9, n_iter_no_change=1)
    model.fit(X, y)
    model.out_activation_ = name
    for call in (model.predict, model.predict_proba, lambda X: model.network_, model.to_sklearn):
        with pytest.raises(ValueError, match="out_activation_"):
            call(X) if call != model.to_sklearn else call()
    with pytest.raises(ValueError, match="out_activation_"):
        model.fit(X, y)


@pytest.mark.parametrize("name", ["alpha", "epsilon", "learning_rate_init", "weight_decay"])
def test_parameters_that_no_double_can_hold(name):
    X, y = np.random.default_rng(0).normal(size=(20, 3)), np.arange(20) % 2
    with pytest.raises(ValueError, match=name):
        ours.MLPClassifier((4,), max_iter=2, **{name: 10**400}).fit(X, y)


def two_outputs(cls):
    """Assemble two classes with an output each, as networks trained elsewhere have them."""
    random = np.random.default_rng(0)
    model = cls(hidden_layer_sizes=(4,))
    model.coefs_ = [random.normal(size=(5, 4)), random.normal(size=(4, 2))]
    model.intercepts_ = [np.zeros(4), np.zeros(2)]
    model.n_layers_, model.n_outputs_, model.out_activation_ = 3, 2, "softmax"
    model.classes_ = np.array([0, 1])
    model._label_binarizer = LabelBinarizer().fit([0, 1])
    return model


def test_two_classes_with_an_output_each():
    X = np.random.default_rng(1).normal(size=(60, 5))
    one, other = two_outputs(ours.MLPClassifier), two_outputs(theirs.MLPClassifier)
    expected = other.predict(X)
    assert 0 < expected.mean() < 1
    for model in (one, ours.MLPClassifier.from_sklearn(other), one.to_sklearn()):
        np.testing.assert_array_equal(model.predict(X), expected)
        np.testing.assert_allclose(model.predict_proba(X), other.predict_proba(X), atol=1e-12)
    least = ours.MLPClassifier(hidden_layer_sizes=(4,))
    least.coefs_, least.intercepts_ = one.coefs_, one.intercepts_
    least.classes_ = np.array([0, 1])
    np.testing.assert_array_equal(least.predict(X), expected)
    np.testing.assert_allclose(least.predict_proba(X).sum(axis=1), 1)


@pytest.mark.parametrize("labels", [(-1, 1), (0, 5), (-2, 0)])
@pytest.mark.parametrize("name", ["tanh", "identity", "logistic"])
def test_the_threshold_between_assigned_labels(labels, name):
    random = np.random.default_rng(0)
    X = random.normal(size=(60, 5))
    y = np.array(["no", "yes"])[(X[:, 0] > 0).astype(int)]
    answers = []
    for cls in (ours.MLPClassifier, theirs.MLPClassifier):
        model = quietly(cls((4,), max_iter=5, random_state=0).fit, X, y)
        model._label_binarizer = LabelBinarizer(neg_label=labels[0], pos_label=labels[1]).fit(y)
        model.out_activation_ = name
        answers.append(model.predict(X))
    np.testing.assert_array_equal(*answers)


def test_more_outputs_than_classes():
    X = np.random.default_rng(0).normal(size=(60, 5))
    for y, n in ((np.arange(60) % 3, 5), (np.arange(60) % 2, 3)):
        answers = []
        for cls in (ours.MLPClassifier, theirs.MLPClassifier):
            model = quietly(cls((6,), max_iter=3, random_state=0).fit, X, y)
            model.coefs_[-1], model.intercepts_[-1] = np.ones((6, n)), np.arange(float(n))
            model.n_outputs_ = n
            try:
                answers.append(model.predict(X).tolist())
            except ValueError as error:
                answers.append(str(error))
        assert answers[0] == answers[1]


@pytest.mark.parametrize("name", ["logistic", "tanh"])
def test_to_sklearn_keeps_the_activation_without_a_hidden_layer(name):
    X, y = np.random.default_rng(0).normal(size=(30, 5)), np.arange(30) % 3
    model = quietly(ours.MLPClassifier((), name, max_iter=3, random_state=1).fit, X, y)
    other = model.to_sklearn()
    assert other.activation == name
    again = quietly(theirs.MLPClassifier(**other.get_params()).fit, X, y)
    np.testing.assert_allclose(again.coefs_[0], model.coefs_[0])


@pytest.mark.filterwarnings("ignore:Creating an ndarray from ragged")  # of NumPy before 1.24
def test_weights_that_are_none():
    X, y = np.random.default_rng(0).normal(size=(30, 5)), np.arange(30) % 3
    model = quietly(ours.MLPClassifier((6, 4), max_iter=3, random_state=1).fit, X, y)
    good = model.coefs_[1]
    for bad in ([[1], [1, 2]], np.ma.masked_array(good, True)):
        model.coefs_[1] = bad
        with pytest.raises((TypeError, ValueError), match=r"coefs_\[1\]"):
            model.predict(X)
    model.coefs_[1] = good
    with pytest.raises(TypeError, match="X must hold real numbers|datetime"):
        model.predict(X.astype("M8[s]"))
