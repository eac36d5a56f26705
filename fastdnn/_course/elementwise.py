"""The course's activations by themselves, of arrays of any shape."""

from typing import Any

from numpy.typing import ArrayLike

from fastdnn._arrays import Array, as_matrix, as_shaped, computed, elements
from fastdnn._core import course
from fastdnn._course.layers import RELU, SIGMOID


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

    See Also
    --------
    sigmoid_backward : The gradient.
    linear_activation_forward : A layer with any activation.

    Examples
    --------
    >>> fastdnn.sigmoid([0.0, -1000.0])[0]
    array([0.5, 0. ])
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

    See Also
    --------
    relu_backward : The gradient.
    linear_activation_forward : A layer with any activation.

    Examples
    --------
    >>> fastdnn.relu([-1.0, 2.0])[0]
    array([0., 2.])
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
    ndarray
        Of the shape of `Z`.

    Raises
    ------
    TypeError, ValueError
        If an argument is no array of real numbers, is masked or empty, or the shapes differ.

    See Also
    --------
    sigmoid : Makes the cache.
    linear_activation_backward : The gradients of a layer.

    Examples
    --------
    >>> A, cache = fastdnn.sigmoid([0.0])
    >>> fastdnn.sigmoid_backward([1.0], cache)
    array([0.25])
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
    ndarray
        Of the shape of `Z`.

    Raises
    ------
    TypeError, ValueError
        If an argument is no array of real numbers, is masked or empty, or the shapes differ.

    See Also
    --------
    relu : Makes the cache.
    linear_activation_backward : The gradients of a layer.

    Examples
    --------
    >>> fastdnn.relu_backward([3.0, 4.0], [-1.0, 2.0])
    array([0., 4.])
    """
    return _activate_backward(RELU, dA, cache)


# ------------------------------------------------------------------------------------------ helpers


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
