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
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from fastdnn._arrays import Array, in_range, integer, label_row, matrices, native, number, real
from fastdnn._course.costs import class_row
from fastdnn._course.generators import Rng, generator
from fastdnn._course.layers import Activation, output_of
from fastdnn._fit.data import Data, class_indices
from fastdnn._fit.loop import epochs
from fastdnn._fit.model import Model
from fastdnn._fit.names import COSTS, cost_of, hidden_activations, known
from fastdnn._fit.settings import Settings
from fastdnn.functional import L_model_forward
from fastdnn.parameters import Scale, initialize_parameters_deep

# the scale of the weights, and the course's seed
_INITIALIZATIONS: dict[str, tuple[Scale, int]] = {
    "lecun": ("lecun", 1),
    "he": ("he", 3),
    "random": (10.0, 3),
    "zeros": (0.0, 3),
}
# how far from 1 the sum of a column of probabilities may be
_ROUNDING = 1e-4

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
    rng : int or list of int, SeedSequence, BitGenerator, Generator or RandomState, optional
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

    See Also
    --------
    L_layer_model : Any depth, and the next course's options.
    Network : One example a row.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(2, 200))  # one example a column
    >>> parameters, costs = fastdnn.two_layer_model(X, X[0] > X[1], (2, 8, 1), 0.5, 1000)
    >>> len(costs), bool(costs[-1] < costs[0] / 2)
    (10, True)
    """
    sizes, data = _judged(X, Y, layers_dims, 3, "sigmoid")
    settings = _settings(data.m, sizes, learning_rate, num_iterations)
    parameters = _drawn(sizes, 1 if rng is None else rng, 0.01, data.X.dtype)
    return _train(parameters, ("relu",), "sigmoid", data, settings, print_cost)


def L_layer_model(
    X: ArrayLike,
    Y: ArrayLike,
    layers_dims: Sequence[int],
    learning_rate: float = 0.0075,
    num_iterations: int = 3000,
    print_cost: bool = False,
    *,
    rng: Rng = None,
    optimizer: Literal["gd", "momentum", "adam"] = "gd",
    mini_batch_size: int | None = None,
    initialization: Literal["lecun", "he", "random", "zeros"] = "lecun",
    lambd: float = 0.0,
    keep_prob: float | Sequence[float] = 1.0,
    beta: float = 0.9,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    decay: Callable[[float, int, float], float] | None = None,
    decay_rate: float = 1,
    activation: str | Sequence[str] = "relu",
    output_activation: Literal["sigmoid", "softmax", "identity", "linear"] = "sigmoid",
    seed: int = 10,
) -> tuple[dict[str, Array], list[Array]]:
    """Train a network of any depth by gradient descent: relu on all layers, sigmoid on the last.

    With the arguments after `rng` it is the ``model()`` of the next course, "Improving Deep Neural
    Networks", with the same arithmetic and the same mini-batches in the same order.

    Parameters
    ----------
    X : array_like, shape (n_x, m)
        Input, one example a column. In float32 the training is in float32, else in float64.
    Y : array_like of n_L m elements
        Labels: 0 and 1, or probabilities; flat, if there is one output unit. With softmax one-hot
        columns, or m class indices 0 .. n_L - 1.
    layers_dims : sequence of int
        Units of each layer, the input's features first.
    learning_rate : float
        Step size.
    num_iterations : int
        Passes over all examples, which the next course calls epochs; without mini-batches each is
        one step.
    print_cost : bool
        Print the cost at each 100th iteration and at the last.
    rng : int or list of int, SeedSequence, BitGenerator, Generator or RandomState, optional
        A seed or what to draw the weights from, by default the seed 1 of "lecun" and the seed 3 of
        the others, for the course's digits.
    optimizer : {"gd", "momentum", "adam"}
        Gradient descent; with the average v = beta v + (1 - beta) g of the gradients g; or Adam.
    mini_batch_size : int, optional
        Examples of a step, by default all; the last mini-batch may be smaller.
    initialization : {"lecun", "he", "random", "zeros"}
        Standard deviation of the weights: 1 / sqrt(n_prev), sqrt(2 / n_prev), 10, or 0.
    lambd : float
        L2 regularisation: the cost of a mini-batch of m examples has lambd / (2 m) times the sum of
        squares of all weights added to it.
    keep_prob : float, or sequence of a float for each hidden layer
        Probability that dropout keeps the output of a hidden unit. The masks are not the course's,
        which repeats its first ones at each step: they are the engine's own, new for each
        mini-batch, from a generator with the seed `seed`.
    beta : float
        Decay rate of momentum.
    beta1, beta2, epsilon : float
        Adam's decay rates, and what is added to the root of its corrected second moment.
    decay : callable, optional
        Called as ``decay(learning_rate, i, decay_rate)`` after iteration i, returns the learning
        rate of the next one, as the course's ``update_lr`` and ``schedule_lr_decay`` do.
    decay_rate : float
        What `decay` is given.
    activation : str, or sequence of a str for each hidden layer
        Of the hidden layers, one of those of `Network`, of which "linear" is the identity.
    output_activation : {"sigmoid", "softmax", "identity", "linear"}
        Of the output. The cost is the cross-entropy, of identity half the squared error.
    seed : int
        Of the mini-batches: the order of an iteration is a permutation drawn from
        ``RandomState``, with the seed ``seed + 1`` for the first.

    Returns
    -------
    parameters : dict of ndarray
        ``W1, b1, ..., WL, bL``.
    costs : list of ndarray of shape ()
        The cost of the iterations 0, 100, 200, ...: the mean over all examples, that of each
        mini-batch taken before its step.

    Raises
    ------
    TypeError
        If an argument is not of its type, or is masked.
    ValueError
        If an argument is empty, unknown or out of range, or the shapes do not fit.

    See Also
    --------
    predict : Predicts with the parameters.
    plot_costs : Draws the costs.
    Network : One example a row.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(2, 200))  # one example a column
    >>> parameters, costs = fastdnn.L_layer_model(X, X[0] > X[1], [2, 8, 1], 0.1, 1000)
    >>> len(costs), bool(costs[-1] < costs[0] / 2)
    (10, True)
    """
    scale, first_seed = _INITIALIZATIONS[known(initialization, "initialization", _INITIALIZATIONS)]
    output = output_of(output_activation)
    sizes, data = _judged(X, Y, layers_dims, None, output)
    settings = _settings(
        *(data.m, sizes, learning_rate, num_iterations, optimizer, mini_batch_size, lambd),
        *(keep_prob, beta, beta1, beta2, epsilon, decay, decay_rate, seed),
    )
    if activation == "linear":
        activation = "identity"
    elif isinstance(activation, Sequence) and not isinstance(activation, str):
        activation = ["identity" if name == "linear" else name for name in activation]
    hidden = hidden_activations(activation, len(sizes) - 2)
    parameters = _drawn(sizes, first_seed if rng is None else rng, scale, data.X.dtype)
    return _train(parameters, hidden, output, data, settings, print_cost, seed)


def predict(
    X: ArrayLike,
    y: ArrayLike,
    parameters: Mapping[str, Any],
    *,
    activation: Activation | Sequence[Activation] = "relu",
    output_activation: str = "sigmoid",
) -> Array:
    """Predict the class of each example, and print the share of them that is right.

    Parameters
    ----------
    X : array_like, shape (n_x, m)
        Input, one example a column.
    y : array_like of m elements, or of shape (n_L, m)
        Labels: 0 and 1, or of several output units the classes, as indices or one-hot columns.
    parameters : dict
        ``W1, b1, ..., WL, bL``.
    activation : str, tuple of callable, or sequence of them
        The activation of all hidden layers or one for each, as in `L_model_forward`.
    output_activation : {"sigmoid", "softmax", "identity", "linear"}
        The activation of the output.

    Returns
    -------
    ndarray, shape (1, m)
        Of one output unit in float64: 1 where it is above 0.5, else 0. Of several in int64: the
        class of the largest.

    Raises
    ------
    TypeError
        If an argument is no array of real numbers, or is masked.
    ValueError
        If an array is missing or empty, the shapes do not fit, an activation is unknown, or a label
        is of no class.

    See Also
    --------
    L_model_forward : The probabilities.
    L_layer_model : Trains the parameters.
    print_mislabeled_images : Draws what is wrong.

    Examples
    --------
    >>> fastdnn.predict([[1.0, 3.0]], [0, 1], {"W1": [[1.0]], "b1": [[-2.0]]})
    Accuracy: 1.0
    array([[0., 1.]])
    """
    AL, _ = L_model_forward(
        X, parameters, activation=activation, output_activation=output_activation
    )
    n_L, m = AL.shape
    p: Array
    if n_L == 1:
        p, labels = (AL > 0.5).astype(np.float64), label_row(y, m, "y")
    else:
        p, labels = np.argmax(AL, axis=0).reshape(1, m), class_row(y, n_L, m, "y")
    print(f"Accuracy: {np.sum(p == labels) / m}")
    return p


# ----------------------------------------------------------------------------------------- helpers


def _judged(
    X: Any, Y: Any, layers_dims: Any, depth: int | None, output: str
) -> tuple[list[int], Data]:
    """Judge the sizes and the examples once, against each other."""
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
    cost_of(output, None, n_L)
    labels = real(Y, "Y")
    indices = output == "softmax" and labels.shape in ((m,), (1, m))
    if labels.shape != (n_L, m) and not (n_L == 1 and labels.size == m) and not indices:
        raise ValueError(
            f"Y has shape {labels.shape}, but layers_dims {sizes} and X of shape {X.shape} "
            f"ask for shape {(n_L, m)}"
        )
    if indices:
        return sizes, Data(X.T, None, class_indices(labels, "Y", n_L, "column"))
    with np.errstate(over="ignore"):
        T = np.ascontiguousarray(native(labels.reshape(n_L, m), X.dtype).T)
    if output == "softmax":
        wrong = ~((T >= 0).all(axis=1) & (abs(T.sum(axis=1, dtype=np.float64) - 1) < _ROUNDING))
        if wrong.any():
            raise ValueError(
                "Y must have one-hot columns, or columns of probabilities whose sum is 1, but "
                f"column {int(wrong.argmax())} is {T[wrong.argmax()]}"
            )
    return sizes, Data(X.T, T)


def _settings(
    m: int,
    sizes: Sequence[int],
    learning_rate: Any,
    num_iterations: Any,
    optimizer: Any = "gd",
    mini_batch_size: Any = None,
    lambd: Any = 0.0,
    keep_prob: Any = 1.0,
    beta: Any = 0.0,
    beta1: Any = 0.0,
    beta2: Any = 0.0,
    epsilon: Any = 0.0,
    decay: Any = None,
    decay_rate: Any = 1,
    seed: Any = 10,
) -> Settings:
    """Judge the options of a fit of m examples: any number is a learning rate, as in the course."""
    first = number(learning_rate, "learning_rate")
    beta = in_range(beta, "beta", below=1)
    of_adam = {
        "beta1": in_range(beta1, "beta1", below=1),
        "beta2": in_range(beta2, "beta2", below=1),
        "epsilon": in_range(epsilon, "epsilon"),
    }
    rules = {
        "gd": {"rule": "sgd"},
        "momentum": {"rule": "momentum", "beta1": beta},
        "adam": {"rule": "adam", **of_adam},
    }
    rule: dict[str, Any] = rules[known(optimizer, "optimizer", rules)]
    # the engine's momentum is the sum of past gradients, not their average
    factor = 1 - beta if optimizer == "momentum" else 1.0
    number(decay_rate, "decay_rate")
    if decay is not None and not callable(decay):
        raise TypeError(
            "decay must be a function of the learning rate, the iteration and decay_rate, "
            f"got {decay!r}"
        )

    def decayed(i: int) -> float:
        rate = first if i == 0 else number(decay(first, i - 1, decay_rate), "what decay returns")
        return factor * rate

    batch = m if mini_batch_size is None else min(m, integer(mini_batch_size, "mini_batch_size"))
    seed = integer(seed, "seed", least=0)
    return Settings(
        batch=batch,
        learning_rate=factor * first if decay is None else decayed,
        order=None if batch == m else _orders(m, seed),
        keep=_kept(keep_prob, len(sizes) - 2),
        l2=in_range(lambd, "lambd"),
        l2_per_weight=True,
        first_layer="auto",
        epochs=integer(num_iterations, "num_iterations", least=0),
        guarded=False,
        **rule,
    )


def _orders(m: int, seed: int) -> Callable[[int], Array]:
    """Draw the course's order of the examples, anew in each epoch."""
    seeds, examples = count(seed + 1), np.arange(m)

    def order(_: int) -> Array:
        order = examples.copy()
        # what a permutation does, in less time
        generator(next(seeds), 0, "seed").shuffle(order)
        return order

    return order


def _kept(keep_prob: Any, hidden: int) -> tuple[float, ...]:
    """Take one probability, or one for each hidden layer, for the engine: the input's first."""
    if keep_prob.__class__ is float and keep_prob == 1:
        return ()
    array = real(keep_prob, "keep_prob")
    if array.ndim and array.shape != (hidden,):
        raise ValueError(
            f"keep_prob must be one number, or one for each of {hidden} hidden layers, "
            f"got {keep_prob!r}"
        )
    if not ((array > 0) & (array <= 1)).all():
        raise ValueError(f"keep_prob must be above 0 and at most 1, got {keep_prob!r}")
    keep = (1.0, *np.broadcast_to(array, hidden).tolist())
    return keep if min(keep) < 1 else ()


def _drawn(sizes: Sequence[int], rng: Rng, scale: Scale, dtype: Any) -> dict[str, Array]:
    parameters = initialize_parameters_deep(sizes, rng=rng, scale=scale, dtype=dtype)
    if scale == 0:
        for array in parameters.values():
            array.fill(0)  # without the signs of what was drawn
    return parameters


def _train(
    parameters: Mapping[str, Array],
    hidden: tuple[str, ...],
    output: str,
    data: Data,
    settings: Settings,
    print_cost: bool,
    seed: int = 0,
) -> tuple[dict[str, Array], list[Array]]:
    """Train by descent, whatever becomes of it."""
    arrays = list(parameters.values())
    model = Model.from_arrays(
        [W.T for W in arrays[::2]],
        arrays[1::2],
        hidden,
        output,
        next(iter(COSTS[output])),
        rng=np.random.default_rng(seed) if settings.keep else None,
    )
    if settings.order is not None:
        # an example's inputs are read together
        data = data._replace(X=np.ascontiguousarray(data.X))
    costs, last = [], settings.epochs - 1
    with np.errstate(over="ignore"):
        for i, epoch in enumerate(epochs(model, data, settings, settings.epochs)):
            if i % 100 == 0 or (print_cost and i == last):
                cost = np.array(epoch.cost, model.dtype)
                if i % 100 == 0:
                    costs.append(cost)
                if print_cost:
                    print(f"Cost after iteration {i}: {cost}", flush=True)
    return {name: np.ascontiguousarray(view) for name, view in model.parameters.items()}, costs
