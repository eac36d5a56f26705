# Processes that take their steps together.

from fastdnn._core.spec cimport Job


cdef class Ranks:
    cdef:
        readonly Py_ssize_t rank   # which of the processes this is
        readonly Py_ssize_t size   # how many there are
        readonly bint over         # whether they have parted
        bint broken                # whether MPI has failed
        readonly object bits       # what this rank draws its orders and dropout from
        Py_ssize_t n_steps
        object error               # with which an exchange has ended
        object comm
        object mpi                 # the module mpi4py.MPI
        # a meeting: what this rank says, and what all have said
        object said
        object heard
        double *mine
        double *all
        # the gradients: an arena; what each rank has for this one's slice, by strides; and its sum
        Py_ssize_t n_params
        Py_ssize_t itemsize
        char *grads
        char *parts
        Py_ssize_t stride
        char *sum
        # in memory that all see, with the sums of all slices, by the same strides
        bint shares
        object memory
        char *sums
        # or in messages
        object sent
        object taken
        # the weights of an epoch's steps
        object step_weights

    cdef int _attach(self, Job *job) except -1
    cdef int _begin(self, Job *job) except -1
    cdef int _meet(self, double state, double a, double b) except -1
    cdef int _part(self, error) except -1
    cdef Py_ssize_t _at(self, Py_ssize_t rank) noexcept
    cdef void _add(self) noexcept
    cdef int _exchange(self, double *cost) except -1

# of a training without other ranks they do nothing
cdef int attach(Ranks ranks, Job *job) except -1
cdef int begin(Ranks ranks, Job *job) except -1
cdef int end(Ranks ranks) except -1
