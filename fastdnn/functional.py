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

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from numpy.typing import ArrayLike

from fastdnn._arrays import (
    Array,
    as_matrix,
    as_shaped,
    computed,
    depth,
    elements,
    entry,
    layer_arrays,
    layer_gradient_arrays,
    layer_names,
    output_arrays,
)
from fastdnn._core import course

Activation = Literal["sigmoid", "relu"]
LinearCache = tuple[Array, Array, Array]
Cache = tuple[LinearCache, Array]

IDENTITY = course.ACTIVATIONS["identity"]
_ACTIVATIONS = {name: code for name, code in course.ACTIVATIONS.items() if code != IDENTITY}
RELU = _ACTIVATIONS["relu"]
SIGMOID = _ACTIVATIONS["sigmoid"]


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
        Of the type that NumPy promotes the arguments to, float32 or float64, and in the memory
        order of `A`.
    cache : tuple
        ``(A, W, b)``, for `linear_backward`.

    Raises
    ------
    TypeError
        If an argument is no array of real numbers, or is masked.
    ValueError
        If an argument is empty, or the shapes do not fit.
    """
    Z, (linear_cache, _) = layer_forward(IDENTITY, A, W, b)
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
        Of the type that NumPy promotes the arrays to, float32 or float64, and in the memory order
        of `A_prev`.
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
    return layer_forward(code, A_prev, W, b)


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
    L = depth(parameters, "parameters")
    A: Any = X
    caches = []
    for l, (W_name, b_name, *_) in enumerate(layer_names(L), 1):
        try:
            W, b = parameters[W_name], parameters[b_name]
        except (KeyError, TypeError, IndexError):
            W, b = entry(parameters, W_name, "parameters"), entry(parameters, b_name, "parameters")
        A, cache = layer_forward(RELU if l < L else SIGMOID, A, W, b, l)
        caches.append(cache)
    return A, caches


def compute_cost(AL: ArrayLike, Y: ArrayLike) -> Array:
    """Compute the cross-entropy cost, -mean(Y log(AL) + (1 - Y) log(1 - AL)).

    Parameters
    ----------
    AL : array_like, shape (1, m)
        Predicted probabilities. As the formula has it, 0 and 1 give an infinite cost or NaN.
    Y : array_like of as many elements
        Labels: 0 and 1, or probabilities; of any shape for one output unit, else of that of `AL`.

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
    cost = course.cross_entropy(AL, Y)
    if cost is None:
        cost = computed(course.cross_entropy, *output_arrays(AL, Y))
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
    return layer_backward(IDENTITY, dZ, (cache, dZ))


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
    return layer_backward(code, dA, cache)


def L_model_backward(AL: ArrayLike, Y: ArrayLike, caches: Sequence[Cache]) -> dict[str, Array]:
    """Compute the gradients of the cost by every parameter and activation.

    Parameters
    ----------
    AL : array_like, shape (n_L, m)
        Activations of the last layer, from `L_model_forward`.
    Y : array_like of as many elements
        Labels: 0 and 1, or probabilities; of any shape for one output unit, else of that of `AL`.
    caches : list of tuple
        From `L_model_forward`.

    Returns
    -------
    grads : dict of ndarray
        ``dA0 .. dA(L-1)``, ``dW1 .. dWL`` and ``db1 .. dbL``. Each has the memory order of the
        array in the caches that it belongs to.

    Raises
    ------
    TypeError
        If an argument is no array of real numbers, or is masked.
    ValueError
        If an argument is empty, or the shapes do not fit.
    """
    if not isinstance(caches, Sequence) or len(caches) == 0:
        raise ValueError("caches must be the list of caches that L_model_forward returns")
    L = len(caches)
    dA = course.cross_entropy_backward(AL, Y)
    if dA is None:
        dA = computed(course.cross_entropy_backward, *output_arrays(AL, Y))
    grads = {}
    names = layer_names(L)
    for l in range(L, 0, -1):
        _, _, dW_name, db_name, dA_name = names[l - 1]
        dA, dW, db = layer_backward(SIGMOID if l == L else RELU, dA, caches[l - 1], l)
        grads[dA_name] = dA
        grads[dW_name] = dW
        grads[db_name] = db
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
    TypeError, ValueError
        If Z is no array of real numbers, is masked or is empty.
    """
    return _activate(SIGMOID, Z)


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
    TypeError, ValueError
        If Z is no array of real numbers, is masked or is empty.
    """
    return _activate(RELU, Z)


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
    TypeError, ValueError
        If an argument is no array of real numbers, is masked or empty, or the shapes differ.
    """
    return _activate_backward(SIGMOID, dA, cache)


def relu_backward(dA: ArrayLike, cache: ArrayLike) -> Array:
    """Compute dZ = 0 where Z <= 0, else dA.

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
    TypeError, ValueError
        If an argument is no array of real numbers, is masked or empty, or the shapes differ.
    """
    return _activate_backward(RELU, dA, cache)


# ----------------------------------------------------------------------------------------- helpers


def _activation_code(activation: object) -> int:
    try:
        return _ACTIVATIONS[activation]  # type: ignore[index]
    except (KeyError, TypeError):
        known = ", ".join(map(repr, sorted(_ACTIVATIONS)))
        raise ValueError(f"activation must be one of {known}, got {activation!r}") from None


def layer_forward(code: int, A_prev: Any, W: Any, b: Any, l: int = 0) -> tuple[Array, Cache]:
    """Compute layer l of a model, or a layer on its own if l is 0."""
    results = course.layer_forward(code, A_prev, W, b)
    if results is None:
        names = ("A" if code == IDENTITY else "A_prev", "W", "b")
        if l:
            names = (f"A{l - 1}" if l > 1 else "X", f"W{l}", f"b{l}")
        A_prev, W, b = layer_arrays(A_prev, W, b, names)
        results = computed(course.layer_forward, code, A_prev, W, b)
    A, Z = results
    return A, ((A_prev, W, b), Z)


def layer_backward(code: int, dA: Any, cache: Any, l: int = 0) -> tuple[Array, Array, Array]:
    """Compute the gradients of layer l of a model, or of a layer on its own if l is 0."""
    try:
        (A_prev, W, _), Z = cache
    except (TypeError, ValueError):
        raise _cache_error(code, cache, l) from None
    results = course.layer_backward(code, dA, Z, A_prev, W)
    if results is None:
        of = f" of caches[{l - 1}]" if l else ""
        gradient = f"dA{l}" if l else "dZ" if code == IDENTITY else "dA"
        names = (gradient, "Z" + of, "A_prev" + of, "W" + of)
        arrays = layer_gradient_arrays(dA, Z, A_prev, W, names)
        results = computed(course.layer_backward, code, *arrays)
    return results


def _cache_error(code: int, cache: Any, l: int) -> ValueError:
    name = f"caches[{l - 1}]" if l else "cache"
    try:
        _, _ = cache
    except (TypeError, ValueError):
        form = "((A_prev, W, b), Z), as linear_activation_forward returns it"
    else:
        name = name if code == IDENTITY else f"{name}[0]"
        form = "(A_prev, W, b), as linear_forward returns it"
    return ValueError(f"{name} must be {form}")


def _activate(code: int, Z: Any) -> tuple[Array, Array]:
    A = course.activate(code, Z)
    if A is None:
        (Z,) = elements(Z=Z)
        A = as_shaped(computed(course.activate, code, as_matrix(Z)), Z)
    return A, Z


def _activate_backward(code: int, dA: Any, cache: Any) -> Array:
    dZ = course.activate_backward(code, dA, cache)
    if dZ is None:
        dA, Z = elements(dA=dA, cache=cache)
        matrices = as_matrix(dA), as_matrix(Z)
        dZ = as_shaped(computed(course.activate_backward, code, *matrices), Z)
    return dZ
