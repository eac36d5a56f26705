"""A table of numbers and categories as inputs of a network: robust scales, and a smooth clip."""

from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from fastdnn._arrays import Array
from fastdnn._sklearn import tables, theirs
from fastdnn._sklearn.declared import Copied, apart, of_now, trains

# categories that a column may have
MOST = 1000


class TabularPreprocessor(Copied, theirs.TransformerMixin, theirs.BaseEstimator):
    """Make a table ready for a network: numbers alone, each of them between -3 and 3.

    A column of two categories becomes 1 for the first, in sorted order, and -1 for the second, and
    another column of categories one of 0 and 1 for each; a category that is missing, or was not
    there when it was fitted, is 0 in all of them. Then of every column, those too, the median is
    taken off, it is divided by the distance of the quartiles, or where that is 0 by half the
    range, and ``z / sqrt(1 + (z / 3) ** 2)`` is taken of it: an outlier is at most 3. A number that
    is missing becomes the median, and a column that is constant 0, also in new data.

    Parameters
    ----------
    categorical_features : "from_dtype", array-like of bool, int or str, or None
        Which columns are categories: a mask, indices or names; "from_dtype" takes the columns of a
        DataFrame of pandas or polars that are strings, objects or categories, and no column of an
        array. Columns of booleans and nullable numbers are numbers. A column may have up to 1000
        categories.
    dtype : {"float64", "float32"}
        Type of what `transform` returns. Everything is computed in float64.

    Attributes
    ----------
    categories_ : list of ndarray
        The categories of each column that has some, sorted, without missing ones.
    is_categorical_ : ndarray of bool, shape (n_features,)
        Which columns are categories.
    center_, scale_ : ndarray of float64, shape (n_columns,)
        The median of each column of the output, and what it is multiplied with then: 0 of a
        constant one.
    n_features_in_ : int
        Columns of the table.
    feature_names_in_ : ndarray of str
        Their names, if the table has some.

    See Also
    --------
    MLPClassifier, MLPRegressor : What its output may be given to, in a pipeline.
    sklearn.preprocessing.RobustScaler : Medians and quartiles without the clip.

    Notes
    -----
    What is categories comes first in the output, then what is numbers, each in the table's order.

    Examples
    --------
    >>> from fastdnn.estimators import TabularPreprocessor
    >>> X = np.array([[1.0, 0], [2, 1], [3, 0], [4, 1], [1000, 0]])
    >>> TabularPreprocessor(categorical_features=[1]).fit_transform(X).round(2)
    array([[ 0.  , -0.95],
           [-0.95, -0.49],
           [ 0.  ,  0.  ],
           [-0.95,  0.49],
           [ 0.  ,  3.  ]])
    """

    __module__ = "fastdnn.estimators"

    categories_: list[Array]
    is_categorical_: Array
    center_: Array
    scale_: Array
    n_features_in_: int
    feature_names_in_: Array
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
        "dtype": "no_validation",
    }

    def __init__(self, categorical_features: Any = "from_dtype", *, dtype: Any = "float64") -> None:
        self.categorical_features = categorical_features
        self.dtype = dtype

    @trains
    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the categories, medians and scales.

        Parameters
        ----------
        X : array-like or DataFrame, shape (n_samples, n_features)
            The table.
        y : None
            Not used.

        Returns
        -------
        TabularPreprocessor
            The transformer itself.

        Raises
        ------
        TypeError
            If a column is of dates, times, lists or polars' bytes, or a column's categories cannot
            be sorted.
        ValueError
            If the table is not what scikit-learn accepts, a number is infinite, or a column has no
            value at all, or too many categories.
        """
        with apart(self) as made:
            element_type(made.dtype)
            table = tables.taken(made, X, reset=True)
            names = getattr(made, "feature_names_in_", None)
            mask = tables.categorical(table, made.categorical_features, names)
            known = [_categories(table, at, names) for at in np.flatnonzero(mask).tolist()]
            columns = _columns(made, table, mask, known)
            made.center_, made.scale_ = _scales(columns, mask, names)
            made.is_categorical_, made.categories_ = mask, known
        return self

    def transform(self, X: Any) -> Any:
        """Transform a table as the one that it was fitted to.

        Parameters
        ----------
        X : array-like or DataFrame, shape (n_samples, n_features)
            The table.

        Returns
        -------
        ndarray of shape (n_samples, n_columns), or a DataFrame after ``set_output``
            The inputs of a network.
        """
        now = of_now(self)
        check_is_fitted(now, "center_")
        return now._made(tables.taken(now, X, reset=False))

    def _made(self, table: Any) -> Array:
        """Transform a table that is judged."""
        columns = _columns(self, table, self.is_categorical_, self.categories_)
        return _scaled(columns, self.center_, self.scale_).astype(element_type(self.dtype))

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """Name the columns of the output: ``color_red`` of categories, numbers as they are.

        Parameters
        ----------
        input_features : array-like of str, optional
            Names of the table's columns, if it had none; by default ``x0``, ``x1``, ...

        Returns
        -------
        ndarray of str
            A name for each column. That of two categories is called by the first.
        """
        check_is_fitted(self, "center_")
        given = _check_feature_names_in(self, input_features)
        names = [
            f"{name}_{category}"
            for name, known in zip(given[self.is_categorical_], self.categories_, strict=True)
            for category in (known[:1] if len(known) == 2 else known)
        ]
        return np.array([*names, *given[~self.is_categorical_]], dtype=object)

    def __sklearn_tags__(self) -> Any:
        """Tell what tables it takes."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.transformer_tags.preserves_dtype = []
        return tags


def element_type(dtype: Any) -> Any:
    """Judge the type that a parameter asks for."""
    try:
        found = None if dtype is None else np.dtype(dtype)
    except TypeError:
        found = None
    if found not in (np.float32, np.float64):
        raise ValueError(f"dtype must be float32 or float64, got {dtype!r}")
    return found


def _called(at: int, names: Array | None) -> str:
    return f"column {at}" if names is None else f"column {names[at]!r}"


def _categories(table: Any, at: int, names: Array | None) -> Array:
    """Sort the categories of a column."""
    found, there = tables.values(table, at)
    called = _called(at, names)
    try:
        known = sorted(set(found[there].tolist()))
    except TypeError as error:
        raise TypeError(
            f"the categories of {called} cannot be sorted, make strings of them: {error}"
        ) from None
    if not known:
        raise ValueError(f"{called} has no value at all: leave it out")
    if len(known) > MOST:
        raise ValueError(
            f"{called} has {len(known)} categories, which is more than {MOST}: bring the rare ones "
            "together, as OneHotEncoder's max_categories does, or make a number of it, as "
            "sklearn.preprocessing.TargetEncoder does, or leave it out"
        )
    return np.array([None, *known], dtype=object)[1:]


def _columns(estimator: Any, table: Any, mask: Array, known: list[Array]) -> Array:
    """Make a column of 1 and -1, or one of 0 and 1 for each category, and of each number one."""
    names = getattr(estimator, "feature_names_in_", None)
    parts = [
        _encoded(*tables.values(table, at), categories, _called(at, names))
        for at, categories in zip(np.flatnonzero(mask).tolist(), known, strict=True)
    ]
    if not mask.all():
        parts.append(tables.numbers(estimator, table, mask))
    return np.concatenate(parts, axis=1)


def _encoded(found: Array, there: Array, categories: Array, called: str) -> Array:
    codes = {category: code for code, category in enumerate(categories)}
    at = np.full(len(found), -1)
    try:
        at[there] = [codes.get(value, -1) for value in found[there]]
    except TypeError as error:
        raise TypeError(f"{called} holds what is no category: {error}") from None
    of_each = np.zeros((len(found), len(categories)))
    rows = np.flatnonzero(at >= 0)
    of_each[rows, at[rows]] = 1
    return of_each[:, :1] - of_each[:, 1:] if len(categories) == 2 else of_each


def _scales(columns: Array, mask: Array, names: Array | None) -> tuple[Array, Array]:
    """Take each column's median, and one over the distance of its quartiles, or half its range."""
    empty = np.flatnonzero(np.isnan(columns).all(axis=0))
    if len(empty):
        # those of numbers are the last ones
        at = np.flatnonzero(~mask)[empty[0] - len(columns.T)]
        raise ValueError(f"{_called(at, names)} has no value at all: leave it out")
    with np.errstate(over="ignore", invalid="ignore"):
        low, center, high = np.nanquantile(columns, (0.25, 0.5, 0.75), axis=0)
        width = high - low
        half = (np.nanmax(columns, axis=0) - np.nanmin(columns, axis=0)) / 2
    width = np.where(width == 0, half, width)
    if not np.isfinite(width).all():
        raise ValueError("X has numbers too far apart for float64: scale them")
    with np.errstate(divide="ignore", over="ignore"):
        scale = np.minimum(1 / width, np.finfo(np.float64).max)
    return center, np.where(width == 0, 0, scale)


def _scaled(columns: Array, center: Array, scale: Array) -> Array:
    """Compute z / sqrt(1 + (z / 3)^2) of z = scale (x - center); what is missing is 0."""
    with np.errstate(over="ignore", invalid="ignore"):
        z = scale * (columns - center)
    # beyond 1e9 it is 3 to the last bit
    z = np.clip(np.nan_to_num(z, copy=False, nan=0, posinf=1e9, neginf=-1e9), -1e9, 1e9)
    return np.asarray(z / np.sqrt(1 + (z / 3) ** 2))
