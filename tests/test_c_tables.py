"""The estimators of tables as C, from the columns on: what a compiled header answers."""

import ctypes
import shutil
from functools import cache

import numpy as np
import pytest

pytest.importorskip("sklearn")

from headers import DTYPES, WARNINGS, needs_compiler, pointer, run, shared
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fastdnn
from fastdnn.estimators import TabularMLPClassifier, TabularMLPRegressor, TabularPreprocessor

BOTH = [TabularMLPClassifier, TabularMLPRegressor]
SMALL = {"hidden_layer_sizes": (8, 6), "max_iter": 8, "random_state": 0}
rng = np.random.default_rng(0)
# numbers far from 0, of which a type has all digits; a constant; and three columns of categories
X = np.empty((60, 6), object)
X[:, 0] = 1.7e9 + 128 * rng.integers(100, size=60)
X[:, 3] = rng.normal(size=60).astype("f4")
X[:, 1], X[:, 2] = rng.choice(["*/", "é", "z?"], 60), rng.choice([2, 5], 60)
X[:, 4], X[:, 5] = 7.0, "only"
X[3, 0] = X[4, 1] = X[5, 2] = None
NEW = np.array(
    [
        [None, "w", 3, 1e9, None, "only"],
        [1.7e9, None, 2, -1e30, 8.0, None],
        [0.0, "é", None, None, 7.0, "more"],
    ],
    object,
)
CLASSES = rng.choice(["a", "b", "c"], 60)
NUMBERS = np.c_[X[:, 3].astype(float), 1e3 + rng.normal(size=60)]


@cache
def fitted(cls, columns=(1, 2, 5), **given):
    table = X if columns == (1, 2, 5) else X[:, [0, 3, 4]] if not columns else X[:, [1, 2, 5]]
    y = CLASSES if cls is TabularMLPClassifier else NUMBERS
    return cls(**SMALL, categorical_features=columns, **given).fit(table, y), table


def parts(prep, table, dtype):
    """Give the numbers and the codes of a table."""
    mask = prep.is_categorical_
    known = [{value: k for k, value in enumerate(each)} for each in prep.categories_]
    codes = [
        [of.get(v, -1) for of, v in zip(known, row, strict=True)] for row in table[:, mask].tolist()
    ]
    numbers = np.ascontiguousarray(table[:, ~mask].astype(dtype))
    return numbers, np.array(codes, np.intc).reshape(len(table), len(known))


def answers(library, model, table, dtype, name="m"):
    numbers, codes = parts(model.preprocessor_, table, dtype)
    y = np.full((len(table), model.networks_[0].layer_dims[-1]), np.nan, dtype)
    given = [pointer(each) if each.size else None for each in (numbers, codes)]
    getattr(library, f"{name}_predict_n")(*given, pointer(y), ctypes.c_size_t(len(table)))
    return y


def compiled(model, folder, **options):
    fastdnn.to_c(model, folder / "m.h", name="m", **options)
    (folder / "m.c").write_text('#define m_API\n#include "m.h"\n#include "m.h"\n', "ascii")
    return shared(folder / "m.c", folder / "m.so", "-std=c99", "-O2", *WARNINGS)


def assert_close(got, expected, dtype):
    expected = expected.reshape(got.shape)
    unit = np.finfo(dtype).eps
    assert np.abs(got - expected).max() <= 64 * unit * np.abs(expected).max()


@needs_compiler
@pytest.mark.parametrize("n_ensemble", [1, 3])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cls", BOTH)
def test_answers_are_those_of_python(cls, dtype, n_ensemble, tmp_path):
    given = {"clip_output": True} if cls is TabularMLPRegressor and n_ensemble == 3 else {}
    model, _ = fitted(cls, dtype=dtype, n_ensemble=n_ensemble, **given)
    library = compiled(model, tmp_path)
    for table in (X, NEW):
        expected = getattr(model, "predict_proba", model.predict)(table)
        assert_close(answers(library, model, table, dtype), expected, dtype)
    assert library.m_selftest() == 0
    if cls is TabularMLPClassifier:
        for row in (*X[:9], *NEW):
            numbers, codes = parts(model.preprocessor_, row[None], dtype)
            label = library.m_label(pointer(numbers), pointer(codes))
            assert model.classes_[label] == model.predict(row[None])[0]


@needs_compiler
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("columns", [(), (0, 1, 2)])
@pytest.mark.parametrize("cls", BOTH)
def test_numbers_or_categories_alone(cls, columns, dtype, tmp_path):
    model, table = fitted(cls, columns, dtype=dtype)
    library = compiled(model, tmp_path)
    expected = getattr(model, "predict_proba", model.predict)(table)
    assert_close(answers(library, model, table, dtype), expected, dtype)
    assert library.m_selftest() == 0


@needs_compiler
@pytest.mark.parametrize("own", DTYPES)
def test_the_type_is_chosen(own, tmp_path):
    (to,) = {*DTYPES} - {own}
    model, _ = fitted(TabularMLPClassifier, dtype=own)
    library = compiled(model, tmp_path, dtype=to)
    assert_close(answers(library, model, X, to), model.predict_proba(X), "float32")
    assert library.m_selftest() == 0


@needs_compiler
@pytest.mark.parametrize("dtype", DTYPES)
def test_codes_and_numbers_of_any_value(dtype, tmp_path):
    model, _ = fitted(TabularMLPClassifier, dtype=dtype)
    library = compiled(model, tmp_path)
    numbers, codes = parts(model.preprocessor_, NEW[:1], dtype)
    codes[:] = [[-(2**31), 2**31 - 1, 1]]
    numbers[:] = [[np.nan, 1e9, np.nan]]
    y = np.empty(3, dtype)
    library.m_predict(pointer(numbers), pointer(codes), pointer(y))
    assert_close(y, model.predict_proba(NEW[:1])[0], dtype)
    for sign in (1, -1):
        # infinity, which Python refuses, is a large number
        for value in (1e30, np.finfo(dtype).max, np.inf):
            numbers[:] = sign * value
            library.m_predict(pointer(numbers), pointer(codes), pointer(y))
            table = X[:1].copy()
            table[:, ~model.preprocessor_.is_categorical_] = sign * 1e30
            table[:, model.preprocessor_.is_categorical_] = [None, None, "only"]
            assert_close(y, model.predict_proba(table)[0], dtype)


@needs_compiler
def test_the_clip_is_exact_to_a_few_units(tmp_path):
    for dtype in DTYPES:
        model, _ = fitted(TabularMLPRegressor, (), dtype=dtype)
        fastdnn.to_c(model, tmp_path / "m.h", name="m")
        (tmp_path / "clip.c").write_text(
            '#include "m.h"\nT clip(T z);\nT clip(T z) { return m_clipped(z); }\n', "ascii"
        )
        real = {"float32": "float", "float64": "double"}[dtype]
        clip = shared(tmp_path / "clip.c", tmp_path / f"{dtype}.so", "-O2", f"-DT={real}").clip
        kind = getattr(ctypes, f"c_{real}")
        clip.argtypes, clip.restype = [kind], kind
        z = np.geomspace(1e-30, 1e9, 5000).astype(dtype)
        exact = z / np.sqrt(1 + (z.astype(np.longdouble) / 3) ** 2)
        for sign in (1, -1):
            got = np.array([clip(sign * float(v)) for v in z], dtype)
            assert np.abs(got / (sign * exact) - 1).max() < 4 * np.finfo(dtype).eps
        assert clip(float("nan")) == clip(0.0) == 0


@pytest.mark.parametrize("compiler", ["gcc", "clang", "g++"])
def test_compilers_warn_of_nothing(compiler, tmp_path):
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not at hand")
    for i, (cls, columns) in enumerate(
        [(TabularMLPClassifier, (1, 2, 5)), (TabularMLPRegressor, ()),
         (TabularMLPRegressor, (0, 1, 2))]
    ):  # fmt: skip
        fastdnn.to_c(fitted(cls, columns, n_ensemble=2)[0], tmp_path / f"m{i}.h", name=f"m{i}")
    (tmp_path / "main.c").write_text(
        '#include "m0.h"\n#include "m1.h"\n#include "m2.h"\n'
        "int main(void)\n{\n    return m0_selftest() || m1_selftest() || m2_selftest();\n}\n",
        "ascii",
    )
    for level in ("-O0", "-O3"):
        standard = "-std=c++11" if compiler == "g++" else "-std=c99"
        run(compiler, standard, level, *WARNINGS, tmp_path / "main.c", "-o", tmp_path / "main")
        run(tmp_path / "main")


@needs_compiler
def test_selftest_finds_an_altered_number(tmp_path):
    model, _ = fitted(TabularMLPClassifier)
    fastdnn.to_c(model, tmp_path / "m.h", name="m")
    text = (tmp_path / "m.h").read_text("ascii")
    for array in ("m_factor[3]", "m_on[5]"):
        begin = text.index("{", text.index(array)) + 1
        end = text.index("}", begin)
        first, *rest = text[begin:end].split(",")
        words = [f"{2 * float(word.strip().rstrip('f'))!r}f" for word in (first, *rest)]
        (tmp_path / "n.h").write_text(text[:begin] + ",".join(words) + text[end:], "ascii")
        (tmp_path / "n.c").write_text('#define m_API\n#include "n.h"\n', "ascii")
        assert shared(tmp_path / "n.c", tmp_path / f"{array[:4]}.so").m_selftest() > 0


def test_the_comment_names_columns_and_categories(tmp_path):
    pd = pytest.importorskip("pandas")
    table = pd.DataFrame(X, columns=["n", "NAME_k", "b", "m", "c", "o"])
    table = table.astype({"n": float, "m": float, "c": float})
    model = TabularMLPRegressor(**SMALL).fit(table, NUMBERS)
    fastdnn.to_c(model, tmp_path / "m.h")
    comment = (tmp_path / "m.h").read_text("ascii").partition("*/")[0]
    assert "'n', 'm', 'c'" in comment
    assert "of the column 'NAME_k':\n\n    '\\x2a/', 'z\\x3f', '\\xe9'" in comment
    assert "of the column 'b':\n\n    2, 5\n" in comment


def wide():
    table = np.c_[(np.arange(60) % 3 - 1) * 1e60, np.arange(60) % 2]
    return TabularMLPClassifier(**SMALL, dtype="float64").fit(table, CLASSES)


@pytest.mark.parametrize(
    ("make", "options", "error", "word"),
    [
        (TabularMLPClassifier, {}, NotFittedError, "not fitted"),
        (lambda: fitted(TabularMLPClassifier)[0], {"scaler": StandardScaler()}, ValueError,
         "scaler must be None"),
        (lambda: fitted(TabularMLPClassifier)[0], {"name": "int"}, ValueError, "reserved word"),
        (lambda: fitted(TabularMLPClassifier)[0], {"dtype": "f2"}, ValueError, "float32 or"),
        (wide, {"dtype": "float32"}, ValueError, "scales must neither overflow"),
        (lambda: TabularMLPRegressor(**SMALL).fit(NUMBERS, 1e50 * NUMBERS[:, 0]), {}, ValueError,
         "the targets' numbers must not overflow in float32"),
        (lambda: make_pipeline(StandardScaler(), fitted(TabularMLPRegressor)[0]), {}, TypeError,
         "give it alone, it makes the columns ready itself"),
        (lambda: TabularPreprocessor(), {}, TypeError,
         "got TabularPreprocessor: a TabularMLPClassifier or TabularMLPRegressor is written with"),
    ],
)  # fmt: skip
def test_what_is_refused(make, options, error, word, tmp_path):
    with pytest.raises(error, match=word):
        fastdnn.to_c(make(), tmp_path / "m.h", **options)
    assert not [*tmp_path.iterdir()]
