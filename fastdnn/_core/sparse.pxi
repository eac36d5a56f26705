# The product of a sparse matrix, by its rows, with a dense one.

cdef inline void add_one(
    Py_ssize_t n, floating x, const floating *b, bint begins, floating *c,
) noexcept nogil:
    # c := x b, or c + x b
    cdef Py_ssize_t j
    if begins:
        for j in range(n):
            c[j] = x * b[j]
    else:
        for j in range(n):
            c[j] += x * b[j]


cdef inline void add_four(
    Py_ssize_t n, const floating *x, const floating *b0, const floating *b1, const floating *b2,
    const floating *b3, bint begins, floating *c,
) noexcept nogil:
    # the same with four rows
    cdef:
        Py_ssize_t j
        floating x0 = x[0], x1 = x[1], x2 = x[2], x3 = x[3]
    if begins:
        for j in range(n):
            c[j] = (x0 * b0[j] + x1 * b1[j]) + (x2 * b2[j] + x3 * b3[j])
    else:
        for j in range(n):
            c[j] += (x0 * b0[j] + x1 * b1[j]) + (x2 * b2[j] + x3 * b3[j])


cdef void sparse_product(
    Py_ssize_t rows, Py_ssize_t n_B, Py_ssize_t n, const int64_t *starts, const int32_t *indices,
    const floating *values, const floating *B, bint adds, floating *C,
) noexcept nogil:
    # C (rows, n) := A B (n_B, n), or C + A B, where row i of A holds values[k] in column
    # indices[k], with starts[i] <= k < starts[i + 1]. The rows of a large B are fetched ahead, line
    # by line.
    cdef:
        Py_ssize_t i, j, line = 64 // sizeof(floating)
        int64_t k, stop, ahead
        const floating *b
        bint far = n_B * n * sizeof(floating) > 262144
    for i in range(rows):
        k, stop = starts[i], starts[i + 1]
        if k == stop and not adds:
            for j in range(n):
                C[j] = 0
        while k + 4 <= stop:
            if far:
                for ahead in range(k + 8, min(k + 12, stop)):
                    b = B + <Py_ssize_t> indices[ahead] * n
                    for j in range((n + line - 1) // line):
                        fastdnn_fetch(b + j * line)
            add_four(
                n, values + k, B + <Py_ssize_t> indices[k] * n,
                B + <Py_ssize_t> indices[k + 1] * n, B + <Py_ssize_t> indices[k + 2] * n,
                B + <Py_ssize_t> indices[k + 3] * n, not adds and k == starts[i], C)
            k += 4
        while k < stop:
            add_one(n, values[k], B + <Py_ssize_t> indices[k] * n,
                    not adds and k == starts[i], C)
            k += 1
        C += n


# ----------------------------------------------------------------------------- a sparse first layer
#
# Z1 = X W1 and dW1 = X^T dZ1 over the batch's nonzeros. Of dW1 only some rows are made at a time,
# and used at once, also where they are 0: the moments of weights of absent features decay too.

cdef inline bint as_they_lie(const Job *job) noexcept nogil:
    # whether the batch's nonzeros are some of X's as they lie
    return job.order == NULL and job.keep_X == 1


cdef inline Nonzeros by_example(const Job *job, const Part *part) noexcept nogil:
    # the batch's rows
    cdef Nonzeros batch
    batch.starts = job.starts[part.batches % 2]
    batch.indices, batch.values = job.indices, job.values
    if as_they_lie(job):
        batch.indices, batch.values = job.X.csr.indices, job.X.csr.values
    return batch


cdef void find_starts(Job *job, int64_t batches) noexcept nogil:
    # of the next batch: another thread may still be busy with the one before
    cdef:
        Py_ssize_t i, at
        const int64_t *starts = job.X.csr.starts
        int64_t *out = job.starts[batches % 2]
    if as_they_lie(job):
        memcpy(out, starts + job.first, (job.rows + 1) * sizeof(int64_t))
        return
    out[0] = 0
    for i in range(job.rows):
        at = example(job.order, job.first + i)
        out[i + 1] = out[i] + starts[at + 1] - starts[at]


cdef void gather_sparse(
    Job *job, const Part *part, const Rows *rows, const floating *tag,
) noexcept nogil:
    # some rows of the batch
    cdef:
        const int64_t *starts = job.starts[part.batches % 2]
        Py_ssize_t at = <Py_ssize_t> starts[rows.first]
        Py_ssize_t size = <Py_ssize_t> starts[rows.first + rows.size] - at
        floating *values = <floating *> job.values
    if as_they_lie(job):
        return
    gather_nonzeros(
        rows.first, rows.size, part.at, job.order, &job.X, starts, job.indices, values)
    if job.keep_X < 1:
        drop(size, <floating> (1 / job.keep_X), job.kept_X + at, values + at)


cdef int64_t *by_feature(
    Job *job, const Part *part, const Rows *rows, const floating *tag,
) noexcept nogil:
    # sort the batch's nonzeros of the thread's rows of dW; returns their starts
    cdef:
        Nonzeros batch = by_example(job, part)
        int64_t *starts = job.starts_T + rows.first + 2 * rows.begin
        bint same = job.batch == job.m and as_they_lie(job)
    if not (same and job.transposed[rows.begin]):
        transpose(part.batch.rows, &batch, rows.first, rows.first + rows.size, starts,
                  job.indices_T, <floating *> job.values_T)
        job.transposed[rows.begin] = same
    return starts


cdef void sparse_gradient(
    Job *job, const Part *part, const Rows *rows, floating *dW,
) noexcept nogil:
    # the thread's rows of dW, or added to them
    cdef int64_t *starts = by_feature(job, part, rows, <const floating *> dW)
    sparse_product(
        rows.size, part.batch.rows, job.net.layers[0].n, starts, job.indices_T,
        <const floating *> job.values_T, <const floating *> job.slots[0].dZ, not part.begins, dW)


cdef void sparse_stream(
    Job *job, const Part *part, const Rows *rows, const floating *tag,
) noexcept nogil:
    # gradient and update of the thread's rows of W, of some of a slice at a time
    cdef:
        const Slot *slot = &job.slots[0]
        Py_ssize_t n = job.net.layers[0].n, first = rows.first, i = first, s, last, stop, at, size
        Py_ssize_t height = block_rows(n)
        int64_t *starts = by_feature(job, part, rows, tag)
        floating *W = <floating *> slot.W
        floating *dW = <floating *> job.dW_block + part.thread * height * n
        # plain descent leaves the weights of absent features as they are
        bint skips = job.optimizer == SGD and part.l2 == 0
        double squares
    for s in range(rows.begin, rows.end):
        last, squares = slice_row(&slot.cut, s + 1), 0
        while i < last:
            if skips and starts[i - first] == starts[i - first + 1]:
                i += 1
                continue
            stop = i + 1
            while stop < min(i + height, last) and not (
                    skips and starts[stop - first] == starts[stop - first + 1]):
                stop += 1
            at, size = i * n, (stop - i) * n
            sparse_product(
                stop - i, part.batch.rows, n, starts + i - first, job.indices_T,
                <const floating *> job.values_T, <const floating *> slot.dZ, False, dW)
            if job.scale.s != NULL:
                update_scaled(job, part, i, stop - i, dW)
            else:
                optimise(job, part, &slot.of_W, size, <floating> 1, <floating> part.l2,
                         <const floating *> dW, <floating *> slot.m1_W + at,
                         <floating *> slot.m2_W + at, W + at)
            if part.l2 > 0:
                squares += dot(size, W + at, W + at)
            i = stop
        job.first_squares[s] = squares if part.l2 > 0 else -1
