"""The preprocessor of tables: the published recipe's numbers, all kinds of columns, refusals."""

import json
import pickle
import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn")

from recipes import reference
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from fastdnn.estimators import MLPClassifier, TabularPreprocessor


@pytest.fixture(scope="module", name="reference")
def of_reference():
    return reference()


def clipped(z):
    return z / np.sqrt(1 + (z / 3) ** 2)


def test_numbers_are_the_recipes(reference):
    X, _ = load_breast_cancer(return_X_y=True)
    prep = TabularPreprocessor().fit(X[reference["breast_cancer/train"]])
    of = {"rtol": 0, "atol": 1e-12}
    np.testing.assert_allclose(prep.center_, reference["breast_cancer/f64/median"], **of)
    np.testing.assert_allclose(prep.scale_, reference["breast_cancer/f64/factors"], rtol=1e-12)
    for part in ("train", "val", "test"):
        Z = prep.transform(X[reference[f"breast_cancer/{part}"]])
        np.testing.assert_allclose(Z[:3], reference[f"breast_cancer/f64/prep_first3_{part}"], **of)
        sums = Z.sum(), np.abs(Z).sum(), (Z**2).sum()
        np.testing.assert_allclose(
            sums, reference[f"breast_cancer/f64/prep_sum_{part}"], rtol=1e-12
        )


def test_mixed_columns_are_the_recipes(reference):
    pd = pytest.importorskip("pandas")
    given = json.loads(str(reference["mixed/table_json"]))
    train, new = (pd.DataFrame(given[name]) for name in ("train", "new"))
    prep = TabularPreprocessor()
    np.testing.assert_allclose(prep.fit_transform(train), reference["mixed/train"], atol=1e-12)
    np.testing.assert_allclose(prep.transform(new), reference["mixed/new"], atol=1e-12)
    assert list(prep.get_feature_names_out()) == [
        *("bin_a", "tri_x", "tri_y", "tri_z", "one_k", "binmiss_u", "num", "const", "rare")
    ]


# what a table of each kind makes of the same columns
ROWS = {
    "color": ["red", "blue", None, "green", "red", "blue"],
    "size": ["s", "l", "s", "s", None, "l"],
    "on": [True, False, True, True, False, True],
    "count": [1, 5, None, 2, 3, 9],
    "length": [0.5, 1.5, 2.5, None, 4.5, 9.5],
}
NAMES = [*("color_blue", "color_green", "color_red", "size_l", "on", "count", "length")]


def expected():
    color = np.array([[0, 0, 1], [1, 0, 0], [0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]])
    size = np.array([-1, 1, -1, -1, 0, 1])
    rest = np.array([[np.nan if x is None else x for x in ROWS[c]] for c in list(ROWS)[2:]], float)
    Z = np.column_stack([color, size, rest.T])
    c = np.nanmedian(Z, axis=0)
    w = np.subtract(*np.nanquantile(Z, (0.75, 0.25), axis=0))
    half = (np.nanmax(Z, axis=0) - np.nanmin(Z, axis=0)) / 2
    return np.nan_to_num(clipped((Z - c) / np.where(w == 0, half, w)))


def pandas_table(**types):
    pd = pytest.importorskip("pandas")
    return pd.DataFrame(
        {name: pd.Series(values, dtype=types.get(name)) for name, values in ROWS.items()}
    )


def polars_table(as_categories):
    pl = pytest.importorskip("polars")
    table = pl.DataFrame(ROWS)
    return (
        table.with_columns(pl.col("color", "size").cast(pl.Categorical)) if as_categories else table
    )


TABLES = {
    "strings": lambda: pandas_table(count="float"),
    "objects": lambda: pandas_table(color="object", size="object", count="float"),
    "nullable": lambda: pandas_table(
        color="string", size="string", on="boolean", count="Int64", length="Float64"
    ),
    "categories": lambda: pandas_table(color="category", size="category", count="Int8"),
    "polars": lambda: polars_table(False),
    "polars categories": lambda: polars_table(True),
}


@pytest.mark.parametrize("kind", TABLES)
def test_every_kind_of_table_gives_the_same(kind):
    table = TABLES[kind]()
    prep = TabularPreprocessor().fit(table)
    np.testing.assert_allclose(prep.transform(table), expected(), atol=1e-15)
    assert list(prep.get_feature_names_out()) == NAMES
    assert [list(known) for known in prep.categories_] == [["blue", "green", "red"], ["l", "s"]]
    # what was fitted to one kind takes the others
    np.testing.assert_array_equal(
        prep.transform(TABLES["nullable"]()), TabularPreprocessor().fit_transform(table)
    )
    assert prep.transform(table[:1]).shape == (1, 7)


@pytest.mark.parametrize(
    "categories", [[0, 1], [True, True, False, False, False], np.array([1, 0])], ids=str
)
def test_an_array_is_told_its_categories(categories):
    X = np.array(list(ROWS.values()), dtype=object).T
    prep = TabularPreprocessor(categorical_features=categories)
    np.testing.assert_allclose(prep.fit_transform(X), expected(), atol=1e-15)
    assert prep.get_feature_names_out()[-1] == "x4"
    np.testing.assert_allclose(prep.fit_transform(X.tolist()), expected(), atol=1e-15)


def test_objects_may_be_missing_in_any_way():
    pd = pytest.importorskip("pandas")
    X = np.array([[1, 5.0], [None, 6], [pd.NA, np.nan], [np.nan, pd.NaT], [2, 7]], object)
    numbers = np.array([[1, 5], [np.nan, 6], [np.nan] * 2, [np.nan] * 2, [2, 7]])
    np.testing.assert_array_equal(
        TabularPreprocessor().fit_transform(X), TabularPreprocessor().fit_transform(numbers)
    )
    encoded = TabularPreprocessor(categorical_features=[0]).fit_transform(X)[:, 0]
    np.testing.assert_array_equal(np.sign(encoded), [1, 0, 0, 0, -1])


def test_strings_of_arrow_are_categories():
    pd, pa = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    given = pd.DataFrame({"a": ["x", "y", None, "x"], "b": [1.0, 2, 3, 4]})
    expected = TabularPreprocessor().fit_transform(given)
    for of in pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string()):
        table = given.astype({"a": pd.ArrowDtype(of), "b": pd.ArrowDtype(pa.float64())})
        np.testing.assert_array_equal(TabularPreprocessor().fit_transform(table), expected)
    dated = given.assign(a=pd.Series(["2020-01-01"] * 4).astype(pd.ArrowDtype(pa.timestamp("s"))))
    with pytest.raises(TypeError, match="'a' is of type timestamp"):
        TabularPreprocessor().fit(dated)


def test_a_column_or_a_promise_of_polars_is_no_table():
    pl = pytest.importorskip("polars")
    for given in pl.Series([1.0, 2]), pl.DataFrame({"a": [1.0]}).lazy():
        with pytest.raises(ValueError, match="Expected 2D array"):
            TabularPreprocessor().fit(given)


def test_categories_may_be_named_and_be_numbers():
    table = pandas_table(count="float")
    prep = TabularPreprocessor(categorical_features=["count", "color", "size"]).fit(table)
    assert [len(known) for known in prep.categories_] == [3, 2, 5]
    Z = prep.transform(table.assign(count=table["count"] + 100))
    # what is unseen is missing: 0, less the median
    np.testing.assert_array_equal(Z[:, 4:9], np.zeros((6, 5)))
    array = np.array([[3.0, 1], [np.nan, 2], [2, 3], [3, 4]])
    found = TabularPreprocessor(categorical_features=[0]).fit(array)
    assert list(found.categories_[0]) == [2.0, 3.0]
    first, unseen, missing, second = found.transform([[2, 1], [9, 1], [np.nan, 1], [3, 1]])[:, 0]
    assert first > unseen == missing > second


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_type_and_output(dtype):
    pd = pytest.importorskip("pandas")
    X = np.random.default_rng(0).normal(size=(20, 3))
    prep = TabularPreprocessor(dtype=dtype)
    Z = prep.fit_transform(X)
    assert Z.dtype == dtype
    np.testing.assert_array_equal(Z, TabularPreprocessor().fit_transform(X).astype(dtype))
    frame = (
        clone(prep)
        .set_output(transform="pandas")
        .fit_transform(pd.DataFrame(X, columns=list("abc")))
    )
    assert list(frame.columns) == ["a", "b", "c"]
    np.testing.assert_array_equal(frame.to_numpy(), Z)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(prep)).transform(X), Z)


def test_it_is_what_it_was_until_a_fit_ends():
    class Watched(list):
        """Columns that are looked at amidst a fit."""

        def __array__(self, dtype=None, copy=None):
            found.append(prep.transform(NUMBERS))
            return np.array([0])

    prep, found = TabularPreprocessor().fit(NUMBERS), []
    before = prep.transform(NUMBERS)
    prep.set_params(categorical_features=Watched([0])).fit(1e3 * NUMBERS[:, :2])
    assert found
    for each in found:
        np.testing.assert_array_equal(each, before)
    assert prep.n_features_in_ == 2


def test_whole_numbers_of_polars_stay_whole():
    pl = pytest.importorskip("polars")
    table = pl.DataFrame({"a": [2**53, 2**53 + 1, None], "b": [1.0, 2, 3]})
    prep = TabularPreprocessor(categorical_features=["a"]).fit(table)
    assert prep.categories_[0].tolist() == [2**53, 2**53 + 1]
    assert prep.transform(table)[:, 0].tolist() == [*clipped(np.array([1.0, -1])), 0]


@pytest.mark.parametrize("size", [1e-34, 1e-300, 1e250])
def test_numbers_of_any_scale(size):
    X = np.array([[3.0], [1], [4], [1], [5], [9], [2], [6]])
    Z = TabularPreprocessor().fit_transform(size * X)
    np.testing.assert_allclose(Z, TabularPreprocessor().fit_transform(X), rtol=1e-12)


def test_new_letters_in_a_column_of_numbers():
    prep = TabularPreprocessor().fit(frame(a=[1, 2], b=[3, 4]))
    with pytest.raises(ValueError, match="column 'b': could not convert string to float: 'x'"):
        prep.transform(frame(a=[1, 2], b=["3", "x"]))


def test_what_is_constant_stays_zero_and_what_is_far_stays_finite():
    X = np.array(
        [[5.0, 1e300, 0, 1e-320], [5, 2e300, 0, 0], [5, -3e300, 0, 0], [5, 0, 4, 0], [5] + [0] * 3]
    )
    prep = TabularPreprocessor().fit(X)
    Z = prep.transform([[7, 1.7e308, 8, 1], [-1e308, -1.7e308, -8, np.nan]])
    assert (Z[:, 0] == 0).all()
    assert np.isfinite(Z).all()
    assert (np.abs(Z) <= 3).all()
    # a column whose quartiles are equal is divided by half its range
    assert Z[0, 2] == clipped(4.0)
    assert TabularPreprocessor().fit_transform([[1.0, 2.0]]).tolist() == [[0, 0]]


def test_before_a_network_of_scikit_learn():
    X, y = load_breast_cancer(return_X_y=True)
    model = make_pipeline(TabularPreprocessor(), MLPClassifier((8,), max_iter=60, random_state=0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert model.fit(X, y).score(X, y) > 0.9


def test_check_estimator():
    from sklearn.utils.estimator_checks import check_estimator

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_estimator(TabularPreprocessor())


NUMBERS = np.arange(12.0).reshape(4, 3)


def frame(**columns):
    return pytest.importorskip("pandas").DataFrame(columns)


REFUSED = {
    "infinite": (lambda: np.where(NUMBERS == 4, np.inf, NUMBERS), ValueError, "infinity"),
    "all missing": (
        lambda: np.where(NUMBERS % 3 == 1, np.nan, NUMBERS), ValueError, "column 1 has no value",
    ),
    "no category": (
        lambda: frame(n=[1, 2], c=[None, None]).astype({"c": "object"}), ValueError,
        "column 'c' has no value at all",
    ),
    "too many": (
        lambda: frame(c=[str(i) for i in range(1001)]), ValueError,
        "column 'c' has 1001 categories, which is more than 1000: bring the rare ones together",
    ),
    "no order": (lambda: frame(c=["a", 1, None]), TypeError, "of column 'c' cannot be sorted"),
    "no category at all": (lambda: frame(c=["a", ["b"]]), TypeError, "column 'c'"),
    "dates": (
        lambda: frame(c=np.array(["2020-01-01"], "M8[ns]")), TypeError, "'c'.* is of type datetime",
    ),
    "strings": (lambda: np.array([["a", "b"]]), ValueError, "could not convert string to float"),
    "empty": (lambda: np.zeros((0, 3)), ValueError, "0 sample"),
    "empty frame": (lambda: frame(c=[]), ValueError, "0 sample"),
    "flat": (lambda: NUMBERS[0], ValueError, "Expected 2D array"),
    "complex": (lambda: NUMBERS * 1j, ValueError, "Complex data"),
    "masked": (lambda: np.ma.masked_greater(NUMBERS, 4), TypeError, "X is a masked array"),
    "arrays": (
        lambda: frame(c=["a", np.arange(2)]), TypeError, "categories of column 'c' cannot be",
    ),
    "two of a name": (
        lambda: frame(a=[1], b=[2]).set_axis(["a", "a"], axis=1), ValueError,
        "X has 2 columns of the name 'a'",
    ),
    "no columns": (lambda: frame(a=[1])[[]], ValueError, r"0 feature\(s\)"),
    "more than float64": (
        lambda: np.array([[10**400], [1]], object), ValueError, "too large for float64",
    ),
    "one column of pandas": (lambda: frame(a=[1])["a"], ValueError, "2-dim|Expected 2D"),
    "names of two types": (
        lambda: frame(a=[1], b=[2]).set_axis(["a", 2], axis=1), TypeError, "string names",
    ),
    "infinite of a frame": (
        lambda: frame(a=[1.0, 2], b=[1, np.inf]), ValueError, "column 'b': .*infinity",
    ),
    "missing of a frame": (
        lambda: frame(c=["u", "v"], a=[1, 2], b=[np.nan] * 2), ValueError,
        "column 'b' has no value",
    ),
    "complex beside nullable ones": (
        lambda: frame(a=[1j, 2], b=[True, False]).astype({"b": "boolean"}), ValueError,
        "Complex data not supported: column 'a'",
    ),
    "complex beside bools": (
        lambda: frame(a=[1j, 2], b=[True, False]), ValueError, "not supported: column 'a'",
    ),
    "lists": (
        lambda: pytest.importorskip("polars").DataFrame({"a": [1, 2], "b": [[1], [2]]}), TypeError,
        r"column 'b' is of type List\(Int64\)",
    ),
    "bytes": (
        lambda: pytest.importorskip("polars").DataFrame({"a": [1, 2], "b": [b"1", b"x"]}),
        TypeError, "column 'b' is of type Binary",
    ),
    "too wide": (lambda: np.array([[1.7e308], [-1.7e308]] * 3), ValueError, "too far apart"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_refused_leaves_nothing_behind(kind):
    make, error, message = REFUSED[kind]
    given = make()
    prep = TabularPreprocessor()
    with pytest.raises(error, match=message):
        prep.fit(given)
    with pytest.raises(NotFittedError):
        prep.transform(NUMBERS)
    fitted = clone(prep).fit(NUMBERS)
    with pytest.raises(error, match=message):
        fitted.fit(given)
    assert fitted.transform(NUMBERS).shape == (4, 3)


@pytest.mark.parametrize(
    ("categories", "message"),
    [
        ([0.5], "array-like of bool, int or str, got: float"),
        ([3], r"in \[0, n_features - 1\]"),
        ([-1], r"in \[0, n_features - 1\]"),
        ([True], "boolean mask"),
        (["a"], "without feature names"),
        ("all", "categorical_features"),
    ],
)
def test_refused_categories(categories, message):
    with pytest.raises(ValueError, match=message):
        TabularPreprocessor(categorical_features=categories).fit(NUMBERS)
    with pytest.raises(ValueError, match="not a valid feature name"):
        TabularPreprocessor(categorical_features=["b"]).fit(frame(a=[1, 2]))
    with pytest.raises(ValueError, match="dtype must be float32 or float64"):
        TabularPreprocessor(dtype="int8").fit(NUMBERS)
