# The loops of training: what an output costs and its gradient, the optimisers', sums over arenas,
# dropout.
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


cdef double wrong_weight(
    Py_ssize_t rows, Py_ssize_t n_L, const floating *Z, const int64_t *classes, const floating *w,
) noexcept nogil:
    # The weight of the examples of which the logits predict another class: of one output class 1,
    # where it is above 0; of several the first of the greatest. A NaN is never right.
    cdef:
        Py_ssize_t i, j, at
        const floating *z = Z
        double total = 0
    for i in range(rows):
        at = n_L == 1 and z[0] > 0
        for j in range(1, n_L):
            at = j if z[j] > z[at] else at
        if at != classes[i] or z[at] != z[at]:
            total += 1.0 if w == NULL else w[i]
        z += n_L
    return total


# ----------------------------------------------------------------------------------- the optimisers

cdef inline void update_segments(
    Job *job, const Part *part, floating scale, Py_ssize_t first, Py_ssize_t stop,
) noexcept nogil:
    # a part of the arena, of which each parameter has factors of its own
    cdef:
        Py_ssize_t l, at, b
        const Layer *layer
        const Slot *slot
    for l in range(job.net.L):
        layer, slot = &job.net.layers[l], &job.slots[l]
        at, b = layer.at, layer.at + layer.n_prev * layer.n
        # in the place of W1 lies what is known of V
        update_segment(job, part, &slot.of_W, scale, max(first, at), min(stop, b),
                       0 if l > 0 or job.scale.s == NULL
                       else job.net.scale + layer.n_prev - at)
        update_segment(job, part, &slot.of_b, scale, max(first, b), min(stop, b + layer.n), 0)
    if job.scale.s != NULL:
        at = job.net.scale
        update_segment(job, part, &job.scale.factors, scale, max(first, at),
                       min(stop, at + job.net.layers[0].n_prev), 0)


cdef inline void update_segment(
    Job *job, const Part *part, const Factors *factors, floating scale, Py_ssize_t first,
    Py_ssize_t stop, Py_ssize_t ahead,
) noexcept nogil:
    # a parameter may lie ahead of its gradient and moments
    if first < stop:
        optimise(job, part, factors, stop - first, scale, <floating> 0,
                 <const floating *> job.grads + first, <floating *> job.m1 + first,
                 <floating *> job.m2 + first, <floating *> job.net.params + first + ahead)


cdef void optimise(
    const Job *job, const Part *part, const Factors *factors, Py_ssize_t size, floating scale,
    floating l2, const floating *g, floating *m1, floating *m2, floating *p,
) noexcept nogil:
    # the optimisers' loops, compiled once for all that call them
    cdef:
        Step own
        const Step *step = &part.step
    if job.factored:
        own = part.step
        own.rate *= factors.rate
        own.ahead *= factors.rate
        own.decay *= factors.decay
        own.epsilon *= factors.epsilon
        step = &own
    move(job.optimizer, step, size, scale, l2, g, m1, m2, p)


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
