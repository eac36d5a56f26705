"""Estimators and pipelines as C: labels, scalers, names of features."""

import ctypes
import re

import numpy as np
import pytest
from headers import CC, WARNINGS, answers, gradients, needs_compiler, program, run, shared

sklearn = pytest.importorskip("sklearn")

from perceptrons import quietly  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import (  # noqa: E402
    MaxAbsScaler,
    MinMaxScaler,
    PowerTransformer,
    RobustScaler,
    StandardScaler,
)

import fastdnn  # noqa: E402


def data(classes=3, m=120, dtype="float64"):
    random = np.random.default_rng(3)
    X = random.normal(size=(m, 4)).astype(dtype)
    Z = X @ random.normal(size=(4, 3)) + random.normal(size=(m, 3)) / 2
    return X, Z[:, :classes].argmax(axis=1) if classes else Z[:, 0]


def classifier(**options):
    defaults = {"hidden_layer_sizes": (9,), "max_iter": 5, "random_state": 0}
    return fastdnn.MLPClassifier(**defaults | options)


def compiled(model, folder, *flags, name="model", **options):
    fastdnn.to_c(model, folder / f"{name}.h", name=name, **options)
    lib = shared(folder / f"{name}.h", folder / "m.so", "-O1", f"-D{name}_API=", *flags)
    assert getattr(lib, f"{name}_selftest")() == 0
    return lib


def labels(lib, X):
    return [lib.model_label(ctypes.c_void_p(x.ctypes.data)) for x in np.ascontiguousarray(X)]


SCALERS = [
    StandardScaler(),
    StandardScaler(with_mean=False),
    StandardScaler(with_std=False),
    MinMaxScaler((-1, 2)),
    MaxAbsScaler(),
    RobustScaler(),
    RobustScaler(with_centering=False, with_scaling=False),
]


@needs_compiler
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scaler", SCALERS, ids=str)
def test_pipelines(tmp_path, scaler, dtype):
    X, y = data(dtype=dtype)
    X = X * np.array([1, 100, 1e-3, 1], dtype) + np.array([0, 1e4, 0, -5], dtype)
    model = quietly(make_pipeline(scaler, "passthrough", classifier()).fit, X, y)
    lib = compiled(model, tmp_path)
    expected = model.predict_proba(X)
    # a column of float32 around 1e4 has three digits less after its mean is taken off
    rtol = {"float32": 2e-3 if "with_mean" in str(scaler) else 1e-3, "float64": 1e-10}[dtype]
    np.testing.assert_allclose(answers(lib, "model", X, 3), expected, rtol=rtol, atol=rtol / 10)
    assert np.mean(model.classes_[labels(lib, X)] == model.predict(X)) > 0.98


@needs_compiler
def test_a_scaler_that_is_given_and_two_in_a_row(tmp_path):
    X, y = data()
    X = 3 * X + 50
    both = make_pipeline(StandardScaler(), MinMaxScaler())
    whole = quietly(make_pipeline(both, classifier()).fit, X, y)
    expected = whole.predict_proba(X)
    for i, (model, scaler) in enumerate(
        ((whole, None), (whole[-1], both), (make_pipeline(both[1], whole[-1]), both[0]))
    ):
        (tmp_path / str(i)).mkdir()  # a library of the same name would not be loaded anew
        lib = compiled(model, tmp_path / str(i), scaler=scaler)
        np.testing.assert_allclose(answers(lib, "model", X, 3), expected, rtol=1e-10)


@needs_compiler
def test_gradients_go_through_the_scaler(tmp_path):
    X, y = data(2)
    X = X * [1, 100, 1e-2, 1] + [0, 1000, 0, -5]
    model = quietly(make_pipeline(StandardScaler(), classifier(activation="tanh")).fit, X, y)
    lib = compiled(model, tmp_path)
    g = gradients(lib, "model", X[:20], 2)
    np.testing.assert_array_equal(g[:, 0], -g[:, 1])
    for i, h in enumerate(1e-6 * X.std(axis=0)):
        step = h * np.eye(4)[i]
        slope = (model.predict_proba(X[:20] + step) - model.predict_proba(X[:20] - step)) / (2 * h)
        np.testing.assert_allclose(g[:, :, i], slope, rtol=1e-5, atol=1e-7 * np.abs(slope).max())


@needs_compiler
@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_regressors(tmp_path, outputs, loss):
    X, _ = data()
    Y = np.abs(X[:, :outputs]).squeeze() + 1
    model = fastdnn.MLPRegressor(loss=loss, hidden_layer_sizes=(6,), max_iter=5, random_state=0)
    quietly(model.fit, X, Y)
    lib = compiled(model, tmp_path)
    found = answers(lib, "model", X, outputs)
    np.testing.assert_allclose(found.squeeze(), model.predict(X), rtol=1e-11)
    assert not hasattr(lib, "model_label")


@needs_compiler
def test_several_labels_have_no_index(tmp_path):
    X, _ = data()
    model = quietly(classifier().fit, X, (X[:, :3] > 0).astype(int))
    lib = compiled(model, tmp_path)
    np.testing.assert_allclose(answers(lib, "model", X, 3), model.predict_proba(X), rtol=1e-11)
    assert not hasattr(lib, "model_label")
    assert "model_classes" not in (tmp_path / "model.h").read_text(encoding="ascii")


TEXTS = ['a "quoted"\\', "??/ trigraph", "new\nline\ttab", "größe 漢", "*/ end /* begin", "%s", ""]
LABELS = {
    "text": np.array(TEXTS[:3]),
    "more text": np.array(TEXTS[3:6]),
    "empty text": np.array(["", "b", "c"]),
    "objects": np.array(TEXTS[:3], object),
    "words of the template": np.array(["NAME", "REAL", "NAME_x"]),
    "more words of the template": np.array(["BITS", "type 2R", "éR"]),
    "spaces": np.array(["a " * 60 + "x", "b  " * 50 + "y", " c d "]),
    "words in bytes": np.array([b"REAL", b"a-b " * 40, b"1.R"], object),
    "bytes": np.array([b"\x00\xff"[1:], b"abc", b'"'], object),
    "integers": np.array([-5, 0, 7]),
    "long integers": np.array([-(2**63), 5, 2**63 - 1]),
    "unsigned": np.array([1, 2, 2**64 - 1], np.uint64),
    "floats": np.array([-0.5, 1e-300, 2.5e10]),
}


@needs_compiler
@pytest.mark.parametrize("kind", LABELS)
def test_labels(tmp_path, kind):
    given = np.unique(LABELS[kind])
    X, y = data()
    model = quietly(classifier().fit, X, y)
    model.classes_ = model._label_binarizer.classes_ = given
    fastdnn.to_c(model, tmp_path / "model.h")
    source = tmp_path / "main.c"
    returned = {"int": "long long", "float": "double"}.get(type(given.tolist()[0]).__name__)
    returned = returned or "const char *"
    source.write_text(
        f'#include "model.h"\n{returned} label(int i);\n'
        f"{returned} label(int i) {{ return ({returned}) model_classes[i]; }}\n"
        "int count(void);\nint count(void) { return model_n_classes + model_selftest(); }\n",
        encoding="ascii",
    )
    lib = shared(source, tmp_path / "m.so", "-std=c99", *WARNINGS)
    assert lib.count() == 3
    lib.label.restype = {
        "long long": ctypes.c_longlong, "double": ctypes.c_double
    }.get(returned, ctypes.c_char_p)  # fmt: skip
    found = [lib.label(i) for i in range(3)]
    if kind == "unsigned":
        found = [value % 2**64 for value in found]
    if type(given.tolist()[0]) is str:
        found = [value.decode() for value in found]
    assert found == given.tolist()
    for compiler in ("g++", "clang++"):
        run(program(compiler), *WARNINGS, "-fsyntax-only", "-x", "c++", source)
    for compiler in ("gcc", "clang", "g++", "clang++"):
        language = "c++" if "++" in compiler else "c"
        flags = ["-O1", *WARNINGS, "-D", "model_API=", "-x", language]
        run(program(compiler), *flags, "-c", tmp_path / "model.h", "-o", tmp_path / "model.o")
        # and the labels lie in the object, for other languages
        run(
            CC, *WARNINGS, "-x", "c", source, "-x", "none", "-shared", "-fPIC", "-o", tmp_path / "a"
        )


@needs_compiler
def test_two_classes(tmp_path):
    X, y = data(2)
    model = quietly(classifier().fit, X, y == 1)
    lib = compiled(model, tmp_path)
    found = answers(lib, "model", X, 2)
    np.testing.assert_allclose(found, model.predict_proba(X), rtol=1e-11)
    np.testing.assert_array_equal(model.classes_[labels(lib, X)], model.predict(X))
    text = (tmp_path / "model.h").read_text(encoding="ascii")
    assert re.search(r"int model_classes\[2\]\) = {\s+0, 1\s+}", text)


@pytest.mark.parametrize(
    ("classes", "error"),
    [
        ([1, "a", 2.5], TypeError), ([None, 1, 2], TypeError), ([0.5, 1.5, np.nan], ValueError),
        (["a\0b", "b", "c"], ValueError), (["\udc80", "b", "c"], ValueError),
        ([1, 2, 2**64], ValueError), ([-1, 2, 2**63], ValueError), ([1, 2], ValueError),
        (["a" * 5000, "b", "c"], ValueError),
    ],
)  # fmt: skip
def test_labels_that_c_cannot_hold(tmp_path, classes, error):
    X, y = data()
    model = quietly(classifier().fit, X, y)
    model.classes_ = np.array(classes, object)
    with pytest.raises(error, match="^classes_ "):
        fastdnn.to_c(model, tmp_path / "model.h")
    assert not list(tmp_path.iterdir())


def test_names_of_features_stay_in_the_comment(tmp_path):
    pandas = pytest.importorskip("pandas")
    X, y = data()
    names = ["plain", "*/ int x; /*", "new\nline \\", "größe ??/"]
    model = quietly(classifier().fit, pandas.DataFrame(X, columns=names), y)
    fastdnn.to_c(model, tmp_path / "model.h")
    text = (tmp_path / "model.h").read_text(encoding="ascii")
    assert '"plain"' in text
    assert "int x;" in text.partition("*/")[0]
    (tmp_path / "main.c").write_text('#include "model.h"\nint main(void) { return 0; }\n', "ascii")
    run(program("gcc"), "-std=c99", *WARNINGS, "-fsyntax-only", tmp_path / "main.c")


def test_names_of_features_are_not_rewritten(tmp_path):
    pandas = pytest.importorskip("pandas")
    X, y = data()
    names = ["NAME", "REAL", "a  b " * 30, "1R"]
    model = quietly(classifier().fit, pandas.DataFrame(X, columns=names), y)
    fastdnn.to_c(model, tmp_path / "model.h")
    comment = (tmp_path / "model.h").read_text(encoding="ascii").partition("*/")[0]
    for name in names:
        assert f'"{name}"' in comment


@needs_compiler
@pytest.mark.parametrize("far", [0, 1e3, 1e5, 1e6, -1.7e9])
def test_columns_far_from_zero_in_single_precision(tmp_path, far):
    X, y = data(2)
    X[:, 0] += far
    model = quietly(make_pipeline(StandardScaler(), classifier(activation="tanh")).fit, X, y)
    single = X.astype(np.float32)
    lib = compiled(model, tmp_path, dtype="float32")
    # what the rounding of the inputs takes is taken from Python's, too
    expected = model.predict_proba(single.astype(float))
    np.testing.assert_allclose(answers(lib, "model", single, 2), expected, rtol=3e-5, atol=3e-6)


@needs_compiler
@pytest.mark.parametrize("far", [0, 1e5])
def test_selftest_finds_a_weight_that_is_off_by_a_hundredth(tmp_path, far):
    X, y = data()
    X[:, 0] += far
    model = quietly(make_pipeline(StandardScaler(), classifier(activation="tanh")).fit, X, y)
    fastdnn.to_c(model, tmp_path / "model.h", dtype="float32")
    text = (tmp_path / "model.h").read_text(encoding="ascii")
    for i in range(9):
        at = re.search(rf"model_W1\[.*\n(?:.*?, ?\s*){{{i}}}\s*(-?[0-9.e-]+)f", text)
        altered = f"{text[: at.start(1)]}{1.01 * float(at[1]):.9g}{text[at.end(1) :]}"
        (tmp_path / f"{i}.h").write_text(altered, encoding="ascii")
        lib = shared(tmp_path / f"{i}.h", tmp_path / f"{i}.so", "-Dmodel_API=")
        assert lib.model_selftest() > 0


@pytest.mark.parametrize("what", ["scale_", "mean_"])
@pytest.mark.parametrize("value", [0.0, np.nan, np.inf, 1e46, 1e-40, 1e300, 1e-309])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_of_scalers_that_the_type_does_not_hold(tmp_path, what, value, dtype):
    X, y = data()
    model = quietly(make_pipeline(StandardScaler(), classifier()).fit, X, y)
    getattr(model[0], what)[1] = value
    bad = not np.isfinite(value) or (dtype == "float32" and value > 1e40)
    if what == "scale_":
        bad = bad or value in (0, 1e-309) or (dtype == "float32" and value != 1)
    if not bad:
        fastdnn.to_c(model, tmp_path / "model.h", dtype=dtype)
        return
    with pytest.raises(ValueError, match="scale"):
        fastdnn.to_c(model, tmp_path / "model.h", dtype=dtype)
    assert not list(tmp_path.iterdir())


def test_what_is_refused(tmp_path):
    X, y = data()
    path = tmp_path / "model.h"
    fitted = quietly(classifier().fit, X, y)
    standard = StandardScaler().fit(X)
    for model, scaler, error, words in (
        (classifier(), None, ValueError, "not fitted"),
        (fitted, np.ones(4), TypeError, "scaler must be one of scikit-learn's .*got ndarray"),
        (fitted, StandardScaler(), ValueError, "scaler is a StandardScaler that is not fitted"),
        (fitted, PowerTransformer().fit(X), TypeError, "scaler must be one of scikit-learn's"),
        (fitted, MinMaxScaler(clip=True).fit(X), ValueError, "not affine"),
        (fitted, StandardScaler().fit(X[:, :2]), ValueError, "fitted on 2 columns"),
        (make_pipeline(PowerTransformer(), fitted), None, TypeError, "step 'powertransformer'"),
        (standard, None, TypeError, "model must be a Network, .*got StandardScaler"),
        (fitted.to_sklearn(), None, TypeError, "fastdnn.MLPClassifier.from_sklearn takes it over"),
    ):
        with pytest.raises(error, match=words):
            fastdnn.to_c(model, path, scaler=scaler)
    assert not list(tmp_path.iterdir())
