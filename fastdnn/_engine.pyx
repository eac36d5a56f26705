# Whole training runs: loops of kernels over layers and batches.
#
# Row notation: one example a row, W (n_prev, n), as it lies in memory. A step, L layers:
#
#     A[l] = act(A[l-1] W[l] + b[l])                     A[0] = X
#     dZ[L] = the cost's gradient by the output's logits, over the batch's weight
#     dA[l-1] = dZ[l] W[l]^T                             dZ[l-1] = dA[l-1] * act'
#     dW[l] = A[l-1]^T dZ[l]                             db[l] = sum of dZ[l]
#
# Nothing here allocates or touches an object, but that Ctrl-C is looked for after a batch.

from cpython.exc cimport PyErr_CheckSignals
from cython cimport floating
from libc.math cimport NAN, sqrt
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

from fastdnn cimport _loops
from fastdnn._loops cimport IDENTITY, MOMENTUM, SGD, Activation
from fastdnn._products cimport product

# multiplications between two looks for Ctrl-C: a fraction of a millisecond
cdef double PATIENCE = 1e6


# ---------------------------------------------------------------------------------------- forward

cdef void gather(
    Py_ssize_t rows, Py_ssize_t first, const int64_t *order, const Source *X, floating *out,
) noexcept nogil:
    # out := the rows order[first:first + rows] of X, or first .. first + rows
    if X.type == b'f':
        _gather_from(rows, first, order, X, <const float *> X.data, out)
    else:
        _gather_from(rows, first, order, X, <const double *> X.data, out)


ctypedef fused source:
    float
    double


cdef void _gather_from(
    Py_ssize_t rows, Py_ssize_t first, const int64_t *order, const Source *X,
    const source *data, floating *out,
) noexcept nogil:
    cdef:
        Py_ssize_t i, j, at, cols = X.cols
        const source *x
    for i in range(rows):
        at = first + i
        if order != NULL:
            at = <Py_ssize_t> order[at]
        x = data + at * X.row
        if X.col == 1 and sizeof(source) == sizeof(floating):
            memcpy(out, x, cols * sizeof(floating))
        elif X.col == 1:
            for j in range(cols):
                out[j] = <floating> x[j]
        else:
            for j in range(cols):
                out[j] = <floating> x[j * X.col]
        out += cols


cdef inline bint _unit_rows(
    Py_ssize_t l, Py_ssize_t L, Py_ssize_t rows, Py_ssize_t n,
) noexcept nogil:
    # Whether layer l keeps its arrays transposed, one unit a row: BLAS is up to twice as fast where
    # the few examples of a small batch are contiguous. The output stays one example a row.
    return l < L - 1 and 1 < rows <= 32 and rows < n


cdef inline void _layer_forward(
    Activation act, const Layer *layer, Py_ssize_t rows,
    bint trans_A_prev, const floating *A_prev, const floating *W, const floating *b,
    bint unit_rows, floating *Z, floating *A,
) noexcept nogil:
    # Z := A_prev W + b, A := act(Z); A may be Z
    product(trans_A_prev, False, unit_rows, rows, layer.n, layer.n_prev,
             <floating> 1, A_prev, W, <floating> 0, Z)
    _bias_activate(act, unit_rows, rows, layer.n, b, Z, A)


cdef inline void _bias_activate(
    Activation act, bint unit_rows, Py_ssize_t rows, Py_ssize_t n, const floating *b,
    floating *Z, floating *A,
) noexcept nogil:
    _loops.bias_activate(
        act, unit_rows, n if unit_rows else rows, rows if unit_rows else n, b, Z, A)


cdef inline void _bias_activate_backward(
    Activation act, bint unit_rows, Py_ssize_t rows, Py_ssize_t n,
    const floating *S, floating *dA, floating *db,
) noexcept nogil:
    # dA := dA * act', in place, db := sum of it
    _loops.bias_activate_backward(
        act, unit_rows, n if unit_rows else rows, rows if unit_rows else n, 1.0, dA, S, dA, db)


cdef void predict(
    const Layer *layers, Py_ssize_t L, Activation act, const floating *params,
    Py_ssize_t rows, const floating *X, floating *work, floating *work_prev, floating *AL,
) noexcept nogil:
    # AL := act of the logits of rows of X; the two pieces of workspace hold the hidden layers in
    # turns
    cdef:
        Py_ssize_t l
        const Layer *layer
        const floating *A_prev = X
        floating *A
        bint trans_A_prev = False, unit_rows
    for l in range(L):
        layer = &layers[l]
        A = AL if l == L - 1 else work
        unit_rows = _unit_rows(l, L, rows, layer.n)
        _layer_forward(act if l == L - 1 else layer.act, layer, rows, trans_A_prev, A_prev,
                       params + layer.at, params + layer.at + layer.n_prev * layer.n,
                       unit_rows, A, A)
        trans_A_prev = unit_rows
        A_prev = A
        work, work_prev = work_prev, work


# ------------------------------------------------------------------------------------------- epoch

cdef int _look_for_signals() except -1 with gil:
    PyErr_CheckSignals()
    return 0


cdef double epoch(Job *job, const floating *tag) except? -1 nogil:
    # One pass over the data, and the mean cost before each update. If that or a parameter is not
    # finite, a guarded job is as it was before, and NaN returned. The tag says the element type.
    cdef:
        Py_ssize_t rows, l, i = 0
        double total = 0, weight, total_weight = 0, work = 0, done = 0
    if job.guarded:
        _save(job)
    for l in range(job.L):
        work += <double> job.layers[l].n_prev * job.layers[l].n
    while i < job.m:
        rows = min(job.batch, job.m - i)
        total += _step(job, tag, i, rows, &weight)
        total_weight += weight
        if job.guarded and total - total != 0:
            _restore(job)
            return NAN
        i += rows
        done += work * rows
        if done >= PATIENCE or i == job.m:
            done = 0
            _look_for_signals()
    if job.guarded and not _is_finite(job, tag):
        _restore(job)
        return NAN
    return total / total_weight if total_weight > 0 else 0.0


cdef void _save(Job *job) noexcept nogil:
    cdef Py_ssize_t i
    job.saved_steps = job.steps
    for i in range(REGIONS):
        if job.regions[i].size > 0:
            memcpy(job.regions[i].saved, job.regions[i].live, job.regions[i].size)


cdef void _restore(Job *job) noexcept nogil:
    cdef Py_ssize_t i
    job.steps = job.saved_steps
    for i in range(REGIONS):
        if job.regions[i].size > 0:
            memcpy(job.regions[i].live, job.regions[i].saved, job.regions[i].size)


cdef bint _is_finite(Job *job, const floating *tag) noexcept nogil:
    # parameters and moments; the shares of the Gram form are no elements of the network's type
    cdef Py_ssize_t i, size
    for i in range(REGIONS):
        size = <Py_ssize_t> (job.regions[i].size // sizeof(floating))
        if i != SHARES and not _loops.all_finite(size, <const floating *> job.regions[i].live):
            return False
    return True


cdef double _step(
    Job *job, const floating *tag, Py_ssize_t first, Py_ssize_t rows, double *weight,
) noexcept nogil:
    # forward, cost, backward and update on the examples first .. first + rows of the order;
    # returns the cost times the weight of the batch
    cdef:
        Py_ssize_t n_L = job.layers[job.L - 1].n
        const floating *X
        const floating *T
        const floating *w = NULL
        floating *Z
        double total
        bint trans_X = job.trans_X
    # the batch
    if job.read_in_place:
        X = <const floating *> job.X.data + first * job.X.row
    else:
        gather(rows, first, job.order, &job.X, <floating *> job.X_batch)
        X = <const floating *> job.X_batch
    if job.keep_X < 1:
        _draw_kept(job.bits, rows * job.X.cols, job.keep_X, job.kept_X)
        _loops.drop(rows * job.X.cols, <floating> (1 / job.keep_X), job.kept_X,
                    <floating *> job.X_batch)
    T = targets(job, tag, first, rows)
    weight[0] = rows
    if job.weights != NULL:
        w = _weights(job, tag, first, rows)
        weight[0] = sum_of(rows, w)
        if weight[0] == 0:
            return 0
    # forward and cost
    _forward(job, rows, trans_X, X)
    Z = <floating *> job.slots[job.L - 1].A
    total = _loops.output_delta(
        job.cost, rows, n_L, job.cost_parameter, 1 / weight[0], w, T, Z)
    if job.l2 > 0:
        total += weight[0] * job.l2 * 0.5 * _sum_of_squares(job, tag)
    if job.guarded and total - total != 0:
        return total
    # backward and update
    job.steps += 1
    _prepare_step(job)
    _backward(job, rows, trans_X, X)
    if job.clip_norm > 0:
        _clip_and_update(job, tag)
    return total


cdef const floating *targets(
    Job *job, const floating *tag, Py_ssize_t first, Py_ssize_t rows,
) noexcept nogil:
    cdef:
        Py_ssize_t i, j, at, n_L = job.layers[job.L - 1].n
        floating *out = <floating *> job.T_batch
        const floating *T
    if job.labels == NULL:
        T = <const floating *> job.T
        if job.order == NULL:
            return T + first * n_L
        for i in range(rows):
            for j in range(n_L):
                out[i * n_L + j] = T[job.order[first + i] * n_L + j]
        return out
    # one-hot rows of class indices
    for i in range(rows):
        at = first + i
        if job.order != NULL:
            at = <Py_ssize_t> job.order[at]
        for j in range(n_L):
            out[i * n_L + j] = 0
        out[i * n_L + job.labels[at]] = 1
    return out


cdef const floating *_weights(
    Job *job, const floating *tag, Py_ssize_t first, Py_ssize_t rows,
) noexcept nogil:
    cdef:
        Py_ssize_t i
        const floating *w = <const floating *> job.weights
        floating *out = <floating *> job.w_batch
    if job.order == NULL:
        return w + first
    for i in range(rows):
        out[i] = w[job.order[first + i]]
    return out


cdef double sum_of(Py_ssize_t size, const floating *x) noexcept nogil:
    cdef:
        Py_ssize_t i
        double total = 0
    for i in range(size):
        total += x[i]
    return total


cdef void _draw_kept(
    BitGenerator *bits, Py_ssize_t size, double keep, unsigned char *kept,
) noexcept nogil:
    # each 64 bits decide on two elements
    cdef:
        Py_ssize_t i = 0
        uint64_t word, limit = <uint64_t> (keep * 4294967296.0)
    while i < size:
        word = bits.next_uint64(bits.state)
        kept[i] = (word & <uint64_t> 0xffffffff) < limit
        if i + 1 < size:
            kept[i + 1] = (word >> 32) < limit
        i += 2


cdef void _forward(Job *job, Py_ssize_t rows, bint trans_X, const floating *X) noexcept nogil:
    cdef:
        Py_ssize_t l, size
        const Layer *layer
        Slot *slot
        const floating *A_prev = X
        bint trans_A_prev = trans_X, unit_rows
    for l in range(job.L):
        layer = &job.layers[l]
        slot = &job.slots[l]
        unit_rows = _unit_rows(l, job.L, rows, layer.n) and not (l == 0 and job.gram)
        if l == 0 and job.gram:
            _gram_forward(job, <floating *> slot.S)
            _bias_activate(layer.act, False, rows, layer.n, <const floating *> slot.b,
                           <floating *> slot.S, <floating *> slot.A)
        else:
            _layer_forward(
                layer.act, layer, rows, trans_A_prev, A_prev, <const floating *> slot.W,
                <const floating *> slot.b, unit_rows, <floating *> slot.S, <floating *> slot.A)
        trans_A_prev = unit_rows
        if slot.keep < 1:
            size = rows * layer.n
            _draw_kept(job.bits, size, slot.keep, slot.kept)
            _loops.drop(size, <floating> (1 / slot.keep), slot.kept, <floating *> slot.A)
        A_prev = <const floating *> slot.A


cdef void _backward(Job *job, Py_ssize_t rows, bint trans_X, const floating *X) noexcept nogil:
    # from dZ[L], which stands in A[L]; db[l] is summed where dZ[l] is made
    cdef:
        Py_ssize_t l, size
        const Layer *layer
        Slot *slot = &job.slots[job.L - 1]
        Slot *prev = slot
        const floating *A_prev
        floating *dZ = <floating *> job.slots[job.L - 1].A
        floating *dA = <floating *> job.dA
        floating *dA_next = <floating *> job.dA_prev
        bint unit_rows = False, unit_rows_prev
    _bias_activate_backward(IDENTITY, False, rows, job.layers[job.L - 1].n,
                            dZ, dZ, <floating *> slot.db)
    for l in range(job.L - 1, -1, -1):
        layer = &job.layers[l]
        slot = &job.slots[l]
        A_prev = X
        unit_rows_prev = trans_X
        if l > 0:
            prev = &job.slots[l - 1]
            unit_rows_prev = (
                _unit_rows(l - 1, job.L, rows, layer.n_prev) and not (l == 1 and job.gram))
            A_prev = <const floating *> prev.A
            # dA_prev = dZ W^T, with the W of before the update
            product(unit_rows, True, unit_rows_prev, rows, layer.n_prev, layer.n,
                    <floating> 1, dZ, <const floating *> slot.W, <floating> 0, dA)
        _layer_update(job, layer, slot, rows, unit_rows_prev, A_prev, unit_rows, dZ,
                      l == 0 and job.gram)
        if l > 0:
            size = rows * layer.n_prev
            if prev.keep < 1:
                _loops.drop(size, <floating> (1 / prev.keep), prev.kept, dA)
                # A again as it was, for its derivative; where it was dropped dA is 0
                _loops.scale(size, <floating> prev.keep, <floating *> prev.A)
            _bias_activate_backward(
                job.layers[l - 1].act, unit_rows_prev, rows, layer.n_prev,
                <const floating *> prev.S, dA, <floating *> prev.db)
            unit_rows = unit_rows_prev
            dZ = dA
            dA, dA_next = dA_next, dA


cdef void _layer_update(
    Job *job, const Layer *layer, Slot *slot, Py_ssize_t rows, bint trans_A_prev,
    const floating *A_prev, bint trans_dZ, const floating *dZ, bint gram,
) noexcept nogil:
    # dW := A_prev^T dZ, and where no clipping must wait for the other layers, the update
    cdef:
        Py_ssize_t size = layer.n_prev * layer.n
        floating rate = <floating> job.step.rate
    if job.fused and not gram:
        product(not trans_A_prev, trans_dZ, False, layer.n_prev, layer.n, rows,
                 -rate, A_prev, dZ, <floating> (1 - job.step.rate * job.l2), <floating *> slot.W)
        _loops.add_scaled(layer.n, -rate, <const floating *> slot.db, <floating *> slot.b)
        return
    if gram:
        # of the coefficients C of W = W_of_W0 W0 + X^T C, (m, n), dZ is the gradient
        _update(job, rows * layer.n, job.l2, dZ, <floating *> slot.m1_W,
                <floating *> slot.m2_W, <floating *> slot.W)
        _gram_update(job)
    else:
        product(not trans_A_prev, trans_dZ, False, layer.n_prev, layer.n, rows,
                 <floating> 1, A_prev, dZ, <floating> 0, <floating *> slot.dW)
        if job.clip_norm > 0:
            return
        _update(job, size, job.l2, <const floating *> slot.dW, <floating *> slot.m1_W,
                <floating *> slot.m2_W, <floating *> slot.W)
    _update(job, layer.n, 0, <const floating *> slot.db, <floating *> slot.m1_b,
            <floating *> slot.m2_b, <floating *> slot.b)


cdef inline void _update(
    Job *job, Py_ssize_t size, double l2, const floating *g, floating *m1, floating *m2,
    floating *p,
) noexcept nogil:
    job.step.l2 = l2
    _loops.update(job.optimizer, size, &job.step, g, m1, m2, p)


cdef void _prepare_step(Job *job) noexcept nogil:
    # the numbers of this step; the corrections of Adam's bias depend on how many there were
    job.step.rate = job.learning_rate
    job.step.scale = 1
    job.step.root = 1
    job.step.decay = job.learning_rate * job.weight_decay
    if job.bias_corrected:
        job.step.rate = job.learning_rate / (1 - _power(job.step.beta1, job.steps))
        job.step.root = 1 / sqrt(1 - _power(job.step.beta2, job.steps))


cdef double _power(double base, int64_t exponent) noexcept nogil:
    cdef double power = 1
    while exponent > 0:
        if exponent & 1:
            power *= base
        base *= base
        exponent >>= 1
    return power


cdef void _clip_and_update(Job *job, const floating *tag) noexcept nogil:
    # scale the gradient of all layers to a norm of at most clip_norm
    cdef:
        Py_ssize_t l, size
        const Layer *layer
        Slot *slot
        double squares = 0
    for l in range(job.L):
        layer, slot = &job.layers[l], &job.slots[l]
        size = layer.n_prev * layer.n
        if job.l2 > 0:
            _loops.add_scaled(size, <floating> job.l2, <const floating *> slot.W,
                              <floating *> slot.dW)
        squares += _loops.dot(size, <const floating *> slot.dW, <const floating *> slot.dW)
        squares += _loops.dot(layer.n, <const floating *> slot.db, <const floating *> slot.db)
    if squares > job.clip_norm * job.clip_norm:
        job.step.scale = job.clip_norm / sqrt(squares)
    for l in range(job.L):
        layer, slot = &job.layers[l], &job.slots[l]
        _update(job, layer.n_prev * layer.n, 0, <const floating *> slot.dW,
                <floating *> slot.m1_W, <floating *> slot.m2_W, <floating *> slot.W)
        _update(job, layer.n, 0, <const floating *> slot.db, <floating *> slot.m1_b,
                <floating *> slot.m2_b, <floating *> slot.b)


cdef double _sum_of_squares(Job *job, const floating *tag) noexcept nogil:
    # of all weights
    cdef:
        Py_ssize_t l
        double total = 0
        const floating *W
    for l in range(job.L):
        if l == 0 and job.gram:
            total += job.gram_squares
        else:
            W = <const floating *> job.slots[l].W
            total += _loops.dot(job.layers[l].n_prev * job.layers[l].n, W, W)
    return total


# ------------------------------------------------------------------------------------ the Gram form
#
# In full-batch gradient descent the first layer's weights W and their moment V never leave the span
# of their first values W0, V0 and of the data: W = w W0 + w' V0 + X^T C, V = v W0 + v' V0 + X^T U
# with C, U of shape (m, n). The gradient X^T dZ + l2 W moves C by dZ + l2 C and w, w' by l2 w,
# l2 w'. So X is needed only in K = X X^T (m, m), X W0 and X V0, which are computed once:
# X W = w X W0 + w' X V0 + K C. C stands where the engine has W, and U where it has V.

cdef void _gram_forward(Job *job, floating *Z) noexcept nogil:
    cdef:
        Py_ssize_t n = job.layers[0].n, size = job.m * n
        const floating *C = <const floating *> job.slots[0].W
        const floating *Z0 = <const floating *> job.Z0
        const floating *ZV0 = <const floating *> job.ZV0
        double w = job.of_W[0], v = job.of_W[1]
    _loops.set_scaled(size, <floating> w, Z0, Z)
    if ZV0 != NULL:
        _loops.add_scaled(size, <floating> v, ZV0, Z)
    product(False, False, False, job.m, n, job.m,
             <floating> 1, <const floating *> job.K, C, <floating> 1, Z)
    if job.l2 > 0:
        # |W|^2 = |w W0 + w' V0|^2 + 2 <X (w W0 + w' V0), C> + <K C, C>
        job.gram_squares = (w * w * job.W0_W0 + 2 * w * v * job.W0_V0 + v * v * job.V0_V0
                            + _loops.dot(size, C, Z) + w * _loops.dot(size, C, Z0))
        if ZV0 != NULL:
            job.gram_squares += v * _loops.dot(size, C, ZV0)


cdef void _gram_update(Job *job) noexcept nogil:
    _move(job, &job.of_W[0], &job.of_V[0])
    _move(job, &job.of_W[1], &job.of_V[1])


cdef void _move(Job *job, double *w, double *v) noexcept nogil:
    # what _loops.update does to a weight w with the moment v and the gradient l2 w
    cdef double rate = job.step.rate, d = job.l2 * w[0]
    if job.optimizer == SGD:
        w[0] -= rate * d
    else:
        v[0] = job.step.beta1 * v[0] + d
        w[0] -= rate * (v[0] if job.optimizer == MOMENTUM else d + job.step.beta1 * v[0])


# ------------------------------------------------------------------------------------------- data

cdef Py_ssize_t first_nonfinite_row(const Source *X, bint single) noexcept nogil:
    # the first row with an element that is not finite, or will not be in float32; or -1
    if X.type == b'f':
        return _first_nonfinite(X, False, <const float *> X.data)
    return _first_nonfinite(X, single, <const double *> X.data)


cdef Py_ssize_t _first_nonfinite(
    const Source *X, bint single, const floating *data,
) noexcept nogil:
    cdef:
        Py_ssize_t i, j, found = X.rows
        floating x
        float y
    if X.col == 1 and not single:
        for i in range(X.rows):
            if not _loops.all_finite(X.cols, data + i * X.row):
                return i
        return -1
    # column by column where that is how the memory lies
    for j in range(X.cols if X.row < X.col else 1):
        for i in range(found):
            if X.row < X.col:
                x = data[i * X.row + j * X.col]
                y = <float> x
                if x - x != 0 or (single and y - y != 0):
                    found = i
                    break
            elif not _row_is_finite(X, single, data + i * X.row):
                return i
    return -1 if found == X.rows else found


cdef bint _row_is_finite(const Source *X, bint single, const floating *x) noexcept nogil:
    cdef:
        Py_ssize_t j
        float y
    for j in range(X.cols):
        y = <float> x[j * X.col]
        if x[j * X.col] - x[j * X.col] != 0 or (single and y - y != 0):
            return False
    return True
