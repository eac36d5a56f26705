# Inputs that are multiplied by numbers s of their own: x -> x * s, of which the first layer makes
# (x * s) V = x W1 with W1 = diag(s) V. So X is read as it lies, and a prediction reads W1 alone.
# With dW1 = X^T dZ1, as for any first layer,
#
#     dV = diag(s) dW1        ds = sums of the rows of V * dW1
#
# and after the update of V and s, W1 is made anew.

cdef void update_scaled(
    Job *job, const Part *part, Py_ssize_t first, Py_ssize_t rows, floating *dW,
) noexcept nogil:
    # The update of some rows of V, s and W1, of which dW is the gradient: a few rows at a time,
    # that stay in the first-level cache.
    cdef:
        Slot *slot = &job.slots[0]
        Scale *scale = &job.scale
        Py_ssize_t n = job.net.layers[0].n, height = block_rows(n), stop = first + rows, size, at
        floating one = 1, zero = 0
    while first < stop:
        rows = min(height, stop - first)
        size, at = rows * n, first * n
        if part.l2 > 0:
            add_scaled(size, <floating> part.l2, <const floating *> slot.W + at, dW)
        unfold(job, first, rows, dW)
        optimise(job, part, &slot.of_W, size, one, zero, <const floating *> dW,
                 <floating *> slot.m1_W + at, <floating *> slot.m2_W + at,
                 <floating *> scale.V + at)
        optimise(job, part, &scale.factors, rows, one, zero, <const floating *> scale.ds + first,
                 <floating *> scale.m1 + first, <floating *> scale.m2 + first,
                 <floating *> scale.s + first)
        fold(job, first, rows, <const floating *> dW)
        first += rows
        dW += size


cdef void unfold(Job *job, Py_ssize_t first, Py_ssize_t rows, floating *dW) noexcept nogil:
    # ds := sums of the rows of V * dW1, dW1 := diag(s) dW1 = dV
    cdef:
        Py_ssize_t n = job.net.layers[0].n, i, j
        const floating *V = <const floating *> job.scale.V + first * n
        const floating *s = <const floating *> job.scale.s + first
        floating *ds = <floating *> job.scale.ds + first
        floating s_i
    for i in range(rows):
        ds[i] = dot_short(n, V + i * n, <const floating *> dW + i * n)
        s_i = s[i]
        for j in range(n):
            dW[i * n + j] *= s_i


cdef inline floating dot_short(
    Py_ssize_t size, const floating *x, const floating *y,
) noexcept nogil:
    # in the element type: of a row, not of an arena
    cdef:
        floating total[16]
        Py_ssize_t i = 0, k
    for k in range(16):
        total[k] = 0
    while i + 16 <= size:
        for k in range(16):
            total[k] += x[i + k] * y[i + k]
        i += 16
    while i < size:
        total[0] += x[i] * y[i]
        i += 1
    for k in range(8):
        total[k] += total[k + 8]
    for k in range(4):
        total[k] += total[k + 4]
    return (total[0] + total[2]) + (total[1] + total[3])


cdef void fold(
    Job *job, Py_ssize_t first, Py_ssize_t rows, const floating *tag,
) noexcept nogil:
    # W1 := diag(s) V, some rows
    cdef:
        Py_ssize_t n = job.net.layers[0].n, i
        const floating *s = <const floating *> job.scale.s
    for i in range(first, first + rows):
        set_scaled(n, s[i], <const floating *> job.scale.V + i * n,
                   <floating *> job.slots[0].W + i * n)


cdef void unfold_all(Job *job, const floating *tag) noexcept nogil:
    unfold(job, 0, job.net.layers[0].n_prev, <floating *> job.slots[0].dW)


cdef void take_written(Job *job, const floating *tag) noexcept nogil:
    # if W1 is not what V and s make it, somebody has written to it: V := W1, s := 1
    cdef:
        Py_ssize_t n_prev = job.net.layers[0].n_prev, n = job.net.layers[0].n, i, j
        const floating *W = <const floating *> job.slots[0].W
        floating *V = <floating *> job.scale.V
        floating *s = <floating *> job.scale.s
        floating s_i
        int differ = 0
    for i in range(n_prev):
        s_i = s[i]
        for j in range(n):
            differ |= W[i * n + j] != s_i * V[i * n + j]
    if differ:
        memcpy(V, W, n_prev * n * sizeof(floating))
        for i in range(n_prev):
            s[i] = 1
