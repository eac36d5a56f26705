"""The differences between scikit-learn's losses and the engine's costs."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import xlogy

from fastdnn._arrays import Array, native
from fastdnn._fit.data import Data, source
from fastdnn._fit.sparse import Csr


def examples(
    X: Any, y: Array, weights: Array | None, out_activation: str, dtype: np.dtype[Any], name: str
) -> Data:
    """Take checked examples, targets y (m, n_L) and weights as the engine reads them."""
    X = source(X, X.shape[1], name)
    X = X.astype(dtype) if isinstance(X, Csr) else X
    w = None if weights is None else native(weights, dtype, "C")
    if out_activation == "softmax":
        return Data(X, None, np.argmax(y, axis=1).astype(np.int64), w)
    return Data(X, native(y, dtype, "C"), None, w)


def scale(cost: str, n_L: int) -> float:
    """Return the factor from the engine's cost to scikit-learn's loss."""
    return 1.0 if cost in ("cross_entropy", "poisson") else 1 / n_L


def constants(cost: str, y: Array) -> Array | None:
    """Compute each example's term of scikit-learn's loss that the engine's cost leaves out."""
    if cost != "poisson":
        return None
    found: Array = (xlogy(y, y) - y).sum(axis=1)
    return found


def constant_of(
    cost: str, y: Array, weights: Array | None, batch: int
) -> Callable[[Array | None], float]:
    """Make a function of an epoch's order that computes the loss's terms beside the cost."""
    x = constants(cost, y)
    if x is None:
        return lambda order: 0.0
    return lambda order: (
        _mean_of_batches(x, weights, batch)
        if order is None
        else _mean_of_batches(x[order], None if weights is None else weights[order], batch)
    )


def _mean_of_batches(x: Array, weights: Array | None, batch: int) -> float:
    """Average the batches' weighted means, each counted by its examples."""
    w = np.ones(len(x)) if weights is None else weights
    starts = np.arange(0, len(x), batch)
    rows = np.diff([*starts, len(x)])
    weight = np.add.reduceat(w, starts)
    sums = np.add.reduceat(x * w, starts)
    # a batch of no weight is left out
    means = np.divide(sums, weight, out=np.zeros_like(sums, float), where=weight != 0)
    return float((means * rows).sum() / len(x))
