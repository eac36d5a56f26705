"""The examples of a fit, as the engine reads them."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from fastdnn._arrays import Array, native, readable, real
from fastdnn._core.plan import first_nonfinite
from fastdnn._fit.model import Model
from fastdnn._fit.names import COSTS
from fastdnn._fit.sparse import Csr, csr, is_sparse, rows
from fastdnn._fit.threads import Team, portion


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
    rows : ndarray of int64 or None
        Which of the examples are trained on; all.
    """

    X: Array | Csr
    T: Array | None
    labels: Array | None = None
    weights: Array | None = None
    rows: Array | None = None

    @property
    def m(self) -> int:
        """Count the examples."""
        return len(self.X) if self.rows is None else len(self.rows)


def judged(
    model: Model,
    X: Any,
    Y: Any,
    sample_weight: Any,
    names: tuple[str, str, str],
    part: bool = False,
) -> Data:
    """Check a user's examples, targets or class indices, and weights; errors say these names.

    Of a part of all examples the weights may all be 0.
    """
    X = finite(model, X, names[0])
    T, labels = targets(model, Y, names[1], len(X))
    w = None
    if sample_weight is not None:
        w = weights_of(sample_weight, names[2], len(X), model.dtype, part)
    return Data(X, T, labels, w)


def targets(model: Model, Y: Any, name: str, m: int) -> tuple[Array | None, Array | None]:
    """Check a user's targets or class indices of m examples; None stands for the other."""
    n_L, cost = model.layer_dims[-1], COSTS[model.output][model.cost]
    labels = _class_indices(Y, name, m, n_L) if cost.classes else None
    if labels is not None:
        return None, labels
    return _targets(Y, name, m, n_L, model.dtype, cost.least, cost.most), None


def finite(model: Model, X: Any, name: str) -> Array | Csr:
    """Check a user's examples, which must be finite."""
    if not model.plan.rows(X):
        X = rows(X, name, model.layer_dims[0])
    row = first_nonfinite(X, model.dtype == np.float32)
    if row >= 0:
        raise ValueError(f"{name} must be finite in {model.dtype}, but row {row} is not")
    return X.astype(model.dtype) if isinstance(X, Csr) else X


def kept_apart(model: Model, data: Data) -> Data:
    """Copy arrays that lie in the memory that is trained, which a step writes while it reads."""
    memory = [a for a in (model.params, *model.training.moments) if a is not None]
    X, T = data.X, data.T
    if isinstance(X, Csr):
        X.data = _apart(X.data, memory)
    else:
        X = _apart(X, memory)
    return data._replace(X=X, T=None if T is None else _apart(T, memory))


def source(X: Any, n_0: int, name: str = "X") -> Array | Csr:
    """Take examples that were checked before."""
    return csr(X, name, n_0) if is_sparse(X) else readable(X)


def costs_of(model: Model, data: Data, team: Team) -> list[tuple[float, float]]:
    """Sum the costs of each portion of examples, and their weights, shared among the threads."""
    evaluate, m = partial(model.plan.evaluate, *data[:4]), data.m
    rows = portion(model.work, m)
    return team.share(
        -(m // -rows), lambda i, j: evaluate(min(i * rows, m), min(j * rows, m)), piece=1
    )


def costs_in_order(model: Model, data: Data) -> list[tuple[float, float]]:
    """Sum the costs of each portion of examples, and their weights, by this thread alone."""
    m, rows = data.m, portion(model.work, data.m)
    return [model.plan.evaluate(*data[:4], i, min(i + rows, m)) for i in range(0, m, rows)]


def mean_cost(sums: Sequence[tuple[float, float]]) -> float:
    """Divide the costs of all portions of examples by their weights."""
    cost = weight = 0.0
    # one after the other: Python's sum adds floats another way from 3.12 on
    for of_some, weight_of_some in sums:
        cost += of_some
        weight += weight_of_some
    return cost / weight if weight > 0 else 0.0


def class_indices(array: Array, name: str, n_L: int, place: str = "row") -> Array:
    """Take numbers as indices of n_L classes, flat: a copy."""
    flat = array.flatten()
    wrong = ~((flat >= 0) & (flat < n_L) & (flat == np.floor(flat)))
    if wrong.any():
        i = int(wrong.argmax())
        raise ValueError(f"{name} must hold class indices 0 .. {n_L - 1}, {place} {i} is {flat[i]}")
    return native(flat, np.dtype(np.int64), "C")


def weights_of(value: object, name: str, m: int, dtype: np.dtype[Any], part: bool = False) -> Array:
    """Take the weights of m examples, (m,): a copy. Those of a part of all may all be 0."""
    array = real(value, name)
    if array.shape not in ((m,), (m, 1)):
        raise ValueError(f"{name} must have shape {(m,)}, got {array.shape}")
    with np.errstate(over="ignore"):
        array = native(array.flatten(), dtype, "C")
        total = array.sum(dtype=np.float64)
    # neither the sum of the weights nor its reciprocal may overflow
    above = array[array > 0]
    least = above.min(initial=np.inf)
    if not (
        (len(above) or part)
        and (array >= 0).all()
        and total <= np.finfo(dtype).max
        and least >= np.finfo(dtype).tiny
    ):
        somewhere = "" if part else "above 0 somewhere, "
        raise ValueError(
            f"{name} must be at least 0, {somewhere}and neither huge nor tiny in {dtype}"
        )
    return array


# ----------------------------------------------------------------------------------------- helpers


def _targets(
    value: object, name: str, m: int, n_L: int, dtype: np.dtype[Any], least: float, most: float
) -> Array:
    """Take the targets of m examples, (m, n_L), or flat if n_L is 1; C-contiguous."""
    array = real(value, name)
    if array.shape != (m, n_L) and not (n_L == 1 and array.shape == (m,)):
        expected = f"{(m, n_L)} or {(m,)}" if n_L == 1 else f"{(m, n_L)}"
        raise ValueError(f"{name} must have shape {expected}, got {array.shape}")
    with np.errstate(over="ignore"):
        array = native(array.reshape(m, n_L), dtype, "C")
    wrong = ~((array >= least) & (array <= most) & np.isfinite(array)).all(axis=1)
    if wrong.any():
        bounds = "finite" if least == -np.inf else f"between {least:g} and {most:g}"
        raise ValueError(f"{name} must be {bounds}, but row {int(wrong.argmax())} is not")
    return array


def _class_indices(value: object, name: str, m: int, n_L: int) -> Array | None:
    """Take the class indices of m examples, (m,) or (m, 1); None for a matrix of n_L columns.

    They are copied before they are checked: nobody else can change the copy.
    """
    array = real(value, name)
    if array.shape == (m, n_L):
        return None
    if array.shape not in ((m,), (m, 1)):
        raise ValueError(f"{name} must have shape {(m,)} or {(m, n_L)}, got {array.shape}")
    return class_indices(array, name, n_L)


def _apart(array: Array, others: Iterable[Array]) -> Array:
    """Copy an array that may share memory with others, and return any other as it is."""
    if any(np.may_share_memory(array, other) for other in others):
        return array.copy(order="K")
    return array
