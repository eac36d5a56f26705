"""Examples that lie elsewhere than in memory: an estimator is given them a part at a time."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
from sklearn.utils.validation import check_consistent_length

from fastdnn._arrays import Array
from fastdnn._fit.ahead import Ahead
from fastdnn._fit.blocks import BLOCK, cut_rows, lies_elsewhere, rows_of, shape_of
from fastdnn._sklearn.declared import Declared


class _InterruptedError(Exception):
    """Ctrl-C has ended the training of a part, which has warned of it."""


class Parts:
    """Parts of the rows of X, each of whole batches of so many, of up to 64 MiB."""

    def __init__(self, X: Any, batch: int = 1) -> None:
        self._X, self._shape = X, shape_of(X, "X")
        size = np.dtype(X.dtype).itemsize * int(np.prod(self._shape[1:]))
        self._rows, self.count = cut_rows(self._shape[0], max(1, BLOCK // size), batch)

    def bounds(self, i: int) -> tuple[int, int]:
        """Say which row is a part's first, and which the next part's."""
        return i * self._rows, self._shape[0] if i == self.count - 1 else (i + 1) * self._rows

    def read(self, i: int) -> Array:
        """Read a part."""
        first, stop = self.bounds(i)
        return rows_of(self._X, first, stop, self._shape[1:], f"X[{first}:{stop}]")


def fit_parts(
    records: Declared, X: Any, y: Any, weights: Any, draw: Callable[[int], Array],
    fit: Callable[[Any, Any, Any], object],
) -> None:  # fmt: skip
    """Fit each part of X in turn, in an order that is drawn, if the estimator shuffles.

    Parameters
    ----------
    records : Declared
        An estimator, of which the parameters are read.
    X : object
        Has a shape, a dtype and slices of rows.
    y, weights : array_like
        Are read into memory, if they lie elsewhere.
    draw : callable
        Draws an order of so many.
    fit : callable
        Fits a part of X, y and the weights.
    """
    batch = records.batch_size if not isinstance(records.batch_size, str) else 200
    parts = Parts(X, batch)
    y, weights = in_memory(y), in_memory(weights)
    check_consistent_length(y, weights, range(parts.bounds(parts.count - 1)[1]))
    shuffles = records.shuffle and parts.count > 1
    order = [int(i) for i in draw(parts.count)] if shuffles else range(parts.count)

    def fit_part(i: int, part: Array) -> None:
        (first, stop), before = parts.bounds(i), getattr(records, "t_", 0)
        fit(part, *(None if a is None else _sliced(a, first, stop) for a in (y, weights)))
        if records.t_ == before:
            raise _InterruptedError

    with suppress(_InterruptedError), Ahead(parts.read) as ahead:
        ahead.apply(order, fit_part)


def predict_parts(X: Any, predict: Callable[[Array], Array]) -> Array:
    """Predict each part of X, and put the predictions together."""
    parts = Parts(X)
    with Ahead(parts.read) as ahead:
        return np.concatenate(ahead.apply(range(parts.count), lambda _, part: predict(part)))


def in_memory(values: Any) -> Any:
    """Read labels or weights into memory, if they lie elsewhere."""
    return np.asarray(values[: values.shape[0]]) if lies_elsewhere(values) else values


def _sliced(values: Any, first: int, stop: int) -> Any:
    """Slice labels or weights by position, of a table too."""
    return values.iloc[first:stop] if hasattr(values, "iloc") else values[first:stop]
