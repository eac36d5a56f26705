"""A sparse matrix as the engine reads it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Csr:
    """A matrix (m, n) of float32 or float64 by its nonzeros, in every row by rising columns.

    Attributes
    ----------
    indptr : ndarray (m + 1) of int64
        Each row's first nonzero, and the end of the last row's.
    indices : ndarray of int32
        Their columns.
    data : ndarray
        Their values.
    shape : tuple of two int
    """

    __slots__ = ("data", "indices", "indptr", "shape")

    indptr: Array
    indices: Array
    data: Array
    shape: tuple[int, int]

    def __init__(self, indptr: Array, indices: Array, data: Array, shape: tuple[int, int]) -> None:
        self.indptr, self.indices, self.data, self.shape = indptr, indices, data, shape
        indptr.flags.writeable = indices.flags.writeable = False

    def __len__(self) -> int:
        """Count the rows."""
        return self.shape[0]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Element type."""
        return self.data.dtype

    @property
    def per_row(self) -> float:
        """Return the mean number of nonzeros a row."""
        return len(self.indices) / len(self)

    def __getitem__(self, rows: Array) -> "Csr":
        """Copy some rows, by their indices."""
        counts = np.diff(self.indptr)[rows]
        indptr = np.concatenate(([0], np.cumsum(counts)))
        at = np.repeat(self.indptr[rows] - indptr[:-1], counts) + np.arange(indptr[-1])
        return Csr(indptr, self.indices[at], self.data[at], (len(rows), self.shape[1]))

    def astype(self, dtype: Any) -> "Csr":
        """Convert the values."""
        if self.dtype == dtype:
            return self
        with np.errstate(over="ignore"):
            return Csr(self.indptr, self.indices, self.data.astype(dtype), self.shape)
