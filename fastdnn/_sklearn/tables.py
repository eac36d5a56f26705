"""The columns of a table, whoever made it: which are categories, their values, and its numbers."""

import re
from collections import Counter
from typing import Any

import numpy as np
from sklearn.utils import _safe_indexing, check_array
from sklearn.utils.validation import validate_data

from fastdnn._arrays import Array

# types of columns that hold categories: of pandas, of polars, and of Arrow
_CATEGORICAL = (
    "category", "object", "str", "string", "utf8", "categorical", "enum", "large_string",
    "string_view", "dictionary",
)  # fmt: skip
_NESTED = ("binary", "list", "array", "struct", "large_list", "large_binary", "map")
_TIMES = ("date", "time", "duration", "period", "interval")


def taken(estimator: Any, X: Any, reset: bool) -> Any:
    """Judge a table's shape and its features' names; what is no DataFrame becomes an array."""
    if isinstance(X, np.ma.MaskedArray):
        raise TypeError("X is a masked array: give NaN where it is masked")
    if is_frame(X):
        for name, count in Counter(X.columns).most_common(1):
            if count > 1:
                raise ValueError(f"X has {count} columns of the name {name!r}")
        validate_data(estimator, X, reset=reset, skip_check_array=True)
        if not len(X):
            raise ValueError(
                f"Found array with 0 sample(s) (shape={X.shape}) while a minimum of 1 is required "
                f"by {type(estimator).__name__}."
            )
        if not X.shape[1]:
            raise ValueError(
                f"Found array with 0 feature(s) (shape={X.shape}) while a minimum of 1 is required "
                f"by {type(estimator).__name__}."
            )
        return X
    return validate_data(estimator, X, dtype=None, ensure_all_finite=False, reset=reset)


def is_frame(X: Any) -> bool:
    """Tell whether it is a DataFrame of pandas or polars."""
    return len(getattr(X, "shape", ())) == 2 and (hasattr(X, "iloc") or _is_polars(X))


def _is_polars(X: Any) -> bool:
    return type(X).__module__.partition(".")[0] == "polars"


def types(X: Any) -> list[str]:
    """Name the types of a table's columns, without what stands in brackets, in small letters."""
    if not is_frame(X):
        return ["number"] * X.shape[1]
    return [re.split(r"[\[(<]", str(dtype).lower())[0] for dtype in X.dtypes]


def categorical(X: Any, asked: Any, names: Array | None) -> Array:
    """Make a mask of the columns that are categories, of all that scikit-learn takes for one."""
    n = X.shape[1]
    if asked is None:
        return np.zeros(n, bool)
    if isinstance(asked, str):
        return np.array([kind in _CATEGORICAL for kind in types(X)], bool)
    chosen = np.asarray(asked)
    if chosen.size == 0:
        return np.zeros(n, bool)
    kinds = {type(each).__name__ for each in chosen.ravel().tolist()}
    if chosen.ndim != 1 or kinds - {"bool", "int", "str"} or len(kinds) > 1:
        raise ValueError(
            "categorical_features must be an array-like of bool, int or str, got: "
            f"{', '.join(sorted(kinds))}"
        )
    if kinds == {"bool"}:
        if len(chosen) != n:
            raise ValueError(
                "categorical_features set as a boolean mask must have shape (n_features,), got: "
                f"{chosen.shape}"
            )
        return chosen.astype(bool)
    if kinds == {"str"}:
        if names is None:
            raise ValueError(
                "categorical_features should be passed as an array of integers or as a boolean "
                "mask when the model is fitted on data without feature names."
            )
        known = list(names)
        for name in chosen:
            if name not in known:
                raise ValueError(
                    f"categorical_features has an item value {name!r} which is not a valid feature "
                    "name of the training data"
                )
        chosen = np.array([known.index(name) for name in chosen])
    if chosen.max() >= n or chosen.min() < 0:
        raise ValueError(
            "categorical_features set as integer indices must be in [0, n_features - 1]"
        )
    mask = np.zeros(n, bool)
    mask[chosen] = True
    return mask


def values(X: Any, at: int) -> tuple[Array, Array]:
    """Take a column as Python sees its values, and a mask of those that are there."""
    column = _safe_indexing(X, at, axis=1)
    if _is_polars(column):
        # an array of integers of which one is missing would be of floats
        found = np.array([None, *column.to_list()], object)[1:]
    else:
        found = np.asarray(column, dtype=object)
    return found, np.array([not _missing(value) for value in found], bool)


def _missing(value: Any) -> bool:
    """Tell whether a value is None, NaN, NaT or pandas' NA, which is equal to nothing."""
    if value is None or type(value).__name__ == "NAType":
        return True
    unequal = value != value
    # an array is no category, as is said where it is looked up
    return isinstance(unequal, bool | np.bool_) and bool(unequal)


def numbers(estimator: Any, X: Any, mask: Array) -> Array:
    """Take the columns that are no categories as float64, NaN where one is missing."""
    at = np.flatnonzero(~mask)
    for i, kind in enumerate(types(X)):
        if not mask[i] and (kind.startswith(_TIMES) or kind in _NESTED):
            raise TypeError(
                f"column {X.columns[i]!r} is of type {list(X.dtypes)[i]}: make numbers or "
                "categories of it"
            )
        if not mask[i] and kind.startswith("complex"):
            # beside a nullable one it would lose its imaginary part
            raise ValueError(f"Complex data not supported: column {X.columns[i]!r}")
    found = _safe_indexing(X, at, axis=1) if mask.any() else X
    if isinstance(found, np.ndarray) and found.dtype.kind in "mM":
        raise TypeError(f"X is of type {found.dtype}: make numbers or categories of it")
    if isinstance(found, np.ndarray) and found.dtype == object:
        found = np.array([[np.nan if _missing(x) else x for x in row] for row in found], object)
    try:
        return _checked(estimator, found)
    except (TypeError, ValueError):
        for i in at.tolist() if is_frame(X) else []:
            try:
                _checked(estimator, _safe_indexing(X, [i], axis=1))
            except (TypeError, ValueError) as error:
                kind_of = TypeError if isinstance(error, TypeError) else ValueError
                raise kind_of(f"column {X.columns[i]!r}: {error}") from None
        raise


def _checked(estimator: Any, found: Any) -> Array:
    try:
        return np.asarray(
            check_array(
                found, dtype=np.float64, ensure_all_finite="allow-nan", ensure_min_features=0,
                input_name="X", estimator=estimator,
            )
        )  # fmt: skip
    except OverflowError as error:
        raise ValueError(f"X has a number that is too large for float64: {error}") from None
