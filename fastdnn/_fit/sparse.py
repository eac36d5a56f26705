"""The door for sparse matrices, SciPy's or others that convert to CSR: each row's nonzeros.

The indices decide addresses. They are copied and then checked, since a callback may write to the
matrix during a fit. The values are read in place.
"""

from typing import Any

import numpy as np

from fastdnn._arrays import Array, examples, integer, real
from fastdnn._core.csr import Csr as Csr


def is_sparse(value: object) -> bool:
    """Whether a value is a sparse matrix or array, of SciPy or like it."""
    return hasattr(value, "tocsr")


def rows(value: Any, name: str, n_0: int) -> Array | Csr:
    """Take a matrix with one example a row, an array (see `examples`) or a sparse one."""
    return csr(value, name, n_0) if is_sparse(value) else examples(value, name, n_0)


def csr(value: Any, name: str, n_0: int) -> Csr:
    """Take a sparse matrix with n_0 columns; what is not CSR is converted once.

    Raises
    ------
    TypeError
        If it holds no real numbers.
    ValueError
        If it is empty, has another number of columns or too many rows, or does not fit together.
    """
    shape = tuple(int(n) for n in value.shape)
    if len(shape) != 2 or shape[1] != n_0:
        raise ValueError(f"{name} must have shape (m, {n_0}), got {shape}")
    integer(shape[0], f"the number of rows of {name}")
    value = as_csr(value, name)
    indptr, indices, data = _parts(value, name, shape)
    if not _rises(indptr, indices):
        # in a copy, as sum_duplicates sorts and sums in place
        value = type(value)((data.copy(), indices, indptr), shape=shape, copy=True)
        value.sum_duplicates()
        indptr, indices, data = _parts(value, name, shape)
    return Csr(indptr, indices, data, (shape[0], shape[1]))


def as_csr(value: Any, name: str = "X") -> Any:
    """Convert a sparse matrix of another kind; indices that SciPy trusts are checked before."""
    kind = getattr(value, "format", None)
    if kind == "csr" or not is_sparse(value):
        return value
    if hasattr(value, "check_format"):
        value.check_format(full_check=True)
    elif kind == "lil":
        for i, (columns, values) in enumerate(zip(value.rows, value.data, strict=True)):
            if len(columns) != len(values):
                raise ValueError(
                    f"{name} has {len(columns)} columns, but {len(values)} values in row {i}"
                )
    elif kind == "coo":
        # copied first, so that nothing changes between the check and the conversion
        value = value.copy()
        for i, (part, size) in enumerate(zip((value.row, value.col), value.shape, strict=True)):
            if len(part) != len(value.data):
                raise ValueError(f"{name} has {len(part)} indices for {len(value.data)} values")
            if len(part) and not 0 <= part.min() <= part.max() < size:
                what = ("row", "column")[i]
                raise ValueError(f"{name} has shape {value.shape}, but names {what} {part.max()}")
    return value.tocsr()


def _parts(value: Any, name: str, shape: tuple[int, ...]) -> tuple[Array, Array, Array]:
    """Check that the parts of CSR fit together; the indices are copies, the values are not."""
    # copied before the check, so that nothing changes after it
    indptr = _whole(value.indptr, f"{name}.indptr").astype(np.int64, copy=False)
    indices = _whole(value.indices, f"{name}.indices")
    size = int(indptr[-1]) if indptr.shape == (shape[0] + 1,) else -1
    if not (
        0 <= size <= min(len(indices), len(value.data))
        and indptr[0] == 0
        and (indptr[1:] >= indptr[:-1]).all()
    ):
        raise ValueError(
            f"{name}.indptr must rise from 0 to the number of nonzeros in {shape[0]} steps"
        )
    indices = indices[:size]
    if size and not (indices.min() >= 0 and indices.max() < shape[1]):
        wrong = int(((indices < 0) | (indices >= shape[1])).argmax())
        raise ValueError(
            f"{name} has {shape[1]} columns, but row {np.searchsorted(indptr, wrong, 'right') - 1} "
            f"names column {indices[wrong]}"
        )
    return indptr, indices.astype(np.int32, copy=False), _values(value.data, name)[:size]


def _whole(part: Any, name: str) -> Array:
    """Copy an array of whole numbers."""
    array = real(part, name) if len(part) else np.zeros(0, np.int32)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must hold whole numbers, got element type {array.dtype}")
    return np.array(array.ravel(), copy=True)


def _values(data: Any, name: str) -> Array:
    if len(data) == 0:
        return np.zeros(0, np.float32 if np.asarray(data).dtype == np.float32 else np.float64)
    return np.ascontiguousarray(examples(np.reshape(data, (-1, 1)), name, 1)[:, 0])


def _rises(indptr: Array, indices: Array) -> bool:
    """Whether the columns rise in each row."""
    rising = indices[1:] > indices[:-1]
    first = indptr[1:-1]
    rising[first[(first > 0) & (first < len(indices))] - 1] = True
    return bool(rising.all())
