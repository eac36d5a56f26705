"""A user's data that lies elsewhere than in memory: what reads it a block of rows at a time."""

import operator
from collections.abc import Mapping
from typing import Any

import numpy as np

from fastdnn._arrays import FLOAT64, LIMIT, Array, integer, native, promoted, real
from fastdnn._fit.data import Data, finite, judged, kept_apart, targets, weights_of
from fastdnn._fit.model import Model
from fastdnn._fit.names import COSTS

# bytes of a block at most, and as many data whole; of more, a block is a share, since nothing is
# trained while the first one is read, but at least so large
BLOCK = 2**26
_SHARE, _LEAST = 16, 2**23
# bytes of a block that may be asked for
_MOST = 2**63 - 1
# what arrays in memory have, of whatever library, and tables and sparse matrices
_IN_MEMORY = ("__array_interface__", "__array_struct__", "__dlpack__", "to_numpy", "tocsr")
NAMES = ("X", "Y", "sample_weight")
_VALIDATION = ("validation_data[0]", "validation_data[1]", "validation_data[2]")


def lies_elsewhere(value: object) -> bool:
    """Whether a value has a shape, an element type and slices, but is no array in memory."""
    return (
        not isinstance(value, np.ndarray)
        and hasattr(value, "shape")
        and hasattr(value, "dtype")
        and hasattr(type(value), "__getitem__")
        and not any(hasattr(value, name) for name in _IN_MEMORY)
    )


def holds_blocks(value: Any) -> bool:
    """Whether a value is a sequence of blocks (X, Y), and of nothing that is one array."""
    if not _may_hold_blocks(value) or not len(value):
        return False
    first = value[0]
    return (
        isinstance(first, (tuple, list))
        and len(first) in (2, 3)
        and len(getattr(first[0], "shape", ())) == 2
    )


def taken(
    model: Model, X: Any, Y: Any, sample_weight: Any, block_bytes: int | None = None,
    names: tuple[str, str, str] = NAMES, halves: bool = False,
) -> "Data | Blocks":  # fmt: skip
    """Check a user's examples, targets and weights: at once, or each block when it is read.

    Blocks are made of what lies elsewhere than in memory, of any array if their size is given, and
    of a sequence of (X, Y), for which Y is None. Halves have half the size.
    """
    if block_bytes is not None:
        block_bytes = integer(block_bytes, "block_bytes", most=_MOST)
    if Y is None:
        given = Given(model, X, sample_weight, names)
        return given.read(0) if given.count == 1 else given
    if lies_elsewhere(X) or (block_bytes is not None and isinstance(X, np.ndarray)):
        return Rows(model, X, Y, sample_weight, block_bytes, names, halves)
    return kept_apart(model, judged(model, X, Y, sample_weight, names))


def validation_of(
    model: Model, given: Any, block_bytes: int | None = None
) -> "Data | Blocks | None":
    """Check validation data, if there is any."""
    if given is None:
        return None
    if not isinstance(given, (tuple, list)) or len(given) not in (2, 3):
        raise TypeError("validation_data must be (X, Y) or (X, Y, sample_weight)")
    X, Y, sample_weight = (*given, None)[:3]
    # two of these blocks lie beside one that the fit has read ahead
    data = taken(model, X, Y, sample_weight, block_bytes, _VALIDATION, halves=True)
    return data.cut() if isinstance(data, Blocks) else data


class Blocks:
    """Judged examples in blocks, each of which is read, and its values judged, when it is needed.

    Attributes
    ----------
    m : int
        Examples; the largest number of all where only reading tells.
    count : int
        Blocks.
    """

    m: int
    count: int

    def __len__(self) -> int:
        """Count the examples."""
        return self.m

    def cut(self, step: int = 1) -> "Data | Blocks":
        """Choose the blocks so that each holds whole steps of so many examples.

        The only block is read now, and is examples in memory.
        """
        raise NotImplementedError

    def read(self, i: int) -> Data:
        """Read a block."""
        raise NotImplementedError


class Rows(Blocks):
    """Blocks of rows of one X.

    Parameters
    ----------
    model : Model
    X : object
        Has a shape (m, n_0), a dtype and slices of rows.
    Y : object
        Has them too, and is sliced like X; or lies in memory, and is judged now. None for none.
    weights : array_like or None
    block_bytes : int or None
        Bytes of a block.
    names : tuple of str
        What errors call the three.
    halves : bool
        Whether blocks have half the size.
    """

    def __init__(
        self, model: Model, X: Any, Y: Any, weights: Any, block_bytes: int | None,
        names: tuple[str, str, str], halves: bool = False,
    ) -> None:  # fmt: skip
        n_0, n_L = model.layer_dims[0], model.layer_dims[-1]
        self._model, self._X, self._names = model, X, names
        shape = shape_of(X, names[0])
        if len(shape) != 2 or shape[1] != n_0:
            raise ValueError(f"{names[0]} must have shape (m, {n_0}), got {shape}")
        self.m, self.count = shape[0], 1
        self._dtype, bytes_ = _element(model, X, names[0])
        self._Y = self._T = self._labels = self._weights = None
        if lies_elsewhere(Y) or isinstance(Y, np.memmap):
            self._Y, self._columns = Y, _columns(model, Y, names[1], self.m)
            _element(model, Y, names[1])
        elif Y is not None:
            self._T, self._labels = targets(model, Y, names[1], self.m)
        if weights is not None:
            self._weights = weights_of(weights, names[2], self.m, model.dtype)
        row = n_0 * bytes_ + 8 * n_L
        if block_bytes is None:
            whole = self.m * row
            block_bytes = BLOCK if whole <= BLOCK else min(BLOCK, max(_LEAST, whole // _SHARE))
        self._most = min(LIMIT, max(1, block_bytes // (2 if halves else 1) // row))
        self._rows = self.m

    def cut(self, step: int = 1) -> "Data | Blocks":
        """Choose the blocks, and read an only one."""
        self.divide(step)
        return self.read(0) if self.count == 1 else self

    def divide(self, step: int = 1) -> None:
        """Choose the blocks, of whole steps."""
        if step >= self.m > self._most:
            raise ValueError(
                f"{self._names[0]} has {self.m} examples, of which a block holds {self._most}, but "
                "a step takes them all: give a batch_size, or larger block_bytes"
            )
        self._rows, self.count = cut_rows(self.m, self._most, step)

    def bounds(self, i: int) -> tuple[int, int]:
        """Say which row is a block's first, and which the next block's."""
        return i * self._rows, self.m if i == self.count - 1 else (i + 1) * self._rows

    def read(self, i: int) -> Data:
        """Read a block, into memory of its own."""
        model, (first, stop) = self._model, self.bounds(i)
        X = finite(model, self.examples(i), f"{self._names[0]}[{first}:{stop}]")
        T, labels, weights = (
            None if array is None else array[first:stop]
            for array in (self._T, self._labels, self._weights)
        )
        if self._Y is not None:
            name = f"{self._names[1]}[{first}:{stop}]"
            Y = rows_of(self._Y, first, stop, self._columns, name)
            T, labels = targets(model, Y, name, stop - first)
            T = None if T is None else _apart(T, self._Y)
        return kept_apart(model, Data(X, T, labels, weights))

    def examples(self, i: int) -> Array:
        """Read the examples of a block alone, which need not be finite."""
        first, stop = self.bounds(i)
        name = f"{self._names[0]}[{first}:{stop}]"
        X = rows_of(self._X, first, stop, (self._model.layer_dims[0],), name)
        return _apart(native(X, self._dtype, "C"), self._X)


class Given(Blocks):
    """The blocks of a sequence: its entries are (X, Y) or (X, Y, sample_weight)."""

    def __init__(
        self, model: Model, blocks: Any, weights: Any, names: tuple[str, str, str]
    ) -> None:
        if not _may_hold_blocks(blocks):
            raise TypeError(
                f"without {names[1]}, {names[0]} must be a sequence of blocks (X, Y), "
                f"got {type(blocks).__name__}"
            )
        if weights is not None:
            raise ValueError(
                f"{names[2]} must be None for a sequence of blocks, whose entries may be "
                "(X, Y, sample_weight)"
            )
        self._model, self._blocks, self._name = model, blocks, names[0]
        self.m, self.count = LIMIT, len(blocks)
        if not self.count:
            raise ValueError(f"{names[0]} must not be empty: it is a sequence of no blocks")

    def cut(self, step: int = 1) -> "Data | Blocks":
        """Take the blocks as they are: the last step of each may have fewer examples."""
        if step >= LIMIT:
            raise ValueError(
                f"{self._name} is a sequence of {self.count} blocks, but a step takes all "
                "examples: give a batch_size"
            )
        return self

    def read(self, i: int) -> Data:
        """Read a block."""
        X, Y, weights = (*self._entry(i), None)[:3]
        names = (f"{self._name}[{i}][0]", f"{self._name}[{i}][1]", f"{self._name}[{i}][2]")
        part = self.count > 1
        return kept_apart(self._model, judged(self._model, X, Y, weights, names, part))

    def examples(self, i: int) -> Any:
        """Read the examples of a block alone, which are not judged."""
        return self._entry(i)[0]

    def _entry(self, i: int) -> Any:
        entry = self._blocks[i]
        if not isinstance(entry, (tuple, list)) or len(entry) not in (2, 3):
            raise TypeError(
                f"{self._name}[{i}] must be (X, Y) or (X, Y, sample_weight), "
                f"got {type(entry).__name__}"
            )
        return entry


def shape_of(value: Any, name: str) -> tuple[int, ...]:
    """Judge the shape of what lies elsewhere, and return it."""
    try:
        shape = tuple(operator.index(n) for n in value.shape)
    except TypeError:
        raise ValueError(
            f"{name} must have a shape of whole numbers, got {value.shape!r}"
        ) from None
    if not all(n > 0 for n in shape):
        raise ValueError(f"{name} must not be empty, got shape {shape}")
    return shape


def cut_rows(m: int, most: int, step: int) -> tuple[int, int]:
    """Cut m rows into blocks of whole steps and about as many rows, at most so many.

    Returns
    -------
    rows, count : int
        Rows of each block but the last, which has the rest of a step too, and the blocks.
    """
    if m <= most:
        return m, 1
    steps = m // step
    count = -(-steps // max(1, most // step - 1))
    rows = -(-steps // count) * step
    return rows, -(-steps * step // rows)


def rows_of(value: Any, first: int, stop: int, columns: tuple[int, ...], name: str) -> Array:
    """Read rows, and judge whether they are what the shape promises."""
    part = value[first:stop]
    if hasattr(part, "__array__") and not isinstance(part, np.ndarray):
        # here, where an error of the user's stays what it is
        part = np.asanyarray(part)
    array = real(part, name)
    if array.shape != (stop - first, *columns):
        raise ValueError(f"{name} must have shape {(stop - first, *columns)}, got {array.shape}")
    return array


# ----------------------------------------------------------------------------------------- helpers


def _may_hold_blocks(value: Any) -> bool:
    kind = type(value)
    return (
        hasattr(kind, "__len__")
        and hasattr(kind, "__getitem__")
        and not isinstance(value, (np.ndarray, Mapping, str, bytes))
        and not hasattr(value, "shape")
    )


def _columns(model: Model, Y: Any, name: str, m: int) -> tuple[int, ...]:
    """Judge the shape of targets, and return it without the rows."""
    n_L, shape = model.layer_dims[-1], shape_of(Y, name)
    flat = n_L == 1 or COSTS[model.output][model.cost].classes
    fitting = [(m, n_L), *([(m,), (m, 1)] if flat else [])]
    if shape not in fitting:
        expected = " or ".join(map(str, dict.fromkeys(fitting)))
        raise ValueError(f"{name} must have shape {expected}, got {shape}")
    return shape[1:]


def _element(model: Model, value: Any, name: str) -> tuple[np.dtype[Any], int]:
    """Choose the type in which the engine reads what is sliced, and count an element's bytes."""
    try:
        given = np.dtype(value.dtype)
    except TypeError:  # another library's, of which a slice will tell
        given = FLOAT64
    if given.kind not in "biuf" or given.itemsize > 8:
        raise TypeError(
            f"{name} must be an array of real numbers of at most 64 bits, "
            f"got {type(value).__name__} with element type {given}"
        )
    dtype = promoted(np.empty(0, given))
    if given.kind in "biu" and given.itemsize <= 2:
        dtype = model.dtype  # exact in both
    # while a block is converted, it lies there twice
    return dtype, dtype.itemsize + (0 if given == dtype else given.itemsize)


def _apart(part: Array, source: Any) -> Array:
    """Copy a part of an array, which else would be read from a disk only when it is needed."""
    within = isinstance(source, np.ndarray) and np.may_share_memory(part, source)
    return part.copy() if within else part
