"""The application of the course: two models to train, and what surrounds them.

One example is one column, as in `fastdnn.functional`. The training runs on the engine of
`fastdnn.Network`, which takes the output's gradient by its linear part, dZ[L] = A[L] - Y, what the
course's dA[L] act'(Z[L]) amounts to, and the cost from Z[L], so that both stay finite when A[L]
reaches 0 or 1.

References
----------
.. [1] A. Ng, K. Katanforoosh, Y. Bensouda Mourri, Neural Networks and Deep Learning, week 4,
   "Deep Neural Network for Image Classification: Application".
"""

import operator
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastdnn._arrays import Array, integer, label_row, matrices, native, number, real
from fastdnn._course.generators import Rng
from fastdnn._fit.data import Data
from fastdnn._fit.loop import epochs
from fastdnn._fit.model import Model
from fastdnn._fit.settings import Settings
from fastdnn.functional import L_model_forward
from fastdnn.parameters import Scale, initialize_parameters_deep

# ------------------------------------------------------------------------------------------ models


def two_layer_model(
    X: ArrayLike,
    Y: ArrayLike,
    layers_dims: Sequence[int],
    learning_rate: float = 0.0075,
    num_iterations: int = 3000,
    print_cost: bool = False,
    *,
    rng: Rng = None,
) -> tuple[dict[str, Array], list[Array]]:
    """Train a network with one hidden layer by gradient descent: linear, relu, linear, sigmoid.

    Parameters
    ----------
    X : array_like, shape (n_x, m)
        Input, one example a column. In float32 the training is in float32, else in float64.
    Y : array_like of n_y m elements
        Labels: 0 and 1, or probabilities; flat, if there is one output unit.
    layers_dims : sequence of 3 int
        Input features, hidden units, output units: ``(n_x, n_h, n_y)``.
    learning_rate : float
        Step size.
    num_iterations : int
        Steps, each over all examples.
    print_cost : bool
        Print the cost at each 100th iteration and at the last.
    rng : int, numpy.random.RandomState or numpy.random.Generator, optional
        A seed or what to draw the weights from, by default the seed 1, for the course's digits. The
        weights have a standard deviation of 0.01.

    Returns
    -------
    parameters : dict of ndarray
        ``W1, b1, W2, b2``.
    costs : list of ndarray of shape ()
        The cost before the iterations 0, 100, 200, ...

    Raises
    ------
    TypeError
        If an argument is not of its type, or is masked.
    ValueError
        If an argument is empty or out of range, or the shapes do not fit.
    """
    return _model(X, Y, layers_dims, 3, 0.01, learning_rate, num_iterations, print_cost, rng)


def L_layer_model(
    X: ArrayLike,
    Y: ArrayLike,
    layers_dims: Sequence[int],
    learning_rate: float = 0.0075,
    num_iterations: int = 3000,
    print_cost: bool = False,
    *,
    rng: Rng = None,
) -> tuple[dict[str, Array], list[Array]]:
    """Train a network of any depth by gradient descent: relu on all layers, sigmoid on the last.

    Parameters
    ----------
    X : array_like, shape (n_x, m)
        Input, one example a column. In float32 the training is in float32, else in float64.
    Y : array_like of n_L m elements
        Labels: 0 and 1, or probabilities; flat, if there is one output unit.
    layers_dims : sequence of int
        Units of each layer, the input's features first.
    learning_rate : float
        Step size.
    num_iterations : int
        Steps, each over all examples.
    print_cost : bool
        Print the cost at each 100th iteration and at the last.
    rng : int, numpy.random.RandomState or numpy.random.Generator, optional
        A seed or what to draw the weights from, by default the seed 1, for the course's digits. The
        weights have a standard deviation of 1 / sqrt(n_prev).

    Returns
    -------
    parameters : dict of ndarray
        ``W1, b1, ..., WL, bL``.
    costs : list of ndarray of shape ()
        The cost before the iterations 0, 100, 200, ...

    Raises
    ------
    TypeError
        If an argument is not of its type, or is masked.
    ValueError
        If an argument is empty or out of range, or the shapes do not fit.
    """
    return _model(X, Y, layers_dims, None, "lecun", learning_rate, num_iterations, print_cost, rng)


def predict(X: ArrayLike, y: ArrayLike, parameters: Mapping[str, Any]) -> Array:
    """Predict the class of each example, and print the share of them that is right.

    Parameters
    ----------
    X : array_like, shape (n_x, m)
        Input, one example a column.
    y : array_like of m elements
        Labels, 0 and 1.
    parameters : dict
        ``W1, b1, ..., WL, bL`` of a network with one output unit.

    Returns
    -------
    p : ndarray of float64, shape (1, m)
        1 where the output is above 0.5, else 0.

    Raises
    ------
    TypeError
        If an argument is no array of real numbers, or is masked.
    ValueError
        If an array is missing or empty, the shapes do not fit, or the network has several outputs.
    """
    AL, _ = L_model_forward(X, parameters)
    n_L, m = AL.shape
    if n_L != 1:
        raise ValueError(f"parameters are of a network with {n_L} output units: predict needs one")
    p = (AL > 0.5).astype(np.float64)
    print(f"Accuracy: {np.sum(p == label_row(y, m, 'y')) / m}")
    return p


# ----------------------------------------------------------------------------------------- helpers


def _model(
    X: Any,
    Y: Any,
    layers_dims: Any,
    depth: int | None,
    scale: Scale,
    learning_rate: Any,
    num_iterations: Any,
    print_cost: bool,
    rng: Rng,
) -> tuple[dict[str, Array], list[Array]]:
    """Judge the arguments once, draw the parameters and train."""
    (X,) = matrices(X=X)
    try:
        sizes = [operator.index(n) for n in layers_dims]
    except TypeError:
        raise TypeError(
            f"layers_dims must be a sequence of integers, got {layers_dims!r}"
        ) from None
    if (depth or max(len(sizes), 2)) != len(sizes) or min(sizes) < 1:
        raise ValueError(
            f"layers_dims must hold {depth or 'at least 2'} sizes of at least 1, got {sizes}"
        )
    for l, n in enumerate(sizes):
        integer(n, f"layers_dims[{l}]")
    n_x, m = X.shape
    if sizes[0] != n_x:
        raise ValueError(
            f"layers_dims begins with {sizes[0]}, but X has shape {X.shape}: "
            "it must begin with the number of rows of X"
        )
    n_L = sizes[-1]
    labels = real(Y, "Y")
    if labels.shape != (n_L, m) and not (n_L == 1 and labels.size == m):
        raise ValueError(
            f"Y has shape {labels.shape}, but layers_dims {sizes} and X of shape {X.shape} "
            f"ask for shape {(n_L, m)}"
        )
    learning_rate = number(learning_rate, "learning_rate")
    num_iterations = integer(num_iterations, "num_iterations", least=0)
    parameters = initialize_parameters_deep(
        sizes, rng=1 if rng is None else rng, scale=scale, dtype=X.dtype
    )
    with np.errstate(over="ignore"):
        Y = native(labels.reshape(n_L, m), X.dtype)
    return _train(X, Y, parameters, learning_rate, num_iterations, print_cost)


def _train(
    X: Array,
    Y: Array,
    parameters: Mapping[str, Array],
    learning_rate: float,
    num_iterations: int,
    print_cost: bool,
) -> tuple[dict[str, Array], list[Array]]:
    """Train by full-batch descent, whatever becomes of it."""
    arrays = list(parameters.values())
    model = Model.from_arrays(
        [W.T for W in arrays[::2]],
        arrays[1::2],
        ("relu",) * (len(arrays) // 2 - 1),
        "sigmoid",
        "cross_entropy",
    )
    data = Data(X.T, np.ascontiguousarray(Y.T))
    # any number is a learning rate, as in the course
    settings = Settings(
        batch=data.m,
        learning_rate=learning_rate,
        first_layer="auto",
        epochs=num_iterations,
        guarded=False,
    )
    costs = []
    with np.errstate(over="ignore"):
        for i, epoch in enumerate(epochs(model, data, settings, num_iterations)):
            cost = np.array(epoch.cost, X.dtype)
            if i % 100 == 0:
                costs.append(cost)
            if print_cost and (i % 100 == 0 or i == num_iterations - 1):
                print(f"Cost after iteration {i}: {cost}", flush=True)
    return {name: np.ascontiguousarray(view) for name, view in model.parameters.items()}, costs
