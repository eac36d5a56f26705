"""The examples of a fit, as the engine reads them."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from fastdnn._arrays import Array, apart, class_indices, readable, targets, weights
from fastdnn._core.training import first_nonfinite
from fastdnn._fit.model import Model
from fastdnn._fit.names import COSTS
from fastdnn._fit.threads import Team, piece
from fastdnn._sparse import Csr, csr, is_sparse, rows


class Data(NamedTuple):
    """Judged examples.

    Attributes
    ----------
    X : ndarray or Csr, shape (m, n_0)
        Readable: of float32 or float64, of any strides.
    T : ndarray, shape (m, n_L), or None
        Targets, C-contiguous, in the model's type.
    labels : ndarray of int64, shape (m,), or None
        Class indices instead.
    weights : ndarray, shape (m,), or None
        Weights of the examples, in the model's type.
    """

    X: Array | Csr
    T: Array | None
    labels: Array | None = None
    weights: Array | None = None

    @property
    def m(self) -> int:
        """Count the examples."""
        return len(self.X)


def judged(model: Model, X: Any, Y: Any, sample_weight: Any, names: tuple[str, str, str]) -> Data:
    """Judge a user's examples, targets or class indices, and weights, of these names."""
    m, n_L = 0, model.layer_dims[-1]
    X = rows(X, names[0], model.layer_dims[0])
    row = first_nonfinite(X, model.dtype == np.float32)
    if row >= 0:
        raise ValueError(f"{names[0]} must be finite in {model.dtype}, but row {row} is not")
    if isinstance(X, Csr):
        X = X.astype(model.dtype)
    m = len(X)
    cost = COSTS[model.output][model.cost]
    T = w = None
    labels = class_indices(Y, names[1], m, n_L) if cost.classes else None
    if labels is None:
        T = targets(Y, names[1], m, n_L, model.dtype, cost.least, cost.most)
    if sample_weight is not None:
        w = weights(sample_weight, names[2], m, model.dtype)
    return Data(X, T, labels, w)


def kept_apart(model: Model, data: Data) -> Data:
    """Copy what lies in the memory that is trained: it may be read while that is written."""
    memory = [a for a in (model.params, *model.training.moments) if a is not None]
    X, T = data.X, data.T
    if isinstance(X, Csr):
        X.data = apart(X.data, memory)
    else:
        X = apart(X, memory)
    return data._replace(X=X, T=None if T is None else apart(T, memory))


def source(X: Any, n_0: int, name: str = "X") -> Array | Csr:
    """Take examples that were checked before."""
    return csr(X, name, n_0) if is_sparse(X) else readable(X)


def evaluate(model: Model, data: Data, team: Team) -> float:
    """Compute the mean cost of examples, each thread some of them, without the L2 term."""
    task = partial(model.plan.evaluate, *data)
    return mean_cost(team.share(data.m, task, piece(model.work)))


def mean_cost(sums: Sequence[tuple[float, float]]) -> float:
    """Divide the costs of each thread's examples by their weights."""
    cost, weight = (sum(column) for column in zip(*sums, strict=True))
    return cost / weight if weight > 0 else 0.0
