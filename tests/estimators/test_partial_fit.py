"""partial_fit: what it keeps from call to call changes no number and no error."""

import copy
import pickle
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from perceptrons import ours, sklearn
from sklearn import neural_network as theirs
from sklearn.base import _fit_context, clone
from sklearn.utils.multiclass import unique_labels
from sklearn.utils.validation import validate_data

random = np.random.default_rng(0)
X = random.normal(size=(32, 4))
LABELS = {
    "binary": random.integers(0, 2, 32),
    "three": random.integers(0, 3, 32) * 10 - 10,
    "bool": random.integers(0, 2, 32) > 0,
    "float": random.integers(0, 3, 32).astype(np.float32),
    "text": np.array(["no", "yes", "perhaps"])[random.integers(0, 3, 32)],
    "objects": np.array(["no", "yes"], object)[random.integers(0, 2, 32)],
    "several": random.integers(0, 2, (32, 3)),
    "one": np.zeros(32, int),
}


def pair(name="MLPClassifier", **parameters):
    parameters = {"hidden_layer_sizes": (8, 6), "random_state": 0} | parameters
    return [getattr(module, name)(**parameters) for module in (ours, theirs)]


def outcome(model, *arguments, **options):
    """Tell the error of a call, or the messages of its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model.partial_fit(*arguments, **options)
        except Exception as error:
            return type(error), str(error)
    return [str(w.message) for w in caught]


def both(models, *arguments, **options):
    """Call partial_fit of each; they say the same, and are the same afterwards."""
    said = [outcome(model, *arguments, **options) for model in models]
    assert said[0] == said[1]
    if hasattr(models[1], "coefs_"):
        agree(models)
    return said[0]


def agree(models):
    for name in ("coefs_", "intercepts_"):
        for a, b in zip(*(getattr(model, name) for model in models), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(*(model.loss_curve_ for model in models), rtol=1e-5)
    assert len({(model.t_, model.n_iter_) for model in models}) == 1


@pytest.mark.parametrize("given", ["once", "always"])
@pytest.mark.parametrize("name", LABELS)
def test_labels(name, given):
    y = LABELS[name]
    models = pair()
    classes = np.unique(y)
    if name == "several":
        classes = np.arange(3)
    assert both(models, X, y, classes=classes) == []
    for chunk in (slice(0, 20), slice(3, 4), slice(10, 30), slice(0, 32)):
        options = {"classes": list(classes)} if given == "always" else {}
        assert both(models, X[chunk], y[chunk], **options) == []
    assert both(models, X.tolist(), y.tolist()) == []
    np.testing.assert_array_equal(*(model.predict(X) for model in models))


@pytest.mark.parametrize(
    "y",
    [
        LABELS["binary"] + 1, LABELS["binary"] * 0.5, LABELS["binary"].astype(float),
        LABELS["binary"].astype(bool), LABELS["binary"].astype("u8"), LABELS["binary"][:, None],
        LABELS["binary"].astype(str), LABELS["binary"].astype(object), LABELS["text"],
        LABELS["several"], LABELS["binary"][:31], LABELS["binary"] * 1j, np.full(32, np.nan),
        np.full(32, np.inf), None, "binary", [], [None] * 32, [0, "1"] * 16, -LABELS["binary"],
        LABELS["binary"] * 2**40, np.array([0, True] * 16, object),
    ],
    ids=lambda y: str(getattr(y, "dtype", y))[:20],
)  # fmt: skip
@pytest.mark.parametrize("known", ["binary", "three", "bool", "float", "text", "objects"])
def test_labels_that_change(known, y):
    models = pair()
    both(models, X, LABELS[known], classes=np.unique(LABELS[known]))
    both(models, X, y)
    both(models, X, LABELS[known])


@pytest.mark.parametrize("classes", [[0, 1], [1, 0], [0, 1, 2], [0], [0.0, 1.0], ["0", "1"], [], 7])
def test_classes_that_change(classes):
    models = pair()
    both(models, X, LABELS["binary"])
    both(models, X, LABELS["binary"], classes=[0, 1])
    both(models, X, LABELS["binary"], classes=classes)
    both(models, X, LABELS["binary"])


def test_classes_changed_in_place():
    models = pair()
    both(models, X, LABELS["binary"], classes=[0, 1])
    for model in models:
        model.classes_[1] = 7
    both(models, X, LABELS["binary"])
    both(models, X, LABELS["binary"] * 7)


@pytest.mark.parametrize(
    "chunk",
    [
        X[:, :3], X[0], X[:0], X * np.nan, X * 1j, X.astype(str), X.tolist(), X.astype(np.float32),
        np.asfortranarray(X), X[::-1], X.astype(int), X.astype(np.float16), [["a"] * 4] * 32, None,
        X[:, :, None],
    ],
    ids=lambda x: f"{getattr(x, 'dtype', '')}{getattr(x, 'shape', str(x)[:9])}",
)  # fmt: skip
@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_inputs_that_change(name, chunk):
    models = pair(name)
    options = {"classes": [0, 1]} if name == "MLPClassifier" else {}
    y = LABELS["binary"]
    both(models, X, y, **options)
    both(models, chunk, y)
    both(models, X, y)


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_whether_it_is_finite_may_be_assumed(name):
    models = pair(name)
    options = {"classes": [0, 1]} if name == "MLPClassifier" else {}
    both(models, X, LABELS["binary"], **options)
    assert both(models, X * np.inf, LABELS["binary"])[0] is ValueError
    with sklearn.config_context(assume_finite=True):
        said = [outcome(model, X * np.inf, LABELS["binary"]) for model in models]
    assert "Input X" not in said[0][1]
    assert said[0][0] is said[1][0] is ValueError


def test_names_of_columns():
    pandas = pytest.importorskip("pandas")
    models = pair()
    frame = pandas.DataFrame(X, columns=list("abcd"))
    both(models, frame, pandas.Series(LABELS["text"]), classes=np.unique(LABELS["text"]))
    assert both(models, frame, pandas.Series(LABELS["text"])) == []
    assert both(models, X, LABELS["text"]) != []
    assert both(models, frame[list("bacd")], LABELS["text"])[0] is ValueError


CHANGES = {
    "learning_rate_init": 0.1, "alpha": 0.5, "batch_size": 5, "shuffle": False, "beta_1": 0.5,
    "epsilon": 0.1, "early_stopping": True, "warm_start": True, "random_state": 7, "max_iter": 1,
    "tol": 0.5, "verbose": False, "n_iter_no_change": 1,
}  # fmt: skip


@pytest.mark.parametrize("way", ["set_params", "attribute"])
@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
@pytest.mark.parametrize("change", CHANGES)
def test_parameters_that_change(change, name, way):
    models = pair(name)
    options = {"classes": [0, 1]} if name == "MLPClassifier" else {}
    both(models, X, LABELS["binary"], **options)
    both(models, X, LABELS["binary"])
    for model in models:
        if way == "set_params":
            model.set_params(**{change: CHANGES[change]})
        else:
            setattr(model, change, CHANGES[change])
    if change in ("learning_rate_init", "epsilon", "beta_1"):
        # scikit-learn's optimiser keeps the first value
        setattr(models[1]._optimizer, change, CHANGES[change])
    for rows in (32, 32, 7):
        both(models, X[:rows], LABELS["binary"][:rows])


@pytest.mark.parametrize("value", [-1, 2**32, "seven", 0.5])
def test_a_seed_that_is_none(value):
    models = pair()
    both(models, X, LABELS["binary"], classes=[0, 1])
    for model in models:
        model.random_state = value
    assert both(models, X, LABELS["binary"])[0] is ValueError
    for model in models:
        model.random_state = 3
    assert both(models, X, LABELS["binary"]) == []


@pytest.mark.parametrize("batch_size", [5, "auto"])
def test_generators(batch_size):
    # a call draws from the user's generator as often as scikit-learn's does
    models = pair(batch_size=batch_size)
    for i, seed in enumerate([0, "own", "own", 0, 5, "own", True, np.int32(3)]):
        for model in models:
            model.random_state = np.random.RandomState(4) if seed == "own" else seed
        both(models, X, LABELS["binary"], **({} if i else {"classes": [0, 1]}))
        if seed == "own":
            own = [model.random_state for model in models]
        elif i:
            # a seed leaves the user's generators alone
            assert len({generator.get_state()[2] for generator in own}) == 1
    np.random.seed(0)
    models[0].set_params(random_state=None).partial_fit(X, LABELS["binary"])
    after = np.random.random_sample()
    np.random.seed(0)
    models[1].set_params(random_state=None).partial_fit(X, LABELS["binary"])
    assert np.random.random_sample() == after
    agree(models)


@pytest.mark.parametrize("how", ["element", "list", "in place", "float32", "intercept"])
def test_weights_that_are_assigned(how):
    models = pair()
    both(models, X, LABELS["binary"], classes=[0, 1])
    both(models, X, LABELS["binary"])
    for model in models:
        if how == "element":
            model.coefs_[1] = model.coefs_[1] * 0.5
        elif how == "list":
            model.coefs_ = [W * 0.5 for W in model.coefs_]
        elif how == "in place":
            model.coefs_[0][...] *= 0.5
        elif how == "float32":
            model.coefs_[0] = model.coefs_[0].astype(np.float32).astype(float)
        else:
            model.intercepts_[-1] = model.intercepts_[-1] + 1
    for rows in (32, 7, 32):
        both(models, X[:rows], LABELS["binary"][:rows])


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
@pytest.mark.parametrize(
    "way", [clone, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))]
)
def test_copies(way, name):
    models = pair(name)
    options = {"classes": [0, 1]} if name == "MLPClassifier" else {}
    both(models, X, LABELS["binary"], **options)
    copies = [way(model) for model in models]
    for chunk in (slice(0, 32), slice(5, 20)):
        both(copies, X[chunk], LABELS["binary"][chunk], **options)
        both(models, X[chunk], LABELS["binary"][chunk])


def test_a_shallow_copy():
    # a copy of ours has weights and a generator of its own
    models = [pair(batch_size=9)[0] for _ in range(2)]
    for model in models:
        model.partial_fit(X, LABELS["binary"], classes=[0, 1])
    beside = copy.copy(models[0])
    for chunk in (slice(0, 20), slice(5, 32)):
        for model in (*models, beside):
            model.partial_fit(X[chunk], LABELS["binary"][chunk])
        np.testing.assert_array_equal(models[0].coefs_[0], models[1].coefs_[0])
        np.testing.assert_array_equal(beside.coefs_[0], models[1].coefs_[0])


@pytest.mark.parametrize("batch_size", [5, "auto"])
def test_after_a_fit_and_before_one(batch_size):
    models = pair(max_iter=2, batch_size=batch_size)
    for _ in range(2):
        for model in models:
            with pytest.warns(Warning, match="Maximum iterations"):
                model.fit(X, LABELS["three"])
        both(models, X, LABELS["three"])
        both(models, X[:9], LABELS["three"][:9])
        assert both(models, X, LABELS["three"] + 1)[0] is ValueError


def test_weights_of_examples():
    models = pair()
    w = np.linspace(0.1, 2, 32)
    both(models, X, LABELS["binary"], classes=[0, 1])
    try:
        models[1].partial_fit(X, LABELS["binary"], sample_weight=w)
    except TypeError:
        pytest.skip("this scikit-learn has no weights here")
    models[0].partial_fit(X, LABELS["binary"], sample_weight=w)
    both(models, X, LABELS["binary"])
    for bad in (w[:5], w * np.nan, "w"):
        both(models, X, LABELS["binary"], sample_weight=bad)
    both(models, X, LABELS["binary"], sample_weight=w)


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_threads(name):
    options = {"classes": [0, 1]} if name == "MLPClassifier" else {}

    def train(model):
        for i in range(20):
            model.partial_fit(X[i:], LABELS["binary"][i:], **options)
        return model

    models = [pair(name, batch_size=9, random_state=i)[0] for i in range(4)]
    alone = [train(clone(model)) for model in models]
    with ThreadPoolExecutor(4) as pool:
        beside = list(pool.map(train, models))
    for a, b in zip(alone, beside, strict=True):
        np.testing.assert_array_equal(a.coefs_[0], b.coefs_[0])


# ------------------------------------------------------------------------------- and what it costs


class Checks(theirs.MLPClassifier):
    """A call that does nothing but scikit-learn's checks."""

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y):
        X, y = validate_data(
            self, X, y, accept_sparse=["csr", "csc"], multi_output=True,
            dtype=(np.float64, np.float32), reset=False,
        )  # fmt: skip
        np.setdiff1d(unique_labels(y), self.classes_, assume_unique=True)


def calls(function, *arguments):
    """Count the calls of functions that a call makes."""
    count = 0

    def seen(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(seen)
    try:
        function(*arguments)
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("name", ["binary", "three"])
def test_a_call_is_hardly_more_than_the_checks(name):
    y = LABELS[name]
    model, fitted = pair()
    for each in (model, fitted):
        each.partial_fit(X, y, classes=np.unique(y))
    checks = Checks()
    checks.__dict__.update(fitted.__dict__)
    for _ in range(2):
        counts = [calls(each.partial_fit, X, y) for each in (model, checks)]
    assert counts[0] <= 1.3 * counts[1]
