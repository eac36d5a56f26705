# The user's matrices, of either element type and any strides.

from cython cimport floating
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from fastdnn cimport _loops


cdef struct Source:
    # a matrix of any strides, counted in elements
    char type  # b'f' float32, b'd' float64
    Py_ssize_t rows
    Py_ssize_t cols
    Py_ssize_t row
    Py_ssize_t col
    const void *data


ctypedef fused source:
    float
    double


cdef inline void gather(
    Py_ssize_t rows, Py_ssize_t first, const int64_t *order, const Source *X, floating *out,
) noexcept nogil:
    # out := the rows order[first:first + rows] of X, or first .. first + rows
    if X.type == b'f':
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


cdef inline Py_ssize_t first_nonfinite_row(const Source *X, bint single) noexcept nogil:
    # the first row with an element that is not finite, or will not be in float32; or -1
    if X.type == b'f':
        return _first_nonfinite(X, False, <const float *> X.data)
    return _first_nonfinite(X, single, <const double *> X.data)


cdef inline Py_ssize_t _first_nonfinite(
    const Source *X, bint single, const floating *data,
) noexcept nogil:
    cdef:
        Py_ssize_t i, j, found = X.rows
        floating x
        float y
    if X.col == 1 and not single:
        for i in range(X.rows):
            if not _loops.all_finite(X.cols, data + i * X.row):
                return i
        return -1
    # column by column where that is how the memory lies
    for j in range(X.cols if X.row < X.col else 1):
        for i in range(found):
            if X.row < X.col:
                x = data[i * X.row + j * X.col]
                y = <float> x
                if x - x != 0 or (single and y - y != 0):
                    found = i
                    break
            elif not _row_is_finite(X, single, data + i * X.row):
                return i
    return -1 if found == X.rows else found


cdef inline bint _row_is_finite(const Source *X, bint single, const floating *x) noexcept nogil:
    cdef:
        Py_ssize_t j
        float y
    for j in range(X.cols):
        y = <float> x[j * X.col]
        if x[j * X.col] - x[j * X.col] != 0 or (single and y - y != 0):
            return False
    return True
