# A part of plan.pyx: predictions that several threads share.
#
# The threads know nothing of Python: they need no GIL, and start in a fifth of the time. Whoever is
# there takes the next rows, so a thread that comes late, from a busy system, leaves them to the
# others, and the call ends without it: what the threads share is freed by the last to leave.

cdef enum:
    PIECES = 8       # for each thread, so that all end at about the same time
    LARGE = 2        # if each piece fetches the weights from afar, or copies them
    LEAST = 300_000  # multiplications of a piece that make its beginning a trifle
    TILE = 6         # rows that are multiplied at a time


cdef struct Shared:
    const Net *net
    Source X
    void *AL
    Py_ssize_t m
    Py_ssize_t rows  # of a piece
    long pieces
    long taken       # pieces, and looks for one more when there was none
    long made
    long came        # threads beside the first
    long held        # threads that have not left
    char *work       # the threads' workspaces, and the bytes of one
    size_t size


cdef Shared *new_shared(
    const Net *net, const Source *X, void *AL, Py_ssize_t n_threads,
) noexcept nogil:
    # NULL without memory
    cdef:
        Shared *shared
        Py_ssize_t m = X.rows, rows = net.chunk
        size_t size
    if n_threads > 1:
        rows = max(m // (n_threads * (LARGE if net.chunk == CHUNK else PIECES)), LEAST // net.size)
        rows = min(rows // TILE * TILE + TILE, net.chunk)
    # of a sparse X the last piece, which is shorter, may become dense
    size = max(work_size(net, X, min(rows, m)), work_size(net, X, (m - 1) % rows + 1))
    size = size * (4 if net.type == b'f' else 8) + ALIGNMENT
    size -= size % ALIGNMENT
    shared = <Shared *> malloc(sizeof(Shared) + ALIGNMENT + n_threads * size)
    if shared == NULL:
        return NULL
    shared.net, shared.X, shared.AL, shared.m, shared.rows = net, X[0], AL, m, rows
    shared.pieces = <long> ((m + rows - 1) // rows)
    shared.taken = shared.made = shared.came = 0
    shared.held = 1
    shared.work = <char *> (shared + 1)
    shared.work += ALIGNMENT - <size_t> shared.work % ALIGNMENT
    shared.size = size
    return shared


cdef bint make_piece(Shared *shared, char *work) noexcept nogil:
    # predict the next rows, if any are left
    cdef Py_ssize_t first = add(&shared.taken, 1) - 1
    if first >= shared.pieces:
        return False
    first *= shared.rows
    levels.verbs.predict(
        shared.net, &shared.X, first, min(first + shared.rows, shared.m), work, shared.AL)
    add(&shared.made, 1)
    return True


cdef void leave(Shared *shared) noexcept nogil:
    if add(&shared.held, -1) == 0:
        free(shared)


cdef void help_out(void *given) noexcept nogil:
    # what a thread beside the first does
    cdef:
        Shared *shared = <Shared *> given
        char *work = shared.work + add(&shared.came, 1) * shared.size
    while make_piece(shared, work):
        pass
    leave(shared)


cdef void end_sharing(Shared *shared) noexcept nogil:
    # Take what is left, so that nobody does, wait for what others are making, and leave. The net,
    # X and AL are the caller's again.
    cdef long i = 0, taken = min(add(&shared.taken, shared.pieces) - shared.pieces, shared.pieces)
    while load(&shared.made) < taken:
        pass_time(i)
        i += 1
    leave(shared)


cdef int share_rows(Shared *shared, Py_ssize_t n_threads, Py_ssize_t between) except -1:
    # predict all rows by so many threads, and hear Ctrl-C after so many of the first one's
    cdef:
        bint more = True
        Py_ssize_t rows
    for _ in range(min(n_threads, <Py_ssize_t> shared.pieces) - 1):
        add(&shared.held, 1)
        if PyThread_start_new_thread(help_out, shared) == -1:
            add(&shared.held, -1)
            break
    try:
        while more:
            rows = 0
            with nogil:
                while more and rows < between:
                    more = make_piece(shared, shared.work)
                    rows += shared.rows
            if more:
                # other threads than the main one find no signals
                PyErr_CheckSignals()
    finally:
        with nogil:
            end_sharing(shared)
    return 0
