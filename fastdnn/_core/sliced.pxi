# Products and sums by slices of rows (slices.pxd), whoever has them.

cdef void product_of_slices(
    const Cut *cut, const Rows *rows, bint trans_A, bint trans_B, bint trans_C,
    Py_ssize_t N, Py_ssize_t K,
    floating alpha, const floating *A, const floating *B, floating beta, floating *C,
) noexcept nogil:
    # Some slices of the rows of C (cut.rows, N) := alpha A B + beta C, where A and C begin. Our own
    # loops give an element the same bits whichever rows are asked for, BLAS does not.
    cdef Py_ssize_t s, at, size, M = cut.rows
    if cut.slices == 1 or FASTDNN_HAS_VECTORS:
        rows_of_product(
            M, trans_A, trans_B, trans_C, rows.size, N, K, alpha, A, B, beta, C)
        return
    for s in range(rows.begin, rows.end):
        at = slice_row(cut, s)
        size = slice_row(cut, s + 1) - at
        at -= rows.first
        rows_of_product(
            M, trans_A, trans_B, trans_C, size, N, K, alpha, A + at * (1 if trans_A else K), B,
            beta, C + at * N)


cdef void multiply_matrices(
    const Source *A, const Source *B, floating alpha, floating beta, const Source *C,
    const Cut *cut, const Rows *rows, floating *data,
) noexcept nogil:
    # some slices of C := alpha A B + beta C; C is C-contiguous, or one slice
    cdef bint trans_A = A.col != 1
    product_of_slices(
        cut, rows, trans_A, B.col != 1, C.col != 1, B.cols, A.cols, alpha,
        <const floating *> A.data + rows.first * (1 if trans_A else A.cols),
        <const floating *> B.data, beta, data + rows.first * C.cols)


cdef inline void add_slices(
    Py_ssize_t slices, Py_ssize_t n, floating *x,
) noexcept nogil:
    # the first row := the sum of all rows, as `added`
    cdef Py_ssize_t s = 0, i
    while s < slices:
        for i in range(s + 1, min(s + GROUP, slices)):
            add_scaled(n, <floating> 1, <const floating *> x + i * n, x + s * n)
        if s > 0:
            add_scaled(n, <floating> 1, <const floating *> x + s * n, x)
        s += GROUP


cdef inline double sum_of_layers(
    const Job *job, const double *sums, Py_ssize_t biases,
) noexcept nogil:
    # of all slices of all W, and with the biases of those too
    cdef:
        Py_ssize_t l
        double total = 0
    for l in range(job.net.L):
        total += added(job.slots[l].cut.slices, sums + l * SUMS)
        if biases:
            total += sums[l * SUMS + SLICES]
    return total


cdef inline void square_slices(
    const Cut *cut, const Rows *rows, Py_ssize_t n, const floating *W, double *squares,
) noexcept nogil:
    # the sum of squares of each of some slices of W (cut.rows, n)
    cdef Py_ssize_t s, at
    for s in range(rows.begin, rows.end):
        at = slice_row(cut, s) * n
        squares[s] = dot(slice_row(cut, s + 1) * n - at, W + at, W + at)
