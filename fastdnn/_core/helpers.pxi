# A part of workers.pyx: threads without Python that help whoever borrows them.
#
# A thread takes 20 us to start, so helpers stay. Calls and steps follow each other closely: a
# helper looks for the next unit for about a tenth of a millisecond, and then sleeps until it is
# woken. It holds no lock and no object, so that a process may end whatever its helpers do.

cdef enum:
    BOARDS = 63       # calls that have helpers at once
    CROWDED = 30_000  # nanoseconds that a helper costs on the processor of the thread that it helps

cdef:
    Helper helpers[HELPERS]
    Board boards[BOARDS]
    Account costs     # of all helpers


cdef inline int64_t binding(const Board *board, int64_t worker) noexcept nogil:
    return board.session << 16 | (board - boards) << 8 | worker


cdef void help_out(void *given) noexcept nogil:
    cdef:
        Helper *me = <Helper *> given
        Board *board = boards
        int64_t i = 0, bound, left, unit
    while True:
        bound = read(&me.bound)
        if bound:
            board = &boards[bound >> 8 & 0xff]
        left = read(&board.left) if bound else 0
        if i == LOOKS or takes_its_processor(board):
            if swap(&me.state, AWAKE, ASLEEP):
                PyThread_acquire_lock(me.woken, 1)
            i = 0
        # whoever is still bound now is so for the whole stage, and can claim of this one alone
        elif count_left(left) > 0 and read(&me.bound) == bound:
            unit = claim(board, left, bound & 0xff)
            if unit >= 0:
                restore_modes(board.modes)
                board.make(board.given, bound & 0xff, unit)
                count(&board.made)
            i = 0
        else:
            rest()
            i += 1


cdef bint takes_its_processor(const Board *board) noexcept nogil:
    # Whether this thread runs where the one does that it shall help, since the others are busy: it
    # had better sleep.
    cdef int64_t there = read(&board.processor)
    if there < 0 or processor() != there:
        return False
    charge(&costs, CROWDED)
    return True


cdef Board *borrow(Py_ssize_t n_helpers) noexcept:
    # A board with up to so many helpers, those that are free; NULL if there are none. With the GIL.
    cdef:
        Board *board = NULL
        Helper *helper
        int64_t i, bound
    for i in range(BOARDS if n_helpers > 0 else 0):
        if read(&boards[i].taken) == 0 and swap(&boards[i].taken, 0, 1):
            board = &boards[i]
            break
    if board == NULL:
        return NULL
    # the units that its parent's call has left must not be claimed in a forked child
    write(&board.left, read(&board.left) >> 2 * PLACE << 2 * PLACE)
    board.session += 1
    board.account = &costs
    board.n_helpers = 0
    for i in range(HELPERS):
        if board.n_helpers == n_helpers:
            break
        helper = &helpers[i]
        bound = binding(board, board.n_helpers + 1)
        if read(&helper.bound) == 0 and swap(&helper.bound, 0, bound):
            if not is_there(helper):
                write(&helper.bound, 0)
                break
            board.helpers[board.n_helpers] = helper
            board.n_helpers += 1
    if board.n_helpers == 0:
        write(&board.taken, 0)
        return NULL
    return board


cdef bint is_there(Helper *helper) noexcept:
    # start it, if it was not yet; whoever asks has it bound
    if read(&helper.state) != ABSENT:
        return True
    if helper.woken == NULL:
        helper.woken = PyThread_allocate_lock()
        if helper.woken == NULL:
            return False
        PyThread_acquire_lock(helper.woken, 1)
    write(&helper.state, AWAKE)
    # Cython's declaration has a sign, C's has none
    if <unsigned long> PyThread_start_new_thread(help_out, helper) == <unsigned long> -1:
        write(&helper.state, ABSENT)
        return False
    return True


cdef void give_back(Board *board) noexcept:
    # when all is made
    cdef int64_t i
    if board == NULL:
        return
    for i in range(board.n_helpers):
        # a forked child has forgotten its parent's
        swap(&board.helpers[i].bound, binding(board, i + 1), 0)
    write(&board.taken, 0)


cdef void forget_helpers() noexcept:
    # A forked child has none. Boards of its parent's other threads stay taken.
    cdef int64_t i
    for i in range(HELPERS):
        helpers[i].bound, helpers[i].state, helpers[i].woken = 0, ABSENT, NULL


cdef Account *account() noexcept nogil:
    return &costs
