# The workspace of a training run: where each array of a step lies.

from libc.stdint cimport int32_t, int64_t

from fastdnn._core.optimizers cimport SGD
from fastdnn._core.slices cimport SLICES, Rows, cut_batch, portions, unit_of
from fastdnn._core.spec cimport (
    FIRST, REGIONS, SHARES, SUMS, WHOLE, Job, Layer, Slot, block_rows,
)

cdef enum:
    ALIGNMENT = 64   # bytes of a cache line


cdef inline size_t assign(
    Job *job, Py_ssize_t most, int64_t **order, char *start, size_t itemsize, bint shuffled,
) noexcept:
    # Hand out a workspace that begins at start, and return its bytes; most is how many nonzeros a
    # batch may have, and order where that of the examples is to be, if they are shuffled.
    cdef:
        Py_ssize_t i, l, n_L = job.net.layers[job.net.L - 1].n, batch = job.batch
        Py_ssize_t widest = 0, n_threads = job.n_threads
        Py_ssize_t slices = cut_batch(batch, job.net.size).slices
        Py_ssize_t L = job.net.L, units
        Rows rows
        const Layer *layer
        Slot *slot
        void *dZ[2]
        void *dW
        char *at = start
    job.costs = <double *> _take(&at, slices * sizeof(double))
    job.squares = <double *> _take(&at, L * SUMS * sizeof(double))
    job.gradient_squares = <double *> _take(&at, L * SUMS * sizeof(double))
    job.first_squares = <double *> _take(&at, SLICES * sizeof(double))
    for l in range(L):
        layer, slot = &job.net.layers[l], &job.slots[l]
        slot.A = _take(&at, batch * layer.n * itemsize)
        slot.S = slot.A
        if layer.of_Z or slot.keep < 1:
            slot.S = _take(&at, batch * layer.n * itemsize)
        if slot.keep < 1:
            slot.kept = <unsigned char *> _take(&at, batch * layer.n)
        slot.db = _take(&at, slices * layer.n * itemsize)
        if l < L - 1:
            widest = max(widest, layer.n)
        if not (job.sparse and l == 0):
            units = portions(&slot.cut, n_threads)
            for i in range(units):
                rows = unit_of(&slot.cut, units, i)
                job.scratch = max(job.scratch, rows.size * layer.n)
    # alone, a thread is done with dZ[l + 1] when it makes dZ[l - 1]
    job.slots[L - 1].dZ = job.slots[L - 1].A
    if n_threads == 1:
        dZ[0] = _take(&at, batch * widest * itemsize)
        dZ[1] = _take(&at, batch * widest * itemsize)
    for l in range(L - 1):
        job.slots[l].dZ = (dZ[l % 2] if n_threads == 1
                           else _take(&at, batch * job.net.layers[l].n * itemsize))
    if job.top < L - 1:
        job.slots[job.top].dZ = job.slots[job.top].A
        job.dW_top = _take(&at, slices * job.net.layers[job.top].n * itemsize)
    if job.way == WHOLE:
        if job.ranks == NULL:
            job.grads = _take(&at, job.net.size * itemsize)
        for l in range(L):
            job.slots[l].dW = <char *> job.grads + job.net.layers[l].at * itemsize
        if job.scale.s != NULL:
            job.scale.ds = <char *> job.grads + job.net.scale * itemsize
    elif job.optimizer != SGD or job.scale.s != NULL:
        # each is used at once
        dW = _take(&at, n_threads * job.scratch * itemsize)
        for l in range(L):
            job.slots[l].dW = dW
        if job.scale.s != NULL:
            job.scale.ds = _take(&at, job.net.layers[0].n_prev * itemsize)
    if job.sparse:
        layer = job.net.layers
        job.starts[0] = <int64_t *> _take(&at, (batch + 1) * sizeof(int64_t))
        job.starts[1] = <int64_t *> _take(&at, (batch + 1) * sizeof(int64_t))
        if shuffled or job.keep_X < 1:
            job.indices = <int32_t *> _take(&at, most * sizeof(int32_t))
            job.values = _take(&at, most * itemsize)
        job.starts_T = <int64_t *> _take(
            &at, (layer.n_prev + 2 * SLICES) * sizeof(int64_t))
        job.indices_T = <int32_t *> _take(&at, most * sizeof(int32_t))
        job.values_T = _take(&at, most * itemsize)
        job.dW_block = _take(&at, n_threads * block_rows(layer.n) * layer.n * itemsize)
    elif not job.read_in_place:
        job.X_batch = _take(&at, batch * job.X.cols * itemsize)
    job.T_batch = _take(&at, batch * n_L * itemsize)
    job.w_batch = _take(&at, batch * itemsize)
    if job.keep_X < 1:
        job.kept_X = <unsigned char *> _take(
            &at, most if job.sparse else batch * job.X.cols)
    order[0] = NULL
    if shuffled:
        order[0] = <int64_t *> _take(&at, job.m * sizeof(int64_t))
    for i in range(REGIONS):
        job.regions[i].saved = <char *> _take(&at, job.regions[i].size)
    return at - start


cdef inline void guard(Job *job, size_t itemsize) noexcept:
    # Say which memory is restored. In the Gram form W1 stays as it is until it is written out: C, U
    # and the coefficients are saved.
    cdef:
        Slot *first = &job.slots[0]
        size_t at = 0, size = itemsize * job.net.size
        size_t rows = itemsize * job.m * job.net.layers[0].n
    if job.gram:
        at = itemsize * job.net.layers[0].n_prev * job.net.layers[0].n
        _region(job, 1, first.W, 0, rows)
        _region(job, SHARES, job.of_W, 0, 4 * sizeof(double))
        _region(job, 3, first.m1_W, 0, rows)
    _region(job, 0, job.net.params, at, size)
    _region(job, FIRST, job.m1, at, size)
    _region(job, FIRST + 1, job.m2, at, size)


cdef inline void _region(Job *job, int i, void *memory, size_t at, size_t stop) noexcept:
    if memory != NULL:
        job.regions[i].live, job.regions[i].size = <char *> memory + at, stop - at


cdef inline void go_on(Job *job, const Job *before) noexcept:
    # Continue the epoch of a job of the same network and optimiser.
    cdef Py_ssize_t i
    job.continued, job.turns = True, before.turns
    job.total, job.total_weight, job.before = before.total, before.total_weight, before.before
    for i in range(REGIONS):
        job.regions[i].saved = before.regions[i].saved


cdef inline bint is_trained(
    const Job *job, const void *data, Py_ssize_t row, Py_ssize_t col, Py_ssize_t itemsize,
) noexcept:
    # whether an array, whose last element lies so many rows and columns from its first, lies in the
    # memory of parameters or moments
    cdef:
        const char *first = <const char *> data + itemsize * (min(row, 0) + min(col, 0))
        const char *stop = <const char *> data + itemsize * (max(row, 0) + max(col, 0) + 1)
        size_t size = job.net.size * (4 if job.net.type == b'f' else 8)
        const char *arenas[3]
        Py_ssize_t i
    arenas[0], arenas[1] = <const char *> job.net.params, <const char *> job.m1
    arenas[2] = <const char *> job.m2
    for i in range(3):
        if arenas[i] != NULL and first < arenas[i] + size and arenas[i] < stop:
            return True
    return False


cdef inline void *_take(char **at, size_t size) noexcept:
    cdef char *start = at[0]
    at[0] += (size + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT
    return start
