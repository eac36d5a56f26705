# The loops of training: what an output costs and its gradient, sums over arenas, dropout.
#
# One example a row. A loop that works in place has one pointer to what it changes.

cdef double output_delta(
    Cost cost, Py_ssize_t rows, Py_ssize_t cols, double parameter, double scale,
    const floating *w, const floating *T, floating *Z,
) noexcept nogil:
    # the sum of w[i] cost(Z[i], T[i]) over the rows; Z := its gradient by Z, times scale
    # w is NULL where all weigh 1; T holds the targets. The parameter is the threshold of huber, the
    # quantile, and of the cross-entropies the most that an output counts, if above 0.
    cdef:
        Py_ssize_t width = min(cols, 256), height = max(1, 256 // cols)
        Py_ssize_t i, j, i0 = 0, j0, h, w_, at
        floating p = <floating> parameter, factor
        floating term[256]
        double total = 0
    if cost == SOFTMAX_CROSS_ENTROPY:
        return softmax_delta(rows, cols, p, scale, w, T, Z)
    while i0 < rows:
        h = min(height, rows - i0)
        j0 = 0
        while j0 < cols:
            w_ = min(width, cols - j0)
            at = i0 * cols + j0
            cost_terms(cost, h * w_, p, T + at, Z + at, term)
            if w == NULL:
                factor = <floating> scale
                for i in range(h * w_):
                    Z[at + i] *= factor
            else:
                for i in range(h):
                    factor = <floating> (scale * w[i0 + i])
                    for j in range(w_):
                        term[i * w_ + j] *= w[i0 + i]
                        Z[at + i * cols + j] *= factor
            total += sum_(h * w_, <const floating *> term)
            j0 += w_
        i0 += h
    return total


cdef double softmax_delta(
    Py_ssize_t rows, Py_ssize_t cols, floating most, double scale,
    const floating *w, const floating *T, floating *Z,
) noexcept nogil:
    # with S = sum T the cross-entropy is S log(sum exp Z) - sum T Z, its gradient S softmax(Z) - T
    cdef:
        Py_ssize_t i, j, i0 = 0, h
        floating top, total_T, total_exp, weight, factor, share, term
        floating dot[64]
        double total = 0
    while i0 < rows:
        h = min(64, rows - i0)
        for i in range(i0, i0 + h):
            top = largest(cols, Z + i * cols)
            dot[i - i0] = 0
            for j in range(cols):
                Z[i * cols + j] -= top
                dot[i - i0] += T[i * cols + j] * Z[i * cols + j]
        exp_in_place(h * cols, Z + i0 * cols)
        for i in range(i0, i0 + h):
            total_T = sum_(cols, T + i * cols)
            total_exp = sum_(cols, Z + i * cols)
            weight = 1
            if w != NULL:
                weight = w[i]
            term = total_T * log_(total_exp) - dot[i - i0]
            if most > 0:
                term = most if term > most else term
            total += weight * term
            factor = <floating> (scale * weight)
            share = factor * total_T / total_exp
            for j in range(cols):
                Z[i * cols + j] = Z[i * cols + j] * share - factor * T[i * cols + j]
        i0 += h
    return total


cdef inline floating largest(Py_ssize_t size, const floating *x) noexcept nogil:
    cdef:
        Py_ssize_t i
        floating top = x[0]
    for i in range(1, size):
        top = x[i] if x[i] > top else top
    return top


cdef void exp_in_place(Py_ssize_t size, floating *x) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(size):
        x[i] = exp_of_any(x[i])


cdef void softmax(Py_ssize_t rows, Py_ssize_t cols, floating *Z) noexcept nogil:
    # Z := exp(Z) / sum of exp(Z) over a row
    cdef:
        Py_ssize_t i, j
        floating top, share
    for i in range(rows):
        top = largest(cols, Z + i * cols)
        for j in range(cols):
            Z[i * cols + j] -= top
    exp_in_place(rows * cols, Z)
    for i in range(rows):
        share = <floating> 1 / sum_(cols, Z + i * cols)
        for j in range(cols):
            Z[i * cols + j] *= share


# ----------------------------------------------------------------------------------------- targets

cdef const floating *targets(
    const Targets *Y, const int64_t *order, Py_ssize_t n_L, Py_ssize_t first, Py_ssize_t rows,
    floating *out,
) noexcept nogil:
    # of the examples first .. first + rows of the order: where they lie, or written to out
    cdef:
        Py_ssize_t i, j, at
        const floating *T = <const floating *> Y.T
    if T != NULL and order == NULL:
        return T + first * n_L
    for i in range(rows):
        at = example(order, first + i)
        for j in range(n_L):
            out[i * n_L + j] = 0 if T == NULL else T[at * n_L + j]
        if T == NULL:
            # one-hot rows of class indices
            out[i * n_L + Y.labels[at]] = 1
    return out


cdef inline void smooth(
    Py_ssize_t size, double share, Py_ssize_t classes, const floating *T, floating *out,
) noexcept nogil:
    # out := (1 - share) T + share / classes, where they lie or elsewhere
    cdef:
        Py_ssize_t i
        floating keep = <floating> (1 - share), rest = <floating> (share / classes)
    for i in range(size):
        out[i] = keep * T[i] + rest


# --------------------------------------------------------------------------- arenas, and dropout

cdef double dot(Py_ssize_t size, const floating *x, const floating *y) noexcept nogil:
    # in double, over sixteen fixed accumulators
    cdef:
        double total[16]
        Py_ssize_t i = 0, k
    for k in range(16):
        total[k] = 0
    while i + 16 <= size:
        for k in range(16):
            total[k] += <double> x[i + k] * y[i + k]
        i += 16
    while i < size:
        total[0] += <double> x[i] * y[i]
        i += 1
    for k in range(8):
        total[k] += total[k + 8]
    for k in range(4):
        total[k] += total[k + 4]
    return (total[0] + total[2]) + (total[1] + total[3])


cdef void add_scaled(
    Py_ssize_t size, floating alpha, const floating *x, floating *y,
) noexcept nogil:
    # y := y + alpha x
    cdef Py_ssize_t i
    for i in range(size):
        y[i] += alpha * x[i]


cdef void set_scaled(
    Py_ssize_t size, floating alpha, const floating *x, floating *y,
) noexcept nogil:
    # y := alpha x
    cdef Py_ssize_t i
    for i in range(size):
        y[i] = alpha * x[i]


cdef void scale(Py_ssize_t size, floating alpha, floating *x) noexcept nogil:
    # x := alpha x
    cdef Py_ssize_t i
    for i in range(size):
        x[i] *= alpha


cdef bint all_finite(Py_ssize_t size, const floating *x) noexcept nogil:
    cdef:
        Py_ssize_t i
        int bad = 0
    for i in range(size):
        bad |= x[i] - x[i] != 0
    return bad == 0


cdef void drop(
    Py_ssize_t size, floating scale, const unsigned char *kept, floating *A,
) noexcept nogil:
    # A := scale A where kept, else 0
    cdef Py_ssize_t i
    for i in range(size):
        A[i] = scale * A[i] if kept[i] else <floating> 0
