# Whole training runs: loops of kernels over layers and batches.
#
# Row notation: one example a row, W (n_prev, n), as it lies in memory. A step, L layers:
#
#     A[l] = act(A[l-1] W[l] + b[l])                     A[0] = X
#     dZ[L] = the cost's gradient by the output's logits, over the batch's weight
#     dA[l-1] = dZ[l] W[l]^T                             dZ[l-1] = dA[l-1] * act'
#     dW[l] = A[l-1]^T dZ[l]                             db[l] = sum of dZ[l]
#
# A team's threads each take some rows of the batch from X to dZ[1], wait for each other, and then
# each make and update some rows of every W. Alone, a thread updates a W as soon as it can.
#
# Nothing here allocates or touches an object, but that Ctrl-C is looked for after a batch. An epoch
# takes subnormal numbers as zero.

from cython cimport floating
from libc.float cimport DBL_MAX, FLT_MAX
from libc.math cimport NAN, fabs, sqrt
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

from fastdnn._core cimport levels
from fastdnn._core.levels cimport (
    BLOCK, GELU, IDENTITY, MOMENTUM, NONE, SGD, SILU, Activation, Step,
)
from fastdnn._core.modes cimport flush_subnormals, restore_modes
from fastdnn._core.choice cimport product, rows_of_product
from fastdnn._core.source cimport Nonzeros, gather, gather_nonzeros, transpose
from fastdnn._core.team cimport share, wait


cdef extern from "Python.h":
    # declared without its exception, which waits until the team has met
    int PyErr_CheckSignals()


# multiplications between two looks for Ctrl-C: a fraction of a millisecond
cdef double PATIENCE = 1e6


# ---------------------------------------------------------------------------------------- forward

cdef inline bint _unit_rows(
    Py_ssize_t l, Py_ssize_t L, Py_ssize_t rows, Py_ssize_t n,
) noexcept nogil:
    # Whether layer l keeps its arrays transposed, one unit a row: BLAS is up to twice as fast where
    # the few examples of a small batch are contiguous. The output stays one example a row.
    return l < L - 1 and 1 < rows <= 32 and rows < n


cdef inline void _bias_activate(
    Activation act, bint unit_rows, Py_ssize_t rows, Py_ssize_t n, const floating *b,
    floating *Z, floating *A,
) noexcept nogil:
    levels.bias_activate(
        act, unit_rows, n if unit_rows else rows, rows if unit_rows else n, b, Z, A)


cdef inline void _bias_activate_backward(
    Activation act, bint unit_rows, Py_ssize_t rows, Py_ssize_t n,
    const floating *S, floating *dA, floating *db,
) noexcept nogil:
    # dA := dA * act', in place, db := sum of it
    levels.bias_activate_backward(
        act, unit_rows, n if unit_rows else rows, rows if unit_rows else n, 1.0, dA, S, dA, db)


cdef void predict(
    const Layer *layers, Py_ssize_t L, Activation act, const floating *params,
    Py_ssize_t rows, const floating *X, const Nonzeros *sparse,
    floating *work, floating *work_prev, floating *AL,
) noexcept nogil:
    # AL := act of the logits of rows of X, dense or sparse; the two pieces of workspace hold the
    # hidden layers in turns
    cdef:
        Py_ssize_t l
        const Layer *layer
        const floating *A_prev = X
        floating *A
        bint trans_A_prev = False, unit_rows
    for l in range(L):
        layer = &layers[l]
        A = AL if l == L - 1 else work
        unit_rows = _unit_rows(l, L, rows, layer.n) and not (l == 0 and sparse != NULL)
        if l == 0 and sparse != NULL:
            levels.sparse_product(
                rows, layer.n_prev, layer.n, sparse.starts, sparse.indices,
                <const floating *> sparse.values, params + layer.at, A)
        else:
            product(trans_A_prev, False, unit_rows, rows, layer.n, layer.n_prev,
                    <floating> 1, A_prev, params + layer.at, <floating> 0, A)
        _bias_activate(act if l == L - 1 else layer.act, unit_rows, rows, layer.n,
                       params + layer.at + layer.n_prev * layer.n, A, A)
        trans_A_prev = unit_rows
        A_prev = A
        work, work_prev = work_prev, work


cdef bint needs_Z(Activation act) noexcept nogil:
    # whether its derivative is no function of A
    return act == GELU or act == SILU


# ------------------------------------------------------------------------------------------- epoch

cdef struct Part:
    # what a thread knows of the step: its rows of the batch, and the optimiser's numbers
    Py_ssize_t thread
    Py_ssize_t first
    Py_ssize_t rows
    Py_ssize_t batch  # all of it
    int64_t steps     # this one included
    double l2
    Step step
    uint64_t modes    # of its processor, as they were found


cdef double epoch(Job *job, Py_ssize_t thread, const floating *tag) noexcept nogil:
    # A thread's part of one pass over the data. The first thread decides what all do next, and
    # returns the mean cost before each update: if that or a parameter is not finite, a guarded job
    # is as it was before, and NaN returned; if Ctrl-C was pressed amidst the batches, the exception
    # is set. The tag says the element type.
    cdef:
        Part part
        double total
    part.thread, part.steps, part.step = thread, job.steps, job.step
    part.modes = flush_subnormals()
    total = _train(job, &part, tag)
    restore_modes(part.modes)
    return total


cdef double _train(Job *job, Part *part, const floating *tag) noexcept nogil:
    cdef:
        Py_ssize_t l, first, thread = part.thread
        double total = 0, total_weight = 0, work = 0, done = 0, weight, counts
        bint finite = True
    job.shares[thread].first_squares = -1
    if thread == 0:
        job.first = job.rows = 0
        job.ended = False
        if job.guarded:
            _save(job)
        for l in range(job.L):
            work += <double> job.layers[l].n_prev * job.layers[l].n
    while True:
        if thread == 0:
            _choose_batch(job, part, tag, finite, work, &done, &total_weight)
        if not wait(&job.team):
            if thread == 0:
                job.ended = False
            break
        if job.rows == 0:
            break
        # the first thread goes on to the next batch while others end this one
        first, weight = job.first, job.weight
        counts = job.rows if job.cost_per_row else weight
        _begin_step(job, part, job.rows, weight)
        total += counts / weight * _step(job, part, tag, first, weight, &finite)
    if thread > 0:
        return 0
    if job.guarded and not (finite and _is_finite(job, tag)):
        _restore(job)
        job.ended = False
        return NAN
    job.steps = part.steps
    return total / total_weight if total_weight > 0 else 0.0


cdef void _choose_batch(
    Job *job, Part *part, const floating *tag, bint finite, double work, double *done,
    double *total_weight,
) noexcept nogil:
    # The next batch that weighs something, if the training goes on; its dropout is drawn. Who
    # waits for whom hangs on this, so that it is decided once, and not looked up by each thread.
    job.first += job.rows
    job.weight = 0
    while finite and job.weight == 0:
        if done[0] >= PATIENCE:
            done[0] = 0
            _look_for_signals(job, part)
        if job.interrupted:
            break
        job.rows = min(job.batch, job.m - job.first)
        if job.rows == 0:
            job.ended = True
            return
        job.weight = job.rows if job.weights == NULL else _weight_of(job, tag)
        total_weight[0] += job.rows if job.cost_per_row else job.weight
        if job.weight != 0:
            done[0] += work * job.rows
            if job.sparse:
                _find_starts(job, part.steps + 1)
            _draw(job, job.rows, part.steps + 1)
            return
        done[0] += job.rows
        job.first += job.rows
    job.rows = 0


cdef void _look_for_signals(Job *job, Part *part) noexcept nogil:
    # with the modes that the handlers expect, and may change
    restore_modes(part.modes)
    with gil:
        job.interrupted = PyErr_CheckSignals() != 0
    part.modes = flush_subnormals()


cdef void _save(Job *job) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(REGIONS):
        if job.regions[i].size > 0:
            memcpy(job.regions[i].saved, job.regions[i].live, job.regions[i].size)


cdef void _restore(Job *job) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(REGIONS):
        if job.regions[i].size > 0:
            memcpy(job.regions[i].live, job.regions[i].saved, job.regions[i].size)


cdef bint _is_finite(Job *job, const floating *tag) noexcept nogil:
    # parameters and moments; the shares of the Gram form are no elements of the network's type
    cdef Py_ssize_t i, size
    for i in range(REGIONS):
        size = <Py_ssize_t> (job.regions[i].size // sizeof(floating))
        if i != SHARES and not levels.all_finite(size, <const floating *> job.regions[i].live):
            return False
    return not job.gram or _gram_is_finite(job, tag)


cdef void _begin_step(
    const Job *job, Part *part, Py_ssize_t rows, double weight,
) noexcept nogil:
    # The corrections of Adam's bias depend on how many steps there were.
    cdef Step *step = &part.step
    part.batch = rows
    part.first = share(&job.team, rows, part.thread)
    part.rows = share(&job.team, rows, part.thread + 1) - part.first
    part.steps += 1
    step.rate = job.learning_rate
    step.decay = job.learning_rate * job.weight_decay
    step.root = 1
    if job.bias_corrected:
        step.rate = job.learning_rate / (1 - _power(step.beta1, part.steps))
        step.root = 1 / sqrt(1 - _power(step.beta2, part.steps))
    part.l2 = job.l2
    if job.l2_per_weight:
        part.l2 = job.l2 / weight
    if job.epsilon_corrected:
        step.epsilon = job.step.epsilon * step.root


cdef double _power(double base, int64_t exponent) noexcept nogil:
    cdef double power = 1
    while exponent > 0:
        if exponent & 1:
            power *= base
        base *= base
        exponent >>= 1
    return power


cdef void _draw(Job *job, Py_ssize_t rows, int64_t steps) noexcept nogil:
    # what dropout keeps of a batch; of a sparse one among the nonzeros
    cdef Py_ssize_t l, size = rows * job.X.cols
    if job.sparse:
        size = <Py_ssize_t> job.starts[steps % 2][rows]
    if job.keep_X < 1:
        _draw_kept(job.bits, size, job.keep_X, job.kept_X)
    for l in range(job.L):
        if job.slots[l].keep < 1:
            _draw_kept(job.bits, rows * job.layers[l].n, job.slots[l].keep, job.slots[l].kept)


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


cdef double _step(
    Job *job, const Part *part, const floating *tag, Py_ssize_t first, double weight, bint *finite,
) noexcept nogil:
    # forward, cost, backward and update on the batch that begins with example first of the order;
    # returns the cost times the weight of the batch
    cdef:
        Share *mine = &job.shares[part.thread]
        const floating *X = _inputs(job, part, tag, first)
        Py_ssize_t t
        double total = 0, squares = 0
    mine.cost = mine.squares = 0
    if part.rows > 0:
        _forward(job, part, X)
        mine.cost = job.cost_scale * _output_delta(job, part, tag, first, weight)
    if job.l2 > 0:
        mine.squares += _sum_of_squares(job, part.thread, tag)
    _backward(job, part, X)
    if not wait(&job.team):
        finite[0] = False
        return NAN
    for t in range(job.team.n_threads):
        total += job.shares[t].cost
        squares += job.shares[t].squares
    total += weight * part.l2 * 0.5 * squares
    finite[0] = not job.guarded or total - total == 0
    if finite[0]:
        _update_all(job, part, X)
    return total


cdef const floating *_inputs(
    Job *job, const Part *part, const floating *tag, Py_ssize_t first,
) noexcept nogil:
    # the batch's rows of X, of which the thread's part is ready
    cdef:
        Py_ssize_t at = part.first * job.X.cols
        floating *X_batch = <floating *> job.X_batch
    if job.sparse:
        _gather_sparse(job, part, tag, first)
        return NULL
    if job.read_in_place:
        return <const floating *> job.X.data + first * job.X.row
    gather(part.rows, first + part.first, job.order, &job.X, X_batch + at)
    if job.keep_X < 1:
        levels.drop(part.rows * job.X.cols, <floating> (1 / job.keep_X), job.kept_X + at,
                    X_batch + at)
    return X_batch


cdef double _output_delta(
    Job *job, const Part *part, const floating *tag, Py_ssize_t first, double weight,
) noexcept nogil:
    # dZ[L], which replaces the logits; returns the sum of the weighted costs. Where the last hidden
    # layer and the output are joint, the former's logits become its dZ, and dW[L] and db are made.
    cdef:
        Py_ssize_t i, n_L = job.layers[job.L - 1].n, at = part.first * n_L
        const floating *T = targets(
            job, first + part.first, part.rows, <floating *> job.T_batch + at)
        const floating *weights = <const floating *> job.weights
        floating *w = <floating *> job.w_batch + part.first
        const Slot *slot = &job.slots[job.L - 1]
    if weights != NULL:
        for i in range(part.rows):
            w[i] = weights[_example(job, first + part.first + i)]
    if job.joint:
        return levels.relu_and_output(
            job.cost, part.rows, job.layers[job.L - 2].n, job.cost_parameter, 1 / weight,
            w if weights != NULL else NULL, T, <const floating *> slot[-1].b,
            <const floating *> slot.W, (<const floating *> slot.b)[0], <floating *> slot[-1].A,
            <floating *> slot[-1].db, <floating *> slot.dW, <floating *> slot.db)
    return levels.output_delta(
        job.cost, part.rows, n_L, job.cost_parameter, 1 / weight, w if weights != NULL else NULL,
        T, <floating *> slot.A + at)


cdef inline Py_ssize_t _example(const Job *job, Py_ssize_t i) noexcept nogil:
    return i if job.order == NULL else <Py_ssize_t> job.order[i]


cdef const floating *targets(
    const Job *job, Py_ssize_t first, Py_ssize_t rows, floating *out,
) noexcept nogil:
    # of the examples first .. first + rows of the order: where they lie, or written to out
    cdef:
        Py_ssize_t i, j, at, n_L = job.layers[job.L - 1].n
        const floating *T = <const floating *> job.T
    if T != NULL and job.order == NULL:
        return T + first * n_L
    for i in range(rows):
        at = _example(job, first + i)
        for j in range(n_L):
            out[i * n_L + j] = 0 if T == NULL else T[at * n_L + j]
        if T == NULL:
            # one-hot rows of class indices
            out[i * n_L + job.labels[at]] = 1
    return out


cdef double _weight_of(const Job *job, const floating *tag) noexcept nogil:
    # of the next batch
    cdef:
        Py_ssize_t i
        double total = 0
    for i in range(job.first, job.first + job.rows):
        total += (<const floating *> job.weights)[_example(job, i)]
    return total


cdef inline bint _in_unit_rows(const Job *job, Py_ssize_t l, Py_ssize_t rows) noexcept nogil:
    # whether the arrays of layer l, or of the input, l = -1, are transposed
    if l < 0:
        return job.trans_X
    # dropout draws one example a row, whatever the number of threads
    return (job.team.n_threads == 1 and _unit_rows(l, job.L, rows, job.layers[l].n)
            and job.slots[l].keep == 1 and not (l == 0 and (job.gram or job.sparse))
            and not (l == job.L - 2 and job.joint))


cdef void _forward(Job *job, const Part *part, const floating *X) noexcept nogil:
    cdef:
        Py_ssize_t l, at, size, rows = part.rows
        const Layer *layer
        Slot *slot
        const floating *A_prev = X
        floating *Z
        floating *A
        bint trans_A_prev = job.trans_X, unit_rows
        Nonzeros sparse
    if X != NULL:
        A_prev += part.first * (1 if job.trans_X else job.layers[0].n_prev)
    for l in range(job.L):
        layer = &job.layers[l]
        slot = &job.slots[l]
        unit_rows = _in_unit_rows(job, l, rows)
        at, size = part.first * layer.n, rows * layer.n
        Z, A = <floating *> slot.S + at, <floating *> slot.A + at
        if slot.keep < 1 and not needs_Z(layer.act):
            # dropout changes A, but not what the derivative is a function of
            A = Z
        if l == 0 and job.gram:
            _gram_forward(job, part, Z)
        elif l == 0 and job.sparse:
            sparse = _by_example(job, part)
            levels.sparse_product(
                rows, layer.n_prev, layer.n, sparse.starts + part.first, sparse.indices,
                <const floating *> sparse.values, <const floating *> slot.W, Z)
        else:
            rows_of_product(
                part.batch, trans_A_prev, False, unit_rows, rows, layer.n, layer.n_prev,
                <floating> 1, A_prev, <const floating *> slot.W, <floating> 0, Z)
        if job.joint and l == job.L - 2:
            # the rest is _output_delta's
            return
        _bias_activate(layer.act, unit_rows, rows, layer.n, <const floating *> slot.b, Z, A)
        if slot.keep < 1:
            if A == Z:
                A = <floating *> slot.A + at
                memcpy(A, Z, size * sizeof(floating))
            levels.drop(size, <floating> (1 / slot.keep), slot.kept + at, A)
        trans_A_prev = unit_rows
        A_prev = A


cdef void _backward(Job *job, const Part *part, const floating *X) noexcept nogil:
    # from dZ[L], which stands in A[L], to dZ[1]; db[l] is summed where dZ[l] is made
    cdef:
        Py_ssize_t l, at, n
        const Layer *layer
        const Slot *slot
        floating *dZ = NULL
        floating *dZ_next
        bint unit_rows = False
    for l in range(job.L - 1, -1, -1):
        layer, slot = &job.layers[l], &job.slots[l]
        n, at = layer.n, part.first * layer.n
        dZ_next, dZ = dZ, <floating *> slot.dZ + at
        if job.joint and l >= job.L - 2:
            # _output_delta has made dZ, db and dW of these
            if l == job.L - 2:
                _update_layer(job, part, l + 1, X)
            continue
        if l == job.L - 1:
            _bias_activate_backward(IDENTITY, False, part.rows, n, dZ, dZ,
                                    <floating *> slot.db + part.thread * n)
            continue
        # dA = dZ W^T, with the W of before the update
        product(unit_rows, True, _in_unit_rows(job, l, part.rows), part.rows, n, layer[1].n,
                <floating> 1, dZ_next, <const floating *> slot[1].W, <floating> 0, dZ)
        unit_rows = _in_unit_rows(job, l, part.rows)
        if job.team.n_threads == 1:
            _update_layer(job, part, l + 1, X)
        if slot.keep < 1:
            levels.drop(part.rows * n, <floating> (1 / slot.keep), slot.kept + at, dZ)
        _bias_activate_backward(layer.act, unit_rows, part.rows, n, <const floating *> slot.S + at,
                                dZ, <floating *> slot.db + part.thread * n)
    if job.team.n_threads == 1:
        _update_layer(job, part, 0, X)


cdef inline Py_ssize_t _first_row(const Job *job, Py_ssize_t l, Py_ssize_t thread) noexcept nogil:
    # where the rows of W that a thread updates begin; in the Gram form C stands for it
    return share(&job.team, job.m if l == 0 and job.gram else job.layers[l].n_prev, thread)


cdef void _update_layer(
    Job *job, const Part *part, Py_ssize_t l, const floating *X,
) noexcept nogil:
    # dW := A_prev^T dZ, some rows of it, and where no clipping must wait for the other layers, the
    # update of those; the first thread also sees to the bias
    cdef:
        const Layer *layer = &job.layers[l]
        const Slot *slot = &job.slots[l]
        bint gram = l == 0 and job.gram, sparse = l == 0 and job.sparse
        bint trans_A_prev = _in_unit_rows(job, l - 1, part.batch)
        bint updates = job.clip_norm == 0 and job.optimizer != NONE
        bint joint = job.joint and l == job.L - 1
        bint fused = job.fused and not (gram or joint or sparse)
        Py_ssize_t t, i = _first_row(job, l, part.thread), at = i * layer.n
        Py_ssize_t rows = _first_row(job, l, part.thread + 1) - i
        const floating *A_prev = X if l == 0 else <const floating *> job.slots[l - 1].A
        const floating *dZ = <const floating *> slot.dZ
        floating *W = <floating *> slot.W + at
        floating *dW = <floating *> slot.dW
        floating *db = <floating *> slot.db
        floating rate = <floating> part.step.rate
    if not updates:
        dW += at
    elif not fused:
        dW += part.thread * job.scratch
    if part.thread == 0:
        for t in range(1, job.team.n_threads):
            levels.add_scaled(layer.n, <floating> 1, db + t * layer.n, db)
    if sparse:
        _update_sparse(job, part, dW, db)
        return
    A_prev += i * (part.batch if trans_A_prev else 1)
    if fused:
        rows_of_product(
            layer.n_prev, not trans_A_prev, _in_unit_rows(job, l, part.batch), False,
            rows, layer.n, part.batch, -rate, A_prev, dZ,
            <floating> (1 - part.step.rate * part.l2), W)
        if part.thread == 0:
            levels.add_scaled(layer.n, -rate, db, <floating *> slot.b)
        return
    if gram:
        # of the coefficients C of W = W_of_W0 W0 + X^T C, (m, n), dZ is the gradient
        _update(job, part, rows * layer.n, 1, part.l2, dZ + at, <floating *> slot.m1_W + at,
                <floating *> slot.m2_W + at, W)
        if part.thread == 0:
            _gram_update(job, part.step.rate)
    else:
        if not joint:
            rows_of_product(
                layer.n_prev, not trans_A_prev, _in_unit_rows(job, l, part.batch), False,
                rows, layer.n, part.batch, <floating> 1, A_prev, dZ, <floating> 0, dW)
        if updates:
            _update(job, part, rows * layer.n, 1, part.l2, dW, <floating *> slot.m1_W + at,
                    <floating *> slot.m2_W + at, W)
        elif part.l2 > 0:
            levels.add_scaled(rows * layer.n, <floating> part.l2, W, dW)
    if updates and part.thread == 0:
        _update(job, part, layer.n, 1, 0, db, <floating *> slot.m1_b, <floating *> slot.m2_b,
                <floating *> slot.b)


cdef inline void _update(
    const Job *job, const Part *part, Py_ssize_t size, double scale, double l2,
    const floating *g, floating *m1, floating *m2, floating *p,
) noexcept nogil:
    cdef Step step = part.step
    step.scale, step.l2 = scale, l2
    levels.update(job.optimizer, size, &step, g, m1, m2, p)


cdef void _update_all(Job *job, const Part *part, const floating *X) noexcept nogil:
    # what _backward has left of the step
    cdef Py_ssize_t l
    if job.team.n_threads > 1:
        for l in range(job.L):
            _update_layer(job, part, l, X)
    if job.clip_norm > 0:
        _clip_and_update(job, part, X)


cdef void _clip_and_update(Job *job, const Part *part, const floating *tag) noexcept nogil:
    # scale the gradient of all layers to a norm of at most clip_norm
    cdef:
        Py_ssize_t l, at, size, t, thread = part.thread
        const Layer *layer
        const Slot *slot
        const floating *db
        const floating *dW
        double squares = 0, scale = 1
    for l in range(job.L):
        layer, slot = &job.layers[l], &job.slots[l]
        at = _first_row(job, l, thread) * layer.n
        size = _first_row(job, l, thread + 1) * layer.n - at
        dW, db = <const floating *> slot.dW + at, <const floating *> slot.db
        squares += levels.dot(size, dW, dW)
        if thread == 0:
            squares += levels.dot(layer.n, db, db)
    job.shares[thread].gradient_squares = squares
    if not wait(&job.team):
        return
    squares = 0
    for t in range(job.team.n_threads):
        squares += job.shares[t].gradient_squares
    if squares > job.clip_norm * job.clip_norm:
        scale = job.clip_norm / sqrt(squares)
    for l in range(job.L):
        layer, slot = &job.layers[l], &job.slots[l]
        at = _first_row(job, l, thread) * layer.n
        size = _first_row(job, l, thread + 1) * layer.n - at
        _update(job, part, size, scale, 0, <const floating *> slot.dW + at,
                <floating *> slot.m1_W + at, <floating *> slot.m2_W + at, <floating *> slot.W + at)
        if thread == 0:
            _update(job, part, layer.n, scale, 0, <const floating *> slot.db,
                    <floating *> slot.m1_b, <floating *> slot.m2_b, <floating *> slot.b)


cdef double _sum_of_squares(
    const Job *job, Py_ssize_t thread, const floating *tag,
) noexcept nogil:
    # of a thread's part of the weights, but for those of the Gram form
    cdef:
        Py_ssize_t l, at, size
        double total = 0
        const floating *W
    for l in range(1 if job.gram else 0, job.L):
        if l == 0 and job.sparse and job.shares[thread].first_squares >= 0:
            total += job.shares[thread].first_squares
            continue
        at = _first_row(job, l, thread) * job.layers[l].n
        size = _first_row(job, l, thread + 1) * job.layers[l].n - at
        W = <const floating *> job.slots[l].W + at
        total += levels.dot(size, W, W)
    return total


# ----------------------------------------------------------------------------- a sparse first layer
#
# Z1 = X W1 and dW1 = X^T dZ1 over the batch's nonzeros. Of dW1 only some rows are made at a time,
# and used at once, also where they are 0: the moments of weights of absent features decay too.

cdef inline bint _in_place(const Job *job) noexcept nogil:
    # whether the batch's nonzeros are some of X's as they lie
    return job.order == NULL and job.keep_X == 1


cdef inline Nonzeros _by_example(const Job *job, const Part *part) noexcept nogil:
    # the batch's rows
    cdef Nonzeros batch
    batch.starts = job.starts[part.steps % 2]
    batch.indices, batch.values = job.indices, job.values
    if _in_place(job):
        batch.indices, batch.values = job.X.csr.indices, job.X.csr.values
    return batch


cdef void _find_starts(Job *job, int64_t steps) noexcept nogil:
    # of a step's batch: another thread may still be busy with the step before
    cdef:
        Py_ssize_t i, at
        const int64_t *starts = job.X.csr.starts
        int64_t *out = job.starts[steps % 2]
    if _in_place(job):
        memcpy(out, starts + job.first, (job.rows + 1) * sizeof(int64_t))
        return
    out[0] = 0
    for i in range(job.rows):
        at = _example(job, job.first + i)
        out[i + 1] = out[i] + starts[at + 1] - starts[at]


cdef void _gather_sparse(
    Job *job, const Part *part, const floating *tag, Py_ssize_t first,
) noexcept nogil:
    # the thread's rows of the batch
    cdef:
        const int64_t *starts = job.starts[part.steps % 2]
        Py_ssize_t at = <Py_ssize_t> starts[part.first]
        Py_ssize_t size = <Py_ssize_t> starts[part.first + part.rows] - at
        floating *values = <floating *> job.values
    if _in_place(job):
        return
    gather_nonzeros(part.first, part.rows, first, job.order, &job.X, starts, job.indices, values)
    if job.keep_X < 1:
        levels.drop(size, <floating> (1 / job.keep_X), job.kept_X + at, values + at)


cdef Py_ssize_t block_rows(Py_ssize_t n) noexcept nogil:
    # rows of dW that are made at a time
    return max(1, BLOCK // n)


cdef void _update_sparse(
    Job *job, const Part *part, floating *dW, const floating *db,
) noexcept nogil:
    # what _update_layer does to a sparse first layer
    cdef:
        const Layer *layer = &job.layers[0]
        const Slot *slot = &job.slots[0]
        Share *mine = &job.shares[part.thread]
        Nonzeros batch = _by_example(job, part)
        Py_ssize_t n = layer.n, first = _first_row(job, 0, part.thread)
        Py_ssize_t last = _first_row(job, 0, part.thread + 1), i = first, stop, at, size
        Py_ssize_t height = block_rows(n)
        int64_t *starts = job.starts_T + first + 2 * part.thread
        const floating *values = <const floating *> job.values_T
        const floating *dZ = <const floating *> slot.dZ
        floating *W = <floating *> slot.W
        # plain descent leaves the weights of absent features as they are
        bint skips = job.optimizer == SGD and part.l2 == 0
        bint same = job.batch == job.m and _in_place(job)
    if not (same and mine.transposed):
        transpose(part.batch, &batch, first, last, starts, job.indices_T,
                  <floating *> job.values_T)
        mine.transposed = same
    if job.clip_norm > 0 or job.optimizer == NONE:
        levels.sparse_product(last - first, part.batch, n, starts, job.indices_T, values, dZ, dW)
        if part.l2 > 0:
            at = first * n
            levels.add_scaled((last - first) * n, <floating> part.l2, W + at, dW)
        return
    dW = <floating *> job.dW_block + part.thread * height * n
    mine.first_squares = 0
    while i < last:
        if skips and starts[i - first] == starts[i - first + 1]:
            i += 1
            continue
        stop = i + 1
        while stop < min(i + height, last) and not (
                skips and starts[stop - first] == starts[stop - first + 1]):
            stop += 1
        at, size = i * n, (stop - i) * n
        levels.sparse_product(
            stop - i, part.batch, n, starts + i - first, job.indices_T, values, dZ, dW)
        _update(job, part, size, 1, part.l2, dW, <floating *> slot.m1_W + at,
                <floating *> slot.m2_W + at, W + at)
        if part.l2 > 0:
            mine.first_squares += levels.dot(size, W + at, W + at)
        i = stop
    if part.thread == 0:
        _update(job, part, n, 1, 0, db, <floating *> slot.m1_b, <floating *> slot.m2_b,
                <floating *> slot.b)


# ------------------------------------------------------------------------------------ the Gram form
#
# In full-batch gradient descent the first layer's weights W and their moment V never leave the span
# of their first values W0, V0 and of the data: W = w W0 + w' V0 + X^T C, V = v W0 + v' V0 + X^T U
# with C, U of shape (m, n). The gradient X^T dZ + l2 W moves C by dZ + l2 C and w, w' by l2 w,
# l2 w'. So X is needed only in K = X X^T (m, m), X W0 and X V0, which are computed once:
# X W = w X W0 + w' X V0 + K C. C stands where the engine has W, and U where it has V.

cdef void _gram_forward(Job *job, const Part *part, floating *Z) noexcept nogil:
    # the logits of the part's rows
    cdef:
        Py_ssize_t n = job.layers[0].n, size = part.rows * n, at = part.first * n
        const floating *C = <const floating *> job.slots[0].W
        const floating *Z0 = <const floating *> job.Z0 + at
        const floating *ZV0 = NULL
        double w = job.of_W[0], v = job.of_W[1], squares
    levels.set_scaled(size, <floating> w, Z0, Z)
    if job.ZV0 != NULL:
        ZV0 = <const floating *> job.ZV0 + at
        levels.add_scaled(size, <floating> v, ZV0, Z)
    product(False, False, False, part.rows, n, job.m,
            <floating> 1, <const floating *> job.K + part.first * job.m, C, <floating> 1, Z)
    if job.l2 > 0:
        # |W|^2 = |w W0 + w' V0|^2 + 2 <X (w W0 + w' V0), C> + <K C, C>
        squares = levels.dot(size, C + at, Z) + w * levels.dot(size, C + at, Z0)
        if ZV0 != NULL:
            squares += v * levels.dot(size, C + at, ZV0)
        if part.thread == 0:
            squares += w * w * job.W0_W0 + 2 * w * v * job.W0_V0 + v * v * job.V0_V0
        job.shares[part.thread].squares = squares


cdef bint _gram_is_finite(const Job *job, const floating *tag) noexcept nogil:
    # Whether W and V are, which nobody has written out: none of their elements is above the norms
    # of what they are the sum of, |X^T C|^2 <= trace(K) |C|^2.
    cdef:
        double most = FLT_MAX if sizeof(floating) == 4 else DBL_MAX
        double W0 = sqrt(job.W0_W0), V0 = sqrt(job.V0_V0), data = sqrt(job.trace)
        Py_ssize_t size = job.m * job.layers[0].n
        const floating *C = <const floating *> job.slots[0].W
        const floating *U = <const floating *> job.slots[0].m1_W
        const double *w = job.of_W
        const double *v = job.of_V
        double U_U = 0 if U == NULL else levels.dot(size, U, U)
    return (
        fabs(w[0]) <= most and fabs(w[1]) <= most and fabs(v[0]) <= most and fabs(v[1]) <= most
        and fabs(w[0]) * W0 + fabs(w[1]) * V0 + data * sqrt(levels.dot(size, C, C)) <= most
        and fabs(v[0]) * W0 + fabs(v[1]) * V0 + data * sqrt(U_U) <= most)


cdef void _gram_update(Job *job, double rate) noexcept nogil:
    _move(job, rate, &job.of_W[0], &job.of_V[0])
    _move(job, rate, &job.of_W[1], &job.of_V[1])


cdef void _move(const Job *job, double rate, double *w, double *v) noexcept nogil:
    # what levels.update does to a weight w with the moment v and the gradient l2 w
    cdef double d = job.l2 * w[0]
    if job.optimizer == SGD:
        w[0] -= rate * d
    else:
        v[0] = job.step.beta1 * v[0] + d
        w[0] -= rate * (v[0] if job.optimizer == MOMENTUM else d + job.step.beta1 * v[0])
