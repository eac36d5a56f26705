"""Course 2's passes through a network, forward and backward, with flat caches and every gradient.

With m examples, L layers, D[l] a mask of dropout and k its keep_prob::

    Z[l] = W[l] A[l-1] + b[l]        A[l] = relu(Z[l]) D[l] / k        A[L] = sigmoid(Z[L])
    dZ[L] = A[L] - Y                 dZ[l] = dA[l] where A[l] > 0, else 0
    dA[l] = W[l+1]^T dZ[l+1] D[l] / k
    dW[l] = dZ[l] A[l-1]^T / m + lambd / m W[l]                        db[l] = mean of dZ[l]

References
----------
.. [1] A. Ng, K. Katanforoosh, Y. Bensouda Mourri, Improving Deep Neural Networks, week 1,
   "Initialization", "Regularization" and "Gradient Checking".
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastdnn._arrays import (
    Array,
    computed,
    depth,
    elements,
    entry,
    layer_gradient_arrays,
    layer_names,
)
from fastdnn._core import course
from fastdnn._course.costs import output_gradient, penalty
from fastdnn._course.generators import Rng
from fastdnn._course.layers import (
    IDENTITY,
    RELU,
    SIGMOID,
    Act,
    Special,
    layer_forward,
    special_forward,
)
from fastdnn._course.masks import as_mask, drawing, kept_share

# what a layer puts into a flat cache: Z, A, W, b, with dropout Z, D, A, W, b
_PLAIN = 4
_DROPPED = 5


# ----------------------------------------------------------------------------------------- forward


def forward_propagation(
    X: ArrayLike, parameters: Mapping[str, Any]
) -> tuple[Array, tuple[Array, ...]]:
    """Compute the network's output: relu on the layers 1 to L-1, sigmoid on layer L.

    Parameters
    ----------
    X : array_like, shape (n_x, m)
        Input, one example a column.
    parameters : dict
        ``W1, b1, ..., WL, bL``.

    Returns
    -------
    AL : ndarray, shape (n_L, m)
        Activations of the last layer.
    cache : tuple of ndarray
        ``(Z1, A1, W1, b1, ..., ZL, AL, WL, bL)``, for `backward_propagation`.

    Raises
    ------
    TypeError
        If an argument is no array of real numbers, or is masked.
    ValueError
        If an array is missing or empty, or the shapes do not fit.

    See Also
    --------
    backward_propagation : The gradients.
    fastdnn.L_model_forward : With caches a layer, and other activations.

    Examples
    --------
    >>> parameters = {"W1": [[1.0]], "b1": [[-1.0]]}
    >>> fastdnn.course2.forward_propagation([[1.0]], parameters)[0]
    array([[0.5]])
    """
    A: Any = X
    L = depth(parameters, "parameters")
    cache: tuple[Array, ...] = ()
    for l, (W, b) in enumerate(_weights(parameters, L), 1):
        A, ((_, W, b), Z) = _layer(RELU if l < L else SIGMOID, A, W, b, l)
        cache += (Z, A, W, b)
    return A, cache


def forward_propagation_with_dropout(
    X: ArrayLike, parameters: Mapping[str, Any], keep_prob: float = 0.5, *, rng: Rng = None
) -> tuple[Array, tuple[Array, ...]]:
    """Compute the network's output, of which hidden activations are dropped at random.

    Parameters
    ----------
    X : array_like, shape (n_x, m)
        Input, one example a column.
    parameters : dict
        ``W1, b1, ..., WL, bL``.
    keep_prob : float
        Probability that the output of a hidden unit is kept; what is kept is divided by it.
    rng : int or list of int, SeedSequence, BitGenerator, Generator or RandomState, optional
        A seed or what to draw the masks from, one layer after the other: ``rng.rand(n_l, m) <
        keep_prob``. By default the seed 1 at every call, as in the course, so that equal calls have
        equal masks. NumPy's global generator is left alone; ``rng=np.random.mtrand._rand`` goes on
        with it.

    Returns
    -------
    AL : ndarray, shape (n_L, m)
        Activations of the last layer.
    cache : tuple of ndarray
        ``(Z1, D1, A1, W1, b1, ..., ZL, AL, WL, bL)``, for `backward_propagation_with_dropout`; the
        masks D are of bool, and A is what is left of the activation.

    Raises
    ------
    TypeError
        If an argument is no array of real numbers, or is masked.
    ValueError
        If an array is missing or empty, the shapes do not fit, or keep_prob is out of range.

    See Also
    --------
    backward_propagation_with_dropout : The gradients.

    Examples
    --------
    >>> parameters = fastdnn.initialize_parameters_he([2, 3, 1])
    >>> AL, cache = fastdnn.course2.forward_propagation_with_dropout(np.eye(2), parameters, 0.5)
    >>> cache[1]  # the mask of the first layer
    array([[ True, False],
           [ True,  True],
           [ True,  True]])
    """
    keep = kept_share(keep_prob)
    draw = drawing(1 if rng is None else rng)
    A: Any = X
    L = depth(parameters, "parameters")
    cache: tuple[Array, ...] = ()
    for l, (W, b) in enumerate(_weights(parameters, L), 1):
        if l == L:
            A, ((_, W, b), Z) = _layer(SIGMOID, A, W, b, l)
            cache += (Z, A, W, b)
        elif keep == 1:
            A, ((_, W, b), Z) = _layer(RELU, A, W, b, l)
            cache += (Z, draw(A.shape[0], A.shape[1], keep), A, W, b)
        else:
            A, ((_, W, b), Z, D) = _layer(Special(RELU, None, keep), A, W, b, l, draw)
            cache += (Z, D, A, W, b)
    return A, cache


def predict_dec(parameters: Mapping[str, Any], X: ArrayLike) -> Array:
    """Predict the class of each example, for the drawing of a decision boundary.

    Parameters
    ----------
    parameters : dict
        ``W1, b1, ..., WL, bL``.
    X : array_like, shape (n_x, m)
        Input, one example a column.

    Returns
    -------
    ndarray of bool, shape (n_L, m)
        Whether the output is above 0.5.

    Raises
    ------
    TypeError
        If an argument is no array of real numbers, or is masked.
    ValueError
        If an array is missing or empty, or the shapes do not fit.

    See Also
    --------
    predict : With labels, and the share that is right.

    Examples
    --------
    >>> fastdnn.course2.predict_dec({"W1": [[1.0]], "b1": [[-2.0]]}, [[1.0, 3.0]])
    array([[False,  True]])
    """
    AL, _ = forward_propagation(X, parameters)
    predictions: Array = AL > 0.5
    return predictions


# ---------------------------------------------------------------------------------------- backward


def backward_propagation(X: ArrayLike, Y: ArrayLike, cache: Sequence[Any]) -> dict[str, Array]:
    """Compute the gradients of the cost by every parameter, activation and linear part.

    Parameters
    ----------
    X : array_like, shape (n_x, m)
        Input, one example a column.
    Y : array_like of as many elements as the output
        Labels: 0 and 1, or probabilities; of any shape for one output unit.
    cache : sequence of ndarray
        From `forward_propagation`.

    Returns
    -------
    dict of ndarray
        ``dZL, dWL, dbL, dA(L-1), dZ(L-1), ..., dZ1, dW1, db1``, without dA0. As in the course dZ
        and dA are m times the derivatives of the cost, with ``dZL = AL - Y``; dW and db are the
        derivatives.

    Raises
    ------
    TypeError
        If an argument is no array of real numbers, or is masked.
    ValueError
        If an argument is empty, the shapes do not fit, or the cache holds masks.

    See Also
    --------
    forward_propagation : Makes the cache.
    update_parameters_with_gd : Takes a step by the gradients.

    Examples
    --------
    >>> parameters = {"W1": [[1.0]], "b1": [[-1.0]]}
    >>> AL, cache = fastdnn.course2.forward_propagation([[1.0]], parameters)
    >>> fastdnn.course2.backward_propagation([[1.0]], [[1]], cache)
    {'dZ1': array([[-0.5]]), 'dW1': array([[-0.5]]), 'db1': array([[-0.5]])}
    """
    return _gradients(X, Y, cache, 0.0, None)


def backward_propagation_with_regularization(
    X: ArrayLike, Y: ArrayLike, cache: Sequence[Any], lambd: float
) -> dict[str, Array]:
    """Compute the gradients of `compute_cost_with_regularization`.

    Parameters
    ----------
    X : array_like, shape (n_x, m)
        Input, one example a column.
    Y : array_like of as many elements as the output
        Labels: 0 and 1, or probabilities; of any shape for one output unit.
    cache : sequence of ndarray
        From `forward_propagation`, with the weights that count.
    lambd : float
        How much the weights cost: dW has ``lambd / m W`` added to it.

    Returns
    -------
    dict of ndarray
        What `backward_propagation` returns.

    Raises
    ------
    TypeError
        If an argument is no array of real numbers, or is masked.
    ValueError
        If an argument is empty or out of range, the shapes do not fit, or the cache holds masks.

    See Also
    --------
    forward_propagation : Makes the cache.
    compute_cost_with_regularization : The cost.

    Examples
    --------
    >>> parameters = {"W1": [[1.0]], "b1": [[-1.0]]}
    >>> AL, cache = fastdnn.course2.forward_propagation([[1.0]], parameters)
    >>> backward = fastdnn.course2.backward_propagation_with_regularization
    >>> backward([[1.0]], [[1]], cache, lambd=0.1)["dW1"]
    array([[-0.4]])
    """
    return _gradients(X, Y, cache, penalty(lambd), None)


def backward_propagation_with_dropout(
    X: ArrayLike, Y: ArrayLike, cache: Sequence[Any], keep_prob: float
) -> dict[str, Array]:
    """Compute the gradients of the cost through the masks of a forward pass.

    Parameters
    ----------
    X : array_like, shape (n_x, m)
        Input, one example a column.
    Y : array_like of as many elements as the output
        Labels: 0 and 1, or probabilities; of any shape for one output unit.
    cache : sequence of ndarray
        From `forward_propagation_with_dropout`; masks may hold True and False, or 1 and 0.
    keep_prob : float
        What the gradients of the units that were kept are divided by.

    Returns
    -------
    dict of ndarray
        What `backward_propagation` returns; dA is that after its mask and division.

    Raises
    ------
    TypeError
        If an argument is no array of real numbers, or is masked.
    ValueError
        If an argument is empty or out of range, the shapes do not fit, or the cache holds no masks.

    See Also
    --------
    forward_propagation_with_dropout : Makes the cache.

    Examples
    --------
    >>> X, parameters = np.eye(2), fastdnn.initialize_parameters_he([2, 3, 1])
    >>> AL, cache = fastdnn.course2.forward_propagation_with_dropout(X, parameters, 0.5)
    >>> gradients = fastdnn.course2.backward_propagation_with_dropout(X, [0, 1], cache, 0.5)
    >>> gradients["dW1"].shape
    (3, 2)
    """
    return _gradients(X, Y, cache, 0.0, kept_share(keep_prob))


# ----------------------------------------------------------------------------------------- helpers


def _weights(parameters: Mapping[str, Any], L: int) -> list[tuple[Any, Any]]:
    return [
        (entry(parameters, W_name, "parameters"), entry(parameters, b_name, "parameters"))
        for W_name, b_name, *_ in layer_names(L)
    ]


def _layer(act: Act, A: Any, W: Any, b: Any, l: int, draw: Any = None) -> Any:
    if isinstance(act, int):
        return layer_forward(act, A, W, b, l)
    return special_forward(act, draw, A, W, b, l)


def _layers(cache: Any, dropped: bool) -> list[tuple[Any, Any, Any]]:
    """Take a flat cache apart: A, W and the mask of each layer."""
    count = len(cache) if isinstance(cache, Sequence) else 0
    masked = (count + 1) % _DROPPED == 0 and (
        count % _PLAIN > 0 or getattr(cache[1], "dtype", None) == np.bool_
    )
    per_layer = _DROPPED if dropped else _PLAIN
    if count == 0 or (count + dropped) % per_layer or (masked and not dropped):
        name = "forward_propagation_with_dropout" if dropped else "forward_propagation"
        held = "masks" if masked else "no masks" if count and not count % _PLAIN else "no layers"
        raise ValueError(f"cache must be the tuple that {name} returns, but it holds {held}")
    layers = [tuple(cache[at : at + per_layer]) for at in range(0, len(cache), per_layer)]
    if not dropped:
        return [(A, W, None) for _, A, W, _ in layers]
    _, A, W, _ = layers.pop()
    for l, (_, D, *_) in enumerate(layers, 1):
        if D is None:
            raise ValueError(f"cache holds None in place of the mask D{l}")
    return [*((A, W, D) for _, D, A, W, _ in layers), (A, W, None)]


def _gradients(X: Any, Y: Any, cache: Any, lambd: float, keep: float | None) -> dict[str, Array]:
    layers = _layers(cache, keep is not None)
    rest: Any
    dZ: Any = output_gradient(layers[-1][0], Y, "identity")
    dA: Any = None
    gradients: dict[str, Array] = {}
    for l in range(len(layers), 0, -1):
        A, W, D = layers[l - 1]
        A_prev = layers[l - 2][0] if l > 1 else X
        if D is not None and keep is not None:
            dA, dZ, *rest = _through_mask(dA, D, keep, A, A_prev, W, l)
        else:
            dZ = dZ if dA is None else _through_relu(dA, A, l)
            rest = _through_weights(dZ, A_prev, W, lambd, l)
        if dA is not None:
            gradients[f"dA{l}"] = dA
        gradients[f"dZ{l}"] = dZ
        dA, gradients[f"dW{l}"], gradients[f"db{l}"] = rest
    return gradients


def _through_relu(dA: Array, A: Any, l: int) -> Array:
    """Let through what belongs to a unit that is active, by its output."""
    dZ: Array | None = course.activate_backward(RELU, dA, A)
    if dZ is None:
        dA, A = elements(**{f"dA{l}": dA, f"A{l}": A})
        dZ = computed(course.activate_backward, RELU, dA, A)
    return dZ


def _through_weights(
    dZ: Array, A_prev: Any, W: Any, lambd: float, l: int
) -> tuple[Array | None, Array, Array]:
    """Compute dA_prev, but not of the input, dW and db."""
    results: Any = course.layer_backward(IDENTITY, dZ, dZ, A_prev, W, lambd, l > 1)
    if results is None:
        names = (f"dZ{l}", f"Z{l}", f"A{l - 1}" if l > 1 else "X", f"W{l}")
        arrays = layer_gradient_arrays(dZ, dZ, A_prev, W, names)
        results = computed(course.layer_backward, IDENTITY, *arrays, lambd, l > 1)
    return results  # type: ignore[no-any-return]


def _through_mask(
    dA: Array, D: Any, keep: float, A: Any, A_prev: Any, W: Any, l: int
) -> tuple[Array, Array, Array | None, Array, Array]:
    """Compute what the mask leaves of dA, which is our own, dZ, dA_prev, dW and db."""
    results: Any = course.dropped_layer_backward(RELU, dA, A, A_prev, W, 0.0, D, keep, True, l > 1)
    if results is None:
        names = (f"dA{l}", f"A{l}", f"A{l - 1}" if l > 1 else "X", f"W{l}")
        arrays = layer_gradient_arrays(dA, A, A_prev, W, names)
        D = as_mask(D, arrays[1].shape, f"D{l}")
        rest = 0.0, D, keep, True, l > 1
        results = computed(course.dropped_layer_backward, RELU, *arrays, *rest)
    dA_prev, dW, db, dA = results
    return dA, _through_relu(dA, A, l), dA_prev, dW, db
