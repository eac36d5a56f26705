# The matrix products of a training step and nothing else: what the benchmark measures against.

from cython cimport floating

import numpy

from fastdnn._blas cimport blas_int, gemm


def products(layer_dims, Py_ssize_t m, dtype, Py_ssize_t steps, bint backward=True):
    """Run the products of so many steps, in the forms that a careful person writes first.

    The forward product with W stored (n, n_prev), the gradients of W and, but for the first layer,
    of the input.

    Parameters
    ----------
    layer_dims : sequence of int
        Units of each layer, the input's features first.
    m : int
        Examples of a step.
    dtype : {float32, float64}
        Element type.
    steps : int
        How many steps.
    backward : bool
        Whether to run those of the gradients.
    """
    cdef:
        Py_ssize_t widest = max(layer_dims)
        Py_ssize_t[::1] dims = numpy.array(layer_dims, numpy.intp)
        Py_ssize_t heaviest = max(a * b for a, b in zip(layer_dims, layer_dims[1:]))
        float[::1] f
        double[::1] d
    # one more row of activations than the widest, so that no two arrays share a page's start
    memory = numpy.full(2 * (heaviest + 16) * len(layer_dims) + 2 * (m * widest + 16), 1e-3, dtype)
    if memory.dtype == numpy.float32:
        f = memory
        with nogil:
            _run(&dims[0], dims.shape[0] - 1, m, steps, backward, heaviest, widest, &f[0])
    else:
        d = memory
        with nogil:
            _run(&dims[0], dims.shape[0] - 1, m, steps, backward, heaviest, widest, &d[0])


cdef void _run(
    const Py_ssize_t *dims, Py_ssize_t L, Py_ssize_t m, Py_ssize_t steps, bint backward,
    Py_ssize_t heaviest, Py_ssize_t widest, floating *memory,
) noexcept nogil:
    cdef:
        Py_ssize_t _, l
        blas_int n, n_prev, rows = <blas_int> m
        floating one = 1, zero = 0
        floating *A = memory
        floating *Z = A + m * widest + 16
        floating *W
        floating *dW
    for _ in range(steps):
        for l in range(L):
            n_prev, n = <blas_int> dims[l], <blas_int> dims[l + 1]
            W = Z + m * widest + 16 + 2 * l * (heaviest + 16)
            gemm(False, True, rows, n, n_prev, one, A, W, zero, Z)
        if not backward:
            continue
        for l in range(L - 1, -1, -1):
            n_prev, n = <blas_int> dims[l], <blas_int> dims[l + 1]
            W = Z + m * widest + 16 + 2 * l * (heaviest + 16)
            dW = W + heaviest + 16
            if l > 0:
                gemm(False, False, rows, n_prev, n, one, Z, W, zero, A)
            gemm(True, False, n, n_prev, rows, one, Z, A, zero, dW)
