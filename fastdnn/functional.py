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

import itertools
import operator
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from fastdnn import _kernels
from fastdnn._arrays import (
    Array,
    as_matrix,
    as_shaped,
    broadcast,
    elements,
    entry,
    layer_arrays,
    layer_gradient_arrays,
    number,
    output_arrays,
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
    Z, (linear_cache, _) = _layer_forward(_IDENTITY, A, W, b, ("A", "W", "b"))
    return Z, linear_cache


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
    L = _depth(parameters, "parameters")
    A: Any = X
    caches = []
    for l in range(1, L + 1):
        try:
            W, b = parameters[f"W{l}"], parameters[f"b{l}"]
        except (KeyError, TypeError):
            W = entry(parameters, f"W{l}", "parameters")
            b = entry(parameters, f"b{l}", "parameters")
        code = _RELU if l < L else _SIGMOID
        A, cache = _layer_forward(code, A, W, b, (f"A{l - 1}" if l > 1 else "X", f"W{l}", f"b{l}"))
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
    cost = _kernels.cross_entropy(AL, Y)
    if cost is None:
        cost = _kernels.cross_entropy(*output_arrays(AL, Y))
    return cost


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
    return _layer_backward(_IDENTITY, dZ, dZ, cache, "dZ", "cache")


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
    linear_cache, Z = _split(cache, "cache")
    return _layer_backward(code, dA, Z, linear_cache, "dA", "cache[0]")


def L_model_backward(AL: ArrayLike, Y: ArrayLike, caches: Sequence[Cache]) -> dict[str, Array]:
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
    dA = _kernels.cross_entropy_backward(AL, Y)
    if dA is None:
        dA = _kernels.cross_entropy_backward(*output_arrays(AL, Y))
    grads = {}
    for l in range(L, 0, -1):
        linear_cache, Z = _split(caches[l - 1], f"caches[{l - 1}]")
        dA, dW, db = _layer_backward(
            _SIGMOID if l == L else _RELU,
            dA,
            Z,
            linear_cache,
            f"dA{l}",
            f"caches[{l - 1}][0]",
            l == 1,
        )
        grads[f"dA{l - 1}"] = dA
        grads[f"dW{l}"] = dW
        grads[f"db{l}"] = db
    return grads


# ------------------------------------------------------------------------------------- elementwise


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
    layer_dims = [_size(n_x, "n_x"), _size(n_h, "n_h"), _size(n_y, "n_y")]
    return _draw(layer_dims, rng, 1, scale, dtype)


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
        layer_dims = [_size(n, f"layer_dims[{l}]") for l, n in enumerate(layer_dims)]
    except TypeError as error:
        raise TypeError(f"layer_dims must be a sequence of integers: {error}") from None
    if len(layer_dims) < 2:
        raise ValueError(f"layer_dims must hold at least 2 sizes, got {layer_dims!r}")
    return _draw(layer_dims, rng, 3, scale, dtype)


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
    L = _depth(params, "params")
    parameters = dict(params)
    for l in range(1, L + 1):
        for key in (f"W{l}", f"b{l}"):
            try:
                P, dP = params[key], grads["d" + key]
            except (KeyError, TypeError):
                P, dP = entry(params, key, "params"), entry(grads, "d" + key, "grads")
            P_new = _kernels.descend(learning_rate, P, dP)
            if P_new is None:
                P_new = _kernels.descend(learning_rate, *broadcast(P, dP, key))
            parameters[key] = P_new
    return parameters


# ----------------------------------------------------------------------------------------- helpers


def _activation_code(activation: object) -> int:
    try:
        return _ACTIVATIONS[activation]  # type: ignore[index]
    except (KeyError, TypeError):
        known = ", ".join(map(repr, sorted(_ACTIVATIONS)))
        raise ValueError(f"activation must be one of {known}, got {activation!r}") from None


def _depth(parameters: Mapping[str, Any], name: str) -> int:
    if parameters.__class__ is not dict and not isinstance(parameters, Mapping):
        raise TypeError(
            f"{name} must be a dict of W1, b1, ..., WL, bL, got {type(parameters).__name__}"
        )
    L = len(parameters) // 2
    if L == 0:
        raise ValueError(f"{name} must be a dict of W1, b1, ..., WL, bL, got {parameters!r}")
    return L


def _layer_forward(
    code: int, A_prev: Any, W: Any, b: Any, names: tuple[str, str, str]
) -> tuple[Array, Cache]:
    results = _kernels.layer_forward(code, A_prev, W, b)
    if results is None:
        A_prev, W, b = layer_arrays(A_prev, W, b, names)
        results = _kernels.layer_forward(code, A_prev, W, b)
    A, Z = results
    return A, ((A_prev, W, b), Z)


def _layer_backward(
    code: int,
    dA: Any,
    Z: Any,
    linear_cache: Any,
    name: str,
    cache_name: str,
    first: bool = False,
) -> tuple[Array, Array, Array]:
    try:
        A_prev, W, _ = linear_cache
    except (TypeError, ValueError):
        raise ValueError(
            f"{cache_name} must be (A_prev, W, b), as linear_forward returns it"
        ) from None
    results = _kernels.layer_backward(code, dA, Z, A_prev, W, first)
    if results is None:
        arrays = layer_gradient_arrays(dA, Z, A_prev, W, name)
        results = _kernels.layer_backward(code, *arrays, first)
    return results


def _split(cache: Any, name: str) -> tuple[Any, Any]:
    try:
        linear_cache, Z = cache
    except (TypeError, ValueError):
        raise ValueError(
            f"{name} must be ((A_prev, W, b), Z), as linear_activation_forward returns it"
        ) from None
    return linear_cache, Z


def _activate(code: int, Z: Any) -> tuple[Array, Array]:
    A = _kernels.activate(code, Z)
    if A is None:
        (Z,) = elements(Z=Z)
        A = as_shaped(_kernels.activate(code, as_matrix(Z)), Z)
    return A, Z


def _activate_backward(code: int, dA: Any, cache: Any) -> Array:
    dZ = _kernels.activate_backward(code, dA, cache)
    if dZ is None:
        dA, Z = elements(dA=dA, cache=cache)
        dZ = as_shaped(_kernels.activate_backward(code, as_matrix(dA), as_matrix(Z)), Z)
    return dZ


class _Seeded(threading.local):
    """The generator behind a seed, one a thread: to seed it again costs far less than a new one."""

    def __init__(self) -> None:
        self.random = np.random.RandomState(0)


_seeded = _Seeded()


def _random(rng: Rng, default_seed: int) -> np.random.RandomState | np.random.Generator:
    if isinstance(rng, (np.random.RandomState, np.random.Generator)):
        return rng
    seed = default_seed if rng is None else rng
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
        raise TypeError(
            "rng must be an integer, a numpy.random.RandomState or a numpy.random.Generator, "
            f"got {type(seed).__name__}"
        )
    try:
        _seeded.random.seed(seed)
    except ValueError as error:
        raise ValueError(f"rng: {error}") from None
    return _seeded.random


def _size(n: Any, name: str) -> int:
    try:
        size = operator.index(n)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {n!r}") from None
    if size < 1:
        raise ValueError(f"{name} must be at least 1, got {size}")
    return size


def _draw(
    layer_dims: Sequence[int], rng: Rng, seed: int, scale: Scale, dtype: Any
) -> dict[str, Array]:
    if scale.__class__ is not float and scale not in ("lecun", "he"):
        scale = number(scale, "scale")
    if dtype is not np.float64:
        dtype = np.dtype(dtype)
        if dtype not in (np.dtype(np.float64), np.dtype(np.float32)):
            raise ValueError(f"dtype must be float32 or float64, got {dtype}")
    standard_normal = _random(rng, seed).standard_normal
    parameters = {}
    for l, (n_prev, n) in enumerate(itertools.pairwise(layer_dims), 1):
        W = standard_normal((n, n_prev))
        # in place, and dividing where the course divides, so that the last digit agrees
        if scale == "lecun":
            W /= np.sqrt(n_prev)
        elif scale == "he":
            W *= np.sqrt(2 / n_prev)
        else:
            W *= scale
        parameters[f"W{l}"] = W if dtype is np.float64 else W.astype(dtype, copy=False)
        parameters[f"b{l}"] = np.zeros((n, 1), dtype)
    return parameters
