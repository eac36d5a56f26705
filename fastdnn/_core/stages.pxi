# A step's stages, each of units that the caller and its helpers claim (board.pxd): some slices
# each. No bit depends on who makes them.

cdef enum Stage:
    BATCH      # slices of the batch, from X to dZ[1]; and squares of the weights
    WEIGHTS    # slices of every dW; under STREAM also of their update
    GRADIENTS  # squares of them
    ARENA      # updates of parts of the arena


cdef struct Work:
    # what a unit's maker is told
    Job *job
    const Part *part
    Stage stage
    double scale  # of the gradient


cdef inline Py_ssize_t units_of_layer(const Job *job, Py_ssize_t l) noexcept nogil:
    # each unit of a sparse layer reads the whole batch
    if l == 0 and job.sparse:
        return min(job.slots[0].cut.slices, job.n_threads)
    return portions(&job.slots[l].cut, job.n_threads)


cdef inline Py_ssize_t units_of_batch(const Job *job, const Part *part) noexcept nogil:
    return portions(&part.batch, job.n_threads)


cdef inline Py_ssize_t units_of_arena(const Job *job) noexcept nogil:
    return PORTIONS * job.n_threads if job.n_threads > 1 else 1


cdef Py_ssize_t count_units(const Work *work) noexcept nogil:
    cdef:
        const Job *job = work.job
        Py_ssize_t l, units = 0
    if work.stage == ARENA:
        return units_of_arena(job)
    if work.stage == BATCH:
        units = units_of_batch(job, work.part)
        if not squares_weights(job, work.part):
            return units
    for l in range(job.net.L):
        units += units_of_layer(job, l)
    return units


cdef void make_unit(void *given, int64_t worker, int64_t unit) noexcept nogil:
    cdef:
        const Work *work = <const Work *> given
        Part part = work.part[0]
    part.thread = worker
    if work.job.net.type == b'f':
        make_unit_of(work, &part, unit, <const float *> NULL)
    else:
        make_unit_of(work, &part, unit, <const double *> NULL)


cdef void make_unit_of(
    const Work *work, const Part *part, Py_ssize_t unit, const floating *tag,
) noexcept nogil:
    cdef:
        Job *job = work.job
        Py_ssize_t l, units
        Rows rows
    if work.stage == ARENA:
        update(job, part, work.scale, unit, tag)
        return
    if work.stage == BATCH:
        units = units_of_batch(job, part)
        if unit < units:
            rows = unit_of(&part.batch, units, unit)
            pass_batch(job, part, &rows, tag)
            return
        unit -= units
    l = layer_of(job, &unit)
    rows = unit_of(&job.slots[l].cut, units_of_layer(job, l), unit)
    if work.stage == BATCH:
        square_weights(job, l, &rows, tag)
    elif work.stage == WEIGHTS:
        take(job, part, l, &rows, batch_inputs(job, part, tag))
    else:
        square_gradients(job, l, &rows, tag)


cdef Py_ssize_t layer_of(const Job *job, Py_ssize_t *unit) noexcept nogil:
    # The layer of a unit of them all, and which of its own it is: the first half of each layer's,
    # the first layer first, and then the other halves, the first layer last. So two threads that
    # begin at the ends have as much of each, and meet at small ones.
    cdef Py_ssize_t l, half
    for l in range(job.net.L):
        half = (units_of_layer(job, l) + 1) // 2
        if unit[0] < half:
            return l
        unit[0] -= half
    for l in range(job.net.L - 1, -1, -1):
        half = units_of_layer(job, l) // 2
        if unit[0] < half:
            unit[0] += units_of_layer(job, l) - half
            return l
        unit[0] -= half
    return -1  # there is no such unit


cdef void make_stage(Work *work, Stage stage) noexcept nogil:
    # by the caller, and by helpers if they are asked
    cdef:
        Job *job = work.job
        Py_ssize_t i, units
    work.stage = stage
    units = count_units(work)
    if job.turns.helped and units < UNITS:
        offer(job.board, make_unit, work, units, True)
        wake(job.board)
        finish(job.board)
        return
    for i in range(units):
        make_unit(work, 0, i)
