# The user's matrices, of either element type: of any strides, or sparse.

from cython cimport floating
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memcpy, memset


cdef struct Nonzeros:
    # a matrix's nonzeros, row by row: those of row i are starts[i] .. starts[i + 1]
    const int64_t *starts
    const int32_t *indices  # their columns
    const void *values


cdef struct Source:
    # a matrix of any strides, counted in elements; a sparse one if it has starts
    char type  # b'f' float32, b'd' float64
    Py_ssize_t rows
    Py_ssize_t cols
    Py_ssize_t row
    Py_ssize_t col
    const void *data
    Nonzeros csr


ctypedef fused source:
    float
    double


cdef inline void gather(
    Py_ssize_t rows, Py_ssize_t first, const int64_t *order, const Source *X, floating *out,
) noexcept nogil:
    # out := the rows order[first:first + rows] of X, or first .. first + rows
    if X.csr.starts != NULL:
        _gather_dense(rows, first, order, X, out)
    elif X.type == b'f':
        _gather_from(rows, first, order, X, <const float *> X.data, out)
    else:
        _gather_from(rows, first, order, X, <const double *> X.data, out)


cdef inline void _gather_from(
    Py_ssize_t rows, Py_ssize_t first, const int64_t *order, const Source *X,
    const source *data, floating *out,
) noexcept nogil:
    cdef:
        Py_ssize_t i, j, at, cols = X.cols
        const source *x
    for i in range(rows):
        at = first + i
        if order != NULL:
            at = <Py_ssize_t> order[at]
        x = data + at * X.row
        if X.col == 1 and sizeof(source) == sizeof(floating):
            memcpy(out, x, cols * sizeof(floating))
        elif X.col == 1:
            for j in range(cols):
                out[j] = <floating> x[j]
        else:
            for j in range(cols):
                out[j] = <floating> x[j * X.col]
        out += cols


cdef inline void _gather_dense(
    Py_ssize_t rows, Py_ssize_t first, const int64_t *order, const Source *X, floating *out,
) noexcept nogil:
    # of a sparse matrix, of the type of out
    cdef:
        Py_ssize_t i, at
        int64_t k
        const floating *values = <const floating *> X.csr.values
    memset(out, 0, rows * X.cols * sizeof(floating))
    for i in range(rows):
        at = first + i if order == NULL else <Py_ssize_t> order[first + i]
        for k in range(X.csr.starts[at], X.csr.starts[at + 1]):
            out[X.csr.indices[k]] = values[k]
        out += X.cols


cdef inline void gather_nonzeros(
    Py_ssize_t to, Py_ssize_t rows, Py_ssize_t first, const int64_t *order, const Source *X,
    const int64_t *starts, int32_t *indices, floating *values,
) noexcept nogil:
    # the rows to .. to + rows of a batch, whose starts are known; its first row is first in the
    # order, or in X itself
    cdef:
        Py_ssize_t i, at, size
        int64_t k
    for i in range(to, to + rows):
        at = first + i if order == NULL else <Py_ssize_t> order[first + i]
        k, size = X.csr.starts[at], <Py_ssize_t> (starts[i + 1] - starts[i])
        memcpy(indices + starts[i], X.csr.indices + k, size * sizeof(int32_t))
        memcpy(values + starts[i], <const floating *> X.csr.values + k, size * sizeof(floating))


cdef inline void transpose(
    Py_ssize_t rows, const Nonzeros *X, Py_ssize_t first, Py_ssize_t stop,
    int64_t *starts, int32_t *indices, floating *values,
) noexcept nogil:
    # The columns first .. stop of so many rows, as rows: a counting sort. The starts, two more than
    # there are columns, the last of no use, count from the first nonzero of all columns.
    cdef:
        Py_ssize_t i, j
        int64_t k, at, before = 0, begin = X.starts[0]
        const floating *x = <const floating *> X.values
    memset(starts, 0, (stop - first + 2) * sizeof(int64_t))
    for k in range(begin, X.starts[rows]):
        j = X.indices[k]
        if j < first:
            before += 1
        elif j < stop:
            starts[j - first + 2] += 1
    starts[0] = starts[1] = before
    for j in range(2, stop - first + 2):
        starts[j] += starts[j - 1]
    # starts[j + 1] is where the next of column j goes, and in the end where those of j + 1 begin
    for i in range(rows):
        for k in range(X.starts[i], X.starts[i + 1]):
            j = X.indices[k]
            if first <= j < stop:
                at = starts[j - first + 1]
                starts[j - first + 1] = at + 1
                indices[at] = <int32_t> i
                values[at] = x[k]
