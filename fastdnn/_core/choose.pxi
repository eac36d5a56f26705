# Matrix products: the loops do the small ones, BLAS the others.

cdef inline void product(
    bint trans_A, bint trans_B, bint trans_C, Py_ssize_t M, Py_ssize_t N, Py_ssize_t K,
    floating alpha, const floating *A, const floating *B, floating beta, floating *C,
) noexcept nogil:
    # C (M, N) := alpha A (M, K) B (K, N) + beta C; trans_X: the memory at X holds X^T, row-major
    rows_of_product(M, trans_A, trans_B, trans_C, M, N, K, alpha, A, B, beta, C)


cdef void rows_of_product(
    Py_ssize_t M_A, bint trans_A, bint trans_B, bint trans_C,
    Py_ssize_t M, Py_ssize_t N, Py_ssize_t K,
    floating alpha, const floating *A, const floating *B, floating beta, floating *C,
) noexcept nogil:
    # the same where A is some rows of a matrix of M_A rows; a C of several rows then is row-major
    cdef:
        Py_ssize_t row_A = 1 if trans_A else K, col_A = M_A if trans_A else 1
        Py_ssize_t row_B = 1 if trans_B else N, col_B = K if trans_B else 1
    if trans_C or N == 1:
        # C^T = B^T A^T
        if small_product(N, M, K, alpha, B, col_B, row_B, A, col_A, row_A, beta, C):
            return
    elif small_product(M, N, K, alpha, A, row_A, col_A, B, row_B, col_B, beta, C):
        return
    blas.product(trans_A, trans_B, trans_C, <blas_int> M, <blas_int> N, <blas_int> K,
                 alpha, A, <blas_int> M_A, B, beta, C)


cdef void multiply_matrices(
    const Source *A, const Source *B, floating alpha, floating beta, const Source *C,
    floating *data,
) noexcept nogil:
    # C := alpha A B + beta C; of a C-contiguous C A may be some rows of a contiguous matrix
    rows_of_product(
        A.col if A.col != 1 else A.rows, A.col != 1, B.col != 1, C.col != 1,
        A.rows, B.cols, A.cols, alpha, <const floating *> A.data,
        <const floating *> B.data, beta, data)
