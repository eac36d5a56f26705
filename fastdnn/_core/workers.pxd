ctypedef int (*Get)() noexcept nogil
ctypedef void (*Set)(int) noexcept nogil

# how many threads BLAS has now; NULL if it cannot be asked
cdef Get get_threads

# a call that leaves BLAS one thread, with the GIL
cdef void begin_call() noexcept
cdef void end_call() noexcept
