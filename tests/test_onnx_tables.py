"""The estimators of tables in ONNX, from the columns on, run by onnxruntime beside predict."""

import json
from functools import cache

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")

from onnx.reference import ReferenceEvaluator  # noqa: E402

import fastdnn  # noqa: E402
from fastdnn.estimators import (  # noqa: E402
    TabularMLPClassifier,
    TabularMLPRegressor,
    TabularPreprocessor,
)

DTYPES = ["float32", "float64"]
TOLERANCE = {"float32": 5e-7, "float64": 1e-12}
BOTH = [TabularMLPClassifier, TabularMLPRegressor]
SMALL = {"hidden_layer_sizes": (8, 6), "max_iter": 8, "random_state": 0}
rng = np.random.default_rng(0)
# numbers far from 0, of which a type has all digits; and two columns of categories
X = np.empty((60, 4), object)
X[:, 0] = 1.7e9 + 128 * rng.integers(100, size=60)
X[:, 3] = rng.normal(size=60).astype("f4")
X[:, 1], X[:, 2] = rng.choice(["", "é", "z"], 60), rng.choice(["no", "yes"], 60)
X[3, 0] = X[4, 1] = X[5, 2] = None
NEW = np.array(
    [[None, "w", "maybe", 1e9], [1.7e9, None, "no", -1e30], [0.0, "é", None, None]], object
)
CLASSES = rng.choice(["a", "b", "c"], 60)
NUMBERS = np.c_[X[:, 3].astype(float), 1e3 + rng.normal(size=60)]


@cache
def fitted(cls, **given):
    y = CLASSES if cls is TabularMLPClassifier else NUMBERS
    return cls(**SMALL, categorical_features=(1, 2), **given).fit(X, y)


def feeds(model, prep, table):
    """Give a model's inputs of a table."""
    columns = json.loads(
        next(p.value for p in model.metadata_props if p.key == "columns")
    )  # fmt: skip
    made = {}
    for name, at in columns.items():
        of = table[:, at]
        if name == "X":
            elem = model.graph.input[0].type.tensor_type.elem_type
            made[name] = of.astype("f4" if elem == 1 else "f8")
        elif name == "categories":
            there = [["?" if value is None else value for value in row] for row in of]
            made[name] = np.array(there, object).reshape(of.shape)
        else:
            known = [{v: k for k, v in enumerate(each)} for each in prep.categories_]
            codes = [[d.get(v, -1) for d, v in zip(known, row, strict=True)] for row in of]
            made[name] = np.array(codes, np.int64).reshape(of.shape)
    return made


def run(model, prep, table):
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, feeds(model, prep, table)), strict=True))


def assert_near(got, expected, dtype):
    assert got.dtype == dtype
    assert got.shape == expected.shape
    assert np.abs(got - expected).max() <= TOLERANCE[dtype] * np.abs(expected).max()


def assert_alike(model, got, table, dtype):
    if hasattr(model, "classes_"):
        assert_near(got["probabilities"], model.predict_proba(table), dtype)
        np.testing.assert_array_equal(got["label"], model.predict(table))
    elif hasattr(model, "networks_"):
        assert_near(got["variable"], model.predict(table).reshape(len(table), -1), dtype)
    else:
        assert_near(got["variable"], model.transform(table), dtype)


@pytest.mark.parametrize("options", [{}, {"categories": "codes"}])
@pytest.mark.parametrize("n_ensemble", [1, 3])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cls", BOTH)
def test_a_model_answers_alike(cls, dtype, n_ensemble, options):
    given = {"clip_output": True} if cls is TabularMLPRegressor and n_ensemble == 1 else {}
    model = fitted(cls, dtype=dtype, n_ensemble=n_ensemble, **given)
    made = fastdnn.to_onnx(model, options=options)
    for table in (X, NEW, NEW[:1]):
        assert_alike(model, run(made, model.preprocessor_, table), table, dtype)
    assert all(len(output) == 0 for output in run(made, model.preprocessor_, X[:0]).values())


@pytest.mark.parametrize("cls", BOTH)
def test_the_other_type(cls):
    model = fitted(cls, dtype="float64")
    got = run(fastdnn.to_onnx(model, dtype="float32"), model.preprocessor_, X)
    assert_alike(model, got, X, "float32")


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_standards_own_evaluator_answers_alike(dtype):
    model = fitted(TabularMLPClassifier, dtype=dtype)
    made = fastdnn.to_onnx(model)
    found = ReferenceEvaluator(made).run(None, feeds(made, model.preprocessor_, NEW))
    assert_near(found[1], model.predict_proba(NEW), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("columns", [(1, 2), (1,), None, (0, 1, 2, 3)])
def test_a_preprocessor(columns, dtype):
    table = X if columns is not None else X[:, [0, 3]]
    if columns == (1,):
        table = X[:, [0, 1, 3]]
    prep = TabularPreprocessor(columns, dtype=dtype)
    prep.fit(table)
    assert_alike(prep, run(fastdnn.to_onnx(prep), prep, table), table, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_infinity_is_a_large_number(dtype):
    model = fitted(TabularMLPRegressor, dtype=dtype)
    made, table = fastdnn.to_onnx(model), NEW.copy()
    found = []
    for value in (np.inf, 1e30):
        table[:, 0], table[:, 3] = value, -value
        found.append(run(made, model.preprocessor_, table)["variable"])
    np.testing.assert_array_equal(*found)
    assert_near(found[0], model.predict(table), dtype)


def test_names_of_columns():
    pd = pytest.importorskip("pandas")
    table = pd.DataFrame(X, columns=["n", "k", "b", "m"]).astype({"n": float, "m": float})
    made = fastdnn.to_onnx(TabularMLPRegressor(**SMALL).fit(table, NUMBERS))
    said = {prop.key: json.loads(prop.value) for prop in made.metadata_props}
    assert said["columns"] == {"categories": ["k", "b"], "X": ["n", "m"]}
    assert said["categories"] == [["", "z", "é"], ["no", "yes"]]


def test_categories_that_are_numbers_are_codes():
    table = np.c_[rng.integers(3, size=60) / 2, rng.normal(size=60)]
    model = TabularMLPClassifier(**SMALL, categorical_features=[0], dtype="float64")
    made = fastdnn.to_onnx(model.fit(table, rng.integers(2, size=60)))
    assert [i.name for i in made.graph.input] == ["X", "codes"]
    assert_alike(model, run(made, model.preprocessor_, table), table, "float64")
    with pytest.raises(ValueError, match=r"0\.0 is a category: fit with strings alone, or take"):
        fastdnn.to_onnx(model, options={"categories": "strings"})


def test_columns_of_probabilities():
    model = fitted(TabularMLPClassifier)
    got = run(fastdnn.to_onnx(model, options={"zipmap": "columns"}), model.preprocessor_, NEW)
    assert list(got) == ["output_label", "sa", "sb", "sc"]
    assert_near(np.c_[got["sa"], got["sb"], got["sc"]], model.predict_proba(NEW), "float32")
    got = run(fastdnn.to_onnx(model, options={"zipmap": True}), model.preprocessor_, NEW)
    assert set(got["output_probability"][0]) == set("abc")


class Own(TabularMLPClassifier):
    def predict_proba(self, X):
        return super().predict_proba(X)[:, ::-1]


@pytest.mark.parametrize(
    ("make", "options", "error", "word"),
    [
        (TabularMLPClassifier, {}, ValueError, "not fitted"),
        (lambda: Own(**SMALL).fit(NUMBERS, CLASSES), {}, TypeError, "Own overrides predict_proba"),
        (lambda: fitted(TabularMLPClassifier), {"categories": 1}, ValueError,
         "must be 'strings' or 'codes', got 1"),
        (lambda: fitted(TabularMLPRegressor), {"zipmap": True}, ValueError,
         "for TabularMLPRegressor there is only 'categories'"),
        (lambda: fitted(TabularMLPClassifier), {"zip": True}, ValueError,
         "there is only 'zipmap' or 'categories'"),
    ],
)  # fmt: skip
def test_refusals(make, options, error, word):
    with pytest.raises(error, match=word):
        fastdnn.to_onnx(make(), options=options)


@pytest.mark.parametrize(("times", "plus"), [(1e50, 0.0), (1.0, 1e50)])
def test_targets_that_float32_has_not_are_refused(times, plus):
    model = TabularMLPRegressor(**SMALL, clip_output=True)
    model.fit(NUMBERS, times * NUMBERS[:, 0] + plus)
    with pytest.raises(ValueError, match="targets' numbers must not overflow in float32: ask for"):
        fastdnn.to_onnx(model)
    made = fastdnn.to_onnx(model, dtype="float64")
    (got,) = run(made, model.preprocessor_, NUMBERS).values()
    # the network itself computes in float32 there
    np.testing.assert_allclose(got[:, 0], model.predict(NUMBERS), rtol=1e-4)


# ---------------------------------------------------------------------------------------- skl2onnx


def converted(model, types, **options):
    skl2onnx = pytest.importorskip("skl2onnx")
    from skl2onnx.common import data_types

    initial = [
        (name, getattr(data_types, f"{kind}TensorType")([None, n])) for name, kind, n in types
    ]
    made = skl2onnx.to_onnx(model, initial_types=initial, target_opset=15, **options)
    return ort.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])


def separate(table, dtype):
    """Take the columns apart, strings and numbers."""
    there = np.where(table[:, 1:3] == None, "?", table[:, 1:3])  # noqa: E711
    given = {"n": table[:, :1].astype(dtype), "k": there, "m": table[:, 3:].astype(dtype)}
    kind = {"float32": "Float", "float64": "Double"}[dtype]
    return given, [("n", kind, 1), ("k", "String", 2), ("m", kind, 1)]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cls", [*BOTH, TabularPreprocessor])
def test_skl2onnx_reads_columns(cls, dtype):
    if cls is TabularPreprocessor:
        model = TabularPreprocessor((1, 2), dtype=dtype).fit(X)
    else:
        model = fitted(cls, dtype=dtype, n_ensemble=3)
    options = {"options": {"zipmap": False}} if cls is TabularMLPClassifier else {}
    for table in (X, NEW):
        given, types = separate(table, dtype)
        session = converted(model, types, **options)
        names = [output.name for output in session.get_outputs()]
        got = dict(zip(names, session.run(None, given), strict=True))
        assert_alike(model, got, table, dtype)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["Float", "Double", "Int64"])
def test_skl2onnx_reads_a_matrix(kind):
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline

    table = np.c_[
        rng.integers(3, size=60) / 10, rng.integers(50, size=60), rng.integers(2, size=60)
    ]
    table = np.c_[table, np.where(table[:, 2] == 0, 3, 8)]
    if kind == "Int64":
        table = (10 * table).astype(np.int64)
    dtype = "float32" if kind == "Float" else "float64"
    # in Python a category of a column of float32 is that number
    seen = table.astype(dtype) if kind != "Int64" else table
    columns = [0, 3]
    alone = TabularMLPClassifier(**SMALL, categorical_features=columns).fit(seen, CLASSES)
    net = fastdnn.MLPRegressor(hidden_layer_sizes=4, max_iter=9, random_state=0)
    models = [
        alone,
        GridSearchCV(alone, {"label_smoothing": [0.1]}, cv=2).fit(seen, CLASSES),
        make_pipeline(TabularPreprocessor(columns, dtype="float32"), net).fit(seen, table[:, 1]),
    ]
    for model in models:
        classifies = hasattr(model, "predict_proba")
        options = {"options": {id(model): {"zipmap": False}}} if classifies else {}
        session = converted(model, [("X", kind, 4)], **options)
        *label, found = session.run(None, {"X": seen})
        expected = model.predict_proba(seen) if classifies else model.predict(seen).reshape(-1, 1)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=2e-6)
        if label:
            np.testing.assert_array_equal(label[0], model.predict(seen))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("types", "word"),
    [
        ([("X", "Float", 3)], "the table has 4 columns, but initial_types name 3"),
        ([("X", "Float", 4)], "'X' has numbers, but '' is a category"),
        ([("X", "String", 4)], "'X' has strings, but there were numbers"),
    ],
)
def test_skl2onnx_refuses(types, word):
    with pytest.raises(ValueError, match=word):
        converted(fitted(TabularMLPClassifier), types)


@pytest.mark.filterwarnings("ignore")
def test_skl2onnx_refuses_targets_that_float32_has_not():
    model = TabularMLPRegressor(**SMALL).fit(NUMBERS, 1e50 * NUMBERS[:, 0])
    with pytest.raises(ValueError, match="targets' numbers must not overflow in float32"):
        converted(model, [("X", "Float", 2)])
