# The search for elements of a user's matrix that are not finite.

cdef Py_ssize_t first_nonfinite_row(const Source *X, bint single) noexcept nogil:
    # the first row with an element that is not finite, or will not be in float32; or -1
    if X.csr.starts != NULL:
        if X.type == b'f':
            return _first_nonfinite_of(X, False, <const float *> X.csr.values)
        return _first_nonfinite_of(X, single, <const double *> X.csr.values)
    if X.type == b'f':
        return _first_nonfinite(X, False, <const float *> X.data)
    return _first_nonfinite(X, single, <const double *> X.data)


cdef Py_ssize_t _first_nonfinite_of(
    const Source *X, bint single, const floating *values,
) noexcept nogil:
    # the same of a sparse matrix
    cdef:
        Py_ssize_t i
        Source row
    if not single and all_finite(<Py_ssize_t> X.csr.starts[X.rows], values):
        return -1
    row.col = 1
    for i in range(X.rows):
        row.cols = <Py_ssize_t> (X.csr.starts[i + 1] - X.csr.starts[i])
        if not _row_is_finite(&row, single, values + X.csr.starts[i]):
            return i
    return -1


cdef Py_ssize_t _first_nonfinite(
    const Source *X, bint single, const floating *data,
) noexcept nogil:
    cdef:
        Py_ssize_t i, j, found = X.rows
        floating x
        float y
    if X.col == 1 and not single:
        for i in range(X.rows):
            if not all_finite(X.cols, data + i * X.row):
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


cdef bint _row_is_finite(const Source *X, bint single, const floating *x) noexcept nogil:
    cdef:
        Py_ssize_t j
        float y
    for j in range(X.cols):
        y = <float> x[j * X.col]
        if x[j * X.col] - x[j * X.col] != 0 or (single and y - y != 0):
            return False
    return True
