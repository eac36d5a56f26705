# A training step, one example a row, W (n_prev, n), as it lies in memory. L layers, A[0] = X:
#
#     forward      Z[l] = A[l-1] W[l] + b[l]             A[l] = act(Z[l])
#     delta        dZ[L] = the cost's gradient by Z[L], over the weight of the step's examples
#     backward     dA[l-1] = dZ[l] W[l]^T                dZ[l-1] = dA[l-1] * act'
#     gradients    dW[l] = A[l-1]^T dZ[l] + l2 W[l]      db[l] = sum of dZ[l]
#     reduce       (dW, db) of all layers, of all threads, made no longer than clip_norm
#     update       W, b and their moments := what the optimiser makes of them and of dW, db
#
# WHOLE takes a step as written: all gradients lie in an arena, in the order of the parameters,
# before any is used, and may be the sum of several batches'. STREAM lets the optimiser have the
# gradient of each layer as soon as it is made, and needs no memory for the others.
#
# A team's threads each take some rows of the batch from X to dZ[1], wait for each other, and then
# make some rows of every dW. STREAM uses these at once; WHOLE waits once more, and each updates a
# part of the arena. Alone, a thread makes a dW as soon as its dZ is there.

cdef double step(Job *job, Part *part, const floating *tag, bint *finite) noexcept nogil:
    # one batch, and after the step's last batch the update; returns the cost times the weight
    cdef:
        Share *mine = &job.shares[part.thread]
        const floating *X = inputs(job, part, tag)
        bint alone = job.team.n_threads == 1
        Py_ssize_t l, t
        double total = 0, squares = 0
    mine.cost = mine.squares = 0
    if part.rows > 0:
        forward(job, part, X)
    mine.cost = job.cost_scale * delta(job, part, tag)
    if job.l2 > 0 and part.begins:
        mine.squares += sum_of_squares(job, part.thread, tag)
    for l in range(job.net.L - 1, -1, -1):
        if 0 < l <= job.top:
            backward(job, part, l, tag)
        if alone:
            take(job, part, l, X)
    if not wait(&job.team):
        finite[0] = False
        return NAN
    for t in range(job.team.n_threads):
        total += job.shares[t].cost
        squares += job.shares[t].squares
    if part.begins:
        total += part.weight * part.l2 * 0.5 * squares
    finite[0] = not job.guarded or total - total == 0
    if not finite[0]:
        return total
    if not alone:
        for l in range(job.net.L):
            take(job, part, l, X)
    if part.ends:
        if job.way == WHOLE:
            update(job, part, reduce(job, part, tag), tag)
        part.steps += 1
    return total


cdef inline void take(
    Job *job, const Part *part, Py_ssize_t l, const floating *X,
) noexcept nogil:
    if job.way == WHOLE:
        gradients(job, part, l, X)
    else:
        stream(job, part, l, X)


# ---------------------------------------------------------------------------------- how arrays lie

cdef inline bint has_unit_rows(const Job *job, Py_ssize_t l, Py_ssize_t rows) noexcept nogil:
    # whether the arrays of layer l, or of the input, l = -1, are transposed
    if l < 0:
        return job.trans_X
    # dropout draws one example a row, whatever the number of threads
    return (job.team.n_threads == 1 and l < job.top
            and unit_rows_pay(l, job.net.L, rows, job.net.layers[l].n)
            and job.slots[l].keep == 1 and not (l == 0 and (job.gram or job.sparse)))


cdef inline Py_ssize_t first_row(const Job *job, Py_ssize_t l, Py_ssize_t thread) noexcept nogil:
    # the first row of dW that a thread makes; in the Gram form the first row of C
    return share(&job.team, job.m if l == 0 and job.gram else job.net.layers[l].n_prev, thread)


# ---------------------------------------------------------------------------------------- forward

cdef inline void add_bias_and_activate(
    Activation act, bint unit_rows, Py_ssize_t rows, Py_ssize_t n, const floating *b,
    floating *Z, floating *A,
) noexcept nogil:
    bias_activate(
        act, unit_rows, n if unit_rows else rows, rows if unit_rows else n, b, Z, A)


cdef const floating *inputs(Job *job, const Part *part, const floating *tag) noexcept nogil:
    # the batch's rows of X; only the thread's own are ready
    cdef:
        Py_ssize_t at = part.first * job.X.cols
        floating *X_batch = <floating *> job.X_batch
    if job.sparse:
        gather_sparse(job, part, tag)
        return NULL
    if job.read_in_place:
        return <const floating *> job.X.data + part.at * job.X.row
    gather(part.rows, part.at + part.first, job.order, &job.X, X_batch + at)
    if job.keep_X < 1:
        drop(part.rows * job.X.cols, <floating> (1 / job.keep_X), job.kept_X + at, X_batch + at)
    return X_batch


cdef void forward(Job *job, const Part *part, const floating *X) noexcept nogil:
    # A of the thread's rows, up to the layer with which delta begins: of that one the product alone
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
        A_prev += part.first * (1 if job.trans_X else job.net.layers[0].n_prev)
    for l in range(job.top + 1):
        layer, slot = &job.net.layers[l], &job.slots[l]
        unit_rows = has_unit_rows(job, l, rows)
        at, size = part.first * layer.n, rows * layer.n
        Z, A = <floating *> slot.S + at, <floating *> slot.A + at
        if slot.keep < 1 and not layer.of_Z:
            # dropout changes A, but not what the derivative is a function of
            A = Z
        if l == 0 and job.gram:
            gram_forward(job, part, Z)
        elif l == 0 and job.sparse:
            sparse = by_example(job, part)
            sparse_product(
                rows, layer.n_prev, layer.n, sparse.starts + part.first, sparse.indices,
                <const floating *> sparse.values, <const floating *> slot.W, False, Z)
        else:
            rows_of_product(
                part.batch, trans_A_prev, False, unit_rows, rows, layer.n, layer.n_prev,
                <floating> 1, A_prev, <const floating *> slot.W, <floating> 0, Z)
        if l == job.top:
            return
        add_bias_and_activate(
            layer.act, unit_rows, rows, layer.n, <const floating *> slot.b, Z, A)
        if slot.keep < 1:
            if A == Z:
                A = <floating *> slot.A + at
                memcpy(A, Z, size * sizeof(floating))
            drop(size, <floating> (1 / slot.keep), slot.kept + at, A)
        trans_A_prev = unit_rows
        A_prev = A


# ------------------------------------------------------------------------------------------ delta

cdef double delta(Job *job, const Part *part, const floating *tag) noexcept nogil:
    # dZ[L], which replaces the logits, and db[L]; returns the sum of the weighted costs. A last
    # hidden layer that is taken with the output, job.top, has its dZ and db made too, and dW[L].
    cdef:
        const Net *net = &job.net
        Py_ssize_t i, n_L = net.layers[net.L - 1].n, at = part.first * n_L
        const Slot *slot = &job.slots[net.L - 1]
        const Slot *hidden = &job.slots[job.top]
        floating *Z = <floating *> slot.A + at
        floating *db = <floating *> slot.db + part.thread * n_L
        const floating *b = <const floating *> slot.b
        const floating *T = targets(
            &job.Y, job.order, n_L, part.at + part.first, part.rows,
            <floating *> job.T_batch + at)
        const floating *weights = <const floating *> job.Y.weights
        const floating *w = NULL
        floating *w_batch = <floating *> job.w_batch + part.first
        double total
    if weights != NULL:
        for i in range(part.rows):
            w_batch[i] = weights[example(job.order, part.at + part.first + i)]
        w = w_batch
    if job.top < net.L - 1:
        return relu_and_output(
            net.cost, part.rows, net.layers[job.top].n, net.cost_parameter, 1 / part.weight, w, T,
            <const floating *> hidden.b, <const floating *> slot.W, b[0], <floating *> hidden.A,
            <floating *> hidden.db, <floating *> slot.dW, db)
    add_bias_and_activate(IDENTITY, False, part.rows, n_L, b, Z, Z)
    total = output_delta(
        net.cost, part.rows, n_L, net.cost_parameter, 1 / part.weight, w, T, Z)
    derive_and_sum(IDENTITY, False, part.rows, n_L, Z, Z, db)
    return total


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


# --------------------------------------------------------------------------------------- backward

cdef inline void derive_and_sum(
    Activation act, bint unit_rows, Py_ssize_t rows, Py_ssize_t n,
    const floating *S, floating *dA, floating *db,
) noexcept nogil:
    # dA := dA * act', in place, db := sum of it
    bias_activate_backward(
        act, unit_rows, n if unit_rows else rows, rows if unit_rows else n, 1.0, dA, S, dA, db)


cdef void backward(
    Job *job, const Part *part, Py_ssize_t l, const floating *tag,
) noexcept nogil:
    # from dZ[l] to dZ[l - 1] and its sum db[l - 1]
    cdef:
        const Layer *layer = &job.net.layers[l - 1]
        const Slot *slot = &job.slots[l - 1]
        Py_ssize_t n = layer.n, n_next = layer[1].n, at = part.first * n
        bint unit_rows = has_unit_rows(job, l - 1, part.rows)
        const floating *dZ_next = <const floating *> slot[1].dZ + part.first * n_next
        floating *dZ = <floating *> slot.dZ + at
    if part.rows > 0:
        product(has_unit_rows(job, l, part.rows), True, unit_rows, part.rows, n, n_next,
                <floating> 1, dZ_next, <const floating *> slot[1].W, <floating> 0, dZ)
    if slot.keep < 1:
        drop(part.rows * n, <floating> (1 / slot.keep), slot.kept + at, dZ)
    derive_and_sum(layer.act, unit_rows, part.rows, n, <const floating *> slot.S + at, dZ,
                   <floating *> slot.db + part.thread * n)


# -------------------------------------------------------------------------------------- gradients

cdef void gradients(
    Job *job, const Part *part, Py_ssize_t l, const floating *X,
) noexcept nogil:
    # the thread's rows of dW of layer l, into the arena, or added to those of the step's batches
    # before; the first thread also sees to db
    cdef:
        const Layer *layer = &job.net.layers[l]
        const Slot *slot = &job.slots[l]
        Py_ssize_t n = layer.n, first = first_row(job, l, part.thread) * n
        Py_ssize_t size = first_row(job, l, part.thread + 1) * n - first
        floating *dW = <floating *> slot.dW + first
        floating *db = <floating *> slot.dW + layer.n_prev * n
    if l == 0 and job.sparse:
        sparse_gradient(job, part, dW)
    elif l <= job.top:
        gradient(job, part, l, X, <floating> 1, <floating> (0 if part.begins else 1), dW)
    if part.ends and part.l2 > 0:
        add_scaled(size, <floating> part.l2, <const floating *> slot.W + first, dW)
    if part.thread == 0:
        sum_bias(job, l, <floating *> slot.db)
        if part.begins:
            memcpy(db, slot.db, n * sizeof(floating))
        else:
            add_scaled(n, <floating> 1, <const floating *> slot.db, db)


cdef inline void gradient(
    Job *job, const Part *part, Py_ssize_t l, const floating *X, floating alpha, floating beta,
    floating *dW,
) noexcept nogil:
    # dW := alpha A_prev^T dZ + beta dW, the thread's rows
    cdef:
        const Layer *layer = &job.net.layers[l]
        bint trans_A_prev = has_unit_rows(job, l - 1, part.batch)
        Py_ssize_t i = first_row(job, l, part.thread)
        Py_ssize_t rows = first_row(job, l, part.thread + 1) - i
        const floating *A_prev = X if l == 0 else <const floating *> job.slots[l - 1].A
    rows_of_product(
        layer.n_prev, not trans_A_prev, has_unit_rows(job, l, part.batch), False,
        rows, layer.n, part.batch, alpha, A_prev + i * (part.batch if trans_A_prev else 1),
        <const floating *> job.slots[l].dZ, beta, dW)


cdef inline void sum_bias(const Job *job, Py_ssize_t l, floating *db) noexcept nogil:
    # adds the threads' rows of db to the first row
    cdef Py_ssize_t t, n = job.net.layers[l].n
    for t in range(1, job.team.n_threads):
        add_scaled(n, <floating> 1, <const floating *> db + t * n, db)


# --------------------------------------------------------------------------------- reduce, update

cdef double reduce(Job *job, const Part *part, const floating *tag) noexcept nogil:
    # Wait for the threads' parts of the gradient of all layers; returns what multiplies it, so that
    # its norm is at most clip_norm.
    cdef:
        const Layer *layer
        Py_ssize_t l, t, first, size
        const floating *dW
        const floating *db
        double squares = 0
    for l in range(job.net.L if job.clip_norm > 0 else 0):
        layer, dW = &job.net.layers[l], <const floating *> job.slots[l].dW
        db = dW + layer.n_prev * layer.n
        first = first_row(job, l, part.thread) * layer.n
        size = first_row(job, l, part.thread + 1) * layer.n - first
        squares += dot(size, dW + first, dW + first)
        if part.thread == 0:
            squares += dot(layer.n, db, db)
    job.shares[part.thread].gradient_squares = squares
    if not wait(&job.team):
        return 0
    squares = 0
    for t in range(job.team.n_threads):
        squares += job.shares[t].gradient_squares
    if job.clip_norm > 0 and squares > job.clip_norm * job.clip_norm:
        return job.clip_norm / sqrt(squares)
    return 1


cdef void update(
    Job *job, const Part *part, double scale, const floating *tag,
) noexcept nogil:
    # updates the thread's part of the arena
    cdef:
        Py_ssize_t first = share(&job.team, job.net.size, part.thread)
        Py_ssize_t size = share(&job.team, job.net.size, part.thread + 1) - first
    optimise(job, part, size, <floating> scale, <floating> 0,
             <const floating *> job.grads + first, <floating *> job.m1 + first,
             <floating *> job.m2 + first, <floating *> job.net.params + first)


cdef void optimise(
    const Job *job, const Part *part, Py_ssize_t size, floating scale, floating l2,
    const floating *g, floating *m1, floating *m2, floating *p,
) noexcept nogil:
    # the optimisers' loops, compiled once for all that call them
    move(job.optimizer, &part.step, size, scale, l2, g, m1, m2, p)


cdef void stream(
    Job *job, const Part *part, Py_ssize_t l, const floating *X,
) noexcept nogil:
    # gradients and update of one layer: the thread's rows of W; the first thread also sees to b
    cdef:
        const Layer *layer = &job.net.layers[l]
        const Slot *slot = &job.slots[l]
        Py_ssize_t n = layer.n, first = first_row(job, l, part.thread) * n
        Py_ssize_t size = first_row(job, l, part.thread + 1) * n - first
        floating *W = <floating *> slot.W + first
        floating *m1 = <floating *> slot.m1_W + first
        floating *m2 = <floating *> slot.m2_W + first
        floating *dW = <floating *> slot.dW + part.thread * job.scratch
        floating *db = <floating *> slot.db
        floating one = 1, l2 = <floating> part.l2, rate = <floating> part.step.rate
    if l == 0 and job.sparse:
        sparse_stream(job, part, X)
    elif l == 0 and job.gram:
        # of the coefficients C, (m, n), dZ is the gradient
        optimise(job, part, size, one, l2, <const floating *> slot.dZ + first,
                 m1, m2, W)
        if part.thread == 0:
            gram_update(job, part)
    elif job.optimizer == SGD and l <= job.top:
        # the product is added to W itself
        gradient(job, part, l, X, -rate, <floating> (1 - part.step.rate * part.l2), W)
    else:
        if l <= job.top:
            gradient(job, part, l, X, one, <floating> 0, dW)
        optimise(job, part, size, one, l2, <const floating *> dW, m1, m2, W)
    if part.thread == 0:
        sum_bias(job, l, db)
        optimise(job, part, n, one, <floating> 0, <const floating *> db,
                 <floating *> slot.m1_b, <floating *> slot.m2_b, <floating *> slot.b)


cdef double sum_of_squares(
    const Job *job, Py_ssize_t thread, const floating *tag,
) noexcept nogil:
    # of a thread's part of the weights, without those of the Gram form
    cdef:
        Py_ssize_t l, at, size
        double total = 0
        const floating *W
    for l in range(1 if job.gram else 0, job.net.L):
        if l == 0 and job.sparse and job.shares[thread].first_squares >= 0:
            total += job.shares[thread].first_squares
            continue
        at = first_row(job, l, thread) * job.net.layers[l].n
        size = first_row(job, l, thread + 1) * job.net.layers[l].n - at
        W = <const floating *> job.slots[l].W + at
        total += dot(size, W, W)
    return total
