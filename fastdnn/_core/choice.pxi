# Which product: this file alone decides, by shapes, transpositions and the sizes of the caches,
# never by a clock: the same program gives the same bits each time. In this order:
#
#     several threads of BLAS    where a caller has them, and the product is worth more than one
#     loops of our own           where K is 1, and where `pays` says so
#     gemv                       where C is a row or a column: several times as fast as gemm
#     gemm                       a large C of a small K by panels of rows

cdef enum:
    FEW = 24                   # rows of A that never repay a copy of a larger B
    REPAID = 16                # rows of A for which B is worth a copy
    SHALLOW = 32               # inner dimension below which BLAS is slow
    DEEP = 1024                # inner dimension beyond which A's rows are far apart
    SMALL = 1_000_000          # multiplications of a product that counts as small
    LITTLE = 512               # multiplications in one row too few for a call of BLAS
    DOTS = 1200                # elements of C that OpenBLAS makes by dot products
    THREADED = 500_000         # multiplications that one thread does as soon as two
    THIN = 32                  # rows, columns or inner dimension that BLAS multiplies slowly
    PANEL = 131072             # elements of C that stay in the second-level cache
    FLAT = 64                  # inner dimension up to which C's traffic is most of gemm's time
    NARROW = 32                # examples of a batch that BLAS multiplies slowly one a row


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


cdef inline bint pays(
    Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, Py_ssize_t size, bint trans_A, bint trans_B,
    bint lies,
) noexcept nogil:
    # whether a product is faster than BLAS's, as measured
    cdef Py_ssize_t w = FASTDNN_WIDTH // size, work = M * N * K
    if work > FASTDNN_MOST or (not lies and (
            M < REPAID or N < w // 2 or (M < 4 * REPAID and K * N * size > caches.second))):
        return False
    # the padding's products are lost
    if size == 4 and not trans_A and M >= REPAID and _empty(N, w):
        return False
    if FASTDNN_WIDTH == 64:
        if TILE <= M < REPAID and _empty(N, w):
            return False
        # the few sums of a narrow tile of few rows do not keep the processor busy
        if M == 1 and K >= SHALLOW and (N > 4 * w or N % w != 0):
            return False
        if 1 < M < 4 and 2 * K >= SHALLOW and (N <= 2 * w or _empty(N, w)):
            return False
        if caches.fast and _passes_by(M, N, K, size):
            return False
        # OpenBLAS has kernels for small products with AVX-512, but not for all forms, and slower
        # ones for few rows
        return work > SMALL or (trans_B and not trans_A and M * N > DOTS) or (
            lies and M < REPAID)
    if M == 1 and work > LITTLE:
        return False
    # a panel of doubles has half the columns, and A passes twice as often
    return size == 4 or work <= SMALL or K <= SHALLOW or (N <= 32 and not trans_A)


cdef inline bint _empty(Py_ssize_t N, Py_ssize_t w) noexcept nogil:
    # whether a quarter of a row's vectors would be padding
    return N > w and 4 * N <= 3 * ((N + w - 1) // w * w)


cdef inline bint _passes_by(
    Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, Py_ssize_t size,
) noexcept nogil:
    # Whether A is read again for each block of columns, and a large B meanwhile drives A from the
    # second-level cache. The loops then wait for the third level, BLAS, which packs both, less so.
    return (N > COLUMNS * FASTDNN_WIDTH // size and 2 * K * N * size > caches.second
            and (M * K + K * N + M * N) * size > caches.second)


cdef inline bint in_place(
    Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, Py_ssize_t size, bint trans_B,
) noexcept nogil:
    # whether B is read where it lies: from the first-level cache, or by tiles of four vectors
    cdef Py_ssize_t w = FASTDNN_WIDTH // size, B_size = K * N * size
    return not trans_B and N >= w and (B_size <= caches.first or (SHALLOW < K <= DEEP and (
        N >= 4 * w and (B_size <= 4 * caches.second or (M <= FEW and size == 4))
        if FASTDNN_VECTORS == 4 else FASTDNN_WIDTH == 32 and 4 <= M <= FEW)))


cdef inline bint by_loops(
    Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, Py_ssize_t size, bint trans_A, bint trans_B,
) noexcept nogil:
    return K == 1 or pays(
        M, N, K, size, trans_A, trans_B, in_place(M, N, K, size, trans_B))


cdef inline bint is_by_loops(
    Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, Py_ssize_t size, bint trans_A, bint trans_B,
    bint trans_C,
) noexcept nogil:
    # whether our own loops make such a product, of which slices of rows then have the same bits
    if trans_C or N == 1:
        return by_loops(N, M, K, size, not trans_B and N != 1, not trans_A and K != 1)
    return by_loops(M, N, K, size, trans_A and M != 1, trans_B and K != 1)


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
    # A is some rows of a matrix of M_A, and M_A decides what makes them; where they are not all, C
    # is row-major.
    # BLAS has so many threads; returns whether the loops have done it.
    cdef:
        Py_ssize_t row_A = 1 if trans_A else K, col_A = M_A if trans_A else 1
        Py_ssize_t row_B = 1 if trans_B else N, col_B = K if trans_B else 1
    if not threads_pay(threads, M, N, K):
        if trans_C or N == 1:
            # C^T = B^T A^T
            if by_loops(N, M_A, K, sizeof(floating), row_B != 1, row_A != 1):
                small_product(in_place(N, M_A, K, sizeof(floating), row_A != 1),
                              N, M, K, alpha, B, col_B, row_B, A, col_A, row_A, beta, C)
                return True
        elif by_loops(M_A, N, K, sizeof(floating), col_A != 1, col_B != 1):
            small_product(in_place(M_A, N, K, sizeof(floating), col_B != 1),
                          M, N, K, alpha, A, row_A, col_A, B, row_B, col_B, beta, C)
            return True
    by_blas(M_A, trans_A, trans_B, trans_C, M, N, K, alpha, A, B, beta, C)
    return False


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


cdef void multiply_matrices(
    const Source *A, const Source *B, floating alpha, floating beta, const Source *C,
    floating *data,
) noexcept nogil:
    # C := alpha A B + beta C; of a C-contiguous C A may be some rows of a contiguous matrix
    rows_of_product(
        A.col if A.col != 1 else A.rows, A.col != 1, B.col != 1, C.col != 1,
        A.rows, B.cols, A.cols, alpha, <const floating *> A.data,
        <const floating *> B.data, beta, data)


cdef bint multiply_often(
    const Matrix *A, const Matrix *B, const Matrix *C, bint ours, Py_ssize_t steps, floating *data,
) noexcept nogil:
    cdef:
        Py_ssize_t M = C.rows, N = C.cols, K = A.cols
        bint done = False
    for _ in range(steps):
        if ours:
            done = multiply(
                1, M, A.trans, B.trans, False, M, N, K, <floating> 1, <const floating *> A.data,
                <const floating *> B.data, <floating> 0, data)
        else:
            by_blas(M, A.trans, B.trans, False, M, N, K, <floating> 1, <const floating *> A.data,
                    <const floating *> B.data, <floating> 0, data)
    return done
