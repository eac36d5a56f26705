"""The functions of the course, one example a column.

Formulas, with m examples, L layers and act the layer's activation::

    Z[l] = W[l] A[l-1] + b[l]        A[l] = act(Z[l])        A[0] = X
    cost = -mean(Y log(A[L]) + (1 - Y) log(1 - A[L]))
    dA[L] = -(Y / A[L] - (1 - Y) / (1 - A[L]))
    dZ[l] = dA[l] act'(Z[l])         dW[l] = dZ[l] A[l-1]^T / m
    dA[l-1] = W[l]^T dZ[l]           db[l] = mean of dZ[l] over the examples

References
----------
.. [1] A. Ng, K. Katanforoosh, Y. Bensouda Mourri, Neural Networks and Deep Learning, week 4,
   "Building your Deep Neural Network: Step by Step".
"""

import operator
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from fastdnn import _kernels
from fastdnn._arrays import (
    Array,
    contiguous,
    entry,
    floating,
    matrices,
    number,
    ordered_like,
    real,
)

Activation = Literal["sigmoid", "relu"]
LinearCache = tuple[Array, Array, Array]
Cache = tuple[LinearCache, Array]
Rng = int | np.random.RandomState | np.random.Generator | None
Scale = float | Literal["lecun", "he"]

_IDENTITY = _kernels.ACTIVATIONS["identity"]
_ACTIVATIONS = {name: code for name, code in _kernels.ACTIVATIONS.items() if code != _IDENTITY}
_RELU = _ACTIVATIONS["relu"]
_SIGMOID = _ACTIVATIONS["sigmoid"]


# ----------------------------------------------------------------------------------------- forward


def linear_forward(A: ArrayLike, W: ArrayLike, b: ArrayLike) -> tuple[Array, LinearCache]:
    """Compute the linear part of a layer, Z = W A + b.

    Parameters
    ----------
    A : array_like, shape (n_prev, m)
        Activations of the layer before, or the input.
    W : array_like, shape (n, n_prev)
        Weights.
    b : array_like, shape (n, 1), or a number
        Biases.

    Returns
    -------
    Z : ndarray, shape (n, m)
        In float32 if all arguments are, else float64, and in the memory order of `A`.
    cache : tuple
        ``(A, W, b)``, for `linear_backward`.

    Raises
    ------
    TypeError
        If an argument is no array of real numbers, or is masked.
    ValueError
        If an argument is empty, or the shapes do not fit.
    """
    A, W, b = _layer_arrays(A, W, b, ("A", "W", "b"))
    Z = np.empty((W.shape[0], A.shape[1]), A.dtype, "F" if A.flags.fnc else "C")
    _kernels.linear_activation_forward_into(_IDENTITY, A, W, b, Z, Z)
    return Z, (A, W, b)


def linear_activation_forward(
    A_prev: ArrayLike, W: ArrayLike, b: ArrayLike, activation: Activation
) -> tuple[Array, Cache]:
    """Compute a layer, A = act(W A_prev + b).

    Parameters
    ----------
    A_prev : array_like, shape (n_prev, m)
        Activations of the layer before, or the input.
    W : array_like, shape (n, n_prev)
        Weights.
    b : array_like, shape (n, 1), or a number
        Biases.
    activation : {"sigmoid", "relu"}
        The activation.

    Returns
    -------
    A : ndarray, shape (n, m)
        In float32 if all arrays are, else float64, and in the memory order of `A_prev`.
    cache : tuple
        ``((A_prev, W, b), Z)``, for `linear_activation_backward`.

    Raises
    ------
    TypeError
        If an argument is no array of real numbers, or is masked.
    ValueError
        If an argument is empty, the shapes do not fit, or the activation is unknown.
    """
    code = _activation_code(activation)
    return _layer_forward(code, A_prev, W, b, ("A_prev", "W", "b"))


def L_model_forward(X: ArrayLike, parameters: Mapping[str, Any]) -> tuple[Array, list[Cache]]:
    """Compute the network's output: relu on the layers 1 to L-1, sigmoid on layer L.

    Parameters
    ----------
    X : array_like, shape (n_x, m)
        Input, one example a column.
    parameters : dict
        ``W1, b1, ..., WL, bL``, as `initialize_parameters_deep` returns them.

    Returns
    -------
    AL : ndarray, shape (n_L, m)
        Activations of the last layer.
    caches : list of tuple
        The L caches of `linear_activation_forward`, the first layer's first.

    Raises
    ------
    TypeError
        If an argument is no array of real numbers, or is masked.
    ValueError
        If an array is missing or empty, or the shapes do not fit.
    """
    L = _depth(parameters)
    A: Any = X
    caches = []
    for l in range(1, L + 1):
        names = (f"A{l - 1}" if l > 1 else "X", f"W{l}", f"b{l}")
        A, cache = _layer_forward(
            _RELU if l < L else _SIGMOID,
            A,
            entry(parameters, names[1], "parameters"),
            entry(parameters, names[2], "parameters"),
            names,
        )
        caches.append(cache)
    return A, caches


def compute_cost(AL: ArrayLike, Y: ArrayLike) -> Array:
    """Compute the cross-entropy cost, -mean(Y log(AL) + (1 - Y) log(1 - AL)).

    Parameters
    ----------
    AL : array_like, shape (1, m)
        Predicted probabilities. As the formula has it, 0 and 1 give an infinite cost or NaN.
    Y : array_like of as many elements
        Labels: 0 and 1, or probabilities.

    Returns
    -------
    cost : ndarray, shape ()
        A sum over the output units, a mean over the m examples.

    Raises
    ------
    TypeError
        If an argument is no array of real numbers, or is masked.
    ValueError
        If an argument is empty, or the sizes do not match.
    """
    AL, Y = _output_arrays(AL, Y)
    return np.array(_kernels.cross_entropy(AL, Y) / AL.shape[1], AL.dtype)


# ---------------------------------------------------------------------------------------- backward


def linear_backward(dZ: ArrayLike, cache: LinearCache) -> tuple[Array, Array, Array]:
    """Compute the gradients of the linear part of a layer.

    Parameters
    ----------
    dZ : array_like, shape (n, m)
        Gradient of the cost by Z, times m.
    cache : tuple
        ``(A_prev, W, b)``, from `linear_forward`.

    Returns
    -------
    dA_prev : ndarray, shape (n_prev, m)
        W^T dZ, in the memory order of `A_prev`.
    dW : ndarray, shape (n, n_prev)
        dZ A_prev^T / m, in the memory order of `W`.
    db : ndarray, shape (n, 1)
        The mean of dZ over the examples.

    Raises
    ------
    TypeError
        If an argument is no array of real numbers, or is masked.
    ValueError
        If an argument is empty, or the shapes do not fit.
    """
    A_prev, W = _linear_cache(cache, "cache")
    if not _kernels.ready(dZ, A_prev, W):
        dZ, A_prev, W = matrices(dZ=dZ, A_prev=A_prev, W=W)
    return _layer_backward(_IDENTITY, dZ, dZ, A_prev, W, ("dZ", "Z", "A_prev", "W"))


def linear_activation_backward(
    dA: ArrayLike, cache: Cache, activation: Activation
) -> tuple[Array, Array, Array]:
    """Compute the gradients of a layer.

    Parameters
    ----------
    dA : array_like, shape (n, m)
        Gradient of the cost by A, times m.
    cache : tuple
        ``((A_prev, W, b), Z)``, from `linear_activation_forward`.
    activation : {"sigmoid", "relu"}
        The activation.

    Returns
    -------
    dA_prev : ndarray, shape (n_prev, m)
        W^T dZ with dZ = dA act'(Z), in the memory order of `A_prev`.
    dW : ndarray, shape (n, n_prev)
        dZ A_prev^T / m, in the memory order of `W`.
    db : ndarray, shape (n, 1)
        The mean of dZ over the examples.

    Raises
    ------
    TypeError
        If an argument is no array of real numbers, or is masked.
    ValueError
        If an argument is empty, the shapes do not fit, or the activation is unknown.
    """
    code = _activation_code(activation)
    return _cached_layer_backward(code, dA, cache, "dA", "cache")


def L_model_backward(
    AL: ArrayLike, Y: ArrayLike, caches: Sequence[Cache]
) -> dict[str, Array]:
    """Compute the gradients of the cost by every parameter and activation.

    Parameters
    ----------
    AL : array_like, shape (n_L, m)
        Activations of the last layer, from `L_model_forward`.
    Y : array_like of as many elements
        Labels: 0 and 1, or probabilities.
    caches : list of tuple
        From `L_model_forward`.

    Returns
    -------
    grads : dict of ndarray
        ``dA0 .. dA(L-1)``, ``dW1 .. dWL`` and ``db1 .. dbL``.

    Raises
    ------
    TypeError
        If an argument is no array of real numbers, or is masked.
    ValueError
        If an argument is empty, or the shapes do not fit.
    """
    try:
        L = len(caches)
    except TypeError:
        L = 0
    if L == 0:
        raise ValueError("caches must be the list of caches that L_model_forward returns")
    AL, Y = _output_arrays(AL, Y)
    dA = np.empty_like(AL)
    _kernels.cross_entropy_backward_into(AL, Y, dA)
    grads = {}
    for l in range(L, 0, -1):
        dA, dW, db = _cached_layer_backward(
            _SIGMOID if l == L else _RELU, dA, caches[l - 1], f"dA{l}", f"caches[{l - 1}]"
        )
        grads[f"dA{l - 1}"] = dA
        grads[f"dW{l}"] = dW
        grads[f"db{l}"] = db
    return grads


# --------------------------------------------------------------------------------- one element a time


def sigmoid(Z: ArrayLike) -> tuple[Array, Array]:
    """Compute 1 / (1 + exp(-Z)), without overflow, to within 2 units in the last place.

    Parameters
    ----------
    Z : array_like
        Any shape. NaN passes through.

    Returns
    -------
    A : ndarray
        Of the shape of `Z`.
    cache : ndarray
        `Z`, for `sigmoid_backward`.

    Raises
    ------
    TypeError
        If Z is no array of real numbers, or is masked.
    ValueError
        If Z is empty.
    """
    return _activate(_SIGMOID, Z)


def relu(Z: ArrayLike) -> tuple[Array, Array]:
    """Compute max(0, Z).

    Parameters
    ----------
    Z : array_like
        Any shape. NaN passes through.

    Returns
    -------
    A : ndarray
        Of the shape of `Z`.
    cache : ndarray
        `Z`, for `relu_backward`.

    Raises
    ------
    TypeError
        If Z is no array of real numbers, or is masked.
    ValueError
        If Z is empty.
    """
    return _activate(_RELU, Z)


def sigmoid_backward(dA: ArrayLike, cache: ArrayLike) -> Array:
    """Compute dZ = dA s (1 - s), with s = sigmoid(Z).

    Parameters
    ----------
    dA : array_like
        Gradient of the cost by A.
    cache : array_like, of the shape of `dA`
        Z, from `sigmoid`.

    Returns
    -------
    dZ : ndarray
        Of the shape of `Z`.

    Raises
    ------
    TypeError
        If an argument is no array of real numbers, or is masked.
    ValueError
        If an argument is empty, or the shapes differ.
    """
    return _activate_backward(_SIGMOID, dA, cache)


def relu_backward(dA: ArrayLike, cache: ArrayLike) -> Array:
    """Compute dZ = dA where Z > 0, else 0.

    Parameters
    ----------
    dA : array_like
        Gradient of the cost by A.
    cache : array_like, of the shape of `dA`
        Z, from `relu`.

    Returns
    -------
    dZ : ndarray
        Of the shape of `Z`.

    Raises
    ------
    TypeError
        If an argument is no array of real numbers, or is masked.
    ValueError
        If an argument is empty, or the shapes differ.
    """
    return _activate_backward(_RELU, dA, cache)


# -------------------------------------------------------------------------------------- parameters


def initialize_parameters(
    n_x: int,
    n_h: int,
    n_y: int,
    *,
    rng: Rng = None,
    scale: Scale = 0.01,
    dtype: DTypeLike = np.float64,
) -> dict[str, Array]:
    """Draw the parameters of a network with one hidden layer.

    Parameters
    ----------
    n_x, n_h, n_y : int
        Input features, hidden units, output units.
    rng : int, numpy.random.RandomState or numpy.random.Generator, optional
        A seed, as for ``numpy.random.seed``, or what to draw from. By default the seed 1, for the
        course's digits. NumPy's global generator is never touched.
    scale : float, "lecun" or "he"
        Standard deviation of the weights: a number, 1 / sqrt(n_prev) or sqrt(2 / n_prev).
    dtype : {float64, float32}
        Element type. The digits are drawn in float64 and then rounded.

    Returns
    -------
    parameters : dict of ndarray
        ``W1 (n_h, n_x)``, ``b1 (n_h, 1)``, ``W2 (n_y, n_h)``, ``b2 (n_y, 1)``; the biases are 0.

    Raises
    ------
    TypeError
        If a size is no integer, or rng is of another type.
    ValueError
        If a size is below 1, or scale or dtype is unknown.
    """
    sizes = [
        _size(n, name) for n, name in zip((n_x, n_h, n_y), ("n_x", "n_h", "n_y"), strict=True)
    ]
    return _draw(sizes, _random_state(rng, 1), scale, dtype)


def initialize_parameters_deep(
    layer_dims: Sequence[int],
    *,
    rng: Rng = None,
    scale: Scale = 0.01,
    dtype: DTypeLike = np.float64,
) -> dict[str, Array]:
    """Draw the parameters of a network of any depth.

    Parameters
    ----------
    layer_dims : sequence of int
        Units of each layer, the input's features first.
    rng : int, numpy.random.RandomState or numpy.random.Generator, optional
        A seed, as for ``numpy.random.seed``, or what to draw from. By default the seed 3, for the
        course's digits. NumPy's global generator is never touched.
    scale : float, "lecun" or "he"
        Standard deviation of the weights: a number, 1 / sqrt(n_prev) or sqrt(2 / n_prev).
    dtype : {float64, float32}
        Element type. The digits are drawn in float64 and then rounded.

    Returns
    -------
    parameters : dict of ndarray
        ``Wl (layer_dims[l], layer_dims[l-1])`` and ``bl (layer_dims[l], 1)`` for l = 1 .. L; the
        biases are 0.

    Raises
    ------
    TypeError
        If a size is no integer, or rng is of another type.
    ValueError
        If there are fewer than two sizes, one is below 1, or scale or dtype is unknown.
    """
    try:
        sizes = [_size(n, f"layer_dims[{l}]") for l, n in enumerate(layer_dims)]
    except TypeError as error:
        raise TypeError(f"layer_dims must be a sequence of integers: {error}") from None
    if len(sizes) < 2:
        raise ValueError(f"layer_dims must hold at least 2 sizes, got {sizes}")
    return _draw(sizes, _random_state(rng, 3), scale, dtype)


def update_parameters(
    params: Mapping[str, Any], grads: Mapping[str, Any], learning_rate: float
) -> dict[str, Any]:
    """Take one step of gradient descent, W - learning_rate dW and b - learning_rate db.

    Parameters
    ----------
    params : dict
        ``W1, b1, ..., WL, bL``.
    grads : dict
        ``dW1, db1, ..., dWL, dbL``, from `L_model_backward`. Shapes broadcast.
    learning_rate : float
        Step size.

    Returns
    -------
    parameters : dict
        A new dict of new arrays.

    Raises
    ------
    TypeError
        If an argument is no array of real numbers, or is masked.
    ValueError
        If an array is missing or empty, or the shapes do not fit.
    """
    if learning_rate.__class__ is not float:
        learning_rate = number(learning_rate, "learning_rate")
    L = _depth(params)
    parameters = dict(params)
    for l in range(1, L + 1):
        for key in (f"W{l}", f"b{l}"):
            P = entry(params, key, "params")
            dP = entry(grads, "d" + key, "grads")
            if not _kernels.ready(P, dP) or P.shape != dP.shape:
                P, dP = _broadcast(P, dP, key)
            elif P.flags.fnc != dP.flags.fnc:
                dP = ordered_like(dP, P)
            P_new = np.empty_like(P)
            _kernels.descend_into(learning_rate, P, dP, P_new)
            parameters[key] = P_new
    return parameters


# ----------------------------------------------------------------------------------------- helpers


def _activation_code(activation: object) -> int:
    try:
        return _ACTIVATIONS[activation]  # type: ignore[index]
    except (KeyError, TypeError):
        known = ", ".join(map(repr, sorted(_ACTIVATIONS)))
        raise ValueError(f"activation must be one of {known}, got {activation!r}") from None


def _depth(parameters: Mapping[str, Any]) -> int:
    try:
        L = len(parameters) // 2
    except TypeError:
        L = 0
    if L == 0:
        raise ValueError("parameters must be a dict of W1, b1, ..., WL, bL")
    return L


def _layer_arrays(A: Any, W: Any, b: Any, names: tuple[str, str, str]) -> tuple[Array, Array, Array]:
    if not _kernels.ready(A, W, b):
        A, W, b = matrices(**dict(zip(names, (A, W, b), strict=True)))
    n, n_prev = W.shape
    if A.shape[0] != n_prev:
        raise ValueError(
            f"{names[1]} has shape {W.shape} and {names[0]} has shape {A.shape}: "
            f"{names[1]} must have as many columns as {names[0]} has rows"
        )
    if b.shape != (n, 1):
        if b.size != 1:
            raise ValueError(
                f"{names[2]} has shape {b.shape} and {names[1]} has shape {W.shape}: "
                f"{names[2]} must have shape ({n}, 1), or be a number"
            )
        b = np.full((n, 1), b, b.dtype)
    return A, W, b


def _layer_forward(
    code: int, A_prev: Any, W: Any, b: Any, names: tuple[str, str, str]
) -> tuple[Array, Cache]:
    A_prev, W, b = _layer_arrays(A_prev, W, b, names)
    Z = np.empty((W.shape[0], A_prev.shape[1]), W.dtype, "F" if A_prev.flags.fnc else "C")
    A = np.empty_like(Z)
    _kernels.linear_activation_forward_into(code, A_prev, W, b, Z, A)
    return A, ((A_prev, W, b), Z)


def _linear_cache(cache: Any, name: str) -> tuple[Any, Any]:
    try:
        A_prev, W, _ = cache
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be (A_prev, W, b), as linear_forward returns it") from None
    return A_prev, W


def _cached_layer_backward(
    code: int, dA: Any, cache: Any, name: str, cache_name: str
) -> tuple[Array, Array, Array]:
    try:
        linear_cache, Z = cache
    except (TypeError, ValueError):
        raise ValueError(
            f"{cache_name} must be ((A_prev, W, b), Z), as linear_activation_forward returns it"
        ) from None
    A_prev, W = _linear_cache(linear_cache, f"{cache_name}[0]")
    if not _kernels.ready(dA, Z, A_prev, W):
        dA, Z, A_prev, W = matrices(**{name: dA, "Z": Z, "A_prev": A_prev, "W": W})
    return _layer_backward(code, dA, Z, A_prev, W, (name, "Z", "A_prev", "W"))


def _layer_backward(
    code: int, dA: Array, Z: Array, A_prev: Array, W: Array, names: tuple[str, str, str, str]
) -> tuple[Array, Array, Array]:
    n, n_prev = W.shape
    shape = (n, A_prev.shape[1])
    if A_prev.shape[0] != n_prev or dA.shape != shape or Z.shape != shape:
        arrays = zip(names, (dA, Z, A_prev, W), strict=True)
        raise ValueError(
            "the shapes do not fit: "
            + ", ".join(dict.fromkeys(f"{name} {array.shape}" for name, array in arrays))
            + f"; expected {names[0]} (n, m), A_prev (n_prev, m) and W (n, n_prev)"
        )
    if dA.flags.fnc != Z.flags.fnc:
        dA = ordered_like(dA, Z)
    dZ = dA if code == _IDENTITY else np.empty_like(Z)
    dA_prev = np.empty_like(A_prev)
    dW = np.empty_like(W)
    db = np.empty((n, 1), W.dtype)
    _kernels.linear_activation_backward_into(code, dA, Z, dZ, A_prev, W, dA_prev, dW, db)
    return dA_prev, dW, db


def _output_arrays(AL: Any, Y: Any) -> tuple[Array, Array]:
    # Y may be a list, or flat: the course reshapes it to the shape of AL
    if not _kernels.ready(AL, Y) or AL.shape != Y.shape or AL.flags.fnc != Y.flags.fnc:
        labels = real(Y, "Y")
        AL, Y = matrices(AL=AL, Y=labels.reshape(1, -1) if labels.ndim != 2 else labels)
        if AL.size != Y.size:
            raise ValueError(
                f"Y has shape {labels.shape}, but AL has shape {AL.shape}: the sizes must match"
            )
        Y = ordered_like(Y.reshape(AL.shape), AL)
    return AL, Y


def _elements(value: Any, name: str) -> Array:
    """Take an array of any shape, contiguous in its own memory order."""
    if _kernels.ready(value):
        return value
    array = real(value, name)
    if array.size == 0:
        raise ValueError(f"{name} must not be empty, got shape {array.shape}")
    return contiguous(array, floating(array.dtype))


def _matrix(array: Array) -> Array:
    """See a contiguous array of any shape as a matrix of the same memory."""
    return array if array.ndim == 2 else array.reshape((1, -1), order="A")


def _activate(code: int, Z: Any) -> tuple[Array, Array]:
    Z = _elements(Z, "Z")
    A = np.empty_like(Z)
    _kernels.activate_into(code, _matrix(Z), _matrix(A))
    return A, Z


def _activate_backward(code: int, dA: Any, cache: Any) -> Array:
    dA = _elements(dA, "dA")
    Z = _elements(cache, "cache")
    if dA.shape != Z.shape:
        raise ValueError(f"dA has shape {dA.shape} and cache has shape {Z.shape}: they must match")
    if dA.dtype != Z.dtype:
        dtype = floating(dA.dtype, Z.dtype)
        dA, Z = contiguous(dA, dtype), contiguous(Z, dtype)
    if dA.flags.fnc != Z.flags.fnc:
        dA = ordered_like(dA, Z)
    dZ = np.empty_like(Z)
    _kernels.activate_backward_into(code, _matrix(dA), _matrix(Z), _matrix(dZ))
    return dZ


def _broadcast(P: Any, dP: Any, key: str) -> tuple[Array, Array]:
    """Bring a parameter and its gradient to one shape, one element type and one memory order."""
    arrays = matrices(**{key: P, "d" + key: dP})
    try:
        P, dP = np.broadcast_arrays(*arrays)
    except ValueError:
        raise ValueError(
            f"d{key} has shape {arrays[1].shape} but {key} has shape {arrays[0].shape}"
        ) from None
    return np.ascontiguousarray(P), np.ascontiguousarray(dP)


class _Course(threading.local):
    """The generator behind a seed, one a thread: to reseed it costs far less than to make one."""

    def __init__(self) -> None:
        self.random = np.random.RandomState(0)


_course = _Course()


def _random_state(rng: Rng, default_seed: int) -> np.random.RandomState | np.random.Generator:
    if isinstance(rng, (np.random.RandomState, np.random.Generator)):
        return rng
    seed = default_seed if rng is None else rng
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
        raise TypeError(
            "rng must be an integer, a numpy.random.RandomState or a numpy.random.Generator, "
            f"got {type(seed).__name__}"
        )
    try:
        _course.random.seed(seed)
    except ValueError as error:
        raise ValueError(f"rng: {error}") from None
    return _course.random


def _size(n: Any, name: str) -> int:
    try:
        size = operator.index(n)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {n!r}") from None
    if size < 1:
        raise ValueError(f"{name} must be at least 1, got {size}")
    return size


def _draw(
    sizes: list[int], random: np.random.RandomState | np.random.Generator, scale: Scale, dtype: Any
) -> dict[str, Array]:
    dtype = np.dtype(dtype)
    if dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ValueError(f"dtype must be float32 or float64, got {dtype}")
    parameters = {}
    for l in range(1, len(sizes)):
        n_prev, n = sizes[l - 1], sizes[l]
        W = random.standard_normal((n, n_prev))
        # in place, and as the course divides and multiplies, to the last digit
        if scale == "lecun":
            W /= np.sqrt(n_prev)
        elif scale == "he":
            W *= np.sqrt(2 / n_prev)
        else:
            W *= scale
        parameters[f"W{l}"] = W.astype(dtype, copy=False)
        parameters[f"b{l}"] = np.zeros((n, 1), dtype)
    return parameters
