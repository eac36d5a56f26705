# A step's stages, each of units that the caller and its helpers claim (board.pxd), and when helpers
# are asked at all.
#
# The units are some slices each, and no bit depends on who makes them. So a clock may decide: a
# few batches are made by the caller alone, then with helpers for as long as these gain, and now and
# then a few alone again. Where they cost more than they have given, the caller works alone for
# twenty times as long as they have cost.

cdef enum:
    AGAIN_ALONE = 2     # batches between those that are helped
    FIRST_HELPED = 8    # batches that are helped between them, at first and later
    HELPED = 128
    LONG = 1_000_000    # nanoseconds of a batch of which one alone tells enough
    SLIP = 20_000       # that a batch may take longer by chance
    CREDIT = 4_000_000  # at most, of what helpers have gained


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


cdef inline Py_ssize_t units_of_arena(const Job *job) noexcept nogil:
    return PORTIONS * job.n_threads if job.n_threads > 1 else 1


cdef Py_ssize_t count_units(const Work *work) noexcept nogil:
    cdef:
        const Job *job = work.job
        Py_ssize_t l, units = 0
    if work.stage == ARENA:
        return units_of_arena(job)
    if work.stage == BATCH:
        units = portions(&work.part.batch, job.n_threads)
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
        Py_ssize_t l, units = portions(&part.batch, job.n_threads)
        Rows rows
    if work.stage == ARENA:
        update(job, part, work.scale, unit, tag)
        return
    if work.stage == BATCH:
        if unit < units:
            rows = unit_of(&part.batch, units, unit)
            pass_batch(job, part, &rows, tag)
            return
        unit -= units
    for l in range(job.net.L):
        units = units_of_layer(job, l)
        if unit >= units:
            unit -= units
            continue
        rows = unit_of(&job.slots[l].cut, units, unit)
        if work.stage == BATCH:
            square_weights(job, l, &rows, tag)
        elif work.stage == WEIGHTS:
            take(job, part, l, &rows, batch_inputs(job, part, tag))
        else:
            square_gradients(job, l, &rows, tag)
        return


cdef void make_stage(Work *work, Stage stage) noexcept nogil:
    # by the caller, and by helpers if they are asked
    cdef:
        Job *job = work.job
        Py_ssize_t i, units
    work.stage = stage
    units = count_units(work)
    if job.turns.helped:
        offer(job.board, make_unit, work, units)
        wake(job.board)
        finish(job.board)
        return
    for i in range(units):
        make_unit(work, 0, i)


# --------------------------------------------------------------------------------- taking turns

cdef void next_turn(Job *job, int64_t took) noexcept nogil:
    # after a batch that has taken so many nanoseconds
    cdef:
        Turns *turns = &job.turns
        bint owes = read(job.board.owed) > 0
    turns.left -= 1
    if turns.helped:
        turns.balance = min(turns.balance + turns.alone - took, <int64_t> CREDIT)
        if turns.balance < -(turns.alone // 2 + SLIP):
            charge(job.board.owed, -turns.balance)
            turns.balance = 0
        elif turns.left > 0:
            return
        turns.helped, turns.left, turns.least = False, AGAIN_ALONE, 0
        return
    repay(job.board.owed, took)
    turns.least = min(turns.least, took) if turns.least > 0 else took
    if (turns.left > 0 and took < LONG) or owes:
        return
    turns.alone = turns.least
    turns.helped, turns.left = True, FIRST_HELPED if turns.changes == 0 else HELPED
    turns.changes += 1
