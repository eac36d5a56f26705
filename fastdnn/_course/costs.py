"""Outputs of the course: the costs of each activation, with that of large weights, and classes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastdnn._arrays import (
    FLOAT32,
    Array,
    all_names,
    computed,
    entry,
    in_range,
    matrices,
    output_arrays,
    real,
)
from fastdnn._core import course
from fastdnn._course.layers import output_of

# the default of lambd, which is known as itself: no L2, and nothing to check
NONE = 0.0
# of float32: NumPy warns where a larger number becomes infinite
_LARGEST = float(np.finfo(np.float32).max)


def penalty(lambd: Any) -> float:
    """Take the factor of the sum of squares."""
    return in_range(lambd, "lambd")


def cost_of(
    AL: Any,
    Y: Any,
    parameters: Any,
    lambd: Any,
    output_activation: Any,
    reduction: Any,
    *,
    skips: bool = False,
) -> Array:
    """Compute a cost of outputs, with that of the weights; of a sigmoid it may skip what is NaN."""
    output = output_of(output_activation)
    if reduction.__class__ is not str or reduction not in ("mean", "sum"):
        raise ValueError(f"reduction must be 'mean' or 'sum', got {reduction!r}")
    lambd = penalty(lambd)
    code = course.SKIPPING if skips and output == "sigmoid" else course.COSTS[output]
    total = course.total(code, AL, Y)
    if total is None:
        AL, Y = output_arrays(AL, Y)
        total = computed(course.total, code, AL, Y)
    if output == "softmax":
        check_columns(Y)
    if lambd:
        if parameters is None:
            raise ValueError(f"lambd is {lambd}: parameters must be given too")
        for W_name, _, _, _, _ in all_names(parameters, "parameters"):
            W = entry(parameters, W_name, "parameters")
            squares = course.total(course.PRODUCTS, W, W)
            if squares is None:
                (W,) = matrices(**{W_name: W})
                squares = computed(course.total, course.PRODUCTS, W, W)
            total += lambd / 2 * squares
    cost = total if reduction == "sum" else total / AL.shape[1]
    if AL.dtype == FLOAT32 and abs(cost) > _LARGEST:
        cost = np.copysign(np.inf, cost)
    return np.array(cost, AL.dtype)


def output_gradient(AL: Any, Y: Any, output: str) -> Array:
    """Compute the gradient of a cost, times m: by AL of a sigmoid, else by ZL, which is AL - Y."""
    door = course.cross_entropy_backward if output == "sigmoid" else _difference
    gradient: Array | None = door(AL, Y)
    if gradient is None:
        AL, Y = output_arrays(AL, Y)
        gradient = computed(door, AL, Y)
    assert gradient is not None
    if output == "softmax":
        check_columns(Y)
    return gradient


def _difference(AL: Any, Y: Any) -> Any:
    return course.descend(1.0, AL, Y)


def check_columns(Y: Array) -> None:
    """Check that the labels of softmax are what it can be taught."""
    if not computed(course.are_distributions, Y):
        raise ValueError(
            "Y must hold one-hot columns for softmax, or probabilities: at least 0, of sum 1"
        )


def class_row(value: Any, n_L: int, m: int, name: str) -> Any:
    """Take the classes of m examples, as indices or one-hot columns, as a row of indices."""
    labels = real(value, name)
    if labels.shape == (n_L, m):
        ones = np.asarray(labels == 1)
        if not (np.all(ones | (labels == 0)) and np.all(np.sum(ones, axis=0) == 1)):
            raise ValueError(f"{name} must have one-hot columns, or be of class indices")
        return np.argmax(ones, axis=0).reshape(1, m)
    if labels.size != m:
        raise ValueError(
            f"{name} has shape {labels.shape}, but X has {m} columns: it must hold as many class "
            f"indices, or have shape {(n_L, m)}"
        )
    if not np.all(np.isin(labels, np.arange(n_L))):
        raise ValueError(f"{name} must hold classes from 0 to {n_L - 1}")
    return labels.reshape(1, m)


# ---------------------------------------------------------------------------- course 2's functions


def compute_cost(
    a3: ArrayLike,
    Y: ArrayLike,
    parameters: Mapping[str, Any] | None = None,
    lambd: float = 0.0,
    *,
    output_activation: str = "sigmoid",
    reduction: str = "mean",
) -> np.floating[Any]:
    """Compute the cross-entropy cost as course 2 does, which leaves out what is NaN.

    A term 0 log 0 is NaN in NumPy: it is left out, so that an output of exactly 0 or 1 costs
    nothing if it is right, and infinitely much if it is wrong. In all else it is
    `fastdnn.compute_cost`.

    Parameters
    ----------
    a3 : array_like, shape (1, m)
        Predicted probabilities.
    Y : array_like of as many elements
        Labels: 0 and 1, or probabilities.
    parameters : dict, optional
        ``W1, b1, ..., WL, bL``, whose weights count with `lambd`.
    lambd : float
        L2: the cost has ``lambd / (2 m)`` times the sum of the squares of all weights too.
    output_activation : {"sigmoid", "softmax", "identity", "linear"}
        What the cost is of.
    reduction : {"mean", "sum"}
        Whether the sum over the examples is divided by m. The course divides, but in "Optimization
        Methods" since 2019, where the cost of an epoch is the sum of its mini-batches' over m.

    Returns
    -------
    numpy.float64
        A number of NumPy, in float32 if `a3` and `Y` are.

    Raises
    ------
    TypeError
        If an argument is no array of real numbers, or is masked.
    ValueError
        If an argument is empty or out of range, the sizes do not match, or a name is unknown.

    See Also
    --------
    fastdnn.compute_cost : The first course's, which skips nothing.
    backward_propagation : The gradients of the cost.

    Examples
    --------
    >>> AL, Y = [[0.5, 1.0]], [[1, 1]]
    >>> round(float(fastdnn.course2.compute_cost(AL, Y)), 4)
    0.3466
    """
    cost = cost_of(a3, Y, parameters, lambd, output_activation, reduction, skips=True)
    number: np.floating[Any] = cost.dtype.type(cost)
    return number


def compute_loss(a3: ArrayLike, Y: ArrayLike) -> np.floating[Any]:
    """Compute the cross-entropy cost as `compute_cost` does: its name in "Initialization".

    Parameters
    ----------
    a3 : array_like, shape (1, m)
        Predicted probabilities.
    Y : array_like of as many elements
        Labels: 0 and 1, or probabilities.

    Returns
    -------
    numpy.float64
        The mean over the examples.

    Raises
    ------
    TypeError
        If an argument is no array of real numbers, or is masked.
    ValueError
        If an argument is empty, or the sizes do not match.

    See Also
    --------
    compute_cost : The same with options.

    Examples
    --------
    >>> round(float(fastdnn.course2.compute_loss([[0.5, 0.5]], [[1, 0]])), 4)
    0.6931
    """
    return compute_cost(a3, Y)


def compute_cost_with_regularization(
    A3: ArrayLike, Y: ArrayLike, parameters: Mapping[str, Any], lambd: float
) -> np.floating[Any]:
    """Compute `compute_cost` with an L2 term, lambd / (2 m) times the sum of all W squared.

    Parameters
    ----------
    A3 : array_like, shape (1, m)
        Predicted probabilities.
    Y : array_like of as many elements
        Labels: 0 and 1, or probabilities.
    parameters : dict
        ``W1, b1, ..., WL, bL``; the biases do not count.
    lambd : float
        How much the weights cost.

    Returns
    -------
    numpy.float64
        A number of NumPy, in float32 if `A3` and `Y` are.

    Raises
    ------
    TypeError
        If an argument is no array of real numbers, or is masked.
    ValueError
        If an argument is empty or out of range, an array is missing, or the sizes do not match.

    See Also
    --------
    backward_propagation_with_regularization : The gradients of the cost.

    Examples
    --------
    >>> AL, Y, parameters = [[0.5, 0.5]], [[1, 0]], {"W1": [[2.0]], "b1": [[0.0]]}
    >>> cost = fastdnn.course2.compute_cost_with_regularization(AL, Y, parameters, lambd=0.1)
    >>> round(float(cost), 4)
    0.7931
    """
    return compute_cost(A3, Y, parameters, lambd)
