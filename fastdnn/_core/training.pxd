# A training run, of which whole fits make use below the Python line.

from cpython.exc cimport PyErr_Occurred
from libc.stdint cimport int64_t

from fastdnn._core.plan cimport Plan
from fastdnn._core.ranks cimport Ranks
from fastdnn._core.spec cimport Job


cdef class Counts:
    cdef:
        int64_t n_steps
        int64_t n_epochs


cdef class Trainer:
    cdef:
        Job job
        char type
        Plan plan
        Counts counts
        object model
        object training
        object kept_alive
        object targets
        object lock        # of the bit generator
        Ranks ranks        # that train together, or None
        object draw        # makes the order of an epoch
        int64_t *order     # the workspace's copy of an order, or NULL
        object own_targets  # the targets in the plan's type, if they were of another
        object saved       # where what was before the epoch lies
        object rates       # of the steps of the present epoch, if they differ
        object former      # the model's training before the epoch, if that has several parts
        readonly size_t size  # bytes of the workspace
        Py_ssize_t most    # nonzeros of a batch of a sparse X, or more

    cdef int _check_gram(self, gram) except -1
    cdef int _lay_out(self, size_t itemsize, bint shuffled) except -1
    cdef bint _retake_targets(self, Y, double least, double most) except -1
    cdef int enter(self) except -1
    cdef int leave(self, bint trained, double cost) except -1
    cdef int hold(self) except -1
    cdef int let_go(self) except -1
    cdef double _epoch(self) except? -1


cdef inline void begin_epoch(
    Job *job, const int64_t *order, double learning_rate, const double *rates, int64_t steps,
) noexcept nogil:
    job.order = order
    job.learning_rate, job.rates = learning_rate, rates
    job.steps = steps
    job.interrupted = False  # as the epoch before may have been


cdef inline const int64_t *among(
    const Job *job, const int64_t *order, int64_t *out,
) noexcept nogil:
    # an order of the examples that are trained on, as one of rows of X; out may be the order itself
    cdef Py_ssize_t i
    if job.chosen == NULL:
        return order
    if order == NULL:
        return job.chosen
    for i in range(job.m):
        out[i] = job.chosen[order[i]]
    return out


cdef inline int raise_pending() except -1:
    # raise the exception that the engine has set; another thread that ends a fit sets none
    if PyErr_Occurred() == NULL:
        raise KeyboardInterrupt
    return -1
