"""The door: the only place that checks or copies an array."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_LIMIT = 2**31 - 1


def matrices(**named: object) -> tuple[Array, ...]:
    """Bring every value into a form that the kernels read: native, aligned, contiguous, one type.

    The element type is NumPy's promotion of all; integers and booleans become float64, float16
    becomes float32. What fits already is returned as it is; what must change is copied, in the
    memory order nearest to its own.

    Parameters
    ----------
    **named
        Each value under the name that an error shall call it by; a single number becomes (1, 1).

    Returns
    -------
    tuple of ndarray
        Two-dimensional float32 or float64 arrays without empty dimensions.

    Raises
    ------
    TypeError
        If a value is no array of real numbers, or is masked.
    ValueError
        If a value is empty, or has more or fewer than two dimensions, or one that BLAS cannot count.
    """
    arrays = [real(value, name) for name, value in named.items()]
    for name, array in zip(named, arrays, strict=True):
        if array.ndim not in (0, 2):
            raise ValueError(f"{name} must have 2 dimensions, got shape {array.shape}")
        if 0 in array.shape:
            raise ValueError(f"{name} must not be empty, got shape {array.shape}")
        if max(array.shape, default=0) > _LIMIT:
            raise ValueError(
                f"{name} has shape {array.shape}, but no dimension may be over {_LIMIT}"
            )
    # a bare Python number does not take part in NumPy's promotion as an array does
    dtype = floating(
        *(
            value if isinstance(value, (bool, int, float)) else array.dtype
            for value, array in zip(named.values(), arrays, strict=True)
        )
    )
    return tuple(contiguous(array.reshape(1, 1) if not array.ndim else array, dtype) for array in arrays)


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
    return array


def floating(*types: Any) -> np.dtype[Any]:
    """NumPy's promotion of these types, kept within float32 and float64."""
    dtype = np.result_type(*types)
    if dtype.kind != "f":
        return np.dtype(np.float64)
    return np.dtype(np.float32) if dtype.itemsize < 4 else dtype.newbyteorder("=")


def contiguous(array: Array, dtype: np.dtype[Any]) -> Array:
    """Return the array itself if it is aligned, C- or F-contiguous and of this type, else a copy."""
    if array.dtype == dtype and array.flags.forc and array.flags.aligned:
        return array
    return np.array(array, dtype=dtype, order="K")


def ordered_like(array: Array, like: Array) -> Array:
    """Return the array in the memory order of another one."""
    return np.asarray(array, order="F" if like.flags.fnc else "C")


def number(value: object, name: str) -> float:
    """Take a value as one real number."""
    array = real(value, name)
    if array.ndim:
        raise TypeError(f"{name} must be a number, got an array of shape {array.shape}")
    return float(array)


def entry(mapping: Mapping[str, Any], key: str, name: str) -> Any:
    """Look an array up in a dict of parameters or gradients."""
    try:
        return mapping[key]
    except KeyError:
        raise ValueError(f"{name} has no {key!r}; it has {', '.join(map(str, mapping))}") from None
    except TypeError:
        raise TypeError(f"{name} must be a dict of arrays, got {type(mapping).__name__}") from None
