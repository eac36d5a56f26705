"""The door: the only place that checks or copies an array.

Each function takes what a user gave and returns what the kernels read: native, aligned, contiguous
arrays of one element type, float32 or float64, whose shapes fit each other. What fits already is
returned as it is, and nothing is ever written to. The element type is NumPy's promotion of all
arguments, except that an integer or boolean result becomes float64 and float16 becomes float32.
`native` alone judges whether the kernels can read an array's memory.

Every function raises TypeError if an argument is masked or no array of real numbers (complex,
float128 and text are refused), and ValueError if an argument is empty, has a wrong number of
dimensions or a dimension that BLAS cannot count, or if the shapes do not fit.
"""

import operator
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from numbers import Real
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]

FLOAT32 = np.dtype(np.float32)
FLOAT64 = np.dtype(np.float64)

# the largest dimension that a BLAS with 32-bit sizes can count, and weights that fill all addresses
LIMIT = 2**31 - 1
COUNTABLE = 2**60
_LEAVES = (float, int, str, bytes, bytearray, memoryview, range, np.ndarray)
_DEPTH = 64  # dimensions that NumPy's arrays may have
_LINE = 64  # bytes


def real(value: object, name: str) -> Array:
    """Take a value as an array of real numbers, of any shape and element type."""
    masked = _masked(value, name)
    try:
        # another object's __array__ can return a masked array
        array: Array = np.zeros(1) if masked else np.asanyarray(value)
    except ValueError as error:
        raise ValueError(f"{name} must be an array of real numbers: {error}") from None
    if masked or isinstance(array, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array: fill it or drop what it masks first")
    array = np.asarray(array)
    if array.dtype.kind == "O":
        array = _unpacked(value, array, name)
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise TypeError(
            f"{name} must be an array of real numbers of at most 64 bits, "
            f"got {type(value).__name__} with element type {array.dtype}"
        )
    if array.size == 0:
        raise ValueError(f"{name} must not be empty, got shape {array.shape}")
    if max(array.shape, default=0) > LIMIT:
        raise ValueError(f"{name} has shape {array.shape}, but no dimension may be over {LIMIT}")
    return array


def native(
    array: Array, dtype: np.dtype[Any], order: Literal["C", "K"] = "K", strided: bool = False
) -> Array:
    """Take an array as one of this very type: aligned and contiguous, or in any whole strides.

    Equal types can have different buffer formats, where one has an explicit byte order or another
    name. Such an array gets a view of the plain type; an array that differs by more is copied.
    """
    if array.dtype is not dtype and array.dtype == dtype:
        array = array.view(dtype)
    if array.dtype is dtype and array.flags.aligned:
        if strided:
            fits = not any(stride % array.itemsize for stride in array.strides)
        else:
            fits = array.flags.c_contiguous or (order == "K" and array.flags.f_contiguous)
        if fits:
            return array
    return np.array(array, dtype=dtype, order=order)


def readable(array: Array) -> Array:
    """Take an array of numbers as one of float32 or float64, of whole strides."""
    return native(array, promoted(array), strided=True)


def owned(value: Any) -> Any:
    """Copy the arrays in dicts and tuples, as native and C-contiguous ones, and leave the rest."""
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError("a state must hold no masked array: fill it or drop what it masks first")
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return np.array(value, value.dtype.type, order="C").view(value.dtype.type)
    if isinstance(value, dict):
        return {key: owned(entry) for key, entry in value.items()}
    return tuple(map(owned, value)) if isinstance(value, tuple) else value


def computed(door: Callable[..., Any], *arguments: Any) -> Any:
    """Call a door with converted arguments, which it has no reason to refuse.

    Raises
    ------
    RuntimeError
        If the door refuses them all the same.
    """
    results = door(*arguments)
    if results is None:
        arrays = [array for array in arguments if isinstance(array, np.ndarray)]
        seen = ", ".join(f"{array.dtype!r} {array.shape} {array.strides}" for array in arrays)
        raise RuntimeError(
            f"{door.__name__} cannot read what was converted for it ({seen}): "
            "this is a bug in fastdnn, please report it"
        )
    return results


def number(value: object, name: str) -> float:
    """Take a value as one real number."""
    if value.__class__ is float:
        return value
    if isinstance(value, int) and abs(value) > sys.float_info.max:
        raise ValueError(f"{name} must be finite, got an integer of {value.bit_length()} bits")
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name} must be a number, got a masked array: {value!r}")
    try:
        array = real(value, name)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, got {value!r}") from None
    if array.ndim and not (array.size == 1 and isinstance(value, np.ndarray)):
        raise TypeError(f"{name} must be a number, got an array of shape {array.shape}")
    return float(array.item())


def integer(value: Any, name: str, least: int = 1, most: int = LIMIT) -> int:
    """Take a value as a whole number."""
    try:
        whole = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {value!r}") from None
    if whole < least:
        raise ValueError(f"{name} must be at least {least}, got {whole}")
    if whole > most:
        raise ValueError(f"{name} must be at most {most}, got {whole}")
    return whole


def in_range(
    value: object,
    name: str,
    *,
    least: float = 0,
    above: float | None = None,
    below: float = np.inf,
) -> float:
    """Take a value as a number, at least or above a bound, and below another."""
    checked = value if value.__class__ is float else number(value, name)
    if not (checked < below and (checked >= least if above is None else checked > above)):
        bound = f"at least {least}" if above is None else f"above {above}"
        most = "finite" if below == np.inf else f"below {below}"
        raise ValueError(f"{name} must be {bound} and {most}, got {checked}")
    return checked


def flag(value: object, name: str) -> bool:
    """Take a value that says yes or no."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def elements(**named: object) -> tuple[Array, ...]:
    """Take arrays of any one shape, in the memory order of the last one."""
    arrays = [real(value, name) for name, value in named.items()]
    for name, array in zip(named, arrays, strict=True):
        if array.shape != arrays[0].shape:
            first = next(iter(named))
            raise ValueError(f"{name} has shape {array.shape}, but {first} {arrays[0].shape}")
        _check_size(array, name)
    return _one_order(*_one_type(arrays, _promoted(named.values(), arrays)))


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
    dtype = _promoted(named.values(), arrays)
    return _one_type([a if a.ndim else a.reshape(1, 1) for a in arrays], dtype)


def layer_arrays(
    A: object, W: object, b: object, names: tuple[str, str, str]
) -> tuple[Array, Array, Array]:
    """Take a layer's input A (n_prev, m), its weights W (n, n_prev) and biases b (n, 1) or ().

    A flat b of several elements is refused: NumPy would add it to the columns, as no bias is.
    """
    flat = real(b, names[2])
    if flat.shape == (1,):
        b = flat.reshape(1, 1)
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
    dA: object, Z: object, A_prev: object, W: object, names: tuple[str, str, str, str]
) -> tuple[Array, Array, Array, Array]:
    """Take what a layer's gradients need: dA, Z (n, m), A_prev (n_prev, m), W (n, n_prev)."""
    dA, Z, A_prev, W = matrices(**dict(zip(names, (dA, Z, A_prev, W), strict=True)))
    n, n_prev = W.shape
    if A_prev.shape[0] != n_prev or {dA.shape, Z.shape} != {(n, A_prev.shape[1])}:
        raise ValueError(
            f"{names[0]} has shape {dA.shape}, {names[1]} {Z.shape}, {names[2]} {A_prev.shape} "
            f"and {names[3]} {W.shape}: expected (n, m), (n, m), (n_prev, m) and (n, n_prev)"
        )
    dA, Z = _one_order(dA, Z)
    return dA, Z, A_prev, W


def output_arrays(AL: object, Y: object) -> tuple[Array, Array]:
    """Take predictions (n_L, m) and their labels, which may be flat if n_L is 1, or a list."""
    predictions, labels = real(AL, "AL"), real(Y, "Y")
    if predictions.ndim != 2:
        raise ValueError(f"AL must have 2 dimensions, got shape {predictions.shape}")
    if labels.shape != predictions.shape:
        if labels.size != predictions.size:
            raise ValueError(
                f"Y has shape {labels.shape}, but AL {predictions.shape}: the sizes must match"
            )
        if 1 not in predictions.shape:
            raise ValueError(f"Y has shape {labels.shape}, but AL {predictions.shape}")
        labels = labels.reshape(predictions.shape)
    arrays = [labels, predictions]
    labels, predictions = _one_order(*_one_type(arrays, _promoted((Y, AL), arrays)))
    return predictions, labels


def label_row(value: object, m: int, name: str) -> Array:
    """Take one label or prediction for each of the m columns of X, in a row."""
    array = real(value, name)
    if array.size != m:
        raise ValueError(f"{name} has shape {array.shape}, but X has {m} columns: sizes must match")
    return array.reshape(1, m)


def label_matrix(value: object, m: int, name: str) -> Array:
    """Take labels (C, m) of the m columns of X, or m labels of any shape in a row."""
    array = real(value, name)
    if array.size == m:
        return array.reshape(1, m)
    if array.ndim != 2 or array.shape[1] != m:
        raise ValueError(
            f"{name} has shape {array.shape}, but X has {m} columns: {name} must have as many"
        )
    return array


def examples(value: object, name: str, n_0: int) -> Array:
    """Take a matrix with one example a row, float32 or float64 of any strides."""
    array = real(value, name)
    if array.ndim != 2 or array.shape[1] != n_0:
        raise ValueError(f"{name} must have shape (m, {n_0}), got {array.shape}")
    return readable(array)


def broadcast(P: object, dP: object, name: str) -> tuple[Array, Array]:
    """Take a parameter and its gradient, broadcast to one shape by NumPy's rules."""
    arrays = [real(P, name), real(dP, f"d{name}")]
    dtype = _promoted((P, dP), arrays)
    if arrays[0].shape != arrays[1].shape:
        try:
            arrays = [np.array(array) for array in np.broadcast_arrays(*arrays)]
        except ValueError:
            raise ValueError(
                f"d{name} has shape {arrays[1].shape}, but {name} {arrays[0].shape}"
            ) from None
    _check_size(arrays[0], name)
    dP, P = _one_order(*_one_type(arrays[::-1], dtype))
    return P, dP


def descended(key: str, P: object, dP: object, **moments: object) -> tuple[Array, ...]:
    """Take a parameter, its gradient and its moments, which must have the shape of one of both."""
    arrays = [real(P, key), real(dP, f"d{key}")]
    shapes = {array.shape for array in arrays}
    for name, moment in moments.items():
        arrays.append(real(moment, f"{name}['d{key}']"))
        if arrays[-1].shape not in shapes:
            raise ValueError(
                f"{name}['d{key}'] has shape {arrays[-1].shape}, but {key} {arrays[0].shape}"
            )
    dtype = _promoted((P, dP, *moments.values()), arrays)
    P, dP = broadcast(arrays[0], arrays[1], key)
    arrays = [dP, *(np.array(np.broadcast_to(array, P.shape)) for array in arrays[2:]), P]
    *rest, P = _one_order(*_one_type(arrays, dtype))
    return P, *rest


def promoted(array: Array) -> np.dtype[Any]:
    """Choose the element type that the kernels make of an array's."""
    return _promoted((array,), (array,))


def entry(mapping: Mapping[str, Any], key: str, name: str) -> Any:
    """Look an array up in a dict of parameters or gradients."""
    try:
        return mapping[key]
    except KeyError:
        keys = ", ".join(map(str, mapping)) or "nothing"
        raise ValueError(f"{name} has no {key!r}, only {keys}") from None
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


def all_names(
    parameters: Mapping[str, Any], name: str
) -> tuple[tuple[str, str, str, str, str], ...]:
    """Name what belongs to each layer of a dict of parameters that lacks none."""
    L = depth(parameters, name)
    for key in layer_names(L + 1)[-1][:2]:
        if key in parameters:
            raise ValueError(f"{name} has {key!r}, but not two arrays for each layer")
    return layer_names(L)


def arena(size: int, dtype: Any, values: ArrayLike = 0.0) -> Array:
    """Make an array that begins a cache line: a vector that lies across two lines costs twice.

    Its type is native, whatever byte order the given type names.
    """
    memory = np.empty(size * np.dtype(dtype).itemsize + _LINE, np.uint8)
    first = -memory.ctypes.data % _LINE
    array: Array = memory[first : len(memory) - _LINE + first].view(np.dtype(dtype).type)
    array[:] = values
    return array


def as_arena(array: Array | None, dtype: Any = None) -> Array | None:
    """Copy an array into an arena of its own type or the given one; None stays None."""
    if array is None:
        return None
    return arena(array.size, array.dtype if dtype is None else dtype, array)


@lru_cache
def layer_names(L: int) -> tuple[tuple[str, str, str, str, str], ...]:
    """Name W, b, dW, db and dA_prev of each of L layers.

    Strings made once, whose hashes are known, cost a small network less than new ones a call.
    """
    return tuple((f"W{l}", f"b{l}", f"dW{l}", f"db{l}", f"dA{l - 1}") for l in range(1, L + 1))


def _masked(value: object, name: str, above: tuple[int, ...] = ()) -> bool:
    """Whether a value is a masked array or holds one, as nested lists do; they must end."""
    if isinstance(value, _LEAVES) or not isinstance(value, Sequence):
        return isinstance(value, np.ma.MaskedArray)
    if id(value) in above:
        raise ValueError(f"{name} is a {type(value).__name__} that contains itself")
    if len(above) > _DEPTH:
        raise ValueError(f"{name} is nested over {_DEPTH} deep")
    above = (*above, id(value))
    return any(_masked(item, name, above) for item in value)


def _unpacked(value: Any, array: Array, name: str) -> Array:
    """Take an array of objects, or a table whose columns have several types, as float64."""
    types = getattr(value, "dtypes", None)
    if hasattr(value, "to_numpy") and types is not None:
        kinds = {dtype.kind for dtype in (types if hasattr(types, "__iter__") else (types,))}
        if kinds <= set("biuf"):
            # columns of booleans beside columns of numbers, or nullable columns
            table: Array = value.to_numpy(dtype=np.float64, na_value=np.nan)
            return table
    for kind in set(map(type, array.flat)):
        if not issubclass(kind, (Real, np.bool_)):
            raise TypeError(
                f"{name} must be an array of real numbers, but holds objects of type "
                f"{kind.__name__}"
            )
    try:
        return array.astype(np.float64)
    except OverflowError:
        raise ValueError(f"{name} holds a number that is too large for float64") from None


def _check_size(array: Array, name: str) -> None:
    # as_matrix makes a single row of such an array
    if array.ndim != 2 and array.size > LIMIT:
        raise ValueError(f"{name} has shape {array.shape}: over {LIMIT} elements need 2 dimensions")


def _promoted(values: Iterable[object], arrays: Sequence[Array]) -> np.dtype[Any]:
    """Choose the element type by NumPy's rules, in which a Python number has no say."""
    typed = [
        array
        for value, array in zip(values, arrays, strict=True)
        if type(value) not in (bool, int, float)
    ]
    dtype = np.result_type(*(typed or arrays))
    return FLOAT32 if dtype.kind == "f" and dtype.itemsize <= 4 else FLOAT64


def _one_type(arrays: Sequence[Array], dtype: np.dtype[Any]) -> tuple[Array, ...]:
    return tuple(native(array, dtype) for array in arrays)


def _one_order(*arrays: Array) -> tuple[Array, ...]:
    """Bring contiguous arrays into the memory order of the last one."""
    as_ordered = np.asfortranarray if arrays[-1].flags.fnc else np.ascontiguousarray
    # NumPy would make a 0-d array 1-d
    return tuple(as_ordered(array) if array.ndim else array for array in arrays)
