# Row-major matrix products on SciPy's BLAS, sizes by value. The only file that cimports SciPy.
#
# BLAS is column-major, and a row-major matrix is its own transpose there: C = A B becomes
# C^T = B^T A^T, so the operands are swapped and nothing is copied.

from cython cimport floating
from scipy.linalg cimport cython_blas

include "blas_int.pxi"


cdef inline void gemm(
    bint trans_A, bint trans_B, blas_int M, blas_int N, blas_int K,
    floating alpha, const floating *A, blas_int M_A, const floating *B, floating beta, floating *C,
    blas_int rows,
) noexcept nogil:
    # C (M, N) := alpha op(A) (M, K) op(B) (K, N) + beta C; B and C are contiguous, and so is the
    # matrix of M_A rows of which op(A) is some. C is made in panels of so many rows.
    cdef:
        char transa = b'T' if trans_B else b'N'
        char transb = b'T' if trans_A else b'N'
        blas_int lda = K if trans_B else N
        blas_int ldb = M_A if trans_A else K
        blas_int i = 0
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


cdef inline void gemv(
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
