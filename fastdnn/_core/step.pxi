# A training step, one example a row, W (n_prev, n), as it lies in memory. L layers, A[0] = X:
#
#     forward      Z[l] = A[l-1] W[l] + b[l]             A[l] = act(Z[l])
#     delta        dZ[L] = the cost's gradient by Z[L], over the weight of the step's examples
#     backward     dA[l-1] = dZ[l] W[l]^T                dZ[l-1] = dA[l-1] * act'
#     gradients    dW[l] = A[l-1]^T dZ[l] + l2 W[l]      db[l] = sum of dZ[l]
#     reduce       (dW, db) of all layers, of all threads and ranks, made no longer than clip_norm
#     update       W, b and their moments := what the optimiser makes of them and of dW, db
#
# WHOLE takes a step as written: all gradients lie in an arena, in the order of the parameters,
# before any is used, and may be the sum of several batches'. STREAM lets the optimiser have the
# gradient of each layer as soon as it is made, and needs no memory for the others.
#
# The rows of the batch are cut into slices, and those of every W (slices.pxd). Whoever is there
# takes some slices of the batch from X to dZ[1], and when all are made some slices of every dW
# (stages.pxi). STREAM uses these at once; WHOLE waits once more, for all of the gradient. Alone, a
# thread makes a dW as soon as its dZ is there. No bit depends on who has which slices: sums over
# the batch's rows, and over weights, are made slice by slice.

cdef double step(Job *job, Part *part, const floating *tag, bint *finite) noexcept nogil:
    # one batch, and after the step's last batch the update; returns the cost times the weight
    cdef:
        Work work
        double total
    work.job, work.part = job, part
    if job.ranks != NULL and part.batch.rows == 0:
        return exchange(&work, part, 0, finite, tag)
    if job.turns.helped:
        make_stage(&work, BATCH)
    else:
        pass_alone(job, part, tag)
    total = job.cost_scale * added(part.batch.slices, job.costs)
    if squares_weights(job, part):
        total += part.weight * part.l2 * 0.5 * sum_of_layers(job, job.squares, 0)
    finite[0] = not job.guarded or job.ranks != NULL or total - total == 0
    if not finite[0]:
        return total
    if job.turns.helped:
        make_stage(&work, WEIGHTS)
    if job.ranks != NULL:
        return exchange(&work, part, total, finite, tag)
    if part.ends:
        end_step(&work, part, tag)
    return total


cdef inline void end_step(Work *work, Part *part, const floating *tag) noexcept nogil:
    cdef bint scaled = work.job.scale.s != NULL
    if work.job.way == WHOLE:
        if scaled:
            unfold_all(work.job, tag)
        work.scale = reduce(work, tag)
        make_stage(work, ARENA)
        if scaled:
            fold(work.job, 0, work.job.net.layers[0].n_prev, tag)
    part.steps += 1


cdef void pass_alone(Job *job, Part *part, const floating *tag) noexcept nogil:
    # the stages of the batch and of the weights at once
    cdef:
        Py_ssize_t l, unit, units
        Rows rows = some(&part.batch, 0, part.batch.slices)
        const floating *X = inputs(job, part, &rows, tag)
    part.thread = 0
    forward(job, part, &rows, X)
    delta(job, part, &rows, tag)
    for l in range(job.net.L if squares_weights(job, part) else 0):
        rows = some(&job.slots[l].cut, 0, job.slots[l].cut.slices)
        square_weights(job, l, &rows, tag)
    for l in range(job.net.L - 1, -1, -1):
        if 0 < l <= job.top:
            rows = some(&part.batch, 0, part.batch.slices)
            backward(job, part, l, &rows, tag)
        units = units_of_layer(job, l)
        for unit in range(units):
            rows = unit_of(&job.slots[l].cut, units, unit)
            take(job, part, l, &rows, X)


cdef void pass_batch(
    Job *job, const Part *part, const Rows *rows, const floating *tag,
) noexcept nogil:
    # some slices from X to dZ[1]
    cdef Py_ssize_t l
    forward(job, part, rows, inputs(job, part, rows, tag))
    delta(job, part, rows, tag)
    for l in range(job.top, 0, -1):
        backward(job, part, l, rows, tag)


cdef inline void take(
    Job *job, const Part *part, Py_ssize_t l, const Rows *rows, const floating *X,
) noexcept nogil:
    # some slices of a layer
    if job.way == WHOLE:
        gradients(job, part, l, rows, X)
    else:
        stream(job, part, l, rows, X)


cdef inline bint squares_weights(const Job *job, const Part *part) noexcept nogil:
    # whether the batch's cost has a term of all weights
    return job.l2 > 0 and part.begins and job.ranks == NULL


# ---------------------------------------------------------------------------------- how arrays lie

cdef inline bint has_unit_rows(const Job *job, Py_ssize_t l, Py_ssize_t rows) noexcept nogil:
    # Whether the arrays of layer l, or of the input, l = -1, are transposed. So few examples are
    # one slice.
    if l < 0:
        return job.trans_X
    # dropout draws one example a row
    return (l < job.top and unit_rows_pay(l, job.net.L, rows, job.net.layers[l].n)
            and job.slots[l].keep == 1 and not (l == 0 and (job.gram or job.sparse)))


# ---------------------------------------------------------------------------------------- forward

cdef inline void add_bias_and_activate(
    Activation act, bint derives, bint unit_rows, Py_ssize_t rows, Py_ssize_t n, const floating *b,
    floating *Z, floating *A,
) noexcept nogil:
    bias_activate(
        act, derives, unit_rows, n if unit_rows else rows, rows if unit_rows else n, b, Z, A)


cdef inline const floating *batch_inputs(
    const Job *job, const Part *part, const floating *tag,
) noexcept nogil:
    # the batch's rows of X, as they lie or where they are gathered; NULL of a sparse X
    if job.sparse:
        return NULL
    if job.read_in_place:
        return <const floating *> job.X.data + part.at * job.X.row
    return <const floating *> job.X_batch


cdef const floating *inputs(
    Job *job, const Part *part, const Rows *rows, const floating *tag,
) noexcept nogil:
    # the batch's rows of X, of which some are made ready
    cdef:
        Py_ssize_t at = rows.first * job.X.cols
        floating *X_batch = <floating *> job.X_batch
    if job.sparse:
        gather_sparse(job, part, rows, tag)
        return NULL
    if job.read_in_place:
        return batch_inputs(job, part, tag)
    gather(rows.size, part.at + rows.first, job.order, &job.X, X_batch + at)
    if job.keep_X < 1:
        drop(rows.size * job.X.cols, <floating> (1 / job.keep_X), job.kept_X + at, X_batch + at)
    return X_batch


cdef void forward(
    Job *job, const Part *part, const Rows *rows, const floating *X,
) noexcept nogil:
    # A of some slices, up to the layer with which delta begins: of that one the product alone
    cdef:
        Py_ssize_t l, at, size
        const Layer *layer
        Slot *slot
        const floating *A_prev = X
        floating *Z
        floating *A
        bint trans_A_prev = job.trans_X, unit_rows
        Nonzeros sparse
    if X != NULL:
        A_prev += rows.first * (1 if job.trans_X else job.net.layers[0].n_prev)
    for l in range(job.top + 1):
        layer, slot = &job.net.layers[l], &job.slots[l]
        unit_rows = has_unit_rows(job, l, part.batch.rows)
        at, size = rows.first * layer.n, rows.size * layer.n
        Z, A = <floating *> slot.S + at, <floating *> slot.A + at
        if slot.keep < 1 and not layer.of_Z:
            # dropout changes A, but not what the derivative is a function of
            A = Z
        if l == 0 and job.gram:
            gram_forward(job, part, rows, Z)
        elif l == 0 and job.sparse:
            sparse = by_example(job, part)
            sparse_product(
                rows.size, layer.n_prev, layer.n, sparse.starts + rows.first, sparse.indices,
                <const floating *> sparse.values, <const floating *> slot.W, False, Z)
        else:
            product_of_slices(
                &part.batch, rows, trans_A_prev, False, unit_rows, layer.n, layer.n_prev,
                <floating> 1, A_prev, <const floating *> slot.W, <floating> 0, Z)
        if l == job.top:
            return
        add_bias_and_activate(
            layer.act, layer.of_Z, unit_rows, rows.size, layer.n, <const floating *> slot.b, Z, A)
        if slot.keep < 1:
            if A == Z:
                A = <floating *> slot.A + at
                memcpy(A, Z, size * sizeof(floating))
            drop(size, <floating> (1 / slot.keep), slot.kept + at, A)
        trans_A_prev = unit_rows
        A_prev = A


# ------------------------------------------------------------------------------------------ delta

cdef inline void delta(
    Job *job, const Part *part, const Rows *rows, const floating *tag,
) noexcept nogil:
    cdef Py_ssize_t s
    for s in range(rows.begin, rows.end):
        job.costs[s] = delta_of_slice(job, part, s, tag)


cdef double delta_of_slice(
    Job *job, const Part *part, Py_ssize_t s, const floating *tag,
) noexcept nogil:
    # dZ[L], which replaces the logits, and db[L]; returns the sum of the weighted costs. A last
    # hidden layer that is taken with the output, job.top, has its dZ and db made too, and dW[L].
    cdef:
        const Net *net = &job.net
        Py_ssize_t i, n, n_L = net.layers[net.L - 1].n
        Py_ssize_t first = slice_row(&part.batch, s), rows = slice_row(&part.batch, s + 1) - first
        const Slot *slot = &job.slots[net.L - 1]
        const Slot *hidden = &job.slots[job.top]
        floating *Z = <floating *> slot.A + first * n_L
        floating *db = <floating *> slot.db + s * n_L
        const floating *b = <const floating *> slot.b
        floating *T_batch = <floating *> job.T_batch + first * n_L
        const floating *T = targets(
            &job.Y, job.order, n_L, part.at + first, rows, T_batch)
        const floating *weights = <const floating *> job.Y.weights
        const floating *w = NULL
        floating *w_batch = <floating *> job.w_batch + first
        double total
    if weights != NULL:
        for i in range(rows):
            w_batch[i] = weights[example(job.order, part.at + first + i)]
        w = w_batch
    if job.smoothing > 0:
        smooth(rows * n_L, job.smoothing, n_L if net.cost == SOFTMAX_CROSS_ENTROPY else 2, T,
               T_batch)
        T = T_batch
    if job.top < net.L - 1:
        n = net.layers[job.top].n
        return relu_and_output(
            net.cost, rows, n, net.cost_parameter, 1 / part.weight, w, T,
            <const floating *> hidden.b, <const floating *> slot.W, b[0],
            <floating *> hidden.A + first * n, <floating *> hidden.db + s * n,
            <floating *> job.dW_top + s * n, db)
    add_bias_and_activate(IDENTITY, False, False, rows, n_L, b, Z, Z)
    total = output_delta(net.cost, rows, n_L, net.cost_parameter, 1 / part.weight, w, T, Z)
    derive_and_sum(IDENTITY, False, rows, n_L, Z, Z, db)
    return total


# --------------------------------------------------------------------------------------- backward

cdef inline void derive_and_sum(
    Activation act, bint unit_rows, Py_ssize_t rows, Py_ssize_t n,
    const floating *S, floating *dA, floating *db,
) noexcept nogil:
    # dA := dA * act', in place, db := sum of it
    bias_activate_backward(
        act, unit_rows, n if unit_rows else rows, rows if unit_rows else n, 1.0, dA, S, dA, db)


cdef void backward(
    Job *job, const Part *part, Py_ssize_t l, const Rows *rows, const floating *tag,
) noexcept nogil:
    # from dZ[l] to dZ[l - 1] and its sums db[l - 1], of some slices
    cdef:
        const Layer *layer = &job.net.layers[l - 1]
        const Slot *slot = &job.slots[l - 1]
        Py_ssize_t n = layer.n, n_next = layer[1].n, first = rows.first, s, end
        bint unit_rows = has_unit_rows(job, l - 1, part.batch.rows)
        const floating *dZ_next = <const floating *> slot[1].dZ + first * n_next
        const floating *S = <const floating *> slot.S
        floating *dZ = <floating *> slot.dZ
        floating *db = <floating *> slot.db
    product_of_slices(
        &part.batch, rows, has_unit_rows(job, l, part.batch.rows), True, unit_rows, n, n_next,
        <floating> 1, dZ_next, <const floating *> slot[1].W, <floating> 0, dZ + first * n)
    if slot.keep < 1:
        drop(rows.size * n, <floating> (1 / slot.keep), slot.kept + first * n, dZ + first * n)
    for s in range(rows.begin, rows.end):
        end = slice_row(&part.batch, s + 1)
        if layer.of_Z:
            # S is the derivative
            multiply_by((end - first) * n, S + first * n, dZ + first * n)
        derive_and_sum(
            IDENTITY if layer.of_Z else layer.act, unit_rows, end - first, n, S + first * n,
            dZ + first * n, db + s * n)
        first = end


# -------------------------------------------------------------------------------------- gradients

cdef void gradients(
    Job *job, const Part *part, Py_ssize_t l, const Rows *rows, const floating *X,
) noexcept nogil:
    # Some slices of dW of layer l, into the arena, or added to those of the step's batches before.
    # Who has the first one also sees to db.
    cdef:
        const Layer *layer = &job.net.layers[l]
        const Slot *slot = &job.slots[l]
        Py_ssize_t n = layer.n, at = rows.first * n
        floating *dW = <floating *> slot.dW
        floating *db = <floating *> slot.dW + layer.n_prev * n
    if l == 0 and job.sparse:
        sparse_gradient(job, part, rows, dW + at)
    elif l <= job.top:
        gradient(job, part, l, rows, X, <floating> 1, <floating> (0 if part.begins else 1),
                 dW + at)
    elif rows.begin == 0:
        # made by delta, of a step of one batch
        add_slices(part.batch.slices, layer.n_prev, <floating *> job.dW_top)
        memcpy(dW, job.dW_top, layer.n_prev * sizeof(floating))
    if part.ends and part.l2 > 0 and job.ranks == NULL:
        add_scaled(rows.size * n, <floating> part.l2, <const floating *> slot.W + at, dW + at)
    if rows.begin == 0:
        add_slices(part.batch.slices, n, <floating *> slot.db)
        if part.begins:
            memcpy(db, slot.db, n * sizeof(floating))
        else:
            add_scaled(n, <floating> 1, <const floating *> slot.db, db)


cdef inline void gradient(
    Job *job, const Part *part, Py_ssize_t l, const Rows *rows, const floating *X,
    floating alpha, floating beta, floating *dW,
) noexcept nogil:
    # dW := alpha A_prev^T dZ + beta dW, some slices
    cdef:
        const Layer *layer = &job.net.layers[l]
        Py_ssize_t batch = part.batch.rows
        bint trans_A_prev = has_unit_rows(job, l - 1, batch)
        const floating *A_prev = X if l == 0 else <const floating *> job.slots[l - 1].A
    product_of_slices(
        &job.slots[l].cut, rows, not trans_A_prev, has_unit_rows(job, l, batch), False,
        layer.n, batch, alpha, A_prev + rows.first * (batch if trans_A_prev else 1),
        <const floating *> job.slots[l].dZ, beta, dW)


# --------------------------------------------------------------------------------- reduce, update

cdef double reduce(Work *work, const floating *tag) noexcept nogil:
    # what multiplies the gradient of all layers, so that its norm is at most clip_norm
    cdef:
        Job *job = work.job
        const floating *ds = <const floating *> job.scale.ds
        double squares
    if job.clip_norm > 0:
        make_stage(work, GRADIENTS)
        squares = sum_of_layers(job, job.gradient_squares, True)
        if ds != NULL:
            squares += dot(job.net.layers[0].n_prev, ds, ds)
        if squares > job.clip_norm * job.clip_norm:
            return job.clip_norm / sqrt(squares)
    return 1


cdef void square_gradients(
    Job *job, Py_ssize_t l, const Rows *rows, const floating *tag,
) noexcept nogil:
    # of some slices of dW, and with the first one of db
    cdef:
        const Layer *layer = &job.net.layers[l]
        const floating *dW = <const floating *> job.slots[l].dW
        const floating *db = dW + layer.n_prev * layer.n
    square_slices(&job.slots[l].cut, rows, layer.n, dW, job.gradient_squares + l * SUMS)
    if rows.begin == 0:
        job.gradient_squares[l * SUMS + SLICES] = dot(layer.n, db, db)


cdef void update(
    Job *job, const Part *part, double scale, Py_ssize_t unit, const floating *tag,
) noexcept nogil:
    # updates a part of the arena
    cdef:
        Py_ssize_t units = units_of_arena(job), first = job.net.size * unit // units
        Py_ssize_t stop = job.net.size * (unit + 1) // units
    if job.factored:
        update_segments(job, part, <floating> scale, first, stop)
    else:
        update_segment(job, part, &job.slots[0].of_W, <floating> scale, first, stop, 0)


cdef void stream(
    Job *job, const Part *part, Py_ssize_t l, const Rows *rows, const floating *X,
) noexcept nogil:
    # gradient and update of some slices of W of one layer; who has the first one also sees to b
    cdef:
        const Layer *layer = &job.net.layers[l]
        const Slot *slot = &job.slots[l]
        Py_ssize_t n = layer.n, first = rows.first * n, size = rows.size * n
        floating *W = <floating *> slot.W + first
        floating *m1 = <floating *> slot.m1_W + first
        floating *m2 = <floating *> slot.m2_W + first
        floating *dW = <floating *> slot.dW + part.thread * job.scratch
        floating *db = <floating *> slot.db
        bint scaled = l == 0 and job.scale.s != NULL
        floating one = 1, l2 = <floating> part.l2
        double rate = part.step.rate * slot.of_W.rate
    if l == 0 and job.sparse:
        sparse_stream(job, part, rows, X)
    elif l == 0 and job.gram:
        # of the coefficients C, (m, n), dZ is the gradient
        optimise(job, part, &slot.of_W, size, one, l2, <const floating *> slot.dZ + first,
                 m1, m2, W)
        if rows.begin == 0:
            gram_update(job, part)
    elif job.optimizer == SGD and l <= job.top and not scaled:
        # the product is added to W itself
        gradient(job, part, l, rows, X, <floating> -rate, <floating> (1 - rate * part.l2), W)
    else:
        if l <= job.top:
            gradient(job, part, l, rows, X, one, <floating> 0, dW)
        else:
            # made by delta; such a W is one slice
            dW = <floating *> job.dW_top
            add_slices(part.batch.slices, layer.n_prev, dW)
        if scaled:
            update_scaled(job, part, rows.first, rows.size, dW)
        else:
            optimise(job, part, &slot.of_W, size, one, l2, <const floating *> dW, m1, m2, W)
    if rows.begin == 0:
        add_slices(part.batch.slices, n, db)
        optimise(job, part, &slot.of_b, n, one, <floating> 0, <const floating *> db,
                 <floating *> slot.m1_b, <floating *> slot.m2_b, <floating *> slot.b)


cdef void square_weights(
    Job *job, Py_ssize_t l, const Rows *rows, const floating *tag,
) noexcept nogil:
    # of some slices of W, but in the Gram form
    if l == 0 and job.gram:
        return
    if l == 0 and job.sparse and job.first_squares[rows.begin] >= 0:
        memcpy(job.squares + rows.begin, job.first_squares + rows.begin,
               (rows.end - rows.begin) * sizeof(double))
        return
    square_slices(&job.slots[l].cut, rows, job.net.layers[l].n, <const floating *> job.slots[l].W,
                  job.squares + l * SUMS)
