# Targets as a door takes them from an array of another type, and class indices.

from cpython.buffer cimport Py_buffer, PyBuffer_IsContiguous, PyBuffer_Release
from cython cimport floating
from libc.stdint cimport int64_t, uint64_t

from fastdnn._core.memory cimport look


cdef inline bint are_indices(Py_ssize_t size, const int64_t *labels, Py_ssize_t n_L) noexcept:
    cdef:
        Py_ssize_t i
        uint64_t most = 0
    for i in range(size):
        most = max(most, <uint64_t> labels[i])
    return most < <uint64_t> n_L


cdef inline char look_at_targets(
    object Y, Py_ssize_t m, Py_ssize_t cols, void **at,
) except? -1:
    # the element type of an array of targets (m, cols) that lie row after row, and where; else 0
    cdef:
        Py_buffer buffer
        char kind = look(Y, &buffer)
        bint fits
    if kind == 0:
        return 0
    fits = (kind in b"fdq?" and PyBuffer_IsContiguous(&buffer, b'C') and buffer.shape[0] == m
            and (buffer.ndim == 2 and buffer.shape[1] == cols or buffer.ndim == 1 == cols))
    at[0] = buffer.buf
    PyBuffer_Release(&buffer)
    return kind if fits else 0


ctypedef fused number:
    float
    double
    int64_t
    unsigned char


cdef inline bint take_targets(
    Py_ssize_t size, char type, const void *Y, double least, double most, floating *T,
) noexcept:
    # T := Y, where they are not the same; whether all are finite and from least to most
    cdef:
        Py_ssize_t i
        bint fits = True
    if type == b'f':
        _convert(size, <const float *> Y, T)
    elif type == b'd':
        _convert(size, <const double *> Y, T)
    elif type == b'q':
        _convert(size, <const int64_t *> Y, T)
    else:
        _convert(size, <const unsigned char *> Y, T)
    for i in range(size):
        fits &= least <= T[i] <= most and T[i] - T[i] == 0
    return fits


cdef inline void _convert(Py_ssize_t size, const number *Y, floating *T) noexcept:
    cdef Py_ssize_t i
    if <const void *> Y != <const void *> T:
        for i in range(size):
            T[i] = <floating> Y[i]
