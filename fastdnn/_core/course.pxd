# One layer's mathematics, without the Python line: no checks, no allocation, no objects.
#
# Column notation, as in the course: one example a column. m examples, n units, n_prev units one
# layer back; trans_X says that the memory at X holds X^T, row-major.

from cython cimport floating

from fastdnn._core.levels cimport Activation


cdef void linear_activation_forward(
    Activation act, Py_ssize_t n, Py_ssize_t n_prev, Py_ssize_t m,
    bint trans_A_prev, const floating *A_prev, bint trans_W, const floating *W, const floating *b,
    bint trans_A, floating *Z, floating *A,
) noexcept nogil

cdef void linear_activation_backward(
    Activation act, Py_ssize_t n, Py_ssize_t n_prev, Py_ssize_t m,
    bint trans_dA, const floating *dA, const floating *Z, floating *dZ,
    bint trans_A_prev, const floating *A_prev, bint trans_W, const floating *W,
    bint trans_dA_prev, floating *dA_prev, bint trans_dW, floating *dW, floating *db,
) noexcept nogil
