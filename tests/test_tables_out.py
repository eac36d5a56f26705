"""DataFrames of pandas and polars, and what a file, ONNX and C answer beside predict."""

import json
from functools import cache

import numpy as np
import pytest

pytest.importorskip("sklearn")

from headers import WARNINGS, needs_compiler, pointer, shared
from stores import again

import fastdnn
from fastdnn.estimators import TabularMLPClassifier, TabularMLPRegressor

LIBRARIES = ["pandas", "polars"]
NUMBERS = ["number", "whole", "part", "flag", "small", "constant"]
CATEGORIES = ["pair", "kind", "many", "object"]
ROWS = 90
rng = np.random.default_rng(0)
COLUMNS = {
    "number": (1e3 * rng.normal(size=ROWS)).astype("f4").astype("f8").tolist(),
    "pair": rng.choice(["no", "yes"], ROWS).tolist(),
    "whole": rng.integers(-5, 90, ROWS).tolist(),
    "kind": rng.choice(["x", "y", "é"], ROWS).tolist(),
    "part": rng.normal(size=ROWS).astype("f4").tolist(),
    "many": [f"{k:02}" for k in rng.integers(17, size=ROWS)],
    "flag": (rng.random(ROWS) < 0.3).tolist(),
    "object": rng.choice(["", "b"], ROWS).tolist(),
    "small": rng.integers(3, size=ROWS).tolist(),
    "constant": [7] * ROWS,
}
MISSING = {"number", "pair", "whole", "kind", "part", "flag"}
CLASSES = rng.choice(["a", "b", "c"], ROWS)
TARGETS = np.c_[rng.normal(size=ROWS), 1e3 + rng.normal(size=ROWS)]


@cache
def frames(library):
    """Make a table, and another of which categories and numbers are missing or were not there."""
    known = {name: list(values) for name, values in COLUMNS.items()}
    for i, name in enumerate(NUMBERS + CATEGORIES):
        if name in MISSING:
            known[name][i] = None
    new = {name: values[:9] for name, values in known.items()}
    new |= {"pair": ["maybe", None] * 4 + ["no"], "kind": ["w"] * 4 + ["é", None] * 2 + ["x"],
            "many": ["99"] * 9, "number": [None, 1e30, -1e30] * 3, "constant": [8] * 9,
            "object": ["unseen", ""] * 4 + ["b"]}  # fmt: skip
    if library == "polars":
        pl = pytest.importorskip("polars")
        types = {"kind": pl.Categorical, "part": pl.Float32, "small": pl.Int8, "whole": pl.Int32}
        return [pl.DataFrame(table).cast(types) for table in (known, new)]
    pd = pytest.importorskip("pandas")
    types = {"number": "f8", "pair": "string", "whole": "Int64", "kind": "category",
             "part": "Float32", "many": "category", "flag": "boolean", "object": object,
             "small": "i1"}  # fmt: skip
    return [pd.DataFrame(table).astype(types) for table in (known, new)]


SMALL = {"hidden_layer_sizes": (8, 6), "max_iter": 8, "random_state": 0}
# of each model its class and parameters, and what it is fitted to
MODELS = {
    "two classes": (TabularMLPClassifier, {}, CLASSES == "a"),
    "calibrated": (TabularMLPClassifier, {"calibrate": True, "n_ensemble": 3}, CLASSES),
    "a target": (TabularMLPRegressor, {"dtype": "float64"}, TARGETS[:, 0]),
    "targets": (TabularMLPRegressor, {"n_ensemble": 2, "clip_output": True}, TARGETS),
}
every = pytest.mark.parametrize(
    ("name", "library"), [(name, library) for name in MODELS for library in LIBRARIES]
)


@cache
def fitted(name, library):
    cls, parameters, y = MODELS[name]
    return cls(**SMALL, **parameters).fit(frames(library)[0], y)


def expected(model, table):
    return getattr(model, "predict_proba", model.predict)(table).reshape(len(table), -1)


def values(table, names):
    """Take columns as Python's values, None where one is missing."""
    lists = [table[name].to_list() for name in names]
    return [
        [None if type(v).__name__ == "NAType" or v != v else v for v in row]
        for row in zip(*lists, strict=True)
    ]


def numbers(table, names, dtype):
    return np.array(values(table, names), object).astype(dtype)


def codes(model, table, names, dtype):
    known = [{v: k for k, v in enumerate(each)} for each in model.preprocessor_.categories_]
    rows = values(table, names)
    return np.array(
        [[of.get(v, -1) for of, v in zip(known, row, strict=True)] for row in rows], dtype
    )


def assert_close(got, model, table):
    y = expected(model, table)
    unit = np.finfo(got.dtype).eps
    assert np.abs(got.reshape(y.shape) - y).max() <= 64 * unit * np.abs(y).max()


@every
def test_a_file(name, library):
    model = fitted(name, library)
    loaded = again(model)
    for table in frames(library):
        for method in ("predict", "predict_proba"):
            if hasattr(model, method):
                one, other = (getattr(each, method)(table) for each in (model, loaded))
                assert one.dtype == other.dtype
                np.testing.assert_array_equal(one, other)
        ready = model.preprocessor_.transform(table)
        np.testing.assert_array_equal(loaded.preprocessor_.transform(table), ready)
    with pytest.raises(ValueError, match="feature names"):
        loaded.predict(frames(library)[0][[*COLUMNS][::-1]])


@pytest.mark.parametrize("kind", ["strings", "codes"])
@every
def test_onnx(name, library, kind):
    pytest.importorskip("onnx")
    ort = pytest.importorskip("onnxruntime")
    model = fitted(name, library)
    made = fastdnn.to_onnx(model, options={"categories": kind})
    session = ort.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    said = {prop.key: json.loads(prop.value) for prop in made.metadata_props}
    X, others = said["columns"]["X"], said["columns"]["categories" if kind == "strings" else kind]
    assert (X, others) == (NUMBERS, CATEGORIES)
    for table in frames(library):
        given = {"X": numbers(table, X, model.dtype)}
        if kind == "codes":
            given["codes"] = codes(model, table, others, np.int64)
        else:
            texts = [["?" if v is None else v for v in row] for row in values(table, others)]
            given["categories"] = np.array(texts, object)
        *label, found = session.run(None, given)
        assert_close(found, model, table)
        if label:
            np.testing.assert_array_equal(label[0], model.predict(table))


@needs_compiler
@every
def test_c(name, library, tmp_path):
    model = fitted(name, library)
    fastdnn.to_c(model, tmp_path / "m.h", name="m")
    (tmp_path / "m.c").write_text('#define m_API\n#include "m.h"\n', "ascii")
    compiled = shared(tmp_path / "m.c", tmp_path / "m.so", "-std=c99", "-O1", *WARNINGS)
    assert compiled.m_selftest() == 0
    for table in frames(library):
        x = numbers(table, NUMBERS, model.dtype)
        c = codes(model, table, CATEGORIES, np.intc)
        y = np.empty((len(table), model.network_.layer_dims[-1]), model.dtype)
        for row in range(len(table)):
            compiled.m_predict(pointer(x[row]), pointer(c[row]), pointer(y[row]))
        assert_close(y, model, table)
        if hasattr(model, "classes_"):
            got = [compiled.m_label(pointer(x[row]), pointer(c[row])) for row in range(len(table))]
            np.testing.assert_array_equal(model.classes_[got], model.predict(table))
