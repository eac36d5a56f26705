"""An estimator is what it was, once saved and loaded: parameters, labels, what a fit has left."""

import copy
import io
import pickle
from threading import Thread

import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn")

import perceptrons  # noqa: E402
from perceptrons import KINDS, data, make, quietly  # noqa: E402
from sklearn.base import clone  # noqa: E402
from sklearn.exceptions import NotFittedError  # noqa: E402
from stores import again  # noqa: E402

from fastdnn import ModelFileError, Network, estimators, load, save  # noqa: E402
from fastdnn._fit.names import COSTS  # noqa: E402
from fastdnn.estimators import MLPClassifier, MLPRegressor  # noqa: E402

DTYPES = ["float32", "float64"]
X, CLASSES = data("multiclass")
SOLVERS = [
    {"solver": "adam", "weight_decay": 0.1, "clip_norm": 1.0, "dropout": 0.1},
    {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.1, "tol": 1.0,
     "n_iter_no_change": 1},
    {"solver": "sgd", "learning_rate": "invscaling", "nesterovs_momentum": False},
    {"solver": "sgd", "momentum": 0.0},
    {"solver": "lbfgs"},
    {"early_stopping": True, "scoring": "loss", "validation_fraction": 0.3},
]  # fmt: skip


def flat(value):
    """Take an attribute apart into what compares."""
    if isinstance(value, np.ndarray):
        return (
            value.dtype.str,
            value.shape,
            value.tolist() if value.dtype.kind == "O" else value.tobytes(),
        )
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [flat(item) for item in value]
    if isinstance(value, dict):
        return {name: flat(item) for name, item in value.items()}
    if isinstance(value, np.random.RandomState):
        return flat(value.get_state())
    if hasattr(value, "y_type_") or hasattr(value, "fit"):
        return type(value).__name__, flat(vars(value))
    return value


# a part of the generator of a fit, and of its training, which are compared by what comes of them
APART = ("_random_state", "_training", "_metadata_request")


def assert_same(one, other, training=False):
    """Compare all that a pickle keeps, and what is predicted."""
    kept = [pickle.loads(pickle.dumps(est)).__getstate__() for est in (one, other)]
    for state in kept:
        for name in APART if not training else APART[:1]:
            state.pop(name, None)
    assert kept[0].keys() == kept[1].keys()
    for name in kept[0]:
        assert flat(kept[0][name]) == flat(kept[1][name]), name
    answers(one, other)


def answers(one, other):
    for name in ("predict", "predict_proba"):
        if hasattr(one, name):
            a, b = (getattr(est, name)(X) for est in (one, other))
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("options", SOLVERS, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_solver_and_kind(kind, dtype, options):
    inputs, y = data(kind, dtype)
    est = quietly(make(estimators, kind, warm_start=True, **options).fit, inputs, y)
    assert_same(est, again(est))
    other = again(est, training_state=True)
    assert_same(est, other, training=True)
    for _ in range(2):
        for one in (est, other):
            quietly(one.fit, inputs, y)
        assert_same(est, other, training=True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_partial_fit_goes_on(solver, kind):
    inputs, y = data(kind)
    options = {"classes": [0, 1, 2] if kind == "multilabel" else np.unique(y)}
    options = {} if kind.startswith("number") else options
    est = make(estimators, kind, solver=solver)
    est.partial_fit(inputs, y, **options)
    est.partial_fit(inputs, y)
    other = again(est, training_state=True)
    for one in (est, other):
        one.partial_fit(inputs[:40], y[:40])
    assert_same(est, other, training=True)


def test_without_its_training_an_estimator_is_trained_anew():
    est = quietly(MLPClassifier((4,), max_iter=4, random_state=0, warm_start=True).fit, X, CLASSES)
    other = again(est)
    quietly(other.fit, X, CLASSES)
    assert len(other.loss_curve_) == 8
    again_fitted = quietly(clone(other).set_params(warm_start=False).fit, X, CLASSES)
    fresh = quietly(clone(est).set_params(warm_start=False).fit, X, CLASSES)
    answers(again_fitted, fresh)


PARAMETERS = [
    {"hidden_layer_sizes": 3}, {"hidden_layer_sizes": [3, 2]}, {"hidden_layer_sizes": ()},
    {"hidden_layer_sizes": (np.int64(3),)},
    {"activation": ("tanh", "gelu"), "hidden_layer_sizes": (3, 2)},
    {"activation": ["relu"], "hidden_layer_sizes": 3},
    {"alpha": 0}, {"alpha": np.float32(0.1)}, {"batch_size": 7}, {"learning_rate_init": 1},
    {"random_state": None}, {"random_state": 7}, {"random_state": np.int32(7)},
    {"random_state": np.random.RandomState(3)}, {"tol": 0}, {"verbose": False},
    {"max_time": 100.0, "n_threads": 1}, {"max_fun": 2**40}, {"shuffle": np.bool_(False)},
    {"early_stopping": True, "scoring": "accuracy"},
    {"class_weight": "balanced"}, {"class_weight": {3: 1, 5: 2.5, np.int64(9): 0.5}},
    {"epsilon": 1e-300}, {"max_iter": np.int16(3)},
]  # fmt: skip


@pytest.mark.parametrize("options", PARAMETERS, ids=str)
def test_parameters(options):
    est = MLPClassifier(**{"max_iter": 2, "hidden_layer_sizes": (3,), "random_state": 0} | options)
    est = quietly(est.fit, X, CLASSES)
    other = again(est)
    assert {k: flat(v) for k, v in other.get_params().items()} == {
        k: flat(v) for k, v in est.get_params().items()
    }
    if isinstance(est.random_state, np.random.RandomState):
        assert est.random_state.uniform() == other.random_state.uniform()
    answers(est, other)


def test_class_weights_of_several_labels():
    inputs, y = data("multilabel")
    weight = [{0: 1, 1: 2}, {0: 3.5, 1: 1}, {0: 1, 1: 1}]
    est = quietly(MLPClassifier((3,), max_iter=2, class_weight=weight).fit, inputs, y)
    assert again(est).class_weight == weight


@pytest.mark.parametrize("output", ["identity", "exp"])
def test_losses(output):
    inputs, y = data("numbers")
    for loss in COSTS[output]:
        est = MLPRegressor(loss, (3,), max_iter=2, quantile=0.3, huber_delta=0.7)
        est = quietly(est.fit, inputs, np.abs(y))
        assert_same(est, again(est, training_state=True))


LABELS = {
    "text": np.array(["no", "perhaps", "yes"]),
    "two texts": np.array(["no", "yes"]),
    "wide": np.array(["a", "b", "c"], "U40"),
    "odd": np.array(['"', "\\", "ä\n\u2028\U0001f600"]),
    "one": np.array(["a"]),
    "bool": np.array([False, True]),
    "objects": np.array(["a", "b", "c"], object),
    **{
        kind + size: np.array([1, 2, 100], kind + size)
        for kind in "iuf" for size in "1248" if kind + size != "f1"
    },
    "big-endian": np.array([1, 2, 100], ">i4"),
    "large": np.array([-(2**63), 0, 2**63 - 1]),
}  # fmt: skip


@pytest.mark.parametrize("name", LABELS)
def test_labels(name):
    labels = LABELS[name]
    y = labels[np.arange(90) % len(labels)]
    est = quietly(MLPClassifier((3,), max_iter=2).fit, X, y)
    other = again(est, training_state=True)
    assert other.classes_.dtype == est.classes_.dtype
    assert [type(c) for c in other.classes_.tolist()] == [type(c) for c in est.classes_.tolist()]
    answers(est, other)
    quietly(other.partial_fit, X, y)


@pytest.mark.parametrize(
    "labels",
    [np.array([b"a", b"bc\xff"]), np.array([b"a", b"b", b"c"]), np.array([1, "a", 2.5], object),
     np.array([None, True, b"a"], object)],
)  # fmt: skip
def test_labels_that_scikit_learn_is_not_fitted_to(labels):
    # older versions are to bytes
    est = quietly(MLPClassifier((3,), max_iter=2).fit, X, np.arange(90) % len(labels))
    est.classes_ = est._label_binarizer.classes_ = labels
    other = again(est)
    assert flat(other.classes_) == flat(est.classes_)
    answers(est, other)


def test_classes_that_were_assigned_alone():
    est = quietly(MLPClassifier((3,), max_iter=2).fit, X, CLASSES)
    est.classes_ = np.array(["x", "y", "z"])
    other = again(est)
    np.testing.assert_array_equal(other.classes_, est.classes_)
    answers(est, other)


def test_names_of_features():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(X, columns=[f"größe {i}" for i in range(X.shape[1])])
    est = quietly(MLPClassifier((3,), max_iter=2).fit, table, CLASSES)
    other = again(est)
    assert flat(other.feature_names_in_) == flat(est.feature_names_in_)
    np.testing.assert_array_equal(other.predict(table), est.predict(table))
    with pytest.raises(ValueError, match="feature names"):
        other.predict(table[table.columns[::-1]])


def test_requests_of_metadata():
    est = quietly(MLPClassifier((3,), max_iter=2).fit, X, CLASSES)
    with sklearn.config_context(enable_metadata_routing=True):
        est.set_fit_request(sample_weight=True, X_val=False).set_score_request(sample_weight="w")
    other = again(est)
    told = [str(one.get_metadata_routing()) for one in (est, other)]
    assert told[0] == told[1]


def test_assembled_and_converted_estimators():
    theirs = perceptrons.theirs.MLPClassifier((3,), max_iter=2)
    est = MLPClassifier.from_sklearn(quietly(theirs.fit, X, CLASSES))
    answers(est, again(est))
    with pytest.raises(TypeError, match="an optimiser of scikit-learn"):
        save(est, io.BytesIO(), training_state=True)
    regressor = MLPRegressor(hidden_layer_sizes=(2,))
    regressor.coefs_ = [np.ones((6, 2), "f"), [[1], [2]]]
    regressor.intercepts_ = [np.float64(0.5), np.zeros((1, 1))]
    answers(regressor, again(regressor, training_state=True))
    # weights that were assigned are saved, and are left as they are
    est.coefs_[0] = kept = np.asfortranarray(est.coefs_[0] * 2)
    answers(est, again(est))
    assert est.coefs_[0] is kept


def test_an_output_of_scikit_learn_s():
    est = quietly(MLPRegressor(hidden_layer_sizes=(3,), max_iter=2).fit, X, X[:, 0])
    est.out_activation_ = "tanh"
    answers(est, again(est))


def test_a_mapped_estimator(tmp_path):
    est = quietly(MLPClassifier((3,), max_iter=2, warm_start=True, random_state=0).fit, X, CLASSES)
    save(est, tmp_path / "est", training_state=True)
    before = (tmp_path / "est").read_bytes()
    other = load(tmp_path / "est", mmap=True)
    assert not other.coefs_[0].flags.owndata
    for one in (est, other):
        quietly(one.fit, X, CLASSES)
    assert_same(est, other, training=True)
    assert (tmp_path / "est").read_bytes() == before


def test_the_network_of_an_estimator():
    est = quietly(MLPClassifier((3,), max_iter=2).fit, X, CLASSES)
    found = again(est.network_, training_state=True)
    assert type(found) is Network
    np.testing.assert_array_equal(found.predict(X), est.network_.predict(X))
    answers(est, again(est))


def test_a_file_of_an_estimator_is_no_network(tmp_path):
    save(quietly(MLPRegressor(max_iter=1).fit, X, X), tmp_path / "est")
    with pytest.raises(ModelFileError, match="holds no Network but MLPRegressor"):
        Network.load(tmp_path / "est")


def test_a_scorer_that_was_taken_away():
    def score(est, X, y):
        return float(est.score(X, y))

    est = MLPClassifier((3,), max_iter=2, early_stopping=True, scoring=score, warm_start=True)
    quietly(est.fit, X, CLASSES)
    est.scoring = None
    other = again(est, training_state=True)
    answers(est, other)
    for one in (est, other):
        quietly(one.fit, X, CLASSES)
        assert len(one.validation_scores_) == 2


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_saving_while_another_thread_trains(solver):
    est = MLPClassifier((64, 64), solver=solver, max_iter=40, batch_size=5, tol=0)
    done = []

    def train():
        try:
            quietly(est.fit, X, CLASSES)
        finally:
            done.append(True)

    thread = Thread(target=train)
    thread.start()
    while not done:
        try:
            again(est, training_state=True).predict(X)
        except (NotFittedError, RuntimeError):
            continue
    thread.join()
    answers(est, again(est))


class Disturbing(str):
    """A parameter; when it is written, an epoch is trained."""

    disturbs = None

    def __str__(self):
        if self.disturbs is not None:
            self.disturbs()
        return str.__str__(self)


def test_an_epoch_while_an_estimator_is_written():
    name = Disturbing("adaptive")
    est = MLPClassifier((3,), solver="sgd", learning_rate=name, max_iter=2)
    quietly(est.fit, X, CLASSES)
    stored = io.BytesIO()
    name.disturbs = lambda: quietly(est.partial_fit, X, CLASSES)
    with pytest.raises(RuntimeError, match="is being fitted"):
        save(est, stored)
    assert not stored.getvalue()
    name.disturbs = None
    answers(est, again(est))


def test_the_network_of_an_estimator_amidst_an_epoch():
    est = MLPClassifier((3,), max_iter=2, early_stopping=True)
    found = []

    def score(est, X, y):
        # between two epochs all is whole
        found.append(again(est.network_))
        return 0.5

    est.scoring = score
    quietly(est.fit, X, CLASSES)
    net = est.network_
    est._model.whole = False
    for take in (copy.copy, pickle.dumps, again):
        with pytest.raises(RuntimeError, match="middle of an epoch"):
            take(net)
    assert len(found) == 2
