"""The usual data of a fit, which is judged in less time: as scikit-learn judges it."""

import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import sklearn.neural_network as theirs
from perceptrons import ours, quietly, sklearn
from sklearn.base import clone
from sklearn.metrics import accuracy_score

LABELS = {
    "two": lambda r, m: r.integers(0, 2, m),
    "three": lambda r, m: r.integers(-1, 2, m),
    "booleans": lambda r, m: r.integers(0, 2, m) > 0,
    "bytes": lambda r, m: r.integers(100, 104, m).astype(np.int8),
    "unsigned": lambda r, m: r.integers(0, 3, m).astype(np.uint64) + np.uint64(2**63),
    "another order": lambda r, m: r.integers(0, 3, m).astype(">i4"),
    "one": lambda r, m: np.ones(m, int),
    "many": lambda r, m: np.arange(m) // 2 if m < 15 else np.arange(m),
    "reals": lambda r, m: r.integers(0, 2, m).astype(float),
    "fractions": lambda r, m: r.normal(size=m),
    "words": lambda r, m: np.array(["no", "yes"])[r.integers(0, 2, m)],
    "a column": lambda r, m: r.integers(0, 2, (m, 1)),
    "two columns": lambda r, m: r.integers(0, 2, (m, 2)),
    "too few": lambda r, m: r.integers(0, 2, m - 1),
    "nan": lambda r, m: np.where(np.arange(m) == 3, np.nan, 1.0),
}
EXAMPLES = {
    "float32": lambda X: X.astype(np.float32),
    "float64": lambda X: X,
    "by columns": np.asfortranarray,
    "every other": lambda X: np.repeat(X, 2, axis=0)[::2],
    "integers": lambda X: (10 * X).astype(int),
    "big-endian": lambda X: X.astype(">f8"),
    "a list": lambda X: X.tolist(),
    "infinite": lambda X: np.where(X > 1.5, np.inf, X),
    "one example": lambda X: X[:1],
    "flat": lambda X: X[:, 0],
    "none": lambda X: X[:0],
}


def judged(cls, X, y):
    """Return what the validation makes of data, and all that it leaves, or its error."""
    est = cls(random_state=0)
    with warnings.catch_warnings(record=True) as messages:
        warnings.simplefilter("always")
        try:
            X_, y_ = est._validate_input(X, y, False, True)
        except (TypeError, ValueError) as error:
            return type(error), str(error).replace(cls.__module__, ""), len(messages)
    left = {k: v for k, v in vars(est).items() if k.endswith("_") or k == "_label_binarizer"}
    if "_label_binarizer" in left:
        left["_label_binarizer"] = vars(left["_label_binarizer"])
    found = (np.shape(X_), X_.dtype.str, X_.strides, X_.tobytes())
    found += (np.shape(y_), y_.dtype.str, y_.tobytes())
    return found, repr(left), [v.dtype for v in left.values() if hasattr(v, "dtype")], [
        str(m.message) for m in messages
    ]  # fmt: skip


@pytest.mark.parametrize("examples", EXAMPLES)
@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_data_is_judged_as_by_scikit_learn(name, labels, examples):
    random = np.random.default_rng(0)
    X = EXAMPLES[examples](random.normal(size=(30, 4)))
    y = LABELS[labels](random, 30)
    if examples in ("one example", "none"):
        y = y[: len(X)]
    pair = getattr(ours, name), getattr(theirs, name)
    found, expected = (judged(cls, X, y) for cls in pair)
    assert found == expected


def test_names_of_features_are_forgotten():
    pandas = pytest.importorskip("pandas")
    X = np.random.default_rng(0).normal(size=(30, 3))
    y = (X[:, 0] > 0).astype(int)
    est = ours.MLPClassifier((3,), max_iter=1, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        est.fit(pandas.DataFrame(X, columns=list("abc")), y)
        assert list(est.feature_names_in_) == list("abc")
        est.fit(X[:, :2].copy(), y)
    assert not hasattr(est, "feature_names_in_")
    assert est.n_features_in_ == 2


def test_classes_that_a_warm_start_lacks_are_refused():
    X = np.random.default_rng(0).normal(size=(30, 3))
    est = ours.MLPClassifier((3,), max_iter=1, random_state=0, warm_start=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        est.fit(X, np.arange(30) % 2)
    with pytest.raises(ValueError, match="warm_start can only be used"):
        est.fit(X, np.arange(30) % 3)


class Renamed(ours.MLPClassifier):
    """Has parameters of its own."""

    def __init__(self, units=3, *, random_state=None):
        super().__init__((units,), random_state=random_state)
        self.units = units


def test_parameters_of_a_subclass():
    assert Renamed(units=5).get_params() == {"units": 5, "random_state": None}
    assert set(ours.MLPClassifier().get_params()) > set(theirs.MLPClassifier().get_params())
    assert pickle.loads(pickle.dumps(Renamed(7))).get_params()["units"] == 7
    names = ours.MLPClassifier._get_param_names()
    names.clear()
    assert ours.MLPClassifier._get_param_names()


PARAMETERS = {
    "plain": {"hidden_layer_sizes": (3, 2), "alpha": np.float64(0.1), "scoring": "accuracy"},
    "a list": {"hidden_layer_sizes": [3]},
    "an array": {"hidden_layer_sizes": np.array([3])},
    "a generator": {"random_state": np.random.RandomState(3)},
    "a scorer": {"scoring": accuracy_score},
}


@pytest.mark.parametrize("parameters", PARAMETERS)
@pytest.mark.parametrize("state", ["new", "fitted", "routed"])
def test_a_clone_is_scikit_learns(parameters, state):
    est = ours.MLPClassifier(max_iter=2).set_params(**PARAMETERS[parameters])
    if state == "fitted":
        X = np.random.default_rng(0).normal(size=(30, 3))
        quietly(est.fit, X, np.arange(30) % 2)
    if state == "routed":
        with sklearn.config_context(enable_metadata_routing=True):
            est.set_fit_request(sample_weight=True)
    found, expected = clone(est), theirs.MLPClassifier.__sklearn_clone__(est)
    assert list(vars(found)) == list(vars(expected))
    assert repr(found.get_metadata_routing()) == repr(expected.get_metadata_routing())
    for name, value in est.get_params().items():
        copied = getattr(found, name)
        assert type(copied) is type(value)
        assert parameters == "a generator" or repr(copied) == repr(value)
        if name in PARAMETERS[parameters] and parameters in ("a list", "an array", "a generator"):
            assert copied is not value


def test_a_clone_of_a_subclass():
    assert clone(Renamed(units=5)).units == 5
    made = Renamed(units=5)
    made.units = 7
    assert clone(made).hidden_layer_sizes == (7,)


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_fits_within_fits_begin_with_their_seeds():
    X = np.random.default_rng(0).normal(size=(60, 4))
    y = (X[:, 0] > 0).astype(int)

    def fitted(seed, scoring=None):
        est = ours.MLPClassifier(
            (5,), random_state=seed, max_iter=4, batch_size=8, early_stopping=True, scoring=scoring
        )
        return est.fit(X, y)

    within = []

    def scoring(est, X_val, y_val):
        within.append(fitted(7))
        return np.mean(est.predict(X_val) == y_val)

    def alike(one, other):
        return all(map(np.array_equal, one.coefs_, other.coefs_)) and (
            one.loss_curve_ == other.loss_curve_
        )

    expected = fitted(3, "accuracy"), fitted(7)
    for _ in range(2):
        assert alike(fitted(3, scoring), expected[0])
        assert all(alike(est, expected[1]) for est in within)
    with ThreadPoolExecutor(4) as threads:
        assert all(alike(est, expected[1]) for est in threads.map(fitted, [7] * 12))
