"""From scikit-learn's model, to one, and as the network and the course's parameters."""

import itertools
import pickle
import subprocess
import sys

import numpy as np
import pytest
from perceptrons import (
    DTYPES,
    KINDS,
    MODERN,
    TOLERANCE,
    assert_alike,
    both,
    classes,
    data,
    fitted,
    make,
    named,
    ours,
    quietly,
    sklearn,
    small,
    theirs,
)

from fastdnn._fit.names import COSTS


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_the_network_and_the_course_s_parameters_predict_the_same(dtype):
    import fastdnn

    X, y = classes("binary", dtype)
    est = fitted(small(), X, y)
    probability = est.predict_proba(X)[:, 1]
    np.testing.assert_allclose(est.network_.predict(X)[:, 0], probability, rtol=1e-5)
    AL, _ = fastdnn.L_model_forward(X.T, est.course_parameters())
    np.testing.assert_allclose(AL[0], probability, rtol=1e-5)


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


def requests(est):
    """Read what an estimator has been told to ask of metadata routing."""
    routing = est.get_metadata_routing()
    return {name: dict(getattr(routing, name).requests) for name in ("fit", "partial_fit", "score")}


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("kind", ["binary", "number"])
def test_metadata_requests_are_converted(kind, solver):
    _, _, est, model = both(kind, solver=solver)
    cls = type(est)
    # of older ones fit takes no weights
    methods = [name for name, asked in requests(model).items() if "sample_weight" in asked]
    with sklearn.config_context(enable_metadata_routing=True):
        for one, (method, asked) in itertools.product(
            (est, model), zip(methods[::-1], (False, True, "w"), strict=False)
        ):
            getattr(one, f"set_{method}_request")(sample_weight=asked)
        est.set_fit_request(X_val=True)
    # the default is that requests are not routed
    came, went = cls.from_sklearn(model), est.to_sklearn()
    assert requests(went) == requests(model)
    assert requests(came) == requests(est) | {"fit": requests(est)["fit"] | {"X_val": None}}
    assert requests(cls.from_sklearn(went)) == requests(came)
    assert requests(came.to_sklearn()) == requests(model)
    _, _, silent, other = both(kind)
    assert requests(cls.from_sklearn(other)) == requests(cls())
    assert requests(silent.to_sklearn()) == requests(type(model)())
    # each has its own
    with sklearn.config_context(enable_metadata_routing=True):
        came.set_score_request(sample_weight="other")
        went.set_score_request(sample_weight="other")
    assert requests(model)["score"] != {"sample_weight": "other"} != requests(est)["score"]


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


THEIRS = ("identity", "logistic", "tanh", "relu")


@pytest.mark.parametrize(
    ("kind", "options", "says"),
    [
        *(
            ("binary", {"activation": name}, f"no activation '{name}'")
            for name in ours.NAMES
            if name not in THEIRS
        ),
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
        *(("number", {"loss": name}) for name in COSTS["identity"]),
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


@pytest.mark.parametrize("name", ["logistic", "tanh"])
def test_to_sklearn_keeps_the_activation_without_a_hidden_layer(name):
    X, y = np.random.default_rng(0).normal(size=(30, 5)), np.arange(30) % 3
    model = quietly(ours.MLPClassifier((), name, max_iter=3, random_state=1).fit, X, y)
    other = model.to_sklearn()
    assert other.activation == name
    again = quietly(theirs.MLPClassifier(**other.get_params()).fit, X, y)
    np.testing.assert_allclose(again.coefs_[0], model.coefs_[0])
