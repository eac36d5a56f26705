# When helpers are asked: the caller works alone and with them in turns, by the clock.
#
# No bit depends on who makes a unit, so a clock may decide. A few pieces of work that are alike,
# batches of a fit or calls for predictions, are made by the caller alone, then with helpers for as
# long as these gain, and now and then a few alone again. Where helpers cost more than they have
# given, the caller works alone for four times as long as they have cost, and for up to twenty times
# where that happens again before they have given as much.

from libc.stdint cimport int64_t

from fastdnn._core.board cimport Account, charge, gain, read, repay


cdef enum:
    FIRST_ALONE = 3     # pieces of work at the beginning of a fit that the caller makes alone
    AGAIN_ALONE = 2     # between those that are helped
    FIRST_HELPED = 8    # that are helped between them, at first and later
    HELPED = 128
    LONG = 1_000_000    # nanoseconds of a piece of work of which one alone tells enough
    SLIP = 20_000       # that one may take longer by chance
    CREDIT = 4_000_000  # at most, of what helpers have gained


cdef struct Turns:
    # whether the next piece of work is made by the caller alone, and what is known of both ways
    bint helped
    int64_t alone     # nanoseconds of one that the caller makes alone; 0 if unknown
    int64_t least     # of those that it has made since it is alone
    int64_t balance   # what helpers have gained lately
    int64_t left      # pieces of work up to the next change
    int64_t changes


cdef inline void work_alone(Turns *turns) noexcept nogil:
    turns.helped, turns.left, turns.least = False, AGAIN_ALONE, 0


cdef inline void next_turn(Turns *turns, Account *account, int64_t took) noexcept nogil:
    # after a piece of work that has taken so many nanoseconds
    cdef bint owes = read(&account.owed) > 0
    turns.left -= 1
    if turns.helped:
        if turns.alone > 0:
            turns.balance = min(turns.balance + turns.alone - took, <int64_t> CREDIT)
            gain(account, turns.alone - took)
        if turns.balance < -(turns.alone // 2 + SLIP):
            charge(account, -turns.balance)
            turns.balance = 0
        elif turns.left > 0:
            return
        work_alone(turns)
        return
    repay(account, took)
    turns.least = min(turns.least, took) if turns.least > 0 else took
    if (turns.left > 0 and took < LONG) or owes:
        return
    turns.alone = turns.least
    turns.helped = True
    turns.left = FIRST_HELPED if turns.changes == 0 and took < LONG else HELPED
    turns.changes += 1
