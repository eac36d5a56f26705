# A part of plan.pyx: predictions that several threads share, piece by piece.
#
# The pieces become smaller towards the end, so that all threads end at about the same time.

cdef enum:
    LEAST = 300_000     # multiplications of a piece that make its beginning a trifle
    WAKING = 4_000_000  # multiplications of a call that repay the waking of helpers
    TILE = 6            # rows that are multiplied at a time
    SOON = 100_000      # nanoseconds between two calls of which helpers wait for the second


cdef struct Shared:
    const Net *net
    const Source *X
    void *AL
    Py_ssize_t n_threads
    Py_ssize_t least    # rows of a piece
    Py_ssize_t grain    # a piece begins at its multiples
    Py_ssize_t most     # rows of a piece
    Py_ssize_t whole    # pieces of as many, which come first
    Py_ssize_t mine     # rows that the caller has made
    char *work          # the threads' workspaces, and the bytes of one
    size_t size


cdef int64_t last_call = 0  # when it ended, by the clock


cdef inline Py_ssize_t next_rows(const Shared *shared, Py_ssize_t left) noexcept nogil:
    # the rows of the piece with which so many are left to make
    cdef Py_ssize_t n = shared.n_threads, rows
    if n == 1:
        rows = left
    elif left <= n * TILE:
        rows = (left + n - 1) // n
    else:
        rows = (left // (2 * n) + TILE - 1) // TILE * TILE
    rows = (max(rows, shared.least) + shared.grain - 1) // shared.grain * shared.grain
    return min(rows, min(left, shared.most))


cdef inline Py_ssize_t first_row(const Shared *shared, int64_t piece) noexcept nogil:
    cdef:
        int64_t i
        Py_ssize_t first = min(piece, shared.whole) * shared.most
    for i in range(piece - shared.whole):
        first += next_rows(shared, shared.X.rows - first)
    return first


cdef int64_t count_pieces(const Shared *shared) noexcept nogil:
    cdef:
        int64_t pieces = shared.whole
        Py_ssize_t first = first_row(shared, pieces)
    while first < shared.X.rows:
        first += next_rows(shared, shared.X.rows - first)
        pieces += 1
    return pieces


cdef int64_t divide_rows(Shared *shared, Py_ssize_t n) noexcept nogil:
    # among so many threads: so many whole pieces first that what is left has few; returns how many
    shared.n_threads, shared.least = n, LEAST // shared.net.size + 1
    if shared.net.chunk == CHUNK:
        # each piece fetches the weights from afar, or copies them
        shared.least = max(shared.least, shared.X.rows // (2 * n))
    shared.most = shared.net.chunk * (1 + shared.X.rows // shared.net.chunk // (UNITS // 2))
    shared.whole = max(0, shared.X.rows // shared.most - (2 * n if n > 1 else 0))
    return count_pieces(shared)


cdef void make_piece(void *given, int64_t thread, int64_t piece) noexcept nogil:
    cdef:
        Shared *shared = <Shared *> given
        Py_ssize_t first = first_row(shared, piece)
        Py_ssize_t rows = (shared.most if piece < shared.whole
                           else next_rows(shared, shared.X.rows - first))
    levels.verbs.predict(
        shared.net, shared.X, first, first + rows, shared.work + thread * shared.size, shared.AL)
    if thread == 0:
        shared.mine += rows


cdef int share_rows(
    const Net *net, const Source *X, void *AL, Py_ssize_t n_threads, Py_ssize_t between,
    Turns *turns,
) except -1:
    # predict all rows by so many threads, and hear Ctrl-C after so many of the first one's
    cdef:
        Shared shared
        Board own
        Board *board
        Board *borrowed = NULL
        char *memory
        Py_ssize_t m = X.rows, until
        int64_t pieces, begin = 0, end, waited = 0
        int born = births()
        bint more = True, helped = False
    shared.net, shared.X, shared.AL, shared.mine = net, X, AL, 0
    shared.grain = levels.verbs.grain
    if n_threads > 1:
        begin = clock()
        if turns.helped and look_at(&account().owed) > 0:
            work_alone(turns)
        helped = turns.helped and (
            <double> m * net.size >= WAKING or begin - look_at(&last_call) < SOON)
    pieces = divide_rows(&shared, n_threads if helped else 1)
    if helped:
        borrowed = borrow(min(n_threads, <Py_ssize_t> pieces) - 1)
        if borrowed == NULL:
            pieces = divide_rows(&shared, 1)
    shared.size = work_size(net, X, min(m, net.chunk)) * (4 if net.type == b'f' else 8) + ALIGNMENT
    shared.size -= shared.size % ALIGNMENT
    memory = <char *> malloc(
        ALIGNMENT + (1 if borrowed == NULL else 1 + borrowed.n_helpers) * shared.size)
    if memory == NULL:
        give_back(borrowed)
        raise MemoryError
    shared.work = memory + (ALIGNMENT - <size_t> memory % ALIGNMENT)
    board = lone(&own) if borrowed == NULL else borrowed
    offer(board, make_piece, &shared, pieces, False)
    if borrowed != NULL:
        wake(board)
    try:
        while more:
            until = shared.mine + between
            with nogil:
                while more and shared.mine < until:
                    more = make_one(board)
                if not more:
                    waited = finish(board)
            if more:
                # other threads than the main one find no signals
                PyErr_CheckSignals()
                if births() != born:
                    # a forked child lacks those who were making some of the pieces
                    born, board = births(), lone(&own)
                    offer(board, make_piece, &shared, pieces, False)
    finally:
        if more and births() == born:
            with nogil:
                withdraw(board)
        give_back(borrowed)
        free(memory)
    if n_threads > 1:
        end = clock()
        write(&last_call, end)
        # not helped where it does not pay, where others have all helpers, or after a fork
        if helped == turns.helped and helped == (board == borrowed):
            judge(&shared, turns, end - begin, waited)
    return 0


cdef inline int kind_of(const Source *X) noexcept nogil:
    cdef int kind = 0
    while kind < KINDS - 1 and X.rows >> kind > 1:
        kind += 1
    return kind if X.csr.starts == NULL else KINDS + kind


cdef void judge(
    const Shared *shared, Turns *turns, int64_t took, int64_t waited,
) noexcept nogil:
    # the helpers, after a call
    cdef:
        Py_ssize_t m = shared.X.rows, kind = kind_of(shared.X) % KINDS
        double gain
    if turns.helped and turns.alone == 0:
        # what they have made would have taken the caller so long
        gain = <double> (took - waited) * (m - shared.mine) / max(shared.mine, 1)
        if gain < waited:
            charge(account(), waited - <int64_t> gain)
    # as long as the fewest rows of the kind would have taken
    next_turn(turns, account(), max(1, (took << kind) // m))
