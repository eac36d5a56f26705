# Targets as a door takes them from an array of another type, and class indices.

from cython cimport floating
from libc.stdint cimport int64_t, uint64_t


cdef inline bint are_indices(Py_ssize_t size, const int64_t *labels, Py_ssize_t n_L) noexcept:
    cdef:
        Py_ssize_t i
        uint64_t most = 0
    for i in range(size):
        most = max(most, <uint64_t> labels[i])
    return most < <uint64_t> n_L


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
