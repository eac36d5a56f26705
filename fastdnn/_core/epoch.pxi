# An epoch of training: the batches.
#
# Nothing here allocates or touches an object, except the look for Ctrl-C after a batch. An epoch
# takes subnormal numbers as zero.

cdef extern from "Python.h":
    # declared without an exception, which waits until the epoch has ended
    int PyErr_CheckSignals()


cdef enum:
    # multiplications between two looks at the clock: a fraction of a millisecond
    PATIENCE = 1_000_000


cdef struct Part:
    # what is known of the batch and of its step
    Py_ssize_t thread  # whose knowledge it is: 0 the caller's
    Py_ssize_t at     # the batch's beginning in the order
    Cut batch         # its examples
    bint begins       # whether the batch is the step's first
    bint ends         # whether it is the step's last
    double weight     # of all examples of the step
    int64_t batches   # of the epoch, this one included
    int64_t steps     # that were taken
    double l2
    Step step         # the optimiser's numbers
    uint64_t modes    # the processor's modes as they were found


cdef double epoch(Job *job, const floating *tag) noexcept nogil:
    # One pass over the data; returns the mean cost before each update, since the epoch began: if
    # that or a parameter is not finite, a guarded job is as it was before the epoch, and NaN
    # returned; if Ctrl-C was pressed amidst the batches, the exception is set. The tag says the
    # element type.
    cdef:
        Part part
        double total
    part.thread, part.batches, part.steps, part.step = 0, 0, job.steps, job.step
    part.modes = flush_subnormals()
    total = train(job, &part, tag)
    restore_modes(part.modes)
    return total


cdef double train(Job *job, Part *part, const floating *tag) noexcept nogil:
    cdef:
        Py_ssize_t l
        double work = 0, done = 0, counts
        int64_t began = 0
        bint finite = True, timed
    for l in range(SLICES if job.sparse else 0):
        job.first_squares[l] = -1
    job.first = job.rows = job.begin = job.end = job.step_at = 0
    job.ended = False
    job.going = GO_ON
    if job.scale.s != NULL:
        take_written(job, tag)
    if not job.continued:
        job.total = job.total_weight = 0
        job.before = job.steps
        if job.guarded:
            save(job)
    for l in range(job.net.L):
        work += <double> job.net.layers[l].n_prev * job.net.layers[l].n
    if job.board == NULL or job.ranks != NULL:
        # others have all helpers, or the clock would time the other ranks
        job.turns.helped = job.board != NULL
    while True:
        choose_batch(job, part, tag, finite, work, &done)
        if job.over:
            break
        counts = job.end - job.begin if job.cost_per_row else job.weight
        begin_batch(job, part)
        # the last batch may have fewer examples
        timed = job.board != NULL and job.rows == job.batch and job.ranks == NULL
        if timed:
            began = clock()
        job.total += counts / part.weight * step(job, part, tag, &finite)
        if timed:
            next_turn(&job.turns, job.board.account, clock() - began)
    if job.guarded and job.going != LEAVE and not (finite and is_finite(job, tag)):
        restore(job)
        job.steps = job.before
        job.ended = False
        return NAN
    job.steps = part.steps
    return job.total / job.total_weight if job.total_weight > 0 else 0.0


cdef void choose_batch(
    Job *job, Part *part, const floating *tag, bint finite, double work, double *done,
) noexcept nogil:
    # The next batch, of a step that weighs something, if the training goes on; its dropout is
    # drawn.
    job.first += job.rows
    job.rows = 0
    job.over = True
    while finite:
        if done[0] >= PATIENCE:
            done[0] = 0
            if job.hears and now() - job.heard > LOOK:
                look_for_signals(job, part)
                job.heard = now()
        if job.first == job.used and (job.ranks == NULL or job.step_at == job.n_steps):
            job.ended = True
            return
        if job.interrupted:
            return
        if job.first == job.end:
            if job.stop != NULL and read(job.stop):
                job.interrupted = True
                return
            job.begin = job.first
            job.end = min(job.first + job.per_step, job.used)
            job.weight = job.end - job.begin
            if job.ranks != NULL:
                job.weight = job.step_weights[job.step_at]
                job.step_at += 1
            elif job.Y.weights != NULL:
                job.weight = weight_of(job, tag)
            job.total_weight += job.end - job.begin if job.cost_per_row else job.weight
        if job.weight != 0:
            job.rows = min(job.batch, job.end - job.first)
            done[0] += work * job.rows
            if job.sparse and job.rows > 0:
                find_starts(job, part.batches + 1)
            draw(job, job.rows, part.batches + 1)
            job.over = False
            return
        done[0] += job.end - job.first
        job.first = job.end


cdef void look_for_signals(Job *job, Part *part) noexcept nogil:
    # Python's handlers run with the modes that they expect, and may change them
    restore_modes(part.modes)
    with gil:
        job.interrupted = PyErr_CheckSignals() != 0
    part.modes = flush_subnormals()


cdef void save(Job *job) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(REGIONS):
        if job.regions[i].size > 0:
            memcpy(job.regions[i].saved, job.regions[i].live, job.regions[i].size)


cdef void restore(Job *job) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(REGIONS):
        if job.regions[i].size > 0:
            memcpy(job.regions[i].live, job.regions[i].saved, job.regions[i].size)


cdef bint is_finite(Job *job, const floating *tag) noexcept nogil:
    # Parameters and moments; the coefficients of the Gram form are no elements of the network's
    # type. What makes a first moment infinite does so with the second, its square.
    cdef Py_ssize_t i, size
    for i in range(REGIONS):
        size = <Py_ssize_t> (job.regions[i].size // sizeof(floating))
        if i == SHARES or i == FIRST and job.regions[FIRST + 1].size > 0:
            continue
        if not all_finite(size, <const floating *> job.regions[i].live):
            return False
    return not job.gram or gram_is_finite(job, tag)


cdef void begin_batch(const Job *job, Part *part) noexcept nogil:
    cdef:
        Step *step = &part.step
        double rate = job.learning_rate
    if job.rates != NULL:
        rate = job.rates[job.begin // job.per_step if job.ranks == NULL else job.step_at - 1]
    part.at, part.batch, part.weight = job.first, cut_batch(job.rows, job.net.size), job.weight
    part.begins, part.ends = job.first == job.begin, job.first + job.rows == job.end
    part.batches += 1
    step.decay = rate * job.weight_decay
    correct(job.optimizer, rate, part.steps + 1, step)
    part.l2 = job.l2
    if job.l2_per_weight:
        part.l2 = job.l2 / part.weight
    if job.epsilon_corrected:
        step.epsilon = job.step.epsilon * step.root


cdef void draw(Job *job, Py_ssize_t rows, int64_t batches) noexcept nogil:
    # the elements of a batch that dropout keeps; of a sparse batch the nonzeros
    cdef Py_ssize_t l, size = rows * job.X.cols
    if job.sparse and rows > 0:
        size = <Py_ssize_t> job.starts[batches % 2][rows]
    if job.keep_X < 1:
        draw_kept(job.bits, size, job.keep_X, job.kept_X)
    for l in range(job.net.L):
        if job.slots[l].keep < 1:
            draw_kept(job.bits, rows * job.net.layers[l].n, job.slots[l].keep, job.slots[l].kept)


cdef void draw_kept(
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


cdef inline Py_ssize_t example(const int64_t *order, Py_ssize_t i) noexcept nogil:
    # which is number i
    return i if order == NULL else <Py_ssize_t> order[i]


cdef double weight_of(const Job *job, const floating *tag) noexcept nogil:
    # of the next step
    cdef:
        Py_ssize_t i
        double total = 0
    for i in range(job.begin, job.end):
        total += (<const floating *> job.Y.weights)[example(job.order, i)]
    return total
