from libc.stdint cimport int64_t

from fastdnn._core.board cimport Account, Board

ctypedef int (*Get)() noexcept nogil
ctypedef void (*Set)(int) noexcept nogil

cdef class Stop:
    cdef readonly int64_t asked

# a Stop's flag, or NULL for None
cdef const int64_t *flag_of(object stop) except? NULL

# how many threads BLAS has now; NULL if it cannot be asked
cdef Get get_threads

# a call that leaves BLAS one thread, with the GIL
cdef void begin_call() noexcept
cdef void end_call() noexcept

# how many forks lie between the first process and this one
cdef int births() noexcept nogil

# a board with up to so many helpers, or NULL, with the GIL; and its end, when all is made
cdef Board *borrow(Py_ssize_t n_helpers) noexcept
cdef void give_back(Board *board) noexcept
# of what helpers cost
cdef Account *account() noexcept nogil
