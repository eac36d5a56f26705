# Which product: this file alone decides, by shapes, transpositions and the sizes of the caches,
# never by a clock: the same program gives the same bits each time. In this order:
#
#     several threads of BLAS    where a caller has them, and the product is worth more than one
#     dot products               where C is a column or a row, and the operands' rows are K long
#     tiles                      all else
#
# BLAS is left out where there are loops: it would choose its kernels by the processor, and by the
# number of rows that a thread makes. A compiler without vectors leaves BLAS as the only one.

cdef enum:
    THREADED = 500_000         # multiplications that one thread does as soon as two
    THIN = 32                  # rows, columns or inner dimension that BLAS multiplies slowly
    PANEL = 131072             # elements of C that stay in the second-level cache
    FLAT = 64                  # inner dimension up to which C's traffic is most of gemm's time
    NARROW = 32                # examples of a batch that are multiplied slowly one a row


cdef inline bint unit_rows_pay(
    Py_ssize_t l, Py_ssize_t L, Py_ssize_t rows, Py_ssize_t n,
) noexcept nogil:
    # Whether layer l keeps its arrays transposed, one unit a row: products are up to twice as fast
    # where the few examples of a small batch are contiguous. The output stays one example a row.
    return l < L - 1 and 1 < rows <= NARROW and rows < n


cdef inline bint threads_pay(
    int threads, Py_ssize_t M, Py_ssize_t N, Py_ssize_t K,
) noexcept nogil:
    # whether BLAS's threads pay; of a thin product more than two
    return (threads > 1 and K > 1 and M * N * K > THREADED
            and threads > (2 if min(M, N, K) <= THIN else 1))


cdef inline bint is_by_loops(
    Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, Py_ssize_t size, bint trans_A, bint trans_B,
    bint trans_C,
) noexcept nogil:
    # whether our own loops make such a product, of which slices of rows then have the same bits
    return FASTDNN_HAS_VECTORS


cdef inline Py_ssize_t panel(Py_ssize_t M, Py_ssize_t N, Py_ssize_t K) noexcept nogil:
    # Rows of C that gemm makes at a time. It zeroes C and then adds to it: for a small K this
    # traffic is most of the product's time, unless the rows are still in the cache.
    return max(32, PANEL // N) if K <= FLAT and M * N > 2 * PANEL else M


cdef void by_blas(
    Py_ssize_t M_A, bint trans_A, bint trans_B, bint trans_C,
    Py_ssize_t M_, Py_ssize_t N_, Py_ssize_t K_,
    floating alpha, const floating *A, const floating *B, floating beta, floating *C,
) noexcept nogil:
    cdef blas_int M = <blas_int> M_, N = <blas_int> N_, K = <blas_int> K_
    if N == 1:
        if trans_A:
            blas.gemv(True, K, M, alpha, A, <blas_int> M_A, B, beta, C)
        else:
            blas.gemv(False, M, K, alpha, A, K, B, beta, C)
    elif M == 1 and (M_A == 1 or not trans_A):
        if trans_B:
            blas.gemv(False, N, K, alpha, B, K, A, beta, C)
        else:
            blas.gemv(True, K, N, alpha, B, N, A, beta, C)
    elif trans_C:
        # C^T = B^T A^T
        blas.gemm(not trans_B, not trans_A, N, M, K, alpha, B, N, A, beta, C,
                  <blas_int> panel(N, M, K))
    else:
        blas.gemm(trans_A, trans_B, M, N, K, alpha, A, <blas_int> M_A, B, beta, C,
                  <blas_int> panel(M, N, K))


cdef bint multiply(
    int threads, Py_ssize_t M_A, bint trans_A, bint trans_B, bint trans_C,
    Py_ssize_t M, Py_ssize_t N, Py_ssize_t K,
    floating alpha, const floating *A, const floating *B, floating beta, floating *C,
) noexcept nogil:
    # C (M, N) := alpha A (M, K) B (K, N) + beta C; trans_X: the memory at X holds X^T, row-major.
    # A and C are some rows of matrices of M_A, by which alone the loops are chosen: an element's
    # bits do not depend on which. Where they are not all, a C of several rows is row-major.
    # BLAS has so many threads; returns whether the loops have done it.
    cdef:
        Py_ssize_t row_A = 1 if trans_A else K, col_A = M_A if trans_A else 1
        Py_ssize_t row_B = 1 if trans_B else N, col_B = K if trans_B else 1
    if threads_pay(threads, M_A, N, K) or not FASTDNN_HAS_VECTORS:
        by_blas(M_A, trans_A, trans_B, trans_C, M, N, K, alpha, A, B, beta, C)
        return False
    if K > 1 and N == 1 and not trans_A:
        dots(M, K, alpha, A, B, beta, C)
    elif K > 1 and M_A == 1 and trans_B:
        dots(N, K, alpha, B, A, beta, C)
    elif trans_C or N == 1:
        # C^T = B^T A^T
        own_product(N, M, K, alpha, B, col_B, row_B, A, col_A, row_A, beta, C)
    else:
        own_product(M, N, K, alpha, A, row_A, col_A, B, row_B, col_B, beta, C)
    return True


cdef inline void product(
    bint trans_A, bint trans_B, bint trans_C, Py_ssize_t M, Py_ssize_t N, Py_ssize_t K,
    floating alpha, const floating *A, const floating *B, floating beta, floating *C,
) noexcept nogil:
    # of whole matrices, by one thread
    multiply(1, M, trans_A, trans_B, trans_C, M, N, K, alpha, A, B, beta, C)


cdef inline void rows_of_product(
    Py_ssize_t M_A, bint trans_A, bint trans_B, bint trans_C,
    Py_ssize_t M, Py_ssize_t N, Py_ssize_t K,
    floating alpha, const floating *A, const floating *B, floating beta, floating *C,
) noexcept nogil:
    multiply(1, M_A, trans_A, trans_B, trans_C, M, N, K, alpha, A, B, beta, C)


cdef bint multiply_often(
    const Matrix *A, const Matrix *B, const Matrix *C, bint ours, Py_ssize_t height,
    Py_ssize_t steps, floating *data,
) noexcept nogil:
    cdef:
        Py_ssize_t M = C.rows, N = C.cols, K = A.cols, i, row = 1 if A.trans else K
        const floating *a = <const floating *> A.data
        const floating *b = <const floating *> B.data
        bint done = False
    for _ in range(steps):
        if not ours:
            by_blas(M, A.trans, B.trans, False, M, N, K, <floating> 1, a, b, <floating> 0, data)
            continue
        i = 0
        while i < M:
            done = multiply(
                1, M, A.trans, B.trans, False, min(height, M - i), N, K, <floating> 1, a + i * row,
                b, <floating> 0, data + i * N)
            i += height
    return done
