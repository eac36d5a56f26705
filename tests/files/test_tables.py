"""The estimators of tables and their preprocessor as files: what they were, or a refusal."""

import io
import json
from datetime import date
from functools import cache

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn import config_context
from stores import again, stored

import fastdnn
from fastdnn import ModelFileError, load, save
from fastdnn.estimators import TabularMLPClassifier, TabularMLPRegressor, TabularPreprocessor
from fastdnn.files import summary

SMALL = {"hidden_layer_sizes": (8, 4), "max_iter": 3, "random_state": 0}
BOTH = [TabularMLPClassifier, TabularMLPRegressor]
rng = np.random.default_rng(0)
X = np.empty((60, 4), object)
X[:, 0], X[:, 3] = rng.normal(size=(2, 60))
X[:, 1], X[:, 2] = rng.choice(list("xyz"), 60), rng.choice([3, 5], 60)
X[3, 0] = X[4, 1] = X[5, 2] = None
NEW = np.array([[None, "w", 7, 1e9], [0.5, None, 3, -1.0], [-1.0, "y", 5, None]], object)
CLASSES = rng.choice(["ä", "b", "c"], 60)
NUMBERS = X[:, 3].astype(float)


@cache
def fitted(cls, **given):
    y = CLASSES if cls is TabularMLPClassifier else NUMBERS
    return cls(**SMALL, categorical_features=(1, 2), **given).fit(X, y)


def flat(value):
    """Take an attribute apart into what compares."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tolist()
    if isinstance(value, (list, tuple)):
        return type(value), [flat(item) for item in value]
    if isinstance(value, fastdnn.Network):
        return repr(value), value._model.params.tolist()
    if isinstance(value, TabularPreprocessor):
        return flat(sorted(vars(value).items()))
    return value


def assert_same(one, other):
    kept, found = vars(one), vars(other)
    assert kept.keys() == found.keys()
    for name in kept:
        assert flat(kept[name]) == flat(found[name]), name
    for Z in (X, NEW):
        for method in ("predict", "predict_proba", "transform"):
            if hasattr(one, method):
                a, b = getattr(one, method)(Z), getattr(other, method)(Z)
                assert a.dtype == b.dtype
                np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("n_ensemble", [1, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cls", BOTH)
def test_a_file_gives_back_the_same(cls, dtype, n_ensemble, tmp_path):
    model = fitted(cls, dtype=dtype, n_ensemble=n_ensemble)
    assert_same(model, again(model))
    path = tmp_path / "model.safetensors"
    save(model, path)
    assert_same(model, load(path, mmap=True))
    assert f"networks: {n_ensemble}" in summary(path)
    assert_same(model.preprocessor_, again(model.preprocessor_))
    y = CLASSES if cls is TabularMLPClassifier else NUMBERS
    one, other = again(model).fit(X, y), fitted(cls, dtype=dtype, n_ensemble=n_ensemble)
    np.testing.assert_array_equal(one.predict(X), other.predict(X))


def test_names_targets_and_requests():
    pd = pytest.importorskip("pandas")
    table = pd.DataFrame(X, columns=list("abcd")).astype({"a": float, "b": "str", "d": float})
    model = TabularMLPRegressor(**SMALL, clip_output=True, validation_fraction=None)
    with config_context(enable_metadata_routing=True):
        model.set_fit_request(sample_weight=True)
        got = again(model.fit(table, np.c_[NUMBERS, -NUMBERS]))
        assert got.get_metadata_routing().fit.requests["sample_weight"] is True
    assert list(got.feature_names_in_) == list(got.preprocessor_.feature_names_in_) == list("abcd")
    np.testing.assert_array_equal(got.predict(table), model.predict(table))
    assert got.predict(table).shape == (60, 2)
    prep = TabularPreprocessor(np.array([False, True, True, False]), dtype=np.float32)
    got = again(prep.set_output(transform="pandas").fit(table))
    pd.testing.assert_frame_equal(got.transform(table), prep.transform(table))
    assert got.get_params() == {"categorical_features": [False, True, True, False],
                                "dtype": "float32"}  # fmt: skip


@pytest.mark.parametrize(
    ("values", "kind"), [([True, False], bool), ([0.5, 1.5, 2.5], float), ([b"a", b"\xff"], bytes)]
)
def test_categories_of_other_types(values, kind):
    Z = np.array(values * 4, object).reshape(-1, 1)
    prep = TabularPreprocessor([0]).fit(Z)
    got = again(prep)
    assert {type(value) for value in got.categories_[0]} == {kind}
    np.testing.assert_array_equal(got.transform(Z), prep.transform(Z))


def changed(**attributes):
    model = again(fitted(TabularMLPClassifier))
    vars(model).update(attributes)
    return model


class Own(TabularPreprocessor):
    pass


def dated():
    days = np.array([[date(2020, 1, day)] for day in (1, 2, 3)], object)
    return TabularPreprocessor([0]).fit(days)


@pytest.mark.parametrize(
    ("make", "error", "word"),
    [
        (lambda: TabularMLPRegressor(), ValueError, "not fitted"),
        (lambda: changed(mine=1), TypeError, "the attribute 'mine'"),
        (lambda: changed(scoring=len), TypeError, "scoring is of type"),
        (lambda: changed(n_features_in_=7), TypeError, "n_features_in_ that is not"),
        (lambda: changed(network_=None), TypeError, "networks that a user has set"),
        (lambda: changed(preprocessor_=None), TypeError, "preprocessor_ of type NoneType"),
        (lambda: changed(classes_=np.array(["a", "b", "b"])), ValueError, "3 different labels"),
        (lambda: changed(n_iter_=-1), ValueError, "n_iter_ must be a whole number"),
        (lambda: Own([1]).fit(X), TypeError, "the class Own"),
        (dated, TypeError, r"categories_\[0\]\[0\] is of type date"),
    ],
)
def test_what_a_file_cannot_hold(make, error, word):
    with pytest.raises(error, match=word):
        save(make(), io.BytesIO())


def test_no_training_goes_on_and_no_numbers_are_mapped(tmp_path):
    model, path = fitted(TabularMLPClassifier), tmp_path / "prep"
    with pytest.raises(ValueError, match="training_state must be False"):
        save(model, path, training_state=True)
    save(model.preprocessor_, path)
    with pytest.raises(ValueError, match="not for a preprocessor"):
        load(path, mmap=True)


def test_not_while_it_is_fitted():
    refused = []

    def scoring(estimator, X, y):
        with pytest.raises(RuntimeError, match="is being fitted"):
            save(model, io.BytesIO())
        refused.append(True)
        return 1.0

    model = again(fitted(TabularMLPClassifier)).set_params(scoring=scoring)
    model.fit(X, CLASSES)
    assert refused
    save(model.set_params(scoring=None), io.BytesIO())


# ---------------------------------------------------------------------------------- hostile files


def parts(cls):
    file = stored(fitted(cls, n_ensemble=2))
    length = int.from_bytes(file[:8], "little")
    header = json.loads(file[8 : 8 + length])
    return header, json.loads(header["__metadata__"]["fastdnn"]), file[8 + length :]


def assert_refused(header, document, data):
    raw = json.dumps(header | {"__metadata__": {"fastdnn": json.dumps(document)}}).encode()
    with pytest.raises(ModelFileError):
        load(io.BytesIO(len(raw).to_bytes(8, "little") + raw + data))


def places(said, above=()):
    for key in said if isinstance(said, dict) else range(len(said)):
        yield (*above, key)
        if isinstance(said[key], (dict, list)):
            yield from places(said[key], (*above, key))


@pytest.mark.parametrize("cls", BOTH)
def test_each_entry_is_judged(cls):
    header, document, data = parts(cls)
    for path in [*places(document)]:
        for value in ({"a": 1}, ...) if isinstance(path[-1], str) else ({"a": 1},):
            changed = json.loads(json.dumps(document))
            at = changed
            for key in path[:-1]:
                at = at[key]
            at[path[-1]] = value
            if value is ...:
                del at[path[-1]]
            assert_refused(header, changed, data)


@pytest.mark.parametrize("cls", BOTH)
def test_each_array_is_needed(cls):
    header, document, data = parts(cls)
    for name in header.keys() - {"__metadata__"}:
        renamed = {("other" if key == name else key): entry for key, entry in header.items()}
        assert_refused(renamed, document, data)


CATEGORIES = {
    "none": [],
    "twice": ["x", "x"],
    "not sorted": ["y", "x"],
    "missing": [None, "x"],
    "nan": [{"number": "nan"}],
    "of two types": [1, "x"],
    "lists": [["x"], ["y"]],
    "too many": list(range(1001)),
    "more": ["w", "x", "y", "z"],
}


@pytest.mark.parametrize("values", CATEGORIES.values(), ids=CATEGORIES)
def test_categories_are_judged(values):
    header, document, data = parts(TabularMLPClassifier)
    document["preprocessor"]["fitted"]["categories_"][0] = values
    assert_refused(header, document, data)


@pytest.mark.parametrize(("name", "value"), [("n_threads", 2**31), ("n_ensemble", 0)])
def test_parameters_are_judged(name, value):
    header, document, data = parts(TabularMLPClassifier)
    document["parameters"][name] = value
    assert_refused(header, document, data)


def test_the_preprocessor_fits_the_network():
    header, document, data = parts(TabularMLPClassifier)
    fitted = document["preprocessor"]["fitted"]
    fitted["is_categorical_"].append(False)
    assert_refused(header, document, data)
    document["networks"] = 3
    assert_refused(header, document, data)
