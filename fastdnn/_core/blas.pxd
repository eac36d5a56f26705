# Row-major matrix products on SciPy's BLAS, sizes by value. The only file that cimports SciPy.
#
# BLAS is column-major, and a row-major matrix is its own transpose there: C = A B becomes
# C^T = B^T A^T, so the operands are swapped and nothing is copied.

from cython cimport floating
from scipy.linalg cimport cython_blas

include "blas_int.pxi"


cdef enum:
    # elements of an output that stay in the second-level cache
    PANEL = 131072


cdef inline void gemm(
    bint trans_A, bint trans_B, blas_int M, blas_int N, blas_int K,
    floating alpha, const floating *A, blas_int M_A, const floating *B, floating beta, floating *C,
) noexcept nogil:
    # C (M, N) := alpha op(A) (M, K) op(B) (K, N) + beta C; B and C are contiguous, and so is the
    # matrix of M_A rows of which op(A) is some.
    # BLAS zeroes C and then adds to it. Where K is small that traffic is what the product costs,
    # so a large C is made in panels of rows that are still in the cache when they are added to.
    cdef:
        char transa = b'T' if trans_B else b'N'
        char transb = b'T' if trans_A else b'N'
        blas_int lda = K if trans_B else N
        blas_int ldb = M_A if trans_A else K
        blas_int i = 0, rows = M
    if K <= 64 and <Py_ssize_t> M * N > 2 * PANEL:
        rows = max(32, PANEL // N)
    while i < M:
        rows = min(rows, M - i)
        if floating is float:
            cython_blas.sgemm(&transa, &transb, &N, &rows, &K, &alpha, <float *> B, &lda,
                              <float *> A, &ldb, &beta, C, &N)
        else:
            cython_blas.dgemm(&transa, &transb, &N, &rows, &K, &alpha, <double *> B, &lda,
                              <double *> A, &ldb, &beta, C, &N)
        i += rows
        A += rows if trans_A else <Py_ssize_t> rows * K
        C += <Py_ssize_t> rows * N


cdef inline void _gemv(
    bint trans, blas_int M, blas_int N, floating alpha, const floating *A, blas_int row,
    const floating *x, floating beta, floating *y,
) noexcept nogil:
    # y := alpha op(A) x + beta y, the rows of A (M, N) so many elements apart
    cdef:
        char flag = b'N' if trans else b'T'
        blas_int one = 1
    if floating is float:
        cython_blas.sgemv(&flag, &N, &M, &alpha, <float *> A, &row, <float *> x, &one,
                          &beta, y, &one)
    else:
        cython_blas.dgemv(&flag, &N, &M, &alpha, <double *> A, &row, <double *> x, &one,
                          &beta, y, &one)


cdef inline void product(
    bint trans_A, bint trans_B, bint trans_C, blas_int M, blas_int N, blas_int K, floating alpha,
    const floating *A, blas_int M_A, const floating *B, floating beta, floating *C,
) noexcept nogil:
    # C (M, N) := alpha A (M, K) B (K, N) + beta C; trans_X: the memory at X holds X^T, row-major.
    # A may be some rows of a matrix of M_A rows, if C is row-major.
    if N == 1:
        if trans_A:
            _gemv(True, K, M, alpha, A, M_A, B, beta, C)
        else:
            _gemv(False, M, K, alpha, A, K, B, beta, C)
    elif M == 1 and (M_A == 1 or not trans_A):
        if trans_B:
            _gemv(False, N, K, alpha, B, K, A, beta, C)
        else:
            _gemv(True, K, N, alpha, B, N, A, beta, C)
    elif trans_C:
        gemm(not trans_B, not trans_A, N, M, K, alpha, B, N, A, beta, C)
    else:
        gemm(trans_A, trans_B, M, N, K, alpha, A, M_A, B, beta, C)
