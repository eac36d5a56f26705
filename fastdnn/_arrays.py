"""The door: the only place that checks or copies an array.

Each function takes what a user gave and returns what the kernels read: native, aligned, contiguous
arrays of one element type, float32 or float64, whose shapes fit each other. What fits already is
returned as it is, and nothing is ever written to. The element type is NumPy's promotion of all
arguments, but that integers and booleans become float64 and float16 becomes float32.

Every function raises TypeError if an argument is no array of real numbers, or is masked, and
ValueError if one is empty, has a wrong number of dimensions or one that BLAS cannot count, or if
the shapes do not fit.
"""

import operator
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_LIMIT = 2**31 - 1


def real(value: object, name: str) -> Array:
    """Take a value as an array of real numbers, of any shape and element type."""
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array: fill it or drop what it masks first")
    try:
        array: Array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} must be an array of real numbers: {error}") from None
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise TypeError(
            f"{name} must be an array of real numbers of at most 64 bits, "
            f"got {type(value).__name__} with element type {array.dtype}"
        )
    if array.size == 0:
        raise ValueError(f"{name} must not be empty, got shape {array.shape}")
    if max(array.shape, default=0) > _LIMIT:
        raise ValueError(f"{name} has shape {array.shape}, but no dimension may be over {_LIMIT}")
    return array


def number(value: object, name: str) -> float:
    """Take a value as one real number."""
    if value.__class__ is float:
        return value
    array = real(value, name)
    if array.ndim:
        raise TypeError(f"{name} must be a number, got an array of shape {array.shape}")
    return float(array)


def integer(value: Any, name: str, least: int = 1) -> int:
    """Take a value as a whole number."""
    try:
        whole = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {value!r}") from None
    if whole < least:
        raise ValueError(f"{name} must be at least {least}, got {whole}")
    return whole


def elements(**named: object) -> tuple[Array, ...]:
    """Take arrays of any one shape, in the memory order of the last one."""
    arrays = [real(value, name) for name, value in named.items()]
    for name, array in zip(named, arrays, strict=True):
        if array.shape != arrays[0].shape:
            first = next(iter(named))
            raise ValueError(f"{name} has shape {array.shape}, but {first} {arrays[0].shape}")
    return _one_order(*_one_type(*arrays))


def as_matrix(array: Array) -> Array:
    """See a contiguous array of any shape as a matrix on the same memory."""
    return array if array.ndim == 2 else array.reshape((1, -1), order="A")


def as_shaped(matrix: Array, like: Array) -> Array:
    """See what was computed from as_matrix(like) in the shape of like."""
    return matrix.reshape(like.shape, order="F" if like.flags.fnc else "C")


def matrices(**named: object) -> tuple[Array, ...]:
    """Take arrays with two dimensions each; a number becomes (1, 1)."""
    arrays = [real(value, name) for name, value in named.items()]
    for name, array in zip(named, arrays, strict=True):
        if array.ndim not in (0, 2):
            raise ValueError(f"{name} must have 2 dimensions, got shape {array.shape}")
    # as in NumPy, a Python number has no say in the element type
    typed = [
        array
        for value, array in zip(named.values(), arrays, strict=True)
        if type(value) not in (bool, int, float)
    ]
    dtype = np.result_type(*(typed or arrays))
    return _one_type(*(array if array.ndim else np.full((1, 1), array, dtype) for array in arrays))


def layer_arrays(
    A: object, W: object, b: object, names: tuple[str, str, str]
) -> tuple[Array, Array, Array]:
    """Take a layer's input A (n_prev, m), its weights W (n, n_prev) and biases b (n, 1) or ()."""
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


def layer_gradient_arrays(
    dA: object, Z: object, A_prev: object, W: object, name: str
) -> tuple[Array, Array, Array, Array]:
    """Take what a layer's gradients need: dA, Z (n, m), A_prev (n_prev, m), W (n, n_prev)."""
    dA, Z, A_prev, W = matrices(**{name: dA}, Z=Z, A_prev=A_prev, W=W)
    n, n_prev = W.shape
    if A_prev.shape[0] != n_prev or {dA.shape, Z.shape} != {(n, A_prev.shape[1])}:
        raise ValueError(
            f"{name} has shape {dA.shape}, Z {Z.shape}, A_prev {A_prev.shape} and W {W.shape}: "
            f"expected {name} and Z (n, m), A_prev (n_prev, m), W (n, n_prev)"
        )
    dA, Z = _one_order(dA, Z)
    return dA, Z, A_prev, W


def output_arrays(AL: object, Y: object) -> tuple[Array, Array]:
    """Take predictions (n_L, m) and labels of as many elements, which may be a list, or flat."""
    predictions, labels = real(AL, "AL"), real(Y, "Y")
    if predictions.ndim != 2:
        raise ValueError(f"AL must have 2 dimensions, got shape {predictions.shape}")
    if labels.size != predictions.size:
        raise ValueError(
            f"Y has shape {labels.shape}, but AL {predictions.shape}: the sizes must match"
        )
    predictions, labels = _one_type(predictions, labels.reshape(predictions.shape))
    labels, predictions = _one_order(labels, predictions)
    return predictions, labels


def label_row(value: object, m: int, name: str) -> Array:
    """Take one label or prediction for each of the m columns of X, in a row."""
    array = real(value, name)
    if array.size != m:
        raise ValueError(f"{name} has shape {array.shape}, but X has {m} columns: sizes must match")
    return array.reshape(1, m)


def broadcast(P: object, dP: object, name: str) -> tuple[Array, Array]:
    """Take a parameter and its gradient, brought to one shape by NumPy's rules."""
    P, dP = matrices(**{name: P, f"d{name}": dP})
    if P.shape != dP.shape:
        try:
            P, dP = (np.array(array) for array in np.broadcast_arrays(P, dP))
        except ValueError:
            raise ValueError(f"d{name} has shape {dP.shape}, but {name} {P.shape}") from None
    dP, P = _one_order(dP, P)
    return P, dP


def entry(mapping: Mapping[str, Any], key: str, name: str) -> Any:
    """Look an array up in a dict of parameters or gradients."""
    try:
        return mapping[key]
    except KeyError:
        raise ValueError(f"{name} has no {key!r}, only {', '.join(map(str, mapping))}") from None
    except (TypeError, IndexError):
        raise TypeError(f"{name} must be a dict of arrays, got {type(mapping).__name__}") from None


def depth(parameters: Mapping[str, Any], name: str) -> int:
    """Count the layers of a dict of parameters."""
    if parameters.__class__ is not dict and not isinstance(parameters, Mapping):
        raise TypeError(
            f"{name} must be a dict of W1, b1, ..., WL, bL, got {type(parameters).__name__}"
        )
    L = len(parameters) // 2
    if L == 0:
        raise ValueError(f"{name} must be a dict of W1, b1, ..., WL, bL, got {parameters!r}")
    return L


def _one_type(*arrays: Array) -> tuple[Array, ...]:
    dtype = np.result_type(*arrays)
    if dtype.kind != "f":
        dtype = np.dtype(np.float64)
    elif dtype.itemsize < 4:
        dtype = np.dtype(np.float32)
    dtype = dtype.newbyteorder("=")
    return tuple(
        array
        if array.dtype == dtype and array.flags.forc and array.flags.aligned
        else np.array(array, dtype=dtype, order="K")
        for array in arrays
    )


def _one_order(*arrays: Array) -> tuple[Array, ...]:
    """Bring contiguous arrays into the memory order of the last one."""
    as_ordered = np.asfortranarray if arrays[-1].flags.fnc else np.ascontiguousarray
    # a 0-d array would become 1-d
    return tuple(as_ordered(array) if array.ndim else array for array in arrays)
