"""The parameters of a network: their first values and their update by gradient descent."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from inspect import signature
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike

from fastdnn._arrays import (
    COUNTABLE,
    FLOAT32,
    FLOAT64,
    LIMIT,
    Array,
    as_matrix,
    as_shaped,
    broadcast,
    computed,
    depth,
    entry,
    integer,
    layer_names,
    number,
)
from fastdnn._core import course
from fastdnn._course.generators import Rng, generator

Scale = float | Literal["lecun", "he"]

# how many of a default seed's first draws are kept
_KEPT = 4096
# NumPy multiplies by a 0-d array faster than by a number
_HUNDREDTH = np.array(0.01)


def initialize_parameters(
    n_x: int,
    n_h: int,
    n_y: int,
    *,
    rng: Rng = None,
    scale: Scale = 0.01,
    dtype: DTypeLike = float,
) -> dict[str, Array]:
    """Draw the parameters of a network with one hidden layer.

    Parameters
    ----------
    n_x, n_h, n_y : int
        Input features, hidden units, output units.
    rng : int or list of int, SeedSequence, BitGenerator, Generator or RandomState, optional
        An integer, as for ``numpy.random.seed``, or what to draw from, as
        `numpy.random.default_rng` takes it. By default the integer 1, for the course's digits.
        NumPy's global generator is never touched.
    scale : float, "lecun" or "he"
        Standard deviation of the weights: a number, 1 / sqrt(n_prev) or sqrt(2 / n_prev).
    dtype : {float64, float32}
        Element type. The digits are drawn in float64 and then rounded.

    Returns
    -------
    dict of ndarray
        ``W1 (n_h, n_x)``, ``b1 (n_h, 1)``, ``W2 (n_y, n_h)``, ``b2 (n_y, 1)``; the biases are 0.

    Raises
    ------
    TypeError
        If a size is no integer, or rng is of another type.
    ValueError
        If a size is below 1, scale is below 0, or scale or dtype is unknown.

    See Also
    --------
    initialize_parameters_deep : For any depth.

    Examples
    --------
    >>> {name: P.shape for name, P in fastdnn.initialize_parameters(3, 4, 1).items()}
    {'W1': (4, 3), 'b1': (4, 1), 'W2': (1, 4), 'b2': (1, 1)}
    """
    layer_dims = (n_x, n_h, n_y)
    return _draw(layer_dims, ["n_x", "n_h", "n_y"], rng, 1, scale, dtype)


def initialize_parameters_deep(
    layer_dims: Sequence[int],
    *,
    rng: Rng = None,
    scale: Scale = 0.01,
    dtype: DTypeLike = float,
) -> dict[str, Array]:
    """Draw the parameters of a network of any depth.

    Parameters
    ----------
    layer_dims : sequence of int
        Units of each layer, the input's features first.
    rng : int or list of int, SeedSequence, BitGenerator, Generator or RandomState, optional
        An integer, as for ``numpy.random.seed``, or what to draw from, as
        `numpy.random.default_rng` takes it. By default the integer 3, for the course's digits.
        NumPy's global generator is never touched.
    scale : float, "lecun" or "he"
        Standard deviation of the weights: a number, 1 / sqrt(n_prev) or sqrt(2 / n_prev).
    dtype : {float64, float32}
        Element type. The digits are drawn in float64 and then rounded.

    Returns
    -------
    dict of ndarray
        ``Wl (layer_dims[l], layer_dims[l-1])`` and ``bl (layer_dims[l], 1)`` for l = 1 .. L; the
        biases are 0.

    Raises
    ------
    TypeError
        If a size is no integer, or rng is of another type.
    ValueError
        If there are fewer than two sizes, one is below 1, scale is below 0, or scale or
        dtype is unknown.

    See Also
    --------
    initialize_parameters_he : With the scale of relu.
    update_parameters : Takes a step.

    Examples
    --------
    >>> fastdnn.initialize_parameters_deep([2, 2, 1])["W1"]
    array([[ 0.01788628,  0.0043651 ],
           [ 0.00096497, -0.01863493]])
    """
    return _draw(_sizes(layer_dims, "layer_dims"), "layer_dims", rng, 3, scale, dtype)


def initialize_parameters_zeros(
    layers_dims: Sequence[int], *, dtype: DTypeLike = float
) -> dict[str, Array]:
    """Make parameters that are all 0, of which the units of a layer never come to differ.

    Parameters
    ----------
    layers_dims : sequence of int
        Units of each layer, the input's features first.
    dtype : {float64, float32}
        Element type.

    Returns
    -------
    dict of ndarray
        ``Wl (layers_dims[l], layers_dims[l-1])`` and ``bl (layers_dims[l], 1)`` for l = 1 .. L.

    Raises
    ------
    TypeError
        If a size is no integer.
    ValueError
        If there are fewer than two sizes, one is below 1, or dtype is unknown.

    See Also
    --------
    fastdnn.initialize_parameters_he : With the scale of relu.

    Examples
    --------
    >>> fastdnn.course2.initialize_parameters_zeros([2, 1])
    {'W1': array([[0., 0.]]), 'b1': array([[0.]])}
    """
    return _draw(_sizes(layers_dims, "layers_dims"), "layers_dims", None, 3, 1.0, dtype, np.zeros)


def initialize_parameters_random(
    layers_dims: Sequence[int], *, rng: Rng = None, dtype: DTypeLike = float
) -> dict[str, Array]:
    """Draw weights of standard deviation 10, which are far too large, as the course shows.

    Parameters
    ----------
    layers_dims : sequence of int
        Units of each layer, the input's features first.
    rng : int or list of int, SeedSequence, BitGenerator, Generator or RandomState, optional
        An integer, as for ``numpy.random.seed``, or what to draw from, as
        `numpy.random.default_rng` takes it. By default the integer 3, for the course's digits.
        NumPy's global generator is never touched.
    dtype : {float64, float32}
        Element type. The digits are drawn in float64 and then rounded.

    Returns
    -------
    dict of ndarray
        ``Wl (layers_dims[l], layers_dims[l-1])`` and ``bl (layers_dims[l], 1)`` for l = 1 .. L; the
        biases are 0.

    Raises
    ------
    TypeError
        If a size is no integer, or rng is of another type.
    ValueError
        If there are fewer than two sizes, one is below 1, or dtype is unknown.

    See Also
    --------
    fastdnn.initialize_parameters_he : With the scale of relu.

    Examples
    --------
    >>> fastdnn.course2.initialize_parameters_random([2, 1])
    {'W1': array([[17.88628473,  4.36509851]]), 'b1': array([[0.]])}
    """
    return _draw(_sizes(layers_dims, "layers_dims"), "layers_dims", rng, 3, 10.0, dtype)


def initialize_parameters_he(
    layers_dims: Sequence[int], *, rng: Rng = None, dtype: DTypeLike = float
) -> dict[str, Array]:
    """Draw weights of standard deviation sqrt(2 / n_prev), with which relu keeps the scale.

    Parameters
    ----------
    layers_dims : sequence of int
        Units of each layer, the input's features first.
    rng : int or list of int, SeedSequence, BitGenerator, Generator or RandomState, optional
        An integer, as for ``numpy.random.seed``, or what to draw from, as
        `numpy.random.default_rng` takes it. By default the integer 3, for the course's digits.
        NumPy's global generator is never touched.
    dtype : {float64, float32}
        Element type. The digits are drawn in float64 and then rounded.

    Returns
    -------
    dict of ndarray
        ``Wl (layers_dims[l], layers_dims[l-1])`` and ``bl (layers_dims[l], 1)`` for l = 1 .. L; the
        biases are 0.

    Raises
    ------
    TypeError
        If a size is no integer, or rng is of another type.
    ValueError
        If there are fewer than two sizes, one is below 1, or dtype is unknown.

    See Also
    --------
    initialize_parameters_deep : With any scale.

    Examples
    --------
    >>> fastdnn.initialize_parameters_he([2, 1])
    {'W1': array([[1.78862847, 0.43650985]]), 'b1': array([[0.]])}
    """
    return _draw(_sizes(layers_dims, "layers_dims"), "layers_dims", rng, 3, "he", dtype)


def update_parameters(
    params: Mapping[str, Any] | None = None,
    grads: Mapping[str, Any] | None = None,
    learning_rate: float | None = None,
    *,
    parameters: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Take one step of gradient descent, W - learning_rate dW and b - learning_rate db.

    Until 2021 the course's function also assigned into the dict that it was given; its later one
    and this one leave that dict as it is. A program that drops the result trains nothing: write
    ``parameters = update_parameters(parameters, grads, learning_rate)``.

    Parameters
    ----------
    params : dict
        ``W1, b1, ..., WL, bL``; by name also `parameters`, as older versions of the course have it.
    grads : dict
        ``dW1, db1, ..., dWL, dbL``, from `L_model_backward`. Shapes broadcast.
    learning_rate : float
        Step size.

    Returns
    -------
    dict
        A new dict of new arrays.

    Raises
    ------
    TypeError
        If an argument is no array of real numbers, or is masked.
    ValueError
        If an array is missing or empty, or the shapes do not fit.

    See Also
    --------
    update_parameters_with_momentum : A step with momentum.
    update_parameters_with_adam : A step of Adam.

    Examples
    --------
    >>> parameters, grads = {"W1": [[1.0]], "b1": [[0.0]]}, {"dW1": [[2.0]], "db1": [[3.0]]}
    >>> fastdnn.update_parameters(parameters, grads, learning_rate=0.1)
    {'W1': array([[0.8]]), 'b1': array([[-0.3]])}
    """
    if parameters is not None and params is not None:
        raise TypeError("params and parameters are one argument: give one of them")
    given: Any = params if parameters is None else parameters
    gradients: Any = grads
    learning_rate = number(learning_rate, "learning_rate")
    name = "params" if parameters is None else "parameters"
    L = depth(given, name)
    updated = dict(given)
    for W_name, b_name, dW_name, db_name, _ in layer_names(L):
        for key, gradient in ((W_name, dW_name), (b_name, db_name)):
            try:
                P, dP = given[key], gradients[gradient]
            except (KeyError, TypeError, IndexError):
                P, dP = entry(given, key, name), entry(gradients, gradient, "grads")
            P_new = course.descend(learning_rate, P, dP)
            if P_new is None:
                P, dP = broadcast(P, dP, key)
                matrices = as_matrix(P), as_matrix(dP)
                P_new = as_shaped(computed(course.descend, learning_rate, *matrices), P)
            updated[key] = P_new
    return updated


# the course's signature, in which none of the three arguments may be left out
update_parameters.__signature__ = signature(  # type: ignore[attr-defined]
    lambda params, grads, learning_rate: None
)


def update_parameters_with_gd(
    parameters: Mapping[str, Any], grads: Mapping[str, Any], learning_rate: float
) -> dict[str, Any]:
    """Take one step of gradient descent, as `update_parameters` does.

    Parameters
    ----------
    parameters : dict
        ``W1, b1, ..., WL, bL``.
    grads : dict
        ``dW1, db1, ..., dWL, dbL``, from `L_model_backward`. Shapes broadcast.
    learning_rate : float
        Step size.

    Returns
    -------
    dict
        A new dict of new arrays.

    Raises
    ------
    TypeError
        If an argument is no array of real numbers, or is masked.
    ValueError
        If an array is missing or empty, or the shapes do not fit.

    See Also
    --------
    fastdnn.update_parameters : The same, under the first course's name.

    Examples
    --------
    >>> parameters, grads = {"W1": [[1.0]], "b1": [[0.0]]}, {"dW1": [[2.0]], "db1": [[3.0]]}
    >>> fastdnn.course2.update_parameters_with_gd(parameters, grads, learning_rate=0.1)
    {'W1': array([[0.8]]), 'b1': array([[-0.3]])}
    """
    depth(parameters, "parameters")
    return update_parameters(None, grads, learning_rate, parameters=parameters)


# ----------------------------------------------------------------------------------------- helpers


def _sizes(layer_dims: Any, name: str) -> tuple[Any, ...]:
    try:
        sizes = tuple(layer_dims)
    except TypeError:
        raise TypeError(f"{name} must be a sequence of integers, got {layer_dims!r}") from None
    if len(sizes) < 2:
        raise ValueError(f"{name} must hold at least 2 sizes, got {sizes!r}")
    return sizes


@cache
def _first(seed: int) -> Array:
    return np.random.RandomState(seed).standard_normal(_KEPT)


def _again(seed: int) -> Callable[[tuple[int, int]], Array]:
    """Repeat the first draws of a seed, which all small networks have in common."""
    first, at = _first(seed), 0

    def standard_normal(shape: tuple[int, int]) -> Array:
        nonlocal at
        start, at = at, at + shape[0] * shape[1]
        return first[start:at].reshape(shape).copy()

    return standard_normal


def _floating(dtype: Any) -> np.dtype[Any]:
    try:
        floating: np.dtype[Any] = np.dtype(dtype)
    except TypeError:
        raise ValueError(f"dtype must be float32 or float64, got {dtype!r}") from None
    for known in (FLOAT32, FLOAT64):
        if floating == known:
            return known
    raise ValueError(f"dtype must be float32 or float64, got {dtype!r}")


def _draw(
    layer_dims: tuple[Any, ...],
    names: Sequence[str],
    rng: Rng,
    seed: int,
    scale: Any,
    dtype: Any,
    draw: Callable[[tuple[int, int]], Array] | None = None,
) -> dict[str, Array]:
    for n in layer_dims:
        if n.__class__ is not int or not 0 < n <= LIMIT:
            if isinstance(names, str):
                names = [f"{names}[{l}]" for l in range(len(layer_dims))]
            layer_dims = tuple(map(integer, layer_dims, names))
            break
    count = sum(n * n_prev for n_prev, n in pairwise(layer_dims))
    if count > COUNTABLE:
        raise ValueError(
            f"layer_dims {list(layer_dims)} ask for {count} weights, more than memory can have"
        )
    if scale.__class__ is float and scale == 0.01:
        factor = _HUNDREDTH
    elif not isinstance(scale, str):
        factor = np.array(number(scale, "scale"))
        if not 0 <= factor < np.inf:
            raise ValueError(f"scale must be at least 0 and finite, got {scale}")
    elif scale in ("lecun", "he"):
        factor = None
    else:
        raise ValueError(f"scale must be a number, 'lecun' or 'he', got {scale!r}")
    if dtype is not float:
        dtype = _floating(dtype)
    if draw is None:
        again = rng is None and count <= _KEPT
        draw = _again(seed) if again else generator(rng, seed).standard_normal
    parameters = {}
    n_prev = layer_dims[0]
    for l, n in enumerate(layer_dims[1:], 1):
        W = draw((n, n_prev))
        # scaled in place, and divided where the course divides, so that the last digit agrees
        if factor is not None:
            W *= factor
        elif scale == "lecun":
            W /= np.sqrt(n_prev)
        else:
            W *= np.sqrt(2 / n_prev)
        parameters[f"W{l}"] = W if dtype is float else W.astype(dtype, copy=False)
        parameters[f"b{l}"] = np.zeros((n, 1), dtype)
        n_prev = n
    return parameters
