# Where a thread offers work in units, and helpers take them: whoever is there claims the next one.
#
# The units follow from shapes alone, so who makes which changes no bit. Nobody waits for a helper
# that holds no unit: what a busy system leaves without a processor costs at most what it holds.
# The caller begins with the first units, and where a stage has two ends every other helper with the
# last ones: step for step each finds its own in its cache.
# Helpers are threads without Python (helpers.pxi), and so is all that they are asked to do.

from cpython.pythread cimport PyThread_release_lock, PyThread_type_lock
from libc.stdint cimport int64_t, uint64_t

from fastdnn._core.clock cimport now
from fastdnn._core.modes cimport modes, restore_modes


cdef extern from *:
    """
    #if defined(_WIN32)
    #include <windows.h>
    #define FASTDNN_DOZE() Sleep(0)
    #else
    #include <time.h>
    #define FASTDNN_DOZE() nanosleep(&(struct timespec) {0, 20000}, NULL)
    #endif
    #if defined(__linux__)
    #include <sched.h>
    #define FASTDNN_PROCESSOR() sched_getcpu()
    #else
    #define FASTDNN_PROCESSOR() -1
    #endif
    #if defined(__GNUC__) || defined(__clang__)
    #define FASTDNN_READ(at) __atomic_load_n(at, __ATOMIC_ACQUIRE)
    #define FASTDNN_WRITE(at, x) __atomic_store_n(at, x, __ATOMIC_RELEASE)
    #define FASTDNN_COUNT(at) ((void) __atomic_add_fetch(at, 1, __ATOMIC_ACQ_REL))
    static inline int fastdnn_swap(int64_t *at, int64_t from, int64_t to) {
        return __atomic_compare_exchange_n(
            at, &from, to, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
    }
    #else
    #define FASTDNN_READ(at) InterlockedCompareExchange64(at, 0, 0)
    #define FASTDNN_WRITE(at, x) ((void) InterlockedExchange64(at, x))
    #define FASTDNN_COUNT(at) ((void) InterlockedIncrement64(at))
    static inline int fastdnn_swap(int64_t *at, int64_t from, int64_t to) {
        return InterlockedCompareExchange64(at, to, from) == from;
    }
    #endif
    #if defined(__x86_64__) || defined(__i386__)
    #define FASTDNN_REST() __builtin_ia32_pause()
    #elif defined(__aarch64__) && defined(__GNUC__)
    #define FASTDNN_REST() __asm__ __volatile__("isb" : : : "memory")
    #else
    #define FASTDNN_REST() ((void) 0)
    #endif
    """
    int64_t read "FASTDNN_READ"(const int64_t *at) noexcept nogil
    void write "FASTDNN_WRITE"(int64_t *at, int64_t x) noexcept nogil
    void count "FASTDNN_COUNT"(int64_t *at) noexcept nogil
    # whether it was `from`, and is `to` now
    bint swap "fastdnn_swap"(int64_t *at, int64_t old, int64_t new) noexcept nogil
    void rest "FASTDNN_REST"() noexcept nogil
    void doze "FASTDNN_DOZE"() noexcept nogil
    int64_t processor "FASTDNN_PROCESSOR"() noexcept nogil  # that runs this thread; -1 if unknown


cdef enum:
    HELPERS = 63   # of a process at most
    PLACE = 20     # bits of a unit's number
    UNITS = 1 << PLACE
    MILD = 4       # times what helpers have cost is the work that callers then do alone, at first
    PENALTY = 20   # and at most
    LOOKS = 3000   # for work or for others' units, one soon after the other, before a thread sleeps


cdef enum State:
    ABSENT
    AWAKE
    ASLEEP


ctypedef void (*Make)(void *given, int64_t worker, int64_t unit) noexcept nogil


cdef struct Helper:
    # on cache lines of its own
    int64_t state
    int64_t bound            # to a board, as one of its workers; 0 if to none
    PyThread_type_lock woken  # free when a sleeping helper may go on
    int64_t unused[13]


cdef struct Account:
    # of what helpers cost, one for all callers
    int64_t owed   # nanoseconds for which callers work alone before helpers are asked
    int64_t lost   # that helpers have not gained since they have cost them
    int64_t times  # that the next cost is owed; 0 for as few as at first


cdef struct Board:
    # The work: the end of the units that are not yet claimed, the first of them, whether they are
    # claimed from both ends, and the number of the stage. A helper that was away claims none of
    # another stage than the one it has seen.
    int64_t left
    int64_t unused[7]
    int64_t made
    int64_t unused_too[7]
    int64_t units
    Make make
    void *given
    uint64_t modes           # the processor's, of the thread that offers
    int64_t processor        # on which it offered
    int64_t taken            # whether somebody has borrowed the board
    int64_t session          # which time it is
    int64_t n_helpers
    Account *account
    Helper *helpers[HELPERS]


cdef inline int64_t clock() noexcept nogil:
    # nanoseconds
    return <int64_t> (1e9 * now())


cdef inline Board *lone(Board *board) noexcept nogil:
    # a board of the caller's own, without helpers
    board.left = board.n_helpers = 0
    return board


cdef inline int64_t count_left(int64_t left) noexcept nogil:
    return (left & UNITS - 1) - (left >> PLACE & UNITS - 1)


cdef inline int64_t claim(Board *board, int64_t left, int64_t worker) noexcept nogil:
    # one of the units that were seen to be left; or -1, if others have claimed one meanwhile
    cdef bint last = left >> 2 * PLACE & worker & 1
    if not swap(&board.left, left, left + (-1 if last else UNITS)):
        return -1
    return (left & UNITS - 1) - 1 if last else left >> PLACE & UNITS - 1


cdef inline void offer(
    Board *board, Make make, void *given, int64_t units, bint two_ends,
) noexcept nogil:
    # Begin a stage of less than UNITS, the one before it being finished. What it needs is to be
    # written before.
    # a helper that was away may still try to claim of the stage before, in vain
    cdef uint64_t stage = (<uint64_t> read(&board.left) >> 2 * PLACE + 1) + 1
    board.make, board.given, board.units = make, given, units
    board.modes = modes()
    write(&board.processor, processor())
    board.made = 0
    write(&board.left, <int64_t> (stage << 1 | two_ends) << 2 * PLACE | units)


cdef inline void wake(Board *board) noexcept nogil:
    # the helpers that sleep, for which the caller pays some microseconds each
    cdef:
        int64_t i
        Helper *helper
    for i in range(board.n_helpers):
        helper = board.helpers[i]
        if read(&helper.state) == ASLEEP and swap(&helper.state, ASLEEP, AWAKE):
            PyThread_release_lock(helper.woken)


cdef inline bint make_one(Board *board) noexcept nogil:
    # make the next unit, if one is left
    cdef int64_t unit, left = read(&board.left)
    while count_left(left) > 0:
        unit = claim(board, left, 0)
        if unit >= 0:
            board.make(board.given, 0, unit)
            count(&board.made)
            return True
        left = read(&board.left)
    return False


cdef inline int64_t finish(Board *board) noexcept nogil:
    # Make what is left, and wait for what others are making; returns the nanoseconds waited. A
    # thread without a processor may need ours: from some time on we sleep, and wake on another if
    # there is one.
    cdef int64_t i = 0, begin
    while make_one(board):
        pass
    if read(&board.made) == board.units:
        return 0
    begin = clock()
    while read(&board.made) < board.units:
        if i < LOOKS:
            rest()
        else:
            doze()
        i += 1
    return clock() - begin


cdef inline void charge(Account *account, int64_t cost) noexcept nogil:
    # Helpers have cost so many nanoseconds. What happens once on an idle machine is soon forgotten;
    # on a busy one each cost is owed twice as often as the one before, until all of them together
    # are a small part.
    cdef int64_t times = max(read(&account.times), <int64_t> MILD)
    write(&account.owed, max(read(&account.owed), times * cost))
    write(&account.lost, cost)
    write(&account.times, min(2 * times, <int64_t> PENALTY))


cdef inline void gain(Account *account, int64_t gained) noexcept nogil:
    # so many nanoseconds, or lost them
    cdef int64_t lost = read(&account.lost)
    if lost > 0:
        write(&account.lost, lost - gained)
        if lost <= gained:
            write(&account.times, 0)


cdef inline void repay(Account *account, int64_t worked) noexcept nogil:
    # a caller has worked alone for so many nanoseconds
    cdef int64_t left = read(&account.owed)
    if left > 0:
        write(&account.owed, left - worked)


cdef inline void withdraw(Board *board) noexcept nogil:
    # offer no more units, and wait for what others are making
    cdef int64_t left = read(&board.left)
    while count_left(left) > 0:
        if claim(board, left, 0) >= 0:
            count(&board.made)
        left = read(&board.left)
    finish(board)
