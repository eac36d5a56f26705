"""Dicts of parameters and gradients as one vector, and back."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastdnn._arrays import Array, all_names, entry, integer, layer_names, real


def dictionary_to_vector(parameters: Mapping[str, Any]) -> tuple[Array, list[str]]:
    """Lay all parameters into one vector: W1, b1, ..., WL, bL, each row by row.

    Parameters
    ----------
    parameters : dict
        ``W1, b1, ..., WL, bL``.

    Returns
    -------
    theta : ndarray, shape (n, 1)
        A copy of every parameter.
    keys : list of str
        The name of the array that each element is of.

    Raises
    ------
    TypeError
        If a parameter is no array of real numbers, or is masked.
    ValueError
        If a parameter is missing or empty.

    See Also
    --------
    vector_to_dictionary : The way back.
    gradients_to_vector : The gradients in the same order.

    Examples
    --------
    >>> theta, keys = fastdnn.course2.dictionary_to_vector({"W1": [[1.0, 2.0]], "b1": [[3.0]]})
    >>> theta.T, keys
    (array([[1., 2., 3.]]), ['W1', 'W1', 'b1'])
    """
    names = [key for row in all_names(parameters, "parameters") for key in row[:2]]
    arrays = [real(entry(parameters, key, "parameters"), key) for key in names]
    keys = [key for key, array in zip(names, arrays, strict=True) for _ in range(array.size)]
    return _column(arrays), keys


def gradients_to_vector(gradients: Mapping[str, Any]) -> Array:
    """Lay all gradients of parameters into one vector: dW1, db1, ..., dWL, dbL, each row by row.

    Parameters
    ----------
    gradients : dict
        ``dW1, db1, ..., dWL, dbL``; other keys, such as dA1 and dZ1, are not read.

    Returns
    -------
    ndarray, shape (n, 1)
        A copy of every gradient, in the order of `dictionary_to_vector`.

    Raises
    ------
    TypeError
        If a gradient is no array of real numbers, or is masked.
    ValueError
        If a gradient is missing or empty.

    See Also
    --------
    dictionary_to_vector : The parameters in the same order.

    Examples
    --------
    >>> fastdnn.course2.gradients_to_vector({"dW1": [[1.0, 2.0]], "db1": [[3.0]]}).T
    array([[1., 2., 3.]])
    """
    if not isinstance(gradients, Mapping):
        raise TypeError(
            f"gradients must be a dict of dW1, db1, ..., dWL, dbL, got {type(gradients).__name__}"
        )
    L = max(1, sum(str(key).startswith("dW") for key in gradients))
    names = [key for row in layer_names(L) for key in row[2:4]]
    return _column([real(entry(gradients, key, "gradients"), key) for key in names])


def vector_to_dictionary(
    theta: ArrayLike, layer_dims: Sequence[int] = (4, 5, 3, 1)
) -> dict[str, Array]:
    """See one vector as the parameters of a network.

    Parameters
    ----------
    theta : array_like
        As many elements as the network has parameters, in the order of `dictionary_to_vector`.
    layer_dims : sequence of int
        Units of each layer, the input's features first; by default the course's network.

    Returns
    -------
    dict of ndarray
        ``Wl (layer_dims[l], layer_dims[l-1])`` and ``bl (layer_dims[l], 1)``, views of `theta`
        where its memory allows it.

    Raises
    ------
    TypeError
        If theta is no array of real numbers or is masked, or a size is no integer.
    ValueError
        If theta has another number of elements than the network, or a size is below 1.

    See Also
    --------
    dictionary_to_vector : The way back.

    Examples
    --------
    >>> fastdnn.course2.vector_to_dictionary([1.0, 2.0, 3.0], layer_dims=[2, 1])
    {'W1': array([[1., 2.]]), 'b1': array([[3.]])}
    """
    vector = real(theta, "theta").reshape(-1)
    if not isinstance(layer_dims, Iterable):
        raise TypeError(f"layer_dims must be a sequence of integers, got {layer_dims!r}")
    dims = [integer(n, f"layer_dims[{l}]") for l, n in enumerate(layer_dims)]
    count = sum(n * (n_prev + 1) for n_prev, n in pairwise(dims))
    if vector.size != count:
        raise ValueError(
            f"theta has {vector.size} elements, but a network of layer_dims {dims} {count}"
        )
    parameters, at = {}, 0
    for l, (n_prev, n) in enumerate(pairwise(dims), 1):
        for key, shape in ((f"W{l}", (n, n_prev)), (f"b{l}", (n, 1))):
            parameters[key] = vector[at : at + shape[0] * shape[1]].reshape(shape)
            at += shape[0] * shape[1]
    return parameters


def _column(arrays: Sequence[Array]) -> Array:
    return np.concatenate([array.reshape(-1, 1) for array in arrays])
