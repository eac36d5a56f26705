# One layer, one example a column, as the course's functions have it: forward above backward; and
# what is computed from two matrices of one shape, in any memory order. m examples, n units, n_prev
# units one layer back; a matrix says which memory order it has.

cdef inline bint one_unit_a_row(Py_ssize_t n, Py_ssize_t m, bint trans) noexcept nogil:
    # does the memory of an (n, m) matrix hold one unit a row? A vector is read as one long row.
    return n == 1 or (m > 1 and not trans)


cdef void layer_forward(
    int threads, Activation act, const Dropout *dropout, const Matrix *A_prev, const Matrix *W,
    const floating *b, const Matrix *Z, const Matrix *A,
) noexcept nogil:
    # Z := W A_prev + b, A := act(Z), and what dropout leaves of that
    cdef:
        Py_ssize_t n = Z.rows, m = Z.cols
        bint unit_rows = one_unit_a_row(n, m, Z.trans)
        floating *z = <floating *> Z.data
    multiply(threads, n, W.trans, A_prev.trans, Z.trans, n, m, W.cols, <floating> 1,
             <const floating *> W.data, <const floating *> A_prev.data, <floating> 0, z)
    if dropout.kept == NULL and act != SOFTMAX:
        bias_activate(act, False, unit_rows, n if unit_rows else m, m if unit_rows else n, b, z,
                      <floating *> A.data)
    else:
        activate_kept(act, dropout, unit_rows, n if unit_rows else m, m if unit_rows else n, b, z,
                      <floating *> A.data)


cdef void layer_backward(
    int threads, Activation act, double lambd, const Dropout *dropout, const Matrix *dA,
    const Matrix *Z, const Matrix *dZ, const Matrix *A_prev, const Matrix *W,
    const Matrix *dA_prev, const Matrix *dW, floating *db,
) noexcept nogil:
    # dA := what dropout leaves of it, dZ := dA * act'(Z), db := sum of dZ / m,
    # dW := dZ A_prev^T / m + lambd / m W, dA_prev := W^T dZ where there is memory for it
    # with IDENTITY and no mask dZ is dA, and Z is not read
    cdef:
        Py_ssize_t n = W.rows, n_prev = W.cols, m = A_prev.cols
        bint unit_rows = one_unit_a_row(n, m, dZ.trans)
        double scale = 1.0 / m
        const floating *dA_data = <const floating *> dA.data
        const floating *delta = <const floating *> dZ.data
    if dropout.kept != NULL or act == SOFTMAX or keeps_output(act):
        derive_kept(act, dropout, unit_rows, n, m, dA_data, <const floating *> Z.data,
                    <floating *> dZ.data)
        act, dA_data = IDENTITY, delta
    bias_activate_backward(
        act, unit_rows, n if unit_rows else m, m if unit_rows else n, scale,
        dA_data, <const floating *> Z.data, <floating *> dZ.data, db)
    multiply(threads, n, dZ.trans, not A_prev.trans, dW.trans, n, n_prev, m, <floating> scale,
             delta, <const floating *> A_prev.data, <floating> 0, <floating *> dW.data)
    if lambd != 0:
        add_scaled(n * n_prev, <floating> (lambd * scale), <const floating *> W.data,
                   <floating *> dW.data)
    if dA_prev.data == NULL:
        return
    multiply(threads, n_prev, not W.trans, dZ.trans, dA_prev.trans, n_prev, m, n, <floating> 1,
             <const floating *> W.data, delta, <floating> 0, <floating *> dA_prev.data)


# -------------------------------------------------------------------------------- memory orders

cdef void lay_as(const Matrix *matrix, const Matrix *copy, floating *data) noexcept nogil:
    # the matrix into memory of the same element type and shape, in the order of the copy
    cdef bint trans = copy.trans
    copy_laid(
        copy.cols if trans else copy.rows, copy.rows if trans else copy.cols,
        <const char *> matrix.data, matrix.col if trans else matrix.row,
        matrix.row if trans else matrix.col, data)


cdef void copy_laid(
    Py_ssize_t rows, Py_ssize_t cols, const char *x, Py_ssize_t row, Py_ssize_t col, floating *y,
) noexcept nogil:
    # y (rows, cols), row-major, := x of these strides, by blocks whose lines stay in the cache
    cdef Py_ssize_t i0, i, j0, j, j1
    if row == sizeof(floating) and col % <Py_ssize_t> sizeof(floating) == 0:
        turn(cols, rows, <const floating *> x, col // <Py_ssize_t> sizeof(floating), y, cols)
        return
    if col == sizeof(floating) and (cols >= SHORT or row == cols * <Py_ssize_t> sizeof(floating)):
        if row == cols * <Py_ssize_t> sizeof(floating):
            rows, cols = 1, rows * cols
        for i in range(rows):
            memcpy(y + i * cols, x + i * row, cols * sizeof(floating))
        return
    for i0 in range(0, rows, 16):
        for j0 in range(0, cols, 16):
            j1 = min(cols, j0 + 16)
            for i in range(i0, min(rows, i0 + 16)):
                for j in range(j0, j1):
                    y[i * cols + j] = (<const floating *> (x + i * row + j * col))[0]


# ---------------------------------------------------------------------- two matrices, one shape

cdef double pair(
    Pairing pairing, Activation act, double rate, Py_ssize_t size,
    const floating *x, const floating *y, floating *out,
) noexcept nogil:
    if pairing == DERIVE:
        activate_backward(act, size, x, y, out)
    elif pairing == CROSS_ENTROPY:
        return cross_entropy(size, x, y, False)
    elif pairing == SKIPPING_NAN:
        return cross_entropy(size, x, y, True)
    elif pairing == CATEGORICAL:
        return categorical(size, x, y)
    elif pairing == SQUARED:
        return squared(size, x, y)
    elif pairing == DOT:
        return products(size, x, y)
    elif pairing == CROSS_ENTROPY_BACKWARD:
        cross_entropy_backward(size, x, y, out)
    else:
        descend(size, <floating> rate, x, y, out)
    return 0


cdef double pair_laid(
    Pairing pairing, Activation act, double rate, const Matrix *x, const Matrix *y, floating *out,
) noexcept nogil:
    # By memory rows of x, whose elements are contiguous, into an out that is whole. Where those of
    # y are not, y is laid as x is: as one tile, or into out, which is computed from copied tiles.
    # But relu's gradient is a copy of x except where a unit is inactive, which may be nowhere.
    cdef:
        floating tile[TILED]
        floating *laid = &tile[0]
        floating *part
        Py_ssize_t rows = x.cols if x.trans else x.rows, cols = x.rows if x.trans else x.cols
        Py_ssize_t row_x = x.col if x.trans else x.row
        Py_ssize_t row_y = y.col if x.trans else y.row, col_y = y.row if x.trans else y.col
        Py_ssize_t i, j, n
        const char *x_row = <const char *> x.data
        const char *y_row = <const char *> y.data
        double total = 0
    if x.whole and y.whole and x.trans == y.trans:
        return pair(pairing, act, rate, rows * cols, <const floating *> x.data,
                    <const floating *> y.data, out)
    if col_y == sizeof(floating) and cols >= SHORT:
        for i in range(rows):
            total += pair(pairing, act, rate, cols, <const floating *> (x_row + i * row_x),
                          <const floating *> (y_row + i * row_y), out + i * cols)
        return total
    if (min(rows, cols) >= SHORT and pairing == DERIVE and act == RELU and row_y == sizeof(floating)
            and col_y % <Py_ssize_t> sizeof(floating) == 0):
        copy_laid(rows, cols, x_row, row_x, sizeof(floating), out)
        drop_inactive(cols, rows, <const floating *> y_row,
                      col_y // <Py_ssize_t> sizeof(floating), out, cols)
        return 0
    if rows * cols > TILED:
        laid = out
    copy_laid(rows, cols, y_row, row_y, col_y, laid)
    if x.whole:
        rows, cols = 1, rows * cols
    for i in range(rows):
        j = 0
        while j < cols:
            n = min(<Py_ssize_t> TILED, cols - j)
            part = laid + i * cols + j
            if laid == out:
                part = <floating *> memcpy(tile, part, n * sizeof(floating))
            total += pair(pairing, act, rate, n, <const floating *> (x_row + i * row_x) + j,
                          <const floating *> part, out + i * cols + j)
            j += n
    return total
