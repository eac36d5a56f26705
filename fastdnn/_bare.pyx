# The matrix products of a training step and nothing else: what the benchmark measures against.

from cython cimport floating

import numpy

from fastdnn cimport _blas, _loops
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
        Py_ssize_t[::1] dims = numpy.array(layer_dims, numpy.intp)
        float[::1] f
        double[::1] d
    weights = sum(n * n_prev for n_prev, n in zip(layer_dims, layer_dims[1:]))
    # A and dZ of each layer, W and dW, and what a product of activations is written to: inputs stay
    # as they are, so that no step meets numbers that became tiny
    memory = numpy.full(2 * m * sum(layer_dims) + 2 * weights + m * max(layer_dims), 1e-3, dtype)
    if memory.dtype == numpy.float32:
        f = memory
        with nogil:
            _run(&dims[0], dims.shape[0] - 1, m, steps, backward, &f[0])
    else:
        d = memory
        with nogil:
            _run(&dims[0], dims.shape[0] - 1, m, steps, backward, &d[0])


cdef void _run(
    const Py_ssize_t *dims, Py_ssize_t L, Py_ssize_t m, Py_ssize_t steps, bint backward,
    floating *memory,
) noexcept nogil:
    cdef:
        Py_ssize_t _, l
        blas_int n, n_prev, rows = <blas_int> m
        floating one = 1, zero = 0
        floating *A = memory
        floating *dZ
        floating *W
        floating *dW
        floating *out
    dZ = A
    for l in range(L + 1):
        dZ += m * dims[l]
    W = dZ + (dZ - A)
    dW = W
    for l in range(L):
        dW += dims[l] * dims[l + 1]
    out = dW + (dW - W)
    for _ in range(steps):
        for l in range(L):
            n_prev, n = <blas_int> dims[l], <blas_int> dims[l + 1]
            gemm(False, True, rows, n, n_prev, one, A, rows, W, zero, out)
            A += m * n_prev
            dZ += m * n_prev
            W += <Py_ssize_t> n * n_prev
            dW += <Py_ssize_t> n * n_prev
        for l in range(L - 1, -1, -1):
            n_prev, n = <blas_int> dims[l], <blas_int> dims[l + 1]
            W -= <Py_ssize_t> n * n_prev
            dW -= <Py_ssize_t> n * n_prev
            A -= m * n_prev
            if backward:
                if l > 0:
                    gemm(False, False, rows, n_prev, n, one, dZ, rows, W, zero, out)
                gemm(True, False, n, n_prev, rows, one, dZ, n, A, zero, dW)
            dZ -= m * n_prev


def multiply(A, bint trans_A, B, bint trans_B, C, bint ours, Py_ssize_t steps=1):
    """Compute C (M, N) := A B so many times.

    Parameters
    ----------
    A, B : ndarray
        The memory of A (M, K) and B (K, N) in C order, or of their transposes.
    trans_A, trans_B : bool
        Whether it is the transposes'.
    C : ndarray, shape (M, N)
        What is written to, in C order. One element type, float32 or float64, for all.
    ours : bool
        By the loops where they are chosen, or by BLAS.
    steps : int
        How many times.

    Returns
    -------
    bool
        Whether it was done by the loops.
    """
    cdef:
        Py_ssize_t M = C.shape[0], N = C.shape[1], K = A.shape[0 if trans_A else 1]
        float[:, ::1] a_f, b_f, c_f
        double[:, ::1] a_d, b_d, c_d
        bint done
    if (A.shape != ((K, M) if trans_A else (M, K)) or B.shape != ((N, K) if trans_B else (K, N))):
        raise ValueError("the shapes do not fit")
    if C.dtype == numpy.float32:
        a_f, b_f, c_f = A, B, C
        with nogil:
            done = _multiply(M, N, K, trans_A, &a_f[0, 0], trans_B, &b_f[0, 0], &c_f[0, 0], ours,
                             steps)
    else:
        a_d, b_d, c_d = A, B, C
        with nogil:
            done = _multiply(M, N, K, trans_A, &a_d[0, 0], trans_B, &b_d[0, 0], &c_d[0, 0], ours,
                             steps)
    return done


cdef bint _multiply(
    Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, bint trans_A, const floating *A, bint trans_B,
    const floating *B, floating *C, bint ours, Py_ssize_t steps,
) noexcept nogil:
    cdef:
        Py_ssize_t row_A = 1 if trans_A else K, col_A = M if trans_A else 1
        Py_ssize_t row_B = 1 if trans_B else N, col_B = K if trans_B else 1
        floating one = 1, zero = 0
        bint done = False
    for _ in range(steps):
        done = ours and _loops.small_product(
            M, N, K, one, A, row_A, col_A, B, row_B, col_B, zero, C)
        if not done:
            _blas.product(trans_A, trans_B, False, <blas_int> M, <blas_int> N, <blas_int> K,
                          one, A, <blas_int> M, B, zero, C)
    return done
