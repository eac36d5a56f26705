# What a layer of the course has beside bias_activate: a mask, softmax, derivatives of outputs that
# are not kept; and the costs of outputs. m examples, n units.

cdef void activate_kept(
    Activation act, const Dropout *dropout, bint unit_rows, Py_ssize_t rows, Py_ssize_t cols,
    const floating *b, floating *Z, floating *A,
) noexcept nogil:
    # Z := Z + b, A := act(Z) / keep where kept, else 0, by rows that stay in the cache
    cdef:
        Py_ssize_t height = rows if act == SOFTMAX else max(1, BLOCK // cols), i = 0, h
    while i < rows:
        h = min(height, rows - i)
        bias_activate(IDENTITY if act == SOFTMAX else act, False, unit_rows, h, cols,
                      b + i if unit_rows else b, Z + i * cols, A + i * cols)
        if act == SOFTMAX:
            softmax_laid(unit_rows, rows, cols, <const floating *> Z, A)
        elif act == IDENTITY:
            copy(h * cols, <const floating *> Z + i * cols, A + i * cols)
        if dropout.kept != NULL:
            drop(h * cols, <floating> (1 / dropout.keep), dropout.kept + i * cols, A + i * cols)
        i += h


cdef void derive_kept(
    Activation act, const Dropout *dropout, bint unit_rows, Py_ssize_t n, Py_ssize_t m,
    const floating *dA, const floating *Z, floating *dZ,
) noexcept nogil:
    # dropout.dA := dA / keep where kept, else 0; dZ := that * act'(Z). Any two of dA, dropout.dA
    # and dZ may be one, but not with SOFTMAX, where dZ is neither of the others.
    cdef:
        Py_ssize_t i = 0, size
        floating outputs[BLOCK]
        floating block[BLOCK]
        const floating *s
        floating *left = <floating *> dropout.dA
    while i < n * m:
        size = min(<Py_ssize_t> BLOCK, n * m - i)
        if dropout.kept != NULL:
            if left != dA:
                copy(size, dA + i, left + i)
            drop(size, <floating> (1 / dropout.keep), dropout.kept + i, left + i)
        if act == IDENTITY:
            if left != dZ:
                copy(size, <const floating *> left + i, dZ + i)
        elif act != SOFTMAX:
            s = Z + i
            if keeps_output(act):
                activate(act, size, s, outputs)
                s = outputs
            derive(act, size, <const floating *> left + i, s, dZ + i, block)
        i += size
    if act == SOFTMAX:
        softmax_backward(unit_rows, n if unit_rows else m, m if unit_rows else n,
                         <const floating *> left, Z, dZ)


cdef void keep_some(
    uint64_t counter, Py_ssize_t size, double keep, unsigned char *kept,
) noexcept nogil:
    # a mask of our own: each 64 bits decide on two elements
    cdef:
        Py_ssize_t i
        uint64_t word, limit = <uint64_t> (keep * 4294967296.0)
    for i in range(size // 2):
        word = mixed(counter + <uint64_t> (i + 1) * STRIDE)
        kept[2 * i] = (word & <uint64_t> 0xffffffff) < limit
        kept[2 * i + 1] = (word >> 32) < limit
    if size % 2 == 1:
        kept[size - 1] = (mixed(counter + <uint64_t> (size // 2 + 1) * STRIDE) >> 32) < limit


# ----------------------------------------------------------------- softmax, in either memory order

cdef void softmax_laid(
    bint unit_rows, Py_ssize_t rows, Py_ssize_t cols, const floating *Z, floating *A,
) noexcept nogil:
    # A := exp(Z) / sum of exp(Z) over the units of an example; with one unit a row some examples at
    # a time
    cdef:
        Py_ssize_t i, j, j0 = 0, w
        floating top[64]
        floating total[64]
    if not unit_rows:
        copy(rows * cols, Z, A)
        softmax(rows, cols, A)
        return
    while j0 < cols:
        w = min(<Py_ssize_t> 64, cols - j0)
        for j in range(w):
            top[j] = Z[j0 + j]
            total[j] = 0
        for i in range(1, rows):
            for j in range(w):
                top[j] = Z[i * cols + j0 + j] if Z[i * cols + j0 + j] > top[j] else top[j]
        for i in range(rows):
            for j in range(w):
                A[i * cols + j0 + j] = exp_of_any(Z[i * cols + j0 + j] - top[j])
            for j in range(w):
                total[j] += A[i * cols + j0 + j]
        for i in range(rows):
            for j in range(w):
                A[i * cols + j0 + j] /= total[j]
        j0 += w


cdef void softmax_backward(
    bint unit_rows, Py_ssize_t rows, Py_ssize_t cols, const floating *dA, const floating *Z,
    floating *dZ,
) noexcept nogil:
    # dZ := A * (dA - sum of dA * A over the units of an example), A = softmax(Z)
    cdef:
        Py_ssize_t i, j, j0 = 0, w
        floating share
        floating total[64]
    softmax_laid(unit_rows, rows, cols, Z, dZ)
    if not unit_rows:
        for i in range(rows):
            share = <floating> dot(cols, dA + i * cols, <const floating *> dZ + i * cols)
            for j in range(cols):
                dZ[i * cols + j] *= dA[i * cols + j] - share
        return
    while j0 < cols:
        w = min(<Py_ssize_t> 64, cols - j0)
        for j in range(w):
            total[j] = 0
        for i in range(rows):
            for j in range(w):
                total[j] += dA[i * cols + j0 + j] * dZ[i * cols + j0 + j]
        for i in range(rows):
            for j in range(w):
                dZ[i * cols + j0 + j] *= dA[i * cols + j0 + j] - total[j]
        j0 += w


# --------------------------------------------------------------------------------- costs of outputs

cdef double categorical(Py_ssize_t size, const floating *AL, const floating *Y) noexcept nogil:
    # sum of -Y log(AL), where 0 log 0 is 0
    cdef:
        floating zero = 0
        floating term[256]
        Py_ssize_t i, i0 = 0, n
        double total = 0
    while i0 < size:
        n = min(<Py_ssize_t> 256, size - i0)
        for i in range(n):
            term[i] = Y[i0 + i] * log_(AL[i0 + i])
            term[i] = zero if Y[i0 + i] == 0 and AL[i0 + i] == 0 else term[i]
        total -= sum_(n, <const floating *> term)
        i0 += n
    return total


cdef double squared(Py_ssize_t size, const floating *AL, const floating *Y) noexcept nogil:
    # sum of (AL - Y)^2 / 2
    cdef:
        floating half = 0.5
        floating term[256]
        Py_ssize_t i, i0 = 0, n
        double total = 0
    while i0 < size:
        n = min(<Py_ssize_t> 256, size - i0)
        for i in range(n):
            term[i] = half * (AL[i0 + i] - Y[i0 + i]) * (AL[i0 + i] - Y[i0 + i])
        total += sum_(n, <const floating *> term)
        i0 += n
    return total


cdef double products(Py_ssize_t size, const floating *x, const floating *y) noexcept nogil:
    # sum of x y: a lane adds 16 of them in its own type, the lanes' sums are added in double
    cdef:
        floating lanes[64]
        Py_ssize_t i = 0, j, k
        double total = 0
    while i + 1024 <= size:
        for k in range(64):
            lanes[k] = 0
        for j in range(i, i + 1024, 64):
            for k in range(64):
                lanes[k] += x[j + k] * y[j + k]
        total += sum_(64, <const floating *> lanes)
        i += 1024
    total += dot(size - i, x + i, y + i)
    # a product may be too large for its own type alone
    return total if total - total == 0 else dot(size, x, y)
