"""Outputs of the course: the costs of each activation, with that of large weights, and classes."""

from typing import Any

import numpy as np

from fastdnn._arrays import (
    Array,
    computed,
    depth,
    entry,
    in_range,
    layer_names,
    matrices,
    output_arrays,
    real,
)
from fastdnn._core import course
from fastdnn._course.layers import output_of

# the default of lambd, which is known as itself: no L2, and nothing to check
NONE = 0.0


def penalty(lambd: Any) -> float:
    """Take the factor of the sum of squares."""
    return in_range(lambd, "lambd")


def cost_of(
    AL: Any, Y: Any, parameters: Any, lambd: Any, output_activation: Any, reduction: Any
) -> Array:
    """Compute a cost of outputs, with that of the weights."""
    output = output_of(output_activation)
    if reduction.__class__ is not str or reduction not in ("mean", "sum"):
        raise ValueError(f"reduction must be 'mean' or 'sum', got {reduction!r}")
    lambd = penalty(lambd)
    code = course.COSTS[output]
    total = course.total(code, AL, Y)
    if total is None:
        AL, Y = output_arrays(AL, Y)
        total = computed(course.total, code, AL, Y)
    if output == "softmax":
        _check_columns(Y)
    if lambd:
        if parameters is None:
            raise ValueError(f"lambd is {lambd}: parameters must be given too")
        for W_name, *_ in layer_names(depth(parameters, "parameters")):
            W = entry(parameters, W_name, "parameters")
            squares = course.total(course.PRODUCTS, W, W)
            if squares is None:
                (W,) = matrices(**{W_name: W})
                squares = computed(course.total, course.PRODUCTS, W, W)
            total += lambd / 2 * squares
    with np.errstate(over="ignore"):
        return np.array(total if reduction == "sum" else total / AL.shape[1], AL.dtype)


def output_gradient(AL: Any, Y: Any, output: str) -> Array:
    """Compute the gradient of a cost, times m: by AL of a sigmoid, else by ZL, which is AL - Y."""
    door = course.cross_entropy_backward if output == "sigmoid" else _difference
    gradient: Array | None = door(AL, Y)
    if gradient is None:
        AL, Y = output_arrays(AL, Y)
        gradient = computed(door, AL, Y)
    assert gradient is not None
    if output == "softmax":
        _check_columns(Y)
    return gradient


def _difference(AL: Any, Y: Any) -> Any:
    return course.descend(1.0, AL, Y)


def _check_columns(Y: Array) -> None:
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
